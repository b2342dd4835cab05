"""Render the broker's files from the templates, keeping what a file before them had set."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath

from closeout.gaps.mqtt_tls.mosquitto.configuration import (
    OF_A_LISTENER,
    SECURITY,
    SUITES,
    TLS_PORT,
    BrokerConf,
    Listener,
    parse,
)
from closeout.resources import render

CERTS = "/mosquitto/config/certs"
"""Where compose mounts `certs/broker`, and what the listener names."""

LISTENER = "tls-listener.conf"
"""The file beside a configuration that `certs.dev` copies to `certs/broker` with certificates."""

ACL = "/mosquitto/config/aclfile"
OPENSSL = "/mosquitto/config/openssl.cnf"

CLUSTER_CERTS = "/mosquitto/certs"
"""Beside the configuration folder: nothing can be mounted inside a mounted configuration map."""

NAMES = (
    "edge-mqtt-broker",
    "localhost",
    "127.0.0.1",
    "::1",
    "edge-mqtt-broker.farmiq-edge",
    "edge-mqtt-broker.farmiq-edge.svc",
    "edge-mqtt-broker.farmiq-edge.svc.cluster.local",
)
"""Every name and address a client of the edge broker may dial: compose, localhost, Kubernetes.

The README speaks of them, and certificates carry them by default.
"""

_DEFAULTS = {
    "persistence": "true",
    "persistence_location": "/mosquitto/data/",
    "autosave_interval": "60",
    "max_connections": "1000",
    "max_packet_size": "262144",
    "max_inflight_messages": "50",
    "max_queued_messages": "5000",
    "max_keepalive": "600",
    "persistent_client_expiration": "14d",
}
_REPLACED = {"listener", "port", "per_listener_settings"}
_LOG = {"log_dest", "log_type", "connection_messages"}
_OF_ONE = OF_A_LISTENER | SECURITY
_KEPT_OF_A_LISTENER = frozenset(["max_connections", "max_qos", "max_topic_alias", "mount_point"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the broker finds its certificate, its key and its access list."""

    certs: str = CERTS
    certificate: str = "server.crt"
    key: str = "server.key"
    acl: str = ACL


COMPOSE = Placement()
CLUSTER = Placement(certs=CLUSTER_CERTS, certificate="tls.crt", key="tls.key")


def tls_listener(place: Placement, several: tuple[str, ...] = ()) -> bytes:
    """Return the listener that a configuration includes once there are certificates.

    `several` are the clients that connect more than once under one name.
    """
    return render("mqtt-tls/tls-listener.conf.j2", _placed(place, several))


def production_conf(
    place: Placement, before: BrokerConf, several: tuple[str, ...] = (), *, is_shared: bool = False
) -> bytes:
    """Return the production configuration; what `before` set besides access and TLS stays.

    `is_shared` says that others share the broker's loopback, as the containers of a pod do.
    """
    others = [item for item in before.listeners if item.port != TLS_PORT and _stays(item)]
    theirs = [each for item in others for each in item.settings if each.name in OF_A_LISTENER]
    ours = replace(
        before, directives=tuple(item for item in before.directives if item not in theirs)
    )
    # A limit that clients have not met before could keep out one of theirs.
    usual = {} if before.directives else _DEFAULTS
    settings = {name: ours.value(name) or usual.get(name, "") for name in _DEFAULTS}
    replaced = _REPLACED | SECURITY | (OF_A_LISTENER - _KEPT_OF_A_LISTENER) | _DEFAULTS.keys()
    kept = [
        f"{item.name} {item.value}"
        for item in ours.directives
        if item.name not in replaced and item.value
    ]
    values = {
        **_placed(place, several),
        "password": str(PurePosixPath(place.acl).with_name("passwordfile")),
        "settings": settings,
        "kept": kept,
        "listeners": [_as_it_was(before, item) for item in others],
        "has_log": any(item.name in _LOG for item in before.directives),
        "is_shared": is_shared and not any(not item.exposed for item in others),
    }
    return render("mqtt-tls/mosquitto.prod.conf.j2", values)


def _stays(listener: Listener) -> bool:
    return listener.encrypted or not listener.exposed


def _as_it_was(conf: BrokerConf, listener: Listener) -> list[str]:
    """Return the lines of a listener with the access settings that it shared, or had."""
    shared = () if conf.separate else conf.directives
    access = {item.name: item.value for item in shared if item.name in SECURITY}
    own = {item.name: item.value for item in listener.settings if item.name in _OF_ONE}
    held = {**own, **access}
    if listener.exposed and held.get("allow_anonymous") == "true":
        held["allow_anonymous"] = "false"
    lines = [f"{name} {value}" for name, value in held.items() if value]
    return [f"listener {listener.port} {listener.host}".rstrip(), *lines]


def _placed(place: Placement, several: tuple[str, ...]) -> dict[str, object]:
    return {**asdict(place), "several": several, "suites": SUITES}


def instructions(
    acl: bytes,
    names: Iterable[str] = NAMES,
    dials: Iterable[Mapping[str, str]] = (),
    *,
    folder: str,
    port: str = str(TLS_PORT),
) -> bytes:
    """Return the README of the certificate `folder`; `acl` gives the topic of its example.

    `dials` has who, where and how for each client of the tree that speaks plaintext; `port` is
    where this machine reaches TLS.
    """
    held = tuple(names)
    patterns = parse(acl).values("pattern")
    writable = [line.split()[-1] for line in patterns if line.startswith(("write", "readwrite"))]
    topic = (writable or ["#"])[0]
    values = {
        "names": held,
        "folder": shlex.quote(folder),
        "alternative": ", ".join(_alternative(name) for name in held),
        "target": CERTS,
        "dials": list(dials),
        "of_all": [line for line in patterns if is_for_all(line)],
        "port": port,
        "topic": topic.replace("%u", "probe-device").replace("#", "try").replace("+", "try"),
    }
    return render("mqtt-tls/README.md.j2", values)


def is_for_all(pattern: str) -> bool:
    """Return whether every certificate may do what a pattern of an access list says."""
    return "%u" not in pattern and not pattern.startswith("deny ")


def ignored() -> bytes:
    """Return the folder's .gitignore: everything but the instructions."""
    return render("mqtt-tls/gitignore.j2", {})


def curves() -> bytes:
    """Return the OpenSSL configuration that says which curves the listener offers."""
    return render("mqtt-tls/openssl.cnf.j2", {})


def cluster_certificate(
    name: str, namespace: str, secret: str, clients: Iterable[str] = (), *, workload: str
) -> bytes:
    """Return what cert-manager needs to keep `secret`, and a secret for each of the `clients`.

    `workload` is what runs the broker, as kubectl calls it.
    """
    values = {
        "name": name,
        "namespace": namespace,
        "secret": secret,
        "names": hosts(name, namespace),
        "users": list(clients),
        "workload": workload,
    }
    return render("mqtt-tls/cluster-certificate.yaml.j2", values)


def cluster_manifests(name: str, namespace: str, acl: bytes) -> dict[str, bytes]:
    """Return every manifest of a broker, by file name; secrets are cert-manager's to fill."""
    files = {
        "mosquitto.conf": production_conf(CLUSTER, parse(b"")).decode(),
        "aclfile": acl.decode(),
        "openssl.cnf": curves().decode(),
    }
    values = {
        "name": name,
        "namespace": namespace,
        "secret": f"{name}-tls",
        "certs": CLUSTER_CERTS,
        "openssl": OPENSSL,
        "files": files,
    }
    made = {
        f"{kind}.yaml": render(f"mqtt-tls/cluster-{kind}.yaml.j2", values)
        for kind in ("configmap", "statefulset", "service")
    }
    made["certificate.yaml"] = cluster_certificate(
        name,
        namespace,
        f"{name}-tls",
        parse(acl).values("user"),
        workload=f"statefulset/{name}",
    )
    return made


def hosts(name: str, namespace: str) -> tuple[str, ...]:
    """Return the names that a service of a cluster is dialled by."""
    domains = (namespace, f"{namespace}.svc", f"{namespace}.svc.cluster.local")
    return (name, *(f"{name}.{domain}" for domain in domains))


def _alternative(name: str) -> str:
    address = name.replace(".", "").isdigit() or ":" in name
    return f"{'IP' if address else 'DNS'}:{name}"
