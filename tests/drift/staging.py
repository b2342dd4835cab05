"""Plan the fix of a drifted service and hold the result against every promise but its behaviour.

Nothing is run here: what is written must parse, keep its spelling, repeat and undo. Whether it
also behaves is for the judges.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from closeout.engine import patch_series, planner, rules
from closeout.engine.patch_series import PreparedSet
from closeout.fs import patching, transaction, undo, writer
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps import GAPS
from closeout.model import Edit, Gap, Patch, Reason, Tree, Unresolved
from closeout.parsing import syntax
from closeout.resources import BUNDLE
from closeout.runs.workspace import REFERENCE
from tests.drift.cases import Case, Outcome, variant
from tests.support.failures import let_through

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A case with its tree before and after the fix."""

    case: Case
    before: Tree
    after: Tree
    outcome: Outcome
    edits: tuple[Edit, ...]
    patches: tuple[Patch, ...]
    unresolved: tuple[Unresolved, ...]
    faults: tuple[str, ...]
    """What is wrong with the outcome or the edits, in words."""

    @property
    def origin(self) -> str:
        """Return where the patch of the drifted file comes from."""
        origins = {patch.origin for patch in self.patches}
        return " and ".join(sorted(origins)) or "no patch"


@lru_cache(maxsize=1)
def reference() -> DiskTree:
    """Return the reference monorepo, read once."""
    return DiskTree(REFERENCE)


@lru_cache(maxsize=16)
def _prepared(slug: str) -> PreparedSet:
    return patch_series.load(BUNDLE / "patches", slug)


def stage(case: Case) -> Staged:
    """Return the case's fix as `fix.<slug>` would plan it, with the faults that its text shows."""
    gap = next(gap for gap in GAPS if gap.slug == case.gap)
    before = variant(case, reference())
    with let_through():
        plan = planner.plan((gap,), before, _prepared)
    after = Overlay(before, plan.edits)
    proposal = plan.proposals[0]
    refused = _refused(gap, plan)
    outcome = _outcome(gap, plan, refused)
    faults = [
        *_outcome_faults(case, outcome, refused),
        *(fault for edit in plan.edits for fault in _spelling_faults(edit)),
        *_repeat_faults(gap, after),
        *_patch_faults(before, plan.edits),
        *_undo_faults(before, plan.edits),
    ]
    return Staged(
        case=case,
        before=before,
        after=after,
        outcome=outcome,
        edits=plan.edits,
        patches=proposal.patches,
        unresolved=refused,
        faults=tuple(faults),
    )


def _refused(gap: Gap, plan: planner.Plan) -> tuple[Unresolved, ...]:
    """Return what was refused; the order's other services are not in the tree, and do not count."""
    unread = [item for check in plan.after[gap.slug] for item in check.unresolved]
    every = dict.fromkeys((*plan.unresolved[gap.slug], *unread))
    return tuple(item for item in every if item.reason is not Reason.MISSING)


def _outcome(gap: Gap, plan: planner.Plan, refused: tuple[Unresolved, ...]) -> Outcome:
    open_before = rules.findings(plan.before[gap.slug])
    open_after = rules.findings(plan.after[gap.slug])
    if refused:
        return Outcome.REFUSED
    if open_after:
        return Outcome.MISSED
    return Outcome.FIXED if open_before and plan.edits else Outcome.LEFT_ALONE


def _outcome_faults(case: Case, outcome: Outcome, refused: tuple[Unresolved, ...]) -> Iterator[str]:
    if outcome is not case.expect:
        told = "; ".join(f"{item.path}:{item.line} {item.detail}" for item in refused)
        yield f"{outcome.value}, not {case.expect.value} {told}".rstrip()
    if case.reason is not None and case.reason not in {item.reason for item in refused}:
        yield f"refused for another reason than {case.reason.value}"
    if any(item.line < 1 or not item.detail or not item.hint for item in refused):
        yield "a refusal without a line, a reason or a hint"


def _spelling_faults(edit: Edit) -> Iterator[str]:
    """Yield what the edit spoils: parsing, line endings, BOM, the last newline, tabs."""
    trouble = syntax.trouble(edit.path, edit.after)
    if trouble is not None:
        yield f"{edit.path}:{trouble.line} no longer parses: {trouble.message}"
    if edit.before is None:
        return
    added = _added(edit.before, edit.after)
    whole = [line for line in added if line.endswith(b"\n")]
    if b"\r\n" in edit.before and b"\n" not in edit.before.replace(b"\r\n", b""):
        if any(not line.endswith(b"\r\n") for line in whole):
            yield f"{edit.path}: a line of a CRLF file ends in LF"
    elif b"\r" not in edit.before and b"\r" in edit.after:
        yield f"{edit.path}: a line of an LF file ends in CRLF"
    if edit.before.startswith(_BOM) != edit.after.startswith(_BOM):
        yield f"{edit.path}: the byte order mark came or went"
    if edit.before.endswith(b"\n") and not edit.after.endswith(b"\n"):
        yield f"{edit.path}: the last newline is gone"
    by_tabs = b"\n\t" in edit.before and b"\n    " not in edit.before
    if by_tabs and any(line.startswith(b"  ") for line in added):
        yield f"{edit.path}: blanks indent a line of a file with tabs"


def _added(before: bytes, after: bytes) -> list[bytes]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    blocks = difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    return [line for kind, _, _, start, end in blocks if kind != "equal" for line in new[start:end]]


def _repeat_faults(gap: Gap, after: Tree) -> Iterator[str]:
    with let_through():
        again = planner.plan((gap,), after, _prepared)
    if again.edits:
        yield f"a second fix changes {', '.join(str(edit.path) for edit in again.edits)}"


def _patch_faults(before: Tree, edits: tuple[Edit, ...]) -> Iterator[str]:
    """Hold the diff that a person reviews against the bytes that are written."""
    if not edits:
        return
    patch = patching.read_patch("drift", "drift.patch", patching.diff(edits), "derived")
    given = {edit.path: edit.after for edit in patching.stage(before, patch)}
    if given != {edit.path: edit.after for edit in edits}:
        yield "the diff gives other bytes than the edits"


def _undo_faults(before: MemoryTree, edits: tuple[Edit, ...]) -> Iterator[str]:
    if not edits:
        return
    with tempfile.TemporaryDirectory(prefix="closeout-drift-") as scratch:
        root, journal = Path(scratch, "tree"), Path(scratch, "journal")
        writer.copy_tree(before, root)
        transaction.commit(root, edits, kept=journal)
        written = DiskTree(root)
        if any(written.read(edit.path) != edit.after for edit in edits):
            yield "the bytes on disk are not those of the plan"
        undo.undo(journal, root)
        restored = DiskTree(root)
        same = {path: restored.read(path) for path in restored.paths()}
        if same != {path: before.read(path) for path in before.paths()}:
            yield "an undo does not restore the tree from before"
