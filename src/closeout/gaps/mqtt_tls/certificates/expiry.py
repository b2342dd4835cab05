"""Judge a certificate folder: what is good, what is due, what is broken and why."""

from __future__ import annotations

import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.formats import x509

DUE = timedelta(days=30)
"""A certificate with less time left than this is due for renewal."""


class State(Enum):
    """What a certificate is good for."""

    VALID = "valid"
    DUE = "due"
    EXPIRED = "expired"
    EARLY = "early"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """One certificate of the folder; `until` is None where it cannot be read."""

    path: str
    state: State
    until: datetime | None
    days: int
    detail: str

    def __str__(self) -> str:
        """Format as one line of a text report."""
        until = f"until {self.until:%Y-%m-%d}, {self.days} days" if self.until else "unreadable"
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.state.value:8} {self.path} ({until}){detail}"


def check(
    folder: Path, *, now: datetime | None = None, due: timedelta = DUE
) -> tuple[CertificateStatus, ...]:
    """Judge every certificate of the layout, the authority's first; changes nothing.

    An empty tuple means that there is none, which is not the same as good.
    """
    at = clock(now)
    anchor = folder / "authority" / "ca.crt"
    if not any(folder.glob("*/*.crt")):
        return ()
    view = _View(
        folder=folder,
        now=at,
        due=due,
        authority=_read(anchor),
        before=_read(folder / "authority" / "old.crt"),
    )
    leaves = [folder / "broker" / "server.crt", *sorted((folder / "clients").glob("*.crt"))]
    return (
        _judge(view, anchor),
        *(_judge(view, path) for path in leaves),
        *_bundle(view),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What every certificate is judged by; `before` is the authority that is being replaced."""

    folder: Path
    now: datetime
    due: timedelta
    authority: x509.Certificate | None
    before: x509.Certificate | None


def _judge(view: _View, path: Path) -> CertificateStatus:
    made = partial(CertificateStatus, path=path.relative_to(view.folder).as_posix())
    try:
        certificate = x509.read_certificate(path)
        key = x509.read_key(path.with_suffix(".key"))
    except CloseoutError as error:
        return made(state=State.BROKEN, until=None, days=0, detail=error.message)
    until = certificate.not_valid_after_utc
    timed = partial(made, until=until, days=(until - view.now).days)
    exposed = exposure(path.with_suffix(".key"))
    if exposed or not x509.belongs(certificate, key):
        detail = exposed or "its key is another certificate's"
        return timed(state=State.BROKEN, detail=detail)
    ours = view.authority is not None and x509.signed_by(certificate, view.authority)
    leaving = view.before is not None and x509.signed_by(certificate, view.before)
    if not ours and not leaving:
        return timed(state=State.BROKEN, detail="not signed by this folder's authority")
    state, detail = _timed(view, certificate, leaving=not ours)
    return timed(state=state, detail=detail)


def _timed(view: _View, certificate: x509.Certificate, *, leaving: bool) -> tuple[State, str]:
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if since > view.now:
        told = f"valid from {since:%Y-%m-%d %H:%M} UTC: the clock was ahead when it was made"
        return State.EARLY, f"{told}, or is behind now"
    if until <= view.now:
        return State.EXPIRED, ""
    if leaving:
        return State.DUE, "signed by the authority that is being replaced"
    return (State.DUE if until - view.now < view.due else State.VALID), ""


def _bundle(view: _View) -> tuple[CertificateStatus, ...]:
    """Return the trouble with what broker and clients trust, nothing where there is none."""
    path = view.folder / "broker" / "ca.crt"
    made = partial(CertificateStatus, path="broker/ca.crt", until=None, days=0)
    try:
        trusted = x509.read_bundle(path)
    except CloseoutError as error:
        return (made(state=State.BROKEN, detail=error.message),)
    if view.authority is not None and view.authority not in trusted:
        return (made(state=State.BROKEN, detail="it lacks this folder's authority"),)
    return ()


def _read(path: Path) -> x509.Certificate | None:
    with suppress(CloseoutError):
        return x509.read_certificate(path)
    return None


def exposure(path: Path) -> str:
    """Return why the key's mode is too wide; the broker's group may read the server's key."""
    with suppress(OSError):
        bits = stat.S_IMODE(path.lstat().st_mode)
        if bits & (0o037 if path.name == "server.key" else 0o077):
            return f"others may read or write the key (mode {bits:04o})"
    return ""


def clock(now: datetime | None = None) -> datetime:
    """Return `now`, or the present, in whole seconds as certificates count."""
    return (now or datetime.now(UTC)).replace(microsecond=0)
