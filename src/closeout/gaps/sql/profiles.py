"""What a dbt profile says: the database that a project is for, and values that dbt refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.gaps.sql.places import Defect, entries, loaded
from closeout.model import Tree
from closeout.parsing import jinja

_POSTGRES = "postgres"
_TEXTS = frozenset(["host", "user", "password", "pass", "dbname", "database", "schema", "role"])
_AS_NUMBER = re.compile(rb"\s*\|\s*as_number\b")
_TO_NUMBER = re.compile(rb"\|\s*(as_number|as_native|int|float)\b")
_DEFAULT = re.compile(rb"""env_var\(\s*(?:'[^']*'|"[^"]*")\s*,\s*(?:'([^']*)'|"([^"]*)")\s*\)""")
_BARE = re.compile(rb"(?m)^[ \t]*[\w-]+:[ \t]*(\{\{)")
_ADAPTER = re.compile(r"(?im)^\s*[\"']?dbt[-_](\w+)")
_NO_ADAPTERS = frozenset(["core", "common", "adapters", "extractor", "semantic", "utils"])


def is_for_postgres(tree: Tree, root: PurePosixPath, settings: object) -> bool:
    """Tell whether the project's target is PostgreSQL, or nothing says that it is another one.

    The profile beside the project decides, else the adapters that its requirements name.
    """
    kinds = _profile_kinds(tree, root, settings)
    if kinds:
        return _POSTGRES in kinds
    adapters = {
        name.lower()
        for path in tree.ending(frozenset({".txt"}))
        if path.parent == root and path.name.startswith("requirements") and path.suffix == ".txt"
        for name in _ADAPTER.findall((tree.read(path) or b"").decode("utf-8", "replace"))
    } - _NO_ADAPTERS
    return not adapters or _POSTGRES in adapters


def _profile_kinds(tree: Tree, root: PurePosixPath, settings: object) -> set[str]:
    """Return the type of the profile's own target, or of all its outputs where Jinja chooses."""
    profiles = loaded(tree.read(root / "profiles.yml") or b"")
    name = settings.get("profile", "default") if isinstance(settings, dict) else "default"
    profile = profiles.get(name) if isinstance(profiles, dict) else None
    outputs = profile.get("outputs") if isinstance(profile, dict) else None
    if not isinstance(profile, dict) or not isinstance(outputs, dict):
        return set()
    kinds = {
        str(key): str(output["type"])
        for key, output in outputs.items()
        if isinstance(output, dict) and "type" in output
    }
    target = str(profile.get("target", "default"))
    return {kinds[target]} if target in kinds else set(kinds.values())


def refused_values(content: bytes) -> Iterator[Defect]:
    """Yield the values of a profile that dbt refuses when it reads them."""
    bare = tuple(_BARE.finditer(content))
    for match in bare:
        end = content.find(b"\n", match.start(1))
        yield Defect(
            offset=match.start(1),
            message="YAML reads an unquoted {{ as a mapping and refuses the profile",
            mend=_quoted(content, match.start(1), len(content) if end < 0 else end),
            advice="put quotes around the whole value.",
        )
    if bare:
        return
    for entry in entries(content):
        text = content[entry.value.start : entry.value.end]
        tags = jinja.tags(text)
        if len(tags) != 1 or tags[0].kind != "expression" or b"env_var" not in text:
            continue
        place = _wrong_kind(text, entry.value.start, str(entry.key))
        if place is not None:
            yield place


def _quoted(content: bytes, start: int, end: int) -> tuple[Splice, ...]:
    value = content[start:end].rstrip()
    if b'"' in value or b"\\" in value or not value.endswith(b"}}"):
        return ()
    stop = start + len(value)
    return (Splice(start=start, end=start, text='"'), Splice(start=stop, end=stop, text='"'))


def _wrong_kind(text: bytes, start: int, key: str) -> Defect | None:
    """Return the place where the value is no number or no text, as its key asks."""
    filtered = _AS_NUMBER.search(text)
    default = _DEFAULT.search(text)
    given = (default[1] or default[2] or b"") if default else b"0"
    if filtered and not re.fullmatch(rb"-?\d+(\.\d+)?", given):
        return Defect(
            offset=start + filtered.start(),
            message="as_number refuses the default, which is no number",
            advice="give a number as the default, or drop the filter.",
        )
    if filtered and key in _TEXTS:
        return Defect(
            offset=start + filtered.start(),
            message=f"dbt wants text for {key!r}, and as_number makes a number or fails",
            mend=(Splice(start=start + filtered.start(), end=start + filtered.end(), text=""),),
        )
    closing = text.rfind(b"}}")
    if key == "port" and not _TO_NUMBER.search(text):
        at = start + len(text[:closing].rstrip(b" -"))
        return Defect(
            offset=start,
            message="dbt wants a number for 'port', and env_var gives text",
            mend=(Splice(start=at, end=at, text=" | as_number"),),
        )
    return None
