"""Checks that have gone blind are findings, on both databases; and a real run makes one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import warm
from alert_samples import site
from store_samples import NOW, SITE, answer, begun, result

from upkeep.model.answer import Due, Observed, Outcome
from upkeep.model.verdicts import Severity, Status, Unknown
from upkeep.rules.blindness import look_of
from upkeep.rules.waivers import WaiverScope
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import (
    Store,
    alerts,
    blind,
    findings,
    page_queries,
    runs,
    silences,
    tables,
    waivers,
)
from upkeep.store.answers import add_host
from upkeep.store.silences import NewSilence

MINUTE = timedelta(minutes=1)


@pytest.fixture
def lived(store: Store) -> Lived:
    return Lived(store)


class Lived:
    """A store, and one run after the other."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def run(self, minutes: float, *answers: Observed, after: timedelta | None = None) -> None:
        looks = [look for look in map(look_of, answers) if look]
        with self.store.begin() as db:
            run_id = runs.start(db, begun(minutes))
            for one in answers:
                add_host(db, run_id, one)
            blind.settle(db, run_id, SITE, looks, after, NOW + minutes * MINUTE)

    def told(self) -> list[tuple[str, str, str, str]]:
        """The findings of blindness: host, subject, status, severity."""
        with self.store.read() as db:
            found = findings.open_ones(db, True, site=SITE)
        return [
            (one.host, one.subject, one.status, one.severity.value)
            for one in sorted(found, key=lambda one: (one.host, one.id))
            if one.check_id == "blind"
        ]


def logins(
    minutes: float, *checks: str, sees: bool = False, subject: str = "journal", host: str = "web1"
) -> Observed:
    kind = {"unknown": Unknown.CANNOT_SEE}
    results = [
        result(
            Status.PASS if sees else Status.UNKNOWN,
            check=check,
            subject=subject,
            message="fine" if sees else "no journal files were found",
            **({} if sees else kind),
        )
        for check in checks
    ]
    due = tuple(Due(check, 0, {}) for check in checks)
    return replace(answer(*results, minutes=minutes, host=host), due=due, asked=("*",))


def test_one_cause_blinds_four_checks_and_ends_when_all_see_again(lived: Lived) -> None:
    checks = ("failed_logins", "brute_force", "password_spraying", "login_after_failures")
    lived.run(0, logins(0, *checks, sees=True))
    for minutes in (20, 40):
        lived.run(minutes, logins(minutes, *checks))
        assert lived.told() == []
    lived.run(60, logins(60, *checks))

    assert lived.told() == [("web1", "auth_log: journal", "open", "high")]
    with lived.store.read() as db:
        (one,) = findings.open_ones(db, site=SITE)
    assert one.message == (
        "brute_force, failed_logins, login_after_failures, password_spraying have had no data since"
        f" {NOW + 20 * MINUTE:%Y-%m-%d %H:%M} UTC: no journal files were found"
    )
    assert one.remedy == (
        f"upkeep check brute_force -i {SITE} --limit web1  # on the controller: see why it has no data"
    )

    halves = logins(80, *checks[:2], sees=True).results + logins(80, *checks[2:]).results
    lived.run(80, replace(logins(80, *checks), results=halves))
    assert lived.told() == [("web1", "auth_log: journal", "open", "high")]
    lived.run(100, logins(100, *checks, sees=True))
    assert lived.told() == [("web1", "auth_log: journal", "resolved", "high")]
    with lived.store.read() as db:
        assert db.execute(tables.blind_spot.select()).all() == []


def test_what_was_blind_from_its_first_look_on_is_told_with_it(lived: Lived) -> None:
    lived.run(0, logins(0, "site_errors", subject="/var/log/access.log"))

    assert lived.told() == [("web1", "access_log: /var/log/access.log", "open", "medium")]
    with lived.store.read() as db:
        first = db.execute(tables.finding_event.select()).all()
    assert [one.first for one in first] == [True]


# --- what people accept, or keep quiet -------------------------------------------------------------------------------
def waive(store: Store, check: str, days: int, host: str = "web1") -> int:
    """Let a check be waived on a host, whatever its subject; return the waiver's number."""
    scope = WaiverScope(check, host, "*", Severity.HIGH)
    with store.begin() as db:
        ends_at = NOW + timedelta(days=days)
        number = waivers.request(db, SITE, scope, "no journal there", ends_at, by="ann", now=NOW)
        assert waivers.approve(db, number, "bob", NOW)
        findings.settle_waivers(db, SITE, NOW + timedelta(hours=2))
    return number


def waived(store: Store) -> tuple[int | None, set[int]]:
    """Return the waiver that covers the finding of blindness, and those that have been used."""
    with store.read() as db:
        (one,) = [one for one in findings.open_ones(db, site=SITE) if one.check_id == "blind"]
        used = {each.id for each in waivers.of_site(db, SITE, NOW) if each.used_at}
    return one.waiver_id, used


def test_a_waiver_of_each_blinded_check_covers_the_blindness(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins", "brute_force"))
    assert waived(lived.store) == (None, set())
    first = waive(lived.store, "failed_logins", 9)
    waive(lived.store, "brute_force", 9, host="web2")
    assert waived(lived.store) == (None, set())
    second = waive(lived.store, "brute_force", 5)
    assert waived(lived.store) == (second, {first, second})

    lived.run(60, logins(60, "failed_logins", "brute_force"))
    assert waived(lived.store) == (second, {first, second})

    # One more check goes blind of the same cause, and nobody has accepted that.
    lived.run(80, logins(80, "failed_logins", "brute_force", "password_spraying"))
    assert waived(lived.store)[0] is None
    with lived.store.read() as db:
        (one,) = [one for one in findings.open_ones(db, site=SITE) if one.check_id == "blind"]
        kinds = [kind for _at, kind, _message in findings.history(db, one.id)]
    assert kinds == ["opened", "waived", "waiver_ended"]


def test_blindness_is_told_again_when_the_first_of_its_waivers_ends(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins", "brute_force"))
    waive(lived.store, "failed_logins", 9)
    second = waive(lived.store, "brute_force", 5)
    with lived.store.begin() as db:
        waivers.revoke(db, second, "ann", "a mistake", NOW + timedelta(hours=3))
        assert findings.settle_waivers(db, SITE, NOW + timedelta(hours=3)) == 1

    assert waived(lived.store)[0] is None


@pytest.mark.parametrize(
    ("silenced", "quiet"),
    [(["failed_logins"], False), (["failed_logins", "brute_force"], True), (["blind"], True)],
    ids=["one of two checks", "both", "the finding itself"],
)
def test_silences_of_each_blinded_check_keep_the_blindness_quiet(
    store: Store, silenced: list[str], quiet: bool
) -> None:
    with store.begin() as db:
        for check in silenced:
            more: dict[str, Any] = {"reason": "x", "by": "ann", "at": NOW, "begins": NOW}
            silences.add(
                db,
                SITE,
                NewSilence(check=check, host="web1", severity=1, ends=NOW + 600 * MINUTE, **more),
            )
    alerter = Alerter(store, site())
    alerter.step(NOW)
    both = ("failed_logins", "brute_force")
    lived = Lived(store)
    lived.run(0, logins(0, *both, sees=True))
    for minutes in (20, 40, 60):
        lived.run(minutes, logins(minutes, *both))
    alerter.step(NOW + 65 * MINUTE)

    with store.read() as db:
        (alert,) = alerts.open_alerts(db)
    assert (alert.silenced, alert.check_id) == (quiet, "blind")


def test_a_host_that_is_away_blinds_nothing(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins", sees=True))
    for minutes in (20, 40, 60, 80):
        lived.run(minutes, Observed("web1", Outcome.UNREACHABLE, NOW + minutes * MINUTE, "refused"))

    assert lived.told() == []


def test_what_is_not_asked_for_any_more_is_not_blind(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins", "disk_space"))
    assert {one[2] for one in lived.told()} == {"open"}

    lived.run(20, logins(20, "disk_space", sees=True))

    assert {one[2] for one in lived.told()} == {"resolved"}


def test_what_no_procedure_asks_for_is_forgotten(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins"))
    with lived.store.begin() as db:
        blind.forget_unscheduled(db, SITE, {"failed_logins"}, None, NOW)
    assert [one[2] for one in lived.told()] == ["open"]

    with lived.store.begin() as db:
        blind.forget_unscheduled(db, SITE, {"disk_space"}, None, NOW)

    assert [one[2] for one in lived.told()] == ["resolved"]


def test_another_cause_is_another_finding(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins"))
    lived.run(20, logins(20, "failed_logins", subject="/var/log/auth.log"))

    assert lived.told() == [
        ("web1", "auth_log: journal", "resolved", "high"),
        ("web1", "auth_log: /var/log/auth.log", "open", "high"),
    ]


def test_the_site_says_how_long(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins", sees=True))
    for minutes in (20, 30):
        lived.run(minutes, logins(minutes, "failed_logins"), after=20 * MINUTE)
        assert lived.told() == []
    lived.run(40, logins(40, "failed_logins"), after=20 * MINUTE)

    assert [one[2:] for one in lived.told()] == [("open", "high")]


def test_each_host_has_its_own(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins"), logins(0, "failed_logins", host="web2"))
    lived.run(20, logins(20, "failed_logins", sees=True), logins(20, "failed_logins", host="web2"))

    assert [(one[0], one[2]) for one in lived.told()] == [("web1", "resolved"), ("web2", "open")]


def test_a_host_that_has_left_needs_nobody(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins"))
    with lived.store.begin() as db:
        assert page_queries.stand(db, SITE).hosts_in_need == 1
        number = runs.start(db, begun(20))
        findings.retire_hosts(db, number, ["web1"], NOW + 20 * MINUTE)

    with lived.store.read() as db:
        stand = page_queries.stand(db, SITE)
    assert [one[2] for one in lived.told()] == ["retired"]
    assert (stand.hosts_in_need, stand.blind) == (0, 0)


def test_what_is_forgotten_does_not_hurry_the_others(lived: Lived) -> None:
    lived.run(0, logins(0, "failed_logins", "brute_force", sees=True))
    day = timedelta(days=1)
    for minutes in (20, 40, 60):
        lived.run(minutes, logins(minutes, "failed_logins", "brute_force"), after=day)
    with lived.store.begin() as db:
        blind.forget_unscheduled(db, SITE, {"brute_force"}, day, NOW + 60 * MINUTE)

    assert lived.told() == []


def test_a_real_run_tells_what_it_could_not_see(tmp_path: Path) -> None:
    """Of a log that is missing, then quiet; and what somebody asks for by hand."""
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    quiet, missing = tmp_path / "quiet.log", tmp_path / "missing.log"
    quiet.touch()
    asked = [{"check": one, "paths": [str(missing)]} for one in ("site_errors", "response_time")]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    tree = {"all": {"hosts": {"me": local}, "vars": {"upkeep_checks_logs": asked}}}
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (site / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (site / "upkeep.toml").write_text('state = "../state"\nworkspace = "../work"\n')

    def told(*words: str) -> tuple[int, Any]:
        done = warm.run([*words, "--json", "-i", str(site)])
        return done.returncode, json.loads(done.stdout)

    def blinded() -> list[tuple[str, str]]:
        return [
            (one["subject"], one["severity"])
            for one in told("findings")[1]["findings"]
            if one["check_id"] == "blind"
        ]

    by_hand = told("check", "site_errors", "-p", f"paths=[{missing}]")
    assert (by_hand[0], by_hand[1]["run"]["status"], blinded()) == (3, "partial", [])

    assert told("run", "daily")[1]["run"]["status"] == "partial"
    assert blinded() == [(f"access_log: {missing}", "medium")]

    quiet.rename(missing)
    status, document = told("run", "daily")
    assert (status, document["run"]["status"], blinded()) == (0, "done", [])
    assert document["counts"]["results"]["nothing_to_judge"] == 2
    assert {one["unknown"] for one in document["results"]} == {"nothing_to_judge"}
