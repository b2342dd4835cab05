"""Read a Node service's package.json: its test script, its jest, and where the script stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from closeout.fs import json_reader
from closeout.fs.text_edit import Splice, indentation, line_number

_SCRIPTS = re.compile(rb'"scripts"\s*:\s*\{(?P<body>(?:\s*"(?:[^"\\]|\\.)*"\s*[:,]?)*\s*)\}')
_ENTRY = re.compile(rb'"(?P<key>(?:[^"\\]|\\.)*)"\s*:\s*(?P<value>"(?:[^"\\]|\\.)*")')
_LENIENT = " --passWithNoTests"
_PLACEHOLDER = "no test specified"


@dataclass(frozen=True, slots=True, kw_only=True)
class JestPackage:
    """What a package.json says of its tests; `place` holds the test script's bytes."""

    script: str | None
    packages: frozenset[str]
    configures_jest: bool
    is_of_es_modules: bool
    line: int
    place: tuple[int, int] | None


def read(content: bytes) -> JestPackage | None:
    """Return what `content` says, None where it is not a JSON object."""
    try:
        parsed = json_reader.loads(content)
    except ValueError:
        return None
    if not isinstance(parsed, dict):
        return None
    place = _place(content)
    scripts = _object(parsed.get("scripts"))
    script = scripts.get("test")
    return JestPackage(
        script=script if isinstance(script, str) else None,
        packages=frozenset(
            {**_object(parsed.get("dependencies")), **_object(parsed.get("devDependencies"))}
        ),
        configures_jest="jest" in parsed,
        is_of_es_modules=parsed.get("type") == "module",
        line=line_number(content, place[0]) if place else 1,
        place=place,
    )


def trouble(package: JestPackage) -> str | None:
    """Return why the test script proves nothing, None where it does its work."""
    if package.script is None:
        return "there is no test script"
    if _PLACEHOLDER in package.script:
        return "the test script is a placeholder"
    if "passWithNoTests" in package.script:
        return "the test script ends with 0 though there is no test"
    return None


def mended(content: bytes, package: JestPackage) -> Splice | None:
    """Return the splice that makes the test script run jest; None where it is not found."""
    if package.script is None:
        return _added(content)
    if package.place is None:
        return None
    start, end = package.place
    script = "jest" if _PLACEHOLDER in package.script else package.script.replace(_LENIENT, "")
    return Splice(start=start, end=end, text=json.dumps(script, ensure_ascii=False))


def _added(content: bytes) -> Splice | None:
    first = next(_entries(content), None)
    if first is None:
        return None
    blanks = indentation(content, first.start())
    text = f'"test": "jest",\n{blanks}' if b"\n" in content else '"test": "jest", '
    return Splice(start=first.start(), end=first.start(), text=text)


def _place(content: bytes) -> tuple[int, int] | None:
    spans = (entry.span("value") for entry in _entries(content) if entry["key"] == b"test")
    return next(spans, None)


def _entries(content: bytes) -> Iterator[re.Match[bytes]]:
    """Return the scripts, where all of them are texts."""
    scripts = _SCRIPTS.search(content)
    body = scripts.span("body") if scripts else (0, 0)
    return _ENTRY.finditer(content, *body)


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
