"""The one place that prints what a command found: lines for people, or one JSON document.

A command calls `say` for the lines and `give` for the same as data. Which of the two reaches
stdout is decided by the door alone, through `turn`: as JSON, the lines go to stderr.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TextIO

from closeout.console import progress, sanitize
from closeout.errors import CloseoutError, ExitCode

SCHEMA = "closeout.result/1"
"""Names the shape of the JSON documents; `schemas/result.schema.json` describes it."""

_COLOURS = {
    "CLOSED": 32,
    "WAIVED": 36,
    "UNPROVEN": 33,
    "DRIFTED": 31,
    "BLOCKED": 31,
    "OPEN": 31,
}
_CHANGES = {"+": 32, "-": 31, "@": 36}
"""A diff's lines by their first sign."""
_VERDICT = re.compile(rf"\b({'|'.join(_COLOURS)})\b")


class Detail(IntEnum):
    """How much a command tells people."""

    QUIET = 0
    USUAL = 1
    VERBOSE = 2


@dataclass(frozen=True, slots=True)
class _Turn:
    command: str
    is_json: bool
    out: TextIO
    detail: Detail = Detail.USUAL
    given: dict[str, object] = field(default_factory=dict)


_turn: ContextVar[_Turn | None] = ContextVar("turn", default=None)


@contextmanager
def turn(
    command: str, *, as_json: bool = False, quiet: bool = False, verbose: bool = False
) -> Iterator[None]:
    """Let one command speak as its options ask for while the block runs; quiet goes first."""
    detail = Detail.QUIET if quiet else Detail.VERBOSE if verbose else Detail.USUAL
    token = _turn.set(_Turn(command, as_json, sys.stdout, detail))
    try:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            yield
    finally:
        _turn.reset(token)


def detail() -> Detail:
    """Return how much the command at work may tell."""
    now = _turn.get()
    return Detail.USUAL if now is None else now.detail


def say(text: str = "", least: Detail = Detail.USUAL) -> None:
    """Print lines for people, where they asked for as much as `least`.

    A reader that has gone away, such as `grep -q`, ends no command.
    """
    if detail() < least:
        return
    with progress.aside():
        shown = _inert(text)
        _write(_coloured(shown) if _in_colour(sys.stdout) else shown, sys.stdout)


def sum_up(text: str) -> None:
    """Print a command's last line, the one that is told with `--quiet` too."""
    say(text, Detail.QUIET)


def show_diff(text: str) -> None:
    """Print a unified diff; on a terminal every line that comes or goes is coloured whole."""
    with progress.aside():
        shown = _inert(text.rstrip("\n"))
        if _in_colour(sys.stdout):
            shown = "\n".join(_coloured_change(line) for line in shown.split("\n"))
        _write(shown, sys.stdout)


def warn(text: str) -> None:
    """Print lines that belong to no result on stderr."""
    with progress.aside():
        _write(_inert(text), sys.stderr)


def instruct(line: str) -> None:
    """Print one command for GitHub's runner, which reads stderr as well."""
    with progress.aside():
        _write(line, sys.stderr)


def give(name: str, value: object) -> None:
    """Keep one part of the command's result as data, under a name that the schema knows."""
    now = _turn.get()
    if now is not None:
        now.given[name] = value


def add(name: str, value: object) -> None:
    """Append to a part of the result that is a list: one command may run several sessions."""
    now = _turn.get()
    if now is not None:
        kept = now.given.setdefault(name, [])
        if isinstance(kept, list):
            kept.append(value)


def given() -> Mapping[str, object]:
    """Return what the command has given so far."""
    now = _turn.get()
    return {} if now is None else now.given


def finish(code: ExitCode, error: CloseoutError | None) -> None:
    """Write the JSON document where JSON was asked for, on one line."""
    now = _turn.get()
    if now is None or not now.is_json:
        return
    document = {
        "schema": SCHEMA,
        "command": now.command,
        "exit_code": int(code),
        "outcome": code.name,
        "result": now.given,
        "error": error
        and {"reference": error.reference, "message": error.message, "hint": error.hint},
    }
    with progress.aside():
        _write(json.dumps(document, ensure_ascii=False), now.out)


def _inert(text: str) -> str:
    """Return text that commands nobody: neither a terminal by ESC nor GitHub's runner by a line."""
    text = sanitize.shown(text)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    return re.sub(r"^(\s*)::", r"\1\\::", text, flags=re.MULTILINE).replace("##[", "#\\#[")


def _write(text: str, stream: TextIO | None) -> None:
    if stream is None:  # it was closed before we began
        return
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError:  # whoever read it has gone away, or it was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _in_colour(stream: TextIO | None) -> bool:
    if stream is None:
        return False
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def _coloured_change(line: str) -> str:
    if line.startswith(("diff --git ", "--- ", "+++ ")):
        return f"\x1b[1m{line}\x1b[0m"
    colour = _CHANGES.get(line[:1])
    return f"\x1b[{colour}m{line}\x1b[0m" if colour else line


def _coloured(text: str) -> str:
    return _VERDICT.sub(lambda word: f"\x1b[{_COLOURS[word[0]]}m{word[0]}\x1b[0m", text)
