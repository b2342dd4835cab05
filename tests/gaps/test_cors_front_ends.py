"""A policy is edited for those who call the service: what they are, send and are told stays."""

from __future__ import annotations

import re

import pytest

from closeout.engine import rules
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.cors import GAP
from closeout.gaps.cors.fix import fix
from closeout.model import Check, Tree


def check(tree: Tree, criterion: str) -> Check:
    """Return what the gap's rule of a criterion found."""
    return next(item for item in rules.checks(GAP, tree) if item.criterion == criterion)


def _service(main: bytes, **more: bytes) -> MemoryTree:
    files = {"desk/main.py": main, "desk/requirements.txt": b"fastapi\n"}
    return MemoryTree({**files, **more})


def _policy(**options: str) -> bytes:
    given = "".join(f", {name}={text}" for name, text in options.items())
    return (
        "from fastapi import FastAPI\nfrom fastapi.middleware.cors import CORSMiddleware\n"
        "app = FastAPI()\napp.add_middleware(CORSMiddleware, allow_origins=['*']" + given + ")\n"
    ).encode()


def _fixed(tree: MemoryTree) -> Overlay:
    fixed = Overlay(tree, (edit for change in fix(tree) for edit in change.edits))
    assert fix(fixed) == ()
    return fixed


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("allow_private_network", "True"),
        ("allow_origin_regex", r"r'http://localhost:\d+'"),
        ("of_tomorrow", "{'a': 1}"),
        ("max_age", "60"),
    ],
)
def test_fix_keeps_every_option_that_it_does_not_mend(option: str, text: str) -> None:
    """A policy is edited, not made anew: what is not ours to say stays said."""
    after = _fixed(_service(_policy(**{option: text}))).read("desk/main.py") or b""
    assert f"{option}={text}".encode() in after


def test_fix_drops_a_pattern_that_takes_everybody() -> None:
    """A pattern stays where it is closed, not where it is the flaw."""
    main = _policy(allow_origin_regex="'.*'").replace(b"['*']", b"['https://a.example']")
    after = _fixed(_service(main)).read("desk/main.py") or b""
    assert b"regex" not in after
    assert b'declared=("https://a.example",)' in after


def test_fix_keeps_the_old_source_of_origins() -> None:
    """What a deployment sets today still counts, and cookies go with listed origins."""
    main = b"""import os
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
app = FastAPI()
listed = os.getenv("SHOP_ORIGINS", "")
if listed:
    origins = [part.strip() for part in listed.split(",")]
    with_cookies = True
else:
    origins = ["*"]
    with_cookies = False
app.add_middleware(CORSMiddleware, allow_origins=origins, allow_credentials=with_cookies)
"""
    after = _fixed(_service(main)).read("desk/main.py") or b""
    assert b'install_cors(app, methods=("GET", "HEAD", "OPTIONS"), declared=origins)' in after


@pytest.mark.parametrize(
    ("made", "after"),
    [
        (
            b"import socketio\nsio = socketio.AsyncServer(cors_allowed_origins='*')\n",
            b"socketio.AsyncServer(cors_allowed_origins=list(allowed_origins()))",
        ),
        (
            b"from socketio import Server\nsio = Server(cors_allowed_origins=['*'], logger=True)\n",
            b"Server(cors_allowed_origins=list(allowed_origins()), logger=True)",
        ),
    ],
)
def test_fix_closes_a_socket_for_every_origin(made: bytes, after: bytes) -> None:
    """A socket.io server has a policy of its own: it gets the service's."""
    tree = _service(b"from fastapi import FastAPI\napp = FastAPI()\n" + made)
    (found,) = check(tree, "1.3").findings
    assert "lets every origin connect to its socket.io server" in found.message
    fixed = _fixed(tree)
    main = fixed.read("desk/main.py") or b""
    assert after in main
    assert b"from cors import allowed_origins\n" in main
    assert check(fixed, "1.3").findings == ()


def test_detect_leaves_a_socket_with_origins() -> None:
    """Listed origins, and the default of the same host alone, are no opening."""
    made = (
        b"import socketio\na = socketio.Server()\nb = socketio.Server(cors_allowed_origins=['a'])\n"
    )
    tree = _service(b"from fastapi import FastAPI\napp = FastAPI()\n" + made)
    assert check(tree, "1.3").findings == ()


PAGES = {
    "web/package.json": b'{"name": "w", "dependencies": {"react-dom": "18", "vite": "5"}}',
    "web/vite.config.ts": b"export default { server: { port: 4100 } };\n",
    "web/src/client.ts": b"export const headers = { 'X-Api-Key': key, 'x-frame-options': 'no' };\n",
    "admin/package.json": b'{"devDependencies": {"vite": "5"}, "scripts": {"a": "x --port 4200"}}',
    "compose.yml": b"services:\n  web:\n    build: ./web\n    ports: ['8088:80']\n"
    b"  desk:\n    build: ./desk\n    environment:\n      - SHOP_ENV=prod\n",
    "desk/.env.example": b"PORT=1\n",
}


def test_fix_reads_the_front_ends() -> None:
    """Origins are where the tree's pages are served, and headers are what they send."""
    fixed = _fixed(_service(_policy(), **PAGES))
    policy = (fixed.read("desk/cors.py") or b"").decode()
    ports = re.findall(r'"http://localhost:(\d+)"', policy)
    assert ports == ["4100", "4200", "8088"]
    assert '    "x-api-key",\n' in policy
    assert "x-frame-options" not in policy
    example = (fixed.read("desk/.env.example") or b"").decode()
    assert "ALLOWED_ORIGINS=" + ",".join(f"http://localhost:{port}" for port in ports) in example


def test_fix_discovers_what_the_tree_calls_its_stage() -> None:
    """A variable that compose sets to prod tells production, and no other is brought."""
    fixed = _fixed(_service(_policy(), **PAGES))
    assert '"NODE_ENV", "SHOP_ENV")' in (fixed.read("desk/cors.py") or b"").decode()
    composed = (fixed.read("compose.yml") or b"").decode()
    assert "- ALLOWED_ORIGINS\n" in composed
    assert "APP_ENV" not in composed


def test_fix_names_no_origin_where_the_tree_has_none() -> None:
    """Without pages and without a list of its own a foreign tree gets no ports of ours."""
    fixed = _fixed(_service(_policy(), **{"desk/.env.example": b"PORT=1\n"}))
    assert b"localhost" not in (fixed.read("desk/cors.py") or b"")
    assert b"\nALLOWED_ORIGINS=\n" in (fixed.read("desk/.env.example") or b"") + b"\n"
