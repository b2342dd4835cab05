"""Production configurations that work: the access list is in force where the broker has it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.engine import rules
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.mqtt_tls import GAP
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse

FOLDER = "site/broker"
CONF = PurePosixPath(FOLDER) / "mosquitto.prod.conf"
COMPOSE = "site/docker-compose.yml"
OVERRIDE = "site/docker-compose.mqtt-prod.yml"
LISTENER = (
    "listener 8883\ncafile /c/ca.crt\ncertfile /c/s.crt\nkeyfile /c/s.key\n"
    "require_certificate true\nuse_identity_as_username true\n"
)
WORKS = f"# For the site.\n{LISTENER}allow_anonymous false\n"
DEVELOPMENT = "listener 1883\nallow_anonymous true\n"
BASE = (
    "services:\n  broker:\n    image: eclipse-mosquitto:2\n    ports:\n"
    '      - "1883:1883"\n    volumes:\n'
    "      - ./broker/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro\n"
)
THEIRS = "      - ./broker/who.acl:/mosquitto/config/who.acl:ro\n"
LAID_OVER = (
    "services:\n  broker:\n    volumes:\n"
    "      - ./broker/mosquitto.prod.conf:/mosquitto/config/mosquitto.conf:ro\n"
)
NAMED = f"{LISTENER}acl_file /mosquitto/config/who.acl\nallow_anonymous false\n"


def site(conf: str = WORKS, **more: str) -> MemoryTree:
    """Return a tree with a broker that has a production configuration."""
    files = {COMPOSE: BASE, f"{FOLDER}/mosquitto.conf": DEVELOPMENT, str(CONF): conf}
    files |= {name.replace("__", "/"): text for name, text in more.items()}
    return MemoryTree({name: text.encode() for name, text in files.items()})


def fixed(base: MemoryTree) -> Overlay:
    """Return the tree after one fix."""
    stage = Overlay(base)
    for changeset in GAP.fix(base):
        for edit in changeset.edits:
            stage.lay(edit)
    return stage


def lists(stage: Overlay) -> list[str]:
    """Return the access list of each listener of production."""
    conf = parse(stage.read(CONF) or b"")
    return [item.value("acl_file") for item in conf.listeners]


def found(base: MemoryTree | Overlay) -> list[str]:
    """Return what is found about production."""
    checks = rules.checks(GAP, base)
    return [item.message for check in checks for item in check.findings if item.path == CONF]


def test_production_is_under_the_list_that_the_same_fix_mounts() -> None:
    """One line comes to what works, below the line that gives clients their name."""
    stage = fixed(site())
    assert (
        "./broker/aclfile:/mosquitto/config/aclfile:ro"
        in (stage.read(PurePosixPath(COMPOSE)) or b"").decode()
    )
    ours = f"{LISTENER}acl_file /mosquitto/config/aclfile\n"
    assert (stage.read(CONF) or b"").decode() == WORKS.replace(LISTENER, ours)
    assert found(stage) == []
    assert GAP.fix(stage) == ()


def test_production_is_under_a_list_that_stands_elsewhere() -> None:
    """It is named where the broker has it, and every listener with names of its own gets it."""
    apart = f"per_listener_settings true\n{WORKS}{WORKS.replace('8883', '9883')}"
    base = site(
        apart,
        **{
            f"{FOLDER}/who.acl": "pattern read a/%u\n",
            f"{FOLDER}/mosquitto.conf": NAMED,
            COMPOSE: f"{BASE}{THEIRS}      - ./broker/certs:/c:ro\n",
            OVERRIDE: LAID_OVER,
        },
    )
    assert found(base) == ["/mosquitto/config/who.acl is mounted and not in force"] * 2
    stage = fixed(base)
    assert lists(stage) == ["/mosquitto/config/who.acl"] * 2
    assert found(stage) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("site/extra.yml", "# kubectl create configmap b --from-file=mosquitto.prod.conf\n"),
        (f"{FOLDER}/Dockerfile.site", "FROM x\nCOPY mosquitto.prod.conf /mosquitto/config/\n"),
        (
            "site/docker-compose.alone.yml",
            BASE.replace("broker/mosquitto.conf", "broker/mosquitto.prod.conf"),
        ),
        (str(CONF), f"{WORKS}acl_file /mosquitto/config/who.acl\n"),
        (f"{FOLDER}/who.acl", "topic readwrite a/#\n"),
        (str(CONF), f"{WORKS}plugin /usr/lib/who.so\n"),
        (
            str(CONF),
            WORKS.replace("use_identity_as_username true", "password_file /p"),
        ),
    ],
    ids=["cluster", "image", "without-the-list", "has-one", "for-nobody", "plugin", "passwords"],
)
def test_production_stays_where_the_list_is_not_everywhere_or_not_wanted(
    name: str, text: str
) -> None:
    """A broker whose list is missing does not start; another's way of sharing topics out stays."""
    listed = {
        f"{FOLDER}/who.acl": "pattern read a/%u\n",
        f"{FOLDER}/mosquitto.conf": NAMED,
        COMPOSE: f"{BASE}{THEIRS}      - ./broker/certs:/c:ro\n",
        OVERRIDE: LAID_OVER,
    }
    assert found(site(**listed)) != []
    base = site(**{**listed, name: text})
    before = (base.read(CONF) or b"").decode()
    assert found(base) == []
    assert (fixed(base).read(CONF) or b"").decode() == before
