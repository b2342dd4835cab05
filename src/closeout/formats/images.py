"""Say which images a tree builds, what of the tree is in them, and which service each runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import compose, dockerfile
from closeout.formats.ignore_files import admitting
from closeout.fs.once import once
from closeout.fs.text_edit import Splice, spliced
from closeout.fs.tree import Overlay, below
from closeout.fs.walk import is_below
from closeout.model import Changeset, Edit, Tree

_NAME = re.compile(r"(?:.*\.)?dockerfile(?:\..*)?", re.IGNORECASE)
_SUFFIXES = frozenset({".py", ".js", ".ts", ".mjs", ".cjs", ".mts", ".cts"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One Dockerfile and the folder that its sources are read from."""

    recipe: PurePosixPath
    context: PurePosixPath


@once
def images(tree: Tree) -> tuple[Image, ...]:
    """Return every image: in the context that compose gives it, else in the one that it fits."""
    found = {
        Image(recipe=service.recipe, context=service.build)
        for service in compose.all_services(tree)
        if service.build is not None and service.recipe is not None
    }
    known = {item.recipe for item in found}
    for path in tree.paths():
        if path not in known and _NAME.fullmatch(path.name):
            found.add(Image(recipe=path, context=_fitting(tree, path)))
    return tuple(sorted(found, key=lambda item: (item.recipe, item.context)))


def run_by(
    tree: Tree, service: compose.ComposeService, folders: frozenset[PurePosixPath]
) -> tuple[PurePosixPath, ...]:
    """Return which of `folders` a compose service runs.

    That is the folder of its Dockerfile or of its context, what its image copies, or what it
    mounts; without any of these the folder of its name.
    """
    build, recipe = service.build, service.recipe
    if build is None or recipe is None:
        mounted = {item.source for item in service.mounts if item.source in folders}
        return tuple(sorted(folder for folder in folders if folder in mounted)) or tuple(
            {service.folder} & folders
        )
    around = [each for each in folders if each != build and is_below(recipe, each)]
    if around:
        return (max(around, key=lambda each: len(each.parts)),)
    if build in folders:
        return (build,)
    inside = {each: each.relative_to(build) for each in folders if is_below(each, build)}
    if not inside:
        return ()
    content = tree.read(recipe) or b""
    taken = [item for copy in dockerfile.copies(content) for item in copy.sources]
    whole = [folder for folder, short in inside.items() if short in taken]
    if whole:
        return tuple(sorted(whole))
    part = [f for f, short in inside.items() if any(short.is_relative_to(item) for item in taken)]
    said = f"{dockerfile.started(content)}\n{service.said}"
    named = [folder for folder in part if _speaks_of(said, inside[folder])]
    return tuple(sorted(named or [folder for folder in part if folder.name == service.name]))


def home_for(tree: Tree, user: PurePosixPath, folder: PurePosixPath, name: str) -> PurePosixPath:
    """Return where the new file `name`, which `user` imports, goes.

    That is `folder`, or the folder with `user` in it that an image copies without `folder`.
    """
    wanted = folder / name
    for image in images(tree):
        if not is_below(user, image.context):
            continue
        inner = user.relative_to(image.context)
        taken = list(dockerfile.copies(tree.read(image.recipe) or b""))
        whole = [each for copy in taken for each in copy.sources if each in inner.parents]
        near = wanted.is_relative_to(image.context) and any(
            copy.place(wanted.relative_to(image.context)) for copy in taken
        )
        if whole and not near:
            return image.context / max(whole, key=lambda each: len(each.parts)) / name
    return wanted


def shipped(tree: Tree, changesets: Iterable[Changeset]) -> Iterator[Changeset]:
    """Yield the changesets, with the edits by which images that copy single files get new ones."""
    built: tuple[Image, ...] | None = None
    for each in changesets:
        new = [item for item in each.edits if item.before is None and _is_code(item.path)]
        old = [item for item in each.edits if item.before is not None and _is_code(item.path)]
        if not (new and old):
            yield each
            continue
        built = images(tree) if built is None else built
        overlay = Overlay(tree, each.edits)
        held = overlay.edits
        for _ in new:  # one may import another, which gets its place in an image first
            settled = overlay.edits
            for item in new:
                users = [user.path for user in _users(item, old, new)]
                for image in built:
                    _lay(overlay, image, item.path, users)
                    _admit(overlay, image, item.path, users)
            if overlay.edits == settled:
                break
        yield replace(each, edits=overlay.edits) if overlay.edits != held else each


def _users(made: Edit, old: Iterable[Edit], new: Sequence[Edit]) -> Iterator[Edit]:
    for user in (*old, *new):
        if user is not made and _speaks_of_nearest(user, made, new):
            yield user


def _speaks_of_nearest(user: Edit, made: Edit, new: Iterable[Edit]) -> bool:
    """Return whether `user` names `made`, and no other of its name is closer by."""
    if made.path.stem.encode() not in user.after:
        return False
    alike = [item.path for item in new if item.path.stem == made.path.stem]
    inside = [path for path in alike if user.path.is_relative_to(path.parent)]
    return made.path == max(inside or [made.path], key=lambda path: len(path.parts))


def _lay(
    overlay: Overlay, image: Image, new: PurePosixPath, users: Iterable[PurePosixPath]
) -> None:
    """Lay the edit by which `image` copies `new` to where a file of `users` looks for it."""
    content = overlay.read(image.recipe) or b""
    context = image.context
    short = {path: path.relative_to(context) for path in users if is_below(path, context)}
    splices: list[Splice] = []
    for copy in dockerfile.copies(content):
        for path, inner in short.items():
            place = copy.place(inner)
            if place is None or not is_below(new, context):
                continue
            wanted = posixpath.normpath(place.parent / posixpath.relpath(new, path.parent))
            source = new.relative_to(context)
            if any(
                each.place(source) == PurePosixPath(wanted) for each in dockerfile.copies(content)
            ):
                continue
            flags = f"{copy.flags} " if copy.flags else ""
            start = "" if content[: copy.end].endswith(b"\n") else "\n"
            text = f"{start}COPY {flags}{source} {wanted}\n"
            if all(item.text != text for item in splices):
                splices.append(Splice(start=copy.end, end=copy.end, text=text))
    if splices:
        overlay.lay(spliced(overlay, image.recipe, splices))


def _admit(
    overlay: Overlay, image: Image, new: PurePosixPath, users: Iterable[PurePosixPath]
) -> None:
    """Lay the edit by which the context of an image that has one of `users` holds `new` too."""
    taken = dockerfile.copies(overlay.read(image.recipe) or b"")
    inside = [
        path.relative_to(image.context) for path in (new, *users) if is_below(path, image.context)
    ]
    is_used = any(copy.place(path) for path in inside[1:] for copy in taken)
    if is_below(new, image.context) and is_used:
        edit = admitting(overlay, image.recipe, image.context, new)
        if edit is not None:
            overlay.lay(edit)


def _is_code(path: PurePosixPath) -> bool:
    return path.suffix in _SUFFIXES


def _fitting(tree: Tree, recipe: PurePosixPath) -> PurePosixPath:
    """Return the nearest folder in which every source of a Dockerfile stands."""
    wanted = [
        source
        for copy in dockerfile.copies(tree.read(recipe) or b"")
        for source in copy.sources
        if not re.search(r"[*?\[]", str(source))
    ]
    for folder in recipe.parents:
        if all(below(tree, folder / source) for source in wanted):
            return folder
    return recipe.parent


def _speaks_of(text: str, path: PurePosixPath) -> bool:
    dotted = ".".join(path.parts)
    return bool(
        re.search(rf"(?<![\w-])(?:{re.escape(str(path))}|{re.escape(dotted)})(?![\w-])", text)
    )
