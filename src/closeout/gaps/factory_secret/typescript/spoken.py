"""Find where else a tree speaks of a password that leaves its source: remarks, pages, tests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from closeout.fs.prefilter import question
from closeout.fs.text_edit import Splice
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.node_sources import LEFT_OUT

_PAGES = (".tsx", ".jsx")
_CODE = (*_PAGES, ".ts", ".js", ".mjs", ".cjs")
_SAID = re.compile(
    rb"(?P<quote>['\"])(?P<text>[^'\"\n]*?\s[^'\"\n]*?)(?P=quote)|>(?P<shown>[^<>{}\n]*)<"
)
"""A text of more than one word, or one between tags: a word alone may be compared with."""

_QUOTED = rb"(['\"`])%(it)s\1"
_SET = rb"(?i:pass(?:word)?)['\"]?[ \t]*[=:][ \t]*['\"`]?%(it)s(?![\w-])"
"""What a line for a shell sets a variable or an option to."""

_TRIES = re.compile(r"(?:^|[-_])(?:tests?|e2e|k6)(?:[-_]|$)")


def _is_open(path: PurePosixPath) -> bool:
    return "node_modules" not in path.parts


def _is_document(path: PurePosixPath) -> bool:
    return _is_open(path) and not any(part.startswith(".") for part in path.parts)


_SPEAKS = question(_CODE, lambda content: b"assword" in content, _is_open)
_TEACHES = question((".md",), lambda content: b"PASS" in content, _is_document)


def remarks(content: bytes, passwords: Mapping[str, str]) -> Iterator[Splice]:
    """Yield the splices that have a file's comments name the variable and not the password."""
    for node in typescript.find(typescript.parsed(content), "comment"):
        yield from _named(content, node.start_byte, node.end_byte, passwords)


def pages(tree: Tree, passwords: Mapping[str, str]) -> Iterator[tuple[PurePosixPath, Splice]]:
    """Yield the splices that have the pages name the variable where they tell the password.

    A reader must not take the name for what is to be typed.
    """
    told = {password: f"the value of {name}" for password, name in passwords.items()}
    for path in tree.candidates(_SPEAKS) if passwords else ():
        if path.suffix in _PAGES and LEFT_OUT.isdisjoint(path.parts):
            content = tree.read(path) or b""
            for match in _SAID.finditer(content):
                part = "text" if match["text"] is not None else "shown"
                for made in _named(content, *match.span(part), told):
                    yield path, made


def typed(tree: Tree, passwords: Mapping[str, str]) -> Iterator[Unresolved]:
    """Yield the tests, tools and documents that sign in with the password: they need the new one.

    A document does where it sets a variable to it.
    """
    asked = (*tree.candidates(_SPEAKS), *tree.candidates(_TEACHES)) if passwords else ()
    for path in asked:
        content = tree.read(path) or b""
        is_document = path.suffix == ".md"
        is_test = path.stem.endswith((".test", ".spec")) or any(map(_TRIES.search, path.parts))
        for password, name in passwords.items() if is_test or is_document else ():
            kinds = _SET if is_document else _QUOTED + b"|" + _SET
            found = re.search(kinds % {b"it": re.escape(password.encode())}, content)
            if found is not None:
                yield Unresolved(
                    path=path,
                    reason=Reason.AMBIGUOUS,
                    line=content.count(b"\n", 0, found.start()) + 1,
                    detail=f"has the password that seeded accounts had; they have {name}'s now",
                    hint=f"read {name} there where it signs in to them.",
                )


def _named(content: bytes, start: int, end: int, passwords: Mapping[str, str]) -> Iterator[Splice]:
    for password, name in passwords.items():
        word = re.compile(rb"(?<![\w-])%s(?![\w-])" % re.escape(password.encode()))
        for match in word.finditer(content, start, end):
            yield Splice(start=match.start(), end=match.end(), text=name)
