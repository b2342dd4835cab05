"""Gap 10: code takes its secrets from the environment, and what started goes on starting."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

import pytest

from closeout.engine import rules
from closeout.formats.deployed import environments
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps import external_secrets
from closeout.model import Tree
from closeout.parsing import typescript
from tests.support.delivered import not_interpolated

GAP = external_secrets.GAP
CRATE = "cloud-layer/crate"
COMPOSE = b"""services:
  crate:
    build: ./crate
    environment:
      - PORT=1
  store:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-salt-and-rope}
"""
GIVEN = COMPOSE.replace(
    b"- PORT=1", b"- BROKER_URL=amqp://crab:${BROKER_PASS}@broker:5672\n      - PORT=1"
)
CLIENT = b"""import * as amqp from 'amqplib'
import { logger } from './logger'

const BROKER_URL = process.env.BROKER_URL || 'amqp://crab:claw-and-shell@broker:5672'

export async function connect() {
  try {
    const link = await amqp.connect(BROKER_URL)
    return link
  } catch (error) {
    logger.warn('goes on without a broker', { error })
  }
}
"""
SETTINGS = b"""import os

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    name: str = "crate"

    # asyncpg's own form
    database_url: str = "postgresql://crab:salt-and-rope@store:5432/crate"
    archive_password: str = os.getenv("ARCHIVE_PASSWORD", "kelp-and-foam-7")
    cache_password: str = os.getenv("CACHE_PASSWORD", "")
    broker_url: str = os.getenv("BROKER_URL", "amqp://guest:guest@localhost:5672")


settings = Settings()
"""
USER = b"from app.config import settings\n\npool = connect(settings.database_url)\n"


def _crate(files: dict[str, bytes], compose: bytes = GIVEN) -> MemoryTree:
    own = {f"{CRATE}/{name}": text for name, text in files.items()}
    return MemoryTree(
        {"cloud-layer/docker-compose.yml": compose, f"{CRATE}/Dockerfile": b"FROM scratch\n", **own}
    )


def _fixed(tree: Tree) -> Overlay:
    """Return the tree after the fix, which leaves it as it is the second time."""
    overlay = Overlay(tree)
    for changeset in GAP.fix(tree):
        for edit in changeset.edits:
            overlay.lay(edit)
    assert [change for change in GAP.fix(overlay) if change.edits] == []
    assert not_interpolated(overlay) == []
    return overlay


def _text(tree: Tree, name: str) -> str:
    return (tree.read(PurePosixPath(CRATE, name)) or b"").decode()


def _open(tree: Tree) -> list[str]:
    found = rules.findings(rules.checks(GAP, tree))
    return [
        item.path.name
        for item in found
        if "falls back" in item.message and item.path.suffix != ".yml"
    ]


def test_client_asks_for_its_address_where_it_handles_failures() -> None:
    """A client that logs and goes on does so without an address; nothing is asked at load."""
    wrapped = CLIENT.replace(b"BROKER_URL = process", b"BROKER_URL =\n  process")
    tree = _crate({"src/broker.ts": wrapped, "package.json": b"{}"})
    assert _open(tree) == ["broker.ts"]
    fixed = _fixed(tree)
    assert _text(fixed, "src/broker.ts") == CLIENT.decode().replace(
        " || 'amqp://crab:claw-and-shell@broker:5672'", ""
    ).replace(
        "    const link",
        "    if (!BROKER_URL) {\n      throw new Error('BROKER_URL is not set')\n    }\n"
        "    const link",
    )
    assert _open(fixed) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"export const pool = open(process.env.DATABASE_URL || 'pg://a:salt-rope@store/b');\n",
            (
                b"if (!process.env.DATABASE_URL) {\n"
                b"  throw new Error('DATABASE_URL is not set');\n}\n"
                b"export const pool = open(process.env.DATABASE_URL);\n"
            ),
        ),
        (
            (
                b"// default: pg://a:salt-rope@store/b\nfunction run() {\n"
                b"\tconst at = process.env.DATABASE_URL ?? 'pg://a:salt-rope@store/b'\n"
                b"\treturn open(at)\n}\n"
            ),
            (
                b"// such as pg://a:<password>@store/b\nfunction run() {\n"
                b"\tif (!process.env.DATABASE_URL) {\n"
                b"\t\tthrow new Error('DATABASE_URL is not set')\n\t}\n"
                b"\tconst at = process.env.DATABASE_URL\n\treturn open(at)\n}\n"
            ),
        ),
    ],
    ids=["at load", "in a function"],
)
def test_source_demands_what_every_environment_gives(before: bytes, after: bytes) -> None:
    """The value comes first into compose, from the store's own password, then out of the code."""
    tree = _crate({"src/store.ts": before, "package.json": b"{}"})
    fixed = _fixed(tree)
    assert _text(fixed, "src/store.ts") == after.decode()
    assert typescript.syntax_error(after) is None
    given = (fixed.read("cloud-layer/docker-compose.yml") or b"").decode()
    assert "DATABASE_URL=pg://a:${" in given
    assert all(
        "DATABASE_URL" in each.variables for each in environments(fixed, PurePosixPath(CRATE))
    )


@pytest.mark.parametrize(
    "text",
    [
        b"if (on) open(process.env.DATABASE_URL || 'pg://a:salt-rope@store/b')\n",
        b"const at = () => { open(process.env.DATABASE_URL || 'pg://a:salt-rope@store/b') }\n",
        b"const at = () => process.env.DATABASE_URL || 'pg://a:salt-rope@store/b'\n",
        b"import 'dotenv'\nopen(process.env.DATABASE_URL || 'pg://a:salt-rope@localhost/b')\n",
    ],
    ids=["passed over", "one line", "an expression", "a developer's machine"],
)
def test_source_stays_where_it_cannot_be_asked(text: bytes) -> None:
    """What may be passed over, or is nobody's address in a container, is told and left."""
    tree = _crate({"src/store.ts": text, "package.json": b"{}"})
    assert _text(_fixed(tree), "src/store.ts") == text.decode()
    left = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert [item.path.name for item in left] == ["store.ts"]


def test_settings_demand_what_is_read_and_go_on_without_the_rest() -> None:
    """A default that nothing reads becomes empty; an account that clients try anyway goes."""
    tree = _crate({"app/config.py": SETTINGS, "app/main.py": USER, "requirements.txt": b""})
    fixed = _fixed(tree)
    text = _text(fixed, "app/config.py")
    ast.parse(text)
    assert "    # asyncpg's own form\n    database_url: str\n" in text
    assert 'archive_password: str = os.getenv("ARCHIVE_PASSWORD", "")' in text
    assert 'os.getenv("BROKER_URL", "amqp://localhost:5672")' in text
    given = (fixed.read("cloud-layer/docker-compose.yml") or b"").decode()
    assert (
        "DATABASE_URL=postgresql://crab:${POSTGRES_PASSWORD:?set it in .env}@store:5432/crate"
        in given
    )
    assert "ARCHIVE_PASSWORD" not in given
    assert _open(fixed) == []


@pytest.mark.parametrize(
    ("tried", "demanded"),
    [(b"from app import main\n", False), (b"from app.other import name\n", True)],
)
def test_settings_that_tests_load_without_variables_go_on_without(
    tried: bytes, *, demanded: bool
) -> None:
    """A service's own tests go on running: the value is handed on, and not demanded there."""
    files = {"app/config.py": SETTINGS, "app/main.py": USER, "tests/test_it.py": tried}
    fixed = _fixed(_crate({**files, "app/other.py": b"name = 'crate'\n"}))
    said = "    database_url: str\n" if demanded else '    database_url: str = ""\n'
    assert said in _text(fixed, "app/config.py")
    assert b"DATABASE_URL=" in (fixed.read("cloud-layer/docker-compose.yml") or b"")


def test_key_that_the_service_signs_with_never_becomes_empty() -> None:
    """It would be as well known as the one written out; the name of a cookie is no secret."""
    settings = SETTINGS.replace(
        b'    database_url: str = "postgresql://crab:salt-and-rope@store:5432/crate"\n',
        b'    s3_signing_secret: str = "kelp-and-foam-7"\n    cookie_key: str = "crate_session"\n',
    )
    user = USER.replace(b"database_url", b"s3_signing_secret") + b"name = settings.cookie_key\n"
    files = {"app/config.py": settings, "app/main.py": user}
    tree = _crate({**files, "tests/test_it.py": b"from app import main\n"})
    fixed = _fixed(tree)
    text = _text(fixed, "app/config.py")
    assert 's3_signing_secret: str = "kelp-and-foam-7"' in text
    assert 'cookie_key: str = "crate_session"' in text
    assert _open(fixed) == ["config.py"]
    told = [item.detail for change in GAP.fix(tree) for item in change.unresolved]
    assert [each for each in told if "SIGNING" in each] == [
        "S3_SIGNING_SECRET falls back to a usable value: an empty one would open as much"
    ]


@pytest.mark.parametrize("name", [".env.template", ".env.dist", ".env.sample"])
def test_example_of_another_name_is_the_example(name: str) -> None:
    """No second one stands beside it, so the next run finds what this one found."""
    compose = COMPOSE.replace(b"    build: ./crate\n", b"    build: ./crate\n    env_file: .env\n")
    files = {"app/config.py": SETTINGS, "app/main.py": USER, "requirements.txt": b""}
    tree = _crate(files, compose)
    held = {str(path): tree.read(path) or b"" for path in tree.paths()}
    fixed = _fixed(MemoryTree({**held, f"cloud-layer/{name}": b"PORT=1\n"}))
    assert fixed.read("cloud-layer/.env.example") is None
    assert b"POSTGRES_PASSWORD=" in (fixed.read(f"cloud-layer/{name}") or b"")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            (
                "import os\n\nasync def main():\n    at = os.getenv(\n        'DATABASE_URL',\n"
                "        'postgresql://crab:salt-and-rope@localhost:5140/crate'\n    )\n"
            ),
            "import os\n\nasync def main():\n    at = os.environ['DATABASE_URL']\n",
        ),
        (
            'from os import environ\nPASSWORD = environ.get("CRATE_PASSWORD", "salt-and-rope")\n',
            'from os import environ\nPASSWORD = environ["CRATE_PASSWORD"]\n',
        ),
        (
            (
                "from pydantic import Field\nfrom pydantic_settings import BaseSettings\n"
                "class S(BaseSettings):\n"
                '    key: str = Field("salt-and-rope", alias="CRATE_SECRET", min_length=3)\n'
                "S().key\n"
            ),
            (
                "from pydantic import Field\nfrom pydantic_settings import BaseSettings\n"
                "class S(BaseSettings):\n"
                '    key: str = Field(..., alias="CRATE_SECRET", min_length=3)\nS().key\n'
            ),
        ),
    ],
    ids=["a lookup", "a mapping", "a field"],
)
def test_module_demands_its_variable_by_name(before: str, after: str) -> None:
    """A lookup of a variable that is not there says which one."""
    given = GIVEN.replace(b"- PORT=1", b"- DATABASE_URL=pg://a:${P}@store/b\n      - PORT=1")
    files = {"app/seed.py": before.encode(), ".env.example": b"DATABASE_URL=pg://a:<p>@store/b\n"}
    fixed = _fixed(_crate(files, given))
    assert _text(fixed, "app/seed.py") == after
    assert _text(fixed, ".env.example").startswith("DATABASE_URL=pg://a:<p>@store/b\n")


@pytest.mark.parametrize(
    "text",
    [
        "import os\nURL = os.getenv('REDIS_URL', 'redis://localhost:6379')\n",
        "import os\nURL = os.getenv('DATABASE_URL', 'sqlite:///crate.db')\n",
        "import os\nURL = os.getenv('BROKER_URL', 'amqp://localhost')\n",
        (
            "import os\nfrom pydantic_settings import BaseSettings\nclass S(BaseSettings):\n"
            '    cache_password: str = os.getenv("CACHE_PASSWORD", "")\n'
        ),
    ],
)
def test_address_without_a_password_is_no_finding(text: str) -> None:
    """A default that opens nothing stays: so does an empty one, whose name is no value."""
    tree = _crate({"app/config.py": text.encode()})
    assert _open(tree) == []
    assert _text(_fixed(tree), "app/config.py") == text


def test_service_that_nothing_starts_keeps_its_fallback() -> None:
    """Who starts it, and with what, is not known: the place is told."""
    other = COMPOSE.replace(b"./crate", b"./other")
    tree = _crate({"app/config.py": SETTINGS, "app/main.py": USER}, other)
    assert '"postgresql://crab:salt-and-rope' in _text(_fixed(tree), "app/config.py")
    (left,) = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert "starts the service" in left.detail


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ("{}main(url)\n", True),
        ("{}const go = () => {{\n  run(url)\n}}\nrequire.main && go()\nexports.go = go\n", True),
        ("{}if (require.main === module) main(url)\nmodule.exports = {{ url }}\n", False),
        ("{}module.exports = {{ url }}\n", False),
        ("{}main(url)\n".replace("{}", "const url = 'pg://localhost/b'\n"), True),
    ],
    ids=["a tool", "both", "both at load", "a library", "no password"],
)
def test_tool_that_people_run_says_what_it_lacks(source: str, *, taken: bool) -> None:
    """Outside of the services nothing delivers: a script demands, what others import is told."""
    told = source.format("const url = process.env.DATABASE_URL || 'pg://a:salt-rope@store/b'\n")
    path = PurePosixPath("tools/load/run.js")
    tree = MemoryTree({str(path): told.encode(), "tools/package.json": b"{}"})
    assert bool(_open(tree)) is ("salt-rope" in told)
    after = (_fixed(tree).read(path) or b"").decode()
    assert ("salt-rope" in after) is not taken
    assert ("is not set" in after) is (taken and "salt-rope" in told)


def test_images_of_one_compose_file_and_a_chart_are_handed_what_left_them() -> None:
    """Two images that one file starts, one of them by a chart too: none loses its variable."""
    recipe = b"FROM node\nENV SIGNING_SECRET=salt-and-rope-%s\nCMD node .\n"
    part = b"  %s:\n    build: ./%s\n    environment:\n      - PORT=1\n"
    both = b"services:\n" + part % (b"a", b"a") + part % (b"b", b"b")
    tree = MemoryTree(
        {
            "cloud-layer/docker-compose.yml": both,
            "cloud-layer/a/Dockerfile": recipe % b"1",
            "cloud-layer/b/Dockerfile": recipe % b"2",
            "helm/a/Chart.yaml": b"name: a\n",
            "helm/a/values.yaml": b"env:\n  - name: PORT\n    value: '1'\n",
        }
    )
    fixed = _fixed(tree)
    for name in ("a", "b"):
        assert b"salt" not in (fixed.read(PurePosixPath("cloud-layer", name, "Dockerfile")) or b"")
        given = environments(fixed, PurePosixPath("cloud-layer", name))
        assert all("SIGNING_SECRET" in each.variables for each in given)
    assert len(environments(fixed, PurePosixPath("cloud-layer/a"))) == 2


@pytest.mark.parametrize("copied", [True, False])
def test_module_asks_for_nothing_that_a_copied_example_may_bring_later(*, copied: bool) -> None:
    """Where a developer's `.env` is read, or whether, is not known: it loads without, as before."""
    source = (
        b"import os\nfrom dotenv import load_dotenv\nload_dotenv('../.env')\n"
        b"URL = os.getenv('DATABASE_URL', 'pg://a:salt-rope@store/b')\n"
    )
    files = {"app/config.py": source}
    tree = _crate({**files, ".env.example": b"PORT=1\n"} if copied else files)
    text = _text(_fixed(tree), "app/config.py")
    assert ("os.getenv('DATABASE_URL', '')" in text) is copied
    assert ("os.environ['DATABASE_URL']" in text) is not copied


def test_function_is_asked_once_for_all_uses() -> None:
    """What follows in the same block, or in what that holds, has been asked for."""
    source = CLIENT.replace(
        b"    return link\n", b"    if (link) tell(BROKER_URL.split('@')[1] || BROKER_URL)\n"
    )
    text = _text(_fixed(_crate({"src/broker.ts": source, "package.json": b"{}"})), "src/broker.ts")
    assert text.count("throw new Error('BROKER_URL is not set')") == 1
    assert "claw-and-shell" not in text
