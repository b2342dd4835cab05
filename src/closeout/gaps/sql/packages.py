"""Which dbt packages a project names, which of them are there, and which macros they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath

from closeout.fs.text_edit import Splice
from closeout.fs.tree import below
from closeout.gaps.sql.places import Defect, loaded
from closeout.model import Tree
from closeout.parsing import jinja

_DEFINED = re.compile(rb"\{%[-+]?\s*(macro|test|data_test)\s+(\w+)")
_PACKAGE_LIKE = re.compile(r"(dbt_(?!version$|metadata_envs$)\w+|elementary|codegen|audit_helper)")
FILES = ("packages.yml", "dependencies.yml")
"""Where a project names its packages."""

MOVED_IN_1_0 = frozenset(
    [
        *("any_value", "bool_or", "cast_bool_to_text", "concat", "current_timestamp"),
        *("current_timestamp_in_utc", "dateadd", "datediff", "date_trunc"),
        *("escape_single_quotes", "except", "hash", "intersect", "last_day", "length", "listagg"),
        *("position", "replace", "right", "safe_cast", "split_part", "string_literal"),
        *("type_bigint", "type_float", "type_int", "type_numeric", "type_string"),
        "type_timestamp",
    ]
)
"""Macros that dbt_utils 1.0 dropped because dbt itself has them."""

_RENAMED = frozenset(["current_timestamp_in_utc"])
"""Those among them that dbt has under another name, so that no call of it is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """The packages of one project.

    `macros` holds the installed ones and the project itself, by name; `waiting` is declared and
    not in the tree, with its version's text; `is_known` is False where a list does not parse.
    """

    macros: Mapping[str, frozenset[str]]
    waiting: Mapping[str, str]
    is_known: bool


def packages(tree: Tree, root: PurePosixPath, name: str) -> Packages:
    """Return the packages of the project `name` below `root`."""
    macros = {name: _macros(tree, root)} if name else {}
    for path in below(tree, root):
        if path.name == "dbt_project.yml" and path.parent.parent == root / "dbt_packages":
            macros[_name(tree, path.parent)] = _macros(tree, path.parent)
    waiting: dict[str, str] = {}
    is_known = True
    for file in FILES:
        content = tree.read(root / file) or b""
        document = loaded(content)
        if document is None and content.strip():
            is_known = False
        for told, version, local in _declared(document):
            if local:
                folder = _joined(root, told)
                macros[_name(tree, folder)] = _macros(tree, folder)
            elif (declared := _folder(told)) not in macros:
                waiting[declared] = version
    return Packages(macros=macros, waiting=waiting, is_known=is_known)


def missing_macros(content: bytes, held: Packages) -> Iterator[Defect]:
    """Yield the calls of macros that no package gives."""
    if b"." not in content or not held.is_known:
        return
    own = jinja.assigned(content)
    for call in jinja.calls(content):
        if len(call.name) != len(("package", "macro")) or call.name[0] in own:
            continue
        told = _missing(held, *call.name)
        if told is not None:
            message, advice = told
            mend: tuple[Splice, ...] = ()
            if call.name[0] == "dbt_utils" and call.name[1] in MOVED_IN_1_0 - _RENAMED:
                start = call.start
                mend = (Splice(start=start, end=start + len("dbt_utils"), text="dbt"),)
            yield Defect(offset=call.start, message=message, mend=mend, advice=f"{advice}.")


def is_lost(held: Packages, package: str, macro: str) -> bool:
    """Tell whether the named version of a package that is not there surely lacks the macro."""
    return package in held.waiting and _missing(held, package, macro) is not None


def local_folders(tree: Tree, root: PurePosixPath) -> tuple[PurePosixPath, ...]:
    """Return the folders that the project at `root` names as packages."""
    documents = (loaded(tree.read(root / file) or b"") for file in FILES)
    return tuple(
        _joined(root, told)
        for document in documents
        for told, _, is_local in _declared(document)
        if is_local
    )


def _missing(held: Packages, package: str, macro: str) -> tuple[str, str] | None:
    """Return why `package.macro` is not there and what to do; None where it may be."""
    full = f"{package}.{macro}"
    if package in held.macros:
        if macro in held.macros[package]:
            return None
        return (
            f"the package {package} that is here has no macro {macro}",
            _replacement(package, macro) or "call a macro it has, or install a version that has it",
        )
    if package in held.waiting:
        advice = _replacement(package, macro)
        if advice and _is_one_or_later(held.waiting[package]):
            return f"dbt_utils 1.0 and later have no {full}", advice
        return None
    if not _PACKAGE_LIKE.fullmatch(package) or held.waiting.keys() - {"dbt_utils"}:
        return None
    return (
        f"packages.yml names no package {package}, so {full} is undefined",
        _replacement(package, macro) or f"name {package} in packages.yml and run `dbt deps`",
    )


def _replacement(package: str, macro: str) -> str:
    if package == "dbt_utils" and macro in MOVED_IN_1_0:
        return f"call dbt.{macro}, which dbt brings itself"
    if (package, macro) == ("dbt_utils", "surrogate_key"):
        return "call dbt_utils.generate_surrogate_key; its keys differ where a value is NULL"
    return ""


def _is_one_or_later(version: str) -> bool:
    """Tell whether the lowest version that the text allows is 1.0 or later."""
    lowest = re.search(r"(?<![<\d.])(?:>=|==|=|>|\^|~)?\s*(\d+)(?:\.\d+)*", version)
    return lowest is not None and int(lowest[1]) >= 1


def _declared(document: object) -> Iterator[tuple[str, str, bool]]:
    """Yield each package's name or folder, its version's text, and whether it is a folder."""
    listed = document.get("packages") if isinstance(document, dict) else None
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict):
            continue
        if entry.get("local"):
            yield str(entry["local"]), "", True
        told = entry.get("package") or entry.get("git") or entry.get("tarball")
        if told:
            yield str(entry.get("name") or told), str(entry.get("version", "")), False


def _folder(told: str) -> str:
    return told.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git").replace("-", "_")


def _joined(root: PurePosixPath, told: str) -> PurePosixPath:
    return PurePosixPath(normpath(f"/{root}/{told}").lstrip("/"))


def _name(tree: Tree, folder: PurePosixPath) -> str:
    settings = loaded(tree.read(folder / "dbt_project.yml") or b"")
    named = settings.get("name") if isinstance(settings, dict) else None
    return str(named or folder.name)


def _macros(tree: Tree, root: PurePosixPath) -> frozenset[str]:
    """Return what the SQL files of the package at `root` define; a test is a macro `test_name`."""
    found = set()
    for path in below(tree, root):
        if path.suffix != ".sql":
            continue
        if "dbt_packages" in path.relative_to(root).parts:
            continue
        for kind, name in _DEFINED.findall(tree.read(path) or b""):
            prefix = "" if kind == b"macro" else "test_"
            found.add(prefix + name.decode())
    return frozenset(found)
