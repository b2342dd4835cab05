"""Say whether a tree runs an MQTT broker at all; in doubt it does."""

from __future__ import annotations

from closeout.formats.holdings import is_deployed_from
from closeout.fs.prefilter import holds_in_any_case, question
from closeout.model import Tree

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
