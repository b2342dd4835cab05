"""Tell a secret by its name, and a usable value by its shape."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.formats.interpolation import REFERENCE


class Origin(Enum):
    """The sort of file that names a variable."""

    COMPOSE = "compose"
    ENV_EXAMPLE = "env example"
    CHART = "chart"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A place that names a secret variable."""

    name: str
    line: int
    origin: Origin
    path: PurePosixPath = field(default_factory=PurePosixPath)
    """Its file; a reader of one file's bytes leaves that to who knows it."""
    literal: bool = False
    """Whether a usable value is written there."""
    fallback: bool = False
    """Whether a usable value is what the place falls back to when the variable is unset."""
    is_development: bool = False
    """Whether only developers start what is named there."""


NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)*\Z")

_WORDS = frozenset(
    {"SECRET", "PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "TOKEN", "APIKEY", "DSN", "PEPPER"}
    | {"CREDENTIAL", "CREDENTIALS", "SECRETS", "PASSWORDS"}
)
_TAILS = frozenset(
    {"OLD", "NEW", "PREVIOUS", "CURRENT", "NEXT", "BASE64", "B64", "PEM", "JSON"}
    | {"SYNC", "ASYNC", "REPLICA", "READONLY", "RO"}
)
"""Words that may follow the telling one: a secret's generation, encoding or use."""
_RUN_TOGETHER = ("PASSWORD", "PASSWD", "SECRET", "APIKEY")
"""Words that tell a secret without a line below them too, as in ADMINPASSWORD."""
_MADE_UP = frozenset({"MOCK", "FAKE", "DUMMY", "SAMPLE", "EXAMPLE", "PLACEHOLDER"})
"""Words of a value that stands in for a secret and opens nothing."""
_KEY_KINDS_IN_THE_OPEN = frozenset(
    {"PUBLIC", "PARTITION", "ROUTING", "PRIMARY", "SORT", "CACHE", "FOREIGN", "IDEMPOTENCY"}
    | {"BINDING", "LOOKUP", "HEADER", "SITE", "PUBLISHABLE", "MODEL", "OBJECT", "INDEX", "CONFIG"}
    | {"COOKIE", "STREAM", "QUEUE", "TOPIC", "LOCK", "SHARD"}
)
_STREAMING = frozenset({"TWITCH", "YOUTUBE", "FACEBOOK", "RTMP", "SRT", "LIVE", "BROADCAST"})
"""Whoever has the key to a stream of pictures sends its own; one of events is only named by it."""
_EXACT = frozenset({"AWS_ACCESS_KEY_ID", "VAULT_DEV_ROOT_TOKEN_ID", "CONNECTION_STRING"})
_NOT_SECRET = frozenset({"GOOGLE_APPLICATION_CREDENTIALS", "CORS_ALLOW_CREDENTIALS"})
_PUBLIC_PREFIXES = ("NEXT_PUBLIC_", "VITE_", "REACT_APP_", "PUBLIC_", "ALLOW_", "ENABLE_")
_STORES = frozenset({"DATABASE", "DB", "POSTGRES", "POSTGRESQL", "PG", "MYSQL", "MONGO", "MONGODB"})
_BROKERS = frozenset({"RABBITMQ", "AMQP", "BROKER"})
_ADDRESSES = frozenset({"URL", "URI"})
_BEARERS = frozenset({"BACKEND", "BROKER", "CONN", "CONNECTION", "ENDPOINT", "SERVER", "STORE"})
"""What else an address with a password in it is called."""
_CREDENTIALS = re.compile(
    rf"[a-z][a-z0-9+.-]*://(?:{REFERENCE}|[^/\s@:])*:(?:{REFERENCE}|[^/\s@])+@", re.IGNORECASE
)
_PLACEHOLDER = re.compile(
    r"<[^>]*>|\{\{.*\}\}|(change|replace|set)[-_ ]?(me|this|it).*|your[-_ ].*"
    r"|(?:[\w-]*[-_])?x{3,}|\*{3,}|[\w-]*\.{3}"
    r"|(replace|insert|enter|fill|put)[-_ ].*|.*[-_ ]here"
    r"|todo.*|(secret|password|token|key|none|null|placeholder|example|dummy)",
    re.IGNORECASE,
)
_SIGN = re.compile(r"<[^>]*>|\{\{.*\}\}|\*{3,}|\.{3}")
"""A placeholder that nobody takes for a value; a word such as changeme is one where it is used."""
_NO_VALUE = re.compile(
    r"true|false|yes|no|on|off|(?:\.{0,2}|~)/[\w.-]+/[\w./-]+|[\w./-]+\.(?:pem|key|crt|jks|p12|json)",
    re.IGNORECASE,
)
"""A switch, or the path of a file that holds the secret."""


@lru_cache(maxsize=8192)
def is_secret(name: str, value: str = "") -> bool:
    """Return whether a variable called `name` holds a secret; `value` settles plain URLs."""
    if not NAME.match(name) or name in _NOT_SECRET or name.startswith(_PUBLIC_PREFIXES):
        return False
    if name in _EXACT or name.endswith("_CONNECTION_STRING"):
        return True
    words = name.split("_")
    if _NO_VALUE.fullmatch(value) or not _MADE_UP.isdisjoint(words):
        return False
    while len(words) > 1 and (words[-1] in _TAILS or words[-1].isdigit()):
        words.pop()
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _ADDRESSES or last in _BEARERS:
        named = last in _ADDRESSES and (before in _STORES or before in _BROKERS)
        return named or bool(_CREDENTIALS.match(value))
    if last in {"KEY", "KEYS"}:
        is_open = before in _KEY_KINDS_IN_THE_OPEN and _STREAMING.isdisjoint(words)
        return not is_open and (last == "KEY" or before == "API")
    return last in _WORDS or last.endswith(_RUN_TOGETHER)


def works(name: str, value: str) -> bool:
    """Return whether a process that is given `value` runs with it: a placeholder's word too."""
    return is_usable(name, value) or bool(
        value.strip()
        and "$" not in value
        and "://" not in value
        and not _SIGN.fullmatch(value.strip())
    )


def is_usable(name: str, value: str) -> bool:
    """Return whether `value` is a secret that would work: no reference, blank or placeholder.

    A URL counts only with a password in it: `redis://cache:6379` gives nothing away.
    """
    text = value.strip()
    if not text or "$" in text or _PLACEHOLDER.fullmatch(text) or _NO_VALUE.fullmatch(text):
        return False
    if "://" in text or name.endswith(("_URL", "_URI")):
        match = _CREDENTIALS.match(text)
        return bool(match) and not re.search(r"[<>]|change|your[-_]", text, re.IGNORECASE)
    return True
