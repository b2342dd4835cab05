"""Choose where a new call and its import fit into a Python module, as splices."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, indentation, line_start
from closeout.fs.walk import is_below
from closeout.parsing.python import AppCreation, Module
from closeout.parsing.python_modules import PythonModules


def package_of(
    modules: PythonModules,
    path: PurePosixPath,
    folder: PurePosixPath,
    launch: bytes = b"",
) -> str:
    """Return what stands before a sibling's name in an import of `path`: `app.`, `.` or ''.

    It follows the imports that this module makes of the service's `modules`, then those that the
    others make, each read where the one before says nothing, then what `launch`, the text that
    starts the service, calls it; without any it asks where the file stands below the service's
    `folder`.
    """
    module = modules[path]
    if any(isinstance(node, ast.ImportFrom) and node.level for node in module.import_statements):
        return "."
    launched = re.search(rb"((?:\w+\.)*%s):\w+" % re.escape(path.stem).encode(), launch)
    told = launched[1].decode() if launched else ""
    for names in chain([_imported(module)], map(_imported, modules.values()), [(told,)]):
        root = next((root for name in names for root in _roots(name, path, modules)), None)
        if root is not None:
            return "".join(f"{part}." for part in path.parent.relative_to(root).parts)
    parts = path.relative_to(folder).parent.parts
    return f"{parts[-1]}." if parts and parts[-1] not in {"src", "."} else ""


def _imported(module: Module) -> Iterator[str]:
    """Yield the dotted names that a module imports, from the top."""
    for node in module.import_statements:
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{item.name}" for item in node.names)
            yield node.module or ""
        else:
            yield from (item.name for item in node.names)


def _roots(name: str, path: PurePosixPath, modules: PythonModules) -> Iterator[PurePosixPath]:
    """Yield the folders above `path` from which a dotted name is one of the `modules`."""
    parts = tuple(name.split("."))
    for other in modules.sources if name else ():
        held = other.parent if other.stem == "__init__" else other.with_suffix("")
        if held.parts[-len(parts) :] == parts:
            root = PurePosixPath(*held.parts[: -len(parts)])
            if is_below(path, root) and other in modules:
                yield root


def import_line(module: Module, text: str) -> Splice:
    """Return the splice that puts an import after the last one at the top level."""
    place = module.after_imports()
    before = module.content[:place]
    ended = before.endswith((b"\n", b"\r")) or not before
    return Splice(start=place, end=place, text=f"{text}\n" if ended else f"\n{text}")


def after_creation(module: Module, app: AppCreation, call: str) -> Splice:
    """Return the splice that puts `call` on the line after the statement that creates `app`."""
    place = module.next_line(app.statement)
    indent = indentation(module.content, module.span(app.statement).start)
    ended = module.content[:place].endswith((b"\n", b"\r"))
    text = f"{indent}{call}\n" if ended else f"\n{indent}{call}"
    return Splice(start=place, end=place, text=text)


def before_serving(module: Module, app: AppCreation, call: str) -> tuple[Splice, ...]:
    """Return the splices that put `call` where everything else about `app` has been said.

    That is before a factory's `return`, or at the end of the module and before its main guard.
    An empty tuple means that there is no such place.
    """
    if app.scope is not None:
        return tuple(
            _before_statement(module, statement, call)
            for statement, owner in module.statements
            if owner is app.scope
            and isinstance(statement, ast.Return)
            and statement.value is not None
            and ast.unparse(statement.value) == app.name
        )
    for guard in module.tree.body:
        if isinstance(guard, ast.If) and "__name__" in ast.unparse(guard.test):
            start = _with_comments(module, module.span(guard).start)
            return (Splice(start=start, end=start, text=f"{call}\n\n\n"),)
    last = module.tree.body[-1]
    gap = (
        "\n\n" if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else "\n"
    )
    end = len(module.content)
    ended = module.content.endswith((b"\n", b"\r"))
    text = f"{gap}{call}\n" if ended else f"\n{gap}{call}"
    return (Splice(start=end, end=end, text=text),)


def _before_statement(module: Module, statement: ast.stmt, call: str) -> Splice:
    start = module.span(statement).start
    indent = indentation(module.content, start)
    above = _with_comments(module, start)
    if above < line_start(module.content, start):
        return Splice(start=above, end=above, text=f"{indent}{call}\n")
    return Splice(start=start, end=start, text=f"{call}\n{indent}")


def _with_comments(module: Module, start: int) -> int:
    """Return where the line of `start` begins, or the comment directly above that speaks of it."""
    content = module.content
    indent = indentation(content, start).encode()
    place = line_start(content, start)
    ends = (module.span(statement).end for statement, _ in module.statements)
    floor = max((end for end in ends if end <= start), default=0)
    while place > floor:
        above = line_start(content, place - 1)
        if above < floor or not content.startswith(indent + b"#", above):
            break
        place = above
    return place
