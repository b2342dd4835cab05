"""Issue, check and renew the broker's development certificates.

Layout below the folder: `authority/` (the CA's key, which no broker reads), `broker/` (what the
broker mounts: `ca.crt`, `server.crt`, `server.key`) and `clients/<name>.crt` with its key.
A private key is written once, with mode 0600 from its first byte. Renewing signs a new certificate
over the same key, so that it is one atomic replacement; only `reissue` makes new keys.
Import it late: `cryptography` is slow to load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from closeout import x509
from closeout.errors import CloseoutError
from closeout.expiry import DUE, CertificateStatus, State, check, clock, exposure
from closeout.secretfiles import make_folder, write_private, write_public

__all__ = [
    "BROKER_NAMES",
    "CLIENT_NAMES",
    "DUE",
    "CertificateStatus",
    "IssueReport",
    "State",
    "check",
    "issue",
    "issue_clients",
    "reissue",
    "renew",
]

BROKER_NAMES = (
    "edge-mqtt-broker",
    "localhost",
    "127.0.0.1",
    "::1",
    "edge-mqtt-broker.farmiq-edge",
    "edge-mqtt-broker.farmiq-edge.svc",
    "edge-mqtt-broker.farmiq-edge.svc.cluster.local",
)
"""Every name and address a client of the edge broker may dial: compose, localhost, Kubernetes."""

CLIENT_NAMES = ("edge-ingress-gateway", "probe-device")
"""Clients that `issue` serves by default."""

_DEVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueReport:
    """What a run wrote and what it kept, as paths below the folder."""

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Desk:
    """One run's folder, clock and tally, and its rule for what may stay."""

    folder: Path
    now: datetime
    margin: timedelta
    fresh_keys: frozenset[str] = frozenset()
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def report(self) -> IssueReport:
        return IssueReport(folder=self.folder, written=tuple(self.written), kept=tuple(self.kept))


def issue(
    folder: Path,
    names: Iterable[str] = BROKER_NAMES,
    clients: Iterable[str] = CLIENT_NAMES,
    *,
    now: datetime | None = None,
) -> IssueReport:
    """Write what is missing, expired or lacks a name; keep every valid certificate and every key.

    Raises CloseoutError for a name that cannot stand in a certificate, for files of another
    authority, for keys that others may read and for a folder that cannot be written.
    """
    desk = _Desk(folder=folder, now=clock(now), margin=timedelta())
    return _serve(desk, names, clients)


def renew(
    folder: Path,
    names: Iterable[str] = BROKER_NAMES,
    *,
    within: timedelta = DUE,
    now: datetime | None = None,
) -> IssueReport:
    """Sign again, over the same keys, every certificate with less than `within` left.

    The broker reads a renewed certificate on SIGHUP; clients need nothing.
    """
    desk = _Desk(folder=folder, now=clock(now), margin=within)
    return _serve(desk, names, sorted(path.stem for path in (folder / "clients").glob("*.crt")))


def reissue(
    folder: Path,
    names: Iterable[str] = BROKER_NAMES,
    clients: Iterable[str] = CLIENT_NAMES,
    *,
    now: datetime | None = None,
) -> IssueReport:
    """Replace authority, keys and certificates, whatever is there: what `--force` asks for."""
    served = tuple(dict.fromkeys([*clients, *_existing_clients(folder)]))
    stems = ("authority/ca", "broker/server", *(f"clients/{name}" for name in served))
    desk = _Desk(folder=folder, now=clock(now), margin=timedelta(), fresh_keys=frozenset(stems))
    return _serve(desk, names, served)


def issue_clients(
    folder: Path, names: Iterable[str], *, now: datetime | None = None
) -> Iterator[str]:
    """Yield each client's name once its files stand; the names are taken one by one.

    A fleet of any size needs the memory of one client, and a run that was interrupted is taken
    up where it stopped, because what is valid is kept.
    """
    desk = _Desk(folder=folder, now=clock(now), margin=timedelta())
    authority = _authority(desk)
    for name in names:
        _client(desk, authority, name)
        yield name


def _serve(desk: _Desk, names: Iterable[str], clients: Iterable[str]) -> IssueReport:
    wanted = tuple(names)
    x509.check_names(wanted)
    authority = _authority(desk)
    server = partial(x509.server, authority, names=wanted, now=desk.now)
    _leaf(desk, "broker/server", authority, server, names=wanted)
    for name in clients:
        _client(desk, authority, name)
    return desk.report()


def _authority(desk: _Desk) -> x509.Authority:
    for part, mode in (("authority", 0o700), ("broker", 0o755), ("clients", 0o700)):
        make_folder(desk.folder / part, mode)
    key_path, path = (desk.folder / "authority" / name for name in ("ca.key", "ca.crt"))
    if path.exists() and not key_path.exists() and not desk.fresh_keys:
        raise _foreign(path, "has no key beside it")
    key = _key(desk, "authority/ca")
    certificate = None
    with suppress(CloseoutError):
        certificate = x509.read_certificate(path)
    current = certificate is not None and x509.belongs(certificate, key)
    if certificate is not None and not current and not desk.fresh_keys:
        raise _foreign(path, "belongs to another key")
    if certificate is None or not current or certificate.not_valid_after_utc <= desk.now:
        certificate = x509.authority(key, now=desk.now)
        write_public(path, x509.pem(certificate))
        desk.written.append("authority/ca.crt")
    else:
        desk.kept.append("authority/ca.crt")
    _publish(desk, x509.pem(certificate))
    return x509.Authority(certificate=certificate, key=key)


def _publish(desk: _Desk, content: bytes) -> None:
    path = desk.folder / "broker" / "ca.crt"
    known = path.read_bytes() if path.exists() else b""
    if content in known:
        desk.kept.append("broker/ca.crt")
        return
    if known and not desk.fresh_keys:
        raise _foreign(path, "is another authority's")
    write_public(path, content)
    desk.written.append("broker/ca.crt")


def _client(desk: _Desk, authority: x509.Authority, name: str) -> None:
    if not _DEVICE_NAME.fullmatch(name):
        raise CloseoutError(
            "client-name-unfit",
            f"{name!r} cannot name a client: the broker uses it as user and in topics.",
            hint="use letters, digits, dots, dashes and underscores, at most 63.",
        )
    client = partial(x509.client, authority, name=name, now=desk.now)
    _leaf(desk, f"clients/{name}", authority, client, names=())


def _leaf(
    desk: _Desk,
    stem: str,
    authority: x509.Authority,
    make: Callable[[x509.PrivateKey], x509.Certificate],
    *,
    names: tuple[str, ...],
) -> None:
    path = desk.folder / f"{stem}.crt"
    key = _key(desk, stem)
    if path.exists() and stem not in desk.fresh_keys:
        certificate = x509.read_certificate(path)
        if not x509.signed_by(certificate, authority.certificate):
            raise _foreign(path, "was signed by another authority")
        lasting = certificate.not_valid_after_utc - desk.now > desk.margin
        if lasting and x509.belongs(certificate, key) and x509.covers(certificate, names):
            desk.kept.append(f"{stem}.crt")
            return
    write_public(path, x509.pem(make(key)))
    desk.written.append(f"{stem}.crt")


def _key(desk: _Desk, stem: str) -> x509.PrivateKey:
    path = desk.folder / f"{stem}.key"
    if path.exists() and stem not in desk.fresh_keys:
        exposed = exposure(path)
        if exposed:
            raise CloseoutError(
                "key-exposed", f"{path}: {exposed}.", hint=f"chmod 600 {path}, or use --force."
            )
        desk.kept.append(f"{stem}.key")
        return x509.read_key(path)
    key = x509.new_key()
    write_private(path, x509.key_pem(key))
    desk.written.append(f"{stem}.key")
    return key


def _existing_clients(folder: Path) -> tuple[str, ...]:
    stems = (path.stem for path in sorted((folder / "clients").glob("*.crt")))
    return tuple(stem for stem in stems if _DEVICE_NAME.fullmatch(stem))


def _foreign(path: Path, what: str) -> CloseoutError:
    return CloseoutError(
        "certificates-foreign",
        f"{path} {what}; nothing was overwritten.",
        hint="move the folder away, or use --force to replace everything in it.",
    )
