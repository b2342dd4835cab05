"""What the judging sessions share: run gates, record their evidence, say how it stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

from closeout.cli.declared import assert_declared
from closeout.console import failures, progress
from closeout.console.layout import counted, wrapped
from closeout.console.output import Detail, add, give, say, sum_up
from closeout.engine import subjects
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import undo, writer
from closeout.fs.tree import DiskTree, digest
from closeout.gaps import GAPS
from closeout.harness import environments
from closeout.model import Gap, Gate, GateContext, Means, Observation, ProofKind, Row, Tree
from closeout.model.verdicts import Evidence
from closeout.process import scratch
from closeout.reporting import bundle
from closeout.runs import evidence_store, store
from closeout.runs.workspace import Workspace

Interpreters = Callable[[str], Path]
"""A file of pins, such as `requirements/live.txt`, to the interpreter of its environment."""

FOR_SERVERS = 0o755
"""The mode of a folder that other users may enter, as a database server must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """One probe's answer on the tree as it is, and whether it passed before the fix."""

    probe: str
    criterion: str
    seen: Observation
    before: bool | None = None
    seconds: float = 0.0
    at: datetime | None = None
    """When it was given, where it is used again."""


def answers(
    rows: Iterable[Row], seconds: float = 0.0, before: Mapping[str, bool | None] | None = None
) -> list[ProbeAnswer]:
    """Return rows as answers of a session; `before` is what probes said before the fix."""
    known = before or {}
    return [
        ProbeAnswer(probe=probe, criterion=at, seen=seen, before=known.get(probe), seconds=seconds)
        for probe, at, seen in rows
    ]


def gates() -> tuple[Gate, ...]:
    """Return every gate, in the sequence of the gaps."""
    return tuple(gate for gap in GAPS for gate in _gates_of(gap))


def named(name: str) -> tuple[Gate, ...]:
    """Return the gates of one name: they are one session."""
    return tuple(gate for gate in gates() if gate.name == name)


def _gates_of(gap: Gap) -> tuple[Gate, ...]:
    try:
        return gap.gates()
    except Exception as error:  # noqa: BLE001 - a bug stays in its gap
        failures.noted(f"{gap.slug}: gates", error)
        return ()


def environments_in(folder: Path) -> Interpreters:
    """Return interpreters from this project's pins, each made below `folder` when it is asked."""

    def made(requirements: str) -> Path:
        return environments.ensure(folder / PurePosixPath(requirements).stem, requirements)

    return made


def kept_environments(space: Workspace) -> Interpreters:
    """Return interpreters that are kept in the workspace's cache."""
    return environments_in(space.cache / "environments")


def judge(space: Workspace, asked: Sequence[Gate], pythons: Interpreters) -> ExitCode:
    """Run the gates of one session on the tree before the fix, where there was one, and as it is.

    What an operator's cluster says is asked once: no fix of a tree changes it.
    """
    session, means = asked[0].session, asked[0].means
    tree = DiskTree(space.root)
    assert_declared(tree)
    beside = subjects.absent_of(GAPS, tree)
    put = [gate for gate in asked if not beside.keys() >= set(gate.criteria)]
    if not put:
        return none_applies(session, (item for gate in asked for item in gate.criteria), beside)
    pairs = [(gate, pythons(gate.requirements) if gate.requirements else None) for gate in put]

    def ask(root: Path, folder: Path) -> list[Row]:
        folder.mkdir(mode=0o755)
        given = partial(GateContext, root=root, scratch=folder, cache=space.cache)
        return [row for gate, python in pairs for row in _seen(gate, given(python=python))]

    with scratch.folder(session, mode=FOR_SERVERS) as folder:
        operated = means is Means.OPERATOR
        earlier = None if operated else before_fix(space, folder / "before-tree")
        seen_before: Sequence[Row] = ()
        if earlier is not None:
            progress.step(f"{session} on the tree before the fix")
            seen_before = ask(earlier, folder / "before")
        progress.step(f"{session} on the tree as it is")
        began = time.monotonic()
        seen_after = ask(space.root, folder / "after")
        seconds = time.monotonic() - began
    before = {probe: seen.passed for probe, _, seen in seen_before}
    failed = [
        (f"{name} before the fix", number, seen) for name, number, seen in seen_before if seen.bug
    ]
    rows = [row for row in (*seen_after, *failed) if row[1] not in beside]
    return conclude(space, session, answers(rows, seconds, before), means)


def none_applies(session: str, criteria: Iterable[str], beside: subjects.Absent) -> ExitCode:
    """Say that a session has nothing to ask of a tree, and why; that is settled."""
    reasons = dict.fromkeys(beside[number].because for number in criteria)
    sum_up("\n".join(wrapped("", f"{session}: not applicable, {'; '.join(reasons)}")))
    return ExitCode.SETTLED


def _seen(gate: Gate, context: GateContext) -> tuple[Row, ...]:
    """Return what a gate says of one tree; where it fails by itself, a row a criterion."""
    try:
        return tuple(gate.run(context))
    except CloseoutError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug stays in its gate
        seen = failures.of_probe(gate.session, error)
        return tuple((gate.session, criterion, seen) for criterion in gate.criteria)


def tell_seal(run: store.Run) -> None:
    """Say that a run has more evidence now than its sealed report."""
    if bundle.is_sealed(run):
        say(bundle.AFTER_SEAL)


def conclude(
    space: Workspace,
    session: str,
    given: Sequence[ProbeAnswer],
    means: Means,
    left: Sequence[ProbeAnswer] = (),
) -> ExitCode:
    """Write answers as evidence about the workspace's tree, print them, and return a code.

    `left` are those that nobody asked for: they are written too, and speak of no result.
    """
    tree = DiskTree(space.root)
    items = recorded(tree, given, means)
    run = store.latest(space.reports, space.root)
    place = evidence_store.write(run.evidence, session, [*items, *recorded(tree, left, means)])
    _print_items(items)
    kinds = evidence_store.kinds(items)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    tell_seal(run)
    if left:
        count = counted(len(left), "probe")
        say(f"left out: {count} of the same criteria, which cannot be proven without them")
    sum_up(f"{session}: {told}; evidence: {run.id}/evidence/{place.name}")
    add(
        "sessions",
        {
            "session": session,
            "run": run.id,
            "file": f"{run.id}/evidence/{place.name}",
            "kinds": kinds,
            "evidence": evidence_store.to_json(items),
        },
    )
    return _code(items)


def recorded(tree: Tree, given: Iterable[ProbeAnswer], means: Means) -> list[Evidence]:
    """Return answers as evidence about `tree`, of this moment."""
    tree_digest, now = digest(tree), datetime.now(UTC)
    return [
        Evidence(
            probe=answer.probe,
            criterion=answer.criterion,
            before=answer.before,
            tree_digest=tree_digest,
            at=now,
            seconds=answer.seconds,
            means=means,
            **{item.name: getattr(answer.seen, item.name) for item in fields(Observation)},
        )
        for answer in given
    ]


def judge_suites(space: Workspace) -> ExitCode:
    """Judge the evidence that the sessions of suites left about the tree as it is."""
    space.announce()
    told = evidence_store.about(space.reports, space.root, digest(DiskTree(space.root)))
    seen = [item for item in told if item.means is Means.SUITE]
    _print_items(seen)
    give("judged", evidence_store.to_json(seen))
    asked = {number for gate in gates() if gate.suite for number in gate.criteria}
    beside = subjects.absent_of(GAPS, DiskTree(space.root))
    if not seen and beside.keys() >= asked:
        return none_applies("suites", asked, beside)
    return _code(seen)


def _code(items: Sequence[Evidence]) -> ExitCode:
    if any(item.bug for item in items):
        return ExitCode.OWN_BUG
    if any(item.passed is False for item in items):
        return ExitCode.GAPS_LEFT
    if not items or any(item.passed is None for item in items):
        return ExitCode.UNPROVEN
    return ExitCode.SETTLED


def _print_items(items: Sequence[Evidence]) -> None:
    for item in items:
        # What did not run is told by its cause, once for all that it cost.
        least = Detail.VERBOSE if item.kind is ProofKind.NOT_RUN else Detail.USUAL
        say(f"{item.kind.value:<10} {item.criterion:<5} {item.probe}", least)
        if item.kind in {ProofKind.REGRESSION, ProofKind.OPEN}:
            told = (f"expected {item.expected}", f"saw {item.observed}")
            say("\n".join(line for text in told for line in wrapped(" " * 11, text)))
    for cause in evidence_store.causes(items):
        say("\n".join(wrapped("", str(cause))))


def before_fix(space: Workspace, folder: Path) -> Path | None:
    """Return a copy of the tree as it was before the runs that still stand; None without one.

    Files that somebody edited since have nothing from before that would fit the rest: they are in
    it as they are, and said.
    """
    standing = store.undoable(space.reports, space.root)
    if not standing:
        return None
    writer.copy_tree(DiskTree(space.root), folder)
    edited = {path for run in standing for path in undo.revert(run.journal, folder).left}
    if edited:
        names = ", ".join(str(path) for path in sorted(edited))
        say("\n".join(wrapped("", f"edited since the fix, so compared with itself: {names}")))
    return folder
