"""Pure: as much of DER as it takes to cut a certificate into its parts. X.690; RFC 5280, section 4.1."""

from __future__ import annotations

from collections.abc import Iterator

EXTENSIONS = 0xA3
VERSION = 0xA0


def items(data: bytes) -> list[bytes]:
    """Return the elements that stand one behind the other in data, each with its head.

    Raises: ValueError.
    """
    found = []
    while data:
        _start, size = _measure(data)
        found.append(data[:size])
        data = data[size:]
    return found


def content(element: bytes) -> bytes:
    """Return what is in an element.

    Raises: ValueError.
    """
    start, size = _measure(element)
    return element[start:size]


def wrap(tag: int, inside: bytes) -> bytes:
    """Return the element with this tag and content."""
    if len(inside) < 0x80:
        return bytes([tag, len(inside)]) + inside
    size = len(inside).to_bytes((len(inside).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + inside


def oid(dotted: str) -> bytes:
    """Return an object identifier as an element."""
    first, second, *rest = (int(one) for one in dotted.split("."))
    coded = b"".join(_base_128(number) for number in (40 * first + second, *rest))
    return wrap(0x06, coded)


def raw_names(certificate: bytes) -> tuple[bytes, bytes]:
    """Return issuer and subject as they stand in the certificate.

    Raises: ValueError.
    """
    fields = items(content(items(content(certificate))[0]))
    if fields and fields[0][0] == VERSION:
        fields = fields[1:]
    if len(fields) < 6:
        raise ValueError("fewer fields than a certificate has")
    return fields[2], fields[4]


def with_extension(certificate: bytes, dotted: str) -> bytes | None:
    """Return the certificate with this extension alone; None if it does not have it.

    Its signature does not fit any more: it is for reading only.

    Raises: ValueError.
    """
    body, *rest = items(content(certificate))
    fields = items(content(body))
    wanted = list(_extensions(fields, oid(dotted)))
    if not wanted:
        return None
    alone = wrap(EXTENSIONS, wrap(0x30, b"".join(wanted)))
    kept = [alone if one[0] == EXTENSIONS else one for one in fields]
    return wrap(0x30, wrap(0x30, b"".join(kept)) + b"".join(rest))


def _extensions(fields: list[bytes], name: bytes) -> Iterator[bytes]:
    for field in fields:
        if field[0] == EXTENSIONS:
            yield from (
                one for one in items(content(content(field))) if content(one)[: len(name)] == name
            )


def _measure(data: bytes) -> tuple[int, int]:
    """Return where the content of the first element begins and where it ends."""
    if len(data) < 2:
        raise ValueError("DER that ends within an element's head")
    start, size = 2, data[1]
    if size >= 0x80:
        length = size & 0x7F
        if not 1 <= length <= 4 or len(data) < 2 + length:
            raise ValueError("DER with an element whose length cannot be read")
        start, size = 2 + length, int.from_bytes(data[2 : 2 + length], "big")
    if start + size > len(data):
        raise ValueError("DER that ends within an element")
    return start, start + size


def _base_128(number: int) -> bytes:
    coded = [number & 0x7F]
    while number := number >> 7:
        coded.append(0x80 | number & 0x7F)
    return bytes(reversed(coded))
