"""Who talks to a broker, and about what: read from code and from an example, never ours."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.mqtt_tls import GAP
from closeout.gaps.mqtt_tls.access.callers import Callers, callers
from closeout.gaps.mqtt_tls.access.listing import access_list, fed
from closeout.gaps.mqtt_tls.access.topics import Topic, topics
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse
from closeout.gaps.mqtt_tls.mosquitto.render import instructions

COMPOSE = b"""services:
  bus:
    image: eclipse-mosquitto:2
    volumes:
      - ./bus/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro
  ledger:
    build: ./ledger
    environment:
      - BUS_URL=mqtt://bus:1883
  web:
    build: ./web
    environment:
      - API=http://ledger:3000
"""
CONF = b"listener 1883\nallow_anonymous true\n"
LEDGER = b"""import mqtt from 'mqtt'
const client = mqtt.connect(process.env.BUS_URL)
client.on('connect', () => {
  client.subscribe(['barn/+/milk', 'barn/+/feed'], { qos: 1 })
  client.publish(`ledger/${process.env.SITE}/totals`, '{}')
})
"""
AGENT = b"""import paho.mqtt.client as mqtt

def status_topic(config):
    return (
        f"barn/{config.barn}/"
        f"{config.device_id}/status"
    )

client = mqtt.Client()
client.publish(f"barn/{BARN}/milk", "7")
client.subscribe(f"barn/{DEVICE_ID}/orders")
"""
TREE = {
    "docker-compose.yml": COMPOSE,
    "bus/mosquitto.conf": CONF,
    "ledger/src/index.ts": LEDGER,
    "agent/main.py": AGENT,
}


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("a.ts", "client.subscribe('a/b')", [Topic(name="a/b", access="read")]),
        ("a.ts", "x.publish(`a/${deviceId}/b`, y)", [Topic(name="a/%u/b", access="write")]),
        ("a.ts", "const topic = `a/${d.id}/x-${n}`", [Topic(name="a/+/+", access="readwrite")]),
        ("a.ts", "const s = [{ topic: 'a/+/b' }]", [Topic(name="a/+/b", access="read")]),
        ("a.ts", "x.subscribe('$share/g/a/#')", [Topic(name="a/#", access="read")]),
        (
            "a.js",
            "class A { topic() { return `a/${device.id}` } }",
            [Topic(name="a/%u", access="readwrite")],
        ),
        ("a.py", "c.subscribe([f'a/{self.device_id}/b'])", [Topic(name="a/%u/b", access="read")]),
        ("a.py", "TOPIC = f'a/{x}'\nc.publish(TOPIC)", [Topic(name="a/+", access="write")]),
        ("a.py", "c.will_set('a/b', 'x')", [Topic(name="a/b", access="write")]),
        # Near misses: a path, a type, a word, a text, a name that is no topic's, no topic at all.
        ("a.ts", "fetch('/api/topics/a')", []),
        ("a.ts", "import { topic } from './a/topic'", []),
        ("a.ts", "const topic = 'milk'", []),
        ("a.ts", "log.info('topic', 'a/b')", []),
        ("a.ts", "const topic = 'a text with a / in it'", []),
        ("a.ts", "const topic = `${a}/${b}`", []),
        ("a.py", "path = f'a/{x}'", []),
        ("a.py", "topic = 'https://a/b c'", []),
        ("a.py", "def broken(:", []),
    ],
)
def test_topics_are_read_from_code(name: str, source: str, expected: list[Topic]) -> None:
    """What is subscribed to, published and called a topic; nothing else."""
    assert list(topics(PurePosixPath(name), source.encode())) == expected


def test_callers_are_services_of_compose_and_devices() -> None:
    """A service is who compose tells where the broker is; all other clients are devices."""
    found = callers(MemoryTree(TREE), ["bus"])
    assert found.services == {
        "ledger": (
            Topic(name="barn/+/milk", access="read"),
            Topic(name="barn/+/feed", access="read"),
            Topic(name="ledger/+/totals", access="write"),
        )
    }
    assert {item.name for item in found.devices} == {
        "barn/+/%u/status",
        "barn/+/milk",
        "barn/%u/orders",
    }
    assert found.several == ()


def test_callers_tell_who_needs_more_than_one_connection() -> None:
    """A second connection of a service, or a second program on a device; a script is neither."""
    second = b"import mqtt from 'mqtt'\nexport const other = mqtt.default.connect(url)\n"
    found = callers(MemoryTree(TREE | {"ledger/src/other.ts": second}), ["bus"])
    assert found.several == ("ledger",)
    found = callers(MemoryTree(TREE | {"probe/main.py": AGENT}), ["bus"])
    assert found.several == ("agent", "probe")
    aside = {"ledger/scripts/try.ts": second, "tools/try/main.py": AGENT}
    assert callers(MemoryTree(TREE | aside), ["bus"]).several == ()


def test_access_list_turns_topics_above_every_user_into_patterns() -> None:
    """They would be for clients without a login alone, and the broker puts nothing for %c there."""
    example = b"# a\ntopic readwrite barn/%c/#\ntopic notes/#\nuser admin\ntopic readwrite #\n"
    made = parse(access_list(example)).directives
    assert [(item.name, item.value) for item in made] == [
        ("pattern", "readwrite barn/%u/#"),
        ("pattern", "readwrite notes/#"),
        ("user", "admin"),
        ("topic", "readwrite #"),
    ]


def test_access_list_lets_a_service_use_all_when_nothing_says_what_it_uses() -> None:
    """It could before; where the example speaks of it, that is what it may."""
    known = Callers(services={"ledger": (), "admin": ()})
    text = access_list(b"user admin\ntopic read a/#\n", known).decode()
    assert "user admin\ntopic read a/#\n\nuser ledger\ntopic readwrite #\n" in text


@pytest.mark.parametrize(
    ("awaited", "devices", "expected"),
    [
        # The same form: its own name, whatever else it says there.
        ("barn/+/+/feed", ["write barn/+/%u/milk"], ("barn/+/%u/feed",)),
        ("barn/+/+/+", ["readwrite barn/+/%u/milk"], ("barn/+/%u/+",)),
        # Nobody in the tree publishes it: somebody does.
        ("barn/+/eggs", [], ("barn/+/eggs",)),
        ("barn/+/eggs", ["write silo/%u/level"], ("barn/+/eggs",)),
        ("barn/+/eggs", ["read barn/%u/eggs"], ("barn/+/eggs",)),
        # A topic of the tree's devices fits already.
        ("barn/#", ["write barn/+/milk"], ()),
        ("barn/+/milk", ["write barn/+/milk"], ()),
        ("barn/milk/#", ["write barn/milk"], ()),
    ],
)
def test_devices_may_publish_what_services_wait_for(
    awaited: str, devices: list[str], expected: tuple[str, ...]
) -> None:
    """A device whose code is elsewhere is not cut off, nor let into another's topics."""
    spoken = [item.split() for item in devices]
    known = Callers(
        services={"ledger": (Topic(name=awaited, access="read"),)},
        devices=tuple(Topic(name=name, access=access) for access, name in spoken),
    )
    assert fed(known) == expected


def test_access_list_is_open_and_says_so_when_nothing_is_known() -> None:
    """No topic of ours stands in a tree that has others; a certificate is still needed."""
    text = access_list(None).decode()
    assert "Narrow it" in text
    assert text.endswith("\npattern readwrite #\n")


@pytest.mark.parametrize("doubled", [False, True])
def test_derive_binds_the_client_id_to_the_name_unless_one_needs_two(doubled: bool) -> None:
    """With `use_username_as_clientid` two connections of one name end each other without end."""
    more = {"ledger/src/other.ts": LEDGER} if doubled else {}
    stage = Overlay(MemoryTree(TREE | more))
    for changeset in GAP.fix(stage):
        for edit in changeset.edits:
            stage.lay(edit)
    for name in ("bus/tls-listener.conf", "bus/mosquitto.prod.conf"):
        conf = parse(stage.read(PurePosixPath(name)) or b"")
        assert conf.value("use_username_as_clientid") == ("" if doubled else "true")
    assert (
        b"#   ledger\n" in (stage.read(PurePosixPath("bus/tls-listener.conf")) or b"")
    ) == doubled


def test_instructions_tell_who_has_to_be_moved_and_the_override_who_would_be_cut_off() -> None:
    """Each client of the tree that dials plaintext is named; one that dials TLS is not."""
    moved = COMPOSE.replace(b"API=http://ledger:3000", b"BUS=mqtts://bus:8883")
    stage = Overlay(MemoryTree(TREE | {"docker-compose.yml": moved}))
    for changeset in GAP.fix(stage):
        for edit in changeset.edits:
            stage.lay(edit)
    readme = (stage.read(PurePosixPath("bus/certs/README.md")) or b"").decode()
    rows = [line for line in readme.splitlines() if line.startswith("| ") and "told" not in line]
    assert "| ledger | `docker-compose.yml` | `BUS_URL` |" in rows
    assert "| a device | `agent` | its own settings |" in rows
    assert not [row for row in rows if "web" in row]
    assert "-p 8883 " in readme
    assert "5101" not in readme
    override = (stage.read(PurePosixPath("docker-compose.mqtt-prod.yml")) or b"").decode()
    assert "#   ledger\nservices:" in override


STATION = b"""import paho.mqtt.client as mqtt

class Scale:
    def __init__(self, config):
        self.client = mqtt.Client(client_id=config.device_id)
        self.client.will_set(f"barn/{config.barn}/{config.device_id}/state", "gone")

    def tell(self, config, sow, text):
        topic = f"scale/{config.barn}/{config.stall_id}/sow/{sow}"
        self.client.publish(topic, text)
"""
OPEN = "pattern write scale/+/+/sow/+"


def test_topic_without_the_name_of_a_certificate_is_told_to_be_open_to_all() -> None:
    """A stall is not known to be the device: who published before still may, and it is said."""
    stage = Overlay(MemoryTree(TREE | {"agent/main.py": STATION}))
    for changeset in GAP.fix(stage):
        for edit in changeset.edits:
            stage.lay(edit)
    lines = (stage.read(PurePosixPath("bus/aclfile")) or b"").decode().splitlines()
    patterns = [line for line in lines if line.startswith("pattern")]
    assert [line for line in patterns if "%u" in line] == ["pattern write barn/+/%u/state"]
    told = lines.index(next(line for line in lines if "Open to every certificate" in line))
    assert lines.index(patterns[0]) < told < lines.index(OPEN)
    readme = (stage.read(PurePosixPath("bus/certs/README.md")) or b"").decode()
    section = readme.split("## What every certificate may use")[1].split("\n## ")[0]
    told = [line for line in section.splitlines() if line.startswith("- ")]
    assert f"- `{OPEN.removeprefix('pattern ')}`" in told
    assert not [line for line in told if "%u" in line]
    assert GAP.fix(stage) == ()


def test_list_whose_patterns_all_have_the_name_says_nothing_of_open_topics() -> None:
    """A near miss: what is denied is not open, and a service's topics stand under its user."""
    denied = b"pattern deny notes/#\ntopic readwrite barn/%c/#\nuser admin\ntopic readwrite #\n"
    text = access_list(denied)
    assert b"Open to every" not in text
    assert b"pattern deny notes/#" in text
    assert b"What every certificate may use" not in instructions(text, folder="bus/certs")


def test_every_block_of_the_instructions_that_works_in_their_folder_goes_there_first() -> None:
    """It is read from the monorepo's top, where keys would stand in what git takes."""
    made = {name.replace("bus/", "farm/the bus/"): text for name, text in TREE.items()}
    made["docker-compose.yml"] = COMPOSE.replace(b"./bus/", b"./farm/the bus/")
    stage = Overlay(MemoryTree(made))
    for changeset in GAP.fix(stage):
        for edit in changeset.edits:
            stage.lay(edit)
    readme = (stage.read(PurePosixPath("farm/the bus/certs/README.md")) or b"").decode()
    blocks = re.findall(r"(?s)```bash\n(.*?)```", readme)
    inside = [block for block in blocks if not block.startswith("invoke ")]
    assert len(inside) == 3
    for block in inside:
        assert block.startswith("cd 'farm/the bus/certs'  "), block
