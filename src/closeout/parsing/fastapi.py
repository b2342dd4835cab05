"""Find the FastAPI and Starlette services of a tree, with their parsed modules."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from closeout.fs.once import once
from closeout.fs.prefilter import holds, holds_in_any_case, question
from closeout.fs.tree import below, stands_in
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.python import AppCreation, CorsCall, Module, parse
from closeout.parsing.python_modules import PythonModules
from closeout.parsing.python_values import PythonValues
from closeout.parsing.python_walk import text

_SIGNS = (
    *(b"FastAPI(", b"(FastAPI", b"import FastAPI", b"FastAPI as "),
    *(b"Starlette(", b"(Starlette", b"import Starlette", b"Starlette as "),
    b"CORSMiddleware",
)
_APP_SIGNS = (b"FastAPI", b"Starlette")
_CORS_SIGNS = (b"CORSMiddleware", b"allow_origin")
_MANIFESTS = ("requirements.txt", "pyproject.toml", "Dockerfile")
_BUILDERS = (b"setuptools", b"distutils")
"""What makes a `setup.py` one that builds a package: many a module is called so."""
_TEST_FOLDERS = frozenset(["tests", "test", "testing"])
_VERBS = frozenset(["get", "post", "put", "patch", "delete", "head", "options", "trace"])
_NOT_FROM_BROWSERS = frozenset(
    [
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-correlation-id",
        "x-request-id",
        "x-tenant-id",
    ]
)
"""Set by proxies, or on every policy's list anyway."""
_ROUTE_CALLS = frozenset(["api_route", "add_api_route", "route", "add_route"])


@dataclass(frozen=True, kw_only=True, eq=False)
class FastApiService:
    """One service's folder and the modules in it that are not tests.

    While the sources stay the same it is the same object, so what it found out is kept.
    """

    folder: PurePosixPath
    sources: Mapping[PurePosixPath, bytes]

    @cached_property
    def modules(self) -> PythonModules:
        """Return every module that parses."""
        return PythonModules(self.sources)

    @cached_property
    def unparsable(self) -> tuple[Unresolved, ...]:
        """Return the files that name an application or CORS and do not parse."""
        return tuple(
            refusal
            for path, content in self.sources.items()
            if _looks_like_one(content) and (refusal := _refusal(path, content))
        )

    def _holding(self, signs: tuple[bytes, ...]) -> Iterator[tuple[PurePosixPath, Module]]:
        held = (path for path, content in self.sources.items() if holds(content, signs))
        return self.modules.among(held)

    def mentioning(self, words: tuple[bytes, ...]) -> Iterator[tuple[PurePosixPath, Module]]:
        """Yield the modules that hold one of `words`, written in lower case, in any case."""
        held = (path for path, content in self.sources.items() if holds_in_any_case(content, words))
        return self.modules.among(held)

    @cached_property
    def apps(self) -> tuple[tuple[PurePosixPath, AppCreation], ...]:
        """Return every application the service creates, with its file."""
        signs = (*_APP_SIGNS, *sorted(name.encode() for name in self.own))
        return tuple(
            (path, app)
            for path, module in self._holding(signs)
            for app in module.applications(self.own)
        )

    @cached_property
    def own(self) -> frozenset[str]:
        """Return the names of the service's classes that derive from an application's."""
        held = self._holding(_APP_SIGNS)
        return frozenset(name for _, module in held for name in module.app_classes)

    def received(
        self, home: PurePosixPath, app: AppCreation
    ) -> tuple[tuple[PurePosixPath, AppCreation], ...]:
        """Return where modules take what the function of `home` creates as `app`, by a name."""
        factory = app.scope.name if app.scope is not None else ""
        return tuple(
            (path, AppCreation(name=name, line=node.lineno, statement=node, scope=None))
            for path, module in (self.modules.holding(factory) if factory else ())
            for name, node, origin in module.taken_from(factory)
            if (path == home if not origin else origin in {home.stem, home.parent.name})
        )

    @cached_property
    def cors_calls(self) -> tuple[tuple[PurePosixPath, CorsCall], ...]:
        """Return every call that sets up CORS, with its file."""
        held = self._holding(_CORS_SIGNS)
        return tuple((path, call) for path, module in held for call in module.cors_calls)

    @cached_property
    def values(self) -> PythonValues:
        """Return the evaluator of the service's string values."""
        return PythonValues(self.modules)

    @cached_property
    def route_methods(self) -> frozenset[str]:
        """Return the HTTP methods that the service's routes answer."""
        found: set[str] = set()
        for _, module in self._holding((b"@", *(name.encode() for name in sorted(_ROUTE_CALLS)))):
            found |= _route_methods(module)
        return frozenset(found)

    def calls(self, names: Iterable[str]) -> bool:
        """Return whether the service calls, or decorates with, one of these last parts of names."""
        wanted = frozenset(names)
        return any(
            module.qualified(call.func).rsplit(".", 1)[-1] in wanted
            for _, module in self._holding(tuple(name.encode() for name in sorted(wanted)))
            for call, _, _ in module.calls
        )


@once
def services(tree: Tree) -> tuple[FastApiService, ...]:
    """Return the tree's services that create an application, set up CORS or cannot be read.

    A file that does not parse counts where its bytes name an application or CORS. A service that
    stands inside of another one's folder has its files for itself.
    """
    folders = sorted({_folder(tree, path) for path in tree.candidates(_APPLICATIONS)})
    telling = tree.candidates(_TELLING)
    found = []
    for folder in folders:
        others = [other for other in folders if folder in other.parents]
        if _is_worth_reading(_service(tree, folder, _own(_inside(telling, folder), others))):
            found.append(_service(tree, folder, _own(below(tree, folder), others)))
    return tuple(item for item in found if item.apps or item.cors_calls or item.unparsable)


def _inside(paths: Iterable[PurePosixPath], folder: PurePosixPath) -> Iterator[PurePosixPath]:
    depth = len(folder.parts)
    return (path for path in paths if path.parts[:depth] == folder.parts)


def _own(
    paths: Iterable[PurePosixPath], others: Sequence[PurePosixPath]
) -> Iterator[PurePosixPath]:
    return (path for path in paths if not any(path.is_relative_to(other) for other in others))


def _is_worth_reading(service: FastApiService) -> bool:
    """Return whether the modules that alone can make it a service do, or need the others for it."""
    return bool(service.own or service.apps or service.cors_calls or service.unparsable)


def has_services(tree: Tree) -> bool:
    """Return whether the tree has a file that makes it a FastAPI or Starlette service, or may."""
    return bool(tree.candidates(_APPLICATIONS))


def _looks_like_one(content: bytes) -> bool:
    return holds(content, _SIGNS)


def _is_no_test(path: PurePosixPath) -> bool:
    return not _is_test(path)


_PYTHON = frozenset({".py"})
_APPLICATIONS = question(_PYTHON, _looks_like_one, _is_no_test)
_TELLING = question(
    _PYTHON, lambda content: holds(content, (*_APP_SIGNS, *_CORS_SIGNS)), _is_no_test
)
"""Only these can create an application or set up CORS, but for subclasses of the service's own."""


def _is_test(path: PurePosixPath) -> bool:
    named_so = path.name.startswith(("test_", "conftest")) or path.stem.endswith("_test")
    return named_so or not _TEST_FOLDERS.isdisjoint(path.parts)


def _folder(tree: Tree, path: PurePosixPath) -> PurePosixPath:
    for parent in path.parents[:-1]:
        if any(stands_in(tree, parent / name) for name in _MANIFESTS) or holds(
            tree.read(parent / "setup.py") or b"", _BUILDERS
        ):
            return parent
    package = path.parent
    while stands_in(tree, package / "__init__.py"):
        package = package.parent
    return package.parent if package.name in {"app", "src"} else package


def _service(tree: Tree, folder: PurePosixPath, paths: Iterable[PurePosixPath]) -> FastApiService:
    modules = (path for path in paths if path.suffix == ".py" and not _is_test(path))
    read = ((path, tree.read(path)) for path in modules)
    return _remembered(folder, tuple((path, held) for path, held in read if held is not None))


@lru_cache(maxsize=256)
def _remembered(
    folder: PurePosixPath, sources: tuple[tuple[PurePosixPath, bytes], ...]
) -> FastApiService:
    return FastApiService(folder=folder, sources=dict(sources))


def _refusal(path: PurePosixPath, content: bytes) -> Unresolved | None:
    try:
        parse(content)
    except SyntaxError as error:
        line = error.lineno or 1
        return Unresolved(
            path=path,
            reason=Reason.UNPARSABLE,
            detail=f"does not parse: {error.msg} (line {line})",
            line=line,
        )
    return None


def _route_methods(module: Module) -> set[str]:
    found: set[str] = set()
    for node in module.nodes:
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
                found |= {decorator.func.attr.upper()} & {verb.upper() for verb in _VERBS}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found |= _listed_methods(node) if node.func.attr in _ROUTE_CALLS else set()
    return found


def _listed_methods(call: ast.Call) -> set[str]:
    return {
        named.upper()
        for keyword in call.keywords
        if keyword.arg == "methods"
        for node in ast.walk(keyword.value)
        if (named := text(node))
    }


_HEADER_SIGNS = (b"headers", b"Header")


@lru_cache(maxsize=64)
def request_headers(service: FastApiService) -> frozenset[str]:
    """Return the `x-…` request headers that the service's code reads, in lower case."""
    found: set[str] = set()
    told = (path for path, content in service.sources.items() if holds(content, _HEADER_SIGNS))
    for _, module in service.modules.among(told):
        for node in module.nodes:
            found |= _header_read(node)
    return frozenset(name for name in found if name.startswith("x-")) - _NOT_FROM_BROWSERS


def _header_read(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner, key = node.func.value, next(iter(node.args), None)
        is_read = node.func.attr == "get"
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        owner, key, is_read = node.value, node.slice, True
    elif isinstance(node, ast.arguments):
        return _header_parameters(node)
    else:
        return set()
    if not is_read or not (isinstance(owner, ast.Attribute) and owner.attr == "headers"):
        return set()
    return {text(key).lower()} - {""}


def _header_parameters(arguments: ast.arguments) -> set[str]:
    parameters = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip(reversed(parameters), reversed(arguments.defaults), strict=False))
    defaults |= {
        parameter: value
        for parameter, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if value is not None
    }
    found: set[str] = set()
    for parameter, default in defaults.items():
        if isinstance(default, ast.Call) and ast.unparse(default.func).endswith("Header"):
            alias = next((item.value for item in default.keywords if item.arg == "alias"), None)
            name = alias.value if isinstance(alias, ast.Constant) else None
            found.add(name.lower() if isinstance(name, str) else parameter.arg.replace("_", "-"))
    return found
