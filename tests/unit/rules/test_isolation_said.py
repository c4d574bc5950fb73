"""What a host says of its isolation is read by its shape, and bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from upkeep.model.isolation import IsolationSaid, ObstacleSaid
from upkeep.rules.isolation_said import MOST_ROWS, TEXT_CHARACTERS, isolation_said

SAID: dict[str, Any] = {
    "id": "20260601-aa",
    "state": "confirmed",
    "since": "2026-06-01T02:00:00+00:00",
    "until": "2026-06-02T02:00:00+00:00",
    "unless_confirmed_at": "",
    "by": "ann",
    "kept": [
        {"to": "10.0.0.1", "port": 22, "protocol": "tcp", "why": "the connection of this run"}
    ],
    "cut": {
        "sockets": 2,
        "entries": None,
        "left": [{"protocol": "tcp", "local": "a:1", "peer": "b:2", "processes": ["nginx"]}],
    },
    "obstacles": [
        {"id": "router", "said": "it forwards", "remedy": "", "firm": False, "overridden": True}
    ],
    "snapshot": {"path": "/x", "sha256": "ab", "bytes": 3, "problem": ""},
    "proofs": [
        {"side": "host", "what": "UDP", "expected": "refused", "found": "refused", "ok": True},
        {"side": "host", "what": "TCP", "expected": "none", "found": "connected", "ok": False},
        {"side": "controller", "what": "TCP", "expected": "none", "found": "no port", "ok": None},
    ],
    "others_changed": ["+ table inet f2b"],
    "released_at": "",
    "released_by": "",
    "warnings": ["a reboot releases the host"],
    "tables": [{"family": "inet", "state": "as loaded"}],
    "of a later release": {"more": 1},
}


def test_what_the_module_returns_is_taken_in() -> None:
    assert isolation_said(SAID) == IsolationSaid(
        state="confirmed",
        id="20260601-aa",
        since=datetime(2026, 6, 1, 2, tzinfo=UTC),
        until=datetime(2026, 6, 2, 2, tzinfo=UTC),
        by="ann",
        kept=("10.0.0.1 tcp 22 (the connection of this run)",),
        cut_sockets=2,
        left_number=1,
        left=("tcp a:1 with b:2 (nginx)",),
        obstacles=(ObstacleSaid("router", "it forwards", overridden=True),),
        snapshot_sha256="ab",
        proofs_held=1,
        proofs_unsure=1,
        leaks=("TCP: connected",),
        others_changed=("+ table inet f2b",),
        warnings=("a reboot releases the host",),
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"state": "safe"}, "Invalid enum value 'safe'"),
        ({"state": None}, r"\$.state"),
        ({"since": "yesterday"}, "since: found 'yesterday'; expected a time with its zone"),
        ({"until": "2026-06-02T02:00:00"}, "expected a time with its zone"),
        ({"until": "9999-06-02T02:00:00+00:00"}, "expected a time with its zone"),
        ({"cut": {"sockets": -1}}, r"\$.cut.sockets"),
        ({"cut": {"sockets": 1e9 + 0.5}}, r"\$.cut.sockets"),
        ({"cut": {"sockets": True}}, r"\$.cut.sockets"),
        ({"cut": []}, r"\$.cut"),
        ({"proofs": [{"what": "x", "found": "y", "ok": "yes"}]}, r"\$.proofs\[0\].ok"),
        ({"proofs": {"0": 1}}, r"\$.proofs"),
        ({"kept": [{"to": ["10.0.0.1"], "port": 22, "protocol": "tcp"}]}, r"\$.kept\[0\].to"),
        ({"obstacles": [{"said": "no id"}]}, r"\$.obstacles\[0\]"),
        ({"obstacles": [{"id": "x; reboot", "said": "y"}]}, r"\$.obstacles\[0\].id"),
        ({"obstacles": [{"id": "x\n", "said": "y"}]}, r"\$.obstacles\[0\].id"),
        ({"warnings": ["x"] * 10_001}, "length <= 10000"),
    ],
)
def test_another_shape_is_refused_as_a_whole(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        isolation_said({**SAID, **wrong})


@pytest.mark.parametrize("said", [None, "confirmed", [], 3], ids=repr)
def test_what_is_no_row_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="Expected `object`"):
        isolation_said(said)


def test_what_is_long_or_hostile_is_cut_and_spelled_out() -> None:
    hostile = "\x1b[31m" + "x" * 10_000 + "\x00"
    found = isolation_said(
        {
            **SAID,
            "by": hostile,
            "warnings": [hostile] * 5_000,
            "obstacles": [{"id": "router", "said": "see\nhttps://u:secret@host/"}],
        }
    )

    assert len(found.by) == TEXT_CHARACTERS
    assert found.by.startswith(r"\x1b[31m")
    assert len(found.warnings) == MOST_ROWS
    assert found.obstacles[0].said.startswith("see https://")
    assert "secret" not in found.obstacles[0].said
