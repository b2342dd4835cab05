"""Put every probe to the tree before and after the fix, and join the two answers.

Both trees are copied; nothing is written to either. Services boot a few at a time, and everything
started here ends with the call, however it ends.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from closeout import process
from closeout.console import failures, progress
from closeout.fs.tree import DiskTree
from closeout.fs.writer import copy_tree
from closeout.harness import postgres, service_log
from closeout.harness.fleet import Fleet, fleets
from closeout.harness.http import NoAnswerError
from closeout.harness.service_discovery import LAYERS
from closeout.model import Observation, Probe, ProbeContext
from closeout.model.probes import NO_PROOF
from closeout.process import pace

LOCKS = "locks"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutcome:
    """One probe's two answers; `before` is None where there is no tree before the fix."""

    probe: Probe
    before: Observation | None
    after: Observation
    seconds: float
    """How long the probe took on the tree after the fix."""


def run_battery(  # noqa: PLR0913 - two trees, three places and the probes: each is one fact
    before: Path | None,
    after: Path,
    scratch: Path,
    *,
    python: Path,
    probes: Sequence[Probe],
    cache: Path,
) -> tuple[ProbeOutcome, ...]:
    """Run `probes` on both trees and return one outcome a probe, in their order.

    `python` is the interpreter of the environment that can import the FastAPI services; `cache`
    keeps installed Node packages between runs. A probe whose need is not met did not run
    (`passed` None), with the reason; so does one that fails by itself. Locks that were resolved for
    services without one are left in `scratch`, below LOCKS.
    """
    trees = {"after": after} if before is None else {"before": before, "after": after}
    copies = {label: _copies(tree, scratch / label) for label, tree in trees.items()}
    running = {label: served for label, (served, _) in copies.items()}
    services = sorted({need for probe in probes for need in _services(probe)})
    progress.step(f"booting {len(services)} services on {len(trees)} trees")
    with fleets(running, services, python=python, cache=cache, scratch=scratch) as made:
        benches = {
            label: Bench(fleet=made[label], root=copies[label][1], scratch=scratch / label)
            for label in trees
        }
        answers = _ask_everything(probes, benches)
        _keep_locks(made["after"], scratch / LOCKS)
    return tuple(
        ProbeOutcome(
            probe=probe,
            before=answers["before", number][0] if before else None,
            after=answers["after", number][0],
            seconds=answers["after", number][1],
        )
        for number, probe in enumerate(probes)
    )


def _keep_locks(fleet: Fleet, folder: Path) -> None:
    """Copy the locks that were resolved for services without one: what was booted can be told."""
    for name, launch in fleet.launches.items():
        if launch.lock:
            folder.mkdir(exist_ok=True)
            shutil.copyfile(launch.lock, folder / f"{name}.package-lock.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where the probes of one tree are put: its services, its files and a scratch folder."""

    fleet: Fleet
    root: Path
    scratch: Path


_Answer = tuple[Observation, float]
"""What was seen, and in how many seconds."""
_Numbered = tuple[int, Probe]


def _ask_everything(
    probes: Sequence[Probe], benches: Mapping[str, Bench]
) -> dict[tuple[str, int], _Answer]:
    """Return every answer by tree and probe number.

    Probes of one tree run one after the other, but those that ask no service run beside those
    that do: they bring their own servers, and mostly wait for them. One worker asks by turns.
    """
    numbered = list(enumerate(probes))
    lots = (
        [item for item in numbered if not _services(item[1])],
        [item for item in numbered if _services(item[1])],
    )
    tools = missing_tools(probes)
    stop = Event()
    most = len(benches) + 1 if pace.current().workers > 1 else 1
    with ThreadPoolExecutor(max_workers=most) as askers:
        try:
            asked = [
                (label, askers.submit(_ask_all, lot, bench, tools, stop))
                for lot in lots
                for label, bench in reversed(list(benches.items()))
            ]
            return {
                (label, number): answer
                for label, asking in asked
                for number, answer in asking.result().items()
            }
        finally:
            # An interrupt must not wait for the probes that have not begun.
            stop.set()


def _copies(tree: Path, folder: Path) -> tuple[Path, Path]:
    """Return two copies: services are built and run in one, probes read the other."""
    source = DiskTree(tree)
    served, asked = folder / "served", folder / "tree"
    for copy in (served, asked):
        copy_tree(source, copy)
    return served, asked


def _services(probe: Probe) -> list[str]:
    """Return the services among the probe's needs; the others are tools."""
    prefixes = tuple(layer.removesuffix("layer") for layer in LAYERS)
    return [need for need in probe.needs if need == probe.subject or need.startswith(prefixes)]


def _ask_all(
    lot: Sequence[_Numbered], bench: Bench, tools: Mapping[str, str], stop: Event
) -> dict[int, _Answer]:
    answers = {}
    for number, probe in lot:
        began = time.monotonic()
        progress.step(f"probe {number + 1}: {probe.id}")
        if stop.is_set():
            seen = not_run(probe, "the run was interrupted")
        else:
            seen = ask(probe, bench, bench.scratch / "probes" / str(number), tools)
        answers[number] = (seen, time.monotonic() - began)
    return answers


def ask(probe: Probe, bench: Bench, scratch: Path, tools: Mapping[str, str]) -> Observation:
    """Return the probe's answer on one tree; `tools` are the missing ones, from `missing_tools`.

    `scratch` is made for it. A probe whose need is not met, or that fails by itself, did not run.
    """
    scratch.mkdir(parents=True)
    fleet = bench.fleet
    reasons = [
        f"{need} is not up: {fleet.down[need]}" for need in probe.needs if need in fleet.down
    ]
    reasons += [tools[need] for need in probe.needs if need in tools]
    if reasons:
        return not_run(probe, "; ".join(reasons))
    context = ProbeContext(
        root=bench.root, scratch=scratch, services=fleet.urls, settings=fleet.settings
    )
    return _asked(probe, context, fleet)


def missing_tools(probes: Iterable[Probe]) -> Mapping[str, str]:
    """Return every needed tool that is not on this machine, with the reason."""
    wanted = {need for probe in probes for need in probe.needs if need not in _services(probe)}
    missing = {}
    for tool in sorted(wanted):
        if tool == "postgres":
            found = postgres.binaries() is not None
        else:
            found = process.find(tool) is not None
        if not found:
            missing[tool] = f"{tool} is not installed"
    return missing


def _asked(probe: Probe, context: ProbeContext, fleet: Fleet) -> Observation:
    try:
        answer = probe.run(context)
    except NoAnswerError as error:
        answer = Observation(
            passed=False,
            expected="an answer",
            observed=f"{error}; log: {_log_tail(probe, fleet)}",
            command=f"probe {probe.id}",
        )
    except Exception as error:  # noqa: BLE001 - one broken probe must not hide the others' answers
        return failures.of_probe(f"probe {probe.id}", error)
    up = [need for need in probe.needs if need in fleet.up]
    if not up:
        return answer
    manner = "; ".join(f"{need}: {fleet.up[need].manner}" for need in up)
    why = "; ".join(_no_proof(probe, need, fleet, passed=answer.passed) for need in up).strip("; ")
    return replace(
        answer,
        passed=None if why else answer.passed,
        observed=f"{why}; " * bool(why) + f"{answer.observed} [{manner}]",
        stand_ins=tuple(fleet.up[need].stand_ins for need in up),
    )


def _no_proof(probe: Probe, need: str, fleet: Fleet, *, passed: bool | None) -> str:
    """Return why a service's answer says nothing of the service as it is deployed, if so."""
    stubbed = sorted(probe.packages & set(fleet.up[need].names("stubbed")))
    if stubbed and passed is not None:
        return f"{NO_PROOF}{', '.join(stubbed)} is what is asked about, and a stub in {need}"
    if need in fleet.others and passed:
        return f"{NO_PROOF}what starts {need} is `{fleet.others[need]}`, never the app asked here"
    return ""


def not_run(probe: Probe, reason: str) -> Observation:
    """Return the answer of a probe that was not asked, and why."""
    return Observation(
        passed=None, expected="the probe runs", observed=reason, command=f"probe {probe.id}"
    )


def _log_tail(probe: Probe, fleet: Fleet) -> str:
    logs = [fleet.up[need].log for need in probe.needs if need in fleet.up]
    return " / ".join(service_log.tail(log) for log in logs) or "(none)"
