"""What the results of an isolated host say, by tables: what needs the network is unknown, and all else stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import load
from upkeep.judging.isolated import set_aside
from upkeep.judging.judge import judge_again, judge_answer
from upkeep.model.answer import Due, Isolated, Request, from_json, to_json
from upkeep.model.verdicts import Result, Severity, Status, Unknown

NOW = datetime(2030, 6, 1, 6, tzinfo=UTC)
CUT_OFF = Isolated("20300601-a1", datetime(2030, 6, 1, 5, 10, tzinfo=UTC), "alice")
SINCE = "isolated since 2030-06-01 05:10 UTC by alice: "
KINDS = {
    "pass": (Status.PASS, None, None),
    "fail": (Status.FAIL, Severity.CRITICAL, None),
    "blind": (Status.UNKNOWN, None, Unknown.CANNOT_SEE),
    "older": (Status.UNKNOWN, None, None),
    "nothing": (Status.UNKNOWN, None, Unknown.NOTHING_TO_JUDGE),
}


def result(check: str, kind: str) -> Result:
    status, severity, unknown = KINDS[kind]
    return Result("web1", check, "x", status, severity, "why", remedy="do it", unknown=unknown)


@pytest.mark.parametrize(
    ("check", "kind", "is_explained"),
    [
        # What it judges works through the network only.
        ("http_health", "fail", True),
        ("http_health", "blind", True),
        ("http_health", "older", True),
        ("http_health", "pass", False),
        ("http_health", "nothing", False),
        ("external_service", "fail", True),
        ("clock_synchronized", "fail", True),
        ("security_updates", "fail", False),
        ("database_connect", "fail", True),
        # It looks through the network: what it sees is as it is.
        ("certificate_expiry", "fail", False),
        ("certificate_expiry", "blind", True),
        ("backup_fresh", "fail", False),
        ("backup_fresh", "blind", True),
        ("database_transactions", "fail", False),
        ("database_transactions", "blind", True),
        # It looks at the host itself: whoever broke in may want it blind.
        ("failed_logins", "blind", False),
        ("failed_logins", "fail", False),
        ("disk_space", "blind", False),
        ("isolation", "blind", False),
        ("isolation", "fail", False),
    ],
)
def test_what_an_isolation_explains(check: str, kind: str, is_explained: bool) -> None:
    given = result(check, kind)

    (found,) = set_aside([given], CUT_OFF, load())

    if not is_explained:
        assert found == given
        return
    assert (found.status, found.severity, found.unknown) == (Status.UNKNOWN, None, Unknown.ISOLATED)
    assert found.message == f"{SINCE}why"
    assert not found.is_blind
    assert not found.remedy
    assert list(set_aside([given], None, load())) == [given]


def test_a_check_that_nobody_knows_stays_as_it_is() -> None:
    given = result("of_tomorrow", "blind")

    assert list(set_aside([given], CUT_OFF, load())) == [given]


def test_whatever_cannot_pass_without_the_network_is_of_a_gather_that_uses_it() -> None:
    """Or of the one that reads what the network brings: the time."""
    local = {"clock"}

    uses = {
        name for name, one in payload.gathers().items() if getattr(one, "NETWORK", False) is True
    }

    assert {one.gather for one in load().values() if one.needs_network} <= uses | local


def test_an_answer_says_so_and_goes_on_saying_it() -> None:
    due = [Due("http_health", 0, {}), Due("disk_space", 1, {})]
    requests = [Request("http_health", {}), Request("file_systems", {})]
    parts = [{"observations": [], "error": "no route to host"}] * 2
    answer = {
        "answers": parts,
        "isolated": {"id": CUT_OFF.id, "since": CUT_OFF.since.timestamp(), "by": "alice"},
    }

    seen = judge_answer("web1", due, requests, answer, load(), NOW, 0.1)

    assert seen.isolated == CUT_OFF
    assert {one.check: one.unknown for one in seen.results} == {
        "http_health": Unknown.ISOLATED,
        "disk_space": Unknown.CANNOT_SEE,
    }
    assert from_json(to_json(seen), "web1") == seen
    assert from_json(to_json(replace(seen, isolated=None)), "web1").isolated is None
    assert judge_again(seen, load(), due, {}).results == seen.results


@pytest.mark.parametrize("since", [-1, 253_402_300_800, 1e19])
def test_a_time_between_no_years_of_ours_is_no_isolation(since: float) -> None:
    answer = {"answers": [], "isolated": {"id": "a", "since": since, "by": "alice"}}

    assert judge_answer("web1", [], [], answer, load(), NOW, 0.1).isolated is None
