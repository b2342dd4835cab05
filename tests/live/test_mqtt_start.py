"""The real mosquitto on a fresh clone, and with certificates: who was served still is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from closeout import process
from closeout.fs.tree import DiskTree, Overlay
from closeout.gaps.mqtt_tls import GAP, certificates
from closeout.gaps.mqtt_tls.probing import mosquitto, mqtt
from closeout.gaps.mqtt_tls.probing.mqtt import session
from closeout.gaps.mqtt_tls.probing.stage import Stage, compose_stage, production_stage
from closeout.model import ProbeContext
from tests.gaps.test_mqtt_cluster import FILES as CLUSTER
from tests.gaps.test_mqtt_tls import MUTUAL
from tests.support.builders import write_files

pytestmark = [pytest.mark.live, pytest.mark.needs("mosquitto")]

COMPOSE = b"""services:
  bus:
    image: eclipse-mosquitto:2
    ports:
      - "1883:1883"
    volumes:
      - ./bus/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro
"""
CONFIGURATIONS = {
    "one listener": b"listener 1883\nallow_anonymous true\n",
    "shared after the last": b"listener 1883\nlistener 1884\nallow_anonymous true\n",
    "shared before the first": b"allow_anonymous true\nlistener 1883\nlistener 1884\n",
    "the last one counts": b"listener 1883\nallow_anonymous false\nlistener 1884\n"
    b"allow_anonymous true",
    "closed": b"listener 1883\nlistener 1884\nallow_anonymous false\n",
    "apart": b"per_listener_settings true\nlistener 1883\nallow_anonymous true\nlistener 1884\n",
    "said to be shared": b"per_listener_settings false\r\nlistener 1883\r\nlistener 1884\r\n"
    b"allow_anonymous true\r\n",
    "deprecated": b"allow_anonymous true\nport 1883\n",
}


def fixed(root: Path, conf: bytes) -> Path:
    """Return a tree with one broker, fixed."""
    return laid(root, {"docker-compose.yml": COMPOSE, "bus/mosquitto.conf": conf})


def laid(root: Path, files: dict[str, bytes]) -> Path:
    """Return a tree of these files, fixed."""
    write_files(root, files)
    stage = Overlay(DiskTree(root))
    for changeset in GAP.fix(stage):
        assert changeset.unresolved == ()
        for edit in changeset.edits:
            stage.lay(edit)
    write_files(root, {str(edit.path): edit.after for edit in stage.edits})
    return root


def staged(root: Path, scratch: Path) -> Stage:
    """Return the broker as compose starts it."""
    return compose_stage(ProbeContext(root=root, scratch=scratch))


def answers(broker: mosquitto.Running) -> dict[int, str]:
    """Return how a client without a login fares on each plaintext port."""
    plain = {port: used for port, used in broker.ports.items() if port != 8883}
    return {port: mqtt.connect(used, None).partition(":")[0] for port, used in plain.items()}


@pytest.mark.parametrize("conf", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_plaintext_is_served_as_before_with_and_without_certificates(
    conf: bytes, tmp_path: Path
) -> None:
    """A clone without certificates starts as it did; with them there is TLS besides."""
    write_files(tmp_path / "was", {"docker-compose.yml": COMPOSE, "bus/mosquitto.conf": conf})
    with mosquitto.serving(staged(tmp_path / "was", tmp_path).container) as broker:
        before = answers(broker)
    stage = staged(fixed(tmp_path / "tree", conf), tmp_path)
    with mosquitto.serving(replace(stage.container, has_certificates=False)) as broker:
        assert answers(broker) == before
        assert 8883 not in broker.ports
    with mosquitto.serving(stage.container) as broker:
        assert answers(broker) == before
        good = mqtt.tls_context(broker.ca, broker.pair("probe-device"))
        bare = mqtt.tls_context(broker.ca, None)
        assert mqtt.connect(broker.ports[8883], good) == "accepted"
        assert mqtt.connect(broker.ports[8883], bare).startswith("refused")


def test_loopback_is_served_when_there_was_no_listener(tmp_path: Path) -> None:
    """Without any listener the broker serves its own machine: it still does."""
    stage = staged(fixed(tmp_path, b"allow_anonymous true\n"), tmp_path)
    with mosquitto.serving(stage.container) as broker:
        assert answers(broker) == {1883: "accepted"}


def test_listener_comes_and_goes_with_the_certificates(tmp_path: Path) -> None:
    """`certs.dev` copies it, `certs.renew` keeps the copy in step, also when it is gone."""
    bus = fixed(tmp_path, CONFIGURATIONS["one listener"]) / "bus"
    source, copy = bus / "tls-listener.conf", bus / "certs" / "broker" / "tls-listener.conf"
    assert not copy.exists()
    certificates.issue(bus / "certs")
    assert copy.read_bytes() == source.read_bytes()
    source.write_bytes(source.read_bytes() + b"max_connections 7\n")
    certificates.renew(bus / "certs")
    assert copy.read_bytes() == source.read_bytes()
    certificates.reissue(bus / "certs")
    assert copy.read_bytes() == source.read_bytes()
    source.unlink()
    certificates.renew(bus / "certs")
    assert not copy.exists()


SERVICE = b"""  ledger:
    build: ./ledger
    environment:
      - BUS_URL=mqtt://bus:1883
"""
LEDGER = b"""import mqtt from 'mqtt'
const client = mqtt.connect(process.env.BUS_URL)
client.on('connect', () => client.subscribe('barn/+/+/milk', { qos: 1 }))
"""
AGENT = b"""import paho.mqtt.client as mqtt

client = mqtt.Client()
client.publish(f"barn/{BARN}/{DEVICE_ID}/milk", "7")
"""
EXAMPLE = b"topic readwrite feed/%c/#\n\nuser admin\ntopic readwrite #\n"
FARM = {
    "docker-compose.yml": COMPOSE + SERVICE,
    "bus/mosquitto.conf": CONFIGURATIONS["one listener"],
    "bus/aclfile.example": EXAMPLE,
    "ledger/src/index.ts": LEDGER,
    "agent/main.py": AGENT,
}


@pytest.mark.parametrize(
    ("receiver", "topic", "denied"),
    [
        ("ledger", "barn/north/probe-device/milk", "barn/north/other-device/milk"),
        ("admin", "feed/probe-device/silo", "feed/other-device/silo"),
    ],
)
def test_tls_serves_the_topics_of_the_tree(
    receiver: str, topic: str, denied: str, tmp_path: Path
) -> None:
    """Those in its clients' code and those in its example; another device's are kept out."""
    stage = staged(laid(tmp_path, FARM), tmp_path)
    container = replace(stage.container, clients=("probe-device", receiver))
    with mosquitto.serving(container) as broker:
        answer = mqtt.round_trip(
            broker,
            broker.ports[8883],
            sender="probe-device",
            receiver=receiver,
            topic=topic,
            denied=denied,
        )
    assert answer == "received"


def test_session_outlives_a_client_that_takes_its_id(tmp_path: Path) -> None:
    """The name in the certificate is the id, whatever a client calls itself."""
    stage = staged(laid(tmp_path, FARM), tmp_path)
    container = replace(stage.container, clients=("probe-device", "ledger"))
    with (
        mosquitto.serving(container) as broker,
        session(broker, broker.ports[8883], "ledger") as held,
    ):
        held.subscribe("barn/+/+/milk")
        thief = mqtt.paho_client(broker, "probe-device", client_id="closeout-ledger")
        thief.connect("127.0.0.1", broker.ports[8883])
        thief.loop_start()
        sent = thief.publish("barn/north/probe-device/milk", b"7", qos=1)
        sent.wait_for_publish(timeout=60)
        assert held.next()[0] == "barn/north/probe-device/milk"
        assert held.drops == 0
        thief.disconnect()
        thief.loop_stop()


def test_exporter_of_a_pod_is_served_on_loopback_and_clients_over_tls(tmp_path: Path) -> None:
    """The configuration of a cluster, started: plaintext for the pod's own, TLS for all others."""
    files = {f"k8s/bus/{name}": text.encode() for name, text in CLUSTER.items()}
    root = laid(tmp_path, files)
    held = yaml.safe_load((root / "k8s" / "bus" / "config.yaml").read_text())["data"]
    container = mosquitto.Container(
        conf=held["mosquitto.conf"].encode(),
        files={"/mosquitto/lists/aclfile": held["aclfile"].encode()},
        certificates={"/mosquitto/certs": "broker"},
        clients=("probe-device",),
    )
    with mosquitto.serving(container) as broker:
        good = mqtt.tls_context(broker.ca, broker.pair("probe-device"))
        assert mqtt.connect(broker.ports[8883], good) == "accepted"
        assert answers(broker) == {1883: "accepted"}


@pytest.mark.needs("openssl")
def test_production_that_worked_refuses_suites_beyond_the_intermediate_profile(
    tmp_path: Path,
) -> None:
    """Its own certificate, of whatever key, is still served by those that stay."""
    root = laid(tmp_path, FARM | {"bus/mosquitto.prod.conf": MUTUAL.encode()})
    stage = production_stage(ProbeContext(root=root, scratch=tmp_path))
    with mosquitto.serving(stage.container) as broker:
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{broker.ports[8883]}", "-tls1_2"]
        certificate, key = broker.pair("probe-device")
        argv += ["-cert", str(certificate), "-key", str(key), "-CAfile", str(broker.ca), "-cipher"]
        codes = {
            suite: process.run([*argv, suite], deadline=10).code
            for suite in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256")
        }
    assert codes == {"ECDHE-ECDSA-AES128-SHA256": 1, "ECDHE-ECDSA-AES128-GCM-SHA256": 0}
