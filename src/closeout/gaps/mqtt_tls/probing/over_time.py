"""Ask what becomes of clients and messages while production is restarted, renewed, rotated."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from closeout.gaps.mqtt_tls import certificates
from closeout.gaps.mqtt_tls.certificates.rotation import Step, rotate
from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT
from closeout.gaps.mqtt_tls.probing import mosquitto, mqtt
from closeout.gaps.mqtt_tls.probing.mqtt import session
from closeout.gaps.mqtt_tls.probing.stage import SENDER, Stage, in_production, topics
from closeout.process import pace

_RELOAD = 20.0
"""Seconds until a renewed certificate is served."""


def _retained(stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    topic, _ = topics(stage.acl)
    port, reader = broker.ports[TLS_PORT], stage.container.clients[1]
    with session(broker, port, SENDER) as sender:
        sender.publish(topic, b"kept", retain=True)
    broker.restart()
    with session(broker, port, reader) as receiver:
        receiver.subscribe(topic)
        got = receiver.next()
    return got == (topic, b"kept", True), f"after the restart {reader} got {got}"


def _reload(stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    topic, _ = topics(stage.acl)
    port, reader = broker.ports[TLS_PORT], stage.container.clients[1]
    with session(broker, port, reader) as receiver, session(broker, port, SENDER) as sender:
        receiver.subscribe(topic)
        before = _shown(broker)
        certificates.renew(broker.certs, within=timedelta(days=4000))
        broker.hang_up()
        wait = pace.Waiting(_RELOAD)
        while _shown(broker) in {before, b""} and wait.lasts():
            time.sleep(0.05)
        changed = _shown(broker) not in {before, b""}
        sender.publish(topic, b"after")
        arrived = receiver.next()[1] == b"after"
        drops = receiver.drops + sender.drops
    told = f"new certificate served: {changed}; clients dropped: {drops}; message came: {arrived}"
    return changed and arrived and not drops, told


def _rotation(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    """Rotate; after each step ask as a client that did what the step before asked for."""
    answers = []
    holdings = [_holding(broker, "old")]
    for step, renew in (
        (Step.TRUST, broker.restart),
        (Step.SIGN, broker.hang_up),
        (Step.RETIRE, broker.restart),
    ):
        before = _shown(broker)
        rotate(broker.certs, step)
        renew()
        wait = pace.Waiting(_RELOAD)
        while step is Step.SIGN and _shown(broker) == before and wait.lasts():
            time.sleep(0.05)
        holdings.append(_holding(broker, step.value))
        answers += [
            f"{step.value}: {place.name} {_asked(broker, place)}" for place in holdings[-2:]
        ]
    left_behind = _asked(broker, holdings[0])
    passed = all(item.endswith(" accepted") for item in answers)
    told = "; ".join([*answers, f"at the end the old one was {left_behind}"])
    return passed and left_behind.startswith("refused"), told


def _holding(broker: mosquitto.Running, name: str) -> Path:
    """Return a folder with what a client holds at this moment."""
    place = broker.stranger / name
    place.mkdir()
    for path in (broker.ca, *broker.pair(SENDER)):
        (place / path.name).write_bytes(path.read_bytes())
    return place


def _asked(broker: mosquitto.Running, place: Path) -> str:
    pair = (place / f"{SENDER}.crt", place / f"{SENDER}.key")
    return mqtt.connect(broker.ports[TLS_PORT], mqtt.tls_context(place / "ca.crt", pair))


def _shown(broker: mosquitto.Running) -> bytes:
    return mqtt.served(broker.ports[TLS_PORT], mqtt.tls_context(broker.ca, broker.pair(SENDER)))


PROBES = (
    in_production("retained-over-restart", "a retained message outlives a restart", _retained),
    in_production(
        "reload-after-renewal", "SIGHUP serves the renewed certificate and drops nobody", _reload
    ),
    in_production(
        "authority-rotation",
        "at every step of a rotation prepared clients are let in, the old one not at the end",
        _rotation,
    ),
)
