"""A tree of another project, fixed by all ten gaps: its names only, and all that it needs arrives.

Services are built from the root, from a sister folder, by an `env_file`, from a mounted source and
without an environment; a secret falls back to a literal, and policies are open.
"""

import pytest

from closeout.engine import patch_series, planner
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps import GAPS
from tests.support.delivered import demanded, not_handed_on, not_interpolated, unresolved

EXPRESS = b'{"name": "%s", "dependencies": {"express": "4.19.2", "cors": "2.8.5"}}\n'
DESK = b"""const express = require('express');
const cors = require('cors');
const key = process.env.SESSION_SECRET || 'blue-harbour-session';
const app = express();
app.use(cors());
app.get('/health', (req, res) => res.json({ ok: key.length > 0 }));
app.listen(3000);
"""
FEED = b"""from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
"""
COMPOSE = b"""services:
  desk:
    build:
      context: ..
      dockerfile: services/desk/Dockerfile
    environment:
      - NODE_ENV=production
  feed:
    build: ../services/feed
  crane:
    build: ../services/crane
    env_file: ./crane.env
  gate:
    image: node:20
    volumes: ["../services/gate:/app"]
    environment: {NODE_ENV: production}
  cache:
    image: redis:7
    command: redis-server --requirepass orange-tractor-77
  quay_db:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: orange-tractor-78
"""
FILES = {
    "package.json": b'{"name": "@harbour/wharf", "private": true}\n',
    "infra/docker-compose.yml": COMPOSE,
    "web/package.json": b'{"devDependencies": {"vite": "5.0.0"}, "scripts": {"dev": "vite"}}\n',
    "services/desk/Dockerfile": b"FROM node:20\nWORKDIR /app\nCOPY services/desk/ .\nCMD node .\n",
    "services/feed/Dockerfile": (
        b"FROM python:3.12\nWORKDIR /app\nCOPY main.py .\nCMD uvicorn main:app\n"
    ),
    "services/feed/main.py": FEED,
    "services/feed/requirements.txt": b"fastapi\n",
    **{
        f"services/{name}/{file}": content
        for name in ("desk", "crane", "gate")
        for file, content in (
            ("package.json", EXPRESS % name.encode()),
            ("src/index.js", DESK),
        )
    },
}
SERVICES = {name: f"services/{name}" for name in ("desk", "feed", "crane", "gate")}


@pytest.fixture(scope="module")
def fixed() -> Overlay:
    """Return the tree as all gaps leave it."""
    tree = MemoryTree(FILES)
    nothing = patch_series.PreparedSet(patches=(), withheld=())
    plan = planner.plan(GAPS, tree, lambda _: nothing)
    return Overlay(tree, plan.edits)


@pytest.mark.parametrize("word", [b"farmiq", b"5135", b"5143", b"bangkok", b"asia-southeast"])
def test_no_name_of_the_orders_project_is_written(fixed: Overlay, word: bytes) -> None:
    """Neither a namespace nor a bucket, topic, account, region or port."""
    assert [str(edit.path) for edit in fixed.edits if word in edit.after.lower()] == []


def test_what_fixed_code_requires_reaches_each_service(fixed: Overlay) -> None:
    """In the file that starts it, by whatever way, with an example beside that file."""
    assert demanded(fixed, "services/desk") == {"ALLOWED_ORIGINS", "SESSION_SECRET"}
    assert demanded(fixed, "services/feed") == {"ALLOWED_ORIGINS"}
    assert not_handed_on(fixed, SERVICES) == []
    assert not_interpolated(fixed) == []
    assert unresolved(fixed) == []


def test_image_that_copies_single_files_has_the_helpers(fixed: Overlay) -> None:
    """What the edited module imports stands beside it there."""
    recipe = fixed.read("services/feed/Dockerfile") or b""
    assert b"COPY cors.py /app/cors.py\n" in recipe
    assert b"COPY security_headers.py /app/security_headers.py\n" in recipe
