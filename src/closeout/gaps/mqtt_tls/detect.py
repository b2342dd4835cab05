"""Find brokers without TLS: in compose, in configurations beside it, in a cluster's manifests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats.compose import files as compose_files
from closeout.formats.dockerfile import instructions as steps
from closeout.fs.reading import stands_in
from closeout.gaps.mqtt_tls.compose.brokers import CERTIFICATES, Broker, brokers, whole
from closeout.gaps.mqtt_tls.kubernetes.manifests import Manifests, manifests
from closeout.gaps.mqtt_tls.mosquitto.configuration import (
    TLS_PORT,
    BrokerConf,
    Problem,
    production_problems,
    tls_problems,
)
from closeout.gaps.mqtt_tls.mosquitto.render import CERTS, hosts
from closeout.gaps.mqtt_tls.production import lacks, unread
from closeout.model import Located, Place, Tree, Unresolved

NAMED_COMPOSE = PurePosixPath("edge-layer/docker-compose.yml")
NAMED_FOLDER = PurePosixPath("edge-layer/edge-mqtt-broker")
LOST_TOPIC = "$SYS/health"
"""A topic that mosquitto never publishes: a health check on it never succeeds."""

LOST_QUOTED = re.compile(rb"(?<=')\$\$?SYS/health(?=')")
"""The same as an image asks for it: `$` is no variable there, doubled it is one too many."""
_WEAK = "it offers suites beyond Mozilla's intermediate profile"
_LOST = f"the health check waits for {LOST_TOPIC}, which is never published"

_CONF = frozenset({".conf"})

_HERE = ("localhost", "127.0.0.1", "::1")
_COMMANDS = re.compile(rb"openssl\s+(?:x509|req)|invoke\s+certs\.dev|cert-manager\.io|mkcert\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What of a tree has to do with MQTT."""

    tree: Tree
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
        """Return the configurations that should speak TLS besides: all that a broker starts with.

        Of those that nothing in the tree starts, the ones without a production one beside them.
        """
        beside = {path.parent for path, _ in self.production}
        return tuple(
            (path, conf)
            for path, conf in self.confs
            if "prod" not in path.name and (path in self.started or path.parent not in beside)
        )

    @property
    def started(self) -> frozenset[PurePosixPath]:
        """Return the configurations that compose starts a broker with."""
        return frozenset(item.conf for item in self.brokers if item.conf)

    @property
    def composes(self) -> frozenset[PurePosixPath]:
        """Return the compose files that start a broker."""
        return frozenset(item.compose for item in self.brokers)

    @property
    def folders(self) -> tuple[PurePosixPath, ...]:
        """Return the folders of the brokers that compose starts."""
        return tuple(sorted({item.folder for item in self.brokers}))

    def dialled(self, folder: PurePosixPath) -> tuple[str, ...]:
        """Return what the certificate of the broker in `folder` has to carry.

        Compose knows it by its service, this machine by loopback, a cluster by name and namespace.
        """
        services = [item.name for item in self.brokers if item.folder == folder]
        clusters = [
            host
            for item in self.manifests
            for host in hosts(item.config.broker, item.config.namespace or "default")
            if not services or item.config.broker in services
        ]
        return tuple(dict.fromkeys([*services, *_HERE, *clusters]))


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
        and (conf := whole(tree, path, [item for item in found if item.conf == path]))
        and (conf.is_broker or path in mounted)
    ]
    unresolved += [item for item in broken if item.path not in compose_files(tree)]
    known = dict(confs)
    return Survey(
        tree=tree,
        brokers=tuple(
            replace(item, settings=known.get(item.conf) if item.conf else None) for item in found
        ),
        confs=tuple(confs),
        manifests=clusters,
        unresolved=tuple(unresolved),
    )


def listeners(seen: Survey) -> Located:
    """Return where clients get no TLS, or get in without it."""
    return Located(
        examined=_sorted(
            [
                *seen.composes,
                *(path for path, _ in seen.others),
                *(item.config.path for item in seen.manifests),
            ]
        ),
        places=(*_published(seen), *_problems(seen.others, tls_problems), *_clustered(seen)),
        unresolved=seen.unresolved,
    )


def mounts(seen: Survey) -> Located:
    """Return the brokers whose container lacks what its TLS listener names."""
    return Located(examined=_sorted(seen.composes), places=tuple(_mounted(seen)))


def instructions(seen: Survey) -> Located:
    """Return the folders that do not say how certificates are made."""
    found = _sorted(folder / "certs" / "README.md" for folder in seen.folders)
    return Located(examined=found, places=tuple(_uninstructive(seen.tree, found)))


def production(seen: Survey) -> Located:
    """Return what production configurations must not have, and where there is none."""
    beside = {path.parent for path, _ in seen.production}
    message = "there is no production configuration"
    absent = (
        _place(folder / "mosquitto.prod.conf", message)
        for folder in seen.folders
        if folder not in beside
    )
    return Located(
        examined=_sorted(path for path, _ in seen.production),
        places=(*_problems(seen.production, production_problems), *_lacking(seen), *absent),
    )


def makes_folder(recipe: bytes) -> bool:
    """Return whether an image has the folder that its configuration includes."""
    return any(item.word == "RUN" and f"mkdir -p {CERTS}" in item.rest for item in steps(recipe))


def lost_topic(broker: Broker, content: bytes) -> bool:
    """Return whether the broker's health check waits for a topic that is never published."""
    node = broker.node.get("healthcheck")
    return node is not None and LOST_TOPIC.encode() in content[node.start : node.end]


def instructive(content: bytes | None) -> bool:
    """Return whether a README says how the server's and the authority's certificates are made."""
    if content is None:
        return False
    return b"ca.crt" in content and b"server.crt" in content and bool(_COMMANDS.search(content))


def _published(seen: Survey) -> Iterator[Place]:
    for broker in seen.brokers:
        if broker.lacks_tls_port:
            yield _of_broker(broker, f"port {TLS_PORT} is not published")
        for port in broker.exposed_ports:
            told = f"plaintext port {port.target} is published on every address"
            yield _of_broker(broker, told)
        if lost_topic(broker, seen.tree.read(broker.compose) or b""):
            yield _of_broker(broker, _LOST)
        if broker.recipe and LOST_QUOTED.search(seen.tree.read(broker.recipe) or b""):
            yield _place(broker.recipe, _LOST)


def _problems(
    confs: Iterable[tuple[PurePosixPath, BrokerConf]],
    problems: Callable[[BrokerConf], Iterable[Problem]],
) -> Iterator[Place]:
    for path, conf in confs:
        for problem in problems(conf):
            yield _place(path, problem.message, problem.line)


def _lacking(seen: Survey) -> Iterator[Place]:
    for item in lacks(seen.tree, seen.brokers, seen.confs):
        for listener in item.weak:
            yield _place(item.path, _WEAK, listener.line)
        for listener in item.open:
            yield _place(item.path, f"{item.acl} is mounted and not in force", listener.line)


def _clustered(seen: Survey) -> Iterator[Place]:
    for item in seen.manifests:
        for problem in production_problems(item.config.conf):
            yield _place(item.config.path, problem.message, item.config.line)
        if unread(item):
            yield _place(item.config.path, "its access list is not in force", item.config.line)
        for path, port in item.plain_ports:
            yield _place(path, "plaintext port 1883 in the cluster", port.line)


def _mounted(seen: Survey) -> Iterator[Place]:
    for broker in seen.brokers:
        conf = broker.settings
        if conf is None or not conf.secure:
            if not any("cert" in str(item.target) for item in broker.mounts):
                yield _of_broker(broker, "no certificate folder is mounted")
        else:
            for path in broker.unmounted(*CERTIFICATES, "acl_file"):
                yield _of_broker(broker, f"{path} is not mounted")
        if conf is not None and conf.value("include_dir") == CERTS:
            if not broker.covers(CERTS):
                yield _of_broker(broker, f"{CERTS} is not mounted: the broker does not start")
            if broker.recipe and not makes_folder(seen.tree.read(broker.recipe) or b""):
                yield _place(broker.recipe, f"its image has no {CERTS}: a broker in it ends")


def _uninstructive(tree: Tree, readmes: Iterable[PurePosixPath]) -> Iterator[Place]:
    for path in readmes:
        content = tree.read(path)
        if not instructive(content):
            what = "does not say" if content is not None else "is missing: nothing says"
            yield _place(path, f"{what} how certificates are made")


def _of_broker(broker: Broker, message: str) -> Place:
    return _place(broker.compose, f"{broker.name}: {message}", broker.line)


def _place(path: PurePosixPath, message: str, line: int = 1) -> Place:
    named = path == NAMED_COMPOSE or path.is_relative_to(NAMED_FOLDER)
    return Place(path=path, line=line, message=message, named=named)


def _is_conf(path: PurePosixPath) -> bool:
    return path.suffix == ".conf" and "mosquitto" in path.name


def _sorted(paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    return tuple(sorted(set(paths)))
