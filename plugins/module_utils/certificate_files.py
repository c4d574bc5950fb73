# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys in files, for gathers: certificates as bytes, of a key no more than its public half's hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import ssl
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError, Ran

FILE_LIMIT_BYTES = 1_000_000
MOST_CERTIFICATES = 20
OPENSSL_SECONDS = 10.0
PASSPHRASE = "UPKEEP_CERTIFICATE_PASSPHRASE"  # noqa: S105 - the name of a variable
CERTIFICATE = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----\s*(.*?)\s*-----END (?:X509 |TRUSTED )?CERTIFICATE-----",
    re.DOTALL,
)
KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")


class KeyUnseenError(Exception):
    """Why a key's public half could not be derived."""


@dataclass(frozen=True)
class CertificateFile:
    """What a file holds. format: pem, der or pkcs12; has_key: a private key lies in it too; count: of certificates."""

    format: str
    certificates: list[bytes] = field(default_factory=list)
    count: int = 0
    has_key: bool = False


def read_certificates(host: Host, path: str, passphrase: str = "") -> CertificateFile:
    """Return the file's certificates in its order; raise HostError if it has none that can be read."""
    data = host.read_bytes(path, FILE_LIMIT_BYTES)
    blocks = CERTIFICATE.findall(data)
    if blocks:
        try:
            found = [_decoded(block) for block in blocks[:MOST_CERTIFICATES]]
        except ValueError as exc:
            raise HostError(f"{path}: a certificate that is no base64: {exc}") from exc
        return CertificateFile("pem", found, len(blocks), KEY.search(data) is not None)
    if KEY.search(data):
        raise HostError(f"{path}: a key, and no certificate")
    size = _sequence_size(data)
    if size is None:
        raise HostError(f"{path}: neither PEM nor DER")
    # PKCS#12 begins with its version, the integer 3; a certificate with a sequence. RFC 7292, section 4.
    head = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
    if data[head : head + 3] == b"\x02\x01\x03":
        return _pkcs12(host, path, passphrase)
    if size != len(data):
        raise HostError(f"{path}: DER of {size} bytes in a file of {len(data)}")
    return CertificateFile("der", [data], 1)


def _decoded(block: bytes) -> bytes:
    """Return a PEM block's bytes; a TRUSTED one has OpenSSL's own settings behind the certificate."""
    try:
        data = base64.b64decode(b"".join(block.split()), validate=True)
    except binascii.Error as exc:
        raise ValueError(str(exc)) from exc
    size = _sequence_size(data)
    return data[:size] if size else data


def _sequence_size(data: bytes) -> int | None:
    """Return the size of the DER sequence that data begins with; None if it does not. X.690, section 8.1.3."""
    if len(data) < 4 or data[0] != 0x30:
        return None
    if data[1] < 0x80:
        return data[1] + 2
    length = data[1] & 0x7F
    if not 1 <= length <= 4 or len(data) < 2 + length:
        return None
    return int.from_bytes(data[2 : 2 + length], "big") + 2 + length


def _pkcs12(host: Host, path: str, passphrase: str) -> CertificateFile:
    """Return what openssl takes out of a PKCS#12 file: its own certificate first, then the others."""
    found: list[bytes] = []
    for option in ("-clcerts", "-cacerts"):
        ran = _open_pkcs12(host, path, passphrase, ["-nokeys", option])
        found += [_decoded(block) for block in CERTIFICATE.findall(_bytes(ran.out))]
    if not found:
        raise HostError(f"{path}: PKCS#12 without a certificate")
    return CertificateFile("pkcs12", found[:MOST_CERTIFICATES], len(found), True)


def _open_pkcs12(host: Host, path: str, passphrase: str, options: list[str]) -> Ran:
    """Run openssl on the file, if need be with the old ciphers that OpenSSL 3 keeps apart; raise HostError."""
    ran = Ran(1, "")
    for legacy in ([], ["-legacy"]):
        ran = _openssl(
            host,
            ["pkcs12", "-in", path, *legacy, *options, "-passin", f"env:{PASSPHRASE}"],
            passphrase,
        )
        if ran.status == 0 or "unsupported" not in ran.err.lower():
            break
    if ran.status != 0:
        wrong = "mac verify" in ran.err.lower() or "password" in ran.err.lower()
        raise HostError(
            f"{path}: " + ("the passphrase does not open it" if wrong else "not PKCS#12")
        )
    return ran


def key_of(
    host: Host, certificate_path: str, key_path: str, passphrase: str = ""
) -> dict[str, Any]:
    """Return what of a key may leave the host: path and SHA-256 of its public half, or if it matches, or why unseen."""
    told: dict[str, Any] = {"path": key_path}
    try:
        told["spki_sha256"] = _public_hash(host, key_path, passphrase)
    except KeyUnseenError as exc:
        told["unseen"] = str(exc)
    except HostError as exc:
        if host.which("openssl") is None:
            return _matched(certificate_path, key_path, passphrase, told)
        told["unseen"] = str(exc)
    return told


def _public_hash(host: Host, path: str, passphrase: str) -> str:
    """Return the SHA-256 of the key's SubjectPublicKeyInfo; raise KeyUnseenError or HostError."""
    data = host.read_bytes(path, FILE_LIMIT_BYTES)
    text = ""
    options = ["-in", path]
    if not KEY.search(data):
        if b"-----BEGIN" in data or _sequence_size(data) is None:
            raise KeyUnseenError(f"{path}: no key in it")
        if host.which("openssl") is not None:
            try:
                text = _open_pkcs12(host, path, passphrase, ["-nocerts", "-nodes"]).out
                options = []
            except HostError:
                options = ["-inform", "DER", "-in", path]
    ran = _openssl(
        host,
        ["pkey", *options, "-pubout", "-outform", "DER", "-passin", f"env:{PASSPHRASE}"],
        passphrase,
        text,
    )
    public = _bytes(ran.out)
    if ran.status != 0 or _sequence_size(public) != len(public):
        locked = b"ENCRYPTED" in data
        raise KeyUnseenError(
            f"{path}: the passphrase does not open the key"
            if locked
            else f"{path}: no key that openssl reads"
        )
    return hashlib.sha256(public).hexdigest()


def _matched(
    certificate_path: str, key_path: str, passphrase: str, told: dict[str, Any]
) -> dict[str, Any]:
    """Return if Python's own TLS takes certificate and key together: all that can be told without openssl."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        # A password is always given: without one OpenSSL would ask at the terminal.
        context.load_cert_chain(certificate_path, key_path, password=lambda: passphrase)
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            return {**told, "matches": False}
        return {
            **told,
            "unseen": f"{key_path}: {(exc.reason or 'not readable').lower().replace('_', ' ')}",
        }
    except (OSError, ValueError) as exc:
        return {**told, "unseen": f"{key_path}: {exc}"}
    return {**told, "matches": True}


def trust_of(host: Host, certificates: list[bytes], ca_file: str) -> dict[str, Any]:
    """Return if openssl finds a way from the first certificate, over the others, to a root that the host trusts.

    Apart from the time, which is another question.
    """
    store = ca_file or "the host's store"
    options = ["-CAfile", ca_file, "-no-CApath"] if ca_file else []
    try:
        # openssl wants the others in a file: one in memory, so that nothing is written on the host.
        others = os.memfd_create("upkeep")
        try:
            os.write(others, pem(certificates).encode("ascii"))
            path = f"/proc/{os.getpid()}/fd/{others}"
            command = ["verify", *options, "-no_check_time", "-untrusted", path]
            ran = _openssl(host, command, "", pem(certificates[:1]))
        finally:
            os.close(others)
    except (AttributeError, OSError, HostError) as exc:
        return {"store": store, "unseen": str(exc)}
    return {"store": store, **parse_verify(ran)}


def parse_verify(ran: Ran) -> dict[str, Any]:
    """Return what `openssl verify` says. Source: openssl-verify(1)."""
    if ran.status == 0:
        return {"trusted": True, "code": 0, "reason": ""}
    match = re.search(r"error (\d+) at (\d+) depth lookup: ?(.*)", ran.err + ran.out)
    if match is None:
        lines = (ran.err or ran.out).strip().splitlines()
        return {"unseen": f"openssl verify: {lines[-1][:200] if lines else ran.status}"}
    return {
        "trusted": False,
        "code": int(match.group(1)),
        "depth": int(match.group(2)),
        "reason": match.group(3).strip()[:200],
    }


def pem(certificates: list[bytes]) -> str:
    """Return the certificates as PEM."""
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in certificates)


def served_chain(
    host: Host, place: str, server_name: str, protocol: str, timeout_seconds: float
) -> list[bytes]:
    """Return the chain as openssl sees it presented, for a Python that shows the first certificate only."""
    command = ["s_client", "-connect", place, "-showcerts"]
    command += ["-servername", server_name] if server_name else ["-noservername"]
    command += ["-starttls", protocol] if protocol else []
    ran = _openssl(host, [*command, "-cipher", "ALL:@SECLEVEL=0"], "", "Q\n", timeout_seconds)
    return [
        _decoded(block)
        for block in CERTIFICATE.findall(_bytes(ran.out.partition("\nServer certificate")[0]))
    ]


def _openssl(
    host: Host,
    arguments: list[str],
    passphrase: str,
    text: str = "",
    timeout_seconds: float = OPENSSL_SECONDS,
) -> Ran:
    """Run openssl; the passphrase goes by the environment, which other users cannot read."""
    return host.run(
        ["openssl", *arguments],
        timeout_seconds=timeout_seconds,
        input_text=text,
        environment={PASSPHRASE: passphrase},
    )


def _bytes(text: str) -> bytes:
    """Return a program's output as the bytes that it was."""
    return text.encode("utf-8", "surrogateescape")
