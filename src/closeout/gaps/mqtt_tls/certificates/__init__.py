"""Issue, check and renew the broker's development certificates.

Layout below the folder: `authority/` (the CA's key, which no broker reads), `broker/` (what the
broker mounts: `ca.crt`, `server.crt`, `server.key`, and a copy of the listener that stands beside
the folder) and `clients/<name>.crt` with its key.
A private key is written once, with mode 0600 from its first byte. Renewing signs a new certificate
over the same key, so that it is one atomic replacement; only `reissue` makes new keys, and it
makes them all aside before it moves the first. `rotation` replaces the authority.
Import it late: `cryptography` is slow to load.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.formats import x509
from closeout.gaps.mqtt_tls.certificates.desk import (
    PARTS,
    CertificateDesk,
    IssueReport,
    authority_of,
    client_of,
    existing_clients,
    listener_of,
    serve,
)
from closeout.gaps.mqtt_tls.certificates.expiry import DUE, CertificateStatus, State, check, clock
from closeout.gaps.mqtt_tls.certificates.secretfiles import PEN, Pen, stage
from closeout.gaps.mqtt_tls.mosquitto.render import NAMES as BROKER_NAMES

__all__ = [
    "BROKER_NAMES",
    "CLIENT_NAMES",
    "DUE",
    "PEN",
    "CertificateStatus",
    "IssueReport",
    "Served",
    "State",
    "check",
    "issue",
    "issue_clients",
    "reissue",
    "renew",
]

CLIENT_NAMES = ("edge-ingress-gateway", "probe-device")
"""Clients that `issue` serves by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One client of a fleet, and which of its files had to be written."""

    name: str
    written: tuple[str, ...]


def issue(
    folder: Path,
    names: Iterable[str] = BROKER_NAMES,
    clients: Iterable[str] = CLIENT_NAMES,
    *,
    now: datetime | None = None,
    pen: Pen = PEN,
) -> IssueReport:
    """Write what is missing, expired or lacks a name; keep every valid certificate and every key.

    A name that the server's certificate has once carried stays in it. Raises CloseoutError for a
    name that cannot stand in a certificate, for files of another authority, for keys that others
    may read and for a folder that cannot be written.
    """
    return serve(CertificateDesk(folder=folder, now=clock(now), pen=pen), tuple(names), clients)


def renew(folder: Path, *, within: timedelta = DUE, now: datetime | None = None) -> IssueReport:
    """Sign again, over the same keys and names, every certificate with less than `within` left.

    The broker reads a renewed certificate on SIGHUP; clients need nothing.
    """
    desk = CertificateDesk(folder=folder, now=clock(now), margin=within)
    held: tuple[str, ...] = ()
    with suppress(CloseoutError):
        held = x509.names_of(x509.read_certificate(folder / "broker" / "server.crt"))
    return serve(desk, held or BROKER_NAMES, existing_clients(folder))


def reissue(
    folder: Path,
    names: Iterable[str] = BROKER_NAMES,
    clients: Iterable[str] = CLIENT_NAMES,
    *,
    now: datetime | None = None,
    pen: Pen = PEN,
) -> IssueReport:
    """Replace authority, keys and certificates, whatever is there: what `--force` asks for.

    Everything is made aside first, so that a full disk leaves what was there.
    """
    wanted = tuple(names)
    x509.check_names(wanted)
    served = tuple(dict.fromkeys([*clients, *existing_clients(folder)]))
    pen.folder(folder, 0o755)
    with (
        pen.alone(folder),
        nullcontext(folder / "aside") if pen.rehearses else stage(folder) as aside,
    ):
        made = serve(CertificateDesk(folder=aside, now=clock(now), pen=pen), wanted, served)
        for part, mode in PARTS:
            pen.folder(folder / part, mode)
        for name in made.written:
            pen.move(aside / name, folder / name)
        for name in ("next.crt", "next.key", "old.crt"):
            pen.drop(folder / "authority" / name)
        desk = CertificateDesk(folder=folder, now=clock(now), pen=pen, written=[*made.written])
        listener_of(desk)
    return desk.report()


def issue_clients(
    folder: Path, names: Iterable[str], *, now: datetime | None = None, pen: Pen = PEN
) -> Generator[Served]:
    """Yield each client once its files stand; the names are taken one by one.

    A fleet of any size needs the memory of one client, and a run that was interrupted is taken
    up where it stopped, because what is valid is kept.
    """
    desk = CertificateDesk(folder=folder, now=clock(now), pen=pen)
    pen.folder(folder, 0o755)
    with pen.alone(folder):
        authority = authority_of(desk)
        for name in names:
            desk.written.clear()
            desk.kept.clear()
            client_of(desk, authority, name)
            yield Served(name=name, written=tuple(desk.written))
