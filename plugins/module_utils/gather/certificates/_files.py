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

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran

FILE_LIMIT_BYTES = 1_000_000
MOST_CERTIFICATES = 400
"""Of one file: a bundle of all public authorities has some 150."""
MOST_TRUSTS = 20
OPENSSL_SECONDS = 10.0
PASSPHRASE = "UPKEEP_CERTIFICATE_PASSPHRASE"  # noqa: S105 - the name of a variable
CERTIFICATE = re.compile(r"(?:X509 |TRUSTED )?CERTIFICATE")
PKCS7 = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS")
NO_CERTIFICATES = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "ATTRIBUTE CERTIFICATE")
"""Labels with the word, of what no server presents. RFC 7468, sections 7 and 9."""
LINE = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 #/]{1,40})-----")
KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
EMBEDDED = re.compile(rb"LS0tLS1CRUdJTi[A-Za-z0-9+/]+={0,2}")
"""The base64 of `-----BEGIN ` and what follows: PEM within YAML or JSON, as of Kubernetes, Helm and Traefik."""
BOM = b"\xef\xbb\xbf"
COMMENT = re.compile(rb"\s*[!-,.-~]")
"""What stands before a mark, as `#` of what is commented out, or the name of a field."""
SIGNED_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
"""The object identifier that a PKCS#7 file begins with. RFC 2315, section 14."""
AUTHORITY = re.compile(rb"\x06\x03\x55\x1d\x13(?:\x01\x01\xff)?\x04.\x30.\x01\x01\xff", re.DOTALL)
"""Basic constraints that say cA: enough to leave out of what openssl is asked of. RFC 5280, section 4.2.1.9."""
KEY_KINDS = {
    "RSA": b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
    "ECDSA": b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
}
"""The object identifiers that keys have and signatures do not. RFC 3279, section 2.3."""
SIGNATURES = {
    "RSA": "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512",
    "ECDSA": "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512",
}
"""Algorithms of each kind of key, for openssl's -sigalgs."""
REFUSAL = re.compile(r"handshake failure|insufficient security|illegal parameter")
"""OpenSSL's words for what a server says that has nothing in common with the client. RFC 8446, section 6.2."""
NOT_FOR_THIS = 26
"""OpenSSL's error for a certificate that is for another purpose."""
ROOT_UNKNOWN = (2, 18, 19, 20, 21)
"""OpenSSL's errors that say no more than that there is no way to a root that is trusted. Source: x509_vfy.h."""


class KeyUnseenError(Exception):
    """Why a key's public half could not be derived."""


@dataclass(frozen=True)
class CertificateFile:
    """What a file holds.

    format: pem, der, pkcs12, pkcs7, or embedded for base64 of PEM within another text. has_key: a private key lies in
    it too; count: of certificates; fault: what of it could not be read, so that there may be more.
    """

    format: str
    certificates: list[bytes] = field(default_factory=list)
    count: int = 0
    has_key: bool = False
    fault: str = ""


def read_certificates(host: Host, path: str, passphrase: str = "") -> CertificateFile:
    """Return the file's certificates in its order.

    Raises: HostError if it has none that can be read.
    """
    data = host.read_head(path, FILE_LIMIT_BYTES + 1)
    blocks, faults = pem_blocks(data)
    found = _certificates(blocks, faults)
    kind = "pem"
    if not found:
        for text in EMBEDDED.findall(data):
            found += _embedded(text, faults)
            kind = "embedded"
    if len(data) > FILE_LIMIT_BYTES:
        faults.insert(0, f"more than {FILE_LIMIT_BYTES} bytes; the rest was not read")
    if found:
        faults += _passed_over(blocks, data)
        return _limited(kind, found, KEY.search(data) is not None, faults)
    if any(label in PKCS7 for label, _number, _block in blocks):
        return _pkcs7(host, path, "PEM")
    if KEY.search(data):
        raise HostError(f"{path}: contains a key, but no certificate")
    if faults:
        raise HostError(f"{path}: {faults[0]}")
    size = _sequence_size(data)
    if size is None:
        raise HostError(f"{path}: neither PEM nor DER")
    # PKCS#12 begins with its version, the integer 3; a certificate with a sequence. RFC 7292, section 4.
    head = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
    if data[head : head + 3] == b"\x02\x01\x03":
        return _pkcs12(host, path, passphrase)
    if data[head : head + len(SIGNED_DATA)] == SIGNED_DATA:
        return _pkcs7(host, path, "DER")
    if size != len(data):
        raise HostError(f"{path}: DER of {size} bytes in a file of {len(data)}")
    return CertificateFile("der", [data], 1)


def _limited(kind: str, found: list[bytes], has_key: bool, faults: list[str]) -> CertificateFile:
    """Return the file with as many certificates as one observation may have."""
    if len(found) > MOST_CERTIFICATES:
        faults.append(f"{len(found)} certificates, of which {MOST_CERTIFICATES} were checked")
    fault = faults[0] if faults else ""
    return CertificateFile(kind, found[:MOST_CERTIFICATES], len(found), has_key, fault)


def pem_blocks(data: bytes) -> tuple[list[tuple[str, int, bytes]], list[str]]:
    """Return label, line and text of each PEM block, and where OpenSSL would not find or not read one.

    A block begins and ends with a line of its own; what stands between blocks is comment. RFC 7468, section 2. After a
    fault it is read on, for what may be found: a failure is one wherever it stands.
    """
    blocks: list[tuple[str, int, bytes]] = []
    faults: list[str] = []
    label, began = "", 0
    text: list[bytes] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        # OpenSSL, too, passes over a byte order mark, as of each file that was put together into this one.
        line = line[line.startswith(BOM) and len(BOM) :].rstrip()
        marks = [(one.group(1), one.group(2).decode("ascii")) for one in LINE.finditer(line)]
        if not marks:
            text.append(line)
            continue
        if not label and COMMENT.match(line):
            continue
        (first, name), (last, after) = marks[0], marks[-1]
        ends = first == b"END" and name == label and label != ""
        begins = last == b"BEGIN" and line.endswith(b"-----")
        if LINE.fullmatch(line) is None or begins == bool(label) or ends != bool(label):
            expected = f"-----END {label}-----" if label else "a -----BEGIN alone on its line"
            # Only the marks: what stands beside them may be a key.
            shown = b"".join(one.group() for one in LINE.finditer(line))[:160].decode("ascii")
            faults.append(f"line {number}: found {shown!r}; expected {expected}")
        if ends:
            blocks.append((label, began, b"".join(text)))
        label, began, text = (after if begins else ""), number, []
    if label:
        faults.append(f"line {began}: -----BEGIN {label}----- without its END")
    return blocks, faults


def _certificates(blocks: list[tuple[str, int, bytes]], faults: list[str]) -> list[bytes]:
    """Return the certificates among the blocks; add what cannot be decoded to faults."""
    found = []
    for label, number, block in blocks:
        if CERTIFICATE.fullmatch(label):
            try:
                found.append(_decoded(block))
            except ValueError as exc:
                faults.append(f"line {number}: a certificate that is not base64: {exc}")
    return found


def _passed_over(blocks: list[tuple[str, int, bytes]], data: bytes) -> list[str]:
    """Return what lies beside the certificates of a file, is not read, and may hold more of them."""
    strange = [
        f"line {number}: -----BEGIN {label}----- beside certificates, which was not read"
        for label, number, _block in blocks
        if label in PKCS7
        or ("CERT" in label and not CERTIFICATE.fullmatch(label) and label not in NO_CERTIFICATES)
    ]
    if b"\0" in data:
        strange.append(f"byte {data.index(0)}: binary data beside certificates in PEM")
    return strange


def _embedded(text: bytes, faults: list[str]) -> list[bytes]:
    """Return the certificates in base64 of PEM; add what cannot be decoded to faults."""
    try:
        blocks, unread = pem_blocks(base64.b64decode(text, validate=True))
    except binascii.Error as exc:
        faults.append(f"PEM in base64 that cannot be decoded: {exc}")
        return []
    faults += [f"PEM in base64, {one}" for one in unread]
    return _certificates(blocks, faults)


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


def _pkcs7(host: Host, path: str, form: str) -> CertificateFile:
    """Return what openssl takes out of a PKCS#7 file, where certificates have no order."""
    ran = _openssl(host, ["pkcs7", "-in", path, "-inform", form, "-print_certs"], "")
    found = _printed(ran) if ran.status == 0 else []
    if not found:
        raise HostError(f"{path}: PKCS#7 without a certificate that openssl reads")
    return _limited("pkcs7", found, False, [])


def _pkcs12(host: Host, path: str, passphrase: str) -> CertificateFile:
    """Return what openssl takes out of a PKCS#12 file: its own certificate first, then the others."""
    found: list[bytes] = []
    for option in ("-clcerts", "-cacerts"):
        found += _printed(_open_pkcs12(host, path, passphrase, ["-nokeys", option]))
    if not found:
        raise HostError(f"{path}: PKCS#12 without a certificate")
    return _limited("pkcs12", found, True, [])


def _printed(ran: Ran) -> list[bytes]:
    """Return the certificates that openssl has printed."""
    return _certificates(pem_blocks(_bytes(ran.out))[0], [])


def _open_pkcs12(host: Host, path: str, passphrase: str, options: list[str]) -> Ran:
    """Run openssl on the file, if need be with the old ciphers that OpenSSL 3 keeps apart.

    Raises: HostError.
    """
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
    """Return the SHA-256 of the key's SubjectPublicKeyInfo.

    Raises: KeyUnseenError or HostError.
    """
    data = host.read_bytes(path, FILE_LIMIT_BYTES)
    text = ""
    options = ["-in", path]
    if not KEY.search(data):
        if b"-----BEGIN" in data or _sequence_size(data) is None:
            raise KeyUnseenError(f"{path}: contains no key")
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
    """Return whether Python's own TLS takes certificate and key together: all that can be told without openssl."""
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


def trust_of(
    host: Host, certificates: list[bytes], ca_file: str, for_servers: bool = False
) -> dict[str, Any]:
    """Return whether openssl finds a way from the first certificate, over the others, to a root that the host trusts.

    Apart from the time, which is another question. private: the same with the roots that came with it trusted, for a
    root that is not known hides what else is wrong. any_purpose: the same if it need not be for servers.
    """
    store = ca_file or "the host's store"
    purpose = ["-purpose", "sslserver"] if for_servers else []
    anchors = ["-CAfile", ca_file, "-no-CApath"] if ca_file else []
    told = {"store": store, **_verify(host, certificates, [*purpose, *anchors])}
    if told.get("code") in ROOT_UNKNOWN:
        own = ["-CAfile", OTHERS, "-no-CApath"]
        told["private"] = _verify(host, certificates, [*purpose, *own])
    if NOT_FOR_THIS in (told.get("code"), told.get("private", {}).get("code")) and for_servers:
        told["any_purpose"] = trust_of(host, certificates, ca_file)
    return told


OTHERS = "(the certificates themselves)"


def _verify(host: Host, certificates: list[bytes], options: list[str]) -> dict[str, Any]:
    """Return what openssl says of the first certificate, with the others at hand."""
    try:
        # openssl wants the others in a file: one in memory, so that nothing is written on the host.
        others = os.memfd_create("upkeep")
        try:
            os.write(others, pem(certificates).encode("ascii"))
            path = f"/proc/{os.getpid()}/fd/{others}"
            options = [path if one == OTHERS else one for one in options]
            command = ["verify", *options, "-no_check_time", "-untrusted", path]
            return parse_verify(_openssl(host, command, "", pem(certificates[:1])))
        finally:
            os.close(others)
    except (AttributeError, OSError, HostError) as exc:
        return {"unseen": str(exc)}


def parse_verify(ran: Ran) -> dict[str, Any]:
    """Return what `openssl verify` says; of several errors, one that says more than that the root is not known.

    Source: openssl-verify(1).
    """
    if ran.status == 0:
        return {"trusted": True, "code": 0, "reason": ""}
    found = re.findall(r"error (\d+) at (\d+) depth lookup: ?(.*)", ran.err + ran.out)
    if not found:
        lines = (ran.err or ran.out).strip().splitlines()
        return {"unseen": f"openssl verify: {lines[-1][:200] if lines else ran.status}"}
    code, depth, reason = next((one for one in found if int(one[0]) not in ROOT_UNKNOWN), found[0])
    return {
        "trusted": False,
        "code": int(code),
        "depth": int(depth),
        "reason": reason.strip()[:200],
    }


def trusts_of(
    host: Host, certificates: list[bytes], ca_file: str, for_servers: bool
) -> dict[str, Any]:
    """Return `trust_of` by place of those behind the first that may be leaves too."""
    places = [
        place for place, one in enumerate(certificates) if place and AUTHORITY.search(one) is None
    ]
    return {
        str(place): trust_of(
            host,
            [certificates[place], *certificates[:place], *certificates[place + 1 :]],
            ca_file,
            for_servers,
        )
        for place in places[:MOST_TRUSTS]
    }


def key_kind(certificate: bytes) -> str:
    """Return the kind of the certificate's key, empty for one that needs no telling apart."""
    return next((kind for kind, mark in KEY_KINDS.items() if mark in certificate), "")


def pem(certificates: list[bytes]) -> str:
    """Return the certificates as PEM."""
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in certificates)


def served_chain(
    host: Host,
    place: str,
    server_name: str,
    protocol: str,
    timeout_seconds: float,
    kind: str = "",
) -> list[bytes]:
    """Return the chain as openssl sees it presented, for what Python does not show or cannot ask for.

    kind: of the key that is asked for, or empty for any. Empty if the server refused.
    Raises: HostError.
    """
    command = ["s_client", "-connect", place, "-showcerts"]
    command += ["-servername", server_name] if server_name else ["-noservername"]
    command += ["-starttls", protocol] if protocol else []
    command += ["-sigalgs", SIGNATURES[kind]] if kind else []
    ran = _openssl(host, [*command, "-cipher", "ALL:@SECLEVEL=0"], "", "Q\n", timeout_seconds)
    shown = ran.out.partition("\nServer certificate")[0]
    found = _certificates(pem_blocks(_bytes(shown))[0], [])
    if not found and not REFUSAL.search(ran.err):
        lines = [line for line in ran.err.splitlines() if "err" in line] or [f"status {ran.status}"]
        raise HostError(f"openssl s_client: {lines[0][:160]}")
    return found


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
