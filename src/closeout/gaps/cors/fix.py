"""Replace open policies by one that lists its origins, a changeset a service."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, indentation, line_start, spliced
from closeout.fs.tree import staged
from closeout.gaps.cors.detect import (
    Flaw,
    Flawed,
    absent_policies,
    open_policies,
    unconfigurable,
)
from closeout.gaps.cors.express import detect
from closeout.gaps.cors.express.fix import express_changes
from closeout.gaps.cors.fastapi.constructor import creation_with, taken_out
from closeout.gaps.cors.fastapi.options import declared, kept, listed, listing
from closeout.gaps.cors.page_headers import request_headers, sent
from closeout.gaps.cors.wiring import delivery, policy_folders, template_values
from closeout.model import Changeset, Edit, Reason, Tree, Unresolved
from closeout.parsing.fastapi import FastApiService, edited, services
from closeout.parsing.python import AppCreation, CorsCall, Module
from closeout.parsing.python_placement import after_creation, import_line, package_of
from closeout.parsing.python_walk import entries
from closeout.resources import render

_ALWAYS = frozenset(["GET", "HEAD", "OPTIONS"])
_WIDTH = 88
_MODULE_NAMES = ("cors", "cors_policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    """The service's new module and what its call is told."""

    service: FastApiService
    content: bytes
    stem: str
    """The module's name without its suffix."""
    launch: bytes
    """The text that starts the service, empty where it has none of its own."""
    headers: frozenset[str]
    """The request headers that it reads, and that are not on every policy's list."""


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return a changeset for every service with an open policy, and one for the compose files."""
    found = services(tree)
    changes = [*(_changeset(tree, service) for service in found), *express_changes(tree)]
    changed = sorted(
        (item for item in changes if item.edits or item.unresolved), key=lambda item: item.name
    )
    overlay = staged(tree, changed)
    node = detect.configurable_folders(overlay, detect.look(overlay))
    folders = (*policy_folders(services(overlay)), *node)
    written = (text for service in found for text in _written_origins(service))
    reaching = delivery(overlay, sorted(set(written)))
    for name, edits in (
        ("compose", tuple(reaching.compose_edits(overlay, folders))),
        ("charts", tuple(reaching.chart_edits(overlay, folders))),
    ):
        if edits:
            changed.append(Changeset(name=name, edits=edits))
    return tuple(changed)


def _changeset(tree: Tree, service: FastApiService) -> Changeset:
    open_places = [*open_policies(service), *unconfigurable(service), *absent_policies(service)]
    by_call: dict[tuple[PurePosixPath, int], Flawed] = {}
    for place in open_places:
        start = place.line if place.call is None else place.call.span.start
        by_call.setdefault((place.path, start), place)
    edits: list[Edit] = []
    unresolved: list[Unresolved] = list(service.unparsable)
    for path in dict.fromkeys(place.path for place in by_call.values()):
        places = [place for place in by_call.values() if place.path == path]
        refused = [reason for place in places for reason in _refusals(service, place)]
        unresolved += refused
        if not refused:
            edits += _module_edits(tree, service, path, places)
    made = {edit.path: edit for edit in edits}
    folders = policy_folders([edited(service, made.values())])
    reaching = delivery(tree, _written_origins(service))
    return Changeset(
        name=service.folder.name,
        edits=(
            *made.values(),
            *reaching.example_edits(tree, folders),
            *(reaching.first_examples(tree, folders) if made else ()),
        ),
        unresolved=tuple(unresolved),
    )


def _refusals(service: FastApiService, place: Flawed) -> tuple[Unresolved, ...]:
    """Return why the place is not mended: only a statement of its own can be replaced safely."""
    detail = ""
    if place.flaw is Flaw.HEADER:
        detail = "writes the header by hand; remove it, the policy answers for it"
    elif place.flaw is Flaw.UNREADABLE or (place.call is not None and place.call.unread):
        detail = "the policy's options come from elsewhere; list the origins in the call itself"
    elif (
        place.call is not None
        and place.call.receiver is None
        and creation_with(service, place.path, place.call) is None
    ):
        detail = "the policy is not set up by a statement of its own, app.add_middleware(…)"
    elif place.flaw is Flaw.NOT_CONFIGURABLE and not _is_listed(service, place):
        detail = "the origins come from another source; read ALLOWED_ORIGINS there"
    elif place.flaw is Flaw.MISSING and not _app(service, place).name:
        detail = "the application has no name here; give it one, then add the policy to it"
    if not detail:
        return ()
    return (Unresolved(path=place.path, reason=Reason.AMBIGUOUS, detail=detail, line=place.line),)


def _app(service: FastApiService, place: Flawed) -> AppCreation:
    at = (place.path, place.line)
    return next(app for path, app in service.apps if (path, app.line) == at)


def _module_edits(
    tree: Tree, service: FastApiService, path: PurePosixPath, places: list[Flawed]
) -> list[Edit]:
    module = service.modules[path]
    policy = _policy(tree, service, path)
    calls = [place.call for place in places if place.call is not None]
    sockets = [place.value for place in places if place.value is not None]
    names = ["allowed_origins"] * bool(sockets) + ["install_cors"] * (len(places) > len(sockets))
    splices = [_import(policy, path, module, len(calls), names)]
    splices += _dead_wildcards(service, module, calls)
    for value in sockets:
        span = module.span(value)
        splices.append(Splice(start=span.start, end=span.end, text="list(allowed_origins())"))
    for place in places:
        if place.call is not None:
            splices += _replacement(policy, place, module, place.call)
        elif place.value is None:
            app = _app(service, place)
            indent = indentation(module.content, module.span(app.statement).start)
            splices.append(after_creation(module, app, _call(policy, app.name, {}, indent)))
    beside = path.with_name(f"{policy.stem}.py")
    main = spliced(tree, path, splices)
    if tree.read(beside) == policy.content:
        return [main]
    return [Edit(path=beside, before=None, after=policy.content), main]


def _policy(tree: Tree, service: FastApiService, path: PurePosixPath) -> _Policy:
    content = render("cors/cors.py.j2", template_values(tree, service.folder))
    free = (
        stem for stem in _MODULE_NAMES if tree.read(path.with_name(f"{stem}.py")) in {None, content}
    )
    return _Policy(
        service=service,
        content=content,
        stem=next(free, "cross_origin_policy"),
        launch=tree.read(service.folder / "Dockerfile") or b"",
        headers=request_headers(service) - {*sent(tree, tenants=True)},
    )


def _import(
    policy: _Policy, path: PurePosixPath, module: Module, replaced: int, names: list[str]
) -> Splice:
    service = policy.service
    package = package_of(service.modules, path, service.folder, policy.launch)
    text = f"from {package}{policy.stem} import {', '.join(names)}"
    old = _middleware_import(module) if "install_cors" in names else None
    if old is None:
        return import_line(module, text)
    span = module.span(old)
    uses = sum(isinstance(node, ast.Name) and node.id == "CORSMiddleware" for node in module.nodes)
    if len(old.names) == 1 and uses == replaced:
        return Splice(start=span.start, end=span.end, text=text)
    return Splice(start=span.end, end=span.end, text=f"\n{text}")


def _dead_wildcards(
    service: FastApiService, module: Module, calls: list[CorsCall]
) -> Iterator[Splice]:
    """Yield the splices that drop a list or options that only a replaced call read."""
    unpacked = {
        module.span(node): [item.value for item in node.keywords if item.arg is None]
        for node, _, _ in (module.calls if calls else ())
        if any(item.arg is None for item in node.keywords)
    }
    read = [
        node
        for call in calls
        for node in (call.options.get("allow_origins"), *unpacked.get(call.span, ()))
    ]
    for name in {node.id for node in read if isinstance(node, ast.Name)}:
        uses = [node for node in module.nodes if getattr(node, "id", None) == name]
        imported = any(
            dotted.endswith(f".{name}")
            for _, other in service.modules.holding(name)
            for dotted in other.imports.values()
        )
        if imported or len(uses) != len(("written", "read")):
            continue
        for statement in module.tree.body:
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            is_literal = (
                all(isinstance(item, ast.Constant) for item in value.elts)
                if isinstance(value, ast.List | ast.Tuple | ast.Set)
                else value is not None and entries(value) is not None
            )
            if is_literal and uses[0] in set(ast.walk(statement)):
                start = line_start(module.content, module.span(statement).start)
                yield Splice(start=start, end=module.next_line(statement), text="")


def _middleware_import(module: Module) -> ast.ImportFrom | None:
    for node in module.import_statements:
        if isinstance(node, ast.ImportFrom) and any(
            item.name == "CORSMiddleware" and item.asname is None for item in node.names
        ):
            return node
    return None


def _replacement(
    policy: _Policy, place: Flawed, module: Module, call: CorsCall
) -> Iterator[Splice]:
    service = policy.service
    options = {name: module.source(node) for name, node in kept(service, module, call).items()}
    written = declared(service, place.path, call)
    if written:
        options["declared"] = _tuple(written)
    elif written is None and "allow_origins" in call.options:
        # The list comes from a variable or settings of the service's own: these still count.
        options["declared"] = module.source(call.options["allow_origins"])
    app = creation_with(service, place.path, call)
    start = call.span.start if app is None else module.span(app.statement).start
    indent = indentation(module.content, start)
    if app is None:
        text = _call(policy, call.receiver or "app", options, indent, call)
        yield Splice(start=start, end=call.span.end, text=text)
    else:
        yield from taken_out(module, app, call)
        text = _call(policy, app.name, options, indent, call)
        yield after_creation(module, app, text)


def _is_listed(service: FastApiService, place: Flawed) -> bool:
    """Return whether a list says all of the call's origins: a pattern would be lost."""
    call = place.call
    has_pattern = call is not None and "allow_origin_regex" in call.options
    return call is None or (not has_pattern and listing(service, place.path, call) is not None)


def _written_origins(service: FastApiService) -> tuple[str, ...]:
    """Return the origins that the service's calls list."""
    each = (declared(service, path, call) or () for path, call in service.cors_calls)
    return tuple(dict.fromkeys(text for texts in each for text in texts))


def _call(
    policy: _Policy,
    receiver: str,
    options: dict[str, str],
    indent: str,
    call: CorsCall | None = None,
) -> str:
    methods = _ALWAYS | policy.service.route_methods | listed(call, "allow_methods", str.upper)
    headers = policy.headers | listed(call, "allow_headers", str.lower)
    arguments = [receiver, f"methods={_tuple(sorted(methods - {'TRACE', 'CONNECT'}))}"]
    if headers:
        arguments.append(f"headers={_tuple(sorted(headers))}")
    arguments += [f"{name}={text}" for name, text in options.items()]
    line = f"install_cors({', '.join(arguments)})"
    if len(indent) + len(line) <= _WIDTH and "\n" not in line:
        return line
    inner = "".join(f"{indent}    {argument},\n" for argument in arguments)
    return f"install_cors(\n{inner}{indent})"


def _tuple(items: Iterable[str]) -> str:
    quoted = [f'"{item}"' for item in items]
    return f"({quoted[0]},)" if len(quoted) == 1 else f"({', '.join(quoted)})"
