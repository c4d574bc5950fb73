"""How far a repository has been read: which part is next, what came since, and what was never proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Snapshot,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import cycle as cycling
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.cycle import (
    Cycle,
    part_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger

DAY = 86_400.0
OLD, NEW = Snapshot("snapshot old", 50.0), Snapshot("snapshot new", 150.0)


def pack(first: int, rest: int = 0) -> str:
    return f"{first:02x}{rest:014x}{0:048x}"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path))


def begun(ledger: Ledger, parts: int = 4, repository: str = "r", now: float = 100.0) -> Cycle:
    return Cycle(ledger, "set", parts, repository, now)


@pytest.mark.parametrize(
    ("first", "parts", "part"),
    [(0, 4, 1), (3, 4, 4), (4, 4, 1), (255, 256, 256), (255, 16, 16), (16, 16, 1), (9, 1, 1)],
)
def test_the_first_byte_of_a_pack_says_its_part_as_restic_does(
    first: int, parts: int, part: int
) -> None:
    assert part_of(pack(first), parts) == part


def test_a_cycle_goes_on_where_the_one_before_was_left_and_begins_anew_when_it_is_full(
    ledger: Ledger,
) -> None:
    for part in range(1, 5):
        cycle = begun(ledger, now=100.0 + part)
        assert cycle.next() == part
        cycle.read(part, [], 200.0 + part)
        cycle.keep([OLD], 0)
    full = ledger.cycle("set")
    anew = begun(ledger, now=1000.0)

    assert full == {
        "parts": 4,
        "began_at": "1970-01-01T00:01:41+00:00",
        "done": [1, 2, 3, 4],
        "last_full_at": "1970-01-01T00:03:24+00:00",
        "unproved": 0,
        "never": [],
    }
    assert (anew.next(), anew.covered()) == (1, "0 of 4")


@pytest.mark.parametrize(
    ("parts", "repository", "done"),
    [(4, "r", "1 of 4"), (5, "r", "0 of 5"), (4, "another", "0 of 4")],
    ids=["as it was", "another number of parts", "another repository"],
)
def test_a_part_counts_only_for_the_cycle_and_the_repository_it_was_read_in(
    parts: int, repository: str, done: str, ledger: Ledger
) -> None:
    cycle = begun(ledger)
    cycle.read(1, [], 100.0)
    cycle.keep([], 0)

    assert begun(ledger, parts, repository).covered() == done


@pytest.mark.parametrize("parts", [0, -1, 257])
def test_a_number_of_parts_that_restic_cannot_have_is_refused(parts: int, ledger: Ledger) -> None:
    with pytest.raises(NotTriedError, match=f"found {parts}; expected 1 to 256"):
        begun(ledger, parts)


def test_a_pack_that_comes_into_a_part_that_was_read_is_not_proved(ledger: Ledger) -> None:
    first = [pack(0, 1), pack(4, 2), pack(1, 3)]
    cycle = begun(ledger)
    cycle.read(1, first, 100.0)
    cycle.keep([], 0)
    again = begun(ledger)

    assert again.unproved(first) == 0
    assert again.unproved([*first, pack(0, 9), pack(4, 9), pack(1, 9)]) == 2
    assert again.unproved([]) == 0


def test_of_more_packs_than_can_be_kept_none_counts_as_proved(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycling, "KEPT_PACKS", 1)
    packs = [pack(0, 1), pack(0, 2)]
    cycle = begun(ledger)
    cycle.read(1, packs, 100.0)

    assert cycle.unproved(packs) == 2


def test_snapshots_are_proved_by_a_restore_or_by_a_full_cycle_that_began_after_them(
    ledger: Ledger,
) -> None:
    cycle = begun(ledger, parts=1)
    assert cycle.never([NEW, OLD]) == ["snapshot new", "snapshot old"]
    cycle.read(1, [], 200.0)
    assert cycle.never([NEW, OLD]) == ["snapshot new"]
    cycle.restored("snapshot new")
    cycle.keep([NEW, OLD], 0)

    assert ledger.cycle("set")["never"] == []
    assert begun(ledger, parts=1).never([NEW, OLD]) == []


@pytest.mark.parametrize(
    ("share", "done", "full"),
    [(0.0, [], False), (0.5, [1, 2], False), (0.99, [1, 2, 3], False), (1.0, [1, 2, 3, 4], True)],
)
def test_a_program_that_reads_to_the_end_fills_the_parts_in_their_order(
    share: float, done: list[int], full: bool, ledger: Ledger
) -> None:
    cycle = begun(ledger)
    cycle.reached(share, 7, 300.0)
    cycle.keep([], 0)

    assert (cycle.done, cycle.position) == (done, 7)
    assert (ledger.cycle("set")["last_full_at"] is not None) is full
    assert begun(ledger).position == (0 if full else 7)


@pytest.mark.parametrize(
    ("days", "cycle_days", "behind"),
    [
        (1.0, 8.0, False),
        (2.0, 8.0, False),
        (2.1, 8.0, True),
        (22.0, None, False),
        (23.0, None, True),
    ],
)
def test_a_cycle_is_behind_when_less_of_it_was_read_than_of_its_time_has_gone(
    days: float, cycle_days: float | None, behind: bool, ledger: Ledger
) -> None:
    cycle = begun(ledger, now=0.0)
    cycle.read(1, [], 0.0)

    assert cycle.behind(days * DAY, cycle_days) is behind
