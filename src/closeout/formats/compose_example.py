"""Name in the env example beside a compose file every variable without which it does not start.

An owner who keeps no example is left without one, until a variable of ours is required.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.env_examples import EXAMPLES, examples_in
from closeout.fs.text_edit import line_ending, line_number
from closeout.model import Place, Tree
from closeout.resources import render

ADVICE = "set it in .env"
"""What compose says of a variable that is required here and not set."""
_PASSWORD = re.compile(r"PASS(?:WORD|WD)?$")
_SERVERS = frozenset({"MARIADB", "MINIO", "MONGO", "MYSQL", "POSTGRES", "RABBITMQ", "REDIS"})
_OURS = f":?{ADVICE}}}".encode()
_REQUIRED = re.compile(rb"(?<!\$)\$\{(\w+):?\?")
_COMMENT = re.compile(rb"(?m)^[ \t]*#[^\n]*")


def reference(name: str) -> str:
    """Return how a compose file takes a variable without which it must not start."""
    return f"${{{name}:?{ADVICE}}}"


def is_ours(content: bytes) -> bool:
    """Return whether a compose file requires a variable that a fix made it require."""
    return _OURS in content


@lru_cache(maxsize=128)
def required_by(content: bytes) -> Mapping[str, int]:
    """Return the variables that a compose file requires, each with the line that asks first."""
    found: dict[str, int] = {}
    spoken = _COMMENT.sub(lambda comment: b" " * len(comment[0]), content)
    for match in _REQUIRED.finditer(spoken):
        found.setdefault(match[1].decode(), line_number(content, match.start()))
    return found


def example_beside(tree: Tree, folder: PurePosixPath) -> PurePosixPath:
    """Return the env example of a folder: the one that is there, else the usual name."""
    return next(iter(examples_in(tree, folder)), folder / EXAMPLES[0])


def unnamed(tree: Tree) -> Iterator[Place]:
    """Yield the variables that a compose file requires and the example beside it lacks."""
    for path in compose.files(tree):
        example = example_beside(tree, path.parent)
        content, own = tree.read(example), tree.read(path) or b""
        for name, line in required_by(own).items() if content is not None or is_ours(own) else ():
            if not _names(content or b"", name):
                message = f"requires {name}, which {example.name} beside it does not name"
                yield Place(path=path, line=line, message=message, excerpt=name)


def completed(
    tree: Tree,
    stood_for: Mapping[PurePosixPath, Mapping[str, str]],
    changed: Mapping[PurePosixPath, bytes],
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield each env example with the variables that the compose files beside it require.

    `changed` holds files as they will be; `stood_for` the values of variables, by folder.
    """
    wanted: dict[PurePosixPath, dict[str, str]] = {}
    asked_by: dict[tuple[PurePosixPath, str], set[str]] = {}
    ours = set()
    rewritten = (path for path in changed if compose.may_be_compose(path))
    for path in sorted({*compose.files(tree), *rewritten}):
        names = wanted.setdefault(path.parent, {})
        content = changed.get(path, tree.read(path) or b"")
        held = stood_for.get(path.parent, {})
        asked = required_by(content)
        names |= {name: held.get(name, "") for name in asked}
        for name in asked:
            asked_by.setdefault((path.parent, name), set()).add(path.name)
        ours |= {path.parent} if is_ours(content) else set()
    for folder, names in sorted(wanted.items()):
        path = example_beside(tree, folder)
        before = changed.get(path, tree.read(path))
        content = before or b""
        if before is None and folder not in ours:
            continue
        elsewhere = {other: held for other, held in wanted.items() if other != folder}
        rows = [row for row in _rows(names, elsewhere) if not _names(content, row["name"])]
        if not rows:
            continue
        ending = line_ending(content, len(content)) if content else b"\n"
        asking = set().union(*(asked_by[folder, row["name"]] for row in rows))
        told = min(asking) if len(asking) == 1 else ""
        values = {
            "variables": rows,
            "below": bool(content),
            "fresh": not content,
            "asking": told,
            "is_stored": any(_software(row["name"]) for row in rows),
        }
        text = render("compose/env.example.j2", values)
        start = b"" if not content or content.endswith(b"\n") else ending
        yield path, content + start + text.replace(b"\n", ending)


def _rows(
    values: Mapping[str, str], elsewhere: Mapping[PurePosixPath, Mapping[str, str]]
) -> list[dict[str, str]]:
    """Return each variable, with the earlier one, or one of another folder, of the same value.

    Two servers that were started with one password open nothing of each other's.
    """
    first: dict[str, str] = {}
    rows = []
    for name, value in sorted(values.items()):
        twin = first.get(value, "") if value else ""
        if len({_software(twin), _software(name)} - {""}) > 1:
            twin = ""
        shared = [
            f"{other} in {folder}"
            for folder, held in sorted(elsewhere.items())
            for other, text in sorted(held.items())
            if value and text == value and not _PASSWORD.search(name)
        ]
        rows.append({"name": name, "same_as": twin, "shared": shared[0] if shared else ""})
        first.setdefault(value, name)
    return rows


def _software(name: str) -> str:
    """Return the server whose own password a variable is, empty for any other."""
    word = name.partition("_")[0]
    return word if word in _SERVERS and _PASSWORD.search(name) else ""


def _names(content: bytes, name: str) -> bool:
    return bool(re.search(rb"(?m)^(?:export )?%s=" % name.encode(), content))
