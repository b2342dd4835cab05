"""Take a policy out of the list of middleware that an application is created with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python import AppCreation, CorsCall, Module

Node = ast.expr | ast.keyword


def creation_with(
    service: FastApiService, path: PurePosixPath, call: CorsCall
) -> AppCreation | None:
    """Return the named application in whose own list of middleware `call` stands."""
    module = service.modules[path]
    for home, app in service.apps:
        if home == path and app.name and _listed(module, app, call) is not None:
            return app
    return None


def taken_out(module: Module, app: AppCreation, call: CorsCall) -> Iterator[Splice]:
    """Yield the splices that drop the policy, and the list where nothing else is in it."""
    listed = _listed(module, app, call)
    creation = _creation(app)
    if listed is None or creation is None:
        return
    option, place = listed
    assert isinstance(option.value, ast.List)  # noqa: S101 - as _listed found it
    if len(option.value.elts) > 1:
        yield _without(module, option.value.elts, place)
    else:
        siblings: list[Node] = [*creation.args, *creation.keywords]
        yield _without(module, siblings, siblings.index(option))
    yield from _dead_import(module)


def _creation(app: AppCreation) -> ast.Call | None:
    value = getattr(app.statement, "value", None)
    return value if isinstance(value, ast.Call) else None


def _listed(module: Module, app: AppCreation, call: CorsCall) -> tuple[ast.keyword, int] | None:
    creation = _creation(app)
    for option in creation.keywords if creation is not None else ():
        if option.arg == "middleware" and isinstance(option.value, ast.List):
            for place, item in enumerate(option.value.elts):
                if module.span(item) == call.span:
                    return option, place
    return None


def _without(module: Module, siblings: Sequence[Node], place: int) -> Splice:
    """Return the splice that drops one of several items with its comma.

    A comment between two items stays: the item's value is emptied then.
    """
    spans = [module.span(item) for item in siblings]
    own = spans[place]
    if place + 1 < len(spans):
        start, end = own.start, spans[place + 1].start
    elif place:
        start, end = spans[place - 1].end, own.end
    else:
        start, end = own.start, own.end
    around = module.content[start : own.start] + module.content[own.end : end]
    item = siblings[place]
    if isinstance(item, ast.keyword) and (b"#" in around or len(spans) == 1):
        return Splice(start=own.start, end=own.end, text=f"{item.arg}=[]")
    return Splice(start=start, end=end, text="")


def _dead_import(module: Module) -> Iterator[Splice]:
    """Yield the splice that drops the import of `Middleware` where only the policy used it."""
    uses = sum(isinstance(node, ast.Name) and node.id == "Middleware" for node in module.nodes)
    for node in module.import_statements:
        names = [item.asname or item.name for item in node.names]
        if isinstance(node, ast.ImportFrom) and names == ["Middleware"] and uses == 1:
            yield Splice(start=module.span(node).start, end=module.next_line(node), text="")
