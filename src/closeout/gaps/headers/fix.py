"""Put the security headers around every application that lacks them, a changeset a service."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, indentation, line_start, spliced
from closeout.fs.tree import below
from closeout.gaps.headers.detect import Application, applications_of, is_open
from closeout.model import Changeset, Edit, Reason, Tree, Unresolved
from closeout.parsing.fastapi import FastApiService, services
from closeout.parsing.python import Module
from closeout.parsing.python_placement import before_serving, import_line, package_of
from closeout.resources import render

_MODULE_NAMES = ("security_headers", "response_security_headers")
_COMMAND = re.compile(rb"^(?:CMD|ENTRYPOINT)[ \t](?:\\\r?\n|[^\r\n])*", re.MULTILINE)
_LAUNCH = re.compile(
    rb"CMD[ \t]+(?P<list>\[[^\]\n]*\"uvicorn\"[^\]\n]*(?=\]))"
    rb"|CMD[ \t]+(?:exec[ \t]+)?uvicorn[ \t][^\r\n\\&|;]*\Z"
    rb"|[^\]]*?(?<![\w./-])uvicorn(?=[ \t][^&|;]*\w:\w)"
)
"""A list, a line, and a line within a shell's: what a flag is put behind ends each."""
_PAGES = frozenset({".html", ".htm", ".jinja", ".jinja2", ".j2", ".py"})
_LOADED = re.compile(
    rb"""<(?:script|link|img)\b[^<>]*?\b(?:src|href)=["'](https://[\w.-]+(?::\d+)?)[/"']"""
)
_INSTALL = "install_security_headers"
_FLAG = b"--no-server-header"


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return a changeset for every service with an application that lacks the headers."""
    changes = (_changeset(tree, service) for service in services(tree))
    return tuple(item for item in changes if item.edits or item.unresolved)


def _changeset(tree: Tree, service: FastApiService) -> Changeset:
    edits: list[Edit] = []
    unresolved: list[Unresolved] = list(service.unparsable)
    wanted: dict[PurePosixPath, list[Splice]] = {}
    for item in applications_of(service):
        if is_open(item):
            places = _places(service, item)
            unresolved += [] if places else [_no_place(item)]
            for path, splices in places:
                wanted.setdefault(path, []).extend(splices)
    for path, installs in wanted.items():
        module = service.modules[path]
        content, beside = _layer(tree, service, path)
        launch = tree.read(service.folder / "Dockerfile") or b""
        package = package_of(service.modules, path, service.folder, launch)
        line = import_line(module, f"from {package}{beside.stem} import {_INSTALL}")
        if tree.read(beside) is None:
            edits.append(Edit(path=beside, before=None, after=content))
        edits.append(spliced(tree, path, [line, *installs, *_without_banner(module)]))
    if edits:
        edits += _launch_edits(tree, service)
    return Changeset(name=service.folder.name, edits=tuple(edits), unresolved=tuple(unresolved))


def _places(
    service: FastApiService, item: Application
) -> list[tuple[PurePosixPath, tuple[Splice, ...]]]:
    """Return the splices that install the headers: where it is made, else where it is taken."""
    for path, app in ((item.path, item.creation), *service.received(item.path, item.creation)):
        module = service.modules[path]
        found = before_serving(module, app, f"{_INSTALL}({app.name})") if app.name else ()
        if found:
            return [(path, found)]
    return []


def _layer(tree: Tree, service: FastApiService, path: PurePosixPath) -> tuple[bytes, PurePosixPath]:
    hosts = "".join(f" {host}" for host in _page_hosts(tree, service))
    content = render("headers/security_headers.py.j2", {"page_hosts": hosts})
    names = [path.with_name(f"{stem}.py") for stem in _MODULE_NAMES]
    free = (name for name in names if tree.read(name) in {None, content})
    return content, next(free, path.with_name("answer_headers.py"))


def _page_hosts(tree: Tree, service: FastApiService) -> list[str]:
    """Return the hosts that the service's own pages load scripts, styles and pictures from."""
    pages = (path for path in below(tree, service.folder) if path.suffix in _PAGES)
    found = {host for path in pages for host in _LOADED.findall(tree.read(path) or b"")}
    return sorted(host.decode() for host in found)


def _no_place(item: Application) -> Unresolved:
    return Unresolved(
        path=item.path,
        reason=Reason.AMBIGUOUS,
        detail="the application is neither returned nor taken by a name of its own",
        line=item.creation.line,
        hint="give it a name, and wrap it as the last step that sets it up.",
    )


def _without_banner(module: Module) -> Iterator[Splice]:
    """Yield the splices that keep `uvicorn.run(…)` from naming itself in every answer."""
    for call, _, _ in module.calls:
        options = {keyword.arg for keyword in call.keywords}
        if ast.unparse(call.func) != "uvicorn.run" or "server_header" in options:
            continue
        packed = [item.value for item in call.keywords if item.arg is None]
        if packed:
            # It may hold the setting itself, and then that one counts.
            span = module.span(packed[-1])
            yield Splice(start=span.start, end=span.start, text='{"server_header": False, **')
            yield Splice(start=span.end, end=span.end, text="}")
            continue
        if not call.args and not call.keywords:
            continue
        spans = [*map(module.span, call.args), *map(module.span, call.keywords)]
        last = max(spans, key=lambda span: span.end)
        begins = module.content[line_start(module.content, last.start) : last.start].isspace()
        blank = f"\n{indentation(module.content, last.start)}" if begins else " "
        yield Splice(start=last.end, end=last.end, text=f",{blank}server_header=False")


def _launch_edits(tree: Tree, service: FastApiService) -> Iterator[Edit]:
    path = service.folder / "Dockerfile"
    splices = []
    for command in _COMMAND.finditer(tree.read(path) or b""):
        launch = _LAUNCH.match(command.group())
        if launch is not None and _FLAG not in command.group():
            place = command.start() + launch.end()
            text = f', "{_FLAG.decode()}"' if launch["list"] else f" {_FLAG.decode()}"
            splices.append(Splice(start=place, end=place, text=text))
    if splices:
        yield spliced(tree, path, splices)
