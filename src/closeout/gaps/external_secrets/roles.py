"""Tell apart who signs in: a job's role of its own has a password that the services' has not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from closeout.formats import compose
from closeout.formats.env_examples import is_example
from closeout.fs.prefilter import question
from closeout.gaps.external_secrets.readers import variables_of
from closeout.model import Tree

_PASSWORD = re.compile(r"_?(?P<word>PASSWORD|PASSWD|PASS|PWD)$")
_NAMED = re.compile(
    rb"(?:USER(?:NAME)?[\"']?[ \t]*[:=][ \t]*[\"']?(?:\$\{\w+:?-)?|://)([A-Za-z_][\w-]*)"
)
_USES = question(
    (),
    lambda content: b"USER" in content or b"://" in content,
    is_example,
)


def roles(tree: Tree) -> frozenset[str]:
    """Return the roles that the tree's services sign in with, by compose files and examples."""
    paths = {*compose.files(tree), *tree.candidates(_USES)}
    texts = (tree.read(path) or b"" for path in sorted(paths))
    return frozenset(found.decode() for text in texts for found in _NAMED.findall(text))


def role_beside(value: object, variable: str) -> str:
    """Return the role that a manifest writes out for the password `variable`; empty without one."""
    found = _PASSWORD.search(variable)
    if found is None:
        return ""
    joined = "" if variable[: found.start()] == "PG" else "_"
    names = {f"{variable[: found.start()]}{joined}{word}" for word in ("USER", "USERNAME")}
    told = {text for name, text in variables_of(value) if name in names and isinstance(text, str)}
    return told.pop() if len(told) == 1 else ""


def alone(held: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the roles of one workload alone, of pairs of a workload and its role."""
    counted = Counter(role for _, role in set(held) if role)
    return frozenset(role for role, times in counted.items() if times == 1)


def own_variable(variable: str, role: str, project: str) -> str:
    """Return the password's variable with the role in its name, the project's name left out."""
    found = _PASSWORD.search(variable)
    word = re.sub(r"\W+", "_", role).upper().removeprefix(f"{project.replace('-', '_').upper()}_")
    if found is None or not word:
        return variable
    parts = (variable[: found.start()], word, found["word"])
    return "_".join(part for part in parts if part)
