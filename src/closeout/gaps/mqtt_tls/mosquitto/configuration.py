"""Read mosquitto.conf as the broker does: listeners, their settings, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

TLS_PORT = 8883

SECURITY = frozenset(
    [
        *("acl_file", "allow_anonymous", "allow_zero_length_clientid", "auth_plugin"),
        *("auto_id_prefix", "password_file", "plugin", "psk_file"),
    ]
)
"""Settings that belong to one listener only under `per_listener_settings true`."""

OF_A_LISTENER = frozenset(
    [
        *("cafile", "capath", "certfile", "keyfile", "ciphers", "ciphers_tls1.3", "tls_version"),
        *("tls_engine", "dhparamfile", "crlfile", "require_certificate"),
        *("use_identity_as_username", "use_subject_as_username", "protocol", "bind_interface"),
        *("http_dir", "max_connections", "max_qos", "max_topic_alias", "mount_point"),
        *("socket_domain", "use_username_as_clientid", "websockets_headers_size"),
        "websockets_origin",
    ]
)
"""Settings that always belong to the listener above them."""

SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""What TLS 1.2 offers by Mozilla's intermediate profile, whichever key the certificate has."""

_LOGINS = frozenset(
    ["password_file", "psk_file", "plugin", "auth_plugin", "use_subject_as_username"]
)
_OLD_TLS = frozenset(["tlsv1", "tlsv1.0", "tlsv1.1"])
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One effective line; `start` and `end` span it with its newline."""

    name: str
    value: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One `listener` line and the directives below it."""

    port: int
    host: str
    line: int
    settings: tuple[Directive, ...]

    def value(self, name: str) -> str:
        """Return the last value of `name` below this listener, empty where it is not set."""
        return next((item.value for item in reversed(self.settings) if item.name == name), "")

    @property
    def encrypted(self) -> bool:
        """Return whether clients meet TLS here."""
        return bool(self.value("certfile") or self.value("keyfile"))

    @property
    def exposed(self) -> bool:
        """Return whether others than this machine can reach it."""
        return bool(self.port) and not self.host.startswith(_LOOPBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConf:
    """A whole configuration, comments included."""

    directives: tuple[Directive, ...]
    comments: tuple[Directive, ...]

    def values(self, name: str) -> list[str]:
        """Return the values of `name`, wherever in the file they stand."""
        return [item.value for item in self.directives if item.name == name]

    def value(self, name: str) -> str:
        """Return the last value of `name` anywhere in the file."""
        return next(reversed(self.values(name)), "")

    @property
    def separate(self) -> bool:
        """Return whether security settings belong to one listener each."""
        return self.value("per_listener_settings") == "true"

    @property
    def blocks(self) -> tuple[tuple[Directive, ...], ...]:
        """Return each `listener` line with the directives below it."""
        starts = [n for n, item in enumerate(self.directives) if item.name == "listener"]
        pairs = pairwise([*starts, len(self.directives)])
        return tuple(self.directives[start:end] for start, end in pairs)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Return the listeners in order; what stands before the first belongs to that of `port`."""
        bare = (_listener(item, self.shared) for item in self.directives if item.name == "port")
        return (*bare, *(_listener(block[0], block[1:]) for block in self.blocks))

    @property
    def secure(self) -> tuple[Listener, ...]:
        """Return the listeners on the port for TLS."""
        return tuple(item for item in self.listeners if item.port == TLS_PORT)

    @property
    def shared(self) -> tuple[Directive, ...]:
        """Return the directives before the first listener."""
        names = [item.name for item in self.directives]
        first = names.index("listener") if "listener" in names else len(names)
        return self.directives[:first]

    @property
    def has_bare_listener(self) -> bool:
        """Return whether what stands before the first listener opens one of its own."""
        return any(item.name in OF_A_LISTENER | {"port"} for item in self.shared)

    @property
    def is_broker(self) -> bool:
        """Return whether this configures where a broker listens, not only a bridge or a limit."""
        names = {item.name for item in self.directives}
        return bool(names & {"listener", "port", "allow_anonymous"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason why clients do not get TLS, or get in without it."""

    line: int
    message: str


def parse(content: bytes) -> BrokerConf:
    """Return the configuration; every text is one, since the broker has no syntax to break."""
    directives: list[Directive] = []
    comments: list[Directive] = []
    for number, found in enumerate(_LINE.finditer(content), start=1):
        text = found[0].decode("utf-8", "replace").strip()
        bare = text.lstrip("#").strip()
        if not bare:
            continue
        name, _, value = bare.partition(" ")
        start, end = found.span()
        item = Directive(name=name, value=value.strip(), line=number, start=start, end=end)
        (comments if text.startswith("#") else directives).append(item)
    return BrokerConf(directives=tuple(directives), comments=tuple(comments))


def tls_problems(conf: BrokerConf) -> tuple[Problem, ...]:
    """Return why clients cannot use TLS on port 8883, or can use it without proving who they are.

    Measured on mosquitto 2: an empty `per_listener_settings` stops the broker,
    `require_certificate` without `cafile` refuses every client, and a security setting before the
    first listener opens another listener on 1883.
    """
    return tuple(_tls_problems(conf))


def production_problems(conf: BrokerConf) -> tuple[Problem, ...]:
    """Return what else production must not have: plaintext that others reach, and anonymity."""
    plain = [
        Problem(line=item.line, message=f"plaintext listener on port {item.port}")
        for item in conf.listeners
        if item.exposed and not item.encrypted
    ]
    own = {
        item.line
        for listener in conf.listeners
        if conf.separate and not listener.exposed
        for item in listener.settings
    }
    anonymous = [
        Problem(line=item.line, message="anonymous clients are let in")
        for item in conf.directives
        if item.name == "allow_anonymous" and item.value != "false" and item.line not in own
    ]
    return (*tls_problems(conf), *plain, *anonymous)


def weak_listeners(conf: BrokerConf, certificates: str) -> tuple[Listener, ...]:
    """Return the TLS listeners that offer more than `SUITES` for what is in `certificates`."""
    return tuple(
        item
        for item in conf.listeners
        if item.value("certfile").startswith(f"{certificates}/")
        and not set(item.value("ciphers").split(":")) <= set(SUITES)
    )


def _tls_problems(conf: BrokerConf) -> Iterator[Problem]:
    for item in conf.directives:
        if item.name == "per_listener_settings" and item.value not in {"true", "false"}:
            yield Problem(line=item.line, message="per_listener_settings has no value")
        elif not item.value:
            yield Problem(line=item.line, message=f"{item.name} has no value")
    if not conf.secure:
        yield Problem(line=1, message=f"nothing listens on port {TLS_PORT}")
    for listener in conf.secure:
        for message in _listener_problems(conf, listener):
            yield Problem(line=listener.line, message=message)
    if conf.separate and not conf.has_bare_listener:
        for item in conf.shared:
            if item.name in SECURITY:
                message = f"{item.name} before the first listener opens another one on 1883"
                yield Problem(line=item.line, message=message)


def _listener_problems(conf: BrokerConf, listener: Listener) -> Iterator[str]:
    for name in ("certfile", "keyfile"):
        if not listener.value(name):
            yield f"the TLS listener has no {name}"
    wanted = listener.value("require_certificate") == "true"
    if wanted and not (listener.value("cafile") or listener.value("capath")):
        yield "require_certificate without cafile refuses every client"
    if listener.value("tls_version") in _OLD_TLS:
        yield f"{listener.value('tls_version')} is obsolete"
    by_certificate = wanted and listener.value("use_identity_as_username") == "true"
    scope = listener.settings if conf.separate else conf.directives
    in_force = {item.name: item.value for item in scope}
    logins = _LOGINS & in_force.keys()
    anonymous = in_force.get("allow_anonymous") == "true"
    if anonymous and not wanted:
        yield "the TLS listener lets anonymous clients in"
    if not by_certificate and not logins and not anonymous:
        yield "the TLS listener refuses every client: there is no way to log in"


def _listener(line: Directive, settings: tuple[Directive, ...]) -> Listener:
    words = line.value.split()
    port = int(words[0]) if words and words[0].isdigit() else 0
    host = words[1] if len(words) > 1 else ""
    return Listener(port=port, host=host, line=line.line, settings=settings)
