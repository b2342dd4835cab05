"""Read Dockerfiles: what an image is given from its build context, and what it starts."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from closeout.fs.text_edit import line_end
from closeout.parsing.memo import Remembered

_WORD = re.compile(rb"[ \t]*([A-Za-z]+)[ \t]+")
_COMMENT = re.compile(rb"[ \t]*#")
_FLAG = re.compile(r"--\S+")
_TOP = PurePosixPath("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction; `end` is the offset after its last line."""

    word: str
    rest: str
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One COPY or ADD from the build context; sources are relative to that."""

    flags: str
    sources: tuple[PurePosixPath, ...]
    target: PurePosixPath
    is_folder: bool
    """Whether a file is put below `target`, not in its place."""
    end: int

    def place(self, path: PurePosixPath) -> PurePosixPath | None:
        """Return where the image has the context's file `path`; None where it is not copied."""
        for source in self.sources:
            if path == source:
                return self.target / path.name if self.is_folder else self.target
            if path.is_relative_to(source):
                return self.target / path.relative_to(source)
            if _matches(path, source):
                return self.target / path.name
        return None


@Remembered
def instructions(content: bytes) -> tuple[Instruction, ...]:
    """Return the instructions of a Dockerfile, continued lines joined and comments left out."""
    return tuple(_instructions(content))


def _instructions(content: bytes) -> Iterator[Instruction]:
    start = 0
    while start < len(content):
        end = line_end(content, start)
        lines = [content[start:end]]
        word = _WORD.match(lines[0])
        while word and not _COMMENT.match(lines[0]) and end < len(content):
            if not (lines[-1].rstrip().endswith(b"\\") or _COMMENT.match(lines[-1])):
                break
            start, end = end, line_end(content, end)
            lines.append(content[start:end])
        start = end
        if word and not _COMMENT.match(lines[0]):
            said = [line for line in lines if not _COMMENT.match(line)]
            text = b" ".join(line.rstrip().removesuffix(b"\\") for line in said)
            rest = text[word.end() :].decode("utf-8", "replace").strip()
            yield Instruction(word=word[1].decode().upper(), rest=rest, end=end)


@Remembered
def copies(content: bytes) -> tuple[Copy, ...]:
    """Return what each stage takes from the build context, by its working folder."""
    return tuple(_copies(content))


def _copies(content: bytes) -> Iterator[Copy]:
    folders: dict[str, PurePosixPath] = {}
    stage, folder = "", _TOP
    for item in instructions(content):
        if item.word == "FROM":
            folders[stage] = folder
            named = [word for word in item.rest.split() if not _FLAG.fullmatch(word)]
            folder = folders.get(named[0] if named else "", _TOP)
            stage = named[-1] if named else ""
        elif item.word == "WORKDIR":
            folder = _joined(folder, item.rest)
        elif item.word in {"COPY", "ADD"}:
            flags = " ".join(_FLAG.findall(item.rest.partition("[")[0]))
            given = words(item.rest)
            if "--from" in flags or len(given) < 2 or "$" in item.rest:  # noqa: PLR2004 - what, where to
                continue
            *sources, target = given
            yield Copy(
                flags=flags,
                sources=tuple(PurePosixPath(posixpath.normpath(f"./{each}")) for each in sources),
                target=_joined(folder, target),
                is_folder=len(sources) > 1
                or target.endswith(("/", "."))
                or _joined(folder, target) == folder,
                end=item.end,
            )


def started(content: bytes) -> str:
    """Return what the shipped stage says of where and how it starts."""
    found: list[str] = []
    for item in instructions(content):
        if item.word == "FROM":
            found.clear()
        elif item.word in {"WORKDIR", "CMD", "ENTRYPOINT"}:
            found.append(item.rest)
    return "\n".join(found)


def _joined(folder: PurePosixPath, text: str) -> PurePosixPath:
    return PurePosixPath(posixpath.normpath(folder / text.strip("\"'")))


def words(rest: str) -> list[str]:
    """Return the words of an instruction in either form, without its flags."""
    said = _FLAG.sub("", rest) if rest.startswith("--") else rest
    if said.strip().startswith("["):
        try:
            read = json.loads(said)
        except ValueError:
            return said.split()  # as the builder does
        return [str(word) for word in read]
    return said.split()


def _matches(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    is_as_deep = len(path.parts) == len(pattern.parts)
    pairs = zip(path.parts, pattern.parts, strict=False)
    return is_as_deep and all(fnmatchcase(name, wanted) for name, wanted in pairs)
