"""Replace the authority in three steps, so that at each one every client can still connect.

`trust` makes the next authority and lets broker and clients trust both; `sign` makes it the
authority and signs every leaf again; `retire` takes the old one out. Between two steps lies what
no program here can do: give every client the bundle, or its new certificate. Each step can be
run again, after a kill too, and none can be left out. Import it late: `cryptography` is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.formats import x509
from closeout.gaps.mqtt_tls.certificates.desk import (
    CertificateDesk,
    IssueReport,
    authority_of,
    existing_clients,
    serve,
)
from closeout.gaps.mqtt_tls.certificates.expiry import clock


class Step(Enum):
    """One step of a rotation."""

    TRUST = "trust"
    SIGN = "sign"
    RETIRE = "retire"


def rotate(folder: Path, step: Step) -> IssueReport:
    """Take one step; raises CloseoutError where the step before it is missing."""
    if not (folder / "authority" / "ca.crt").exists():
        raise CloseoutError(
            "rotation-nothing",
            f"{folder} has no authority to replace.",
            hint="invoke certs.dev makes one.",
        )
    return _STEPS[step](CertificateDesk(folder=folder, now=clock()))


def _trust(desk: CertificateDesk) -> IssueReport:
    ours = _places(desk)
    if ours["old.crt"].exists():
        raise _out_of_turn("the authority before is not retired yet", Step.RETIRE)
    with desk.pen.alone(desk.folder):
        if not ours["next.key"].exists():
            desk.pen.private(ours["next.key"], x509.key_pem(x509.new_key()))
            desk.written.append("authority/next.key")
        if not ours["next.crt"].exists():
            made = x509.authority(x509.read_key(ours["next.key"]), now=desk.now)
            desk.public("authority/next.crt", x509.pem(made))
        authority_of(desk)
    return desk.report()


def _sign(desk: CertificateDesk) -> IssueReport:
    ours = _places(desk)
    with desk.pen.alone(desk.folder):
        if ours["next.crt"].exists():
            coming = x509.read_certificate(ours["next.crt"])
            if not x509.belongs(coming, x509.read_key(ours["next.key"])):
                raise _out_of_turn("the next authority's key is another's", Step.TRUST)
            if coming not in x509.read_bundle(desk.folder / "broker" / "ca.crt"):
                raise _out_of_turn("nobody trusts the next authority yet", Step.TRUST)
            desk.public("authority/old.crt", ours["ca.crt"].read_bytes())
            desk.pen.move(ours["next.crt"], ours["ca.crt"])
            desk.written.append("authority/ca.crt")
        elif not ours["old.crt"].exists():
            raise _out_of_turn("there is no next authority", Step.TRUST)
        if ours["next.key"].exists():
            desk.pen.move(ours["next.key"], ours["ca.key"])
            desk.written.append("authority/ca.key")
    names = x509.names_of(x509.read_certificate(desk.folder / "broker" / "server.crt"))
    return serve(desk, names, existing_clients(desk.folder))


def _retire(desk: CertificateDesk) -> IssueReport:
    ours = _places(desk)
    if not ours["old.crt"].exists() or ours["next.crt"].exists() or ours["next.key"].exists():
        raise _out_of_turn("there is no authority to retire", Step.SIGN)
    with desk.pen.alone(desk.folder):
        authority = x509.read_certificate(ours["ca.crt"])
        leaves = [
            desk.folder / "broker" / "server.crt",
            *(desk.folder / "clients" / f"{name}.crt" for name in existing_clients(desk.folder)),
        ]
        for path in leaves:
            if not x509.signed_by(x509.read_certificate(path), authority):
                raise _out_of_turn(f"{path.name} still stands on the old authority", Step.SIGN)
        old = x509.read_certificate(ours["old.crt"]).public_key()
        bundle = desk.folder / "broker" / "ca.crt"
        left = [item for item in x509.read_bundle(bundle) if item.public_key() != old]
        desk.public("broker/ca.crt", b"".join(x509.pem(item) for item in left))
        desk.pen.drop(ours["old.crt"])
    return desk.report()


_STEPS: Mapping[Step, Callable[[CertificateDesk], IssueReport]] = {
    Step.TRUST: _trust,
    Step.SIGN: _sign,
    Step.RETIRE: _retire,
}


def _places(desk: CertificateDesk) -> dict[str, Path]:
    names = ("ca.crt", "ca.key", "next.crt", "next.key", "old.crt")
    return {name: desk.folder / "authority" / name for name in names}


def _out_of_turn(what: str, step: Step) -> CloseoutError:
    return CloseoutError(
        "rotation-out-of-turn",
        f"{what[0].upper()}{what[1:]}.",
        hint=f"run invoke certs.rotate --step {step.value} first.",
    )
