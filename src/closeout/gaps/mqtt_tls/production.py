"""Find what a production configuration that works still lacks: narrow suites, the access list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.fs.prefilter import question
from closeout.gaps.mqtt_tls.compose.brokers import Broker, additions
from closeout.gaps.mqtt_tls.kubernetes.manifests import Manifests
from closeout.gaps.mqtt_tls.mosquitto.configuration import (
    BrokerConf,
    Listener,
    parse,
    production_problems,
    weak_listeners,
)
from closeout.gaps.mqtt_tls.mosquitto.render import CERTS
from closeout.model import Tree

Configurations = tuple[tuple[PurePosixPath, BrokerConf], ...]
_LISTS = frozenset({"acl_file", "plugin", "auth_plugin"})
_MAY_START = question(
    (".yml", ".yaml", ".tpl", ".sh", ".ps1"),
    lambda content: b"mosquitto" in content,
    lambda path: "node_modules" not in path.parts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What the listeners of one working configuration lack."""

    path: PurePosixPath
    weak: tuple[Listener, ...]
    """They offer more than the intermediate profile."""
    open: tuple[Listener, ...]
    """They know their clients by name and let each do everything."""
    acl: str
    """Where everyone who starts it has the access list in the container; empty if not `open`."""


def lacks(tree: Tree, brokers: Iterable[Broker], confs: Configurations) -> Iterator[Lack]:
    """Yield what is missing in each of the production configurations `confs` that works."""
    by_path = dict(confs)
    for path, conf in confs:
        if "prod" not in path.name or production_problems(conf):
            continue
        found = _open(conf)
        acl = _mounted_list(tree, tuple(brokers), by_path, path) if found else ""
        made = Lack(path=path, weak=weak_listeners(conf, CERTS), open=found if acl else (), acl=acl)
        if made.weak or made.open:
            yield made


def _open(conf: BrokerConf) -> tuple[Listener, ...]:
    """Return the listeners whose clients have the names that a list speaks of, and no list."""
    if not conf.separate and any(item.name in _LISTS for item in conf.directives):
        return ()
    return tuple(
        item
        for item in conf.listeners
        if item.exposed
        and item.value("use_identity_as_username") == "true"
        and not any(each.name in _LISTS for each in item.settings)
    )


def _mounted_list(
    tree: Tree,
    brokers: tuple[Broker, ...],
    confs: dict[PurePosixPath, BrokerConf],
    path: PurePosixPath,
) -> str:
    """Return where the list stands in each container that reads `path`; empty if one lacks it.

    A broker does not start without a list that its configuration names.
    """
    starters = tuple(_starters(tree, brokers, path))
    if not starters or _started_elsewhere(tree, path):
        return ""
    places: dict[str, None] = {}
    for broker in brokers:
        if broker.folder == path.parent and broker.conf in confs:
            places |= dict.fromkeys(confs[broker.conf].values("acl_file"))
    for broker in starters:
        found = (str(item.target) for item in broker.mounts if "acl" in item.target.name)
        places |= dict.fromkeys(found)
    return next((place for place in places if _is_there(tree, starters, place)), "")


def _is_there(tree: Tree, starters: tuple[Broker, ...], place: str) -> bool:
    files = [item.inside(PurePosixPath(place)) for item in starters]
    return all(file is not None and _serves(tree.read(file) or b"") for file in files)


def _serves(acl: bytes) -> bool:
    """Return whether a list grants anything to clients that have a name: else all are shut out."""
    return any(item.name in {"user", "pattern"} for item in parse(acl).directives)


def unread(item: Manifests) -> tuple[Listener, ...]:
    """Return the listeners of a cluster's broker that leave the list of their own map unread."""
    acl = item.config.data.get("aclfile")
    if acl is None or not list_of(item) or production_problems(item.config.conf):
        return ()
    return _open(item.config.conf) if _serves(acl.text.encode()) else ()


def list_of(item: Manifests) -> str:
    """Return where the list of a map stands in its one workload; empty where it is not mounted."""
    if len(item.workloads) != 1:
        return ""
    workload = item.workloads[0]
    return workload.single.get("aclfile", "" if workload.single else f"{workload.folder}/aclfile")


def _starters(tree: Tree, brokers: tuple[Broker, ...], path: PurePosixPath) -> Iterator[Broker]:
    """Yield each broker that reads `path`, with the mounts of every file that it is made of."""
    yield from (item for item in brokers if item.conf == path)
    for item, service in additions(tree, brokers, path):
        # The last mount of a place counts.
        own = {each.target for each in service.mounts}
        kept = (each for each in item.mounts if each.target not in own)
        yield replace(item, mounts=(*kept, *service.mounts))


def _started_elsewhere(tree: Tree, path: PurePosixPath) -> bool:
    """Return whether an image, a cluster or a script may bring the file into a container too."""
    known = set(compose.files(tree))
    name = path.name.encode()
    recipes = (each for each in tree.paths() if each.parent == path.parent)
    images = (each for each in recipes if each.name.startswith("Dockerfile"))
    others = (each for each in tree.candidates(_MAY_START) if each not in known)
    return any(name in (tree.read(each) or b"") for each in (*images, *others))
