"""Serve an ASGI application with its own middleware, without what its start-up needs.

Run as a script by the interpreter of the service's environment, which holds no closeout:
standard library, uvicorn and the service's framework only. The lifespan is off, modules that are
not installed are stubbed, and routes under `/__closeout__/` answer in the ways that a service
rarely answers on purpose. One JSON line on standard output says where it listens and what it did.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import socket
import sys
import threading
import time
import types
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

_STUB_LIMIT = 20


class _StubType(type):
    """A class whose every unknown attribute is another stub class."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StubType(name, (Stub,), {})


class Stub(metaclass=_StubType):
    """What a name imported from a stubbed module stands for: base class, decorator or object."""

    def __init__(self, *_: object, **__: object) -> None:
        """Accept any arguments."""

    def __getattr__(self, name: str) -> type:
        """Answer any name with another stub."""
        return _StubType.__getattr__(type(self), name)

    def __call__(self, *args: object, **__: object) -> object:
        """Hand a decorated function back; else answer with a stub."""
        return args[0] if len(args) == 1 and callable(args[0]) else Stub()


class StubModule(types.ModuleType):
    """A module whose every name is a stub."""

    def __getattr__(self, name: str) -> type:
        """Answer any name with a stub class."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _StubType(name, (Stub,), {})


class StubFinder(MetaPathFinder, Loader):
    """Find stub modules for the given top-level names and everything below them."""

    def __init__(self, names: list[str]) -> None:
        """Answer for `names` only."""
        self.names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Answer as importlib asks."""
        del path, target
        known = name.partition(".")[0] in self.names
        return ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Make the empty stub module."""
        return StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: a stub has no code."""


def main() -> None:
    """Import the application, add the probe routes and serve until told to stop."""
    options = _options()
    # Beside this script; found before the service's folder takes this one's place.
    routes = importlib.import_module("asgi_routes")
    sys.path[0] = options.app_dir
    os.chdir(options.app_dir)
    sys.meta_path.append(StubFinder(options.stub))
    served = routes.Witness(_imported(options))
    listener = socket.create_server(("127.0.0.1", options.port))
    application = _framework(served)
    routes.add_routes(application)
    if options.decorators == "off":
        _drop_decorators(application)
    _end_with_parent(options.parent)
    _report(application, options.stub, listener.getsockname()[1])
    uvicorn = importlib.import_module("uvicorn")
    settings = uvicorn.Config(
        served,
        lifespan="off",
        log_level="warning",
        server_header=options.server_header == "on",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(settings).run(sockets=[listener])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app-dir", required=True)
    parser.add_argument("--target", default="app.main")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--stub", action="append", default=[])
    parser.add_argument("--decorators", choices=["on", "off"], default="on")
    parser.add_argument("--server-header", choices=["on", "off"], default="on")
    return parser.parse_args()


def _imported(options: argparse.Namespace) -> Any:  # noqa: ANN401 - the target's type is unknown here
    name, _, attribute = options.target.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        own = name.partition(".")[0]
        if not missing or missing in {own, *options.stub} or len(options.stub) >= _STUB_LIMIT:
            raise
        # A half-imported service may have registered things: start over in a clean process.
        os.execv(sys.executable, [sys.executable, *sys.argv, "--stub", missing])  # noqa: S606 - no shell wanted
    if attribute:
        found = getattr(module, attribute)
        return found if _framework(found) is not None else found()
    if _framework(getattr(module, "app", None)) is not None:
        return module.app
    return _built(module)


def _built(module: types.ModuleType) -> Any:  # noqa: ANN401 - whatever the factory returns
    factory = module.create_app
    required = [
        parameter
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if not required:
        return factory()
    for name in ("get_settings", "load_settings", "Settings", "settings"):
        value = getattr(module, name, None)
        if value is not None:
            return factory(value() if callable(value) else value)
    message = f"create_app of {module.__name__} needs {required[0].name}; no settings were found"
    raise TypeError(message)


def _framework(served: Any) -> Any:  # noqa: ANN401 - an application, or None
    """Return the application that takes routes, from inside whatever wraps it."""
    for _ in range(10):
        if served is None or hasattr(served, "add_api_route"):
            return served
        served = getattr(served, "app", None)
    return None


def _drop_decorators(application: Any) -> None:  # noqa: ANN401 - the service's framework
    """Take out what `@app.middleware("http")` put in, so that what else is there shows.

    Such middleware hides hang-ups and context variables itself; left in, nobody could tell
    whether another one does too.
    """
    base = importlib.import_module("starlette.middleware.base").BaseHTTPMiddleware
    kept = [entry for entry in application.user_middleware if entry.cls is not base]
    application.user_middleware[:] = kept


def _report(application: Any, stubbed: list[str], port: int) -> None:  # noqa: ANN401 - the service's framework
    line = {
        "closeout": "listening",
        "port": port,
        "launcher": "python launcher: own middleware and routers, lifespan off",
        "stubbed": stubbed,
        "docs": getattr(application, "docs_url", None) or "",
        "openapi": getattr(application, "openapi_url", None) or "",
        "methods": _methods(application),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _methods(application: Any) -> list[str]:  # noqa: ANN401 - the service's framework
    """Return the methods of the service's own API, from its schema.

    The list of routes would not do: a framework may keep those of an included router apart.
    """
    try:
        paths = application.openapi()["paths"]
    except Exception:  # noqa: BLE001 - a schema that cannot be made is the service's own affair
        return []
    named = {name.upper() for operations in paths.values() for name in operations}
    return sorted(named & {"GET", "POST", "PUT", "PATCH", "DELETE"})


def _end_with_parent(parent: int) -> None:
    """End this process when the one that started it is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    if parent:
        threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
