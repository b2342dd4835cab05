"""Ask a real broker that was started as compose, or production, would start it."""

from __future__ import annotations

from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT
from closeout.gaps.mqtt_tls.probing import mosquitto, mqtt
from closeout.gaps.mqtt_tls.probing.over_time import PROBES as OVER_TIME
from closeout.gaps.mqtt_tls.probing.refusal import PROBES as REFUSALS
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
    answers = {}
    for name in _NAMES:
        context = mqtt.tls_context(broker.ca, broker.pair(SENDER))
        answers[name] = mqtt.connect(broker.ports[TLS_PORT], context, name)
    published = str(TLS_PORT) in stage.published or not stage.published
    told = "; ".join(f"{name} {answer}" for name, answer in answers.items())
    passed = published and set(answers.values()) == {"accepted"}
    return passed, told if published else f"{TLS_PORT} is not published; {told}"


def _wrong_name(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    context = mqtt.tls_context(broker.ca, broker.pair(SENDER))
    answer = mqtt.connect(broker.ports[TLS_PORT], context, "broker.example.com")
    return refused(broker, answer)


def _no_certificate(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    context = mqtt.tls_context(broker.ca, None)
    return refused(broker, mqtt.connect(broker.ports[TLS_PORT], context))


def _unknown_authority(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    context = mqtt.tls_context(broker.ca, broker.strange_pair(SENDER))
    return refused(broker, mqtt.connect(broker.ports[TLS_PORT], context))


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
        answers[configured] = mqtt.connect(port, secure)
    told = "; ".join(f"port {port} {answer}" for port, answer in answers.items())
    passed = fared == "accepted" and not any(item == "accepted" for item in answers.values())
    return passed, f"without a login: {told}; a good client was {fared}"


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
    in_production("missing-certificate", "no client certificate: refused", _no_certificate),
    in_production("unknown-authority", "a client of another authority refused", _unknown_authority),
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
