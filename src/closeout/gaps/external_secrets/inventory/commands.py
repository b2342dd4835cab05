"""Read what a compose service is from how it is started: its passwords, software and users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.interpolation import REFERENCE
from closeout.parsing.yaml import Node, NodeKind

_OPTIONS = r"--(?:requirepass|masterauth|password|passwd|pass|auth-token)"
_GIVEN = re.compile(
    rf"(?:(?:^|[\s\"']){_OPTIONS}(?:=|\s+)|\b(?:PGPASSWORD|MYSQL_PWD|REDISCLI_AUTH)="
    r"|\bredis-cli\b[^|;&]*?\s-a\s+)[\"']?"
    rf"(?P<value>{REFERENCE}|[^\s\"'$]+)"
)
_OPTION = re.compile(rf"(?:{_OPTIONS}|-a)")
_SERVER = re.compile(r"redis|valkey|postgres|mysql|mariadb|mongo|rabbitmq|nats|minio|clickhouse")
_PREFIX = {
    "postgresql": "POSTGRES",
    "amqp": "RABBITMQ",
    "amqps": "RABBITMQ",
    "rediss": "REDIS",
    "valkey": "REDIS",
    "mongodb": "MONGO",
    "mariadb": "MYSQL",
}
_TOOL = re.compile(
    r"\bprisma\S*\s+(?:.*\s)?studio\b|\b(?:adminer|pgadmin\d?|phpmyadmin|mongo-express|redisinsight"
    r"|redis-commander|mailhog|mailpit|maildev|localstack|azurite|pgweb|sqlpad|dozzle|portainer)\b",
    re.IGNORECASE,
)
_WORDS = frozenset(
    {"dev", "development", "local", "test", "tests", "e2e", "ci", "debug", "devcontainer"}
)


def software_of(word: str) -> str:
    """Return what variables of a scheme's or server's software start with, such as POSTGRES."""
    plain = word.lower()
    return _PREFIX.get(plain) or re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_")


def software(service: compose.ComposeService) -> str:
    """Return what the variables of a service's software start with, else of its name."""
    said = " ".join([service.image, *(node.text for node in spoken(service)), service.name])
    found = _SERVER.search(said.lower())
    return software_of(found[0] if found else service.name)


def is_server(image: str) -> bool:
    """Return whether an image is of a server that is started with a password."""
    return bool(_SERVER.search(image.lower()))


def spoken(service: compose.ComposeService) -> Iterator[Node]:
    """Yield the scalars of a service's command, entrypoint and health check."""
    for held in _lists(service):
        yield from held


def passwords(service: compose.ComposeService) -> Iterator[tuple[Node, int, int]]:
    """Yield each password that a command line gives, by scalar and place in its text."""
    for held in _lists(service):
        before = ""
        for node in held:
            if _OPTION.fullmatch(before) and "$" not in node.text:
                yield node, 0, len(node.text)
            for match in _GIVEN.finditer(node.text):
                yield node, *match.span("value")
            before = node.text


def is_tool(service: compose.ComposeService) -> bool:
    """Return whether a compose service looks into stores, or stands in for one."""
    said = " ".join([service.image, *(node.text for node in spoken(service))])
    return bool(_TOOL.search(said))


def is_for_development(path: PurePosixPath) -> bool:
    """Return whether a compose file says by its name or folder that production does not use it."""
    words = re.split(r"[^a-z0-9]+", f"{path.parent.name}.{path.stem}".lower())
    return not _WORDS.isdisjoint(words)


def _lists(service: compose.ComposeService) -> Iterator[list[Node]]:
    for keys in (("command",), ("entrypoint",), ("healthcheck", "test")):
        node = service.node.get(*keys)
        if node is None or node.alias:
            continue
        if node.kind is NodeKind.SCALAR:
            yield [node]
        else:
            yield [item.value for item in node.entries if item.value.kind is NodeKind.SCALAR]
