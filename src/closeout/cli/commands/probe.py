"""The session that boots the services of a monorepo and puts every probe to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from closeout.cli.commands.gate import Row, before_fix, conclude, scratch
from closeout.errors import ExitCode
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.harness import probe_runner, service_discovery, services
from closeout.model import Means, Probe
from closeout.runs.workspace import Workspace

_CLUSTER = "cluster"


def live_probes(space: Workspace, python: Path, only: str = "") -> ExitCode:
    """Boot the services before and after the fix, run every probe and record the answers.

    `python` runs the FastAPI services. `only` keeps the probes whose id starts with it. What only
    a cluster can answer is left to `invoke secrets.verify`.
    """
    tree = DiskTree(space.root)
    found = service_discovery.roster(tree)
    absent = services.UNLISTED - set(found)
    listed = [probe for gap in GAPS for probe in gap.probes() if probe.subject not in absent]
    asked = {probe.subject for probe in listed}
    further = [
        probe
        for member in found.values()
        if member.name not in asked
        for gap in GAPS
        if gap.probes_of
        for probe in gap.probes_of(tree, member)
    ]
    probes = tuple(
        probe
        for probe in (*listed, *further)
        if probe.id.startswith(only) and _CLUSTER not in probe.needs
    )
    return ask_battery(space, python, probes)


def ask_battery(space: Workspace, python: Path, probes: Sequence[Probe]) -> ExitCode:
    """Put some probes to the tree before the fix and as it is, and record the answers.

    A probe that was green before and is red now is a regression: it fails the session.
    """
    space.announce()
    with scratch("live") as folder:
        outcomes = probe_runner.run_battery(
            before_fix(space, folder / "before-tree"),
            space.root,
            folder,
            python=python,
            probes=probes,
            cache=space.cache,
        )
    rows = [
        Row(
            probe=outcome.probe.id,
            criterion=outcome.probe.criterion,
            seen=outcome.after,
            before=outcome.before.passed if outcome.before else None,
            seconds=outcome.seconds,
        )
        for outcome in outcomes
    ]
    return conclude(space, "live_probes", rows, Means.LIVE)
