"""Find mosquitto's manifests: configuration maps, the workloads that mount them, their services."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.prefilter import holds, question
from closeout.gaps.mqtt_tls.mosquitto.configuration import BrokerConf, parse
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.yaml import Entry, Node, NodeKind, YamlError, documents

_WORKLOADS = frozenset(["Deployment", "StatefulSet", "DaemonSet"])
_PLAIN = "1883"


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
    pod: Node
    container: Node
    mount: str
    """Where the configuration map stands in the container."""
    whole: bool
    """Whether the map is mounted as a folder, so that a further key of it appears there too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainPort:
    """A scalar that names port 1883 in a workload or a service of a broker."""

    path: PurePosixPath
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """Everything of one broker in a cluster."""

    config: ConfigMap
    workloads: tuple[Workload, ...]
    plain_ports: tuple[PlainPort, ...]
    promised: frozenset[str]
    """Secrets that a manifest beside it makes, fetches or holds."""
    resources: tuple[PurePosixPath, Node] | None
    """The list of files in the folder's kustomization."""


_WORDS = (b"mosquitto", b"mqtt", b"1883")


def _may_speak(content: bytes) -> bool:
    return b"kind:" in content and holds(content, _WORDS)


_MAY_SPEAK = question((".yml", ".yaml"), _may_speak)
_KUSTOMIZATION = question(
    (".yml", ".yaml"), lambda _: True, lambda path: path.stem == "kustomization"
)


def manifests(tree: Tree) -> tuple[tuple[Manifests, ...], tuple[Unresolved, ...]]:
    """Return each broker's manifests, and the candidates that do not parse."""
    tops: list[tuple[PurePosixPath, Node]] = []
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
    return tuple(_gather(item, tops) for item in maps), tuple(unresolved)


def _speaks_of_mqtt(path: PurePosixPath, content: bytes) -> bool:
    if path.stem == "kustomization":
        return b"mqtt" in path.as_posix().encode() or b"mqtt" in content
    return _may_speak(content)


def _config_map(path: PurePosixPath, top: Node) -> ConfigMap | None:
    data = top.get("data")
    if _text(top, "kind") != "ConfigMap" or data is None:
        return None
    for entry in data.entries:
        conf = parse(entry.value.text.encode())
        if str(entry.key).endswith(".conf") and conf.is_broker:
            name = _text(top, "metadata", "name")
            namespace = _text(top, "metadata", "namespace")
            return ConfigMap(
                path=path, name=name, namespace=namespace, data=data, entry=entry, conf=conf
            )
    return None


def _gather(config: ConfigMap, tops: list[tuple[PurePosixPath, Node]]) -> Manifests:
    near = [(path, top) for path, top in tops if path.parent == config.path.parent]
    workloads = [made for path, top in near if (made := _workload(path, top, config.name))]
    plain = []
    for item in workloads:
        ports = item.container.get("ports")
        for entry in ports.entries if ports else ():
            plain += _plain_ports(item.path, entry.value, "containerPort")
    for path, top in near:
        ports = top.get("spec", "ports") if _text(top, "kind") == "Service" else None
        for entry in ports.entries if ports else ():
            plain += _plain_ports(path, entry.value, "port", "targetPort")
    lists = [(path, found) for path, top in near if (found := _resources(path, top))]
    return Manifests(
        config=config,
        workloads=tuple(workloads),
        plain_ports=tuple(plain),
        promised=frozenset(name for _, top in near if (name := _promised(top))),
        resources=lists[0] if lists else None,
    )


def _promised(top: Node) -> str:
    """Return the secret that a manifest brings about, empty where it brings none."""
    places = {
        "Secret": ("metadata", "name"),
        "Certificate": ("spec", "secretName"),
        "ExternalSecret": ("spec", "target", "name"),
    }
    return _text(top, *places.get(_text(top, "kind"), ("",)))


def _resources(path: PurePosixPath, top: Node) -> Node | None:
    found = top.get("resources") if path.stem == "kustomization" else None
    return found if found is not None and found.kind is NodeKind.SEQUENCE else None


def _plain_ports(path: PurePosixPath, port: Node, *keys: str) -> list[PlainPort]:
    nodes = [port.get(key) for key in keys]
    return [PlainPort(path=path, node=node) for node in nodes if node and node.text == _PLAIN]


def _workload(path: PurePosixPath, top: Node, name: str) -> Workload | None:
    pod = top.get("spec", "template", "spec")
    containers = pod.get("containers") if pod else None
    if _text(top, "kind") not in _WORKLOADS or pod is None or containers is None:
        return None
    volumes = pod.get("volumes")
    mine = {
        _text(entry.value, "name")
        for entry in (volumes.entries if volumes else ())
        if _text(entry.value, "configMap", "name") == name
    }
    for container in containers.entries:
        mounts = container.value.get("volumeMounts")
        for mount in mounts.entries if mounts else ():
            if _text(mount.value, "name") in mine:
                return Workload(
                    path=path,
                    pod=pod,
                    container=container.value,
                    mount=_text(mount.value, "mountPath"),
                    whole=mount.value.get("subPath") is None,
                )
    return None


def _text(node: Node, *keys: str) -> str:
    found = node.get(*keys)
    return found.text if found and found.kind is NodeKind.SCALAR else ""
