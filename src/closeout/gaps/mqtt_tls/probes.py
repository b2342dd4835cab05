"""Ask a real broker that was started as compose, or production, would start it."""

from __future__ import annotations

from functools import partial

from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT
from closeout.gaps.mqtt_tls.probing import mosquitto, mqtt
from closeout.gaps.mqtt_tls.probing.over_time import PROBES as OVER_TIME
from closeout.gaps.mqtt_tls.probing.refusal import PROBES as REFUSALS
from closeout.gaps.mqtt_tls.probing.refusal import bad_pair
from closeout.gaps.mqtt_tls.probing.stage import (
    SENDER,
    Stage,
    compose_stage,
    exposed_key,
    good,
    in_production,
    probe,
    refused,
    topics,
)

_NAMES = ("edge-mqtt-broker", "localhost", "127.0.0.1")


def _handshake(stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    answers = {name: mqtt.admission(broker, broker.pair(SENDER), name) for name in _NAMES}
    published = str(TLS_PORT) in stage.published or not stage.published
    told = mqtt.told(answers)
    passed = published and set(answers.values()) == {"accepted"}
    return passed, told if published else f"{TLS_PORT} is not published; {told}"


def _wrong_name(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    return refused(broker, mqtt.admission(broker, broker.pair(SENDER), "broker.example.com"))


def _plaintext(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    return refused(broker, mqtt.connect(broker.ports[TLS_PORT], None))


def _certificates(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    fared, exposed = good(broker), exposed_key(broker)
    told = f"{len(broker.inside)} certificate files mounted; a client was {fared}{exposed}"
    return bool(broker.inside) and fared == "accepted" and not exposed, told


def _anonymous(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    fared = good(broker)
    answers = {}
    for configured, port in broker.ports.items():
        secure = mqtt.tls_context(broker.ca, None) if configured == TLS_PORT else None
        answers[f"port {configured}"] = mqtt.connect(port, secure)
    passed = fared == "accepted" and "accepted" not in answers.values()
    return passed, f"without a login: {mqtt.told(answers)}; a good client was {fared}"


def _round_trip(stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    topic, denied = topics(stage.acl)
    receiver = stage.container.clients[1]
    answer = mqtt.round_trip(
        broker,
        broker.ports[TLS_PORT],
        sender=SENDER,
        receiver=receiver,
        topic=topic,
        denied=denied,
    )
    told = f"{SENDER} to {receiver} on {topic}: {answer}"
    return answer == "received", told if topic == denied else f"{told}; {denied} was kept out"


_STRICT = "name, localhost and address accepted under strict verification"

PROBES = (
    probe(compose_stage, "8.1", "published-handshake", _STRICT, _handshake),
    probe(compose_stage, "8.1", "wrong-name", "a name it does not carry refused", _wrong_name),
    probe(compose_stage, "8.1", "plaintext-refused", "plaintext refused on 8883", _plaintext),
    probe(
        compose_stage,
        "8.2",
        "mounted-certificate",
        "certificates come through the mount, the authority's key does not",
        _certificates,
    ),
    in_production("production-handshake", _STRICT, _handshake),
    in_production(
        "missing-certificate",
        "no client certificate: refused",
        partial(bad_pair, make=lambda *_: None),
    ),
    in_production(
        "unknown-authority",
        "a client of another authority refused",
        partial(bad_pair, make=mosquitto.Running.strange_pair),
    ),
    in_production("anonymous-refused", "no port lets anybody in", _anonymous),
    in_production(
        "production-round-trip",
        "own topic delivered with QoS 1, another device's kept out",
        _round_trip,
    ),
    probe(compose_stage, "M.7", "round-trip", "published and received with QoS 1", _round_trip),
    *REFUSALS,
    *OVER_TIME,
)
