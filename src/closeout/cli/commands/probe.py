"""The session that boots the services of a monorepo and puts every probe to them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from closeout.cli import known_answers, never_started, parity_rows, session
from closeout.cli.declared import assert_declared
from closeout.cli.parser import interpreter
from closeout.cli.session import FOR_SERVERS, ProbeAnswer, before_fix, conclude
from closeout.console import failures, nearest
from closeout.console.output import say
from closeout.engine import recalled, subjects
from closeout.errors import CloseoutError, ExitCode
from closeout.formats.declarations import is_declared_own, launch
from closeout.fs import writer
from closeout.fs.tree import DiskTree, digest
from closeout.gaps import GAPS
from closeout.harness import probe_runner, service_discovery
from closeout.harness.service_discovery import Member
from closeout.model import Gap, Means, Observation, Probe, ProbeContext, Service, Tree
from closeout.process import pace, scratch
from closeout.runs import evidence_store, store
from closeout.runs.workspace import Workspace, choose


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Probe the chosen monorepo, at the pace that was asked for."""
    space = choose(home, options.root)
    usual, declared = pace.Pace(), launch(DiskTree(space.root))
    asked = pace.Pace(
        workers=options.workers or declared.workers or usual.workers,
        deadline=options.deadline or declared.deadline or usual.deadline,
    )
    if options.again:
        known_answers.forget(space)
    with pace.kept(asked):
        return live_probes(space, interpreter(options), options.only)


def live_probes(space: Workspace, python: Path, only: str = "") -> ExitCode:
    """Boot the services before and after the fix, run every probe and record the answers.

    `python` runs the FastAPI services. `only` keeps the probes whose id starts with it, or with
    one of several between commas. What only a cluster can answer is left to
    `invoke secrets.verify`. Each service is then booted as its tree deploys it: one that the fix
    stopped is a regression.
    """
    tree = DiskTree(space.root)
    assert_declared(tree)
    found = service_discovery.roster(tree)
    every = _battery(tree, found)
    beside = subjects.absent_of(GAPS, tree)
    starts = tuple(filter(None, only.split(","))) or ("",)
    members = {start: parity_rows.about(start, found.values()) for start in starts}
    known = (*every, *(probe for gap in GAPS for probe in _probes(gap)))
    _assert_known([start for start in starts if not members[start]], known, found)
    put = never_started.told_once(tree, found, every)
    wanted = list({put[probe]: None for probe in put if probe.id.startswith(starts)})
    probes = tuple(probe for probe in wanted if probe.criterion not in beside)
    deployed = {member.name: member for each in members.values() for member in each}
    if wanted and not probes and not deployed:
        return session.none_applies("live_probes", (item.criterion for item in wanted), beside)
    left = _left_out(space, dict.fromkeys(put.values()), probes) if only else ()
    part = Part(starts=starts, left=tuple(left)) if only else None
    booted = parity_rows.BootedMembers(members=tuple(deployed.values()), battery=every)
    return ask_battery(space, python, probes, booted, part)


def _assert_known(starts: Iterable[str], probes: Iterable[Probe], found: Iterable[str]) -> None:
    """Raise CloseoutError("probe-unknown") where nothing has a name that begins with a start."""
    known = {probe.id for probe in probes}
    for start in starts:
        if not any(name.startswith(start) for name in known):
            names = known | {parity_rows.row_name(name).rstrip("@") for name in found}
            raise nearest.unknown("probe", start, names, "without --only every one is asked.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the battery: what its names begin with, and the probes that it leaves out."""

    starts: tuple[str, ...]
    left: tuple[ProbeAnswer, ...]


def asked(tree: Tree) -> frozenset[str]:
    """Return the criteria that a probe asks of a tree."""
    return recalled.criteria(tree, GAPS, "criteria that probes ask", _criteria)


def _criteria(tree: Tree) -> frozenset[str]:
    battery = _battery(tree, service_discovery.roster(tree))
    return frozenset(probe.criterion for probe in battery)


def _battery(tree: Tree, found: Mapping[str, Member]) -> list[Probe]:
    """Return every probe for a tree with the given services."""
    every = [probe for gap in GAPS for probe in _probes(gap)]
    absent = _absent(tree, every, frozenset(found))
    listed = [probe for probe in every if probe.subject not in absent]
    known = {probe.subject for probe in listed}
    further = [
        probe
        for member in found.values()
        if member.name not in known
        for gap in GAPS
        for probe in _probes_of(gap, tree, member)
    ]
    return [*listed, *further]


def _left_out(
    space: Workspace, every: Iterable[Probe], probes: Sequence[Probe]
) -> list[ProbeAnswer]:
    """Return, as not run, what was left out of the criteria that `probes` ask about.

    One green answer of several proves no criterion. What has an answer about this tree keeps it.
    """
    touched = {probe.criterion for probe in probes}
    seen = evidence_store.about(space.reports, space.root, digest(DiskTree(space.root)))
    known = {(item.probe, item.criterion) for item in seen}
    return [
        ProbeAnswer(
            probe=probe.id,
            criterion=probe.criterion,
            seen=probe_runner.not_run(probe, "left out by --only"),
        )
        for probe in every
        if probe.criterion in touched
        and probe not in probes
        and (probe.id, probe.criterion) not in known
    ]


def _absent(tree: Tree, probes: Sequence[Probe], found: frozenset[str]) -> frozenset[str]:
    """Return the services that are not asked for: unlisted ones that a tree does not have.

    Of a tree that lacks most of those that the order lists, it lists none: it is another tree,
    unless closeout.toml says whose it is.
    """
    unlisted = frozenset[str]().union(*(gap.unlisted for gap in GAPS))
    listed = frozenset(probe.subject for probe in probes if probe.subject) - unlisted
    said = is_declared_own(tree)
    is_another = 2 * len(listed & found) < len(listed) if said is None else not said
    return (unlisted | listed if is_another else unlisted) - found


def _probes(gap: Gap) -> tuple[Probe, ...]:
    try:
        return _about(gap, gap.probes())
    except Exception as error:  # noqa: BLE001 - a bug stays in its gap
        return _failing(gap, "probes", error)


def _about(gap: Gap, probes: Sequence[Probe]) -> tuple[Probe, ...]:
    return tuple(replace(each, packages=gap.packages | each.packages) for each in probes)


def _probes_of(gap: Gap, tree: Tree, member: Service) -> tuple[Probe, ...]:
    if gap.probes_of is None:
        return ()
    try:
        return _about(gap, gap.probes_of()(tree, member))
    except Exception as error:  # noqa: BLE001 - as above
        return _failing(gap, f"probes@{member.name}", error)


def _failing(gap: Gap, name: str, error: Exception) -> tuple[Probe, ...]:
    """Return a probe a criterion that fails as the gap did when it was asked for its probes."""

    def run(_: ProbeContext) -> Observation:
        raise error

    return tuple(
        Probe(id=f"{gap.slug}.{name}", criterion=number, needs=(), run=run)
        for number in gap.criteria
    )


def ask_battery(
    space: Workspace,
    python: Path,
    probes: Sequence[Probe],
    deployed: parity_rows.BootedMembers = parity_rows.NONE,
    part: Part | None = None,
) -> ExitCode:
    """Put some probes to the tree before the fix and as it is, and record the answers.

    A probe that was green before and is red now is a regression: it fails the session. So is one
    of the `deployed` services that starts no longer. What was found in order on the same trees is
    not asked again.
    """
    space.announce()
    file = known_answers.place(space, python)
    known = known_answers.read(file)
    starts = part.starts if part else ("",)
    new = _asked(space, python, [item for item in probes if _key(item) not in known])
    reused = [known[_key(item)] for item in probes if _key(item) in known]
    if deployed.members:
        old = parity_rows.of(starts, deployed.members, known)
        parity = parity_rows.rows(space, python, deployed, starts, {item.probe for item in old})
        new, reused = [*new, *parity], [*reused, *old]
        if not (probes or parity or old):
            why = "no fix that stands changed what it starts with, or its image never starts it"
            say(f"{','.join(starts)}: not asked, {why}")
    if reused:
        say(known_answers.told(reused))
    # A part has a file of its own: what the whole session saw is not written over.
    name = "live_probes_only" if part else "live_probes"
    rows = _in_sequence(probes, [*new, *map(known_answers.again, reused)])
    ended = conclude(space, name, rows, Means.LIVE, part.left if part else ())
    # Of a tree that changed while it was asked nobody knows what an answer is about.
    if known_answers.place(space, python) == file:
        is_fixed = bool(store.undoable(space.reports, space.root))
        known_answers.keep(file, [*known.values(), *new], is_fixed=is_fixed)
    return ended


def _key(probe: Probe) -> tuple[str, str]:
    return probe.id, probe.criterion


def _in_sequence(probes: Sequence[Probe], rows: Sequence[ProbeAnswer]) -> list[ProbeAnswer]:
    """Return the rows in the sequence of their probes, those of no probe last."""
    places = {_key(probe): number for number, probe in enumerate(probes)}
    return sorted(rows, key=lambda row: places.get((row.probe, row.criterion), len(places)))


def _asked(space: Workspace, python: Path, probes: Sequence[Probe]) -> list[ProbeAnswer]:
    """Return a row a probe; a bug of ours stays in its session."""
    try:
        return _rows(space, python, probes) if probes else []
    except CloseoutError:
        raise
    except Exception as error:  # noqa: BLE001 - as the sentence above says
        seen = failures.of_probe("live_probes", error)
        return [
            ProbeAnswer(probe=probe.id, criterion=probe.criterion, seen=seen) for probe in probes
        ]


def _rows(space: Workspace, python: Path, probes: Sequence[Probe]) -> list[ProbeAnswer]:
    with scratch.folder("live", mode=FOR_SERVERS) as folder:
        outcomes = probe_runner.run_battery(
            before_fix(space, folder / "before-tree"),
            space.root,
            folder,
            python=python,
            probes=probes,
            cache=space.cache,
        )
        _keep_locks(space, folder / probe_runner.LOCKS)
    return [
        ProbeAnswer(
            probe=outcome.probe.id,
            criterion=outcome.probe.criterion,
            seen=_joined(outcome),
            before=outcome.before.passed if outcome.before else None,
            seconds=outcome.seconds,
        )
        for outcome in outcomes
    ]


def _keep_locks(space: Workspace, made: Path) -> None:
    """Keep the locks that were resolved for services without one in the run's folder."""
    run = store.latest(space.reports, space.root)
    for place in sorted(made.glob("*.json")):
        target = run.folder / probe_runner.LOCKS / place.name
        target.parent.mkdir(exist_ok=True)
        writer.durable_write(target, place.read_bytes())


def _joined(outcome: probe_runner.ProbeOutcome) -> Observation:
    """Return the answer after the fix, and why it proves nothing where there was none before it."""
    before, after = outcome.before, outcome.after
    if before is not None and before.bug:
        after = replace(after, bug=after.bug or before.bug)
    if before is None or before.passed is not None or after.passed is None:
        return after
    return evidence_store.half_seen(after, before.observed)
