"""Recall a gap's checks and its proposal where all that they rest on is as it was.

No content is kept: what an excerpt, a diff or an edited file takes from the tree is kept as the
place where it stands, and read from there again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeVar

import msgspec

from closeout.fs import codec, trace
from closeout.fs.cache import Told
from closeout.fs.reading import NotingTree
from closeout.fs.trace import Piece
from closeout.fs.tree import DiskTree, Overlay
from closeout.model import Check, Edit, Finding, Gap, Patch, Proposal, Reason, Tree, Unresolved

Answer = TypeVar("Answer")
Packed = TypeVar("Packed")

_CUT = "…"
"""Stands in an excerpt for what is not shown."""


class UnpackableError(Exception):
    """Why an answer is not kept, or not what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PackedCheck:
    check: Check
    excerpts: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PackedEdit:
    path: PurePosixPath
    mode: int
    removes: bool
    after: tuple[Piece, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _PackedPatch:
    patch: Patch
    diff: tuple[Piece, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _PackedProposal:
    gap: str
    edits: tuple[_PackedEdit, ...]
    patches: tuple[_PackedPatch, ...]
    unresolved: tuple[Unresolved, ...]


def checks(tree: Tree, gap: Gap, make: Callable[[Tree], tuple[Check, ...]]) -> tuple[Check, ...]:
    """Return a gap's checks on `tree`, made by `make` where they are not known."""

    def pack(made: tuple[Check, ...]) -> tuple[_PackedCheck, ...]:
        return tuple(_packed_check(tree, check) for check in made)

    def unpack(kept: tuple[_PackedCheck, ...]) -> tuple[Check, ...]:
        return tuple(_unpacked_check(tree, item) for item in kept)

    if not _is_of_this_house(gap):
        return make(tree)
    return _recalled((tree,), f"checks {gap.slug}", tuple[_PackedCheck, ...], (make, pack, unpack))


def proposal(tree: Tree, gap: Gap, given: str, make: Callable[[Tree], Proposal]) -> Proposal:
    """Return a gap's proposal on `tree`, made by `make` of what is `given`, or known."""

    def pack(made: Proposal) -> _PackedProposal:
        return _PackedProposal(
            gap=made.gap,
            edits=tuple(_packed_edit(edit) for edit in made.edits),
            patches=tuple(_packed_patch(tree, patch) for patch in made.patches),
            unresolved=_without_ours(made.unresolved),
        )

    def unpack(kept: _PackedProposal) -> Proposal:
        return Proposal(
            gap=kept.gap,
            edits=tuple(_unpacked_edit(tree, edit) for edit in kept.edits),
            patches=tuple(_unpacked_patch(tree, patch) for patch in kept.patches),
            unresolved=kept.unresolved,
        )

    about = f"proposal {gap.slug} {hashlib.sha256(given.encode()).hexdigest()}"
    if not _is_of_this_house(gap):
        return make(tree)
    return _recalled((tree,), about, _PackedProposal, (make, pack, unpack))


def criteria(
    tree: Tree, gaps: Sequence[Gap], question: str, make: Callable[[Tree], frozenset[str]]
) -> frozenset[str]:
    """Return the criteria that `make` names of a tree for these gaps, or those that are known."""
    if not all(map(_is_of_this_house, gaps)):
        return make(tree)

    def pack(made: frozenset[str]) -> tuple[str, ...]:
        return tuple(sorted(made))

    return _recalled((tree,), question, tuple[str, ...], (make, pack, frozenset[str]))


def _is_of_this_house(gap: Gap) -> bool:
    """Return whether all that the gap asks is code of ours: a plugin's may have changed unseen."""
    asked = (gap.fix, gap.survey, *(rule.locate for rule in gap.rules))
    modules = (getattr(getattr(each, "func", each), "__module__", "") for each in asked)
    return all(module.split(".")[0] == __name__.split(".")[0] for module in modules)


def refusals(
    trees: tuple[Tree, Tree],
    made: Proposal,
    make: Callable[[Tree, Tree], tuple[Unresolved, ...]],
) -> tuple[Unresolved, ...]:
    """Return what `make` refuses of a proposal's edits, given the trees before and after a plan."""
    edits = [(str(item.path), _digest(item.before), _digest(item.left)) for item in made.edits]
    about = f"refusals {made.gap} {hashlib.sha256(repr(edits).encode()).hexdigest()}"
    return _recalled(trees, about, tuple[Unresolved, ...], (make, _without_ours, tuple))


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _recalled(
    trees: tuple[Tree, ...],
    question: str,
    kind: type[Packed],
    ways: tuple[Callable[..., Answer], Callable[[Answer], Packed], Callable[[Packed], Answer]],
) -> Answer:
    make, pack, unpack = ways
    bottom = trees[0]
    while isinstance(bottom, Overlay):
        bottom = bottom.base
    if not isinstance(bottom, DiskTree) or bottom.recall is None:
        return make(*trees)
    recall = bottom.recall
    state = trace.state(recall, bottom, trees)
    for told in sorted(recall.told(question), key=lambda each: each.state != state):
        now = told
        if not (state and told.state == state and trace.holds(trees, told.apart)):
            steps = codec.decode(trace.Trace, bytes(told.rests_on))
            if not trace.holds(trees, steps):
                continue
            if state:
                now = replace(told, state=state, apart=trace.apart(steps, bottom, trees))
        try:
            known = unpack(codec.decode(kind, bytes(told.answer)))
        except (UnpackableError, ValueError):
            break
        recall.used(question, told, now)
        return known
    reading = [NotingTree(tree) for tree in trees]
    made = make(*reading)
    try:
        kept = _json(pack(made))
    except UnpackableError:
        return made
    steps = trace.of(*(each.seen for each in reading))
    told = Told(
        state=state, apart=trace.apart(steps, bottom, trees), rests_on=_json(steps), answer=kept
    )
    recall.tell(question, told)
    return made


def _json(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value, enc_hook=str))


def _packed_check(tree: Tree, check: Check) -> _PackedCheck:
    _without_ours(check.unresolved)
    bare = tuple(replace(item, excerpt="") for item in check.findings)
    return _PackedCheck(
        check=replace(check, findings=bare),
        excerpts=tuple(_packed_excerpt(tree, item) for item in check.findings),
    )


def _unpacked_check(tree: Tree, kept: _PackedCheck) -> Check:
    pairs = zip(kept.check.findings, kept.excerpts, strict=True)
    return replace(
        kept.check,
        findings=tuple(
            replace(item, excerpt=_text(tree.read(item.path) or b"", pieces))
            for item, pieces in pairs
        ),
    )


def _packed_excerpt(tree: Tree, finding: Finding) -> tuple[Piece, ...]:
    content = tree.read(finding.path) or b""
    pieces: list[Piece] = []
    for number, part in enumerate(finding.excerpt.split(_CUT)):
        pieces += [_CUT] if number else []
        written = part.encode()
        start = content.find(written)
        pieces += [part] if start < 0 or not part else [(start, len(written))]
    if _text(content, pieces) != finding.excerpt:
        raise UnpackableError
    return tuple(pieces)


def _text(content: bytes, pieces: Iterable[Piece]) -> str:
    try:
        return "".join(
            piece if isinstance(piece, str) else content[piece[0] : sum(piece)].decode()
            for piece in pieces
        )
    except UnicodeDecodeError as error:
        raise UnpackableError from error


def _packed_edit(edit: Edit) -> _PackedEdit:
    return _PackedEdit(
        path=edit.path,
        mode=edit.mode,
        removes=edit.removes,
        after=trace.delta(edit.before or b"", edit.after),
        digest=hashlib.sha256(edit.after).hexdigest(),
    )


def _unpacked_edit(tree: Tree, kept: _PackedEdit) -> Edit:
    before = tree.read(kept.path)
    return Edit(
        path=kept.path,
        before=before,
        after=_whole(before or b"", kept.after, kept.digest),
        mode=kept.mode,
        removes=kept.removes,
    )


def _packed_patch(tree: Tree, patch: Patch) -> _PackedPatch:
    return _PackedPatch(
        patch=replace(patch, diff=b""),
        diff=trace.delta(_sources(tree, patch.targets), patch.diff, marks=1),
        digest=patch.sha256,
    )


def _unpacked_patch(tree: Tree, kept: _PackedPatch) -> Patch:
    source = _sources(tree, kept.patch.targets)
    return replace(kept.patch, diff=_whole(source, kept.diff, kept.digest))


def _sources(tree: Tree, paths: Iterable[PurePosixPath]) -> bytes:
    return b"".join((tree.read(path) or b"") + b"\n" for path in paths)


def _whole(source: bytes, pieces: Iterable[Piece], digest: str) -> bytes:
    made = trace.put_together(source, pieces)
    if hashlib.sha256(made).hexdigest() != digest:
        raise UnpackableError
    return made


def _without_ours(refused: tuple[Unresolved, ...]) -> tuple[Unresolved, ...]:
    """Return the refusals; raises for a failure of our own, which the next run may be spared."""
    if any(item.reason is Reason.OURS for item in refused):
        raise UnpackableError
    return refused
