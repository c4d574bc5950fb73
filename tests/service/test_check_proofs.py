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
from sqlalchemy import select
from store_samples import NOW, answer, begun, result

from upkeep.judging import check
from upkeep.model.answer import Due
from upkeep.model.verdicts import Severity, Status, passed
from upkeep.services import proofs
from upkeep.store import Store, doubts, findings, runs, tables
from upkeep.store.answers import (
    add_host,
    add_judgement,
    begin_judgement,
    observed_in,
    results_of,
)

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


BROKEN_CHECK = "brute_force"


def stored(store: Store, day: float, *checks: str, host: str = "web1") -> int:
    """Return a run that ends so many days after NOW, with a pass of each check."""
    minutes = day * 24 * 60
    with store.begin() as db:
        run_id = runs.start(db, begun(minutes, site=SITE))
        found = [result(check=one, subject=one, minutes=minutes) for one in checks]
        add_host(db, run_id, answer(*found, minutes=minutes, host=host))
        runs.finish(db, run_id, "done", "", NOW + timedelta(minutes=minutes))
    return run_id


def doubted(store: Store, run_id: int) -> list[tuple[str, bool]]:
    """Check and mark of each result of a run."""
    with store.read() as db:
        return sorted((one.check, one.doubted) for one in results_of(db, run_id))


def test_a_broken_check_that_has_lost_its_canary_stays_broken_until_it_is_gone(
    store: Store, broken: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = looked(store)
    broken(True)
    proofs.prove_checks(store, SITE, run_id, NOW, tmp_path)
    ((_subject, status, _message),) = told(store, "check_broken")
    assert status == "open"
    with store.read() as db:
        (found,) = [
            one for one in findings.open_ones(db, site=SITE) if one.check_id == "check_broken"
        ]
    assert found.remedy.startswith("decide: reinstall Upkeep")

    of_file, known = proofs.canary_of, proofs.load
    monkeypatch.setattr(
        proofs, "canary_of", lambda one: None if one.id == "brute_force" else of_file(one)
    )
    proofs.prove_checks(store, SITE, run_id, NOW + 1.1 * DAY, tmp_path)
    assert [one[1] for one in told(store, "check_broken")] == ["open"]

    fewer = {name: one for name, one in known().items() if name != "brute_force"}
    monkeypatch.setattr(proofs, "load", lambda: fewer)
    proofs.prove_checks(store, SITE, run_id, NOW + 2.2 * DAY, tmp_path)
    assert [one[1] for one in told(store, "check_broken")] == ["resolved"]


def test_what_a_broken_check_has_said_since_its_last_good_canary_is_marked(
    store: Store, broken: Any, tmp_path: Path
) -> None:
    """It changes no verdict, is not taken back, and stops where the check fails its canary again."""
    good = stored(store, -0.1, BROKEN_CHECK, "disk_space")
    proofs.prove_checks(store, SITE, good, NOW, tmp_path)
    broken(True)
    first = stored(store, 0.5, BROKEN_CHECK, "disk_space")
    with store.begin() as db:
        other = runs.start(db, begun(site="/srv/other"))
        add_host(db, other, answer(result(check=BROKEN_CHECK)))
    proofs.prove_checks(store, SITE, first, NOW + 0.5 * DAY, tmp_path)
    assert doubted(store, first) == [(BROKEN_CHECK, False), ("disk_space", False)], "not fed yet"

    second = stored(store, 1.1, BROKEN_CHECK, "disk_space", host="web2")
    proofs.prove_checks(store, SITE, second, NOW + 1.1 * DAY, tmp_path)
    marked = [(BROKEN_CHECK, True), ("disk_space", False)]
    assert [doubted(store, one) for one in (first, second)] == [marked, marked]
    assert doubted(store, good) == [(BROKEN_CHECK, False), ("disk_space", False)]
    assert doubted(store, other) == [(BROKEN_CHECK, False)]
    assert latest_marks(store) == [("web1", True), ("web2", True)]

    third = stored(store, 1.2, BROKEN_CHECK, "disk_space")
    assert doubted(store, third) == marked, "marked as it comes"
    with store.read() as db:
        assert doubts.in_run(db, third) == {BROKEN_CHECK: 1}
        assert doubts.in_run(db, third, "web2") == {}
        assert {one.status for one in results_of(db, third)} == {Status.PASS}

    broken(False)
    with store.begin() as db:
        proofs.prove_again(db, SITE, NOW + 1.3 * DAY)
    fourth = stored(store, 1.4, BROKEN_CHECK, "disk_space")
    assert doubted(store, fourth) == [(BROKEN_CHECK, False), ("disk_space", False)]
    assert doubted(store, third) == marked, "no mark is taken back"
    assert latest_marks(store) == [("web1", False), ("web2", True)]

    broken(True)
    fifth = stored(store, 2.2, BROKEN_CHECK)
    proofs.prove_checks(store, SITE, fifth, NOW + 2.2 * DAY, tmp_path)
    assert doubted(store, fifth) == [(BROKEN_CHECK, True)]
    assert doubted(store, fourth) == [(BROKEN_CHECK, True), ("disk_space", False)]
    ((_subject, _status, message),) = told(store, "check_broken")
    assert f"since {NOW + 1.3 * DAY:%Y-%m-%d %H:%M:%S} UTC" in message


def test_what_was_judged_again_by_a_broken_check_is_marked(
    store: Store, broken: Any, tmp_path: Path
) -> None:
    """The run's own result was made by the check when it was well; what is known now was not."""
    run_id = stored(store, -0.1, BROKEN_CHECK)
    proofs.prove_checks(store, SITE, run_id, NOW, tmp_path)
    broken(True)
    with store.begin() as db:
        number = begin_judgement(db, run_id, NOW + 0.5 * DAY)
        (observed,) = observed_in(db, run_id)
        add_judgement(db, run_id, number, observed)
    proofs.prove_checks(store, SITE, run_id, NOW + 1.1 * DAY, tmp_path)

    assert doubted(store, run_id) == [(BROKEN_CHECK, False)]
    with store.read() as db:
        assert [one.doubted for one in results_of(db, run_id, judgement=number)] == [True]
    assert latest_marks(store) == [("web1", True)]

    with store.begin() as db:
        broken(False)
        proofs.prove_again(db, SITE, NOW + 1.2 * DAY)
        number = begin_judgement(db, run_id, NOW + 1.2 * DAY)
        add_judgement(db, run_id, number, observed)
    assert latest_marks(store) == [("web1", False)]


def test_a_check_that_nobody_has_seen_to_be_well_is_doubted_from_the_beginning(
    store: Store, broken: Any, tmp_path: Path
) -> None:
    broken(True)
    run_id = stored(store, -30, BROKEN_CHECK)
    proofs.prove_checks(store, SITE, run_id, NOW, tmp_path)

    assert doubted(store, run_id) == [(BROKEN_CHECK, True)]


def latest_marks(store: Store) -> list[tuple[str, bool]]:
    """Host and mark of what is known of the broken check now."""
    table = tables.latest_result
    query = select(table.c.host, table.c.doubted).where(
        table.c.check_id == BROKEN_CHECK, table.c.site == SITE
    )
    with store.read() as db:
        return sorted((row.host, row.doubted) for row in db.execute(query))


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
            f"with max_in_burst {number} a known-bad input does not fail: 19 failed logins"
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
        listed = json.loads(
            warm.run(["finding", "list", "--all", "--json", "-i", str(site)]).stdout
        )["findings"]
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
    done = warm.run(["run", "daily", "-i", str(site)])
    passed_input = "nothing: the check passed its known-bad input"
    (said,) = [one for one in done.stdout.splitlines() if one.endswith(passed_input)]
    assert f" of {own_check.ID} prove" in said
    (report,) = (tmp_path / "state" / "reports").glob("*-3.html")
    assert passed_input in report.read_text()
    shown = warm.run(["show", "3", "--all", "-i", str(site)]).stdout
    assert said in shown
    assert "pass, doubted" in shown
    results = json.loads(warm.run(["show", "3", "--json", "-i", str(site)]).stdout)["results"]
    assert {one["doubted"] for one in results} == {True}
    assert found() == [(own_check.ID, "open")]
    file.write_text(own_check.sample())
    again = warm.run(["run", "judge", "3", "--json", "-i", str(site)])
    assert {one["doubted"] for one in json.loads(again.stdout)["results"]} == {False}
    assert found() == [(own_check.ID, "resolved")]
