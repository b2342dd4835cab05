"""See whether a service that a tree's own environments started before a fix starts after it too.

Nothing is given that an environment does not give. A setting that nobody delivers before the fix
either may be filled, and then it may after it; one that the fix brought along may not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from threading import Event

from closeout.console import progress
from closeout.formats import deployed, env_examples
from closeout.formats.deployed import Deployed
from closeout.fs.tree import DiskTree
from closeout.harness import boot, postgres, service_environments
from closeout.harness.boot import Booted, NotBooted
from closeout.harness.deployed_service import DeployedService, Equipment, is_database
from closeout.harness.service_discovery import EXPRESS, FASTAPI, Member
from closeout.harness.started_program import other_program
from closeout.model import Observation, StandIns

_Verdict = tuple[bool | None, str, tuple[StandIns, ...]]
_LABELS = ("before", "after")
_COMMAND = "the service's launcher, with the environment's own variables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How one service starts under one environment, before a fix and after it."""

    service: str
    source: PurePosixPath
    seen: Observation
    """Passed unless it started before and does not now; None where it did not start before."""
    rests_on: frozenset[PurePosixPath]
    """The changed files that had a say in it."""
    own: frozenset[PurePosixPath]
    """Those of them that are the service's own."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One environment as each of two trees gives it; `after` None where the tree lost it."""

    before: Deployed
    after: Deployed | None
    rests_on: frozenset[PurePosixPath]


_Asked = tuple[Member, Sequence[_Trial]]


def compared(  # noqa: PLR0913 - two trees, their services, three places and which to ask
    trees: Mapping[str, Path],
    members: Iterable[Member],
    *,
    python: Path,
    cache: Path,
    scratch: Path,
    asked: Callable[[str, PurePosixPath], bool] = lambda *_: True,
) -> tuple[Parity, ...]:
    """Start every service whose files, or those of an environment, differ between two copies.

    `trees` are the copies `before` and `after`; services are started in them, a few at a time, on
    loopback. `python` and `cache` are as in `probe_runner.run_battery`; `asked` says of a service
    and a file that starts it whether it is asked for. What nothing has changed for is left out,
    and so is an app that its image never starts.
    """
    before, after = (DiskTree(trees[label]) for label in _LABELS)
    changed = _changed(before, after)
    found = [
        (member, [item for item in trials if asked(member.name, item.before.source)])
        for member, trials in ((each, _trials(before, after, each, changed)) for each in members)
        if not other_program(after, member.folder)
    ]
    put = [(member, trials) for member, trials in found if trials]
    progress.step(f"booting {len(put)} services under their own environments")
    folders = {
        f"{label}/{member.name}": trees[label] / member.folder
        for member, _ in put
        if member.kind == FASTAPI
        for label in _LABELS
    }
    with ExitStack() as stack:
        server = postgres.server(scratch, templates=cache) if _is_database(put) else None
        equipment = Equipment(
            interpreters=service_environments.interpreters(folders, python, cache),
            server=stack.enter_context(server) if server else None,
            cache=cache,
            logs=scratch / "logs",
            stop=Event(),
        )
        return _all(put, trees, equipment)


def _changed(before: DiskTree, after: DiskTree) -> frozenset[PurePosixPath]:
    paths = {*before.paths(), *after.paths()}
    return frozenset(path for path in paths if before.read(path) != after.read(path))


def _trials(
    before: DiskTree, after: DiskTree, member: Member, changed: frozenset[PurePosixPath]
) -> Iterator[_Trial]:
    now = {item.source: item for item in deployed.environments(after, member.folder)}
    own = frozenset(path for path in changed if path.is_relative_to(member.folder))
    for item in deployed.environments(before, member.folder):
        beside = {path for path in changed if path.parent == item.source.parent}
        given = frozenset(
            path for path in beside if path == item.source or path.name in env_examples.EXAMPLES
        )
        if own or given:
            yield _Trial(before=item, after=now.get(item.source), rests_on=own | given)


def _is_database(asked: Iterable[_Asked]) -> bool:
    """Return whether a Node service is given a database: one driver connects as it starts."""
    return any(
        given is not None and is_database(given)
        for member, trials in asked
        if member.kind == EXPRESS
        for trial in trials
        for given in (trial.before, trial.after)
    )


def _all(
    asked: Sequence[_Asked], trees: Mapping[str, Path], equipment: Equipment
) -> tuple[Parity, ...]:
    """Return what became of every service, in their sequence."""
    with boot.workers(equipment.stop) as workers:
        coming = [workers.submit(_of_service, each, trees, equipment) for each in asked]
        return tuple(parity for future in coming for parity in future.result())


def _of_service(asked: _Asked, trees: Mapping[str, Path], equipment: Equipment) -> list[Parity]:
    member, trials = asked
    before, after = (
        DeployedService(label=label, tree=trees[label], member=member, equipment=equipment)
        for label in _LABELS
    )
    made = []
    for trial in trials:
        source, began = trial.before.source, time.monotonic()
        progress.step(f"{member.name} under {source}")
        passed, observed, stand_ins = _judged(trial, before, after)
        seen = Observation(
            passed=passed,
            expected=f"boots under {source}, as before the fix",
            observed=observed,
            command=_COMMAND,
            stand_ins=stand_ins,
        )
        made.append(
            Parity(
                service=member.name,
                source=source,
                seen=seen,
                rests_on=trial.rests_on,
                own=frozenset(
                    path for path in trial.rests_on if path.is_relative_to(member.folder)
                ),
                seconds=time.monotonic() - began,
            )
        )
    return made


def _judged(trial: _Trial, before: DeployedService, after: DeployedService) -> _Verdict:
    """Return whether what started before starts now; the old tree is asked where it does not."""
    source = trial.before.source
    now = after.started(trial.after, filled={})
    if isinstance(now, Booted):
        return True, f"listens [{now.manner}]", (now.stand_ins,)
    if trial.before.refused:
        return True, f"nothing starts under it before the fix either: {trial.before.refused}", ()
    then, filled = before.filled(trial.before)
    if isinstance(then, NotBooted):
        told = f"{then.service} does not boot under {source} before the fix either: {then.reason}"
        return None, told, ()
    now = after.started(trial.after, filled=filled)
    told = f"with {', '.join(sorted(filled)) or 'nothing'} filled in as before the fix"
    if isinstance(now, Booted):
        made = replace(now.stand_ins, filled=tuple(sorted(filled)))
        return True, f"listens, {told} [{now.manner}]", (made,)
    given = ", ".join(sorted(trial.after.variables)) if trial.after else ""
    observed = (
        f"it booted before the fix, and does not now, {told}: {now.reason}; "
        f"{source} gives it {given or 'nothing'}"
    )
    return False, observed, (then.stand_ins,)
