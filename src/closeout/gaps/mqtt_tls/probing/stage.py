"""Start a broker as compose, or production, would start it, and ask it one question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from closeout.fs.tree import DiskTree
from closeout.gaps.mqtt_tls.compose.brokers import CONFIG, Broker, additions
from closeout.gaps.mqtt_tls.detect import Survey, survey
from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT, parse
from closeout.gaps.mqtt_tls.mosquitto.render import LISTENER
from closeout.gaps.mqtt_tls.probing import mosquitto, mqtt
from closeout.model import Observation, Probe, ProbeContext, Tree

SENDER = "probe-device"
_READER = "probe-reader"
_MAPPED = "container paths mapped to a scratch folder, ports to free ones on loopback, no bridges"
Question = Callable[["Stage", mosquitto.Running], tuple[bool, str]]


class NotThereError(Exception):
    """What the probe asks about does not exist in the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A broker to start, and which files of the tree it was made from."""

    container: mosquitto.Container
    origin: str
    published: tuple[str, ...]
    acl: bytes


def compose_stage(context: ProbeContext) -> Stage:
    """Return the broker as the base compose file alone starts it."""
    tree = DiskTree(context.root)
    seen = survey(tree)
    broker = _broker(seen)
    conf = tree.read(broker.conf) if broker.conf else None
    if conf is None:
        message = f"{broker.compose} gives {broker.name} no configuration of this tree"
        raise NotThereError(message)
    published = tuple(port.target for port in broker.ports)
    return _stage(tree, broker, conf, f"{broker.compose} with {broker.conf}", published)


def production_stage(context: ProbeContext) -> Stage:
    """Return the broker on the production configuration, with what its compose file adds."""
    tree = DiskTree(context.root)
    seen = survey(tree)
    broker = _broker(seen)
    for path, _ in seen.production:
        if path.parent == broker.folder:
            conf = tree.read(path) or b""
            added = next(
                (
                    each
                    for _, each in additions(tree, [broker], path)
                    if any(item.source == path and item.target == CONFIG for item in each.mounts)
                ),
                None,
            )
            whole = replace(broker, mounts=(*broker.mounts, *(added.mounts if added else ())))
            stage = _stage(tree, whole, conf, str(path), (str(TLS_PORT),))
            environment = added.variables if added else {}
            return replace(stage, container=replace(stage.container, environment=environment))
    message = f"there is no production configuration in {broker.folder}"
    raise NotThereError(message)


def _broker(seen: Survey) -> Broker:
    if not seen.brokers:
        message = "no compose file starts a mosquitto"
        raise NotThereError(message)
    return seen.brokers[0]


def _stage(
    tree: Tree, broker: Broker, conf: bytes, origin: str, published: tuple[str, ...]
) -> Stage:
    files, certificates = _mounted(tree, broker)
    listener = _listener(tree, broker, conf)
    secure = parse(conf + b"\n" + listener).secure
    acl_path = secure[0].value("acl_file") if secure else ""
    acl = files.get(acl_path, b"")
    readers = parse(acl).values("user")
    container = mosquitto.Container(
        conf=conf,
        files=files,
        certificates=certificates,
        clients=(SENDER, readers[0] if readers else _READER),
        listener=listener,
    )
    return Stage(container=container, origin=origin, published=published, acl=acl)


def _listener(tree: Tree, broker: Broker, conf: bytes) -> bytes:
    """Return the listener that `certs.dev` lets this configuration include."""
    place = parse(conf).value("include_dir")
    is_ours = place and broker.inside(PurePosixPath(place)) == broker.folder / "certs" / "broker"
    return (tree.read(broker.folder / LISTENER) or b"") if is_ours else b""


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


def probe(
    prepare: Callable[[ProbeContext], Stage],
    criterion: str,
    name: str,
    expected: str,
    question: Question,
) -> Probe:
    """Return the probe that starts a stage and puts a question to it."""

    def run(context: ProbeContext) -> Observation:
        command = "mosquitto -c mosquitto.conf"
        seen = partial(Observation, expected=expected)
        if mosquitto.binary() is None:
            return seen(passed=None, observed="mosquitto is not installed", command=command)
        try:
            stage = prepare(context)
            command = f"mosquitto -c <{stage.origin}>"
            with tls(stage) as broker:
                passed, observed = question(stage, broker)
        except (NotThereError, mosquitto.BrokerDownError, mqtt.SessionError) as error:
            return seen(passed=False, observed=str(error), command=command)
        return seen(passed=passed, observed=f"{observed} [{_MAPPED}]", command=command)

    return Probe(id=f"mqtt-tls.{name}", criterion=criterion, needs=("mosquitto",), run=run)


in_production = partial(probe, production_stage, "8.4")
"""Return the probe that puts a question to the broker on its production configuration."""


@contextmanager
def tls(stage: Stage) -> Iterator[mosquitto.Running]:
    """Keep the stage's broker up for the block; raises NotThereError without a TLS listener."""
    with mosquitto.serving(stage.container) as broker:
        if TLS_PORT not in broker.ports:
            message = f"nothing listens on {TLS_PORT} with {stage.origin}{exposed_key(broker)}"
            raise NotThereError(message)
        yield broker


def exposed_key(broker: mosquitto.Running) -> str:
    """Return where in the container the authority's key is, empty where it is not."""
    keys = [name for name in broker.inside if name.endswith("ca.key")]
    return f"; the authority's key is in the container at {keys[0]}" if keys else ""


def good(broker: mosquitto.Running) -> str:
    """Return how a client that does everything right fares: no refusal counts without it."""
    return mqtt.admission(broker, broker.pair(SENDER))


def refused(broker: mosquitto.Running, answer: str) -> tuple[bool, str]:
    """Return whether `answer` is a refusal where a good client is let in."""
    fared = good(broker)
    passed = fared == "accepted" and answer.startswith("refused")
    return passed, f"it was {answer}; a good client was {fared}"


def topics(acl: bytes) -> tuple[str, str]:
    """Return a topic that the sender may write, and one of another device that it may not."""
    for item in parse(acl).directives:
        access, _, topic = item.value.rpartition(" ")
        if item.name == "pattern" and "write" in access and "%u" in topic:
            full = topic.replace("#", "probe").replace("+", "probe")
            return full.replace("%u", SENDER), full.replace("%u", "another-device")
    return "closeout/probe", "closeout/probe"
