"""Waivers on both databases: what they do to findings and alerts, who may what, and that none is ever lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import warm
from called import called
from service.conftest import on_postgresql
from sqlalchemy import select, text
from store_samples import NOW, answer, begun, result

from upkeep.cli import findings as finding_commands
from upkeep.cli import runs as commands
from upkeep.cli import waivers as waiver_commands
from upkeep.model import clock
from upkeep.model.errors import StoreError, UsageError
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.waivers import WaiverScope, WaiverState
from upkeep.services import waivers as waiving
from upkeep.services.actors import account
from upkeep.services.acts import By
from upkeep.services.waivers import WaiverWorker
from upkeep.site.site import Site, load_site
from upkeep.store import Store, acts, alerts, findings, own_troubles, runs, tables, users, waivers
from upkeep.store.answers import add_host
from upkeep.store.engine.retention import Policy, prune
from upkeep.view.json import schema

SCHEDULE = {
    "procedures": {"daily": {"title": "Daily", "owner": "ops", "checks": ["disk_space"]}},
    "people": {name: {"name": name.title(), "accounts": []} for name in ("ann", "bob")},
    "teams": {"ops": {"title": "Operations", "members": ["ann", "bob"]}},
}
SCOPE = WaiverScope("disk_space", "web*", "/*", Severity.MEDIUM)
LASTS = timedelta(days=10)


class Asked:
    """A site with two users, and what its hosts say by and by."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.site: Site = load_site(str(folder))
        self.run_id = 0
        with store.begin() as db:
            for name, role in (("ann", Role.OPERATOR), ("bob", Role.APPROVER)):
                users.add(db, name, role, "no password", NOW, person=name)
        self.looks(Status.PASS, minutes=-60)
        self.transitions()

    def by(self, name: str) -> By:
        with self.store.read() as db:
            found = users.get(db, name)
        assert found is not None
        return By(found)

    def looks(self, status: Status | Severity, minutes: float = 0) -> None:
        """Let a run see the one file system so."""
        with self.store.begin() as db:
            run = runs.start(db, begun(minutes, site=self.site.key))
            add_host(db, run, answer(result(status, minutes=minutes), minutes=minutes))
            runs.finish(db, run, "done", "", NOW + timedelta(minutes=minutes))

    def waive(self, scope: WaiverScope = SCOPE, lasts: timedelta = LASTS) -> int:
        """Let ann ask for a waiver and bob approve it."""
        made = waiving.request(
            self.store, self.site, scope, "moves in July", NOW + lasts, self.by("ann"), NOW
        )
        waiving.approve(self.store, self.site, made.id, self.by("bob"), NOW)
        return made.id

    def finding(self) -> findings.Finding:
        with self.store.read() as db:
            (found,) = findings.open_ones(db, everything=True)
        return found

    def transitions(self) -> list[tuple[str, str | None]]:
        """Return what alerts would be given now, and take it as handled."""
        with self.store.begin() as db:
            found = [one for one, _remedy in alerts.pending(db, self.site.key, NOW + LASTS * 2)]
            alerts.handled(db, found, NOW)
        return [(one.kind, one.severity.value if one.severity else None) for one in found]

    def history(self) -> list[str]:
        with self.store.read() as db:
            return [kind for _at, kind, _text in findings.history(db, self.finding().id)]


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Path:
    made = tmp_path / "site"
    (made / "inventory").mkdir(parents=True)
    (made / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}}}\n")
    (made / "schedule.yml").write_text(json.dumps(SCHEDULE))
    (made / "upkeep.toml").write_text(f'state = "{tmp_path}/own"\ndatabase = "{url}"\n')
    return made


@pytest.fixture
def asked(folder: Path, store: Store) -> Asked:
    return Asked(folder, store)


# --- what it does to findings ----------------------------------------------------------------------------------------
def test_an_open_finding_is_covered_when_it_is_approved_and_alerts_again_when_it_ends(
    asked: Asked,
) -> None:
    asked.looks(Severity.MEDIUM)
    assert asked.transitions() == [("opened", "medium")]

    number = asked.waive()
    assert (asked.finding().status, asked.finding().waiver_id) == ("open", number)
    assert asked.transitions() == [("waived", "medium")]  # alerts let go of it

    asked.looks(Severity.MEDIUM, 1)
    assert asked.transitions() == []
    assert waiving.settle(asked.store, asked.site.key, NOW + LASTS - timedelta(seconds=1)) == 0
    assert waiving.settle(asked.store, asked.site.key, NOW + LASTS) == 1
    assert (asked.finding().status, asked.finding().waiver_id) == ("open", None)
    assert asked.transitions() == [("waiver_ended", "medium")]
    assert asked.history() == ["opened", "waived", "waiver_ended"]


def test_what_opens_under_a_waiver_is_written_down_and_told_to_nobody(asked: Asked) -> None:
    number = asked.waive()
    asked.looks(Severity.LOW)

    assert asked.finding().waiver_id == number
    assert asked.transitions() == [("waived", "low")]
    assert asked.history() == ["opened", "waived"]

    asked.looks(Severity.MEDIUM, 1)  # worse, and still accepted
    assert asked.transitions() == []
    assert asked.history() == ["opened", "waived", "severity"]

    asked.looks(Status.PASS, 2)
    assert (asked.finding().status, asked.finding().waiver_id) == ("resolved", None)
    assert asked.transitions() == [("resolved", "medium")]

    asked.looks(Severity.MEDIUM, 3)
    assert asked.finding().waiver_id == number
    assert asked.transitions() == [("waived", "medium")]
    assert asked.history()[-2:] == ["reopened", "waived"]


@on_postgresql
def test_what_rises_above_the_ceiling_alerts_as_new_and_is_covered_again_below_it(
    asked: Asked,
) -> None:
    number = asked.waive()
    asked.looks(Severity.MEDIUM)
    asked.transitions()

    asked.looks(Severity.HIGH, 1)
    assert asked.finding().waiver_id is None
    assert asked.transitions() == [("waiver_exceeded", "high")]

    asked.looks(Severity.MEDIUM, 2)
    assert asked.finding().waiver_id == number
    assert asked.transitions() == [("waived", "medium")]
    with asked.store.read() as db:
        said = [text for _at, _kind, text in findings.history(db, asked.finding().id)]
    assert said[2] == f"91 % used, at most 90 % (worse than waiver {number} accepts)"


def test_a_waiver_that_has_ended_covers_nothing_even_if_nobody_has_settled_it(asked: Asked) -> None:
    asked.waive(lasts=timedelta(minutes=5))
    asked.looks(Severity.MEDIUM)
    asked.transitions()
    found = asked.finding()
    with asked.store.read() as db:
        shown, covered = findings.with_waivers(db, [found], NOW + timedelta(minutes=5))[0]
    assert (shown.waiver_id, covered) == (None, None)

    asked.looks(Severity.MEDIUM, 6)
    assert asked.transitions() == [("waiver_ended", "medium")]


def test_revoking_brings_findings_back(asked: Asked) -> None:
    asked.looks(Severity.MEDIUM)
    number = asked.waive()
    asked.transitions()

    at = NOW + timedelta(hours=1)
    changed = waiving.revoke(
        asked.store, asked.site, number, "the disk is here", asked.by("ann"), at
    )

    assert (changed, asked.finding().waiver_id) == (1, None)
    assert asked.transitions() == [("waiver_ended", "medium")]
    with asked.store.read() as db:
        said = findings.history(db, asked.finding().id)[-1][2]
    assert said.endswith(f"(waiver {number} was revoked by ann: the disk is here)")


@on_postgresql
def test_unknown_moves_nothing(asked: Asked) -> None:
    number = asked.waive()
    asked.looks(Severity.MEDIUM)
    asked.transitions()

    asked.looks(Status.UNKNOWN, 1)

    assert (asked.finding().waiver_id, asked.transitions()) == (number, [])


def test_another_waiver_that_holds_longer_takes_over_quietly(asked: Asked) -> None:
    asked.looks(Severity.MEDIUM)
    asked.waive()
    asked.transitions()
    second = asked.waive(lasts=LASTS * 2)

    assert asked.finding().waiver_id == second
    assert asked.transitions() == []
    assert waiving.settle(asked.store, asked.site.key, NOW + LASTS) == 0


# --- unused ----------------------------------------------------------------------------------------------------------
@on_postgresql
def test_an_unused_waiver_is_told_of_until_it_is_used_or_gone(asked: Asked) -> None:
    number = asked.waive(lasts=timedelta(days=80))
    worker = WaiverWorker(asked.store, asked)

    def told(days: float) -> list[tuple[str, str]]:
        worker.step(NOW + timedelta(days=days))
        with asked.store.read() as db:
            found = findings.open_ones(db)
        return [(one.subject, one.message) for one in found if one.host == own_troubles.HOST]

    assert told(29.9) == []
    text = f"waiver {number} has covered nothing for 30 days: disk_space of /* on web*"
    assert told(30) == [(f"waiver {number}", text)]
    assert told(30.1) == [(f"waiver {number}", text)]
    asked.looks(Severity.MEDIUM, 31 * 24 * 60)
    assert told(32) == []

    # A driver that begins anew knows what has been told.
    asked.looks(Status.PASS, 33 * 24 * 60)
    assert told(62) != []
    waiving.revoke(
        asked.store, asked.site, number, "gone", asked.by("ann"), NOW + timedelta(days=63)
    )
    worker = WaiverWorker(asked.store, asked)
    assert told(63) == []


# --- who may ---------------------------------------------------------------------------------------------------------
@on_postgresql
def test_each_act_is_recorded_also_what_is_refused(asked: Asked) -> None:
    made = waiving.request(
        asked.store, asked.site, SCOPE, "moves in July", NOW + LASTS, asked.by("ann"), NOW
    )
    with pytest.raises(UsageError, match="you need the role approver"):
        waiving.approve(asked.store, asked.site, made.id, asked.by("ann"), NOW)
    waiving.approve(asked.store, asked.site, made.id, asked.by("bob"), NOW)
    with pytest.raises(UsageError, match="approved already"):
        waiving.approve(asked.store, asked.site, made.id, asked.by("bob"), NOW)
    waiving.revoke(asked.store, asked.site, made.id, "done", asked.by("bob"), NOW)

    with asked.store.read() as db:
        found = [(one.who, one.what, one.outcome) for one in acts.recent(db, 10)]
    assert found[::-1] == [
        ("ann", "request waiver", "done"),
        ("ann", "approve waiver", "refused"),
        ("bob", "approve waiver", "done"),
        ("bob", "approve waiver", "refused"),
        ("bob", "revoke waiver", "done"),
    ]


@on_postgresql
def test_nobody_approves_their_own_not_even_as_another_user(asked: Asked) -> None:
    with asked.store.begin() as db:
        users.add(db, "root", Role.ADMIN, "no password", NOW, person="ann")
    made = waiving.request(
        asked.store, asked.site, SCOPE, "moves in July", NOW + LASTS, asked.by("ann"), NOW
    )

    with pytest.raises(UsageError, match="the person who asked for a waiver may not approve it"):
        waiving.approve(asked.store, asked.site, made.id, asked.by("root"), NOW)


WIDE = "a waiver of more than 50% of what disk_space watches would disable the check"


@on_postgresql
@pytest.mark.parametrize("host", ["*", "web*", "*[0-9]"])
def test_a_pattern_that_covers_what_is_watched_is_refused(asked: Asked, host: str) -> None:
    with asked.store.begin() as db:
        run = runs.start(db, begun(1, site=asked.site.key))
        seen = [result(Status.PASS, subject=one, host="web2", minutes=1) for one in ("/", "/srv")]
        add_host(db, run, answer(*seen, host="web2", minutes=1))
        runs.finish(db, run, "done", "", NOW)
    scope, until = replace(SCOPE, host_pattern=host), NOW + LASTS

    with pytest.raises(UsageError, match=f"{WIDE} .3 of 3 results, on 2 of 2 hosts"):
        waiving.request(asked.store, asked.site, scope, "why", until, asked.by("ann"), NOW)
    narrow = replace(scope, subject_glob="/s*")
    made = waiving.request(asked.store, asked.site, narrow, "why", until, asked.by("ann"), NOW)
    assert made.state(NOW) is WaiverState.REQUESTED


@on_postgresql
def test_its_width_is_measured_again_when_it_is_approved(asked: Asked) -> None:
    made = waiving.request(asked.store, asked.site, SCOPE, "why", NOW + LASTS, asked.by("ann"), NOW)
    with asked.store.begin() as db:
        run = runs.start(db, begun(1, site=asked.site.key))
        add_host(db, run, answer(result(Status.PASS, host="web2"), host="web2", minutes=1))
        runs.finish(db, run, "done", "", NOW)

    with pytest.raises(UsageError, match=WIDE):
        waiving.approve(asked.store, asked.site, made.id, asked.by("bob"), NOW)


@on_postgresql
@pytest.mark.parametrize("who", ["ann", "bob"])
def test_two_people_are_needed_not_two_users(asked: Asked, who: str) -> None:
    with asked.store.begin() as db:
        users.set_person(db, who, "")
    made = waiving.request(asked.store, asked.site, SCOPE, "why", NOW + LASTS, asked.by("ann"), NOW)

    with pytest.raises(UsageError, match=f"{who} is not a person in the schedule"):
        waiving.approve(asked.store, asked.site, made.id, asked.by("bob"), NOW)


@on_postgresql
def test_a_check_that_is_not_there_cannot_be_waived(asked: Asked) -> None:
    scope = replace(SCOPE, check_id="disk_spaces")

    with pytest.raises(UsageError, match="there is no check 'disk_spaces'; did you mean") as caught:
        waiving.request(asked.store, asked.site, scope, "why", NOW + LASTS, asked.by("ann"), NOW)
    assert caught.value.remedy == "upkeep check list"


@on_postgresql
def test_the_site_may_allow_longer_ones(asked: Asked) -> None:
    until = NOW + timedelta(days=100)
    arguments = (SCOPE, "moves in July", until, asked.by("ann"), NOW)
    with pytest.raises(UsageError, match="may last at most 90 days"):
        waiving.request(asked.store, asked.site, *arguments)

    longer = {**SCHEDULE, "waivers": {"longest": "180 d"}}
    (asked.folder / "schedule.yml").write_text(json.dumps(longer))
    made = waiving.request(asked.store, load_site(str(asked.folder)), *arguments)

    assert made.state(NOW) is WaiverState.REQUESTED


def test_with_a_site_only_its_own_is_listed(asked: Asked, url: str) -> None:
    asked.looks(Severity.MEDIUM)
    with asked.store.begin() as db:
        run = runs.start(db, begun(2, site="/srv/other"))
        bad = result(Severity.HIGH, host="elsewhere", minutes=2)
        add_host(db, run, answer(bad, host="elsewhere", minutes=2))
        runs.finish(db, run, "done", "", NOW)

    def listed(what: str, *site: str) -> list[dict[str, Any]]:
        done = warm.run([what, "--json", *site], env=os.environ | {"UPKEEP_DATABASE": url})
        found: list[dict[str, Any]] = json.loads(done.stdout)[what]
        return found

    own = ("-i", str(asked.folder))
    assert {one["host"] for one in listed("findings", *own)} == {"web1"}
    assert {one["host"] for one in listed("findings")} == {"web1", "elsewhere"}
    assert (len(listed("runs", *own)), len(listed("runs"))) == (2, 3)


# --- kept ------------------------------------------------------------------------------------------------------------
def test_no_waiver_is_ever_removed(asked: Asked) -> None:
    number = asked.waive()
    prune(asked.store, Policy(1, 1, 1, 1), NOW + timedelta(days=6 * 366))

    with asked.store.read() as db:
        assert db.execute(select(tables.waiver.c.id)).scalars().all() == [number]
    replace = "INSERT OR REPLACE INTO waiver SELECT * FROM waiver"
    sqlite = asked.store.engine.dialect.name == "sqlite"
    longer = "UPDATE waiver SET ends_at = '2040-01-01 00:00:00', used_at = NULL"
    waiving.revoke(asked.store, asked.site, number, "done", asked.by("ann"), NOW)
    by_others = [f"UPDATE waiver SET {one}_by = 'eve'" for one in ("approved", "revoked")]
    again = replace if sqlite else "TRUNCATE waiver"
    for statement in ("DELETE FROM waiver", again, longer, *by_others):
        with pytest.raises(StoreError, match="waiver"), asked.store.begin() as db:
            db.execute(text(statement))


def test_what_held_at_a_time_can_be_told_afterwards(asked: Asked) -> None:
    number = asked.waive()
    waiving.revoke(
        asked.store, asked.site, number, "done", asked.by("ann"), NOW + timedelta(days=1)
    )

    def at(days: float) -> list[int]:
        when = NOW + timedelta(days=days)
        with asked.store.read() as db:
            found = waivers.approved(db, asked.site.key, when, ["disk_space"])
        return [one.id for one in found if one.holds(when)]

    assert [at(-0.1), at(0), at(0.9), at(1)] == [[], [number], [number], []]


# --- the command line ------------------------------------------------------------------------------------------------
@pytest.fixture
def person(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Who this account is said to be is written into the site, one after the other."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return account()


def accounts(asked: Asked, **of: list[str]) -> None:
    people = {name: {"name": name.title(), "accounts": of.get(name, [])} for name in ("ann", "bob")}
    (asked.folder / "schedule.yml").write_text(json.dumps({**SCHEDULE, "people": people}))


@on_postgresql
def test_from_the_command_line_by_two_people(
    asked: Asked, person: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site = str(asked.folder)
    asked.looks(Severity.MEDIUM, -1)
    scope = ("disk_space", "web1", "/", "medium")
    with pytest.raises(UsageError, match=f"the account {person} is not a user"):
        called(waiver_commands.request, *scope, "moves in July", site, "10 d")

    accounts(asked, ann=[person])
    called(waiver_commands.request, *scope, "moves in July", site, "10 d")
    assert "upkeep waiver approve 1" in capsys.readouterr().err
    with pytest.raises(UsageError, match="you need the role approver"):
        called(waiver_commands.approve, 1, site)
    accounts(asked, bob=[person])
    called(waiver_commands.approve, 1, site)
    said = "waiver 1 is in force until 2030-06-11 06:00:00 UTC; it covers 1 open finding\n"
    assert capsys.readouterr().err == said

    called(waiver_commands.list_waivers, site, everything=False, unused=False, as_json=True)
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("waivers"))
    one = document["waivers"][0]
    assert (one["state"], one["covers"], one["requested_by"], one["approved_by"]) == (
        "holds",
        1,
        "ann",
        "bob",
    )
    called(waiver_commands.list_waivers, site, everything=False, unused=False, as_json=False)
    row = capsys.readouterr().out.rstrip("\n").split("\t")
    assert row == [
        "1", "holds", "disk_space", "web1", "/", "medium", "1", "2030-06-11 06:00:00 UTC", "ann, bob",
        "moves in July",
    ]  # fmt: skip

    # It still fails, is shown and counted apart, and the exit status says what it said without the waiver.
    assert called(finding_commands.list_findings, site, everything=False, as_json=True) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("findings"))
    assert [one["waiver_id"] for one in document["findings"]] == [1]
    assert called(finding_commands.list_findings, site, everything=False, as_json=False) == 1
    shown = capsys.readouterr().out
    assert "waived" in shown
    assert "waiver 1 until 2030-06-11" in shown

    # A run shows it as it was when it was observed: the first one not, the next one so.
    asked.looks(Severity.MEDIUM, 1)
    for run_id, waived in ((2, None), (3, 1)):
        assert called(commands.show_run, run_id, site, everything=False, as_json=True) == 1
        document = json.loads(capsys.readouterr().out)
        jsonschema.validate(document, schema())
        assert [one["waiver"] for one in document["results"]] == [waived]
        results = document["counts"]["results"]
        assert (results["fail"]["medium"], results["waived"]) == (1, waived or 0)
    assert called(commands.show_run, 3, site, everything=False, as_json=False) == 1
    assert "waived" in capsys.readouterr().out
    called(commands.list_runs, site, 2, as_json=True)
    jsonschema.validate(json.loads(capsys.readouterr().out), schema("runs"))

    called(waiver_commands.revoke, 1, "the disk is here", site)
    assert capsys.readouterr().err == "waiver 1 is revoked; it covered 1 open finding\n"
    called(waiver_commands.list_waivers, site, everything=True, unused=False, as_json=False)
    assert "\trevoked\t" in capsys.readouterr().out


@on_postgresql
@pytest.mark.parametrize(("lasts", "ends"), [("", ""), ("1 d", "2030-06-02"), ("soon", "")])
def test_a_waiver_always_ends(asked: Asked, person: str, lasts: str, ends: str) -> None:
    accounts(asked, ann=[person])
    scope = ("disk_space", "web1", "/", "medium")
    with pytest.raises(UsageError):
        called(waiver_commands.request, *scope, "moves in July", str(asked.folder), lasts, ends)
