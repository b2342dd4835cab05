"""Splice TLS into a broker's compose service; name, network, volumes and build stay."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.fs.text_edit import Splice
from closeout.gaps.mqtt_tls.compose.brokers import CERTIFICATES, COPY, Broker
from closeout.gaps.mqtt_tls.detect import LOST_QUOTED, LOST_TOPIC, makes_folder
from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT
from closeout.gaps.mqtt_tls.mosquitto.render import ACL, CERTS
from closeout.parsing.yaml import Node, NodeKind, append

_LIVE_TOPIC = "$SYS/broker/uptime"
_OFFICIAL = {"1883": "8883"}


def compose_splices(content: bytes, broker: Broker, used: set[str]) -> tuple[Splice, ...]:
    """Return the splices for one broker; raises ValueError where a place for them is not clear.

    `used` are host ports that others take; that of this broker is added.
    """
    wanted = [("ports", _tls_port(broker, used)), ("volumes", _volumes(broker))]
    # A new key goes where the service ends, which may be where a list ends: that list first.
    wanted.sort(key=lambda item: broker.node.get(item[0]) is None)
    return (
        *(_loopback(content, port) for port in broker.exposed_ports),
        *(_grow(content, broker.node, key, items) for key, items in wanted if items),
        *_health(content, broker),
    )


def taken_ports(path: PurePosixPath, content: bytes) -> set[str]:
    """Return the host ports that the services of a compose file publish."""
    return {port.number for item in compose.services(path, content) for port in item.ports}


def image_splices(content: bytes, *, includes: bool) -> tuple[Splice, ...]:
    """Return the splices for an image of one's own: its health check, the folder it `includes`.

    Raises ValueError where its builder may not be allowed to make one.
    """
    healed = [
        Splice(start=found.start(), end=found.end(), text=_LIVE_TOPIC)
        for found in LOST_QUOTED.finditer(content)
    ]
    if not includes or makes_folder(content):
        return tuple(healed)
    found = COPY.search(content)
    if found is None or b"USER" in content[: found.start()]:
        message = f"its Dockerfile has no clear place for RUN mkdir -p {CERTS}"
        raise ValueError(message)
    made = Splice(start=found.start(), end=found.start(), text=f"RUN mkdir -p {CERTS}\n")
    return (made, *healed)


def _loopback(content: bytes, port: compose.Port) -> Splice:
    node = port.node
    if port.host:
        message = f"port {port.target} is published on {port.host}"
        raise ValueError(message)
    if node.kind is NodeKind.MAPPING:
        return append(content, node).splice("host_ip: 127.0.0.1")
    quoted = content[node.start : node.start + 1] in {b'"', b"'"}
    place = node.start + int(quoted)
    return Splice(start=place, end=place, text="127.0.0.1:")


def _tls_port(broker: Broker, used: set[str]) -> list[str]:
    """Return the port to publish beside plaintext's; none where nothing is published."""
    if not broker.lacks_tls_port:
        return []
    number = host_port(broker)
    if number in used:
        message = f"host port {number} is taken by another service"
        raise ValueError(message)
    used.add(number)
    plain = _first_plain(broker)
    host = f"{plain.host}:" if plain is not None and plain.host else ""
    return [f'"{host}{number}:{TLS_PORT}"']


def host_port(broker: Broker) -> str:
    """Return the port by which this machine reaches TLS, or will: the one beside plaintext's."""
    published = [port.number for port in broker.ports if port.target == str(TLS_PORT)]
    plain = _first_plain(broker)
    number = plain.number if plain is not None else ""
    beside = _OFFICIAL.get(number) or (str(int(number) + 1) if number else str(TLS_PORT))
    return next(filter(None, published), beside)


def _first_plain(broker: Broker) -> compose.Port | None:
    ports = broker.plain_ports
    return min(ports, key=lambda port: port.target != "1883", default=None)


def _volumes(broker: Broker) -> list[str]:
    if broker.settings is None:
        message = "the configuration it reads is not in this tree"
        raise ValueError(message)
    folder = posixpath.relpath(str(broker.folder), str(broker.compose.parent))
    if broker.settings.secure:
        unmounted = broker.unmounted(*CERTIFICATES)
        targets = sorted({str(PurePosixPath(path).parent) for path in unmounted})
        lists = broker.unmounted("acl_file")
        return [
            *(f"./{folder}/certs/broker:{target}:ro" for target in targets),
            *(f"./{folder}/{PurePosixPath(path).name}:{path}:ro" for path in lists),
        ]
    wanted = {CERTS: "certs/broker", ACL: "aclfile"}
    present = {str(item.target) for item in broker.mounts}
    return [
        f"./{folder}/{source}:{target}:ro"
        for target, source in wanted.items()
        if target not in present
    ]


def _health(content: bytes, broker: Broker) -> Iterator[Splice]:
    node = broker.node.get("healthcheck")
    if node is None:
        return
    lost = LOST_TOPIC.encode()
    for found in re.finditer(re.escape(lost) + rb"(?![\w/])", content[node.start : node.end]):
        yield Splice(
            start=node.start + found.start(), end=node.start + found.end(), text=_LIVE_TOPIC
        )


def _grow(content: bytes, service: Node, key: str, items: list[str]) -> Splice:
    """Return the splice that adds items to a list of the service, or the list itself."""
    node = service.get(key)
    if node is None:
        lines = [f"{key}:", *(f"  - {item}" for item in items)]
        return append(content, service).splice("\n".join(lines))
    if node.kind is not NodeKind.SEQUENCE:
        message = f"its {key} are no list"
        raise ValueError(message)
    if node.flow:
        return append(content, node).splice(", ".join(items))
    return append(content, node).splice("\n".join(f"- {item}" for item in items))
