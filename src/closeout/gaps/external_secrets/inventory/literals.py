"""Find every usable secret that is written in a tree, wherever it stands.

The inventory knows what services read from their environment; here are also manifests, images,
env files, keys and constants. What git ignores and what tests hold as fixtures is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.formats import unparsable
from closeout.formats.compose import may_be_compose
from closeout.formats.env_examples import is_example
from closeout.fs.once import once
from closeout.fs.prefilter import question
from closeout.gaps.external_secrets.inventory import SCRIPTED, SecretVariable, pages
from closeout.gaps.external_secrets.inventory.broker_users import known_users
from closeout.gaps.external_secrets.inventory.code import (
    in_python,
    in_typescript,
    module_may_read,
    names_a_secret,
    script_may_read,
)
from closeout.gaps.external_secrets.inventory.declared import in_chart, in_compose, in_env_example
from closeout.gaps.external_secrets.inventory.ignored import ignoring
from closeout.gaps.external_secrets.inventory.names import Mention
from closeout.gaps.external_secrets.inventory.planted import (
    in_constants,
    in_dockerfile,
    in_hashed,
    in_manifest,
    in_text,
    may_be_manifest,
    may_hold_text,
)
from closeout.gaps.external_secrets.inventory.scripts import (
    in_bearer,
    in_connection,
    in_script,
    shown,
    thrown_away,
)
from closeout.harness.service_discovery import LAYERS
from closeout.model import Tree, Unresolved
from closeout.parsing.node_sources import LEFT_OUT

_FIXTURES = frozenset(
    {"test", "tests", "__tests__", "__mocks__", "mocks", "e2e", "spec", "fixtures", "testdata"}
)
_CODE = SCRIPTED | {".py"}
_SETTINGS = frozenset({".json", ".toml", ".ini", ".cfg", ".properties", ".conf"})
_OPAQUE = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".ico", ".webp", ".pdf", ".woff", ".woff2", ".ttf", ".zip"}
    | {".gz", ".onnx", ".pt", ".parquet", ".map", ".lock"}
)
_LOCKFILES = frozenset({"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml"})
_YAML = frozenset({".yml", ".yaml"})
_SCRIPTS = frozenset({".sh", ".bash", ".ps1", ".psm1", ".bat", ".cmd"})
_DOCUMENTS = frozenset({".md", ".rst", ".txt", ".html", ".ipynb"})
_WORKFLOWS = (".github", "workflows")


class LiteralForm(Enum):
    """How a secret is written."""

    VALUE = "holds a usable value"
    FALLBACK = "falls back to a usable value"
    MATERIAL = "is written out"
    KNOWN = "is of a known password"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Literal:
    """A place where a secret can be read, by its name; the value is not kept."""

    path: PurePosixPath
    line: int
    name: str
    form: LiteralForm


@once
def literals(tree: Tree, variables: Iterable[SecretVariable]) -> tuple[Literal, ...]:
    """Return every place of `tree` where a secret can be read, by path and line.

    `variables` is the tree's inventory.
    """
    is_ignored = ignoring(tree)
    found: dict[tuple[PurePosixPath, int], Literal] = {}
    for place in (place for each in variables for place in each.places):
        is_left_out = is_fixture(place.path) or is_ignored(place.path)
        if (place.literal or place.fallback) and not is_left_out:
            item = Literal(path=place.path, line=place.line, name=place.name, form=_form(place))
            found.setdefault((item.path, item.line), item)
    asked = set().union(*(tree.candidates(each) for each in _QUESTIONS))
    for path in sorted(asked, key=lambda path: path.parts):
        if not is_ignored(path):
            for item in _in_file(path, tree.read(path) or b""):
                found.setdefault((path, item.line), item)
    for path, user in known_users(tree, tuple(found)):
        if not (is_fixture(path) or is_ignored(path)):
            form = LiteralForm.MATERIAL if user.plain else LiteralForm.KNOWN
            item = Literal(path=path, line=user.line, name=user.told, form=form)
            found[path, item.line] = item
    return tuple(found[place] for place in sorted(found, key=lambda at: (at[0].parts, at[1])))


@once
def unread_manifests(tree: Tree) -> tuple[Unresolved, ...]:
    """Return the YAML that may hold secrets and does not parse; git-ignored files hold none."""
    is_ignored = ignoring(tree)
    found = (path for path in tree.candidates(_SECRET_YAML) if not is_ignored(path))
    return unparsable.among(tree, found)


def is_fixture(path: PurePosixPath) -> bool:
    """Return whether a file belongs to tests, whose made-up secrets open nothing."""
    named = path.stem.endswith((".test", ".spec")) or path.name.startswith(("test_", "conftest"))
    return named or not _FIXTURES.isdisjoint(path.parts[:-1])


def is_environment(path: PurePosixPath) -> bool:
    """Return whether a file is one of assignments: `.env`, `.env.example`, `production.env`."""
    return path.name.startswith((".env", "env.")) or path.suffix == ".env" or is_example(path)


def _form(named: Mention) -> LiteralForm:
    return LiteralForm.VALUE if named.literal else LiteralForm.FALLBACK


def _is_open(path: PurePosixPath) -> bool:
    return not (path.suffix in _OPAQUE or path.name in _LOCKFILES or is_fixture(path))


def is_image(path: PurePosixPath) -> bool:
    """Return whether a file says how an image is made."""
    return "dockerfile" in path.name.lower() or path.name == "Containerfile"


def _is_read_anyway(path: PurePosixPath) -> bool:
    return (is_image(path) or is_environment(path)) and _is_open(path)


def _is_tool(path: PurePosixPath) -> bool:
    """Return whether code belongs to no service of a layer: those are in the inventory."""
    return _is_open(path) and path.parts[0] not in LAYERS and LEFT_OUT.isdisjoint(path.parts)


def _may_hold_bearer(path: PurePosixPath) -> bool:
    return _is_open(path) and path.suffix not in _DOCUMENTS


_SECRET_YAML = question(
    _YAML, lambda content: may_be_manifest(content) or names_a_secret(content), _is_open
)
_QUESTIONS = (
    question((), may_hold_text, _is_open),
    question(_CODE | _SETTINGS, lambda content: bool(in_constants(content)), _is_open),
    _SECRET_YAML,
    question((), lambda _: True, _is_read_anyway),
    question(_SCRIPTS, lambda content: bool(in_script(content)), _is_open),
    question(_YAML, lambda content: any(True for _ in in_connection(content)), _is_open),
    question((".py",), lambda content: any(True for _ in in_hashed(content)), _is_open),
    question((), lambda content: b"eyJ" in content, _may_hold_bearer),
    question((".py",), module_may_read, _is_tool),
    question(SCRIPTED, script_may_read, _is_tool),
    question(pages.SUFFIXES, lambda content: any(True for _ in pages.in_page(content)), _is_open),
)


@lru_cache(maxsize=2048)
def _in_file(path: PurePosixPath, content: bytes) -> tuple[Literal, ...]:
    return tuple(_literals(path, content))


def _literals(path: PurePosixPath, content: bytes) -> Iterator[Literal]:
    kept = shown(content) if path.suffix == ".py" else frozenset()
    if path.parts[:2] == _WORKFLOWS:
        kept = thrown_away(content)
    for name, line in _material(path, content):
        if line not in kept:
            yield Literal(path=path, line=line, name=name, form=LiteralForm.MATERIAL)
    for item in _mentions(path, content):
        if (item.literal or item.fallback) and item.line not in kept:
            yield Literal(path=path, line=item.line, name=item.name, form=_form(item))


def _material(path: PurePosixPath, content: bytes) -> Iterator[tuple[str, int]]:
    yield from in_text(content)
    if _may_hold_bearer(path):
        yield from in_bearer(content)
    if path.suffix in _SCRIPTS:
        yield from in_script(content)
    if path.suffix in pages.SUFFIXES:
        yield from pages.in_page(content)
    if path.suffix == ".py":
        yield from in_hashed(content)
    if path.suffix in _CODE | _SETTINGS:
        yield from in_constants(content)
    elif path.suffix in _YAML:
        yield from in_manifest(content)
        yield from in_connection(content)
    elif is_image(path):
        yield from in_dockerfile(content)


def _mentions(path: PurePosixPath, content: bytes) -> Iterator[Mention]:
    if is_environment(path):
        yield from in_env_example(content)
    elif path.suffix in _CODE and _is_tool(path):
        if path.suffix == ".py":
            yield from in_python(content)
        else:
            yield from in_typescript(content, is_plain=path.suffix == ".ts")
    elif path.suffix in _YAML and names_a_secret(content):
        if may_be_compose(path):
            yield from (item for _, item in in_compose(content, path, frozenset()))
        elif b"{{" not in content or path.name.startswith("values"):
            yield from in_chart(content)
