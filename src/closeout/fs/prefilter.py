"""Ask cheap questions about files' bytes: most files never need a parser.

A question is made once, at the top of the module that asks it. A tree answers all questions
about a file in the one go in which it reads it, and may forget the bytes of a file that no
question is interested in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.model import FileQuestion

_questions: list[FileQuestion] = []
_by_suffix: dict[str, list[FileQuestion]] = {}
_of_every_file: list[FileQuestion] = []


def question(
    suffixes: Iterable[str],
    holds: Callable[[bytes], bool],
    concerns: Callable[[PurePosixPath], bool] = lambda _: True,
    *,
    leads_to_reading: bool = True,
) -> FileQuestion:
    """Return a new question; make it where a module is loaded, not where it is asked.

    Without suffixes it is asked of every file that it concerns.
    """
    made = FileQuestion(
        suffixes=frozenset(suffixes),
        concerns=concerns,
        holds=holds,
        bit=1 << len(_questions),
        leads_to_reading=leads_to_reading,
    )
    _questions.append(made)
    if not made.suffixes:
        _of_every_file.append(made)
    for suffix in made.suffixes:
        _by_suffix.setdefault(suffix, []).append(made)
    return made


def numbered(number: int) -> FileQuestion:
    """Return the question whose bit has this number."""
    return _questions[number]


def asked() -> int:
    """Return the bits of all questions there are so far."""
    return (1 << len(_questions)) - 1


def is_read(met: int) -> bool:
    """Return whether anybody reads a file that meets the questions with these bits."""
    return any(item.leads_to_reading for item in _questions if met & item.bit)


def askers() -> tuple[str, ...]:
    """Return the module of each question so far: with the code, what its bit means."""
    return tuple(item.holds.__module__ for item in _questions)


def about(path: PurePosixPath) -> list[FileQuestion]:
    """Return the questions that concern a file."""
    told: dict[Callable[[PurePosixPath], bool], bool] = {}
    found = []
    for item in (*_by_suffix.get(path.suffix, ()), *_of_every_file):
        if item.concerns not in told:
            told[item.concerns] = item.concerns(path)
        if told[item.concerns]:
            found.append(item)
    return found


def answers(questions: Sequence[FileQuestion], content: bytes) -> int:
    """Return the bits of those of `questions` that `content` meets."""
    met = 0
    for item in questions:
        if item.holds(content):
            met |= item.bit
    return met


class Answers:
    """The answers about one tree's files, each asked for once."""

    def __init__(self, ask: Callable[[PurePosixPath], int]) -> None:
        """Get the bits of a file from `ask`."""
        self._ask = ask
        self._asked = 0
        self._known: dict[PurePosixPath, int] = {}
        self._candidates: dict[int, tuple[PurePosixPath, ...]] = {}

    def candidates(
        self, question: FileQuestion, paths: Iterable[PurePosixPath]
    ) -> tuple[PurePosixPath, ...]:
        """Return those of `paths`, all that the question may be asked of, that meet it."""
        if self._asked != asked():  # a module that asks more was loaded meanwhile
            self._asked = asked()
            self._known, self._candidates = {}, {}
        if question.bit not in self._candidates:
            found = tuple(path for path in paths if self._of(path) & question.bit)
            self._candidates[question.bit] = found
        return self._candidates[question.bit]

    def _of(self, path: PurePosixPath) -> int:
        met = self._known.get(path)
        if met is None:
            met = self._known[path] = self._ask(path)
        return met


def holds(content: bytes, signs: tuple[bytes, ...]) -> bool:
    """Return whether any of `signs` stands in `content`."""
    for sign in signs:  # noqa: SIM110 - asked of every file; a generator takes a third longer
        if sign in content:
            return True
    return False


def holds_in_any_case(content: bytes, signs: tuple[bytes, ...]) -> bool:
    """Return whether any of `signs`, written in lower case, stands in `content` in any case."""
    return holds(in_lower_case(content), signs)


def matches(content: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Return whether `pattern` matches anywhere in `content`."""
    return pattern.search(content) is not None


def matches_any(content: bytes, patterns: Iterable[re.Pattern[bytes]]) -> bool:
    """Return whether one of `patterns` matches: fast where each starts with a word of its own."""
    return any(pattern.search(content) for pattern in patterns)


@lru_cache(maxsize=1)
def in_lower_case(content: bytes) -> bytes:
    """Return `content` in lower case, made once for all questions about one file in a row."""
    return content.lower()


_TEXTS = frozenset(
    [
        *(".py", ".sql", ".yml", ".yaml", ".conf", ".example"),
        *(".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs"),
    ]
)

_CONTROL = bytes([*range(0x01, 0x09), *range(0x0E, 0x1B)])
_HEAD = 16 * 1024


def _is_illegible(content: bytes) -> bool:
    if b"\0" in content:
        return True
    # Latin-1 text has none of those bytes, and UTF-8 stands decoding: the rest is data.
    head = content[:_HEAD]
    is_odd = len(head.translate(None, _CONTROL)) < len(head)
    return is_odd and content.decode("utf-8", "ignore").encode() != content


ILLEGIBLE = question(_TEXTS, _is_illegible)
"""Which sources are no text that a parser takes, such as UTF-16: no other question would meet."""

_POWERSHELL = "FullyQualifiedErrorId : ".encode("utf-16-le")

RECORD = "not a source: PowerShell kept a program's output here, an error message first"


def is_record(content: bytes) -> bool:
    """Return whether a file is what PowerShell kept of a program's output and of its errors.

    Such a file is UTF-16 and begins with the record of an error: it is in no language, whatever
    its name says, and no program reads it.
    """
    return content.startswith(b"\xff\xfe") and _POWERSHELL in content[:_HEAD]


RECORDED = question(_TEXTS, is_record)
"""Which files with the name of a source are such records."""
