"""Gap 10: secrets that are written out leave compose files and env examples."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.formats.compose_check import problems
from closeout.formats.deployed import environments
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP
from closeout.gaps.external_secrets.inventory import inventory
from closeout.gaps.external_secrets.inventory.literals import literals
from closeout.model import Changeset, Edit
from closeout.parsing import yaml as anchors

COMPOSE = "cloud-layer/docker-compose.yml"
EXAMPLE = "cloud-layer/.env.example"


def _taken_out(files: dict[str, bytes]) -> tuple[Overlay, tuple[Changeset, ...]]:
    tree = MemoryTree(files)
    overlay = Overlay(tree)
    made = tuple(item for item in GAP.fix(tree) if item.name.startswith("literals-"))
    for changeset in made:
        for edit in changeset.edits:
            overlay.lay(edit)
    return overlay, made


def _file(path: str, content: bytes) -> Edit:
    return Edit(path=PurePosixPath(path), before=None, after=content)


def _service(environment: bytes, name: bytes = b"a") -> bytes:
    return b"services:\n  %s:\n    image: a\n    environment:\n%s" % (name, environment)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"      JWT_SECRET: abc1\n", b"      JWT_SECRET: ${JWT_SECRET:?set it in .env}\n"),
        (
            b"      - JWT_SECRET=abc1 # why\n",
            b"      - JWT_SECRET=${JWT_SECRET:?set it in .env} # why\n",
        ),
        (
            b'      - "JWT_SECRET=abc1"\r\n',
            b'      - "JWT_SECRET=${JWT_SECRET:?set it in .env}"\r\n',
        ),
        (b"      JWT_SECRET: 'abc1'\n", b"      JWT_SECRET: '${JWT_SECRET:?set it in .env}'\n"),
        (b"      JWT_SECRET: ${KEY:-abc1}\n", b"      JWT_SECRET: ${KEY:?set it in .env}\n"),
        (
            b"      {JWT_SECRET: abc1, PORT: 1}\n",
            b'      {JWT_SECRET: "${JWT_SECRET:?set it in .env}", PORT: 1}\n',
        ),
        (
            b"      DATABASE_URL: postgresql+asyncpg://u:abc1@db:5432/x?a=b\n",
            (
                b"      DATABASE_URL: postgresql+asyncpg://u:${POSTGRES_PASSWORD:?set it in .env}"
                b"@db:5432/x?a=b\n"
            ),
        ),
        (
            b"      RABBITMQ_URL: amqps://u:abc1@mq\n",
            b"      RABBITMQ_URL: amqps://u:${RABBITMQ_PASSWORD:?set it in .env}@mq\n",
        ),
    ],
)
def test_derive_requires_the_variable_when_compose_holds_its_value(
    line: bytes, expected: bytes
) -> None:
    """Maps, lists, quotes, brackets, defaults and addresses each keep their manner."""
    fixed, _ = _taken_out({COMPOSE: _service(line)})
    after = fixed.read(COMPOSE) or b""
    assert after == _service(expected)
    assert problems(after) == ()
    assert b"abc1" not in after
    assert literals(fixed, inventory(fixed)) == ()
    assert not [item for item in GAP.fix(fixed) if item.name.startswith("literals-")]


def test_derive_reads_a_store_and_its_clients_from_one_variable() -> None:
    """A client's password is the one that the store itself is given, and both keep working."""
    content = (
        b"services:\n"
        b"  db:\n    image: postgres\n    environment: {POSTGRES_PASSWORD: one}\n"
        b"  mq:\n    image: rabbitmq\n    environment:\n      - RABBITMQ_DEFAULT_PASS=${MQ:-two}\n"
        b"  a:\n    image: a\n    environment:\n"
        b"      DATABASE_URL: postgres://u:one@db/a\n      RABBITMQ_URL: amqp://u:two@mq\n"
        b"      DBT_PASSWORD: one\n"
        b"  b:\n    image: b\n    environment: {API_PASSWORD: one}\n"
    )
    fixed, _ = _taken_out({COMPOSE: content})
    after = (fixed.read(COMPOSE) or b"").decode().replace(":?set it in .env", "")
    assert "DATABASE_URL: postgres://u:${POSTGRES_PASSWORD}@db/a" in after
    assert "RABBITMQ_URL: amqp://u:${MQ}@mq" in after
    assert "DBT_PASSWORD: ${POSTGRES_PASSWORD}" in after
    assert (fixed.read(EXAMPLE) or b"").decode().splitlines()[2:] == [
        (
            "# A server that holds data already keeps the password it was first started with: "
            "give that one."
        ),
        "API_PASSWORD=",
        "MQ=",
        "# Was the same as API_PASSWORD: keep them equal where one opens what the other guards.",
        "POSTGRES_PASSWORD=",
    ]


def test_derive_says_in_an_example_what_belongs_together() -> None:
    """What calls another folder's service; two servers of one password open nothing mutually."""
    edge = (
        b"services:\n  out:\n    image: out\n    environment: {CLOUD_API_KEY: 'abcd-1234-efgh'}\n"
    )
    cloud = (
        b"services:\n"
        b"  in:\n    image: in\n    environment: {CLOUD_API_KEYS: 'abcd-1234-efgh'}\n"
        b"  db:\n    image: postgres\n    environment: {POSTGRES_PASSWORD: one-two-3}\n"
        b"  mq:\n    image: rabbitmq\n    environment: {RABBITMQ_DEFAULT_PASS: one-two-3}\n"
    )
    fixed, _ = _taken_out({"edge/docker-compose.yml": edge, "cloud/docker-compose.yml": cloud})
    shared = "# Was the same as %s: whoever calls sends what is expected there."
    edges = (fixed.read("edge/.env.example") or b"").decode().splitlines()
    assert edges[2:] == [shared % "CLOUD_API_KEYS in cloud", "CLOUD_API_KEY="]
    clouds = (fixed.read("cloud/.env.example") or b"").decode().splitlines()
    assert clouds[3:] == [
        shared % "CLOUD_API_KEY in edge",
        "CLOUD_API_KEYS=",
        "POSTGRES_PASSWORD=",
        "RABBITMQ_DEFAULT_PASS=",
    ]


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_derive_names_the_password_of_a_server_elsewhere_by_its_software(scheme: str) -> None:
    """A client's address alone says what it opens: the scheme's name is no shortened variable."""
    line = f"      REDIS_URL: {scheme}://:green-kettle-12@cache.example.com:6379/0\n"
    content = b"services:\n  a:\n    image: a\n    environment:\n" + line.encode()
    fixed, _ = _taken_out({COMPOSE: content})
    after = (fixed.read(COMPOSE) or b"").decode()
    assert "REDIS_PASSWORD:?" in after
    assert "REDI_" not in after
    assert "green-kettle" not in after


def test_derive_names_every_file_that_asks_or_none() -> None:
    """What two files of a folder require is not the requirement of one."""
    one = b"services:\n  a:\n    image: a\n    environment: {JWT_SECRET: 'abcd-1234-efgh'}\n"
    files = {
        COMPOSE: one,
        COMPOSE.replace("compose", "compose.dev"): one,
        EXAMPLE: b"# Copied to .env by everybody.\nPORT=1\n",
    }
    fixed, _ = _taken_out(files)
    assert b"# What the compose files beside this require in .env;" in (fixed.read(EXAMPLE) or b"")
    fixed, _ = _taken_out({COMPOSE: one, EXAMPLE: files[EXAMPLE]})
    assert f"# What {COMPOSE.rpartition('/')[2]} requires in .env;".encode() in (
        fixed.read(EXAMPLE) or b""
    )


STORE = (
    b"  objects:\n    image: minio/minio\n    environment:\n"
    b"      - MINIO_ROOT_USER=${MINIO_ROOT_USER:-barnadmin}\n"
    b"      - MINIO_ROOT_PASSWORD=${MINIO_ROOT_PASSWORD:-abc1abc1}\n"
)


def _client(key: bytes, endpoint: bytes = b"http://objects:9000") -> bytes:
    return (
        b"services:\n%s  media:\n    build: ./media\n    environment:\n"
        b"      - MEDIA_ENDPOINT=%s\n      - MEDIA_ACCESS_KEY=${MEDIA_ACCESS_KEY:-barnadmin}\n"
        b"      - MEDIA_SECRET_KEY=%s\n" % (STORE, endpoint, key)
    )


def test_derive_gives_a_client_its_servers_password_when_it_names_it_otherwise() -> None:
    """Who fills in one variable has filled in both; the client's own still goes first."""
    fixed, _ = _taken_out({COMPOSE: _client(b"${MEDIA_SECRET_KEY:-abc1abc1}")})
    after = (fixed.read(COMPOSE) or b"").decode()
    assert (
        "      - MEDIA_SECRET_KEY="
        "${MEDIA_SECRET_KEY:-${MINIO_ROOT_PASSWORD:?set it in .env}}\n" in after
    )
    assert "MEDIA_ACCESS_KEY=${MEDIA_ACCESS_KEY:-barnadmin}\n" in after
    assert b"MEDIA" not in (fixed.read(EXAMPLE) or b"")
    assert problems(after.encode()) == ()
    assert literals(fixed, inventory(fixed)) == ()
    assert not [item for item in GAP.fix(fixed) if item.name.startswith("literals-")]
    (media,) = (
        item
        for item in environments(
            Overlay(fixed, [_file("cloud-layer/media/Dockerfile", b"FROM node:20\n")]),
            PurePosixPath("cloud-layer/media"),
        )
    )
    assert media.refused == ""
    assert len(media.variables["MEDIA_SECRET_KEY"]) == 64


def test_derive_takes_no_user_and_no_database_for_a_call() -> None:
    """A store is called by its client, though its database has the client's name.

    Taken for calls of each other, the two got each other's variable.
    """
    content = (
        b"services:\n  board:\n    image: example/board:1\n    environment:\n"
        b"      DB_HOST: ledger\n      DB_USER: board\n      DB_PASS: reed-bed-9\n"
        b"  ledger:\n    image: postgres:16\n    environment:\n"
        b"      POSTGRES_USER: board\n      POSTGRES_DB: board\n"
        b"      POSTGRES_PASSWORD: reed-bed-9\n"
    )
    fixed, _ = _taken_out({COMPOSE: content})
    after = (fixed.read(COMPOSE) or b"").decode()
    assert "DB_PASS: ${POSTGRES_PASSWORD:?" in after
    assert "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?" in after
    assert b"DB_PASS" not in (fixed.read(EXAMPLE) or b"")


def test_derive_parts_two_that_call_each_other() -> None:
    """Which of them is the server is not clear: each keeps its own variable."""
    content = (
        b"services:\n  a:\n    image: example/a:1\n    environment:\n"
        b"      PEER: b\n      A_PASSWORD: reed-bed-9\n"
        b"  b:\n    image: example/b:1\n    environment:\n"
        b"      PEER: a\n      B_PASSWORD: reed-bed-9\n"
    )
    after = (_taken_out({COMPOSE: content})[0].read(COMPOSE) or b"").decode()
    assert "A_PASSWORD: ${A_PASSWORD:?" in after
    assert "B_PASSWORD: ${B_PASSWORD:?" in after


def test_derive_reads_a_clients_literal_from_its_servers_variable() -> None:
    """One password has one variable, whatever the client calls it."""
    fixed, _ = _taken_out({COMPOSE: _client(b"abc1abc1")})
    after = fixed.read(COMPOSE) or b""
    assert b"MEDIA_SECRET_KEY=${MINIO_ROOT_PASSWORD:?set it in .env}\n" in after


@pytest.mark.parametrize(
    "content",
    [
        _client(b"${MEDIA_SECRET_KEY:-abc1abc1}", b"http://elsewhere:9000"),
        _client(b"${MEDIA_SECRET_KEY:-other1other1}"),
        _client(b"${MEDIA_SECRET_KEY:-abc1abc1}", b"http://objects:9000,http://queue:1").replace(
            b"  media:",
            b"  queue:\n    image: q\n    environment:\n"
            b"      - QUEUE_PASSWORD=${QUEUE_PASSWORD:-abc1abc1}\n  media:",
        ),
    ],
    ids=["another-server", "another-password", "two-servers-of-one-password"],
)
def test_derive_keeps_a_clients_own_variable_when_its_server_is_not_clear(content: bytes) -> None:
    """A password that happens to be the same elsewhere is not taken for that one."""
    fixed, _ = _taken_out({COMPOSE: content})
    after = fixed.read(COMPOSE) or b""
    assert b"MEDIA_SECRET_KEY=${MEDIA_SECRET_KEY:?set it in .env}\n" in after


def test_derive_has_clients_follow_their_store_when_two_files_differ_in_its_default() -> None:
    """The variable is its owner's choice in both files: an address takes the same one."""
    base, other = (
        b"services:\n  db:\n    image: postgres:16\n    environment:\n"
        b"      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-%s}\n"
        b"  api:\n    image: api\n    environment:\n"
        b"      DATABASE_URL: postgresql://u:%s@db:5432/x\n" % (word, word)
        for word in (b"abc1abc1", b"def2def2")
    )
    dev = "cloud-layer/docker-compose.dev.yml"
    fixed, _ = _taken_out({COMPOSE: base, dev: other})
    for path in (COMPOSE, dev):
        after = fixed.read(path) or b""
        assert b"postgresql://u:${POSTGRES_PASSWORD:?set it in .env}@db" in after


def test_derive_keeps_two_secrets_apart_when_they_share_a_name() -> None:
    """Two services with one variable and two values get two variables, never one value for both."""
    content = _service(b"      API_TOKEN: one1\n") + (
        b"  cloud-b:\n    image: b\n    environment:\n      - API_TOKEN=two2\n"
    )
    fixed, _ = _taken_out({COMPOSE: content})
    after = fixed.read(COMPOSE) or b""
    assert b"API_TOKEN: ${API_TOKEN:?" in after
    assert b"- API_TOKEN=${CLOUD_B_API_TOKEN:?" in after
    assert b"\nAPI_TOKEN=\nCLOUD_B_API_TOKEN=\n" in (fixed.read(EXAMPLE) or b"")


def test_derive_edits_a_shared_block_once_when_services_merge_it() -> None:
    """An anchor is edited where it stands; the services that merge it follow."""
    content = (
        b"x-env: &env\n  JWT_SECRET: ${JWT_SECRET:-dev}\nservices:\n"
        b"  a:\n    image: a\n    environment:\n      <<: *env\n"
        b"  b:\n    image: b\n    environment:\n      <<: *env\n      PORT: 1\n"
    )
    fixed, _ = _taken_out({COMPOSE: content})
    after = fixed.read(COMPOSE) or b""
    assert after == content.replace(b":-dev}", b":?set it in .env}")
    assert anchors.find(after, "x-env", "JWT_SECRET") is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"PORT=1\r\nJWT_SECRET=abc1\r\nA=b\n", b"PORT=1\r\nJWT_SECRET=\r\nA=b\n"),
        (b"export JWT_SECRET='abc1' # why\n", b"export JWT_SECRET='' # why\n"),
        (b"DATABASE_URL=postgresql://u:abc1@h/d", b"DATABASE_URL=postgresql://u:<password>@h/d"),
    ],
)
def test_derive_empties_an_example_when_it_holds_a_value(before: bytes, after: bytes) -> None:
    """Line endings, quotes, comments and a missing final newline stay as they are."""
    path = "cloud-layer/a/.env.example"
    fixed, _ = _taken_out({path: before})
    assert fixed.read(path) == after
    assert literals(fixed, inventory(fixed)) == ()


@pytest.mark.parametrize(
    "name",
    [
        ".env.template",
        ".env.dist",
        ".env.sample",
        "env.example",
        ".env.production.example",
        "example.env",
        "barn.env.template",
    ],
)
def test_derive_empties_an_example_of_whatever_name(name: str) -> None:
    """What a file of variables is made from is told and blanked alike."""
    path = f"cloud-layer/barn/{name}"
    fixed, _ = _taken_out({path: b"PORT=1\nSESSION_SECRET=abc1abc1\n", COMPOSE: _service(b"")})
    assert fixed.read(path) == b"PORT=1\nSESSION_SECRET=\n"
    assert literals(fixed, inventory(fixed)) == ()


@pytest.mark.parametrize("name", [".env", "production.env", "env.example.ts", "env-sample.md"])
def test_derive_leaves_what_is_no_example_to_a_person(name: str) -> None:
    """A file that is in use loses no value, and a program is no file of variables."""
    path = f"cloud-layer/barn/{name}"
    content = b"SESSION_SECRET=abc1abc1\n"
    fixed, _ = _taken_out({path: content, COMPOSE: _service(b"")})
    assert fixed.read(path) == content


def test_derive_adds_to_an_example_that_is_there() -> None:
    """Variables that the layer's example names already are not named again."""
    lines = b"      JWT_SECRET: abc1\n      API_TOKEN: abc2\n"
    fixed, _ = _taken_out({COMPOSE: _service(lines), EXAMPLE: b"PORT=1\r\nJWT_SECRET=\r\n"})
    after = fixed.read(EXAMPLE) or b""
    assert after.startswith(b"PORT=1\r\nJWT_SECRET=\r\n\r\n#")
    assert after.endswith(b"\r\nAPI_TOKEN=\r\n")
    assert after.count(b"JWT_SECRET=") == 1


def test_derive_leaves_it_to_a_person_when_code_or_a_manifest_holds_the_value() -> None:
    """What closeout cannot take out safely is named with its line, and its value never printed."""
    files = {
        "cloud-layer/a/app.py": b"API_KEY = 'abcdefgh12345678abc1'\n",
        "cloud-layer/a/Dockerfile": b"FROM a\nENV API_TOKEN=abc2\n",
        "k8s/a.yaml": b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: abc3}\n",
        COMPOSE: _service(b"      JWT_SECRET: abc4\n"),
    }
    _, made = _taken_out(files)
    left = {(str(item.path), item.line) for each in made for item in each.unresolved}
    assert left == {
        ("cloud-layer/a/app.py", 1),
        ("cloud-layer/a/Dockerfile", 2),
        ("k8s/a.yaml", 4),
    }
    assert "abc" not in repr([item for each in made for item in each.unresolved])
