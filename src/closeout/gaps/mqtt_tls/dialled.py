"""Say by what names and addresses the clients of a tree dial its broker."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.gaps.mqtt_tls.detect import Survey
from closeout.gaps.mqtt_tls.mosquitto.render import hosts

_HERE = ("localhost", "127.0.0.1", "::1")


def names(seen: Survey, folder: PurePosixPath) -> tuple[str, ...]:
    """Return what the certificate of the broker in `folder` has to carry.

    Compose knows it by its service, this machine by loopback, a cluster by name and namespace.
    """
    services = [item.name for item in seen.brokers if item.folder == folder]
    clusters = [
        host
        for item in seen.manifests
        for host in hosts(item.config.broker, item.config.namespace or "default")
        if not services or item.config.broker in services
    ]
    return tuple(dict.fromkeys([*services, *_HERE, *clusters]))
