"""Signatures of records, in OpenSSH's own format, so that `ssh-keygen -Y verify` can check them without this program.

A record is canonical JSON: ASCII, keys sorted, no spaces. Each names the hash of the one before it, so that one that
is changed, removed or put elsewhere is noticed at its place. Source: OpenSSH's PROTOCOL.sshsig.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

NAMESPACE = "record@upkeep"
BACKUP = "backup@upkeep"
"""What is signed for one purpose holds for no other."""
SIGNER = "upkeep"
FIRST = "0" * 64
"""What the first record names as the one before it."""
_MAGIC = b"SSHSIG"
_HASH = "sha512"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_LINE = 70


@dataclass(frozen=True)
class Signed:
    """A record as it is kept. number: from 1, without gaps. text: the canonical record. key: the public one."""

    number: int
    text: str
    signature: str
    key: str


def canonical(record: Mapping[str, Any]) -> str:
    """Return the one way to write a record.

    Raises: ValueError for what JSON has no word for.
    """
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(text: str) -> str:
    """Return the SHA-256 by which the next record names this one."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def public_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """Return the public key as OpenSSH writes it."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def allowed_signers(keys: Iterable[str]) -> str:
    """Return the file that `ssh-keygen -Y verify -f` takes."""
    return "".join(f'{SIGNER} namespaces="{NAMESPACE}" {key}\n' for key in keys)


def fingerprint(key: str) -> str:
    """Return a public key's fingerprint as `ssh-keygen -l` writes it.

    Raises: ValueError if it is no key.
    """
    try:
        hashed = hashlib.sha256(_wire(key)).digest()
    except IndexError as exc:
        raise ValueError("not a public key in OpenSSH's format") from exc
    return "SHA256:" + base64.b64encode(hashed).decode("ascii").rstrip("=")


def sign(key: Ed25519PrivateKey, text: str, namespace: str = NAMESPACE) -> str:
    """Return the armoured signature of a canonical record."""
    signature = key.sign(_to_be_signed(text.encode("ascii"), namespace))
    blob = b"".join(
        [
            _MAGIC,
            struct.pack(">I", 1),
            _string(_wire(public_text(key))),
            _string(namespace.encode()),
            _string(b""),
            _string(_HASH.encode()),
            _string(_string(b"ssh-ed25519") + _string(signature)),
        ]
    )
    body = "\n".join(textwrap.wrap(base64.b64encode(blob).decode("ascii"), _LINE))
    return f"{_BEGIN}\n{body}\n{_END}\n"


def holds(key: str, text: str, armoured: str, namespace: str = NAMESPACE) -> bool:
    """Return whether it is the signature of that text by that public key, for that purpose."""
    try:
        public = Ed25519PublicKey.from_public_bytes(_strings(_wire(key))[1])
        signed = _to_be_signed(text.encode("ascii"), namespace)
        public.verify(_signature_in(armoured, namespace), signed)
    except (InvalidSignature, ValueError, IndexError, struct.error, UnsupportedAlgorithm):
        return False
    return True


def append(key: Ed25519PrivateKey, before: Signed | None, record: Mapping[str, Any]) -> Signed:
    """Return the next record of the chain, signed; its number and the hash of the one before stand in it."""
    number = before.number + 1 if before else 1
    previous = digest(before.text) if before else FIRST
    text = canonical({**record, "number": number, "previous": previous})
    return Signed(number, text, sign(key, text), public_text(key))


def broken(chain: Iterable[Signed], trusted: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with a chain, record by record; nothing if all of it holds.

    trusted: the installation's public keys; a record that names another was not signed here.
    """
    known, number, previous = set(trusted), 0, FIRST
    for one in chain:
        number += 1
        place = f"record {one.number}"
        if one.number != number:
            missing = f"{number}" if one.number == number + 1 else f"{number} to {one.number - 1}"
            yield (
                f"record {missing} is missing"
                if one.number > number
                else f"{place} is out of order"
            )
            number = one.number
        yield from (f"{place}: {problem}" for problem in _problems(one, previous, known))
        previous = digest(one.text) if one.text.isascii() else ""


def _problems(one: Signed, previous: str, known: set[str]) -> Iterator[str]:
    """Yield what is wrong with one record."""
    if one.key not in known:
        yield "signed with a key that is not this installation's"
        return
    if not holds(one.key, one.text, one.signature):
        yield "its content is not what was signed"
        return
    record = json.loads(one.text)
    if record.get("number") != one.number:
        yield f"it was signed as record {record.get('number')}"
    if record.get("previous") != previous:
        yield "the previous record is not the one that it was signed after"


def _signature_in(armoured: str, purpose: str) -> bytes:
    """Return the raw signature.

    Raises: ValueError or struct.error if it is none of ours.
    """
    lines = armoured.strip().splitlines()
    if len(lines) < 3 or (lines[0], lines[-1]) != (_BEGIN, _END):
        raise ValueError("not an SSH signature")
    blob = base64.b64decode("".join(lines[1:-1]), validate=True)
    if blob[:6] != _MAGIC or blob[6:10] != struct.pack(">I", 1):
        raise ValueError("another version of SSHSIG")
    _key, namespace, _reserved, name, signature = _strings(blob[10:])
    if namespace != purpose.encode() or name != _HASH.encode():
        raise ValueError("signed for another purpose")
    kind, raw = _strings(signature)
    if kind != b"ssh-ed25519":
        raise ValueError("another kind of signature")
    return raw


def _to_be_signed(message: bytes, namespace: str) -> bytes:
    parts = [namespace.encode(), b"", _HASH.encode(), hashlib.sha512(message).digest()]
    return _MAGIC + b"".join(_string(part) for part in parts)


def _wire(public: str) -> bytes:
    return base64.b64decode(public.split()[1])


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _strings(blob: bytes) -> list[bytes]:
    """Return the strings that a blob is made of."""
    found = []
    while blob:
        (length,) = struct.unpack(">I", blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("cut off")
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return found
