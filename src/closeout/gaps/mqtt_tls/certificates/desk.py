"""Bring a certificate folder up to a rule: its authority, its server, its clients.

What is there stays wherever the rule lets it. Import it late: `cryptography` is slow to load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.formats import x509
from closeout.gaps.mqtt_tls.certificates.expiry import exposure
from closeout.gaps.mqtt_tls.certificates.secretfiles import PEN, REHEARSAL, Pen
from closeout.gaps.mqtt_tls.mosquitto.render import LISTENER

PARTS = (("authority", 0o700), ("broker", 0o755), ("clients", 0o700))
"""The folders of the layout and their modes."""

_DEVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueReport:
    """What a run wrote and what it kept, as paths below the folder."""

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class CertificateDesk:
    """One run's folder, clock and tally, and its rule for what may stay."""

    folder: Path
    now: datetime
    margin: timedelta = timedelta()
    pen: Pen = PEN
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def report(self) -> IssueReport:
        """Return what the run did."""
        return IssueReport(folder=self.folder, written=tuple(self.written), kept=tuple(self.kept))

    def public(self, name: str, content: bytes) -> None:
        """Write a file that anyone may read, and count it."""
        self.pen.public(self.folder / name, content)
        self.written.append(name)

    def may_keep(self, certificate: x509.Certificate) -> bool:
        """Return whether it is valid already, and for as long as the rule says."""
        lasting = certificate.not_valid_after_utc - self.now > self.margin
        return lasting and certificate.not_valid_before_utc <= self.now

    def other_authorities(self) -> tuple[x509.Certificate, ...]:
        """Return the authorities that a rotation under way lets clients trust besides ours."""
        places = (self.folder / "authority" / name for name in ("next.crt", "old.crt"))
        return tuple(x509.read_certificate(path) for path in places if path.exists())


def serve(desk: CertificateDesk, names: tuple[str, ...], clients: Iterable[str]) -> IssueReport:
    """Bring authority, server and clients up to the desk's rule, alone in the folder.

    It is rehearsed first: what one certificate forbids keeps the others as they are too.
    """
    x509.check_names(names)
    wanted = tuple(clients)
    rehearsal = replace(desk, pen=REHEARSAL, written=[], kept=[])
    _serve(rehearsal, names, wanted)
    if desk.pen.rehearses:
        return rehearsal.report()
    desk.pen.folder(desk.folder, 0o755)
    with desk.pen.alone(desk.folder):
        _serve(desk, names, wanted)
    return desk.report()


def _serve(desk: CertificateDesk, names: tuple[str, ...], clients: tuple[str, ...]) -> None:
    authority = authority_of(desk)
    _server(desk, authority, names)
    for name in clients:
        client_of(desk, authority, name)
    listener_of(desk)


def listener_of(desk: CertificateDesk) -> None:
    """Keep the listener that the broker finds beside its certificates in step with the tree's.

    The broker's configuration includes `broker/`: without a listener there it speaks no TLS.
    """
    source, name = desk.folder.parent / LISTENER, f"broker/{LISTENER}"
    path = desk.folder / name
    held = path.read_bytes() if path.exists() else None
    wanted = source.read_bytes() if source.exists() else None
    if wanted is None:
        desk.pen.drop(path)
    elif held == wanted:
        desk.kept.append(name)
    else:
        desk.public(name, wanted)


def existing_clients(folder: Path) -> tuple[str, ...]:
    """Return the clients that have a certificate."""
    stems = (path.stem for path in sorted((folder / "clients").glob("*.crt")))
    return tuple(stem for stem in stems if _DEVICE_NAME.fullmatch(stem))


def authority_of(desk: CertificateDesk) -> x509.Authority:
    """Return the folder's authority, made or extended over its key where the rule says so."""
    for part, mode in PARTS:
        desk.pen.folder(desk.folder / part, mode)
    key_path, path = (desk.folder / "authority" / name for name in ("ca.key", "ca.crt"))
    if path.exists() and not key_path.exists():
        raise _foreign(path, "has no key beside it")
    key = _key(desk, "authority/ca")
    certificate = x509.read_certificate(path) if path.exists() else None
    if certificate is not None and not x509.belongs(certificate, key):
        if (desk.folder / "authority" / "next.key").exists():
            raise CloseoutError(
                "rotation-interrupted",
                f"{path} is the next authority's; a rotation was interrupted.",
                hint="invoke certs.rotate --step sign takes it up where it stopped.",
            )
        raise _foreign(path, "belongs to another key")
    if certificate is None or not desk.may_keep(certificate):
        subject = certificate.subject if certificate is not None else None
        certificate = x509.authority(key, now=desk.now, subject=subject)
        desk.public("authority/ca.crt", x509.pem(certificate))
    else:
        desk.kept.append("authority/ca.crt")
    _publish(desk, (certificate, *desk.other_authorities()))
    return x509.Authority(certificate=certificate, key=key)


def _publish(desk: CertificateDesk, wanted: tuple[x509.Certificate, ...]) -> None:
    path = desk.folder / "broker" / "ca.crt"
    known = x509.read_bundle(path) if path.exists() else ()
    if all(item in known for item in wanted):
        desk.kept.append("broker/ca.crt")
        return
    keys = [item.public_key() for item in wanted]
    others = [item for item in known if item.public_key() not in keys]
    if known and len(others) == len(known):
        raise _foreign(path, "is another authority's")
    desk.public("broker/ca.crt", b"".join(x509.pem(item) for item in (*wanted, *others)))


def _server(desk: CertificateDesk, authority: x509.Authority, names: tuple[str, ...]) -> None:
    path = desk.folder / "broker" / "server.crt"
    held = x509.names_of(x509.read_certificate(path)) if path.exists() else ()
    wanted = tuple(dict.fromkeys([*names, *held]))
    make = partial(x509.server, authority, names=wanted, now=desk.now)
    _leaf(desk, "broker/server", authority, make, names=wanted)


def client_of(desk: CertificateDesk, authority: x509.Authority, name: str) -> None:
    """Bring one client up to the desk's rule; raises CloseoutError for an unfit name."""
    if not _DEVICE_NAME.fullmatch(name):
        raise CloseoutError(
            "client-name-unfit",
            f"{name!r} cannot name a client: the broker uses it as user and in topics.",
            hint="use letters, digits, dots, dashes and underscores, at most 63.",
        )
    client = partial(x509.client, authority, name=name, now=desk.now)
    _leaf(desk, f"clients/{name}", authority, client, names=())


def _leaf(
    desk: CertificateDesk,
    stem: str,
    authority: x509.Authority,
    make: Callable[[x509.PrivateKey], x509.Certificate],
    *,
    names: tuple[str, ...],
) -> None:
    path = desk.folder / f"{stem}.crt"
    key = _key(desk, stem)
    if path.exists():
        certificate = x509.read_certificate(path)
        ours = x509.signed_by(certificate, authority.certificate)
        if not ours and not any(
            x509.signed_by(certificate, item) for item in desk.other_authorities()
        ):
            raise _foreign(path, "was signed by another authority")
        fitting = x509.belongs(certificate, key) and x509.covers(certificate, names)
        if ours and fitting and desk.may_keep(certificate):
            desk.kept.append(f"{stem}.crt")
            return
    desk.public(f"{stem}.crt", x509.pem(make(key)))


def _key(desk: CertificateDesk, stem: str) -> x509.PrivateKey:
    path = desk.folder / f"{stem}.key"
    if path.exists():
        exposed = exposure(path)
        if exposed:
            raise CloseoutError(
                "key-exposed", f"{path}: {exposed}.", hint=f"chmod 600 {path}, or use --force."
            )
        desk.kept.append(f"{stem}.key")
        return x509.read_key(path)
    key = x509.new_key()
    desk.pen.private(path, x509.key_pem(key))
    desk.written.append(f"{stem}.key")
    return key


def _foreign(path: Path, what: str) -> CloseoutError:
    return CloseoutError(
        "certificates-foreign",
        f"{path} {what}; nothing was overwritten.",
        hint="move the folder away, or use --force to replace everything in it.",
    )
