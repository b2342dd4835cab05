"""Make certificates that a broker must refuse, from its own authority or from none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from closeout.formats import x509
from closeout.gaps.mqtt_tls.certificates.expiry import clock
from closeout.gaps.mqtt_tls.probing.mosquitto import Pair, Running

if TYPE_CHECKING:
    from closeout.formats.x509 import Authority


def expired(broker: Running, name: str) -> Pair:
    """Return a pair of the broker's own authority that ended a month ago."""
    return _signed(broker, name, "expired", -timedelta(days=395))


def not_yet_valid(broker: Running, name: str) -> Pair:
    """Return a pair of the broker's own authority that begins in a month."""
    return _signed(broker, name, "early", timedelta(days=30))


def self_signed(broker: Running, name: str) -> Pair:
    """Return a pair that nobody but itself vouches for."""
    key = x509.new_key()
    itself = x509.Authority(certificate=x509.authority(key, now=clock()), key=key)
    made = x509.client(itself, key, name=name, now=clock())
    return _kept(broker, f"{name}-self", x509.pem(made), x509.key_pem(key))


def serve_common_name(broker: Running, name: str) -> None:
    """Replace the server's certificate by one that carries `name` as its common name alone."""
    signer = _authority(broker)
    place = broker.certs / "broker" / "server.crt"
    key = x509.read_key(place.with_suffix(".key"))
    place.write_bytes(x509.pem(x509.nameless_server(signer, key, name=name, now=clock())))


def _signed(broker: Running, name: str, kind: str, shift: timedelta) -> Pair:
    key = x509.new_key()
    made = x509.client(_authority(broker), key, name=name, now=clock() + shift)
    return _kept(broker, f"{name}-{kind}", x509.pem(made), x509.key_pem(key))


def _authority(broker: Running) -> Authority:
    folder = broker.certs / "authority"
    return x509.Authority(
        certificate=x509.read_certificate(folder / "ca.crt"), key=x509.read_key(folder / "ca.key")
    )


def _kept(broker: Running, name: str, certificate: bytes, key: bytes) -> Pair:
    places = (broker.stranger / f"{name}.crt", broker.stranger / f"{name}.key")
    for place, content in zip(places, (certificate, key), strict=True):
        place.write_bytes(content)
        place.chmod(0o600)
    return places
