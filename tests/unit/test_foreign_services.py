"""Boot services of the shapes that foreign monorepos hold, each a few files of our own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from closeout.errors import CloseoutError
from closeout.formats import deployed
from closeout.fs.tree import DiskTree
from closeout.harness import filling, node, node_service, service_environments
from closeout.harness.boot import Booted, Launch, NotBooted, booted, node_launch, python_launch
from closeout.harness.http import JSON_HEADERS, Request, send
from closeout.harness.launchers.fillings import value_of
from closeout.harness.service_discovery import EXPRESS, Member
from tests.support.tiny import tiny_service

CACHE = Path(__file__).parents[2] / "build" / "cache"


def _laid(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, "pnpm-lock.yaml, which is not read"),
        ({"yarn.lock": "# yarn lockfile v1\n"}, "yarn.lock, which is not read"),
        ({}, "no lock file"),
    ],
)
def test_a_lock_of_another_package_manager_is_told_and_stops_nothing(
    tmp_path: Path, files: dict[str, str], told: str
) -> None:
    """Its absence was an errno without a word on whose file it is."""
    service = _laid(tmp_path / "desk", {"package.json": "{}", **files})
    found = node.install_needed(service, ["express"], tmp_path / "cache")
    assert found.told.endswith(told)
    assert found.modules.is_dir()


# -- FastAPI ---------------------------------------------------------------------------------------


def _python() -> Path:
    return Path(os.environ["CLOSEOUT_LIVE_PYTHON"])


_HEAVY = """
import heavy_engine as engine
from heavy_engine.nets import Net
from fastapi import FastAPI

try:
    import heavy_extra
except ImportError:
    heavy_extra = None


class Detector(Net):
    def shape(self, frame: "engine.Frame | None") -> str:
        return "square"


app = FastAPI()


@app.get("/")
def root() -> dict[str, object]:
    return {"shape": Detector().shape(None), "extra": heavy_extra is None}
"""

_SETTINGS = """
import logging

from fastapi import FastAPI
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    broker_url: str
    barn_count: int
    tags: list[str]
    log_format: str = "json"


settings = Settings()
logging.basicConfig(format=settings.log_format)
app = FastAPI()
app.state.url = settings.broker_url
"""


def _up(launch: Launch, tmp_path: Path) -> Booted:
    with booted(launch, tmp_path / "own.log", deadline=30.0) as service:
        assert isinstance(service, Booted), service.reason
        return service


@pytest.mark.needs("services-env")
def test_fastapi_boots_without_a_heavy_package_and_names_it(tmp_path: Path) -> None:
    """A base class of its leaves the service's own methods; a guarded import is told the truth."""
    folder = _laid(tmp_path / "barn", {"app/main.py": _HEAVY})
    launch = python_launch(folder, _python(), {})
    with booted(launch, tmp_path / "own.log", deadline=30.0) as service:
        assert isinstance(service, Booted), service.reason
        assert send(service.url, Request(path="/")).body == b'{"shape":"square","extra":true}'
    assert service.names("stubbed") == ("heavy_engine",)
    assert "stubbed: heavy_engine" in service.manner


@pytest.mark.needs("services-env")
def test_fastapi_boots_with_settings_that_nobody_gave_and_names_them(tmp_path: Path) -> None:
    """They are filled by type and name; a format that logging refuses is replaced."""
    folder = _laid(tmp_path / "barn", {"app/main.py": _SETTINGS})
    service = _up(python_launch(folder, _python(), {}), tmp_path)
    assert service.names("filled") == ("BROKER_URL", "BARN_COUNT", "TAGS")
    assert service.names("replaced")[0].startswith("log format 'json'")


@pytest.mark.needs("services-env")
def test_fastapi_does_not_boot_without_a_setting_that_may_not_be_filled(tmp_path: Path) -> None:
    """Only what had to be filled before a fix may be filled after it."""
    folder = _laid(tmp_path / "barn", {"app/main.py": _SETTINGS})
    launch = python_launch(folder, _python(), {}).with_arguments("--fill", "BROKER_URL")
    with booted(launch, tmp_path / "own.log", deadline=30.0) as service:
        assert isinstance(service, NotBooted)
        assert "barn_count" in service.reason


def test_a_missing_module_of_the_service_itself_is_no_stub(tmp_path: Path) -> None:
    """What a fix forgot to deliver must not be stood in for."""
    folder = tiny_service(tmp_path, "barn", "fixed")
    main = folder / "app" / "main.py"
    main.write_text("from app.policy import origins\n" + main.read_text())
    launch = python_launch(folder, Path(sys.executable), {})
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, NotBooted)
        assert "app.policy" in service.reason


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("redis_url", "<class 'str'>", "redis://127.0.0.1:9/0"),
        ("database_url", "<class 'str'>", "postgresql://probe:probe@127.0.0.1:9/probe"),
        ("callback_url", "<class 'str'>", "http://127.0.0.1:9"),
        ("limit", "int", "9"),
        ("is_open", "<class 'bool'>", "false"),
        ("log_format", "<class 'str'>", "%(message)s"),
        ("limits", "dict[str, str]", "{}"),
    ],
)
def test_a_setting_is_filled_by_its_type_and_name(name: str, kind: str, value: str) -> None:
    """A URL looks like one, and a number is one."""
    assert value_of(name, kind) == value


def test_services_of_equal_pins_share_an_environment_without_what_is_heavy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two of one line are one group; what the index lacks is left out, and told."""
    asked: list[list[str]] = []

    def resolved(folder: Path, lines: list[str], *, deadline: float) -> Path:
        del deadline
        asked.append(lines)
        if "gone-library==1" in lines:
            message = "No matching distribution found for gone-library==1"
            raise CloseoutError("environment-failed", message, hint="ask another index.")
        return folder / "bin" / "python"

    monkeypatch.setattr(service_environments.environments, "resolved", resolved)
    line = "fastapi==0.1.0\npydantic==2.0.0\n"
    folders = {
        "barn": _laid(
            tmp_path / "barn", {"requirements.txt": f"{line}torch==2\ngone_library==1\n"}
        ),
        "coop": _laid(tmp_path / "coop", {"requirements.txt": f"{line}httpx==0.2 # asks\n"}),
        "plain": tmp_path / "plain",
    }
    found = service_environments.interpreters(folders, Path(sys.executable), tmp_path / "cache")
    assert asked[-1] == ["fastapi==0.1.0", "httpx==0.2", "pydantic==2.0.0", "uvicorn"]
    assert found["barn"].python == found["coop"].python
    assert found["barn"].told == "the service's own pins but gone-library"
    assert found["plain"].python == Path(sys.executable)


# -- Node ------------------------------------------------------------------------------------------

_MANIFEST: dict[str, object] = {
    "name": "barn",
    "scripts": {"build": "tsc", "serve": "node dist/main/index.js"},
    "dependencies": {"@prisma/client": "^5.0.0", "amqplib": "^0.10.0", "gone": "file:./gone.tgz"},
}

_SCHEMA = """
enum Rank {
  worker
  owner
}

model Person {
  id       String  @id @default(uuid())
  email    String  @unique // how one signs in
  password String?
  rank     Rank    @default(worker)
  coops    Coop[]
}

model Coop {
  id      Int     @id @default(autoincrement())
  name    String
  ownerId String  @map("owner_id")
  owner   Person  @relation(fields: [ownerId], references: [id])

  @@unique([ownerId, name])
}
"""

_INDEX = """
import { createServer, IncomingMessage, ServerResponse } from 'http'
import amqp from 'amqplib'
import { label } from 'gone'
import { PrismaClient, Prisma, Rank } from '@prisma/client'

const prisma = new PrismaClient()
const told: number = label('the compiler would refuse this')
void told

async function answer(request: IncomingMessage, response: ServerResponse) {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const asked = JSON.parse(Buffer.concat(chunks).toString() || '{}')
  try {
    const found = await prisma.person.findUnique({ where: asked, include: { coops: true } })
    response.end(JSON.stringify(found))
  } catch (error) {
    response.statusCode = error instanceof Prisma.PrismaClientValidationError ? 422 : 500
    response.end(String(error))
  }
}

async function start() {
  const connection = await amqp.connect('amqp://queue:5672')
  const channel = await connection.createChannel()
  await channel.assertQueue('barn')
  await prisma.$connect()
  const owner = await prisma.person.create({ data: { email: 'o@farm.example', rank: Rank.owner } })
  await prisma.coop.create({ data: { name: 'north', owner: { connect: { id: owner.id } } } })
  createServer(answer).listen(3000)
}
start().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
"""


@contextmanager
def _node_up(folder: Path, tmp_path: Path, **settings: str) -> Iterator[Booted]:
    entry = node_service.entry(folder)
    assert entry is not None
    launch = node_launch(
        folder, settings, entry=str(entry.file), runner=node.install(node.TYPESCRIPT, CACHE)
    )
    with booted(launch, tmp_path / "own.log", deadline=30.0) as service:
        assert isinstance(service, Booted), service.reason
        yield service


@pytest.mark.needs("node")
def test_node_boots_from_sources_with_prisma_a_queue_and_a_package_that_is_not_to_be_had(
    tmp_path: Path,
) -> None:
    """No lock, `dist` elsewhere, a type error, a connection at the start: it answers."""
    folder = _laid(
        tmp_path / "barn",
        {
            "package.json": json.dumps(_MANIFEST),
            "prisma/schema.prisma": _SCHEMA,
            "src/main/index.ts": _INDEX,
        },
    )
    accounts = json.dumps({"count": 3, "host": "farm.example", "hash": "h"})
    with _node_up(folder, tmp_path, CLOSEOUT_ACCOUNTS=accounts) as service:

        def asked(where: object) -> tuple[int, object]:
            body = json.dumps(where).encode()
            request = Request(method="POST", path="/", headers=JSON_HEADERS, body=body)
            answer = send(service.url, request)
            return answer.status, json.loads(answer.body) if answer.status == 200 else None

        status, owner = asked({"email": "o@farm.example"})
        assert status == 200
        assert isinstance(owner, dict)
        assert owner["rank"] == "owner"
        assert [coop["name"] for coop in owner["coops"]] == ["north"]
        status, account = asked({"email": "account2@farm.example"})
        assert isinstance(account, dict)
        assert account["password"] == "h"  # noqa: S105 - no password
        assert [asked({"email": one})[0] for one in (["a"], {"$ne": ""}, 7, None)] == [422] * 4
        assert asked({"email": "nobody@farm.example"}) == (200, None)
    assert service.names("stubbed") == ("amqplib", "gone")
    assert service.names("replaced") == ("@prisma/client by a stand-in for its 2 models",)


@pytest.mark.needs("node")
def test_node_boots_where_its_entry_connects_as_it_is_imported(tmp_path: Path) -> None:
    """A client is stubbed by name, and a bare socket to another machine is refused at once."""
    entry = (
        "const store = require('mongoose')\n"
        "store.connect('mongodb://store:27017').then((held) => held.model('coop'))\n"
        "const socket = require('net').connect(6379, 'cache.farm.example')\n"
        "socket.on('error', (error) => console.log(error.code))\n"
        "require('http').createServer((_, answer) => answer.end()).listen(1)\n"
    )
    folder = _laid(tmp_path / "barn", {"package.json": "{}", "server.js": entry})
    up = _up(node_launch(folder, {}, entry="server.js"), tmp_path)
    assert up.names("stubbed") == ("mongoose",)
    assert "ECONNREFUSED" in up.log.read_text()


@pytest.mark.needs("node")
def test_node_is_given_what_its_deployment_gives_and_what_it_asks_for(tmp_path: Path) -> None:
    """The example's value, a secret for a placeholder, and a name that its last words tell."""
    demand = "for (const name of ['COOP_NAME', 'GATE_TOKEN', 'NEST_SIZE'])\n"
    demand += "  if (!process.env[name]) throw new Error(`${name} is not set`)\n"
    listen = "require('http').createServer((_, r) => r.end()).listen(1)\n"
    folder = _laid(
        tmp_path / "barn",
        {
            "package.json": "{}",
            "server.js": demand + listen,
            ".env.example": "COOP_NAME=north\nGATE_TOKEN=<generate>\n",
        },
    )
    member = Member(name="barn", folder=PurePosixPath("barn"), kind=EXPRESS)
    launch = node_launch(folder, {}, entry="server.js")
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, NotBooted)
    given = filling.filled(launch, tmp_path, member, "Error: NEST_SIZE is not set")
    assert given.environment["COOP_NAME"] == "north"
    assert len(given.environment["GATE_TOKEN"]) == 64
    up = _up(given, tmp_path)
    assert "filled: COOP_NAME, GATE_TOKEN, NEST_SIZE" in up.manner


def test_what_one_file_leaves_blank_another_one_fills(tmp_path: Path) -> None:
    """The example names a variable, the development's compose file has its value."""
    compose = "services:\n  barn:\n    build: ./barn\n    environment:\n      NEST_SIZE: '3'\n"
    files = {"barn/.env.example": "NEST_SIZE=\n", "docker-compose.dev.yml": compose}
    tree = _laid(tmp_path, {**files, "barn/package.json": "{}"})
    member = Member(name="barn", folder=PurePosixPath("barn"), kind=EXPRESS)
    launch = node_launch(tree / "barn", {}, entry="server.js")
    given = filling.filled(launch, tree, member, "Error: a nest has no size")
    assert given.environment["NEST_SIZE"] == "3"


def test_the_entry_point_is_the_source_of_what_the_image_starts(tmp_path: Path) -> None:
    """The last command of the Dockerfile counts; packages come from what it imports."""
    folder = _laid(
        tmp_path / "barn",
        {
            "Dockerfile": 'FROM a\nCMD ["npm", "run", "dev"]\nFROM b\nCMD node dist/src/http.js\n',
            "package.json": json.dumps({"scripts": {"dev": "tsx src/index.ts"}}),
            "src/http.ts": "import './routes'\nimport express from 'express'\n// import 'none'\n",
            "src/routes/index.ts": (
                "const { a } = require('@farm/contracts/v1')\nimport 'node:fs'\n"
            ),
            "src/index.ts": "import 'nodemon'\n",
        },
    )
    entry = node_service.entry(folder)
    assert entry is not None
    assert entry.file == PurePosixPath("src/http.ts")
    assert entry.packages == {"express", "@farm/contracts"}


# -- Environments ----------------------------------------------------------------------------------


def test_each_file_that_starts_a_service_is_an_environment(tmp_path: Path) -> None:
    """A base, an override of it and a chart; defaults hold, placeholders become secrets."""
    compose = """
services:
  barn:
    build: ./barn
    environment:
      - STAGE=${STAGE:-production}
      - TOKEN=${TOKEN:?}
      - CALLER
"""
    tree = _laid(
        tmp_path,
        {
            "docker-compose.yml": compose,
            "docker-compose.override.yml": (
                "services:\n  barn:\n    build: {context: ./barn}\n"
                "    environment:\n      STAGE: dev\n"
            ),
            ".env.example": "TOKEN=<generate>\nCALLER=me\n",
            "barn/helm/values.yaml": "env:\n  STAGE: cluster\nsecretEnv:\n  TOKEN: barn-token\n",
            "barn/Dockerfile": "FROM a\nENV OLD=1\nFROM b\nENV NODE_ENV=production PORT=1\n",
        },
    )
    found = deployed.environments(DiskTree(tree), PurePosixPath("barn"))
    base, override, chart = found
    assert (base.variables["STAGE"], base.variables["CALLER"]) == ("production", "me")
    assert len(base.variables["TOKEN"]) == 64
    assert base.variables["NODE_ENV"] == "production"
    assert "OLD" not in base.variables
    assert override.variables["STAGE"] == "dev"
    assert chart.variables["STAGE"] == "cluster"
    assert not any(item.refused for item in found)


def test_a_blank_of_an_example_is_filled_in_and_hides_no_line_below_it(tmp_path: Path) -> None:
    """Whoever copies the example gives what compose requires; an optional blank stays blank."""
    compose = "services:\n  barn:\n    build: ./barn\n    environment:\n"
    compose += "      - TOKEN=${TOKEN:?}\n      - COOP=${COOP:?}\n      - NEST=${NEST:-}\n"
    example = "TOKEN=\n\nCOOP=\nNEST=\n"
    tree = _laid(tmp_path, {"docker-compose.yml": compose, ".env.example": example, "barn/a": ""})
    (found,) = deployed.environments(DiskTree(tree), PurePosixPath("barn"))
    assert found.refused == ""
    assert [len(found.variables[name]) for name in ("TOKEN", "COOP", "NEST")] == [64, 64, 0]


def test_a_chart_keeps_back_what_comes_from_a_secret_and_a_stage_adds_to_it(
    tmp_path: Path,
) -> None:
    """Both forms of values: a mapping beside a mapping of secrets, and one list of both."""
    listed = (
        "env:\n  - name: STAGE\n    value: cluster\n"
        "  - name: TOKEN\n    valueFrom: {secretKeyRef: {name: barn, key: token}}\n"
    )
    tree = _laid(
        tmp_path,
        {
            "helm/barn/values.yaml": listed,
            "barn/helm/values.yaml": (
                "env:\n  STAGE: cluster\nsecretEnv:\n  TOKEN:\n    secret: barn\n    key: token\n"
            ),
            "barn/helm/values-prod.yaml": "env:\n  STAGE: prod\n",
        },
    )
    found = deployed.environments(DiskTree(tree), PurePosixPath("barn"))
    told = {str(item.source): (item.variables["STAGE"], set(item.kept)) for item in found}
    assert told == {
        "helm/barn/values.yaml": ("cluster", {"TOKEN"}),
        "barn/helm/values.yaml": ("cluster", {"TOKEN"}),
        "barn/helm/values-prod.yaml": ("prod", {"TOKEN"}),
    }


def test_a_service_that_reads_a_file_of_variables_has_its_example_for_one(tmp_path: Path) -> None:
    """One whose sources load no such file is not started from it."""
    files = {"barn/.env.example": "TOKEN=<generate>\nSIZE=3\n", "barn/a.js": "require('dotenv')\n"}
    tree = _laid(tmp_path, {**files, "coop/.env.example": "A=1\n", "coop/a.js": "1\n"})
    (found,) = deployed.environments(DiskTree(tree), PurePosixPath("barn"))
    assert (found.source, found.is_file) == (PurePosixPath("barn/.env.example"), True)
    assert (found.variables["SIZE"], len(found.variables["TOKEN"])) == ("3", 64)
    assert deployed.environments(DiskTree(tree), PurePosixPath("coop")) == ()


def test_an_environment_that_compose_refuses_says_so(tmp_path: Path) -> None:
    """A required variable that stands in no example starts nothing."""
    compose = "services:\n  barn:\n    build: ./barn\n    environment:\n      TOKEN: ${TOKEN:?}\n"
    tree = _laid(tmp_path, {"docker-compose.yml": compose, "barn/a": ""})
    (found,) = deployed.environments(DiskTree(tree), PurePosixPath("barn"))
    assert found.refused == "compose refuses it: TOKEN is not set"


def test_a_manifest_that_does_not_parse_gives_no_environment_and_ends_nothing(
    tmp_path: Path,
) -> None:
    """The service boots as its other files say."""
    tree = tmp_path / "tree"
    (tree / "k8s").mkdir(parents=True)
    (tree / "k8s/barn.yaml").write_text("kind: Deployment\ncontainers: [barn\n")
    assert deployed.environments(DiskTree(tree), PurePosixPath("barn")) == ()


@pytest.mark.parametrize("text", ["[" * 100_000, "5", "{", '{"dependencies": NaN}'])
def test_a_manifest_of_a_node_service_that_is_none_is_told_by_npm(
    tmp_path: Path, text: str
) -> None:
    """It ends in a refusal that names the service, not in a bug of ours."""
    folder = tmp_path / "barn"
    folder.mkdir()
    (folder / "package.json").write_text(text)
    (folder / "package-lock.json").write_text(text)
    assert node_service.manifest(folder) == {}
    assert not node.agrees(folder)
    with pytest.raises(CloseoutError, match="barn"):
        node.install(folder, tmp_path / "cache")
