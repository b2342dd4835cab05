"""What has to hold of brokers: a listener, its mounts, its instructions, and production."""

from __future__ import annotations

from closeout.formats.holdings import is_deployed_from
from closeout.fs.prefilter import holds_in_any_case, question
from closeout.gaps.mqtt_tls import detect
from closeout.model import Rule, Subject, Tree

_BROKERS = (
    *(b"mosquitto", b"emqx", b"vernemq", b"hivemq", b"nanomq", b"activemq", b"rabbitmq_mqtt"),
    b"aedes",
)
_RUNS_BROKER = question(
    (".yml", ".yaml", ".conf", ".json", ".sh", ".tf", ".tpl", ".txt", ""),
    lambda content: holds_in_any_case(content, _BROKERS),
    is_deployed_from,
)
_CONFIGURATION = frozenset({".conf"})


def has_broker(tree: Tree) -> bool:
    """Return whether anything in the tree runs an MQTT broker, ours to judge or not."""
    named = any("mosquitto" in path.name for path in tree.ending(_CONFIGURATION))
    return named or bool(tree.candidates(_RUNS_BROKER))


SUBJECTS = (
    Subject(what="MQTT broker", criteria=("8.1", "8.2", "8.3", "8.4", "M.7"), is_in=has_broker),
)

RULES = (
    Rule(id="tls-listener", criterion="8.1", locate=detect.listeners),
    Rule(id="certificate-mount", criterion="8.2", locate=detect.mounts),
    Rule(id="certificate-instructions", criterion="8.3", locate=detect.instructions),
    Rule(id="production-tls", criterion="8.4", locate=detect.production),
)
