# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be told of an encrypted file without its key: what it is by its header, and whether its parts are all there.

Sources: the age file format, v1; RFC 9580, chapters 4 and 5; openssl-enc(1); RFC 5652.
"""

from __future__ import annotations

import binascii
import io
import re

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    HEAD_BYTES,
    BrokenError,
    Counted,
    Reading,
)

AGE = b"age-encryption.org/v1\n"
AGE_CHUNK_BYTES = (64 << 10) + 16
ARMORS = (b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----BEGIN PGP MESSAGE-----")
# As of openssl enc, and of its option -a.
SALTED, SALTED_TEXT = b"Salted__", b"U2FsdGVkX1"
# Up to here there is less than a line in a packet with encrypted data: its head and its end have 41 bytes or more.
NOTHING_BYTES = 64
ENVELOPED = (bytes.fromhex("2a864886f70d010703"), bytes.fromhex("2a864886f70d0109100117"))
PKESK, SKESK, SED, MARKER, SEIPD, AEAD = 1, 3, 9, 10, 18, 20
VERSIONS = {PKESK: (2, 3, 6), SKESK: (4, 5, 6), SEIPD: (1, 2), AEAD: (1,), MARKER: (ord("P"),)}
LINE_BYTES = 4096


def sealed_by(head: bytes) -> str:
    """Return what encrypted the file that begins so: `age`, `OpenPGP`, `openssl` or `CMS`; empty if it is none."""
    if head.startswith((AGE, ARMORS[0])):
        return "age"
    if head.startswith(ARMORS[1]) or _is_packet(head):
        return "OpenPGP"
    if head.startswith((SALTED, SALTED_TEXT)):
        return "openssl"
    if head[:1] == b"\x30" and any(oid in head[:64] for oid in ENVELOPED):
        return "CMS"
    return ""


def _is_packet(head: bytes) -> bool:
    """Return whether an encrypted message begins so: the tag of its first packet, and the version in it."""
    if len(head) < 12 or not head[0] & 0x80:
        return False
    tag = head[0] & 0x3F if head[0] & 0x40 else head[0] >> 2 & 0xF
    try:
        size, skip = _length(head[0], head[1:7])
    except (ValueError, IndexError):
        return False
    if tag in (PKESK, SKESK, MARKER) and not 3 <= (size or 0) <= 5000:
        return False
    return tag in VERSIONS and head[1 + skip] in VERSIONS[tag]


def _length(first: int, rest: bytes) -> tuple[int | None, int]:
    """Return a packet's length, None if the file's end is its end, and in how many bytes that is said."""
    if not first & 0x40:
        kind = first & 3
        if kind == 3:
            return None, 0
        return int.from_bytes(rest[: 1 << kind], "big"), 1 << kind
    if rest[0] < 192:
        return rest[0], 1
    if rest[0] < 224:
        return (rest[0] - 192 << 8) + rest[1] + 192, 2
    if rest[0] < 255:
        # a part of it
        return 1 << (rest[0] & 0x1F), 1
    return int.from_bytes(rest[1:5], "big"), 5


def read_sealed(stream: Counted, found: Reading) -> None:
    """Read an encrypted file to its end; the state is `encrypted`, for nothing shows what is in it.

    Raises: BrokenError if a part of it is missing, OutOfBudgetError.
    """
    head = stream.peek()
    program = sealed_by(head)
    found.what.append(program)
    found.state, found.why = "encrypted", "encrypted: its content cannot be seen without the key"
    armor = next((one for one in ARMORS if head.startswith(one)), b"")
    if armor:
        stream.drain()
        if armor.replace(b"BEGIN", b"END") not in stream.tail:
            raise BrokenError(f"the message of {program} ends too early", cut=True)
        if len(head) < HEAD_BYTES:
            inner = Counted(io.BytesIO(_bare(head)).read, stream.budget)
            (_read_age if program == "age" else _read_packets)(inner)
    elif program == "age":
        _read_age(stream)
    elif program == "OpenPGP":
        _read_packets(stream)
    else:
        stream.drain()
        if program == "openssl":
            _whole_openssl(head, stream)
        else:
            _whole_cms(head, stream)
    found.bytes = stream.count


def _bare(text: bytes) -> bytes:
    """Return what stands in an armor, behind its own head and before its checksum."""
    body = max(re.split(rb"\r?\n\r?\n", text.split(b"-----")[2]), key=len)
    try:
        return binascii.a2b_base64(re.sub(rb"\n=.*", b"", body))
    except ValueError as exc:
        raise BrokenError("an armor without base64") from exc


def _whole_openssl(head: bytes, stream: Counted) -> None:
    """Raise BrokenError if there is nothing behind the salt but what fills one block, or base64 has an odd length."""
    text = not head.startswith(SALTED)
    if stream.count <= (46 if text else 32):
        cut = stream.count < (44 if text else 32)
        raise BrokenError("openssl encrypted nothing, or a few bytes", cut=cut)
    lines = stream.tail.split()
    if text and len(lines) > 1 and len(lines[-1]) % 4:
        raise BrokenError("the base64 of openssl ends too early", cut=True)


def _read_age(stream: Counted) -> None:
    """Read an age file: a header of lines, a nonce, chunks of one size, of which the last may be shorter."""
    while True:
        line = stream.peek(LINE_BYTES)
        size = line.find(b"\n") + 1
        if not size:
            raise BrokenError("the header of age has no end", cut=len(line) < LINE_BYTES)
        stream.read(size)
        if line.startswith(b"---"):
            break
    before = stream.count
    stream.drain()
    size = stream.count - before - 16
    rest = size % AGE_CHUNK_BYTES
    if size == 16:
        raise BrokenError("age encrypted nothing: it is empty")
    if size < 16 or 0 < rest <= 16:
        raise BrokenError("the age file ends too early", cut=True)


def _read_packets(stream: Counted) -> None:
    """Read the packets of an OpenPGP message, each to its end; the last one has the data."""
    began = 0
    while True:
        first = stream.read(1)
        if not first:
            if stream.count - began <= NOTHING_BYTES:
                raise BrokenError("OpenPGP encrypted nothing, or a few bytes")
            return
        began = stream.count
        if not first[0] & 0x80:
            raise BrokenError("something follows the OpenPGP message that is no packet of it")
        partial = True
        while partial:
            ahead = stream.peek(5)
            try:
                size, skip = _length(first[0], ahead.ljust(1, b"\0"))
            except IndexError as exc:
                raise BrokenError("the OpenPGP message ends too early", cut=True) from exc
            if len(ahead) < skip:
                raise BrokenError("the OpenPGP message ends too early", cut=True)
            partial = bool(first[0] & 0x40) and 224 <= ahead[0] < 255
            stream.exactly(skip, "the OpenPGP message")
            if size is None:
                stream.drain()
                return
            _pass(stream, size)


def _pass(stream: Counted, size: int) -> None:
    """Read size bytes and keep none."""
    while size:
        data = stream.read(min(size, 1 << 20))
        if not data:
            raise BrokenError("the OpenPGP message ends too early", cut=True)
        size -= len(data)


def _whole_cms(head: bytes, stream: Counted) -> None:
    """Raise BrokenError if a CMS message of a definite length has another one."""
    if head[1] > 0x80:
        digits = head[1] & 0x7F
        said = 2 + digits + int.from_bytes(head[2 : 2 + digits], "big")
        if said != stream.count:
            cut = stream.count < said
            raise BrokenError(f"the CMS message has {stream.count} of {said} bytes", cut=cut)
