"""Documents that teach a default which a fix took out are told; all others are left alone."""

from __future__ import annotations

import pytest

from closeout.engine import rules
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps import external_secrets, factory_secret
from closeout.model import Gap, Tree

COMPOSE = "cloud-layer/docker-compose.yml"
STACK = b"""services:
  crate:
    build: ./crate
    environment:
      - DATABASE_URL=postgresql://crab:${POSTGRES_PASSWORD:-salt-and-rope}@store:5432/crate
      - CRATE_API_KEY=${CRATE_API_KEY:-kelp-local-key}
  store:
    image: postgres:16
    environment:
      POSTGRES_USER: crab
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-salt-and-rope}
"""
SETTINGS = "cloud-layer/crate/app/config.py"
CODE = b"""import os


def key() -> str:
    return os.getenv("SHIPPING_TOKEN", "tide-and-foam-9")
"""
TABLE = "| Variable | Meaning | Default |\n|---|---|---|\n| {} |\n"


def _tree(page: str, **more: bytes) -> MemoryTree:
    files = {
        COMPOSE: STACK.replace(
            b"      - CRATE", b"      - SHIPPING_TOKEN=${SHIPPING_TOKEN:-}\n      - CRATE", 1
        ),
        SETTINGS: CODE,
        "cloud-layer/crate/Dockerfile": b"FROM scratch\n",
        "docs/start.md": b"# Start\n\n" + page.encode(),
    }
    return MemoryTree({**files, **more})


def _told(tree: Tree, gap: Gap = external_secrets.GAP) -> list[tuple[str, int, str]]:
    return [
        (str(item.path), item.line, item.detail)
        for change in gap.fix(tree)
        for item in change.unresolved
        if "teaches" in item.detail
    ]


def _had(name: str, path: str = COMPOSE) -> str:
    return f"teaches a default that {name} had in {path}"


@pytest.mark.parametrize(
    ("page", "line", "detail"),
    [
        ("- `POSTGRES_PASSWORD` (default: `salt-and-rope`)\n", 3, _had("POSTGRES_PASSWORD")),
        ("`CRATE_API_KEY` defaults to kelp-local-key.\n", 3, _had("CRATE_API_KEY")),
        (TABLE.format("`CRATE_API_KEY` | its key | `kelp-local-key`"), 5, _had("CRATE_API_KEY")),
        (
            TABLE.format("`DATABASE_URL` | where | `postgresql://crab:salt-and-rope@store/other`"),
            5,
            _had("DATABASE_URL"),
        ),
        (
            "```yaml\n- X=postgresql://a:${POSTGRES_PASSWORD:-salt-and-rope}@store/x\n```\n",
            4,
            _had("POSTGRES_PASSWORD"),
        ),
        (
            "```ts\nconst key = process.env.CRATE_API_KEY || 'kelp-local-key'\n```\n",
            4,
            _had("CRATE_API_KEY"),
        ),
        (
            '`os.getenv("SHIPPING_TOKEN", "tide-and-foam-9")`\n',
            3,
            _had("SHIPPING_TOKEN", SETTINGS),
        ),
        (
            "- **PostgreSQL**: port 5432 (user: `crab`, password: `salt-and-rope`)\n",
            3,
            _had("POSTGRES_PASSWORD"),
        ),
        ("Postgres, default: `crab` / `salt-and-rope`\n", 3, _had("POSTGRES_PASSWORD")),
    ],
    ids=[
        "said", "defaults-to", "table", "address-in-a-table", "compose", "typescript", "python",
        "server", "login",
    ],
)  # fmt: skip
def test_derive_tells_the_documents_that_teach_a_default_it_takes_out(
    page: str, line: int, detail: str
) -> None:
    """They are named with the variable and where it had that; their prose stays as it is.

    Once the default is gone, a page that nobody mended is not told again.
    """
    tree = _tree(page)
    assert _told(tree) == [("docs/start.md", line, detail)]
    fixed = Overlay(tree, [e for each in external_secrets.GAP.fix(tree) for e in each.edits])
    assert fixed.read("docs/start.md") == tree.read("docs/start.md")
    assert _told(fixed) == []


@pytest.mark.parametrize(
    "page",
    [
        "Set `POSTGRES_PASSWORD` before the first start; it has no default.\n",
        "`POSTGRES_PASSWORD` (no default: salt-and-rope was one)\n",
        "- `POSTGRES_PASSWORD` (default: `<your-password>`)\n",
        "- `POSTGRES_PASSWORD` (default: `another-rope`)\n",
        "- `MOORING` (default: `salt-and-rope`)\n",
        "- `ARCHIVE_PASSWORD` (default: `salt-and-rope`)\n",
        "```\nPOSTGRES_PASSWORD=salt-and-rope\n```\n",
        "DATABASE_URL=postgresql://crab:salt-and-rope@store:5432/crate\n",
        TABLE.format("`POSTGRES_PASSWORD` | not salt-and-rope | -"),
        TABLE.replace("Default", "Example").format("`CRATE_API_KEY` | key | `kelp-local-key`"),
        TABLE.format("`CRATE_API_KEY` | key | (empty)") + "\n| kelp-local-key | CRATE_API_KEY |\n",
        "```yaml\n- X=${POSTGRES_PASSWORD:?set it in .env}\n```\nnot salt-and-rope any more\n",
        "Sign in to the ledger with the password: `salt-and-rope`\n",
        "Ropes of salt-and-rope by default, and a postgres server.\n",
    ],
)
def test_derive_leaves_documents_that_teach_no_default_it_takes_out(page: str) -> None:
    """A name, a placeholder, another's value, a line that sets it, a literal of something else."""
    assert _told(_tree(page)) == []


@pytest.mark.parametrize("path", ["CHANGELOG.md", "docs/evidence/run.md", ".skills/crate.md"])
def test_derive_leaves_documents_of_what_was(path: str) -> None:
    """A record of a day that is past goes on being right."""
    said = b"- `POSTGRES_PASSWORD` (default: `salt-and-rope`)\n"
    assert _told(_tree("", **{path: said})) == []
    assert _told(_tree("", **{"docs/evidently.md": said}))


def test_derive_leaves_documents_of_a_default_that_stays_somewhere() -> None:
    """What the tree's code goes on falling back to is not gone: the place itself is told."""
    stays = b"""const key = process.env.CRATE_API_KEY || 'kelp-local-key'

export const check = (given: string) => given === key
"""
    page = "- `CRATE_API_KEY` (default: `kelp-local-key`)\n"
    tree = _tree(
        page, **{"edge-layer/gull/src/key.ts": stays, "edge-layer/gull/package.json": b"{}"}
    )
    assert _told(tree) == []
    assert _told(_tree(page)) != []


def test_told_documents_open_nothing() -> None:
    """A document is told beside the order: no finding, and no criterion rests on it."""
    page = "- `POSTGRES_PASSWORD` (default: `salt-and-rope`)\n"
    gap, told, silent = external_secrets.GAP, _tree(page), _tree("")
    assert _told(told)
    assert rules.checks(gap, told) == rules.checks(gap, silent)


LOGIN = b"""import jwt from 'jsonwebtoken';
const PIER_SECRET = process.env.PIER_SECRET || 'plank-by-plank';
export const sign = (who: string) => jwt.sign({ who }, PIER_SECRET);
"""
PIER = "cloud-layer/pier/src/login.ts"


@pytest.mark.parametrize(
    ("compose", "told"),
    [
        (b"services: {pier: {build: ./pier, environment: [PORT=1]}}\n", True),
        (
            b"""services:
  pier:
    build: ./pier
    environment:
      PIER_SECRET: ${PIER_SECRET:-plank-by-plank}
""",
            False,
        ),
    ],
    ids=["gone", "compose-gives-it"],
)
def test_derive_tells_what_teaches_a_secret_that_is_required_now(
    compose: bytes, *, told: bool
) -> None:
    """Code that takes a secret from its environment alone makes pages of its default wrong too."""
    manifest = b'{"name": "pier", "dependencies": {"jsonwebtoken": "9.0.2", "express": "5.3.0"}}\n'
    page = "| Name | Default |\n|---|---|\n| `PIER_SECRET` | `plank-by-plank` |\n"
    more = {PIER: LOGIN, "cloud-layer/pier/package.json": manifest, COMPOSE: compose}
    tree = _tree(page, **more)
    found = [("docs/start.md", 5, _had("PIER_SECRET", PIER))]
    assert _told(tree, factory_secret.GAP) == (found if told else [])


def _repeats(tree: Tree) -> list[tuple[str, int, str]]:
    return [
        (str(item.path), item.line, item.detail)
        for change in external_secrets.GAP.fix(tree)
        for item in change.unresolved
        if "repeats" in item.detail
    ]


URL = "postgresql://crab:salt-and-rope@store:5432/crate"


@pytest.mark.parametrize(
    ("page", "line", "name"),
    [
        (f"```\nDATABASE_URL={URL}\n```\nor {URL}\n", 4, "DATABASE_URL"),
        (f"docker run -e DATABASE_URL={URL} crate\n", 3, "DATABASE_URL"),
        ("`postgres://crab:salt-and-rope@localhost/crate`\n", 3, "DATABASE_URL"),
        ("# 2. Login: crab / salt-and-rope\n", 3, "DATABASE_URL"),
        ("Sign in to the ledger: `crab` / `salt-and-rope`.\n", 3, "DATABASE_URL"),
        ('{"username": "crab", "password": "salt-and-rope"}\n', 3, "DATABASE_URL"),
        (
            f"- `POSTGRES_PASSWORD` (default: `salt-and-rope`)\n\n{URL}\n",
            5,
            "DATABASE_URL",
        ),
    ],
)
def test_derive_tells_a_page_once_that_repeats_a_password_it_takes_out(
    page: str, line: int, name: str
) -> None:
    """A line to copy worked until the fix; it opens nothing from then on."""
    tree = _tree(page)
    assert _repeats(tree) == [
        ("docs/start.md", line, f"repeats the password that {name} had in {COMPOSE}")
    ]
    fixed = Overlay(tree, [e for each in external_secrets.GAP.fix(tree) for e in each.edits])
    assert _repeats(fixed) == []


@pytest.mark.parametrize(
    "page",
    [
        "postgresql://crab:<password>@store:5432/crate\n",
        "postgresql://crab:${POSTGRES_PASSWORD}@store:5432/crate\n",
        "postgresql://heron:salt-and-rope@store:5432/crate\n",
        "postgresql://crab:salt-and-rope-2@store:5432/crate\n",
        "amqp://crab:salt-and-rope@broker:5672\n",
        "Login: heron / salt-and-rope\n",
        "Login: crab / another-rope\n",
        '{"username": "heron", "password": "salt-and-rope"}\n',
        "A crab and salt-and-rope / twine.\n",
        "- `POSTGRES_PASSWORD` (default: `salt-and-rope`)\n",
    ],
)
def test_derive_leaves_pages_that_repeat_no_password_it_takes_out(page: str) -> None:
    """Placeholders, other users, other servers and other passwords are right as they are."""
    assert _repeats(_tree(page)) == []


def test_derive_names_the_server_that_a_line_is_about() -> None:
    """Two servers may have one password: the page's reader is sent to the right one."""
    broker = b"""  mq:
    image: rabbitmq:3
    environment:
      RABBITMQ_DEFAULT_USER: crab
      RABBITMQ_DEFAULT_PASS: ${MQ_PASS:-salt-and-rope}
"""
    page = "RabbitMQ's password: `salt-and-rope`\n\nRabbitMQ, log in: crab / salt-and-rope\n"
    told = _repeats(_tree(page, **{COMPOSE: STACK + broker}))
    had = f"repeats the password that RABBITMQ_DEFAULT_PASS had in {COMPOSE}"
    assert told == [("docs/start.md", 5, had)]


def test_derive_leaves_pages_that_repeat_a_password_which_stays() -> None:
    """What a mounted file holds in force goes on opening the server."""
    stack = STACK.replace(
        b"image: postgres:16\n", b"image: postgres:16\n    volumes: [./init:/i]\n"
    )
    role = b"CREATE ROLE crab PASSWORD 'salt-and-rope';\n"
    more = {COMPOSE: stack, "cloud-layer/init/a.sql": role}
    assert _repeats(_tree(f"{URL}\n", **more)) == []
