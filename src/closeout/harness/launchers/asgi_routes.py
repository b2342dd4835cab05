"""Routes that answer in the ways a service rarely answers on purpose, and what they noticed.

Imported by the Python launcher inside the service's environment: standard library, and the
service's own framework through importlib.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

SECRET_OF_A_CRASH = "crash-text-7f3d1c"  # noqa: S105 - a marker that an answer must not show

_seen = {"background": 0, "disconnected": 0, "context": 0}
_noted_inside: ContextVar[str] = ContextVar("noted_inside", default="")


class Witness:
    """Stand outside the application and see whether a context variable set inside arrives."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - any ASGI application
        """Stand around `app`."""
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        """Pass the request on and note what arrived."""
        await self.app(scope, receive, send)
        if _noted_inside.get():
            _seen["context"] += 1


async def _plain() -> dict[str, str]:
    return {"answer": "ok"}


async def _number(number: int) -> dict[str, int]:
    return {"number": number}


async def _forbidden() -> None:
    raise importlib.import_module("fastapi").HTTPException(status_code=403, detail="forbidden")


async def _crash() -> None:
    raise RuntimeError(SECRET_OF_A_CRASH)


async def _chunks() -> AsyncIterator[bytes]:
    for number in range(3):
        yield f"chunk {number}\n".encode()
        await asyncio.sleep(0.25)


async def _stream() -> Any:  # noqa: ANN401 - a response of the service's own framework
    return importlib.import_module("starlette.responses").StreamingResponse(_chunks())


async def _noted() -> None:
    await asyncio.sleep(0.05)
    _seen["background"] += 1


async def _background() -> Any:  # noqa: ANN401 - a response of the service's own framework
    task = importlib.import_module("starlette.background").BackgroundTask(_noted)
    return importlib.import_module("starlette.responses").JSONResponse(
        {"answer": "ok"}, background=task
    )


async def _context() -> dict[str, str]:
    _noted_inside.set("yes")
    return {"answer": "ok"}


async def _memory() -> dict[str, int]:
    return dict(_seen)


def _waiting_endpoint() -> Any:  # noqa: ANN401 - an endpoint
    request_type = importlib.import_module("starlette.requests").Request

    async def wait_for_disconnect(request) -> dict[str, str]:  # type: ignore[no-untyped-def] # noqa: ANN001 - the annotation is set below, from the service's framework
        for _ in range(40):
            if await request.is_disconnected():
                _seen["disconnected"] += 1
                break
            await asyncio.sleep(0.05)
        return {"answer": "late"}

    wait_for_disconnect.__annotations__ = {"request": request_type}
    return wait_for_disconnect


def add_routes(application: Any) -> None:  # noqa: ANN401 - the service's framework
    """Add the routes under `/__closeout__/` in front of the service's own."""
    own = list(application.router.routes)
    added = {
        "200": _plain,
        "403": _forbidden,
        "422": _number,
        "500": _crash,
        "slash/": _plain,
        "stream": _stream,
        "background": _background,
        "wait": _waiting_endpoint(),
        "context": _context,
        "memory": _memory,
    }
    for name, endpoint in added.items():
        application.add_api_route(
            f"/__closeout__/{name}",
            endpoint,
            methods=["GET"],
            include_in_schema=False,
            response_model=None,
        )
    # In front of the service's own routes: a catch-all of its must not swallow them.
    routes = application.router.routes
    routes[:] = [route for route in routes if route not in own] + own
