"""The ledger on the host, as who verifies writes and reads it; and what has shrunk since the row before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.figures import (
    proved_by_figures,
    shrunk,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger

GOOD: dict[str, Any] = {"set": "shop", "outcome": "restored", "counts": {"a": 1}, "figures": {}}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[1]",
        b"7",
        b"\xff\xfe",
        b"[" * 200_000,
        json.dumps({**GOOD, "counts": [1]}).encode(),
        json.dumps({**GOOD, "figures": "x"}).encode(),
        json.dumps({**GOOD, "counts": {"a": "1"}}).encode(),
        b'{"set":"shop","outcome":"restored","counts":{"a":1e999}}',
        json.dumps({**GOOD, "outcome": 7}).encode(),
        json.dumps({**GOOD, "set": "other"}).encode(),
    ],
    ids=range(12),
)
def test_a_line_that_is_no_row_of_the_set_costs_itself_alone(tmp_path: Path, line: bytes) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.add(GOOD)
    with (tmp_path / "ledger.jsonl").open("ab") as stream:
        stream.write(line)  # cut, as a full disk leaves it
    ledger.add({**GOOD, "id": "second"})

    assert [one.get("id") for one in ledger.rows("shop")] == ["second", None]


def test_what_waits_for_somebody_or_leads_elsewhere_is_no_ledger(tmp_path: Path) -> None:
    for name in ("pipe", "link"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / "ledger.jsonl")
    (tmp_path / "link" / "ledger.jsonl").symlink_to(tmp_path / "other")

    for name in ("pipe", "link"):
        ledger = Ledger(str(tmp_path / name))
        assert ledger.rows("shop") == []
        with pytest.raises(OSError, match=r"ledger\.jsonl"):
            ledger.add(GOOD)
    assert not (tmp_path / "other").exists()


def test_a_folder_that_others_may_write_to_is_no_ledger(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(NotTriedError, match="others cannot write to"):
        Ledger(str(tmp_path))


@pytest.mark.parametrize(
    ("counts", "figures", "before", "said"),
    [
        ({"a": 50}, {}, {"counts": {"a": 100}}, []),
        ({"a": 49}, {}, {"counts": {"a": 100}}, ["a has 49; it had 100 in the verification before"]),
        ({"a": 1}, {}, {"counts": {"a": 99}}, []),
        ({"b": 1}, {}, {"counts": {"a": 1, "b": 1}}, ["a is gone; it had 1 in the verification before"]),
        ({".": 2}, {"bytes": 2}, {"counts": {".": 2}, "figures": {"bytes": 208_894}},
         ["2 bytes came out; 208894 in the verification before"]),
        ({"a": 1}, {"rows": 1}, {"counts": {"a": 500}, "figures": {"rows": 500}},
         ["a has 1; it had 500 in the verification before"]),
        ({}, {}, {}, []),
        ({"a": 5}, {"rows": 5}, {"figures": {"tables": 900}}, []),
    ],
)  # fmt: skip
def test_what_has_gone_or_lost_more_than_half_is_told(
    counts: dict[str, int], figures: dict[str, int], before: dict[str, Any], said: list[str]
) -> None:
    assert shrunk({"counts": counts, "figures": figures}, before) == said


def test_of_many_that_have_shrunk_a_few_are_named() -> None:
    before = {"counts": {f"t{one}": 1000 for one in range(9)}}
    now = {"counts": {f"t{one}": 1 for one in range(9)}, "figures": {}}

    assert len(shrunk(now, before)) == 6
    assert shrunk(now, before)[-1] == "4 more have shrunk"


@pytest.mark.parametrize(
    ("figures", "before", "proved"),
    [
        ({"rows": 5}, {"figures": {"rows": 5}}, True),
        ({"rows": 4}, {"figures": {"rows": 5}}, False),
        ({"rows": 5}, {"figures": {"rows": 5, "tables": 1}}, False),
        ({"rows": 5}, {}, False),
    ],
)
def test_figures_prove_only_if_none_is_lower(
    figures: dict[str, int], before: dict[str, Any], proved: bool
) -> None:
    assert proved_by_figures({"figures": figures}, before) is proved
