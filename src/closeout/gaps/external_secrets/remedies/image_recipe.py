"""Take secrets out of an image: out of what its ENV sets, and out of what it is started with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from closeout.formats import dockerfile
from closeout.fs.text_edit import Splice, line_end, line_offset, splice
from closeout.gaps.external_secrets.inventory.planted import in_dockerfile

_ALONE = re.compile(
    rb"[ \t]*ENV[ \t]+(?P<name>[A-Z][A-Z0-9_]*)(?:=|[ \t]+)"
    rb"(?P<value>\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s\\]+)[ \t]*\r?\n?",
    re.IGNORECASE,
)
_SHELL_LESS = re.compile(rb"(?im)^[ \t]*FROM[ \t]+(?:scratch\b|\S*distroless)")
_WORDS_OF_A_SHELL = re.compile(r"[\w@%+=:,./-]+")


def emptied(content: bytes) -> tuple[bytes, Mapping[str, str]] | None:
    """Return a Dockerfile without its secrets, and the variables that a container has to be given.

    None where the secrets are not written plainly.
    A variable goes with its line. A command in brackets sees no variables: it becomes a line of
    the shell that makes way for the program.
    """
    splices: list[Splice] = []
    given: dict[str, str] = {}
    for _, number in in_dockerfile(content):
        start = line_offset(content, number)
        alone = _ALONE.fullmatch(content, start, line_end(content, start))
        if alone is not None:
            value = alone["value"].decode("utf-8", "replace").strip("\"'")
            given[alone["name"].decode()] = value
            splices.append(Splice(start=start, end=alone.end(), text=""))
    after = splice(content, splices)
    commands = list(_commands(after, given))
    after = splice(after, commands)
    if not given or any(True for _ in in_dockerfile(after)):
        return None
    return after, given


def _commands(content: bytes, given: Mapping[str, str]) -> Iterator[Splice]:
    """Yield the command of the shipped stage with its secrets read from variables."""
    found = list(dockerfile.instructions(content))
    stage = max((index for index, item in enumerate(found) if item.word == "FROM"), default=0)
    shipped = found[stage:]
    if _SHELL_LESS.search(content) or any(item.word == "ENTRYPOINT" for item in shipped):
        return
    for index, item in enumerate(shipped):
        if item.word != "CMD" or not item.rest.startswith("["):
            continue
        words = dockerfile.words(item.rest)
        read = [_read(words[at - 1] if at else "", word, given) for at, word in enumerate(words)]
        if words == read:
            continue
        before = shipped[index - 1].end if index else 0
        start = re.compile(rb"(?im)^[ \t]*CMD[ \t]").search(content, before)
        if start is not None:
            ending = "\n" if content[: item.end].endswith(b"\n") else ""
            yield Splice(start=start.start(), end=item.end, text=_line(words, read) + ending)


def _read(option: str, word: str, given: Mapping[str, str]) -> str:
    """Return a word of a command, read from the variable that holds the same."""
    held = [name for name, value in given.items() if value == word]
    asked = re.sub(r"[^A-Z0-9]+", "_", option.upper()).strip("_")
    fitting = [name for name in held if asked and name.endswith(asked)]
    chosen = fitting if len(fitting) == 1 else held
    return f"${{{chosen[0]}:?is not set}}" if len(chosen) == 1 else word


def _line(words: list[str], read: list[str]) -> str:
    text = "CMD exec"
    for word, now in zip(words, read, strict=True):
        quoted = f'"{now}"' if now != word else _quoted(word)
        text += f" \\\n    {quoted}" if word.startswith("--") else f" {quoted}"
    return text


def _quoted(word: str) -> str:
    if _WORDS_OF_A_SHELL.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
