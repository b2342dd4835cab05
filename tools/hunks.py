"""Take every hunk of our own fixes back, alone, and see that a probe notices.

A hunk that nothing notices is untested: either a probe is missing or the hunk is superfluous.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from closeout.cli.commands import fix
from closeout.console import progress
from closeout.console.output import give, say
from closeout.engine import patch_series, planner, rules
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import patching, writer
from closeout.fs.tree import DiskTree, Overlay
from closeout.gaps import GAPS
from closeout.harness import probe_runner
from closeout.harness.fleet import fleets
from closeout.harness.service_discovery import LAYERS
from closeout.model import Gap, Patch, Probe
from closeout.runs.workspace import REFERENCE

SLUGS = ("cors", "rate-limit", "factory-secret", "headers")
PAGE = "docs/hunks.md"

_AT_ONCE = 2
_REASONS = {
    ".env.example": "an example for people: no process reads it",
    "env.example": "an example for people: no process reads it",
    "values.yaml": "charts are not installed here: what they hand over is read",
    "docker-compose.yml": "compose is not run here: what it hands over is read, not started",
    "package.json": "the lock file alone decides what is installed",
    "package-lock.json": "`npm ci` installs by the packages' own entries, which stay",
}
"""Why no running part can notice, by file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One hunk of a prepared patch, and the service whose probes are to notice its absence."""

    patch: Patch
    place: str
    """The file and the hunk's number in it."""
    service: str

    @property
    def excuse(self) -> str:
        """Return why no probe can notice that it is missing, empty where that is not known."""
        return _REASONS.get(self.path.name, "")

    @property
    def path(self) -> PurePosixPath:
        """Return the one file that the hunk changes."""
        return self.patch.targets[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What noticed that a hunk is missing; both empty where nothing did."""

    hunk: Hunk
    probe: str
    """The first probe that is not green, with the reason where it could not even be asked."""
    detector: str

    @property
    def holds(self) -> bool:
        """Return whether a probe noticed, or it is known why none can."""
        return bool(self.probe or self.hunk.excuse)


def judge(home: Path, python: Path, only: str) -> ExitCode:
    """Take back every hunk in turn, print what noticed, and write `docs/hunks.md` below `home`.

    `only` keeps the hunks whose file's path contains it; the page is written for all of them.
    """
    chosen = [hunk for hunk in hunks() if only in str(hunk.path)]
    with tempfile.TemporaryDirectory(prefix="closeout-mutation-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)
        asking = _Asking(fixed=_fixed(), python=python, cache=home / "build" / "cache")
        asking.must_be_green({hunk.service for hunk in chosen}, scratch / "whole")
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as workers:
            verdicts = []
            jobs = [
                workers.submit(asking.verdict, hunk, scratch / str(number))
                for number, hunk in enumerate(chosen)
            ]
            for job in jobs:
                verdicts.append(job.result())
                say(_line(verdicts[-1]))
                progress.step(f"hunk {len(verdicts)} of {len(jobs)}")
    survivors = [verdict for verdict in verdicts if not verdict.holds]
    say(f"{len(verdicts)} hunks, {len(survivors)} that nothing notices")
    give(
        "hunks",
        [
            {"place": one.hunk.place, "probe": one.probe, "detector": one.detector}
            for one in verdicts
        ],
    )
    if not only:
        writer.durable_write(home / PAGE, page(verdicts).encode())
        say(f"wrote {PAGE}")
    return ExitCode.GAPS_LEFT if survivors or not verdicts else ExitCode.SETTLED


def hunks() -> tuple[Hunk, ...]:
    """Return every hunk of the prepared patches of the four gaps that services are probed for."""
    found = []
    for slug in SLUGS:
        for patch in patch_series.load(fix.PATCHES, slug).patches:
            numbers: dict[PurePosixPath, count[int]] = {}
            for single in patching.hunks(patch):
                number = next(numbers.setdefault(single.targets[0], count(1)))
                found.append(
                    Hunk(
                        patch=single,
                        place=f"{single.targets[0]} #{number}",
                        service=_service(single.targets[0]),
                    )
                )
    return tuple(found)


def page(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a page: what a probe noticed, and what none can."""
    noticed = [one for one in verdicts if one.probe]
    others = [one for one in verdicts if not one.probe]
    return "\n".join(
        [
            "# Every hunk of our fixes, taken back alone",
            "",
            "Made by `nox -s mutation_of_fixes` from the prepared patches of four gaps.",
            f"{len(verdicts)} hunks; a probe notices {len(noticed)} of them.",
            "",
            "## Noticed by a probe",
            "",
            "| gap | hunk | first probe that is not green |",
            "| --- | --- | --- |",
            *(f"| {one.hunk.patch.slug} | {one.hunk.place} | {one.probe} |" for one in noticed),
            "",
            "## No probe can notice",
            "",
            "| gap | hunk | why | what notices instead |",
            "| --- | --- | --- | --- |",
            *(
                f"| {one.hunk.patch.slug} | {one.hunk.place} | {one.hunk.excuse or 'not known'} "
                f"| {one.detector or 'nothing'} |"
                for one in others
            ),
            "",
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    fixed: Overlay
    python: Path
    cache: Path

    def must_be_green(self, services: set[str], scratch: Path) -> None:
        """Raise CloseoutError unless every probe is green while no hunk is missing.

        Where one is not, its being red without a hunk would prove nothing.
        """
        writer.copy_tree(self.fixed, scratch / "tree")
        asked = [
            probe
            for gap in GAPS
            if gap.slug in SLUGS
            for probe in gap.probes()
            if probe.subject in services
        ]
        outcomes = probe_runner.run_battery(
            None,
            scratch / "tree",
            scratch,
            python=self.python,
            probes=asked,
            cache=self.cache,
        )
        for outcome in outcomes:
            if not outcome.after.passed:
                raise CloseoutError(
                    "not-green-to-begin-with",
                    f"{outcome.probe.id} is not green on the whole fix: {outcome.after.observed}",
                    hint="run `nox -s live_probes` first.",
                )

    def verdict(self, hunk: Hunk, scratch: Path) -> Verdict:
        root = scratch / "tree"
        writer.copy_tree(self.fixed, root)
        if not patching.revert(root, hunk.patch):
            return Verdict(hunk=hunk, probe="", detector="it cannot be taken back alone")
        gap = next(gap for gap in GAPS if gap.slug == hunk.patch.slug)
        detector = _detector(gap, root)
        return Verdict(hunk=hunk, probe=self._probe(gap, hunk, root, scratch), detector=detector)

    def _probe(self, gap: Gap, hunk: Hunk, root: Path, scratch: Path) -> str:
        probes = [probe for probe in gap.probes() if hunk.service in {probe.subject, *probe.needs}]
        if not probes:
            return ""
        named = {hunk.service, *(need for probe in probes for need in probe.needs)}
        services = [
            name for name in sorted(named) if any((root / each / name).is_dir() for each in LAYERS)
        ]
        trees = {"hunk": root}
        with fleets(trees, services, python=self.python, cache=self.cache, scratch=scratch) as made:
            bench = probe_runner.Bench(fleet=made["hunk"], root=root, scratch=scratch)
            return _first_red(probes, bench)


def _first_red(probes: Sequence[Probe], bench: probe_runner.Bench) -> str:
    tools = probe_runner.missing_tools(probes)
    for number, probe in enumerate(probes):
        seen = probe_runner.ask(probe, bench, bench.scratch / "probes" / str(number), tools)
        if seen.passed is False:
            return probe.id
        if seen.passed is None and bench.fleet.down:
            return f"{probe.id} (unproven: the service does not build or boot)"
        if seen.passed is None:
            return f"{probe.id} (unproven: {seen.observed.splitlines()[0][:80]})"
    return ""


def _detector(gap: Gap, root: Path) -> str:
    found = rules.findings(rules.checks(gap, DiskTree(root)))
    return ", ".join(sorted({f"detect.{gap.slug}.{item.rule}" for item in found}))


def _fixed() -> Overlay:
    tree = DiskTree(REFERENCE)
    chosen = [gap for gap in GAPS if gap.slug in SLUGS]
    plan = planner.plan(chosen, tree, lambda slug: patch_series.load(fix.PATCHES, slug))
    return Overlay(tree, plan.edits)


def _service(path: PurePosixPath) -> str:
    return path.parts[1] if path.parts[0] in LAYERS and len(path.parts) > 2 else ""  # noqa: PLR2004 - layer, service, file


def _line(verdict: Verdict) -> str:
    told = verdict.probe or f"NO PROBE; {verdict.detector or 'nothing notices'}"
    return f"{verdict.hunk.patch.slug:<15} {verdict.hunk.place}: {told}"
