"""Serve one tiny application bare, with the order's middleware or with ours.

Run as a script by the interpreter of the services' environment, which holds no closeout. The
folder with our rendered module is the first argument, the variant the second. Prints its port.
"""

from __future__ import annotations

import importlib
import socket
import sys
import time
from typing import Any

ORDERED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


async def answer() -> dict[str, str]:
    """Answer like a small read of an API."""
    return {"status": "healthy", "service": "bench"}


async def spent() -> float:
    """Return this process's CPU seconds so far."""
    return time.process_time()


def main() -> None:
    """Serve until told to stop."""
    folder, variant = sys.argv[1:3]
    sys.path.insert(0, folder)
    app = importlib.import_module("fastapi").FastAPI()
    app.add_api_route("/", answer)
    app.add_api_route("/cpu", spent)
    if variant == "order":
        app.add_middleware(_ordered_middleware())
    if variant == "ours":
        importlib.import_module("security_headers").install_security_headers(app)
    # Without the protocol named, asyncio leaves Nagle's algorithm on: 40 ms a request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn = importlib.import_module("uvicorn")
    settings = uvicorn.Config(app, lifespan="off", log_level="warning", server_header=False)
    uvicorn.Server(settings).run(sockets=[listener])


def _ordered_middleware() -> Any:  # noqa: ANN401 - a class of the service's own framework
    base = importlib.import_module("starlette.middleware.base").BaseHTTPMiddleware

    class SecurityHeadersMiddleware(base):  # type: ignore[misc, valid-type] # known at run time only
        async def dispatch(self, request: Any, call_next: Any) -> Any:  # noqa: ANN401 - the framework's types
            response = await call_next(request)
            for name, value in ORDERED.items():
                response.headers[name] = value
            return response

    return SecurityHeadersMiddleware


if __name__ == "__main__":
    main()
