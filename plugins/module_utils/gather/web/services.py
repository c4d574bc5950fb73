# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether services that a host depends on can be reached from it: TCP, TLS, HTTP, DNS."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.astral.upkeep.plugins.module_utils.host.addresses import is_address
from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    STARTTLS,
    NoAnswerError,
    TimedConnection,
    client_context,
    side_by_side,
    split_place,
    start_tls,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import labels, masked_value
from ansible_collections.astral.upkeep.plugins.module_utils.host.web import (
    HttpAsk,
    fetch,
    split_url,
)

SOURCES = ("site",)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "source": {"type": "str", "default": ""},
    "services": {"type": "list", "elements": "str", "default": []},
    "tries": {"type": "int", "default": 2},
    "timeout_seconds": {"type": "float", "default": 5.0},
    "verify": {"type": "bool", "default": True},
    "ca_file": {"type": "path", "default": ""},
}
TIMEOUT_SECONDS = 60
NETWORK = True
OWN_SECONDS = 55.0
MOST_TRIES = 10
BODY_LIMIT_BYTES = 100_000
ADDRESSES = 20
TYPES = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "CAA": 257,
}
ANSWERS = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per service: outcome and times of each try."""
    places = list(dict.fromkeys(params["services"]))
    seen = side_by_side(lambda place: _observe(place, params, host), places, OWN_SECONDS)
    observations: dict[str, Observation] = {}
    for subject, one in zip(labels(places).values(), seen):
        if isinstance(one, dict):
            observations[subject] = Observation(subject, one)
        else:
            reason = str(one) if one is not None else f"not checked within {OWN_SECONDS:g} s"
            observations[subject] = Observation(subject, error=reason)
    return list(observations.values())


def _observe(place: str, params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return the tries at one service.

    Raises: ValueError if it is none that can be tried.
    """
    scheme = place.partition(":")[0].lower()
    if scheme in ("http", "https"):
        split_url(place)
        look = _web
    elif scheme == "dns":
        parse_dns(place)
        look = _dns
    elif scheme in ("tcp", "tls") or scheme in STARTTLS:
        split_place(place.partition("://")[2])
        look = _line
    else:
        known = ", ".join(["tcp", "tls", "http", "https", "dns", *STARTTLS])
        raise ValueError(f"{masked_value(place)[:80]!r}: expected a URL of {known}")
    tries = []
    for _number in range(min(max(params["tries"], 1), MOST_TRIES)):
        started = time.monotonic()
        try:
            one = look(place, params, host)
            one.setdefault("total_seconds", round(time.monotonic() - started, 6))
        except NoAnswerError as exc:
            one = {"stage": exc.stage, "problem": str(exc)[:500]}
        tries.append(one)
    return {"kind": scheme, "tries": tries}


def _line(place: str, params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Connect; for TLS, and for protocols that change to it, up to the end of the handshake."""
    scheme, _colon, rest = place.partition("://")
    name, port = split_place(rest)
    connection = TimedConnection(host, name, port, params["timeout_seconds"])
    try:
        told: dict[str, Any] = {"address": connection.address}
        if scheme in STARTTLS:
            start_tls(connection, scheme)
        if scheme != "tcp":
            context = client_context(params["verify"], params["ca_file"])
            told["protocol"] = connection.secure(context, name).version()
    finally:
        connection.close()
    told.update({f"{step}_seconds": round(spent, 6) for step, spent in connection.seconds.items()})
    return told


def _web(place: str, params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Ask a web address; what it says does not matter here, only that it does."""
    answer = fetch(
        host,
        HttpAsk(
            place,
            client_context(params["verify"], params["ca_file"]),
            timeout_seconds=params["timeout_seconds"],
            limit_bytes=BODY_LIMIT_BYTES,
        ),
    )
    told: dict[str, Any] = {"status": answer.status}
    told.update({f"{step}_seconds": round(spent, 6) for step, spent in answer.seconds.items()})
    return told


def _dns(place: str, params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Look a name up: through the host's resolver, or at a server that the address names."""
    server, port, name, kind = parse_dns(place)
    if server:
        return _ask_server(host, server, port, name, kind, params["timeout_seconds"])
    try:
        addresses = host.resolve(name)
    except HostError as exc:
        raise NoAnswerError("name", str(exc)) from exc
    return {"answers": len(addresses), "addresses": addresses[:ADDRESSES]}


def parse_dns(place: str) -> tuple[str, int, str, str]:
    """Return server, port, name and type of `dns:name` or `dns://server/name?type=MX`.

    Source: RFC 4501. Without a server the type is what the host's resolver gives: addresses.

    Raises: ValueError.
    """
    parts = urlsplit(place)
    name = parts.path.strip("/")
    server, port = split_place(parts.netloc, 53) if parts.netloc else ("", 53)
    if server and not name:  # dns://name, as people write it
        server, name = "", server
    kind = parse_qs(parts.query.replace(";", "&")).get("type", ["A"])[0].upper()
    if kind not in TYPES or (not server and kind not in ("A", "AAAA")):
        raise ValueError(
            f"{masked_value(place)[:80]!r}: type {kind[:20]!r}; expected "
            + (
                ", ".join(TYPES)
                if server
                else "other types need a server: dns://SERVER/NAME?type=MX"
            )
        )
    if not re.fullmatch(r"[^\s/]{1,253}", name):
        raise ValueError(f"{masked_value(place)[:80]!r}: expected dns:NAME or dns://SERVER/NAME")
    return server, port, name, kind


def _ask_server(
    host: Host, server: str, port: int, name: str, kind: str, timeout_seconds: float
) -> dict[str, Any]:
    """Ask the server over UDP and return what the answer says of itself.

    Of a server with several addresses each is asked in turn, for its share of the time, until one answers.

    Raises: NoAnswerError.
    """
    try:
        addresses = [server] if is_address(server) else host.resolve(server, port)
    except HostError as exc:
        raise NoAnswerError("name", str(exc)) from exc
    question = encode_question(int.from_bytes(os.urandom(2), "big"), name, TYPES[kind])
    share = timeout_seconds / max(1, len(addresses))
    problem = NoAnswerError("name", f"{server}: no address")
    for address in addresses:
        try:
            data = _exchange(host, (address, port), question, share)
        except NoAnswerError as exc:
            problem = exc
            continue
        code, answers = parse_answer(data, TYPES[kind])
        told = {"rcode": ANSWERS.get(code, str(code)), "answers": answers}
        if code != 0:
            raise NoAnswerError("name", f"{server}: {told['rcode']} for {name} {kind}")
        if answers == 0:
            raise NoAnswerError("name", f"{server}: no {kind} of {name}")
        return told
    raise problem


def _exchange(host: Host, place: tuple[str, int], question: bytes, seconds: float) -> bytes:
    """Send the question and return its answer.

    Raises: NoAnswerError.
    """
    address, port = place
    try:
        with host.connect_udp(address, port, seconds) as connection:
            connection.send(question)
            ends = time.monotonic() + seconds
            data = b""
            # An answer to somebody else's question, or a forged one, is none.
            while data[:2] != question[:2] or data[12 : len(question)] != question[12:]:
                connection.settimeout(max(0.001, ends - time.monotonic()))
                data = connection.recv(4096)
            return data
    except HostError as exc:
        raise NoAnswerError("name", str(exc)) from exc
    except socket.timeout as exc:
        raise NoAnswerError("answer", f"{address}: no answer in time") from exc
    except OSError as exc:
        raise NoAnswerError("answer", f"{address}: {exc.strerror or exc}") from exc


def encode_question(number: int, name: str, kind: int) -> bytes:
    """Return a query for name, recursion desired.

    RFC 1035, 4.1.

    Raises: NoAnswerError if the name cannot be.
    """
    encoded = b""
    try:
        for label in name.rstrip(".").split("."):
            part = label.encode("ascii") if label.isascii() else label.encode("idna")
            encoded += bytes([len(part)]) + part
    except ValueError as exc:
        raise NoAnswerError("name", f"{name[:80]}: {exc}") from exc
    if any(not 0 < len(label) < 64 for label in name.rstrip(".").split(".")):
        raise NoAnswerError("name", f"{name[:80]}: a label has 1 to 63 bytes")
    return (
        struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + encoded + struct.pack("!BHH", 0, kind, 1)
    )


def parse_answer(data: bytes, kind: int) -> tuple[int, int]:
    """Return the response code and the number of answers of that type.

    RFC 1035, 4.1.

    An alias (CNAME) stands among the answers, too: one that leads nowhere is no address. A cut answer has some.

    Raises: NoAnswerError.
    """
    if len(data) < 12 or not data[2] & 0x80:
        raise NoAnswerError("answer", "an answer that is no DNS response")
    code, is_cut = data[3] & 0x0F, bool(data[2] & 0x02)
    questions, records = struct.unpack("!2H", data[4:8])
    found, at = 0, 12
    try:
        for _number in range(questions):
            at = _after_name(data, at) + 4
        for _number in range(records):
            at = _after_name(data, at)
            its_kind, _class, _ttl, length = struct.unpack("!HHIH", data[at : at + 10])
            at += 10 + length
            found += its_kind == kind
    except (IndexError, struct.error):
        at = len(data) + 1
    if at > len(data) and not is_cut:
        raise NoAnswerError("answer", "an answer that ends within a record")
    return code, max(found, int(is_cut and records > 0))


def _after_name(data: bytes, at: int) -> int:
    """Return where a name ends that begins there. RFC 1035, 4.1.4."""
    while data[at]:
        if data[at] & 0xC0:
            return at + 2
        at += 1 + data[at]
    return at + 1
