"""Refuse what would stop a service: a variable that fixed code demands and nothing delivers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath

from closeout.engine import recalled
from closeout.formats import deployed
from closeout.formats.deployed import Deployed
from closeout.fs.tree import below
from closeout.model import Edit, Proposal, Reason, Tree, Unresolved
from closeout.parsing.demanded_variables import DemandedVariable, demanded

_MANIFESTS = ("package.json", "requirements.txt", "pyproject.toml", "Dockerfile")
_STAGES = frozenset({"production", "prod", "staging"})


def stopping(
    proposals: Sequence[Proposal], before: Tree, after: Tree
) -> Mapping[str, tuple[Unresolved, ...]]:
    """Return by gap the edits of the services that would no longer start, with the reason.

    What was demanded before is the tree's own affair.
    """
    found: dict[str, tuple[Unresolved, ...]] = {}
    for proposal in proposals:
        refused = recalled.refusals((before, after), proposal, partial(_refusals, proposal))
        if refused:
            found[proposal.gap] = refused
    return found


def _refusals(proposal: Proposal, before: Tree, after: Tree) -> tuple[Unresolved, ...]:
    refused = (item for edit in proposal.edits for item in _stopping(edit, proposal, before, after))
    return tuple(dict.fromkeys(refused))


def _stopping(edit: Edit, proposal: Proposal, before: Tree, after: Tree) -> Iterator[Unresolved]:
    old = {item.name for item in demanded(edit.path, edit.before or b"")}
    new = [
        item for item in demanded(edit.path, after.read(edit.path) or b"") if item.name not in old
    ]
    folder = _service(after, edit.path) if new else None
    if folder is None:
        return
    given = deployed.environments(after, folder)
    for item in new:
        lacking = [str(each.source) for each in _lacking(item, edit, given)]
        if lacking and not _is_demanded(before, folder, item.name):
            yield from _refused(proposal.edits, folder, item.name, lacking)


def _service(tree: Tree, path: PurePosixPath) -> PurePosixPath | None:
    """Return the folder of the service that a source belongs to: the nearest with a manifest.

    The top is one where it has the only manifests.
    """
    folders = (folder for folder in path.parents if folder.parts or _is_alone(tree))
    return next(
        (
            folder
            for folder in folders
            if any(tree.read(folder / name) is not None for name in _MANIFESTS)
        ),
        None,
    )


def _is_alone(tree: Tree) -> bool:
    return not any(path.name in _MANIFESTS and path.parent.parts for path in tree.paths())


def _lacking(demand: DemandedVariable, edit: Edit, given: Iterable[Deployed]) -> Iterator[Deployed]:
    for each in given:
        if demand.name in each.variables or each.refused:
            continue
        if not demand.in_production or _is_production(each, edit.after or b""):
            yield each


def _is_production(given: Deployed, content: bytes) -> bool:
    """Return whether a variable that the source itself reads says that this is production."""
    return any(
        value.strip().lower() in _STAGES and re.search(rb"\b%s\b" % name.encode(), content)
        for name, value in given.variables.items()
    )


def _is_demanded(tree: Tree, folder: PurePosixPath, name: str) -> bool:
    return any(
        item.name == name
        for path in below(tree, folder)
        if name.encode() in (content := tree.read(path) or b"")
        for item in demanded(path, content)
    )


def _refused(
    edits: Iterable[Edit], folder: PurePosixPath, name: str, lacking: Sequence[str]
) -> Iterator[Unresolved]:
    files, service = ", ".join(lacking), folder.name or "the service"
    for edit in edits:
        if edit.path.is_relative_to(folder):
            yield Unresolved(
                path=edit.path,
                reason=Reason.AMBIGUOUS,
                detail=f"{service} would demand {name}, which {files} does not deliver",
                hint=f"hand {name} on there, with a value or one in the env example beside it, "
                "then run the command again.",
            )
