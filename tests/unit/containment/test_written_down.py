"""What an isolation writes down, sockets and connections as the kernel tells them, and others' rules side by side."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.containment.conntrack import (
    read_entry,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.others import (
    others_differ,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.probes import (
    is_tight,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    Control,
    Openings,
    forbidden,
    kept_of,
    network_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.sockets import (
    OpenSocket,
    foreign,
    listeners,
    parse_sockets,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    Case,
    Event,
    parse_events,
    phase_of,
)

PLAN = Openings(
    (Control(network_of("10.91.1.1", "x"), 22),),
    kept_of([{"to": "10.0.0.53", "port": 53, "protocol": "udp"}]),
)
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
# Lines of /proc/net/tcp and tcp6 of Debian 12 on a little-endian machine.
LISTENS = "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n"
LOCAL = "   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n"
CONTROLLED = "   2: 0A015B0A:0016 01015B0A:C350 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 20 4 30 10 -1\n"
FOREIGN = "   3: 0A015B0A:0016 0B015B0A:C351 01 00000000:00000000 00:00000000 00000000     0        0 4714 1 0 20 4 30 10 -1\n"
PASSED = "   4: 0A015B0A:0050 0B015B0A:C352 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1\n"
MAPPED = (
    "   0: 0000000000000000FFFF00000A015B0A:0016 0000000000000000FFFF00000B015B0A:C353 01 00000000:00000000 00:00000000 "
    "00000000     0        0 4715 1 0 20 4 30 10 -1\n"
)


def test_sockets_are_read_from_the_kernels_tables() -> None:
    found = parse_sockets(HEAD + LISTENS + LOCAL + CONTROLLED + FOREIGN + PASSED, "tcp")
    (mapped,) = parse_sockets(HEAD + MAPPED, "tcp")

    assert found[2] == OpenSocket("tcp", "10.91.1.10", 22, "10.91.1.1", 50000, 1, 4713)
    assert (mapped.local, mapped.peer) == ("10.91.1.10", "10.91.1.11")
    assert [one.inode for one in foreign([*found, mapped], PLAN)] == [4714, 4715]
    assert listeners(found) == [22]


@pytest.mark.parametrize("line", ["x\n", "   0: 00000000:0016 00000000\n"])
def test_a_line_that_is_no_socket_is_not_passed_over(line: str) -> None:
    with pytest.raises(ValueError, match="no socket in line"):
        parse_sockets(HEAD + line, "tcp")


@pytest.mark.parametrize(
    ("original", "entry"),
    [
        (
            "1400018008000100c0000201080002000a00000a1c0002800500010006000000060002009c400000060003001a0a0000",
            ("192.0.2.1", "10.0.0.10", 6, 40000, 6666),
        ),
        (
            "14000180080001000a000001080002000a00000a0c0002800500010001000000",
            ("10.0.0.1", "10.0.0.10", 1, 0, 0),
        ),
        ("", None),
        ("1400018008000100c0000201", None),
        ("ffff", None),
    ],
)
def test_an_entry_of_conntrack(original: str, entry: Any) -> None:
    assert read_entry(bytes.fromhex(original)) == entry


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("", []),
        ("1795828593 armed by alice\n", [Event(1795828593.0, "armed", "by alice")]),
        ("1795828593 releasing\n", [Event(1795828593.0, "releasing", "")]),
        # Half a line, words of somebody else, and a line that looks like one in the words of another.
        ("17958\nx y\n1795828593 Armed x\n", []),
    ],
)
def test_events_are_read_as_far_as_they_are_some(text: str, events: list[Event]) -> None:
    assert parse_events(text) == events


@pytest.mark.parametrize(
    ("state", "kinds", "phase"),
    [
        ({}, [], "none"),
        ({}, ["loaded"], "none"),
        ({}, ["released"], "released"),  # its state was lost since
        ({"phase": "armed"}, ["armed"], "armed"),
        ({"phase": "loaded"}, ["armed", "loaded"], "loaded"),
        ({"phase": "confirmed"}, ["armed", "loaded", "confirmed", "put_back"], "confirmed"),
        ({"phase": "confirmed"}, ["confirmed", "releasing"], "confirmed"),
        ({"phase": "confirmed"}, ["confirmed", "releasing", "not_released"], "confirmed"),
        ({"phase": "loaded"}, ["loaded", "releasing", "released"], "released"),
    ],
)
def test_how_it_stands_is_what_was_written_down_last(
    state: dict[str, Any], kinds: list[str], phase: str
) -> None:
    assert phase_of(state, [Event(1.0, kind, "") for kind in kinds]) == phase


@pytest.mark.parametrize("id_", ["", "../x", "a/b", "a" * 41, "a b"])
def test_an_id_is_no_path(id_: str) -> None:
    with pytest.raises(IsolationError, match="expected letters, digits and dashes"):
        Case(id_)


def test_what_others_have_changed_is_told_with_its_table() -> None:
    before = "table ip mine {\n\tchain a {\n\t\tdrop\n\t}\n}\n"
    after = "table ip mine {\n\tchain a {\n\t\taccept\n\t}\n}\ntable ip new {\n}\n"

    assert others_differ(before, before) == ()
    assert others_differ(before, after) == (
        "- table ip mine chain a: drop",
        "+ table ip mine chain a: accept",
        "+ table ip new",
    )
    assert others_differ("", after, limit=1) == ("+ table ip mine", "and 3 more")


def test_what_is_tried_is_nothing_that_the_host_may() -> None:
    asked = [("10.91.1.1", 80), ("10.0.0.53", 80), ("203.0.113.9", 443), ("127.0.0.1", 80)]

    assert forbidden(PLAN, asked, ["10.91.1.254", "fe80::1"]) == [
        ("203.0.113.9", 443),
        ("10.91.1.254", 0),
        ("192.0.2.1", 0),
        ("2001:db8::1", 0),
    ]


@pytest.mark.parametrize(
    ("said", "tight"),
    [
        ([], None),
        ([None], None),
        ([True, None], True),
        ([True, False], False),
        ([None, False], False),
    ],
)
def test_one_try_that_gets_through_is_enough(said: list[bool | None], tight: bool | None) -> None:
    assert is_tight([{"ok": one} for one in said]) is tight
