"""Ask a Kubernetes cluster, through kubectl's JSON, what only a cluster can answer.

An answer "not found" is a failed observation. No answer (no kubectl, no cluster, no permission, no
JSON) is none at all: `passed` is None, and the operator is told the command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from closeout import process
from closeout.fs import json_reader
from closeout.model import Gate, Means, Observation

DEADLINE = 15.0
"""Seconds for one kubectl call; its own request timeout is shorter, so that it can say why."""

_ABSENT = ("(NotFound)", "doesn't have a resource type", "could not find the requested resource")
_SHOWN = 5

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing to ask a cluster: `arguments` go to kubectl, `judge` returns what is wrong."""

    id: str
    criterion: str
    arguments: tuple[str, ...]
    expected: str
    judge: Callable[[Answer], Iterator[str]]

    def command(self, kubectl: str) -> tuple[str, ...]:
        """Return the argv that asks it."""
        return (kubectl, *self.arguments, "--output", "json", "--request-timeout", "10s")

    def ask(self, kubectl: str) -> Observation:
        """Return what the cluster answers."""
        argv = self.command(kubectl)
        configured = os.environ.get("KUBECONFIG")
        env = {"KUBECONFIG": configured} if configured else {}
        result = process.run(argv, env=env, deadline=DEADLINE)
        passed, observed = self._judged(result)
        return Observation(
            passed=passed, expected=self.expected, observed=observed, command=result.command
        )

    def _judged(self, result: process.Result) -> tuple[bool | None, str]:
        if result.code is None:
            return None, f"no answer within {DEADLINE:.0f} seconds"
        if not result.ok:
            # Its log stands before, with a time in each line: the last line is the reason.
            last = result.err.strip().rpartition("\n")[2].strip()
            reason = last[-300:] or f"exit status {result.code}"
            absent = any(sign in result.err for sign in _ABSENT)
            return (False if absent else None), reason
        try:
            answer = json_reader.loads(result.out)
            problems = list(self.judge(answer))
        except (ValueError, TypeError, AttributeError, KeyError):
            return None, "the answer is not what the cluster's API promises"
        if not problems:
            return True, self.expected
        more = len(problems) - _SHOWN
        shown = [*problems[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        return False, "; ".join(shown)


def gate(questions: Sequence[Question], kubectl: str = "kubectl") -> Gate:
    """Return the gate that puts the questions to whatever cluster `kubectl` reaches."""
    return Gate(
        name="cluster",
        session="cluster",
        means=Means.OPERATOR,
        criteria=tuple(dict.fromkeys(item.criterion for item in questions)),
        run=lambda _: ((item.id, item.criterion, item.ask(kubectl)) for item in questions),
    )
