"""Take the secrets that application code falls back to out of it, once they are handed on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.fs.tree import Overlay
from closeout.gaps.external_secrets.fallbacks import python, typescript
from closeout.gaps.external_secrets.fallbacks.handed_on import HandedOn
from closeout.gaps.external_secrets.fallbacks.written_default import WrittenDefault
from closeout.gaps.external_secrets.inventory.literals import Literal, LiteralForm
from closeout.harness.service_discovery import LAYERS
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved

_EMPTY = "an empty one would open as much"
_HINTS = {_EMPTY: "demand it where the program starts, and give its tests one of their own."}
_KEPT = ("package.json", "requirements.txt", "pyproject.toml", "Dockerfile")
_SCRIPTS = frozenset({".ts", ".js", ".mjs", ".cjs", ".mts", ".cts"})


def read_from_environment(tree: Tree, found: Iterable[Literal]) -> Changeset:
    """Return what has code take its secrets from the environment, delivered where it starts.

    What nothing needs goes on without; what cannot be delivered stays, with the reason.
    """
    handing = HandedOn(tree)
    lines: dict[PurePosixPath, set[int]] = defaultdict(set)
    for item in found:
        if item.form is LiteralForm.FALLBACK:
            lines[item.path].add(item.line)
    left: list[Unresolved] = []
    edits: list[Edit] = []
    for path in sorted(lines):
        splices: list[Splice] = []
        for default in written_defaults(tree, path):
            if default.line in lines[path]:
                made = _mended(handing, _service(tree, path), path, default)
                splices += () if isinstance(made, Unresolved) else made
                left += [made] if isinstance(made, Unresolved) else []
        if splices:
            after = splice(tree.read(path) or b"", dict.fromkeys(splices))
            edits.append(Edit.of(tree, path, after))
    overlay = Overlay(tree, [*handing.edits, *edits])
    return Changeset(
        name="fallbacks", edits=overlay.edits, source=Source.CODE, unresolved=tuple(left)
    )


def written_defaults(tree: Tree, path: PurePosixPath) -> Iterator[WrittenDefault]:
    """Yield the usable secrets that a source falls back to; none of what is no source."""
    folder = _service(tree, path)
    if path.suffix == ".py":
        yield from python.defaults(tree, folder, path)
    elif path.suffix in _SCRIPTS:
        yield from typescript.defaults(tree, folder, path)


def _mended(
    handing: HandedOn, folder: PurePosixPath, path: PurePosixPath, item: WrittenDefault
) -> tuple[Splice, ...] | Unresolved:
    if item.bare is not None:
        return (item.bare,)
    if not item.is_needed:
        return item.optional
    optional = item.optional if item.may_be_empty else ()
    if not (item.required or optional):
        problem = _EMPTY if item.optional else "where the code would ask for it is not known"
    else:
        problem = handing.deliver(folder, item)
    demanded = () if item.is_at_load and handing.is_copied(folder) else item.required
    if not problem and (demanded or optional):
        return demanded or optional
    problem = problem or "a developer's .env may be read after it"
    return Unresolved(
        path=path,
        reason=Reason.AMBIGUOUS,
        line=item.line,
        detail=f"{item.name} falls back to a usable value: {problem}",
        hint=_HINTS.get(problem, "hand it on there, then run the command again."),
    )


def _service(tree: Tree, path: PurePosixPath) -> PurePosixPath:
    """Return the folder of what a source belongs to: a layer's service, or what has a manifest."""
    if path.parts[0] in LAYERS:
        return PurePosixPath(*path.parts[:2])
    held = (
        each for each in path.parents if any(tree.read(each / name) is not None for name in _KEPT)
    )
    return next(held, path.parent)
