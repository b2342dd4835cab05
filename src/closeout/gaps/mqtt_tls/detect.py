"""Find brokers without TLS: in compose, in configurations beside it, in a cluster's manifests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats.compose import files as compose_files
from closeout.fs.tree import stands_in
from closeout.gaps.mqtt_tls.compose.brokers import Broker, brokers
from closeout.gaps.mqtt_tls.kubernetes.manifests import Manifests, manifests
from closeout.gaps.mqtt_tls.mosquitto.configuration import (
    TLS_PORT,
    BrokerConf,
    Problem,
    parse,
    production_problems,
    tls_problems,
)
from closeout.model import Check, Finding, Tree, Unresolved

SLUG = "mqtt-tls"
NAMED_COMPOSE = PurePosixPath("edge-layer/docker-compose.yml")
NAMED_FOLDER = PurePosixPath("edge-layer/edge-mqtt-broker")
LOST_TOPIC = "$SYS/health"
"""A topic that mosquitto never publishes: a health check on it never succeeds."""

CERTIFICATES = ("cafile", "certfile", "keyfile")
ACCESS = ("acl_file",)

_LOCAL = ("127.", "[::1]", "localhost")
_COMMANDS = re.compile(rb"openssl\s+(?:x509|req)|invoke\s+certs\.dev|cert-manager\.io|mkcert\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What of a tree has to do with MQTT."""

    brokers: tuple[Broker, ...]
    confs: tuple[tuple[PurePosixPath, BrokerConf], ...]
    manifests: tuple[Manifests, ...]
    unresolved: tuple[Unresolved, ...]

    @property
    def production(self) -> tuple[tuple[PurePosixPath, BrokerConf], ...]:
        """Return the configurations whose name says production."""
        return tuple((path, conf) for path, conf in self.confs if "prod" in path.name)

    @property
    def others(self) -> tuple[tuple[PurePosixPath, BrokerConf], ...]:
        """Return the other configurations."""
        return tuple((path, conf) for path, conf in self.confs if "prod" not in path.name)

    @property
    def folders(self) -> tuple[PurePosixPath, ...]:
        """Return the folders of the brokers that compose starts."""
        return tuple(sorted({item.folder for item in self.brokers}))


def survey(tree: Tree) -> Survey:
    """Return everything of `tree` that the rules look at."""
    found: list[Broker] = []
    unresolved: list[Unresolved] = []
    for path in compose_files(tree):
        answer = brokers(tree, path)
        if isinstance(answer, Unresolved):
            unresolved.append(answer)
        else:
            found += answer
    clusters, broken = manifests(tree)
    mounted = {item.conf for item in found if item.conf and stands_in(tree, item.conf)}
    confs = [
        (path, conf)
        for path in sorted({*tree.ending(_CONF), *mounted})
        if (path in mounted or _is_conf(path))
        and (conf := parse(tree.read(path) or b""))
        and (conf.is_broker or path in mounted)
    ]
    unresolved += [item for item in broken if item.path not in compose_files(tree)]
    return Survey(
        brokers=tuple(found),
        confs=tuple(confs),
        manifests=clusters,
        unresolved=tuple(unresolved),
    )


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return the checks of criteria 8.1 to 8.4."""
    seen = survey(tree)
    composes = {item.compose for item in seen.brokers}
    maps = {item.config.path for item in seen.manifests}
    instructions = {folder / "certs" / "README.md" for folder in seen.folders}
    return (
        Check(
            rule="tls-listener",
            criterion="8.1",
            examined=_sorted(composes | {path for path, _ in seen.others} | maps),
            findings=(*_published(tree, seen), *_listening(tree, seen), *_clustered(tree, seen)),
            unresolved=seen.unresolved,
        ),
        Check(
            rule="certificate-mount",
            criterion="8.2",
            examined=_sorted(composes),
            findings=tuple(_mounted(tree, seen)),
        ),
        Check(
            rule="certificate-instructions",
            criterion="8.3",
            examined=_sorted(instructions),
            findings=tuple(_instructed(tree, instructions)),
        ),
        Check(
            rule="production-tls",
            criterion="8.4",
            examined=_sorted(path for path, _ in seen.production),
            findings=tuple(_production(tree, seen)),
        ),
    )


def lost_topic(broker: Broker, content: bytes) -> bool:
    """Return whether the broker's health check waits for a topic that is never published."""
    node = broker.node.get("healthcheck")
    return node is not None and LOST_TOPIC.encode() in content[node.start : node.end]


def instructive(content: bytes | None) -> bool:
    """Return whether a README says how the server's and the authority's certificates are made."""
    if content is None:
        return False
    return b"ca.crt" in content and b"server.crt" in content and bool(_COMMANDS.search(content))


def open_ports(broker: Broker) -> tuple[str, ...]:
    """Return what is wrong with the published ports, as messages."""
    messages = []
    if not any(port.target == str(TLS_PORT) for port in broker.ports):
        messages.append(f"port {TLS_PORT} is not published")
    if any(port.target == "1883" and not port.host.startswith(_LOCAL) for port in broker.ports):
        messages.append("plaintext port 1883 is published on every address")
    return tuple(messages)


def unmounted(
    broker: Broker, conf: BrokerConf, names: tuple[str, ...] = CERTIFICATES
) -> tuple[str, ...]:
    """Return the files that the TLS listener names by `names` and that no mount brings in."""
    secure = [item for item in conf.listeners if item.port == TLS_PORT]
    paths = [item.value(name) for item in secure for name in names if item.value(name)]
    return tuple(path for path in paths if not broker.covers(path))


def _published(tree: Tree, seen: Survey) -> Iterator[Finding]:
    for broker in seen.brokers:
        for message in open_ports(broker):
            yield _compose_finding(tree, broker, "tls-listener", "8.1", message)
        if lost_topic(broker, tree.read(broker.compose) or b""):
            message = f"the health check waits for {LOST_TOPIC}, which is never published"
            yield _compose_finding(tree, broker, "tls-listener", "8.1", message)


def _listening(tree: Tree, seen: Survey) -> Iterator[Finding]:
    for path, conf in seen.others:
        for problem in tls_problems(conf):
            yield _finding(tree, path, "tls-listener", "8.1", problem)


def _clustered(tree: Tree, seen: Survey) -> Iterator[Finding]:
    for item in seen.manifests:
        for problem in production_problems(item.config.conf):
            at = Problem(line=item.config.line, message=problem.message)
            yield _finding(tree, item.config.path, "tls-listener", "8.1", at)
        for port in item.plain_ports:
            at = Problem(line=port.node.line, message="plaintext port 1883 in the cluster")
            yield _finding(tree, port.path, "tls-listener", "8.1", at)


def _mounted(tree: Tree, seen: Survey) -> Iterator[Finding]:
    by_path = dict(seen.confs)
    for broker in seen.brokers:
        conf = by_path.get(broker.conf) if broker.conf else None
        if conf is None or not any(item.port == TLS_PORT for item in conf.listeners):
            fitting = any("cert" in str(item.target) for item in broker.mounts)
            missing: tuple[str, ...] = () if fitting else ("no certificate folder is mounted",)
        else:
            paths = unmounted(broker, conf, (*CERTIFICATES, *ACCESS))
            missing = tuple(f"{path} is not mounted" for path in paths)
        for message in missing:
            yield _compose_finding(tree, broker, "certificate-mount", "8.2", message)


def _instructed(tree: Tree, places: Iterable[PurePosixPath]) -> Iterator[Finding]:
    for path in sorted(places):
        content = tree.read(path)
        if not instructive(content):
            what = "does not say" if content is not None else "is missing: nothing says"
            problem = Problem(line=1, message=f"{what} how certificates are made")
            yield _finding(tree, path, "certificate-instructions", "8.3", problem)


def _production(tree: Tree, seen: Survey) -> Iterator[Finding]:
    for path, conf in seen.production:
        for problem in production_problems(conf):
            yield _finding(tree, path, "production-tls", "8.4", problem)
    beside = {path.parent for path, _ in seen.production}
    for folder in seen.folders:
        if folder not in beside:
            problem = Problem(line=1, message="there is no production configuration")
            path = folder / "mosquitto.prod.conf"
            yield _finding(tree, path, "production-tls", "8.4", problem)


def _compose_finding(
    tree: Tree, broker: Broker, rule: str, criterion: str, message: str
) -> Finding:
    problem = Problem(line=broker.line, message=f"{broker.name}: {message}")
    return _finding(tree, broker.compose, rule, criterion, problem)


def _finding(
    tree: Tree, path: PurePosixPath, rule: str, criterion: str, problem: Problem
) -> Finding:
    lines = (tree.read(path) or b"").splitlines()[problem.line - 1 : problem.line]
    return Finding(
        gap=SLUG,
        rule=rule,
        criterion=criterion,
        path=path,
        line=problem.line,
        message=problem.message,
        excerpt=lines[0].decode("utf-8", "replace").strip() if lines else "",
        named=path == NAMED_COMPOSE or path.is_relative_to(NAMED_FOLDER),
    )


_CONF = frozenset({".conf"})


def _is_conf(path: PurePosixPath) -> bool:
    return path.suffix == ".conf" and "mosquitto" in path.name


def _sorted(paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    return tuple(sorted(set(paths)))
