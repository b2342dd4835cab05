"""Have Python read its secrets from the environment alone: lookups, and settings of pydantic."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.fs.tree import below
from closeout.gaps.external_secrets.fallbacks.written_default import WrittenDefault
from closeout.gaps.external_secrets.inventory.literals import is_fixture
from closeout.gaps.external_secrets.inventory.names import is_secret, is_usable
from closeout.model import Tree
from closeout.parsing import python
from closeout.parsing.python_imports import reaches
from closeout.parsing.python_settings import env_prefix, is_optional, is_settings

_LOOKUPS = {
    "os.getenv": "os.environ",
    "os.environ.get": "os.environ",
    "environ.get": "environ",
}
_QUOTED = re.compile(r"(['\"])(?:(?!\1)[^\\\n])*\1")


def defaults(tree: Tree, folder: PurePosixPath, path: PurePosixPath) -> Iterator[WrittenDefault]:
    """Yield the fallbacks of a module of the service in `folder`."""
    try:
        module = python.parse(tree.read(path) or b"")
    except SyntaxError:
        return
    fields = {
        id(item.value): (item, node)
        for node in module.nodes
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value
    }
    is_tried = _is_tried_without(tree, folder, path)
    for node in module.nodes:
        item, owner = fields.get(id(node), (None, None))
        if item is not None and owner is not None and is_settings(owner):
            found = _of_field(module, item, env_prefix(owner))
        else:
            found = _of_lookup(module, node)
        if found is None or not (
            is_secret(found.name, found.literal) and is_usable(found.name, found.literal)
        ):
            continue
        attribute = ast.unparse(item.target) if item is not None else ""
        is_at_load = _is_at_load(module, found, attribute)
        is_script = b"__main__" in module.content and not is_at_load
        found = replace(found, is_at_load=is_at_load, is_script=is_script)
        if is_tried(found.name):
            found = replace(found, required=())
        yield replace(found, is_needed=not attribute or _is_read(tree, folder, attribute))


def _of_lookup(module: python.Module, node: ast.AST) -> WrittenDefault | None:
    """Return what a lookup falls back to: `os.getenv("NAME", "literal")` and its like."""
    if not isinstance(node, ast.Call) or node.keywords or len(node.args) != 2:  # noqa: PLR2004 - a name and a default
        return None
    mapping = _LOOKUPS.get(ast.unparse(node.func))
    name, default = node.args
    if mapping is None or not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    whole = module.span(node)
    demand = Splice(start=whole.start, end=whole.end, text=f"{mapping}[{module.source(name)}]")
    return _made(module, name.value, node.lineno, default, demand)


def _of_field(module: python.Module, item: ast.AnnAssign, prefix: str) -> WrittenDefault | None:
    """Return what a setting of pydantic's falls back to; it is demanded where it has no default."""
    value = item.value
    name = f"{prefix}{ast.unparse(item.target)}".upper()
    if value is None:
        return None
    start, end = module.span(item.annotation).end, module.span(value).end
    bare = Splice(start=start, end=end, text="")
    if (found := _of_lookup(module, value)) is not None:
        found = replace(found, required=(bare,) if found.name == name else found.required)
    elif isinstance(value, ast.Call) and ast.unparse(value.func).endswith("Field"):
        words = {word.arg: word.value for word in value.keywords}
        default = words.get("default", next(iter(value.args), None))
        for alias in (words.get("validation_alias"), words.get("alias")):
            if isinstance(alias, ast.Constant):
                name = str(alias.value).upper()
                break
        if default is None:
            return None
        held = module.span(default)
        demand = Splice(start=held.start, end=held.end, text="...")
        found = _made(module, name, item.lineno, default, demand)
    else:
        found = _made(module, name, item.lineno, value, bare)
    if found is not None and is_optional(item):
        return replace(found, required=())
    return found


def _made(
    module: python.Module, name: str, line: int, default: ast.expr, demand: Splice
) -> WrittenDefault | None:
    """Return a fallback whose literal is a plain one, None for any other expression."""
    text = module.source(default)
    if not isinstance(default, ast.Constant) or not _QUOTED.fullmatch(text):
        return None
    held = module.span(default)
    return WrittenDefault(
        name=name,
        literal=text[1:-1],
        line=line,
        place=(held.start + 1, held.end - 1),
        required=(demand,),
        optional=(Splice(start=held.start + 1, end=held.end - 1, text=""),),
    )


def _is_at_load(module: python.Module, found: WrittenDefault, attribute: str) -> bool:
    """Return whether a lookup stands outside of functions; settings read a `.env` themselves."""
    if (
        attribute
        and found.required
        and not found.required[0].text
        and b"env_file" in module.content
    ):
        return False
    return not any(
        node.lineno <= found.line <= (node.end_lineno or node.lineno)
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _is_read(tree: Tree, folder: PurePosixPath, attribute: str) -> bool:
    """Return whether any code of a service reads an attribute of its settings."""
    read = re.compile(rb"(?:\.|getattr\([^)]*['\"])%s\b(?!\s*=[^=])" % attribute.encode())
    return any(read.search(tree.read(path) or b"") for path in _modules(tree, folder))


def _modules(tree: Tree, folder: PurePosixPath) -> Iterator[PurePosixPath]:
    return (path for path in below(tree, folder) if path.suffix == ".py" and not is_fixture(path))


def _is_tried_without(
    tree: Tree, folder: PurePosixPath, path: PurePosixPath
) -> Callable[[str], bool]:
    """Return how to ask whether a service's own tests load a module without a variable."""
    tests = [each for each in below(tree, folder) if each.suffix == ".py" and is_fixture(each)]
    contents = [tree.read(each) or b"" for each in tests]

    @cache
    def is_loaded() -> bool:
        return reaches(tree, folder, tests, path)

    return lambda name: not any(name.encode() in each for each in contents) and is_loaded()
