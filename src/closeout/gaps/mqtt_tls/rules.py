"""What has to hold of brokers: a listener, its mounts, its instructions, and production."""

from __future__ import annotations

from closeout.gaps.mqtt_tls import detect
from closeout.gaps.mqtt_tls.subject import has_broker
from closeout.model import Rule, Subject

SUBJECTS = (
    Subject(what="MQTT broker", criteria=("8.1", "8.2", "8.3", "8.4", "M.7"), is_in=has_broker),
)

RULES = (
    Rule(id="tls-listener", criterion="8.1", locate=detect.listeners),
    Rule(id="certificate-mount", criterion="8.2", locate=detect.mounts),
    Rule(id="certificate-instructions", criterion="8.3", locate=detect.instructions),
    Rule(id="production-tls", criterion="8.4", locate=detect.production),
)
