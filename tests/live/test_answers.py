"""What a service answers is still of use to those who read it, once its headers are secured."""

import json
import os
import subprocess
from typing import Any

import pytest

from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.headers.fix import fix

SERVICE = b"""from fastapi import FastAPI, HTTPException
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response

app = FastAPI(docs_url=None)


@app.exception_handler(RuntimeError)
async def failed(request, error):
    told = {"code": "FAILED", "message": str(error), "traceId": "ab-12", "sql": "SELECT 1"}
    return JSONResponse({"error": told, "ok": False}, status_code=500)


@app.get("/raised")
def raised():
    raise RuntimeError("password=hunter2 at db.internal")


@app.get("/wrapped")
def wrapped():
    try:
        raise HTTPException(400, "no farm of that name")
    except Exception as error:
        raise HTTPException(500, f"Report failed: {error}")


@app.get("/leaking")
def leaking():
    raise HTTPException(500, "connection to 10.0.0.7 refused")


@app.get("/text")
def text():
    return Response("Traceback: hunter2", 500, media_type="text/plain")


@app.get("/page")
def page():
    return HTMLResponse(
        "<script src='https://cdn.example.org/chart.js'></script><script>draw()</script>"
    )


@app.get("/own-docs")
def own_docs():
    return get_swagger_ui_html(openapi_url="/openapi.json", title="desk")


@app.get("/logo.png")
def logo():
    return Response(b"png", media_type="image/png")


@app.get("/figures")
def figures():
    return {"birds": 3}
"""

ASKING = """
import asyncio, json, sys
sys.path.insert(0, ".")
from main import app

async def ask(path):
    sent = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
             "headers": [],
             "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
             "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "state": {}}
    try:
        await app(scope, receive, send)
    except Exception:
        pass
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return {"status": sent[0]["status"], "headers": headers, "body": body.decode()}

print(json.dumps({path: asyncio.run(ask(path)) for path in sys.argv[1:]}))
"""

PATHS = (
    *("/raised", "/wrapped", "/leaking", "/text"),
    *("/page", "/own-docs", "/logo.png", "/figures"),
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what the fixed service answers, by path."""
    tree = MemoryTree({"desk/main.py": SERVICE, "desk/requirements.txt": b"fastapi\n"})
    folder = tmp_path_factory.mktemp("desk")
    fixed = Overlay(tree, (edit for change in fix(tree) for edit in change.edits))
    for path in fixed.paths():
        (folder / path.name).write_bytes(fixed.read(path) or b"")
    argv = [os.environ["CLOSEOUT_LIVE_PYTHON"], "-c", ASKING, *PATHS]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    told: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return told


pytestmark = [pytest.mark.live, pytest.mark.needs("services-env")]


def test_internal_error_keeps_what_callers_look_up(answers: dict[str, dict[str, Any]]) -> None:
    """A code and a trace stay in their places, and the text of what failed goes."""
    error = {"code": "FAILED", "message": "Internal server error", "traceId": "ab-12"}
    assert json.loads(answers["/raised"]["body"]) == {"error": error, "ok": False}
    assert json.loads(answers["/leaking"]["body"]) == {"detail": "Internal server error"}
    assert "INTERNAL_ERROR" in answers["/text"]["body"]
    assert not any("hunter2" in item["body"] for item in answers.values())


def test_length_is_that_of_the_answer(answers: dict[str, dict[str, Any]]) -> None:
    """What was left out is not waited for."""
    for path in ("/raised", "/wrapped", "/leaking", "/text"):
        answer = answers[path]
        assert (answer["status"], answer["headers"]["content-length"]) == (
            500,
            str(len(answer["body"])),
        )


def test_own_refusal_that_became_a_500_keeps_its_words(answers: dict[str, dict[str, Any]]) -> None:
    """A service that catches its own 400 tells its callers what it told them before."""
    told = "Report failed: 400: no farm of that name"
    assert json.loads(answers["/wrapped"]["body"]) == {"detail": told}


@pytest.mark.parametrize(
    ("path", "sources"),
    [
        ("/page", ["script-src 'self' 'unsafe-inline'", "https://cdn.example.org"]),
        ("/own-docs", ["script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net"]),
    ],
)
def test_page_gets_a_policy_that_runs_it(
    answers: dict[str, dict[str, Any]], path: str, sources: list[str]
) -> None:
    """Pages of the service's own load what they load, and sit in no frame."""
    policy = answers[path]["headers"]["content-security-policy"]
    assert [source for source in (*sources, "frame-ancestors 'none'") if source not in policy] == []


def test_picture_is_shown_on_another_port_and_figures_are_not(
    answers: dict[str, dict[str, Any]],
) -> None:
    """What dashboards embed is the site's; an answer of the API is nobody's to embed or keep."""
    picture, figures = (answers[path]["headers"] for path in ("/logo.png", "/figures"))
    assert picture["cross-origin-resource-policy"] == "same-site"
    assert "cache-control" not in picture
    assert figures["cross-origin-resource-policy"] == "same-origin"
    assert figures["cache-control"] == "no-store"
    assert figures["content-security-policy"].startswith("default-src 'none'")
