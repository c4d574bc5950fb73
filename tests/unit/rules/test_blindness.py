"""When a check has gone blind, by tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from upkeep.model.answer import Due, Observed, Outcome
from upkeep.model.verdicts import Result, Severity, Status, Unknown
from upkeep.rules.blindness import (
    Blind,
    HostLook,
    Spot,
    blind_ones,
    has_gone_blind,
    look_of,
    next_spots,
)

NOW = datetime(2030, 6, 1, 6, tzinfo=UTC)
KINDS = {
    "pass": (Status.PASS, None),
    "fail": (Status.FAIL, None),
    "blind": (Status.UNKNOWN, Unknown.CANNOT_SEE),
    "older": (Status.UNKNOWN, None),
    "nothing": (Status.UNKNOWN, Unknown.NOTHING_TO_JUDGE),
    "isolated": (Status.UNKNOWN, Unknown.ISOLATED),
}


def observed(
    *given: str, outcome: Outcome = Outcome.OK, asked: tuple[str, ...] = ("*",)
) -> Observed:
    """An answer; given: `check subject kind`."""
    results = []
    for one in given:
        check, subject, kind = one.split()
        status, unknown = KINDS[kind]
        severity = Severity.LOW if status is Status.FAIL else None
        results.append(
            Result("web1", check, subject, status, severity, f"why {subject}", unknown=unknown)
        )
    due = tuple(Due(check, 0, {}) for check in dict.fromkeys(one.check for one in results))
    return Observed("web1", outcome, NOW, due=due, results=tuple(results), asked=asked)


@pytest.mark.parametrize(
    ("given", "seeing", "blind"),
    [
        (["a x pass"], {"a"}, {}),
        (["a x blind"], set(), {"a": ("x", "why x")}),
        (["a x older"], set(), {"a": ("x", "why x")}),
        (["a x nothing"], {"a"}, {}),
        (["a x fail"], {"a"}, {}),
        (["a x blind", "a y pass"], {"a"}, {}),
        (["a x blind", "a y nothing"], {"a"}, {}),
        (["a y blind", "a x blind"], set(), {"a": ("x", "why x")}),
        (["a x blind", "b x pass"], {"b"}, {"a": ("x", "why x")}),
        # Neither does it see, nor is it blind: what was known of it stays.
        (["a x isolated"], set(), {}),
        (["a x isolated", "a y pass"], {"a"}, {}),
        (["a x isolated", "a y blind"], set(), {"a": ("y", "why y")}),
        ([], set(), {}),
    ],
)
def test_how_checks_saw(
    given: list[str], seeing: set[str], blind: dict[str, tuple[str, str]]
) -> None:
    look = look_of(observed(*given))

    assert look is not None
    assert (look.seeing, look.blind) == (seeing, blind)


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.OK])
def test_a_host_that_did_not_answer_tells_nothing_of_its_checks(outcome: Outcome) -> None:
    assert look_of(observed("a * blind", outcome=outcome)) is None


def spot(check: str = "a", *, looks: int = 1, hours: float = 0, first: bool = False) -> Spot:
    since = NOW - timedelta(hours=hours)
    return Spot("web1", check, "journal", "no files", since, looks, first)


def look(
    *,
    seeing: tuple[str, ...] = (),
    blind: tuple[str, ...] = (),
    due: tuple[str, ...] = ("a",),
    asked: tuple[str, ...] | None = None,
) -> HostLook:
    return HostLook(
        "web1",
        NOW,
        frozenset(seeing),
        dict.fromkeys(blind, ("journal", "no files")),
        frozenset(due),
        None if asked is None else frozenset(asked),
    )


@pytest.mark.parametrize(
    ("known", "look_", "before", "looks", "gone"),
    [
        ([], look(blind=("a",)), ["a"], {"a": (1, False)}, set()),
        ([], look(blind=("a",)), [], {"a": (1, True)}, set()),
        ([spot(looks=2, hours=1)], look(blind=("a",)), ["a"], {"a": (3, False)}, set()),
        ([spot(looks=2, hours=1, first=True)], look(blind=("a",)), [], {"a": (3, True)}, set()),
        # The same answer, taken in twice.
        ([spot()], look(blind=("a",)), ["a"], {}, set()),
        ([spot(hours=1)], look(seeing=("a",)), ["a"], {}, {"a"}),
        # Asked for, and nothing was there to look at: neither seen nor blind.
        ([spot(hours=1)], look(), ["a"], {}, set()),
        ([spot(hours=1)], look(due=()), ["a"], {}, {"a"}),
        ([spot(hours=1)], look(due=(), asked=("a",)), ["a"], {}, {"a"}),
        ([spot(hours=1)], look(due=("b",), asked=("b",)), ["a"], {}, set()),
    ],
    ids=[
        "new", "never seen", "again", "never seen, again", "taken in twice", "sees again",
        "nothing there", "not listed any more", "not listed, asked for by name", "another run",
    ],
)  # fmt: skip
def test_the_next_spots(
    known: list[Spot],
    look_: HostLook,
    before: list[str],
    looks: dict[str, tuple[int, bool]],
    gone: set[str],
) -> None:
    changed, without = next_spots({one.check: one for one in known}, look_, before)

    assert {check: (one.looks, one.from_first) for check, one in changed.items()} == looks
    assert without == gone
    for check, one in changed.items():
        assert one.since == next((each.since for each in known if each.check == check), NOW)


@pytest.mark.parametrize(
    ("one", "after", "gone"),
    [
        (spot(), None, False),
        (spot(looks=3, hours=0.49), None, False),
        (spot(looks=3, hours=0.5), None, True),
        (spot(looks=2, hours=167), None, False),
        (spot(looks=2, hours=168), None, True),
        (spot(looks=1, hours=999), None, False),
        (spot(first=True), None, True),
        (spot(looks=2, hours=1.9), 2, False),
        (spot(looks=2, hours=2), 2, True),
        (spot(looks=1, hours=2), 2, False),
        (spot(looks=9, hours=9), 12, False),
        (spot(first=True), 12, True),
    ],
)
def test_when_a_check_has_gone_blind(one: Spot, after: float | None, gone: bool) -> None:
    limit = None if after is None else timedelta(hours=after)

    assert has_gone_blind(one, NOW, limit) is gone


def test_one_cause_is_one_trouble_for_all_checks_that_it_blinds() -> None:
    old = {"looks": 3, "hours": 2}
    spots = [
        spot("failed_logins", **old),
        spot("units", **old),
        spot("brute_force", looks=5, hours=3),
        spot("spraying", looks=1),  # not yet
        Spot("web1", "disk_space", "*", "mountinfo: gone", NOW - timedelta(hours=2), 3),
    ]
    gathers = {
        "failed_logins": "auth_log", "brute_force": "auth_log", "spraying": "auth_log",
        "units": "journal", "disk_space": "file_systems",
    }  # fmt: skip

    found = list(blind_ones(spots, NOW, None, gathers=gathers, intruders={"brute_force"}))

    assert found == [
        Blind(
            "auth_log: journal",
            ("brute_force", "failed_logins"),
            Severity.HIGH,
            "brute_force, failed_logins have had no data since 2030-06-01 03:00 UTC: no files",
            False,
        ),
        Blind(
            "file_systems",
            ("disk_space",),
            Severity.MEDIUM,
            "disk_space has had no data since 2030-06-01 04:00 UTC: mountinfo: gone",
            False,
        ),
        # The gather is called as what it cannot see.
        Blind(
            "journal",
            ("units",),
            Severity.MEDIUM,
            "units has had no data since 2030-06-01 04:00 UTC: no files",
            False,
        ),
    ]


def test_many_checks_are_counted() -> None:
    spots = [spot(f"check{number}", first=True) for number in range(9)]

    (found,) = blind_ones(
        spots, NOW, None, gathers=dict.fromkeys((one.check for one in spots), "g"), intruders=()
    )

    assert found.message.startswith(
        "check0, check1, check2, check3, check4, check5 and 3 more have had no data since"
    )
    assert len(found.checks) == 9
    assert found.from_first
