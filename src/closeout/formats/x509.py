"""X.509 version 3 certificates for a broker and its clients, on P-256 keys.

The profile is what strict verifiers ask for: names in the subject alternative name, critical key
usage, extended key usage, subject and authority key identifiers, and at most 365 days for a leaf.
Import it late: `cryptography` is slow to load.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from closeout.errors import CloseoutError

Certificate: TypeAlias = x509.Certificate
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey

LEAF_LIFE = timedelta(days=365)
AUTHORITY_LIFE = timedelta(days=1825)
_SKEW = timedelta(minutes=5)
"""A certificate starts this long ago: a device's clock may lag."""

_DNS_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority that can sign."""

    certificate: Certificate
    key: PrivateKey


def new_key() -> PrivateKey:
    """Return a fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def authority(key: PrivateKey, *, now: datetime, subject: x509.Name | None = None) -> Certificate:
    """Return a self-signed CA certificate that may sign leaves and nothing below them.

    Without a subject it gets one of its key's own: two authorities of one name, as a rotation
    would have, mislead verifiers that look issuers up by name.
    """
    digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    name = subject or _name(f"FarmIQ development MQTT authority {digest}")
    return _sign(
        subject=name,
        issuer=name,
        key=key,
        signer=key,
        life=(now - _SKEW, now - _SKEW + AUTHORITY_LIFE - timedelta(seconds=1)),
        extensions=[
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (_key_usage("key_cert_sign", "crl_sign"), True),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
        ],
    )


def server(
    signer: Authority, key: PrivateKey, *, names: Sequence[str], now: datetime
) -> Certificate:
    """Return a server certificate for DNS names and addresses; the first is its common name."""
    check_names(names)
    alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return _leaf(signer, key, names[0], now, [(usage, False), (alternative, False)])


def nameless_server(signer: Authority, key: PrivateKey, *, name: str, now: datetime) -> Certificate:
    """Return a server certificate with a common name alone, which current clients must refuse."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return _leaf(signer, key, name, now, [(usage, False)])


def client(signer: Authority, key: PrivateKey, *, name: str, now: datetime) -> Certificate:
    """Return a client certificate whose common name is the broker's user name."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return _leaf(signer, key, name, now, [(usage, False)])


def check_names(names: Sequence[str]) -> None:
    """Raise CloseoutError for an empty list and for what is neither an address nor a DNS name."""
    unfit = [name for name in names if not _is_address(name) and not _DNS_NAME.fullmatch(name)]
    if unfit or not names:
        raise CloseoutError(
            "server-name-unfit",
            f"{unfit[0]!r} is no DNS name and no address." if unfit else "no server name given.",
            hint="name hosts as clients dial them, without scheme, port or wildcard.",
        )


def covers(certificate: Certificate, names: Sequence[str]) -> bool:
    """Return whether every name stands in the subject alternative name."""
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return not names
    return all(_general_name(name) in held for name in names)


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """Return the DNS names and addresses of the subject alternative name."""
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    known = (x509.DNSName, x509.IPAddress)
    return tuple(str(name.value) for name in held if isinstance(name, known))


def belongs(certificate: Certificate, key: PrivateKey) -> bool:
    """Return whether the certificate is about this key."""
    return certificate.public_key() == key.public_key()


def signed_by(certificate: Certificate, signer: Certificate) -> bool:
    """Return whether the signer's name and key stand behind the certificate."""
    try:
        certificate.verify_directly_issued_by(signer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def pem(certificate: Certificate) -> bytes:
    """Return the certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKey) -> bytes:
    """Return the key as unencrypted PKCS 8 PEM: a broker starts without a person."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_certificate(path: Path) -> Certificate:
    """Return the file's first certificate; raises CloseoutError where there is none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(path, "certificate") from error


def read_bundle(path: Path) -> tuple[Certificate, ...]:
    """Return every certificate of the file; raises CloseoutError where there is none."""
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise _unreadable(path, "certificate") from error


def read_key(path: Path) -> PrivateKey:
    """Return the file's P-256 key; raises CloseoutError for anything else."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unreadable(path, "private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unreadable(path, "elliptic-curve key")
    return key


def _leaf(
    signer: Authority,
    key: PrivateKey,
    name: str,
    now: datetime,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> Certificate:

    start = now - _SKEW
    end = min(start + LEAF_LIFE - timedelta(seconds=1), signer.certificate.not_valid_after_utc)
    issuer_key = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key.value)
    return _sign(
        subject=_name(name),
        issuer=signer.certificate.subject,
        key=key,
        signer=signer.key,
        life=(start, end),
        extensions=[
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage("digital_signature"), True),
            *extensions,
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (identifier, False),
        ],
    )


def _sign(  # noqa: PLR0913 - each is one field of a certificate
    *,
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    signer: PrivateKey,
    life: tuple[datetime, datetime],
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> Certificate:

    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(life[0])
        .not_valid_after(life[1])
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _key_usage(*granted: str) -> x509.KeyUsage:

    uses = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{use: use in granted for use in uses})


def _name(common_name: str) -> x509.Name:

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:

    if _is_address(name):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _unreadable(path: Path, what: str) -> CloseoutError:
    return CloseoutError(
        "certificates-unreadable",
        f"{path} holds no readable {what}.",
        hint="restore the file, or use --force to replace everything in the folder.",
    )
