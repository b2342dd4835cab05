"""Ask whether production refuses every certificate and protocol that it must refuse."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial

from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT
from closeout.gaps.mqtt_tls.probing import credentials, mosquitto, mqtt
from closeout.gaps.mqtt_tls.probing.stage import (
    SENDER,
    Stage,
    good,
    in_production,
    refused,
)

_OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
_NEW = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
_Maker = Callable[[mosquitto.Running, str], mosquitto.Pair | None]


def bad_pair(_stage: Stage, broker: mosquitto.Running, *, make: _Maker) -> tuple[bool, str]:
    """Ask with a pair that must not be let in, or without any."""
    return refused(broker, mqtt.admission(broker, make(broker, SENDER)))


def _old_versions(_stage: Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    """Ask with each version alone; a refusal counts where the broker says it, not this client."""
    answers = {}
    for version in (*_OLD, *_NEW):
        context = mqtt.only(mqtt.tls_context(broker.ca, broker.pair(SENDER)), version)
        answers[version.name] = mqtt.connect(broker.ports[TLS_PORT], context)
    old = all("ALERT_PROTOCOL_VERSION" in answers[version.name] for version in _OLD)
    new = {answers[version.name] for version in _NEW} == {"accepted"}
    return old and new and good(broker) == "accepted", mqtt.told(answers)


PROBES = (
    in_production(
        "expired-certificate",
        "a client whose certificate has ended refused",
        partial(bad_pair, make=credentials.expired),
    ),
    in_production(
        "early-certificate",
        "a client whose certificate has not begun refused",
        partial(bad_pair, make=credentials.not_yet_valid),
    ),
    in_production(
        "self-signed-certificate",
        "a client that vouches for itself refused",
        partial(bad_pair, make=credentials.self_signed),
    ),
    in_production(
        "old-tls-refused",
        "TLS 1.0 and 1.1 refused by the broker, 1.2 and 1.3 accepted",
        _old_versions,
    ),
)
