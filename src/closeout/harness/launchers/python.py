"""Serve an ASGI application with its own middleware, without what its start-up needs.

Run as a script by the interpreter of the service's environment, which holds no closeout:
standard library, uvicorn and the service's framework only. The lifespan is off, modules that are
not installed are stubbed, settings that nobody gave are filled, and routes under `/__closeout__/`
answer in the ways that a service rarely answers on purpose. One JSON line on standard output says
where it listens and what it did.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import json
import os
import socket
import sys
import threading
import time
import types
from importlib import metadata
from typing import Any


def main() -> None:
    """Import the application, add the probe routes and serve until told to stop."""
    options = _options()
    # Beside this script; found before the service's folder takes this one's place.
    routes, fillings, stand_ins = map(
        importlib.import_module, ("asgi_routes", "fillings", "stand_ins")
    )
    sys.path[0] = options.app_dir
    os.chdir(options.app_dir)
    finder = stand_ins.StubFinder(options.app_dir, options.stub)
    sys.meta_path.append(finder)
    fillings.install(None if options.fill is None else options.fill.split(","))
    served = routes.Witness(_imported(options.target))
    listener = socket.create_server(("127.0.0.1", options.port))
    application = _framework(served)
    routes.add_routes(application)
    if options.decorators == "off":
        _drop_decorators(application)
    _end_with_parent(options.parent)
    told = {
        "stubbed": finder.stubbed,
        "filled": fillings.filled,
        "replaced": fillings.replaced,
        "port": listener.getsockname()[1],
    }
    _report(application, told)
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
    parser.add_argument("--fill", help="the only settings to fill, separated by commas")
    parser.add_argument("--decorators", choices=["on", "off"], default="on")
    parser.add_argument("--server-header", choices=["on", "off"], default="on")
    return parser.parse_args()


def _imported(target: str) -> Any:  # noqa: ANN401 - the target's type is unknown here
    name, _, attribute = target.partition(":")
    module = importlib.import_module(name)
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


def _report(application: Any, told: dict[str, object]) -> None:  # noqa: ANN401 - the service's framework
    line = {
        "closeout": "listening",
        "launcher": f"python launcher: own middleware and routers, lifespan off, {_versions()}",
        **told,
        "docs": getattr(application, "docs_url", None) or "",
        "openapi": getattr(application, "openapi_url", None) or "",
        "methods": _methods(application),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _versions() -> str:
    found = []
    for name in ("fastapi", "starlette", "pydantic"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found) or "a framework without a version"


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
