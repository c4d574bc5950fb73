"""Which verification counts, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from restore_rows import NOW, ledger_row, ledger_seen

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreAssertion,
    RestoreRow,
    RestoreRunning,
    RestoreSeen,
)
from upkeep.checks.restores._ledger_words import VERIFY
from upkeep.checks.restores.backup_restored import DECLARE, Limits, judge
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Status,
    Unknown,
    nothing_to_judge,
    passed,
    unknown,
)

GOOD = ledger_row(restore_seconds=252.0, restored_bytes=9_500_000_000)
FELL = ledger_row(2, "failed", step="restore", why="pg_restore: unexpected end of file")
LOCKED = ledger_row(0.5, "unknown", step="stage", why="locked by pid 7 on web1")
PART = ledger_row(0.2, "part", covered="3 of 16")


def said(*rows: RestoreRow, limits: Limits | None = None, **fields: Any) -> tuple[str, str]:
    """Return status, with severity, and message."""
    verdict = judge(ledger_seen(*rows, **fields), limits or Limits(), NOW)
    worst = verdict.severity.value if verdict.severity else verdict.status.value
    return worst, verdict.message


def test_a_restore_passes_with_what_was_measured() -> None:
    assert judge(ledger_seen(GOOD), Limits(), NOW) == passed(
        "restored in 4 min 12 s, 36.0 MiB/s, 1.0 days ago, at most 31: /b/shop.dump, "
        "taken 2026-11-26 09:54 UTC; proved by checksums",
        Measure("age", 86400.0, "s"),
    )


@pytest.mark.parametrize(
    ("days", "worst"), [(30.9, "pass"), (31, "pass"), (31.1, "high"), (310, "high")]
)
def test_how_old_it_may_be(days: float, worst: str) -> None:
    found, message = said(ledger_row(days))

    assert found == worst
    assert f"{days:.1f} days ago, at most 31" in message


def test_a_set_that_is_not_declared_to_be_verified_is_not_judged() -> None:
    expected = nothing_to_judge("it is not declared to be verified by a restore", remedy=DECLARE)

    assert judge(RestoreSeen(NOW), Limits(), NOW) == expected


def test_what_was_never_verified_is_unknown_with_the_command_that_does_it() -> None:
    assert judge(ledger_seen(), Limits(), NOW) == unknown(
        "never verified by a restore", remedy=VERIFY
    )


def test_a_first_verification_is_shown_while_it_runs() -> None:
    running = RestoreRunning("/b/shop.dump", "restore", NOW, 0.4)

    assert said(running=running)[1] == (
        "never verified by a restore; a verification is running: restore, 40%"
    )


@pytest.mark.parametrize(
    ("rows", "worst", "part"),
    [
        (
            [FELL],
            "critical",
            "at step restore: pg_restore: unexpected end of file; verified 2.0 days",
        ),
        ([LOCKED, FELL], "critical", "not restored: /b/shop.dump"),
        ([PART, FELL], "critical", "not restored: /b/shop.dump"),
        ([FELL, ledger_row(3)], "critical", "not restored: /b/shop.dump"),
        ([GOOD, FELL], "pass", "proved by checksums"),
        (
            [LOCKED, GOOD],
            "pass",
            "the last try could not verify it: at step stage: locked by pid 7",
        ),
        ([PART, GOOD], "pass", "since then 3 of 16 was read"),
        ([LOCKED, ledger_row(32)], "high", "32.0 days ago, at most 31"),
        ([LOCKED], "unknown", "could not be verified: at step stage: locked by pid 7 on web1"),
        ([PART], "unknown", "only read in parts (3 of 16), never restored in whole"),
        ([LOCKED, PART], "unknown", "could not be verified: at step stage"),
    ],
    ids=[
        "bad",
        "bad and then locked",
        "bad and then a part",
        "bad after a good one",
        "mended",
        "good and then locked",
        "good and then a part",
        "good too long ago and then locked",
        "locked",
        "a part",
        "a part and then locked",
    ],
)
def test_the_newest_verification_that_came_to_an_end_counts(
    rows: list[RestoreRow], worst: str, part: str
) -> None:
    found, message = said(*rows)

    assert found == worst
    assert part in message


@pytest.mark.parametrize(("hours", "worst"), [(-1, "pass"), (0, "pass"), (1, "critical")])
def test_a_broken_newest_backup_behind_a_good_older_one_never_passes(
    hours: float, worst: str
) -> None:
    """hours: how much later the broken one was taken than the one that was restored since."""
    good = ledger_row(1)
    assert good.taken_at is not None
    broken = ledger_row(
        1.5, "failed", backup="/b/newest.dump", taken_at=good.taken_at + timedelta(hours=hours)
    )

    found, message = said(good, broken)

    assert found == worst
    if worst == "critical":
        assert "not restored: /b/newest.dump" in message
        assert (
            "/b/shop.dump, taken 2026-11-26 09:54 UTC, was restored since, but is older" in message
        )


@pytest.mark.parametrize(
    ("rpo_hours", "hours", "worst"),
    [(24, 24, "pass"), (24, 24.1, "high"), (None, 48, "pass"), (None, 48.1, "high")],
)
def test_only_the_newest_backup_of_its_time_counts(
    rpo_hours: float | None, hours: float, worst: str
) -> None:
    row = ledger_row(1)
    old = ledger_row(1, taken_at=row.began_at - timedelta(hours=hours))

    found, message = said(old, rpo_hours=rpo_hours)

    assert found == worst
    assert ("old then, at most" in message) is (worst == "high")


def test_a_base_backup_is_as_new_as_the_wal_beside_it_reaches() -> None:
    row = ledger_row(1)
    taken, point = row.began_at - timedelta(days=6), row.began_at - timedelta(minutes=5)

    assert said(ledger_row(1, taken_at=taken), rpo_hours=1)[0] == "high"
    assert said(ledger_row(1, taken_at=taken, recovery_point_at=point), rpo_hours=1)[0] == "pass"


@pytest.mark.parametrize(
    ("fields", "provable", "worst", "part"),
    [
        ({"proof": "none"}, False, "pass", "restored; content not provable: it has no checksums"),
        (
            {"proof": "none", "unproved": "a plain copy"},
            False,
            "pass",
            "not provable: a plain copy",
        ),
        ({"proof": "none"}, True, "high", "the content is not proved, and must be"),
        ({"proof": "figures"}, True, "pass", "proved by figures"),
        ({"unproved": "the table of contents"}, True, "pass", "not proved: the table of contents"),
        (
            {"findings": ["a shell command"]},
            False,
            "critical",
            "not as it must be: a shell command",
        ),
        (
            {"assertions": [RestoreAssertion("rows", "failed")]},
            False,
            "critical",
            "not as it must be: assertion rows",
        ),
        (
            {"assertions": [RestoreAssertion("a", "held"), RestoreAssertion("b", "unknown")]},
            False,
            "unknown",
            "could not be judged: assertion b",
        ),
        ({"covered": "3 of 9 databases"}, False, "pass", "covered 3 of 9 databases"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_proved(fields: dict[str, Any], provable: bool, worst: str, part: str) -> None:
    found, message = said(ledger_row(**fields), provable=provable)

    assert found == worst
    assert part in message


def test_lines_that_may_be_newer_are_doubt_and_never_hide_what_is_bad() -> None:
    doubt = {"ledger": "1 line after its newest row: a line is no JSON object"}

    assert said(GOOD, unread=doubt) == (
        "unknown",
        "the ledger cannot be read to its end: 1 line after its newest row: a line is no JSON object",
    )
    assert said(FELL, unread=doubt)[0] == "critical"
    assert said(unread=doubt)[0] == "unknown"
    assert "cannot be read to its end" in said(unread=doubt)[1]


def test_older_lines_that_were_not_understood_are_told() -> None:
    older = {"older": "2 older lines of the ledger: a line is no JSON object"}

    assert said(GOOD, unread=older)[0] == "pass"
    assert said(GOOD, unread=older)[1].endswith(
        "; 2 older lines of the ledger: a line is no JSON object"
    )


@pytest.mark.parametrize(("hours", "worst"), [(1, "pass"), (1.1, "unknown")])
def test_a_verification_of_the_future_is_none(hours: float, worst: str) -> None:
    assert said(ledger_row(-hours / 24))[0] == worst


def test_what_is_bad_names_the_command_that_shows_its_row() -> None:
    verdict = judge(ledger_seen(FELL), Limits(), NOW)

    assert (verdict.status, verdict.severity) == (Status.FAIL, Severity.CRITICAL)
    assert verdict.remedy.startswith(f"upkeep restore show {FELL.id}  # ")


def test_an_id_that_is_nothing_to_paste_is_not_in_the_next_step() -> None:
    verdict = judge(ledger_seen(ledger_row(1, "unknown", id="--help\n")), Limits(), NOW)

    assert verdict.unknown is Unknown.CANNOT_SEE
    assert "help" not in verdict.remedy
