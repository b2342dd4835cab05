"""Run the console examples of a Markdown page and compare what they print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

_BLOCK = re.compile(r"^<!-- run -->\n```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of a page, its line, and what is said to follow; `...` stands for anything."""

    line: int
    command: str
    expected: str


def steps(text: str) -> Iterator[Step]:
    """Yield the commands of every block marked `<!-- run -->`, in order."""
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1)) + 1
        for part in re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            yield Step(line=line, command=command, expected=expected)
            line += part.count("\n")


def differing(text: str, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run a page's commands one after the other in `folder`; return what is not as it says."""
    wrong, code = [], 0
    for step in steps(text):
        done = subprocess.run(
            ["bash", "-c", f"(exit {code}); {step.command}"],
            cwd=folder,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        code = done.returncode
        if not OutputChecker().check_output(step.expected, done.stdout, ELLIPSIS):
            wrong.append(
                f"line {step.line}: {step.command}\nsaid:\n{step.expected}\nsaw:\n{done.stdout}"
            )
    return wrong
