"""Give containers the secrets that are taken out of their image, wherever the tree starts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from closeout.formats import chart_delivery, compose
from closeout.formats.helm import values_files
from closeout.formats.images import images
from closeout.formats.settings import Setting
from closeout.fs.text_edit import Splice, splice
from closeout.fs.tree import Overlay
from closeout.gaps.external_secrets.declared import Declared
from closeout.gaps.external_secrets.inventory.literals import Literal, is_image
from closeout.gaps.external_secrets.readers import is_same
from closeout.gaps.external_secrets.remedies.image_recipe import emptied
from closeout.gaps.external_secrets.required import RequiredNames, referring
from closeout.gaps.external_secrets.target import secret_name
from closeout.gaps.external_secrets.wanted import spelled
from closeout.model import Changeset, Edit, Tree
from closeout.parsing.yaml import Node, NodeKind, YamlError, append, documents


def moved(tree: Tree, state: Declared, found: Iterable[Literal]) -> Iterator[Changeset]:
    """Yield one changeset an image whose secrets every file that starts it hands on from now on.

    An image that nothing in the tree starts stays as it is: whoever starts it is not known.
    """
    base = Overlay(tree)
    for recipe in sorted({item.path for item in found if is_image(item.path)}):
        made = emptied(base.read(recipe) or b"")
        if made is None:
            continue
        emptied_recipe, given = made
        folder = next(item.context for item in images(base) if item.recipe == recipe)
        charted = _charted(base, folder, given)
        if charted is None:
            continue
        overlay = Overlay(base, charted)
        started = list(values_files(base, frozenset({folder})))
        for path, after in (
            *_composed(base, recipe, given),
            *_deployed(base, state, folder.name, given),
        ):
            started.append(path)
            if after != base.read(path):
                overlay.lay(Edit.of(base, path, after))
        if started:
            overlay.lay(Edit.of(base, recipe, emptied_recipe))
            yield Changeset(name=f"image-{folder.name}".lower(), edits=overlay.edits)
            # Two images may be started by one file: the second adds to what the first made of it.
            base = Overlay(tree, (*base.edits, *overlay.edits))


def _charted(
    tree: Tree, folder: PurePosixPath, given: Mapping[str, str]
) -> tuple[Edit, ...] | None:
    """Return the edits of the charts that start an image; None where one cannot hand it on."""
    overlay = Overlay(tree)
    for name in given:
        setting = Setting(name=name, is_secret=True)
        if any(True for _ in chart_delivery.unreached(tree, [folder], name)):
            return None
        for place, missing in chart_delivery.undelivered(overlay, [folder], [setting]):
            for edit in place.edits(overlay, missing) if missing else ():
                overlay.lay(edit)
    return overlay.edits


def _composed(
    tree: Tree, recipe: PurePosixPath, given: Mapping[str, str]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the compose files that start an image, with its variables."""
    names: dict[PurePosixPath, RequiredNames] = defaultdict(RequiredNames)
    for path in compose.files(tree):
        content = tree.read(path) or b""
        services = compose.services(path, content)
        started = [item for item in services if item.recipe == recipe]
        splices = []
        for service in started:
            lacking = {
                name: referring(name, value, service, services, names[path.parent])
                for name, value in given.items()
                if name not in service.variables
            }
            splices += [service.added(lacking)] if lacking else []
        if started:
            yield path, splice(content, splices)


def _deployed(
    tree: Tree, state: Declared, service: str, given: Mapping[str, str]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the manifests that start an image, with its variables out of a Secret."""
    splices: dict[PurePosixPath, list[Splice]] = defaultdict(list)
    started = {item.path for item in state.others if item.document.field("spec", "template")}
    for path in sorted(started):
        content = tree.read(path) or b""
        try:
            tops = documents(content)
        except YamlError:
            continue
        for node in (each for top in tops for each in _containers(top)):
            image = node.get("image")
            called = image.text.rpartition("/")[2].partition(":")[0] if image is not None else ""
            if called and is_same(called, service, state.project):
                splices[path] += _handed(content, node, service, given)
    for path, items in splices.items():
        yield path, splice(tree.read(path) or b"", items)


def _containers(top: Node) -> Iterator[Node]:
    spec = top.get("spec", "template", "spec")
    for key in ("initContainers", "containers"):
        listed = spec.get(key) if spec is not None else None
        yield from (entry.value for entry in (listed.entries if listed is not None else ()))


def _handed(
    content: bytes, container: Node, service: str, given: Mapping[str, str]
) -> Iterator[Splice]:
    """Yield the splice that gives a container what it lacks, out of the Secret that it reads."""
    held = container.get("env")
    listed = [entry.value for entry in held.entries] if held is not None else []
    said = {node.text for item in listed if (node := item.get("name")) is not None}
    beside = [
        (name.text, key.text)
        for item in listed
        if (name := item.get("valueFrom", "secretKeyRef", "name")) is not None
        and (key := item.get("valueFrom", "secretKeyRef", "key")) is not None
    ]
    secret = beside[-1][0] if beside else secret_name(service)
    keys = [key for name, key in beside if name == secret]
    rows = [
        f"- name: {name}\n  valueFrom:\n    secretKeyRef:\n      name: {secret}\n"
        f"      key: {spelled(name, keys)}"
        for name in given
        if name not in said
    ]
    if not rows:
        return
    if held is not None and held.kind is NodeKind.SEQUENCE and not (held.flow or held.alias):
        yield append(content, held).splice("\n".join(rows))
    elif held is None:
        lines = "\n".join(rows).replace("\n", "\n  ")
        yield append(content, container).splice(f"env:\n  {lines}")
