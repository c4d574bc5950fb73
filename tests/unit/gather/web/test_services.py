"""Addresses of services, DNS questions and answers."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from patience import PATIENCE_SECONDS

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web.services import (
    ARGUMENTS,
    encode_question,
    gather,
    parse_answer,
    parse_dns,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    NoAnswerError,
    side_by_side,
    split_place,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("dns:portal.example.org", ("", 53, "portal.example.org", "A")),
        ("dns://portal.example.org", ("", 53, "portal.example.org", "A")),
        ("dns:///portal.example.org", ("", 53, "portal.example.org", "A")),
        ("dns://192.0.2.53/example.org?type=MX", ("192.0.2.53", 53, "example.org", "MX")),
        ("dns://[2001:db8::53]:5353/a.b?type=aaaa", ("2001:db8::53", 5353, "a.b", "AAAA")),
    ],
)
def test_an_address_of_rfc_4501(place: str, expected: tuple[str, int, str, str]) -> None:
    assert parse_dns(place) == expected


@pytest.mark.parametrize(
    "place", ["dns:", "dns:x?type=MX", "dns://192.0.2.53/x?type=LOC", "dns://s:0/x"]
)
def test_what_cannot_be_asked(place: str) -> None:
    with pytest.raises(ValueError):
        parse_dns(place)


def test_a_question_is_what_rfc_1035_says() -> None:
    assert encode_question(0x1234, "a.example.", 1) == (
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01"
    )


@pytest.mark.parametrize("name", ["a..b", "a" * 64 + ".example"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(NoAnswerError):
        encode_question(1, name, 1)


@pytest.mark.parametrize("data", [b"", b"\x12\x34", b"\x12\x34\x01\0" + b"\0" * 8])
def test_what_is_no_response(data: bytes) -> None:
    with pytest.raises(NoAnswerError):
        parse_answer(data, 1)


NAME = b"\x01w\x07example\x00"
HERE = b"\xc0\x0c"


def record(kind: int, value: bytes, name: bytes = HERE) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, 60, len(value)) + value


def response(*records: bytes, code: int = 0, flags: int = 0x80, kind: int = 1) -> bytes:
    head = struct.pack("!HBB4H", 1, flags, code, 1, len(records), 0, 0)
    return head + NAME + struct.pack("!HH", kind, 1) + b"".join(records)


A, AAAA, ALIAS = record(1, b"\xc0\0\2\1"), record(28, b"\0" * 16), record(5, b"\x01x\xc0\x0e")


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (response(A), 1, (0, 1)),
        (response(A, A), 1, (0, 2)),
        (response(ALIAS, A), 1, (0, 1)),
        (response(ALIAS, record(1, b"\xc0\0\2\1", b"\x01x\xc0\x0e")), 1, (0, 1)),
        (response(ALIAS), 1, (0, 0)),
        (response(ALIAS), 5, (0, 1)),
        (response(AAAA), 1, (0, 0)),
        (response(), 1, (0, 0)),
        (response(code=3), 1, (3, 0)),
        (response(A, flags=0x82), 1, (0, 1)),
        (response(A, A, flags=0x82)[:-9], 1, (0, 1)),
    ],
    ids=[
        "an address",
        "two",
        "an alias with its address",
        "under the alias' name",
        "an alias that leads nowhere",
        "the alias itself",
        "another type",
        "none",
        "no such name",
        "marked as cut",
        "cut",
    ],
)
def test_answers_of_the_type_count(data: bytes, kind: int, expected: tuple[int, int]) -> None:
    assert parse_answer(data, kind) == expected


@pytest.mark.parametrize("cut", range(12, len(response(ALIAS, A))))
def test_an_answer_that_ends_anywhere_is_none(cut: int) -> None:
    with pytest.raises(NoAnswerError):
        parse_answer(response(ALIAS, A)[:cut], 1)


def test_each_address_of_a_name_server_is_asked() -> None:
    class Twice(Host):
        def resolve(self, name: str, port: int = 0) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def answer() -> None:
            asked, client = server.recvfrom(512)
            server.sendto(asked[:2] + response(A)[2:12] + asked[12:] + A, client)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        params = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
        params |= {"services": [f"dns://ns.example:{port}/w.example"], "tries": 1}
        params["timeout_seconds"] = PATIENCE_SECONDS
        (seen,) = gather(params, Twice())
        thread.join(PATIENCE_SECONDS)

    assert (seen.data["tries"][0]["rcode"], seen.data["tries"][0]["answers"]) == ("NOERROR", 1)


@pytest.mark.parametrize(
    ("place", "expected"),
    [("h:1", ("h", 1)), ("[::1]:2", ("::1", 2)), ("h", ("h", 443)), ("::1", ("::1", 443))],
)
def test_a_place(place: str, expected: tuple[str, int]) -> None:
    assert split_place(place, 443) == expected


@pytest.mark.parametrize("place", ["", ":1", "h:0", "h:65536", "h:x", "h:\u0661", "[::1]x"])
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(ValueError):
        split_place(place, 443)


def test_a_service_of_an_unknown_kind_is_an_error_of_its_own() -> None:
    params = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
    (seen,) = gather({**params, "services": ["gopher://x:70"]}, Host())

    assert seen.error.startswith("'gopher://x:70': expected a URL of tcp, tls, http")


def test_work_that_is_not_done_in_time_is_none_and_what_raises_is_the_error() -> None:
    def work(item: int) -> int:
        return 1 // item

    done = side_by_side(work, [1, 0], 5)

    assert done[0] == 1
    assert isinstance(done[1], ZeroDivisionError)
