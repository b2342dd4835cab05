"""Ask a real broker that was started as compose, or production, would start it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from closeout.gaps.mqtt_tls.broker_conf import TLS_PORT, parse
from closeout.gaps.mqtt_tls.brokers import CONFIG, Broker
from closeout.gaps.mqtt_tls.detect import Survey, survey
from closeout.model import Observation, Probe, ProbeContext
from closeout.probes import mosquitto, mqtt
from closeout.tree import DiskTree, Tree

_SENDER = "probe-device"
_READER = "probe-reader"
_NAMES = ("edge-mqtt-broker", "localhost", "127.0.0.1")
_MAPPED = "container paths mapped to a scratch folder, ports to free ones on loopback, no bridges"
_Question = Callable[["_Stage", mosquitto.Running], tuple[bool, str]]


class _NotThereError(Exception):
    """What the probe asks about does not exist in the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """A broker to start, and which files of the tree it was made from."""

    container: mosquitto.Container
    origin: str
    published: tuple[str, ...]
    acl: bytes


def _compose(context: ProbeContext) -> _Stage:
    tree = DiskTree(context.root)
    seen = survey(tree)
    broker = _broker(seen)
    conf = tree.read(broker.conf) if broker.conf else None
    if conf is None:
        message = f"{broker.compose} gives {broker.name} no configuration of this tree"
        raise _NotThereError(message)
    published = tuple(port.target for port in broker.ports)
    return _stage(tree, broker, conf, f"{broker.compose} with {broker.conf}", published)


def _production(context: ProbeContext) -> _Stage:
    tree = DiskTree(context.root)
    seen = survey(tree)
    broker = _broker(seen)
    for path, _ in seen.production:
        if path.parent == broker.folder:
            conf = tree.read(path) or b""
            return _stage(tree, broker, conf, str(path), (str(TLS_PORT),))
    message = f"there is no production configuration in {broker.folder}"
    raise _NotThereError(message)


def _broker(seen: Survey) -> Broker:
    if not seen.brokers:
        message = "no compose file starts a mosquitto"
        raise _NotThereError(message)
    return seen.brokers[0]


def _stage(
    tree: Tree, broker: Broker, conf: bytes, origin: str, published: tuple[str, ...]
) -> _Stage:
    files, certificates = _mounted(tree, broker)
    secure = [item for item in parse(conf).listeners if item.port == TLS_PORT]
    acl_path = secure[0].value("acl_file") if secure else ""
    acl = files.get(acl_path, b"")
    readers = [item.value for item in parse(acl).directives if item.name == "user"]
    container = mosquitto.Container(
        conf=conf,
        files=files,
        certificates=certificates,
        clients=(_SENDER, readers[0] if readers else _READER),
    )
    return _Stage(container=container, origin=origin, published=published, acl=acl)


def _mounted(tree: Tree, broker: Broker) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the files that mounts bring in, and the certificate folders among the mounts."""
    certs = broker.folder / "certs"
    files: dict[str, bytes] = {}
    certificates: dict[str, str] = {}
    for mount in broker.mounts:
        source, target = mount.source, mount.target
        if source is None or target == CONFIG:
            continue
        if source.is_relative_to(certs):
            certificates[str(target)] = str(source.relative_to(certs)).removeprefix(".")
            continue
        for path in tree.paths():
            if path.is_relative_to(source):
                place = target / path.relative_to(source)
                files[str(PurePosixPath(place))] = tree.read(path) or b""
    return files, certificates


def _probe(
    name: str,
    criterion: str,
    expected: str,
    prepare: Callable[[ProbeContext], _Stage],
    question: _Question,
) -> Probe:
    def run(context: ProbeContext) -> Observation:
        command = "mosquitto -c mosquitto.conf"
        seen = partial(Observation, expected=expected)
        if mosquitto.binary() is None:
            return seen(passed=None, observed="mosquitto is not installed", command=command)
        try:
            stage = prepare(context)
            command = f"mosquitto -c <{stage.origin}>"
            with _tls(stage) as broker:
                passed, observed = question(stage, broker)
        except (_NotThereError, mosquitto.BrokerDownError) as error:
            return seen(passed=False, observed=str(error), command=command)
        return seen(passed=passed, observed=f"{observed} [{_MAPPED}]", command=command)

    return Probe(id=f"mqtt-tls.{name}", criterion=criterion, needs=("mosquitto",), run=run)


@contextmanager
def _tls(stage: _Stage) -> Iterator[mosquitto.Running]:
    with mosquitto.serving(stage.container) as broker:
        if TLS_PORT not in broker.ports:
            message = f"nothing listens on {TLS_PORT} with {stage.origin}"
            raise _NotThereError(message)
        yield broker


def _good(broker: mosquitto.Running) -> str:
    """Return how a client that does everything right fares: no refusal counts without it."""
    context = mqtt.tls_context(broker.ca, broker.pair(_SENDER))
    return mqtt.connect(broker.ports[TLS_PORT], context)


def _handshake(stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    answers = {}
    for name in _NAMES:
        context = mqtt.tls_context(broker.ca, broker.pair(_SENDER))
        answers[name] = mqtt.connect(broker.ports[TLS_PORT], context, name)
    published = str(TLS_PORT) in stage.published
    told = "; ".join(f"{name} {answer}" for name, answer in answers.items())
    passed = published and set(answers.values()) == {"accepted"}
    return passed, told if published else f"{TLS_PORT} is not published; {told}"


def _wrong_name(_stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    context = mqtt.tls_context(broker.ca, broker.pair(_SENDER))
    answer = mqtt.connect(broker.ports[TLS_PORT], context, "broker.example.com")
    return _only(broker, answer)


def _no_certificate(_stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    context = mqtt.tls_context(broker.ca, None)
    return _only(broker, mqtt.connect(broker.ports[TLS_PORT], context))


def _unknown_authority(_stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    context = mqtt.tls_context(broker.ca, broker.strange_pair(_SENDER))
    return _only(broker, mqtt.connect(broker.ports[TLS_PORT], context))


def _plaintext(_stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    return _only(broker, mqtt.connect(broker.ports[TLS_PORT], None))


def _only(broker: mosquitto.Running, answer: str) -> tuple[bool, str]:
    good = _good(broker)
    passed = good == "accepted" and answer.startswith("refused")
    return passed, f"it was {answer}; a good client was {good}"


def _certificates(_stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    keys = [name for name in broker.inside if name.endswith("ca.key")]
    good = _good(broker)
    told = f"{len(broker.inside)} certificate files mounted; a client was {good}"
    if keys:
        return False, f"{told}; the authority's key is in the container at {keys[0]}"
    return bool(broker.inside) and good == "accepted", told


def _anonymous(_stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    good = _good(broker)
    answers = {}
    for configured, port in broker.ports.items():
        secure = mqtt.tls_context(broker.ca, None) if configured == TLS_PORT else None
        answers[configured] = mqtt.connect(port, secure)
    told = "; ".join(f"port {port} {answer}" for port, answer in answers.items())
    passed = good == "accepted" and not any(item == "accepted" for item in answers.values())
    return passed, f"without a login: {told}; a good client was {good}"


def _round_trip(stage: _Stage, broker: mosquitto.Running) -> tuple[bool, str]:
    topic, denied = _topics(stage.acl)
    receiver = stage.container.clients[1]
    answer = mqtt.round_trip(
        broker,
        broker.ports[TLS_PORT],
        sender=_SENDER,
        receiver=receiver,
        topic=topic,
        denied=denied,
    )
    told = f"{_SENDER} to {receiver} on {topic}: {answer}"
    return answer == "received", told if topic == denied else f"{told}; {denied} was kept out"


def _topics(acl: bytes) -> tuple[str, str]:
    """Return a topic that the sender may write, and one of another device that it may not."""
    for item in parse(acl).directives:
        access, _, topic = item.value.rpartition(" ")
        if item.name == "pattern" and "write" in access and "%u" in topic:
            full = topic.replace("#", "probe").replace("+", "probe")
            return full.replace("%u", _SENDER), full.replace("%u", "another-device")
    return "closeout/probe", "closeout/probe"


_STRICT = "name, localhost and address accepted under strict verification"

PROBES = (
    _probe("published-handshake", "8.1", _STRICT, _compose, _handshake),
    _probe("wrong-name", "8.1", "a name it does not carry refused", _compose, _wrong_name),
    _probe("plaintext-refused", "8.1", "plaintext refused on 8883", _compose, _plaintext),
    _probe(
        "mounted-certificate",
        "8.2",
        "certificates come through the mount, the authority's key does not",
        _compose,
        _certificates,
    ),
    _probe("production-handshake", "8.4", _STRICT, _production, _handshake),
    _probe(
        "missing-certificate", "8.4", "no client certificate: refused", _production, _no_certificate
    ),
    _probe(
        "unknown-authority",
        "8.4",
        "a client of another authority refused",
        _production,
        _unknown_authority,
    ),
    _probe("anonymous-refused", "8.4", "no port lets anybody in", _production, _anonymous),
    _probe(
        "production-round-trip",
        "8.4",
        "own topic delivered with QoS 1, another device's kept out",
        _production,
        _round_trip,
    ),
    _probe("round-trip", "M.7", "published and received with QoS 1", _compose, _round_trip),
)
