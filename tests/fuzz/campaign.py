"""One stretch of fuzzing: case after case until the time is up, each failure kept once."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from closeout.console.output import give, say
from closeout.errors import ExitCode
from tests.fuzz.cases import Case, make
from tests.fuzz.shrinking import shrunk
from tests.fuzz.watch import Outcome, work_on

DEADLINE = 60.0
"""Seconds that one case may take on a busy machine; on a quiet one it takes about one."""
_SHRINKING = 60.0


def run(home: Path, seed: int, seconds: float, case: int | None = None) -> ExitCode:
    """Fuzz for `seconds`, or work on one case; findings go to `reports/fuzz` below `home`."""
    campaign = Campaign(seed=seed, folder=home / "reports" / "fuzz")
    if case is None:
        return campaign.run(seconds)
    outcome = campaign.run_case(case)
    say("\n".join(make(seed, case).story))
    say(f"{outcome.word} {outcome.trouble}\n{outcome.told}")
    give("fuzzed", {"ended": dict(campaign.seen), "troubles": dict(campaign.troubles)})
    return ExitCode.GAPS_LEFT if outcome.trouble else ExitCode.SETTLED


@dataclass(kw_only=True)
class Campaign:
    """What a stretch of fuzzing does and what it has seen so far."""

    seed: int
    folder: Path
    """Where findings are kept."""
    deadline: float = DEADLINE
    shrinking: float = _SHRINKING
    """Seconds that one finding may take to become small."""
    seen: Counter[str] = field(default_factory=Counter)
    """How cases ended, by a word."""
    troubles: Counter[str] = field(default_factory=Counter)
    """How often each failure was met."""

    def run(self, seconds: float, first: int = 0) -> ExitCode:
        """Work on case after case from number `first` on until `seconds` are over."""
        end = time.monotonic() + seconds
        number = first
        while time.monotonic() < end:
            self.run_case(number)
            number += 1
        say(f"seed {self.seed}: cases {first} to {number - 1}, {self.seen.total()} in all")
        say("ended: " + ", ".join(f"{count} {word}" for word, count in self.seen.most_common()))
        say(f"{len(self.troubles)} findings")
        give("fuzzed", {"ended": dict(self.seen), "troubles": dict(self.troubles)})
        return ExitCode.GAPS_LEFT if self.troubles else ExitCode.SETTLED

    def run_case(self, number: int) -> Outcome:
        """Work on one case, and keep it where it fails in a way not met before."""
        case = make(self.seed, number)
        outcome = work_on(case, self.deadline)
        self.seen[outcome.word] += 1
        if outcome.trouble:
            self.troubles[outcome.trouble] += 1
            if self.troubles[outcome.trouble] == 1:
                self._keep(number, case, outcome)
        return outcome

    def _keep(self, number: int, case: Case, outcome: Outcome) -> None:
        place = self.folder / f"{self.seed}-{number}"
        say(f"finding: {outcome.trouble}; --seed {self.seed} --case {number}")
        small = shrunk(
            case,
            lambda smaller: work_on(smaller, self.deadline).trouble == outcome.trouble,
            self.shrinking,
        )
        for above, files in (("root", small.root), ("home", small.home)):
            for path, content in files.items():
                target = place / above / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        place.mkdir(parents=True, exist_ok=True)
        document = {
            "seed": self.seed,
            "case": number,
            "kind": case.kind.value,
            "trouble": outcome.trouble,
            "told": outcome.told,
            "story": [os.fsencode(line).decode("utf-8", "backslashreplace") for line in case.story],
            "again": f"python -m closeout fuzz --seed {self.seed} --case {number}",
        }
        (place / "finding.json").write_text(json.dumps(document, indent=1) + "\n")
        say(f"  kept in {place.name}: {len(small.root) + len(small.home)} files left")
