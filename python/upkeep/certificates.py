"""Pure: X.509 certificates as hosts return them, read for the checks that judge them."""

from __future__ import annotations

import binascii
import ipaddress
import warnings
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

MOST_CERTIFICATES = 30


class CertificateError(ValueError):
    """Bytes that are no certificate, or one that breaks its own rules; the text says which."""


@dataclass(frozen=True)
class Validity:
    """From when to when a certificate is valid, aware and in UTC."""

    begins: datetime
    ends: datetime


def load(der: Any) -> x509.Certificate:
    """Return the certificate in a base64 text of DER; raise CertificateError."""
    if not isinstance(der, str):
        raise CertificateError("no certificate was told")
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
    """Return the certificates of an observation, its own first; raise CertificateError."""
    others = data.get("chain")
    others = others if isinstance(others, list) else []
    return [load(data.get("der")), *(load(one) for one in others[:MOST_CERTIFICATES])]


def validity(certificate: x509.Certificate) -> Validity:
    """Return from when to when; raise CertificateError if its times are none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (ValueError, OverflowError) as exc:
        raise CertificateError(f"a certificate whose times cannot be read: {_line(exc)}") from exc


def extension(certificate: x509.Certificate, kind: Any) -> Any:
    """Return the extension's value, None if it is not there; raise CertificateError if one cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
        raise CertificateError(f"an extension that cannot be read: {_line(exc)}") from exc


def is_authority(certificate: x509.Certificate) -> bool:
    """Say if it may sign others, by its basic constraints; RFC 5280, section 4.2.1.9."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and bool(constraints.ca)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Say if issuer signed certificate; None if names agree and the kind of signature is one we cannot verify.

    Raise CertificateError if a name cannot be read.
    """
    try:
        if certificate.issuer != issuer.subject:
            return False
    except ValueError as exc:
        raise CertificateError(f"a name that cannot be read: {_line(exc)}") from exc
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, TypeError, ValueError):
        return None
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Say if it is its own issuer, as roots are."""
    return issued(certificate, certificate) is not False


def public_key_der(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo; raise CertificateError if it cannot be read."""
    try:
        return certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise CertificateError(f"a public key that cannot be read: {_line(exc)}") from exc


def title(certificate: x509.Certificate) -> str:
    """Return what people call it: its common name, else its organisation, else its serial number."""
    try:
        for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
            for attribute in certificate.subject.get_attributes_for_oid(kind):
                text = " ".join(str(attribute.value).split())[:80]
                if text:
                    return repr(text)
    except ValueError:
        pass
    return f"number {certificate.serial_number:x}"[:60]


def names(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    """Return the DNS names and the addresses it is for (subjectAltName alone; RFC 9525, section 2)."""
    alternative = extension(certificate, x509.SubjectAlternativeName)
    if alternative is None:
        return [], []
    addresses = alternative.get_values_for_type(x509.IPAddress)
    return alternative.get_values_for_type(x509.DNSName), [str(one) for one in addresses]


def is_for(name: str, dns_names: Sequence[str], addresses: Sequence[str]) -> bool:
    """Say if a certificate with these names is for name: a DNS name, or an address. RFC 9525, section 6.3."""
    try:
        return str(ipaddress.ip_address(name.strip("[]"))) in addresses
    except ValueError:
        wanted = _labels(name)
    return bool(wanted) and any(_matches(wanted, _labels(one)) for one in dns_names)


def _matches(wanted: list[str], pattern: list[str]) -> bool:
    """Say if the labels match; a `*` is the whole first label, for one label, above two others at least."""
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
