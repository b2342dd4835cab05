"""Gap 10: a user of RabbitMQ's definitions keeps a known password in force, whatever is set."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from closeout.formats.compose_check import problems
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP
from closeout.gaps.external_secrets.inventory import inventory
from closeout.gaps.external_secrets.inventory.literals import literals
from closeout.model import Unresolved

COMPOSE = "docker-compose.yml"
DEFINITIONS = "broker/definitions.json"
SETTINGS = "broker/rabbitmq.conf"
SCRIPT = "broker/rabbitmq-account.sh"
SERVICE = b"""services:
  mq:
    image: rabbitmq:3.13-management-alpine
    environment:
      RABBITMQ_DEFAULT_USER: ${MQ_USER:-plover}
      RABBITMQ_DEFAULT_PASS: ${MQ_PASS:-salt-marsh}
    volumes:
      - ./broker/rabbitmq.conf:/etc/rabbitmq/rabbitmq.conf:ro
      - ./broker/definitions.json:/etc/rabbitmq/definitions.json:ro
    ports:
      - "5672:5672"
  reader:
    image: reader
    environment:
      RABBITMQ_URL: amqp://${MQ_USER:-plover}:${MQ_PASS:-salt-marsh}@mq:5672
"""
CONFIGURATION = (
    b"log.console = true\nmanagement.load_definitions = /etc/rabbitmq/definitions.json\n"
)

PLAIN = {"password": "mud-flat-9"}
NO_HASH = {"password_hash": "no base64"}


def _hashed(password: str, algorithm: str = "sha256") -> str:
    salt = b"\x01\xfe\x20\x41"
    made = hashlib.new(algorithm, salt + password.encode(), usedforsecurity=False).digest()
    return base64.b64encode(salt + made).decode()


def _user(name: str = "plover", **held: object) -> dict[str, object]:
    own = held or {"password_hash": _hashed("salt-marsh")}
    return {"name": name, **own, "tags": ["monitoring"]}


def _definitions(*users: dict[str, object]) -> bytes:
    access = {"vhost": "/", "configure": r"^mq\.`$", "write": ".*", "read": ".*"}
    held = {
        "users": users,
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": each["name"], **access} for each in users],
        "queues": [{"name": "tide", "vhost": "/", "durable": True}],
    }
    return json.dumps(held, indent=2).encode()


def _tree() -> dict[str, bytes]:
    return {COMPOSE: SERVICE, DEFINITIONS: _definitions(_user()), SETTINGS: CONFIGURATION}


def _told(files: dict[str, bytes]) -> list[tuple[str, str]]:
    tree = MemoryTree(files)
    return [(str(item.path), item.name) for item in literals(tree, inventory(tree))]


def _fixed(files: dict[str, bytes]) -> tuple[Overlay, list[Unresolved]]:
    overlay = Overlay(MemoryTree(files))
    made = GAP.fix(overlay)
    for edit in (edit for each in made for edit in each.edits):
        overlay.lay(edit)
    return overlay, [item for each in made for item in each.unresolved]


def _text(tree: Overlay, path: str) -> str:
    return (tree.read(path) or b"").decode()


@pytest.mark.parametrize(
    ("user", "told"),
    [
        (_user(), "password_hash of plover"),
        (
            _user(
                password_hash=_hashed("salt-marsh", "sha512"),
                hashing_algorithm="rabbit_password_hashing_sha512",
            ),
            "password_hash of plover",
        ),
        (
            _user(
                password_hash=_hashed("salt-marsh", "md5"),
                hashing_algorithm="rabbit_password_hashing_md5",
            ),
            "password_hash of plover",
        ),
        (_user(password_hash=_hashed("plover")), "password_hash of plover"),
        (_user(**PLAIN), "password of plover"),
        (_user(password_hash=_hashed("nobody-knows-it")), ""),
        (_user(password_hash=""), ""),
        (_user(**NO_HASH), ""),
        (_user(password_hash=_hashed("salt-marsh"), hashing_algorithm="own_hashing"), ""),
    ],
)
def test_detect_tells_a_user_of_definitions_whose_password_is_known(
    user: dict[str, object], told: str
) -> None:
    """A hash tells nothing by itself; of a password that stands elsewhere it is that password."""
    found = [
        name
        for path, name in _told(_tree() | {DEFINITIONS: _definitions(user)})
        if path == DEFINITIONS
    ]
    assert found == ([told] if told else [])


@pytest.mark.parametrize(
    "content", [b"{", b'{"users": [], "permissions": [], "password": 1}', b"[]"]
)
def test_detect_passes_over_what_is_no_definitions(content: bytes) -> None:
    """Other JSON has users and passwords too."""
    assert DEFINITIONS not in dict(_told(_tree() | {DEFINITIONS: content}))


def test_derive_takes_the_servers_account_from_its_environment() -> None:
    """The user leaves the definitions, and a script adds it to a private copy at each start."""
    heron = _user("heron", password_hash=_hashed("nobody-knows-it"))
    files = _tree() | {DEFINITIONS: _definitions(_user(), heron)}
    fixed, left = _fixed(files)
    held = json.loads(_text(fixed, DEFINITIONS))
    assert [item["name"] for item in held["users"]] == ["heron"]
    assert [item["user"] for item in held["permissions"]] == ["heron"]
    assert held["queues"] == [{"name": "tide", "vhost": "/", "durable": True}]
    assert _text(fixed, SETTINGS).endswith("load_definitions = /var/lib/rabbitmq/definitions\n")
    composed = _text(fixed, COMPOSE)
    assert "      - ./broker/rabbitmq-account.sh:/etc/rabbitmq/rabbitmq-account.sh:ro\n" in composed
    assert '    command: ["bash", "/etc/rabbitmq/rabbitmq-account.sh"]\n  reader:' in composed
    assert composed.count("${MQ_PASS:?set it in .env}") == 2
    assert problems(composed.encode()) == ()
    assert not [item for item in left if "broker" in str(item.path)]
    again = MemoryTree({str(path): fixed.read(path) or b"" for path in fixed.paths()})
    assert literals(again, inventory(again)) == ()
    assert not [each for each in GAP.fix(again) if each.edits]


def test_derive_takes_an_account_from_a_variable_that_only_the_example_gives() -> None:
    """The definitions keep in force what whoever copied the example has."""
    example = b"MQ_USER=plover\nMQ_PASS=salt-marsh\n"
    bare = SERVICE.replace(b":-salt-marsh}", b"}").replace(b":-plover}", b"}")
    fixed, left = _fixed(_tree() | {COMPOSE: bare, ".env.example": example})
    assert '"users": [],' in _text(fixed, DEFINITIONS)
    assert "rabbitmq-account.sh:ro" in _text(fixed, COMPOSE)
    assert left == []


def test_derive_mends_all_files_of_an_account_or_none() -> None:
    """Definitions without the user and a server without the script would refuse every client."""
    made = [each for each in GAP.fix(MemoryTree(_tree())) if each.edits]
    held = [{str(edit.path) for edit in each.edits} for each in made]
    assert {COMPOSE, DEFINITIONS, SETTINGS, SCRIPT} in held


def test_derive_leaves_an_empty_list_when_the_account_was_the_only_user() -> None:
    """Loading it says nothing of users then."""
    fixed, _ = _fixed(_tree())
    assert '"users": [],' in _text(fixed, DEFINITIONS)
    assert '"permissions": [],' in _text(fixed, DEFINITIONS)


def test_the_script_hands_the_server_the_hash_of_what_its_environment_says(tmp_path: Path) -> None:
    """Definitions that are loaded after the tree's own bring the account as they had it."""
    fixed, _ = _fixed(_tree())
    text = _text(fixed, SCRIPT)
    assert "/etc/rabbitmq/definitions.json" in text
    text = text.replace("/var/lib/rabbitmq/definitions", str(tmp_path / "loaded"))
    text = text.replace("/etc/rabbitmq/definitions.json", str(tmp_path / "own.json"))
    (tmp_path / "script.sh").write_text(text.replace("chown -R rabbitmq", "true"))
    (tmp_path / "own.json").write_bytes(fixed.read(DEFINITIONS) or b"")
    entry = tmp_path / "docker-entrypoint.sh"
    entry.write_text("#!/bin/sh\necho started $1\n")
    entry.chmod(0o755)
    said = 'Ebb $(tide) "x" \\n%s'
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RABBITMQ_DEFAULT_USER": "plover",
        "RABBITMQ_DEFAULT_PASS": said,
    }
    command = ["bash", str(tmp_path / "script.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "started rabbitmq-server\n"
    loaded = sorted((tmp_path / "loaded").iterdir())
    assert [item.name for item in loaded] == ["10-definitions.json", "20-account.json"]
    assert loaded[1].stat().st_mode & 0o077 == 0
    account = json.loads(loaded[1].read_text())
    raw = base64.b64decode(account["users"][0].pop("password_hash"))
    assert raw[4:] == hashlib.sha256(raw[:4] + said.encode()).digest()
    assert account == {
        "users": [
            {
                "name": "plover",
                "tags": ["monitoring"],
                "hashing_algorithm": "rabbit_password_hashing_sha256",
            }
        ],
        "permissions": json.loads(_definitions(_user()))["permissions"],
    }
    for name in ("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"):
        given = environment | {name: ""}
        refused = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        assert refused.returncode
        assert f"{name}: is not set" in refused.stderr
    given = environment | {"RABBITMQ_DEFAULT_USER": 'a"b'}
    refused = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({COMPOSE: SERVICE.replace(b"rabbitmq:3.13", b"bitnami/rabbitmq:3.13")}, "official image"),
        (
            {COMPOSE: SERVICE.replace(b"    ports", b"    command: run\n    ports")},
            "way of its own",
        ),
        ({"docker-compose.dev.yml": b"services:\n  mq:\n    entrypoint: run\n"}, "way of its own"),
        (
            {COMPOSE: SERVICE.replace(b":-plover}\n", b":-heron}\n")},
            "another RABBITMQ_DEFAULT_USER",
        ),
        ({SETTINGS: b"log.console = true\n"}, "no one configuration"),
        ({SCRIPT: b"echo\n"}, "another rabbitmq-account.sh"),
        (
            {"broker/Dockerfile": b"FROM rabbitmq:3.13\nCOPY . /etc/rabbitmq/\n"},
            "broker/Dockerfile",
        ),
        (
            {"k8s/broker.yaml": b"# rabbitmq\nfiles:\n- definitions.json\n"},
            "k8s/broker.yaml may bring it",
        ),
        (
            {
                "docker-compose.dev.yml": b"services:\n  other:\n    image: x\n    volumes:\n"
                b"      - ./broker/rabbitmq.conf:/etc/rabbitmq/rabbitmq.conf\n"
            },
            "other in docker-compose.dev.yml mounts only one",
        ),
    ],
)
def test_derive_keeps_the_password_where_the_server_cannot_take_it_from_its_environment(
    changed: dict[str, bytes], reason: str
) -> None:
    """The hash would stay in force: with another password its clients would be refused."""
    files = _tree() | changed
    fixed, left = _fixed(files)
    assert _text(fixed, COMPOSE) == files[COMPOSE].decode()
    assert _text(fixed, DEFINITIONS) == files[DEFINITIONS].decode()
    assert _text(fixed, SETTINGS) == files[SETTINGS].decode()
    told = [item for item in left if str(item.path) == DEFINITIONS]
    assert len(told) == 1
    assert reason in told[0].detail
    assert told[0].line == 5
    kept = [item.detail for item in left if str(item.path) == COMPOSE]
    assert kept
    assert all(item.endswith("and in broker/definitions.json") for item in kept)
