"""Start the real mosquitto on a given configuration, as its container would.

The broker runs on loopback as an ordinary user, with the container's paths mapped below a scratch
folder, its ports moved to free ones and its bridges to other brokers left out; nothing else of
the configuration is touched.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from closeout import process
from closeout.gaps.mqtt_tls import certificates
from closeout.gaps.mqtt_tls.mosquitto.render import LISTENER
from closeout.harness.http import free_port
from closeout.process import pace, scratch

_START = 20.0
"""Seconds until the broker listens."""
_LISTENER = re.compile(r"(?m)^(listener|port)[ \t]+(\d+)[^\n]*$")
_ADDRESS = re.compile(r"(?m)^bind_address\b[^\n]*$")
_PATH_VALUE = re.compile(r"(?m)^(\w+[ \t]+(?:file[ \t]+)?)(/\S*)")
_BRIDGE = re.compile(
    r"(?m)^(connection|addresses|address|topic|(remote|local|bridge|notification)_\w+|notifications"
    r"|start_type|cleansession|try_private|restart_timeout|idle_timeout|threshold|round_robin"
    r"|keepalive_interval)\b[^\n]*$"
)
_FILE_NAMES = {"cafile": "ca.crt", "certfile": "server.crt", "keyfile": "server.key"}


Pair = tuple[Path, Path]
"""A certificate and its key."""


class BrokerDownError(Exception):
    """The broker ended or did not listen; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a broker's container holds: its configuration and the files that mounts bring in."""

    conf: bytes
    files: Mapping[str, bytes]
    """Absolute path in the container to bytes."""
    certificates: Mapping[str, str]
    """Folder in the container to the part of the certificate folder mounted there, such as
    `broker`; empty text means the folder as a whole."""
    clients: tuple[str, ...]
    """Users that get a client certificate, the first one being the publisher."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The container's variables; a value that is a path in it is mapped too."""
    listener: bytes = b""
    """The listener that stands beside the certificate folder, empty where none does."""
    has_certificates: bool = True
    """Whether certificates have been made; a fresh clone mounts empty folders."""


@dataclass(slots=True, kw_only=True)
class Running:
    """A broker that listens, and can be started anew in its container."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    user: int | None
    ports: Mapping[int, int]
    """The port in use by the configured one."""
    certs: Path
    """The certificate folder, laid out as `closeout.gaps.mqtt_tls.certificates` does."""
    stranger: Path
    """The same of an authority that the broker does not know."""
    inside: tuple[str, ...]
    """Every file of the container that came from a mounted certificate folder."""
    furnish: Callable[[], object]
    """Brings the certificate folder into the container again."""
    life: ExitStack = field(default_factory=ExitStack)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker; raises BrokerDownError where it does not listen in time."""
        run = process.running(self.argv, log=self.log, env=self.env, user=self.user)
        self.process = self.life.enter_context(run)
        _await_ports(self.process, self.ports, self.log)

    def restart(self) -> None:
        """Start the broker anew with the certificates as they are now."""
        self.life.close()
        self.furnish()
        self.start()

    def hang_up(self) -> None:
        """Send the broker SIGHUP, with the certificates as they are now."""
        self.furnish()
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    @property
    def ca(self) -> Path:
        """Return the authority's certificate."""
        return self.certs / "broker" / "ca.crt"

    def pair(self, client: str) -> Pair:
        """Return a client's certificate and key."""
        return _pair(self.certs, client)

    def strange_pair(self, client: str) -> Pair:
        """Return certificate and key of the same name from the unknown authority."""
        return _pair(self.stranger, client)


def binary() -> str | None:
    """Return the broker's program, on PATH or in the system folders, or None."""
    return process.find("mosquitto")


@contextmanager
def serving(container: Container) -> Iterator[Running]:
    """Keep a broker up for the block; raises BrokerDownError where it does not come up.

    Requires `binary()`. The broker's user is `mosquitto`, else `nobody`, where we are root.
    """
    program = binary()
    if program is None:
        message = "mosquitto is not installed"
        raise BrokerDownError(message)
    user = _ordinary_user()
    with scratch.folder("mqtt") as home:
        certs, stranger = home / "certs", home / "stranger"
        ports: dict[int, int] = {}
        conf = home / "mosquitto.conf"
        conf.write_text(_moved(container.conf, home / "container", ports))
        if container.listener and container.has_certificates:
            listener = _moved(container.listener, home / "container", ports)
            (home / LISTENER).write_text(listener)
        certificates.issue(certs, clients=container.clients)
        certificates.issue(stranger, clients=container.clients[:1])

        def furnish() -> tuple[str, ...]:
            inside = _furnish(home / "container", container, certs)
            if user is not None:
                _hand_over(home, user)
            return inside

        broker = Running(
            argv=(program, "-c", str(conf)),
            env={
                name: f"{home / 'container'}{value}" if value.startswith("/") else value
                for name, value in container.environment.items()
            },
            log=home / "log",
            user=user,
            ports=ports,
            certs=certs,
            stranger=stranger,
            inside=furnish(),
            furnish=furnish,
        )
        with broker.life:
            broker.start()
            yield broker


def log_tail(log: Path) -> str:
    """Return the broker's last lines, in one."""
    with suppress(OSError):
        lines = log.read_text(errors="replace").replace(f"{log.parent}/", "").splitlines()
        return " / ".join(lines[-4:])
    return ""


def _furnish(root: Path, container: Container, certs: Path) -> tuple[str, ...]:
    for name, content in container.files.items():
        _put(root, name, content)
    for name in ("data", "log"):
        (root / "mosquitto" / name).mkdir(parents=True, exist_ok=True)
    inside = []
    for target, part in container.certificates.items():
        (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        if not container.has_certificates:
            continue
        source = certs / part
        for path in sorted(source.rglob("*")):
            if path.is_file():
                name = f"{target}/{path.relative_to(source).as_posix()}"
                _put(root, name, path.read_bytes())
                inside.append(name)
        text = (container.conf + b"\n" + container.listener).decode("utf-8", "replace")
        inside += _flat(root, text, target, certs)
    return tuple(inside)


def _flat(root: Path, conf: str, target: str, certs: Path) -> list[str]:
    """Place the files that the configuration names in `target` but the layout puts elsewhere."""
    placed = []
    for key, value in re.findall(r"(?m)^(cafile|certfile|keyfile)[ \t]+(\S+)", conf):
        if value.startswith(f"{target}/") and not (root / value.lstrip("/")).exists():
            _put(root, value, (certs / "broker" / _FILE_NAMES[key]).read_bytes())
            placed.append(value)
    return placed


def _put(root: Path, name: str, content: bytes) -> None:
    place = root / name.lstrip("/")
    if ".." in place.parts:
        message = f"a path that leaves the container: {name}"
        raise BrokerDownError(message)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def _moved(conf: bytes, root: Path, ports: dict[int, int]) -> str:
    """Return the text with free ports, which are added to `ports`, and paths below `root`."""
    text = conf.decode("utf-8", "replace")

    def listener(found: re.Match[str]) -> str:
        ports[int(found[2])] = free_port()
        if found[1] == "port":
            return f"port {ports[int(found[2])]}\nbind_address 127.0.0.1"
        return f"listener {ports[int(found[2])]} 127.0.0.1"

    text = _ADDRESS.sub("", _BRIDGE.sub("", text))
    text = _PATH_VALUE.sub(lambda found: f"{found[1]}{root}{found[2]}", text)
    text = _LISTENER.sub(listener, text)
    if not ports:
        message = "the configuration has no listener"
        raise BrokerDownError(message)
    return text


def _await_ports(process: subprocess.Popen[bytes], ports: Mapping[int, int], log: Path) -> None:
    wait = pace.Waiting(_START, group=process.pid, log=log)
    waiting = set(ports.values())
    while waiting and wait.lasts():
        if process.poll() is not None:
            raise BrokerDownError(f"the broker ended: {log_tail(log)}")
        for port in tuple(waiting):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
                waiting.discard(port)
        time.sleep(0.02)
    if waiting:
        raise BrokerDownError(f"the broker does not listen: {log_tail(log)}")


def _pair(certs: Path, client: str) -> Pair:
    folder = certs / "clients"
    return folder / f"{client}.crt", folder / f"{client}.key"


def _ordinary_user() -> int | None:
    if os.geteuid() != 0:
        return None
    for name in ("mosquitto", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534


def _hand_over(home: Path, user: int) -> None:
    for path in (home, *home.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)
