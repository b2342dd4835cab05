"""Read how a service takes variables from a file, which has to happen before one is required."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.fs.prefilter import matches, question
from closeout.fs.tree import below
from closeout.model import Tree
from closeout.parsing.node_sources import SUFFIXES, is_source

_LOADER = rb"(dotenv(?:-flow|-expand)?|@dotenvx/dotenvx)"
_PLAIN = re.compile(
    rb"\s*(?:\{(?:\s*\w+\s*:\s*(?:'[^'\\]*'|\"[^\"\\]*\"|true|false)\s*,?)*\s*\})?\s*"
)
_CALL = re.compile(rb"\bconfig\(((?:[^()]|\([^()]*\))*)\)")
_IMPORTED = re.compile(rb"(?:from|require\(|import)\s*['\"]" + _LOADER + rb"(/config)?['\"]")
_LOADS = question(
    SUFFIXES, lambda content: b"dotenv" in content and matches(content, _IMPORTED), is_source
)
_BUILT_IN = question(SUFFIXES, lambda content: b"process.loadEnvFile(" in content, is_source)
_COMPUTED = "its variables come from a file whose path is computed, maybe after this line"


def loading(tree: Tree, service: PurePosixPath) -> tuple[str, ...] | str:
    """Return the lines that load a service's variables from files; or why they are not known.

    They are what its own sources do: doing it again changes nothing, since a variable that is set
    is kept.
    """
    owned = set(below(tree, service))
    if owned.intersection(tree.candidates(_BUILT_IN)):
        return "its variables come from process.loadEnvFile(), maybe after this line"
    calls: dict[tuple[str, str], None] = {}
    for path in tree.candidates(_LOADS):
        content = tree.read(path) or b""
        for found in _IMPORTED.finditer(content) if path in owned else ():
            said = [b""] if found[2] else _CALL.findall(content, found.end())
            if not all(_PLAIN.fullmatch(each) for each in said):
                return _COMPUTED
            calls |= {(found[1].decode(), each.decode().strip()): None for each in said}
    names = list(dict.fromkeys(name for name, _ in calls))
    if len(names) > 1:
        return f"its variables are loaded by {' and '.join(names)}"
    imports = tuple(f"import {{ config }} from '{name}';" for name in names)
    return (*imports, *(f"config({said});" for _, said in calls)) if calls else ()
