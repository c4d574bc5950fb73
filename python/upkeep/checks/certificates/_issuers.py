"""Pure: which certificate issued which, by names and signatures."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

from upkeep.checks.certificates import _der
from upkeep.checks.certificates._x509 import CertificateError

ECDSA = ("1.2.840.10045.4.", "2.16.840.1.101.3.4.3.")
"""What identifiers of ECDSA's signatures begin with: with SHA-1 and SHA-2, with SHA-3. RFC 5480, appendix A; NIST."""


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Return whether issuer signed certificate; None if the names agree and the signature cannot be verified.

    Raises: CertificateError if a name cannot be read.
    """
    return signed(certificate, issuer) if is_named_issuer(certificate, issuer) else False


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Return whether it is its own issuer, as roots are."""
    return issued(certificate, certificate) is not False


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Return whether it has its issuer's name, whatever key signed it."""
    return is_named_issuer(certificate, certificate)


def is_named_issuer(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether certificate names issuer as its issuer.

    Raises: CertificateError if a name cannot be read.
    """
    try:
        wanted, found = _raw_names(certificate)[0], _raw_names(issuer)[1]
        return wanted == found or canonical(certificate.issuer) == canonical(issuer.subject)
    except ValueError as exc:
        raise CertificateError(f"a name that cannot be read: {str(exc)[:160]}") from exc


def canonical(name: x509.Name) -> Hashable:
    """Return what is equal for names that are the same: in any kind of string, any case, any spaces. RFC 5280, 7.1."""
    return tuple(
        frozenset((one.oid.dotted_string, _plain(one.value)) for one in part) for part in name.rdns
    )


def _plain(value: str | bytes) -> str | bytes:
    """Return a text prepared for comparison; RFC 4518, section 2."""
    if isinstance(value, bytes):
        return value
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _raw_names(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    return _der.raw_names(certificate.public_bytes(serialization.Encoding.DER))


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Return whether the issuer's key made the certificate's signature; None if we cannot verify its kind."""
    try:
        key = issuer.public_key()
        scheme = certificate.signature_algorithm_parameters
        hash_algorithm = certificate.signature_hash_algorithm
        signature, content = certificate.signature, certificate.tbs_certificate_bytes
        if isinstance(key, rsa.RSAPublicKey):
            if not isinstance(scheme, padding.PKCS1v15 | padding.PSS) or hash_algorithm is None:
                return False
            key.verify(signature, content, scheme, hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            # By its identifier: the library tells no scheme of ecdsa-with-SHA1.
            named = certificate.signature_algorithm_oid.dotted_string
            if hash_algorithm is None or not named.startswith(ECDSA):
                return False
            key.verify(signature, content, ec.ECDSA(hash_algorithm))
        elif isinstance(key, dsa.DSAPublicKey):
            if scheme is not None or hash_algorithm is None:
                return False
            key.verify(signature, content, hash_algorithm)
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            if scheme is not None or hash_algorithm is not None:
                return False
            key.verify(signature, content)
        else:
            return None
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, TypeError, ValueError):
        return None
    return True
