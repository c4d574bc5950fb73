"""A check that passes its known-bad input is a finding of high severity within the day; limits that hide it are info."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import own_check
import pytest
import warm
from store_samples import NOW, answer, begun, result

from upkeep.judging import check
from upkeep.model.answer import Due
from upkeep.model.verdicts import Severity, passed
from upkeep.services import proofs
from upkeep.store import Store, findings, runs
from upkeep.store.answers import add_host

SITE = "/srv/site"
DAY = timedelta(days=1)


def looked(store: Store, *due: Due) -> int:
    """Return a run in which these were due on a host."""
    with store.begin() as db:
        run_id = runs.start(db, begun(site=SITE))
        add_host(db, run_id, replace(answer(result(Severity.LOW)), due=due))
    return run_id


def told(store: Store, name: str) -> list[tuple[str, str, str]]:
    """Subject, status and message of the findings of one of our own checks."""
    with store.read() as db:
        found = findings.open_ones(db, everything=True, site=SITE)
    return [(one.subject, str(one.status), one.message) for one in found if one.check_id == name]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes the judge of brute_force pass whatever it sees, or puts it right."""
    known = dict(check.load())

    def turn(on: bool) -> None:
        made = replace(known["brute_force"])
        if on:
            module = sys.modules[made.judge.__module__]
            monkeypatch.setattr(module, "judge", lambda _seen, _limits, _now: passed("all is well"))
            module.judge.__module__ = module.__name__
            made = replace(made, judge=module.judge)
        monkeypatch.setattr(proofs, "load", lambda: {**known, "brute_force": made})

    return turn


def test_a_check_that_passes_its_canary_is_found_within_the_day_and_resolved(
    store: Store, broken: Any, tmp_path: Path
) -> None:
    run_id = looked(store)
    proofs.prove_checks(store, SITE, run_id, NOW, tmp_path)
    assert told(store, "check_broken") == []

    broken(True)
    proofs.prove_checks(store, SITE, run_id, NOW + 0.9 * DAY, tmp_path)
    assert told(store, "check_broken") == []
    proofs.prove_checks(store, SITE, run_id, NOW + 1.1 * DAY, tmp_path)
    ((subject, status, message),) = told(store, "check_broken")
    assert (subject, status) == ("brute_force", "open")
    assert f"since {NOW:%Y-%m-%d %H:%M:%S} UTC proves nothing" in message
    assert message.endswith("all is well")
    with store.read() as db:
        assert [
            one.severity
            for one in findings.open_ones(db, site=SITE)
            if one.check_id == "check_broken"
        ] == [Severity.HIGH]

    proofs.prove_checks(store, SITE, run_id, NOW + 2.2 * DAY, tmp_path)
    assert told(store, "check_broken") == [(subject, status, message)]
    broken(False)
    proofs.prove_checks(store, SITE, run_id, NOW + 3.3 * DAY, tmp_path)
    ((subject, status, message),) = told(store, "check_broken")
    assert (subject, status) == ("brute_force", "resolved")


def test_a_site_that_shares_the_state_folder_is_fed_by_itself(
    store: Store, broken: Any, tmp_path: Path
) -> None:
    proofs.prove_checks(store, "/srv/other", looked(store), NOW, tmp_path)
    broken(True)
    proofs.prove_checks(store, SITE, looked(store), NOW, tmp_path)

    assert [one[0] for one in told(store, "check_broken")] == ["brute_force"]


@pytest.mark.parametrize("text", ["", "yesterday", "2030-06-01T06:00:00"])
def test_a_mark_that_says_no_time_is_as_good_as_none(
    text: str, store: Store, broken: Any, tmp_path: Path
) -> None:
    proofs.mark_of(tmp_path, SITE).write_text(text)
    broken(True)
    proofs.prove_checks(store, SITE, looked(store), NOW, tmp_path)

    assert [one[0] for one in told(store, "check_broken")] == ["brute_force"]


def test_a_clock_that_went_back_proves_them_again(
    store: Store, broken: Any, tmp_path: Path
) -> None:
    run_id = looked(store)
    proofs.prove_checks(store, SITE, run_id, NOW, tmp_path)
    broken(True)
    proofs.prove_checks(store, SITE, run_id, NOW - 0.5 * DAY, tmp_path)

    assert [one[0] for one in told(store, "check_broken")] == ["brute_force"]


@pytest.mark.parametrize(
    ("limits", "wide"),
    [
        ({}, False),
        ({"max_in_burst": 18}, False),
        ({"max_in_burst": 19}, True),
        ({"max_in_burst": 500}, True),
    ],
)
def test_limits_with_which_the_canary_passes_are_info(
    store: Store, limits: dict[str, Any], wide: bool, tmp_path: Path
) -> None:
    run_id = looked(store, Due("brute_force", 0, limits), Due("no_such_check", 0, {"x": 1}))
    proofs.prove_checks(store, SITE, run_id, NOW, tmp_path)

    found = told(store, "limits_too_wide")
    assert [one[0] for one in found] == ["brute_force"] * wide
    if wide:
        number = limits["max_in_burst"]
        assert found[0][2].startswith(
            f"with max_in_burst {number} a known-bad input is not told: 19 failed logins"
        )
        with store.read() as db:
            assert {
                one.severity
                for one in findings.open_ones(db, site=SITE)
                if one.check_id == "limits_too_wide"
            } == {Severity.INFO}
        narrow = looked(store, Due("brute_force", 0, {"max_in_burst": 8}))
        proofs.prove_checks(store, SITE, narrow, NOW + timedelta(hours=1), tmp_path)
        assert [one[1] for one in told(store, "limits_too_wide")] == ["resolved"]


def test_a_file_that_was_changed_to_pass_is_found_by_the_next_days_run(tmp_path: Path) -> None:
    """A site's own check, with its canary, on disk and in runs of their own."""
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    (site / "checks").mkdir()
    file = site / "checks" / f"{own_check.ID}.py"
    file.write_text(own_check.sample())
    canary = {
        "origin": "made by hand", "now": "2030-06-01T06:00:00+00:00", "limits": {}, "severity": "low",
        "observation": {"subject": "/mnt", "data": {"type": "ext2"}},
    }  # fmt: skip
    file.with_suffix(".canary.json").write_text(json.dumps(canary))
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "upkeep_checks_own": [own_check.ID],
    }
    (site / "inventory" / "hosts.yml").write_text(
        json.dumps({"all": {"hosts": {"web1": variables}}})
    )
    (site / "schedule.yml").write_text(json.dumps({"procedures": {"daily": {"title": "Daily"}}}))
    (site / "upkeep.toml").write_text('state = "../state"\n')

    def found() -> list[tuple[str, str]]:
        done = warm.run(["run", "daily", "-i", str(site)])
        assert done.returncode in (0, 1, 3), done.stderr
        listed = json.loads(warm.run(["findings", "--all", "--json", "-i", str(site)]).stdout)[
            "findings"
        ]
        return [
            (one["subject"], one["status"]) for one in listed if one["check_id"] == "check_broken"
        ]

    def a_day_passes() -> None:
        mark = proofs.mark_of(tmp_path / "state", str(site))
        last = datetime.fromisoformat(mark.read_text())
        mark.write_text((last - DAY).isoformat())

    assert found() == []
    file.write_text(
        own_check.sample().replace("return failed(Severity.LOW, text) if", "return passed(text) if")
    )
    assert found() == []
    a_day_passes()
    assert found() == [(own_check.ID, "open")]
    file.write_text(own_check.sample())
    a_day_passes()
    assert found() == [(own_check.ID, "resolved")]
