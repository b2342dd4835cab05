"""A service small enough to boot anywhere: its own framework and server, standard library only."""

from pathlib import Path

_UVICORN = '''
"""Serve whatever the application answers, on the socket that the launcher opened."""
import http.server


class Config:
    def __init__(self, app, **_):
        self.app = app


class Server:
    def __init__(self, config):
        app = config.app
        while hasattr(app, "app"):
            app = app.app

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/hang-up":
                    self.connection.close()
                    return
                self.send_response(200)
                self.send_header("X-Answer", app.answer)
                self.end_headers()
                self.wfile.write(app.answer.encode())

        self.handler = Handler

    def run(self, sockets):
        server = http.server.HTTPServer(("127.0.0.1", 0), self.handler, bind_and_activate=False)
        server.socket.close()
        server.socket = sockets[0]
        server.serve_forever()
'''

_MAIN = """
import os
from pathlib import Path
from types import SimpleNamespace

PLACE = Path(__file__).with_name("pid")
PLACE.write_text(str(os.getpid()))


class App:
    answer = "{answer}"

    def __init__(self):
        self.router = SimpleNamespace(routes=[])
        self.user_middleware = []

    def add_api_route(self, path, endpoint, **_):
        self.router.routes.append(SimpleNamespace(path=path, include_in_schema=False))


app = App()
"""

_REQUESTS = "class Request:\n    pass\n"


def tiny_service(tree: Path, name: str, answer: str) -> Path:
    """Write a service that answers `answer` to every GET, and closes on /hang-up."""
    return _service(tree, name, _MAIN.replace("{answer}", answer))


def broken_service(tree: Path, name: str) -> Path:
    """Write a service that cannot be imported, for a reason it prints."""
    return _service(tree, name, "raise RuntimeError('the model store is not there')\n")


def importing_service(tree: Path, name: str, module: str) -> Path:
    """Write a service that imports `module`, which is not installed, and uses it."""
    main = _MAIN.replace("{answer}", "up")
    use = f"import {module}\nfrom {module}.deep import Base\n\n\nclass Mine(Base):\n    pass\n"
    return _service(tree, name, use + main)


def prefaced_service(tree: Path, name: str, preface: str) -> Path:
    """Write a service that answers `up`, and does `preface` before it is there."""
    return _service(tree, name, preface + _MAIN.replace("{answer}", "up"))


def _service(tree: Path, name: str, main: str) -> Path:
    folder = tree / "cloud-layer" / name
    for place, text in {
        "app/__init__.py": "",
        "app/main.py": main,
        "uvicorn.py": _UVICORN,
        "starlette/__init__.py": "",
        "starlette/requests.py": _REQUESTS,
    }.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text)
    return folder
