"""Pure: X.509 certificates as hosts return them, read for the checks that judge them."""

from __future__ import annotations

import binascii
import contextlib
import ipaddress
import warnings
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from upkeep.checks.certificates import _der

MOST_CERTIFICATES = 400
"""Of one observation: as many as the gather reads of a file."""


class CertificateError(ValueError):
    """Bytes that are no certificate, or one that breaks its own rules; the text says which."""


@dataclass(frozen=True)
class Validity:
    """From when to when a certificate is valid, aware and in UTC."""

    begins: datetime
    ends: datetime


def load(der: Any) -> x509.Certificate:
    """Return the certificate in a base64 text of DER.

    Raises: CertificateError.
    """
    if not isinstance(der, str):
        raise CertificateError("the observation has no certificate")
    try:
        with (
            warnings.catch_warnings()
        ):  # of what RFC 5280 forbids and others accept: it is judged, not printed
            warnings.simplefilter("ignore")
            return x509.load_der_x509_certificate(b64decode(der, validate=True))
    except (
        ValueError,
        TypeError,
        binascii.Error,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
    ) as exc:
        raise CertificateError(f"a certificate that cannot be read: {_line(exc)}") from exc


def chain(data: Mapping[str, Any]) -> list[x509.Certificate]:
    """Return the certificates of an observation, its own first.

    Raises: CertificateError.
    """
    others = data.get("chain")
    others = others if isinstance(others, list) else []
    return [load(data.get("der")), *(load(one) for one in others[:MOST_CERTIFICATES])]


def validity(certificate: x509.Certificate) -> Validity:
    """Return from when to when.

    Raises: CertificateError if its times are none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (ValueError, OverflowError) as exc:
        raise CertificateError(f"a certificate whose times cannot be read: {_line(exc)}") from exc


def extension(certificate: x509.Certificate, kind: Any) -> Any:
    """Return the extension's value, None if it is not there.

    The library reads all extensions at once. If one of them stops it, the wanted one is read alone: what another
    extension says does not matter here.

    Raises: CertificateError if it cannot be read.
    """
    try:
        return _value(certificate, kind)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        pass
    try:
        alone = _der.with_extension(
            certificate.public_bytes(serialization.Encoding.DER), kind.oid.dotted_string
        )
        return None if alone is None else _value(x509.load_der_x509_certificate(alone), kind)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
        raise CertificateError(f"an extension that cannot be read: {_line(exc)}") from exc


def _value(certificate: x509.Certificate, kind: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return certificate.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None


def is_authority(certificate: x509.Certificate) -> bool:
    """Return whether it may sign others, by its basic constraints and its key usage; RFC 5280, 4.2.1.9 and 4.2.1.3."""
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return False
    usage = extension(certificate, x509.KeyUsage)
    return usage is None or bool(usage.key_cert_sign)


def is_for_servers(certificate: x509.Certificate) -> bool:
    """Return whether a server may use it, by its extended key usage; RFC 5280, section 4.2.1.12."""
    usage = extension(certificate, x509.ExtendedKeyUsage)
    servers = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    return usage is None or any(one in usage for one in servers)


def has_server_usage(certificate: x509.Certificate) -> bool:
    """Return whether its key may do what TLS asks of a server's; RFC 5280, section 4.2.1.3."""
    usage = extension(certificate, x509.KeyUsage)
    return usage is None or bool(
        usage.digital_signature or usage.key_encipherment or usage.key_agreement
    )


def public_key_der(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo.

    Raises: CertificateError if it cannot be read.
    """
    try:
        return certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise CertificateError(f"a public key that cannot be read: {_line(exc)}") from exc


def title(certificate: x509.Certificate) -> str:
    """Return its label in quotes, for messages."""
    return repr(label(certificate))


def label(certificate: x509.Certificate) -> str:
    """Return what people call it: its common name, else its first DNS name, its organisation, its serial number."""
    for text in _labels_of(certificate):
        line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
        if line:
            return line[:80]
    return f"number {certificate.serial_number:x}"[:60]


def _labels_of(certificate: x509.Certificate) -> Iterator[str]:
    try:
        subject = list(certificate.subject)
    except ValueError:
        subject = []
    yield from (str(one.value) for one in subject if one.oid == NameOID.COMMON_NAME)
    with contextlib.suppress(CertificateError):
        yield from names(certificate)[0][:1]
    yield from (str(one.value) for one in subject if one.oid == NameOID.ORGANIZATION_NAME)


def names(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    """Return the DNS names and the addresses it is for (subjectAltName alone; RFC 9525, section 2)."""
    alternative = extension(certificate, x509.SubjectAlternativeName)
    if alternative is None:
        return [], []
    addresses = alternative.get_values_for_type(x509.IPAddress)
    return alternative.get_values_for_type(x509.DNSName), [str(one) for one in addresses]


def is_for(name: str, dns_names: Sequence[str], addresses: Sequence[str]) -> bool:
    """Return whether a certificate with these names is for name: a DNS name, or an address. RFC 9525, section 6.3."""
    try:
        return str(ipaddress.ip_address(name.strip("[]"))) in addresses
    except ValueError:
        wanted = _labels(name)
    return bool(wanted) and any(_matches(wanted, _labels(one)) for one in dns_names)


def _matches(wanted: list[str], pattern: list[str]) -> bool:
    """Return whether the labels match; a `*` is the whole first label, for one label, above two others at least."""
    if len(wanted) != len(pattern) or not pattern:
        return False
    if pattern[0] == "*":
        return len(pattern) > 2 and "*" not in "".join(pattern[1:]) and wanted[1:] == pattern[1:]
    return wanted == pattern


def _labels(name: str) -> list[str]:
    """Return a DNS name's labels in the form that travels (A-labels, lower case); none if it is no DNS name."""
    name = name[:-1] if name.endswith(".") else name
    if not name or len(name) > 253 or any(ord(one) <= 32 or ord(one) == 127 for one in name):
        return []
    labels = []
    for label in name.split("."):
        if not label.isascii():
            try:
                label = label.encode("idna").decode("ascii")
            except UnicodeError:
                return []
        if not 0 < len(label) < 64:
            return []
        labels.append(label.lower())
    return labels


def _line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:160] or type(exc).__name__
