"""Score a suite by mutation: change its service a little, many times, and see what is seen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from closeout import process
from closeout.harness.quality_gate import Demand, Rows
from closeout.harness.service_copy import ServiceCopy
from closeout.model import Observation
from closeout.resources import BUNDLE

FLOOR = 80
"""Percentage of changes that a suite has to see, whole changes compared, nothing rounded."""

DEADLINE = 1500.0
"""Seconds a whole score may take; a warm one takes a few."""

TOOLS = BUNDLE / "suites" / "mutation"
HINT = re.compile(rb"(Stryker\s+disable|pragma:\s*no\s+mutate)")
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutants:
    """What became of the changes; one that was ignored or that no test reached was not seen."""

    seen: int
    missed: tuple[str, ...]
    """Where changes were not seen."""
    files: int
    """How many files were changed at all."""

    @property
    def total(self) -> int:
        """Return how many changes there were."""
        return self.seen + len(self.missed)


def judge(
    demand: Demand, mutants: Mutants, *, command: str, told: Sequence[str], output: str = ""
) -> Rows:
    """Return the row of a score; `told` is what the run did, `output` the tool's own words."""
    if mutants.total:
        share = 100 * mutants.seen / mutants.total
        missed = ", ".join(mutants.missed[:_SHOWN])
        score = [
            f"{mutants.seen} of {mutants.total} changes seen ({share:.2f} %)",
            f"{mutants.files} files changed",
            *([f"not seen among others: {missed}"] if missed else []),
        ]
    else:
        # No change was tried: there are no services, no tests, or tests that fail as they are.
        score = ["nothing was scored", *_first_words(output)]
    seen = Observation(
        passed=mutants.total > 0 and mutants.seen * 100 >= FLOOR * mutants.total,
        expected=f"the suite sees at least {FLOOR} % of the changes made to the services",
        observed="; ".join([*score, *told]),
        command=command,
    )
    return ((f"{demand.slug}.mutation-score", demand.coverage_criterion, seen),)


def judge_run(
    demand: Demand, mutants: Mutants, result: process.Result, command: str, told: Sequence[str]
) -> Rows:
    """Return the row of a run, which may have been too long."""
    if result.code is None:
        return unproven(demand, f"the score did not end within {DEADLINE:g} s", command)
    return judge(demand, mutants, command=command, told=told, output=result.out + result.err)


def unproven(demand: Demand, reason: str, command: str) -> Rows:
    """Return the row of a score that could not be had."""
    seen = Observation(passed=None, expected="a score", observed=reason, command=command)
    return ((f"{demand.slug}.mutation-score", demand.coverage_criterion, seen),)


def digest(service: ServiceCopy, paths: Iterable[str]) -> str:
    """Return the digest of some of a service's files, with the tools' settings and pins."""
    total = hashlib.sha256()
    own = {str(place): place for place in sorted(TOOLS.glob("*.json"))}
    own["pins"] = BUNDLE / "requirements" / "mutation.txt"
    for name, place in {**own, **{path: service.folder / path for path in sorted(paths)}}.items():
        content = place.read_bytes() if place.is_file() else b""
        total.update(f"{name} {len(content)}\n".encode() + content)
    return total.hexdigest()[:32]


def lifted(count: int) -> list[str]:
    """Return what is told of comments that were spoiled; nothing where there was none."""
    return [f"{count} comments that hide code from changes lifted"] if count else []


def _first_words(output: str) -> Iterator[str]:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = [line for line in lines if re.search(r"(?i)error|no tests|fail", line)] or lines
    if words:
        yield words[0][:200]
