"""What all tests of the vision service share: fakes of what lies outside its process."""

import asyncio
import importlib.util
import io
import json
import sys
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import urlencode

import pytest

sys.path.insert(0, str(Path(__file__).parent))

OUTSIDE = ("asyncpg", "cv2", "dotenv", "httpx", "pandas", "redis", "ultralytics")
"""Packages that the service imports and that a machine without its image may lack."""

MARKERS = {
    "unit": "one unit, nothing outside the process",
    "integration": "several units together, over the HTTP interface",
    "slow": "takes more than a second",
}


def pytest_configure(config):
    """Register the suite's markers where the service's own configuration does not."""
    registered = {line.partition(":")[0] for line in config.getini("markers")}
    for name, meaning in MARKERS.items():
        if name not in registered:
            config.addinivalue_line("markers", f"{name}: {meaning}")


class Absent(ModuleType):
    """A package that is not installed: what is imported from it can be named, and does nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__init__": lambda self, *_, **__: None})
        setattr(self, name, made)
        return made


for _name in OUTSIDE:
    if _name not in sys.modules and importlib.util.find_spec(_name) is None:
        sys.modules[_name] = Absent(_name)


class Database:
    """An asyncpg pool: it keeps every call, and answers what the test has laid ready."""

    def __init__(self):
        self.calls = []
        self.answers = []
        self.failure = None
        self.closed = False

    @asynccontextmanager
    async def acquire(self):
        yield self

    async def _asked(self, kind, query, args):
        if self.failure:
            raise self.failure
        self.calls.append(SimpleNamespace(kind=kind, query=" ".join(query.split()), args=args))
        return self.answers.pop(0) if self.answers else None

    async def execute(self, query, *args):
        await self._asked("execute", query, args)

    async def fetchval(self, query, *args):
        return await self._asked("fetchval", query, args)

    async def fetchrow(self, query, *args):
        return await self._asked("fetchrow", query, args)

    async def fetch(self, query, *args):
        return await self._asked("fetch", query, args) or []

    async def close(self):
        self.closed = True

    def written(self, table):
        """Return the values that were written to a table, row by row."""
        return [call.args for call in self.calls if f"INSERT INTO {table}" in call.query]


class Neighbours:
    """The services beside this one: what was asked of them by HTTP, and what they answer."""

    def __init__(self):
        self.requests = []
        self.media = b"x" * 250
        self.failures = {}

    def urlopen(self, request, timeout):
        assert timeout > 0
        self.requests.append(request)
        failure = self.failures.get(request.get_method())
        if failure:
            raise failure
        return io.BytesIO(self.media if request.get_method() == "GET" else b"{}")

    def asked(self, method):
        return [request for request in self.requests if request.get_method() == method]


class Answer(SimpleNamespace):
    """What the application sent: `status`, `headers`, and the body as `json`."""


async def ask(app, method, path, *, body=None, headers=None, query=None):
    """Put one request to an ASGI application, as a server does."""
    sent = []
    content = b"" if body is None else json.dumps(body).encode()
    fields = {"host": "vision", "content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": urlencode(query or {}).encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    start = next(item for item in sent if item["type"] == "http.response.start")
    text = b"".join(item.get("body", b"") for item in sent)
    given = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(status=start["status"], headers=given, json=json.loads(text or b"null"))


async def settled():
    """Wait until everything has ended that was begun beside the test."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture
def database(monkeypatch):
    """Return the pool that `asyncpg.create_pool` answers with."""
    made = Database()

    async def create_pool(*args, **options):
        if made.failure:
            raise made.failure
        made.opened = (args, options)
        return made

    monkeypatch.setattr("asyncpg.create_pool", create_pool, raising=False)
    return made


@pytest.fixture
def neighbours(monkeypatch):
    """Return the services that are asked by `urllib`."""
    made = Neighbours()
    monkeypatch.setattr(urllib.request, "urlopen", made.urlopen)
    return made


@pytest.fixture
def picture(tmp_path):
    """Return a function that makes a file of so many bytes."""

    def make(size, name="frame.img"):
        place = tmp_path / name
        place.write_bytes(b"x" * size)
        return place

    return make
