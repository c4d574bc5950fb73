"""Addresses of services, DNS questions and answers."""

from __future__ import annotations

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.connect import (
    NoAnswerError,
    side_by_side,
    split_place,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.services import (
    ARGUMENTS,
    encode_question,
    gather,
    parse_answer,
    parse_dns,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host import Host


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
        parse_answer(data)


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
