"""Find mosquitto's manifests: configuration maps, the workloads that mount them, their services."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.prefilter import holds, question
from closeout.gaps.mqtt_tls.mosquitto.configuration import BrokerConf, parse
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.yaml import Entry, Node, NodeKind, YamlError, documents

_WORKLOADS = frozenset(["Deployment", "StatefulSet", "DaemonSet"])
_PLAIN = "1883"
_LOOPBACK = re.compile(r"\b(?:localhost|127\.0\.0\.1):1883\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMap:
    """A configuration map that carries a mosquitto.conf."""

    path: PurePosixPath
    name: str
    namespace: str
    data: Node
    entry: Entry
    conf: BrokerConf

    @property
    def broker(self) -> str:
        """Return what the broker is called."""
        return self.name.removesuffix("-config")

    @property
    def line(self) -> int:
        """Return the line of the configuration's key."""
        return self.entry.value.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workload that mounts a broker's configuration map."""

    path: PurePosixPath
    called: str
    """Its kind and name, as kubectl takes them."""
    pod: Node
    container: Node
    volume: str
    """The volume that brings the configuration map."""
    folder: PurePosixPath
    """Where its configuration stands in the container."""
    single: Mapping[str, str]
    """Where each key stands that is mounted by itself; none where the map is one folder, so that
    a further key of it appears there too."""
    shares_loopback: bool
    """Whether something else in the pod dials the broker on loopback."""


At = tuple[PurePosixPath, Node]
"""A node and the file it stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What stands in one folder, whichever broker of it is asked about."""

    mounting: Mapping[str, list[At]]
    """The manifests whose pods mount a configuration, by its name."""
    ports: tuple[At, ...]
    """Scalars that name port 1883 in services and policies."""
    promised: frozenset[str]
    """Secrets that a manifest makes, fetches or holds."""
    resources: At | None
    """The list of files in the kustomization."""
    callers: tuple[PurePosixPath, ...]
    """Other manifests and values of charts whose workloads dial a broker's plaintext port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """Everything of one broker in a cluster."""

    config: ConfigMap
    workloads: tuple[Workload, ...]
    plain_ports: tuple[At, ...]
    """Scalars that name port 1883 in a workload or a service of the broker."""
    folder: Folder


_WORDS = (b"mosquitto", b"mqtt", b"1883")


def _may_speak(content: bytes) -> bool:
    return b"kind:" in content and holds(content, _WORDS)


_MAY_SPEAK = question((".yml", ".yaml"), _may_speak)
_MAY_DIAL = question(
    (".yml", ".yaml"),
    lambda content: b"1883" in content and holds(content, (b"env", b"containers:")),
    lambda path: "compose" not in path.name and not path.name.startswith("."),
)
_KUSTOMIZATION = question(
    (".yml", ".yaml"), lambda _: True, lambda path: path.stem == "kustomization"
)


def manifests(tree: Tree) -> tuple[tuple[Manifests, ...], tuple[Unresolved, ...]]:
    """Return each broker's manifests, and the candidates that do not parse."""
    tops: list[At] = []
    unresolved = []
    for path in sorted({*tree.candidates(_MAY_SPEAK), *tree.candidates(_KUSTOMIZATION)}):
        content = tree.read(path) or b""
        if not _speaks_of_mqtt(path, content):
            continue
        try:
            tops += [(path, top) for top in documents(content)]
        except YamlError as error:
            unresolved.append(
                Unresolved(
                    path=path, reason=Reason.UNPARSABLE, detail=error.detail, line=error.line
                )
            )
    maps = [made for path, top in tops if (made := _config_map(path, top))]
    folders: dict[PurePosixPath, list[At]] = {}
    for path, top in tops:
        folders.setdefault(path.parent, []).append((path, top))
    asked = {item.path.parent for item in maps}
    known = {folder: _folder(tree, folder, folders[folder]) for folder in sorted(asked)}
    return tuple(_gather(item, known[item.path.parent]) for item in maps), tuple(unresolved)


def _speaks_of_mqtt(path: PurePosixPath, content: bytes) -> bool:
    if path.stem == "kustomization":
        return b"mqtt" in path.as_posix().encode() or b"mqtt" in content
    return _may_speak(content)


def _config_map(path: PurePosixPath, top: Node) -> ConfigMap | None:
    data = top.get("data")
    if top.said("kind") != "ConfigMap" or data is None:
        return None
    for entry in data.entries:
        conf = parse(entry.value.text.encode())
        if str(entry.key).endswith(".conf") and conf.is_broker:
            name = top.said("metadata", "name")
            namespace = top.said("metadata", "namespace")
            return ConfigMap(
                path=path, name=name, namespace=namespace, data=data, entry=entry, conf=conf
            )
    return None


def _folder(tree: Tree, folder: PurePosixPath, near: list[At]) -> Folder:
    mounting: dict[str, list[At]] = {}
    for path, top in near:
        pod = top.get("spec", "template", "spec")
        volumes = pod.items("volumes") if pod else ()
        for name in dict.fromkeys(item.said("configMap", "name") for item in volumes):
            mounting.setdefault(name, []).append((path, top))
    lists = [(path, found) for path, top in near if (found := _resources(path, top))]
    services = [top.said("metadata", "name") for _, top in near if top.said("kind") == "Service"]
    named = list(dict.fromkeys(name for name in services if name))
    return Folder(
        mounting=mounting,
        ports=tuple(port for path, top in near for port in _listed_ports(path, top)),
        promised=frozenset(name for _, top in near if (name := _promised(top))),
        resources=lists[0] if lists else None,
        callers=tuple(_callers(tree, folder, named)),
    )


def _gather(config: ConfigMap, folder: Folder) -> Manifests:
    mounting = folder.mounting.get(config.name, ())
    workloads = [made for path, top in mounting if (made := _workload(path, top, config))]
    plain = list(folder.ports)
    for item in workloads:
        for port in item.container.items("ports"):
            plain += _plain_ports(item.path, port, "containerPort")
        for probe in _probes(item.container):
            plain += _plain_ports(item.path, probe.get("tcpSocket"), "port")
    return Manifests(
        config=config, workloads=tuple(workloads), plain_ports=tuple(plain), folder=folder
    )


def _callers(tree: Tree, folder: PurePosixPath, services: list[str]) -> Iterator[PurePosixPath]:
    """Yield who names a service of the broker beside the port, or as the value of a host."""
    names = "|".join(re.escape(name) for name in services)
    dials = re.compile(rf"\b(?:{names})(?:\.[\w.-]+)?:1883\b".encode())
    told = rf"(?m)(?:value|\w*host\w*|\w*broker\w*):[ \t]*[\"']?(?:{names})(?:\.[\w.-]+)?[\"']?\s*$"
    named = re.compile(told.encode(), re.IGNORECASE)
    for path in sorted(tree.candidates(_MAY_DIAL)) if services else ():
        content = tree.read(path) or b""
        if path.parent != folder and (dials.search(content) or named.search(content)):
            yield path


def _listed_ports(path: PurePosixPath, top: Node) -> Iterator[At]:
    """Yield the plaintext ports of a service, or of a policy that lets clients through."""
    if top.said("kind") == "Service":
        for port in top.items("spec", "ports"):
            yield from _plain_ports(path, port, "port", "targetPort")
    if top.said("kind") == "NetworkPolicy":
        for rule in top.items("spec", "ingress"):
            for port in rule.items("ports"):
                yield from _plain_ports(path, port, "port")


def _promised(top: Node) -> str:
    """Return the secret that a manifest brings about, empty where it brings none."""
    places = {
        "Secret": ("metadata", "name"),
        "Certificate": ("spec", "secretName"),
        "ExternalSecret": ("spec", "target", "name"),
    }
    return top.said(*places.get(top.said("kind"), ("",)))


def _resources(path: PurePosixPath, top: Node) -> Node | None:
    found = top.get("resources") if path.stem == "kustomization" else None
    return found if found is not None and found.kind is NodeKind.SEQUENCE else None


def _plain_ports(path: PurePosixPath, port: Node | None, *keys: str) -> list[At]:
    nodes = [port.get(key) for key in keys] if port is not None else []
    return [(path, node) for node in nodes if node and node.text == _PLAIN]


def _workload(path: PurePosixPath, top: Node, config: ConfigMap) -> Workload | None:
    pod = top.get("spec", "template", "spec")
    containers = pod.get("containers") if pod else None
    if top.said("kind") not in _WORKLOADS or pod is None or containers is None:
        return None
    volumes = {
        item.said("name"): item.get("configMap", "items")
        for item in pod.items("volumes")
        if item.said("configMap", "name") == config.name
    }
    for container in containers.items():
        mounts = [item for item in container.items("volumeMounts") if item.said("name") in volumes]
        read = [item for item in mounts if item.said("subPath") in {"", str(config.entry.key)}]
        if not read:
            continue
        single = {
            item.said("subPath"): item.said("mountPath") for item in mounts if item.get("subPath")
        }
        volume, place = read[0].said("name"), PurePosixPath(read[0].said("mountPath"))
        if volumes[volume] is not None:
            return None
        others = [item for item in containers.items() if item is not container]
        return Workload(
            path=path,
            called=f"{top.said('kind').lower()}/{top.said('metadata', 'name')}",
            pod=pod,
            container=container,
            volume=volume,
            folder=place.parent if single else place,
            single=single,
            shares_loopback=any(_LOOPBACK.search(text) for each in others for text in _texts(each))
            or any(_dials(probe) for probe in _probes(container)),
        )
    return None


def _probes(container: Node) -> Iterator[Node]:
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (found := container.get(kind)) is not None:
            yield found


def _dials(probe: Node) -> bool:
    """Return whether a command of a probe connects to plaintext inside of the container."""
    words = list(_texts(probe))
    return any(word.endswith("mosquitto_sub") or "mosquitto_sub " in word for word in words)


def _texts(node: Node) -> Iterator[str]:
    if node.kind is NodeKind.SCALAR:
        yield node.text
    for entry in node.entries:
        yield from _texts(entry.value)
