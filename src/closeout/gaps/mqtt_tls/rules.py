"""What has to hold of brokers: a listener, its mounts, its instructions, and production."""

from __future__ import annotations

from closeout.gaps.mqtt_tls import detect
from closeout.model import Rule

RULES = (
    Rule(id="tls-listener", criterion="8.1", locate=detect.listeners),
    Rule(id="certificate-mount", criterion="8.2", locate=detect.mounts),
    Rule(id="certificate-instructions", criterion="8.3", locate=detect.instructions),
    Rule(id="production-tls", criterion="8.4", locate=detect.production),
)
