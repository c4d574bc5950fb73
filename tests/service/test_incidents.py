"""Incidents on both databases: who is called, when a clock has run out, what is recorded, and that nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import warm
from called import called
from jsonschema import validate
from service.conftest import on_postgresql
from sqlalchemy import select, text, update
from store_samples import NOW as SAMPLED
from store_samples import answer, begun, know_hosts, result

from upkeep.cli import incident_acts
from upkeep.model.errors import StoreError, UsageError
from upkeep.model.isolation import HostAct, IsolationSaid, ObstacleSaid
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity
from upkeep.rules.incidents import (
    Acknowledged,
    Acted,
    AlertJoined,
    Closed,
    FollowUpAdded,
    FollowUpDone,
    HandedOver,
    Incident,
    Noted,
    Opened,
    StepDone,
    StepSkipped,
    ToldPerson,
)
from upkeep.serve.requests import Requested
from upkeep.services import chain_end, incidents, silences, verification
from upkeep.services.actors import account
from upkeep.services.acts import By
from upkeep.services.alerts.alerter import Alerter
from upkeep.services.incidents import IncidentWorker, Opening
from upkeep.services.signing_key import load_installation
from upkeep.services.silences import Acknowledgement
from upkeep.site.site import Site, load_site
from upkeep.store import (
    Store,
    acts,
    findings,
    isolated_hosts,
    outbox,
    review_evidence,
    run_requests,
    runs,
    tables,
    users,
)
from upkeep.store import incidents as stored
from upkeep.store.answers import add_host
from upkeep.store.reviews import NewReview
from upkeep.view import incidents as view
from upkeep.view.json import schema

NIGHT = datetime(2030, 6, 5, 0, 30, tzinfo=UTC)
"""Out of the hours of work."""
SCHEDULE: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "procedures": {"watch": {"title": "Watch", "owner": "ops"}},
    "people": {
        name: {"name": name.title(), "channels": [f"pager-{name}"]}
        for name in ("ann", "bob", "cat")
    },
    "teams": {
        "ops": {"title": "Operations", "members": ["cat"], "channels": ["chat"]},
        "security": {
            "title": "Security",
            "members": ["ann", "bob"],
            "rota": [{"people": ["ann", "bob"], "from": "2020-01-06", "each": "1040 w"}],
            "fallback": "bob",
            "channels": ["chat"],
        },
    },
    "channels": {
        one: {"url_from": f"UPKEEP_CHANNEL_{number}", "local": True, "phi": one == "pager-ann"}
        for number, one in enumerate(("chat", "pager-ann", "pager-bob", "pager-cat"))
    },
    "alerts": {"team": "ops"},
    "incidents": {
        "drill_hosts": ["lab1"],
        "security": {
            "team": "security",
            "opens": [{"check": "login_after_failures", "severity": 1}],
            "phases": [
                {
                    "id": "response",
                    "title": "Response",
                    "within": "15 min",
                    "steps": [{"id": "isolate", "title": "Isolate", "act": "isolate"}],
                },
                {"id": "assessment", "title": "Assessment", "within": "1 h"},
            ],
        },
    },
}


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class Desk:
    """A site with users, its alerter and its worker, by a clock that tests turn. It is a leader, too."""

    revision = "the one"

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.site: Site = load_site(str(folder))
        self.installation = load_installation(self.site.settings)
        self.to = incidents.recording(store, self.site, self.installation)
        self.alerter = Alerter(store, self.site)
        self.worker = IncidentWorker(store, self)
        roles = {"ann": Role.OPERATOR, "bob": Role.APPROVER, "vic": Role.VIEWER}
        with store.begin() as db:
            for name, role in roles.items():
                users.add(
                    db, name, role, "no password", NIGHT, person="" if name == "vic" else name
                )

    def by(self, name: str) -> By:
        with self.store.read() as db:
            found = users.get(db, name)
        assert found is not None
        return By(found)

    def opens(self, now: datetime = NIGHT, by: str = "ann", **more: Any) -> Incident:
        asked = Opening(
            more.pop("kind", "security"), more.pop("severity", 1), "Strange logins", "web1", **more
        )
        return incidents.open_incident(self.to, asked, self.by(by), now)

    def says(self, said: Any, after: float = 0, by: str = "ann") -> Incident:
        return incidents.enter(self.to, 1, said, self.by(by), NIGHT + minutes(after))

    def passes(self, until: float, each: float = 5, since: float = 0) -> None:
        """Let worker, alerter and sender work until so many minutes after the beginning."""
        at = since
        while at <= until:
            now = NIGHT + minutes(at)
            self.worker.step(now)
            self.alerter.step(now)
            self.send(now)
            self.worker.step(now)
            at += each

    def send(self, now: datetime) -> None:
        with self.store.begin() as db:
            for one in outbox.claim(db, self.site.key, now, 60, 100):
                outbox.sent(db, one, now)

    def incident(self, number: int = 1) -> Incident:
        with self.store.read() as db:
            return stored.load(db, number)

    def messages(self) -> list[tuple[float, str, str]]:
        """When each message went out, in minutes, to whom, and its title without since when."""
        table = tables.outbox
        query = select(table).where(table.c.sent_at.is_not(None)).order_by(table.c.id)
        with self.store.read() as db:
            return [
                (
                    (row.sent_at - NIGHT) / minutes(1),
                    row.recipient,
                    row.title.split(", since ")[0],
                )
                for row in db.execute(query)
            ]

    def fails(self) -> set[tuple[str, str]]:
        with self.store.read() as db:
            return {
                (one.check_id, one.subject)
                for one in findings.open_ones(db)
                if one.host == "controller"
            }

    def problems(self) -> list[str]:
        with self.store.read() as db:
            end = chain_end.noted(self.installation.folder, self.store)
            return list(verification.problems_of(db, self.installation.trusted, end))

    def logins(self, now: datetime, host: str = "web1") -> None:
        """Let a check that opens incidents fail."""
        with self.store.begin() as db:
            run = runs.start(db, begun(site=self.site.key, started_at=now))
            at = (now - SAMPLED).total_seconds() / 60
            bad = result(
                Severity.CRITICAL, check="login_after_failures", subject="auth.log", minutes=at
            )
            add_host(db, run, answer(bad, host=host, minutes=at))
            runs.finish(db, run, "done", "", now)


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Path:
    made = tmp_path / "site"
    (made / "inventory").mkdir(parents=True)
    (made / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}, lab1: {}}}\n")
    (made / "schedule.yml").write_text(json.dumps(SCHEDULE))
    (made / "upkeep.toml").write_text(f'state = "{tmp_path}/own"\ndatabase = "{url}"\n')
    return made


@pytest.fixture
def desk(folder: Path, store: Store) -> Desk:
    return Desk(folder, store)


# --- calls -----------------------------------------------------------------------------------------------------------
def test_an_incident_calls_its_team_by_the_policy_until_somebody_acknowledges(desk: Desk) -> None:
    desk.opens()
    desk.passes(20)

    title, again = "Security incident, incident 1", "[1] Not acknowledged yet: "
    late = "[1] Overdue phase of an incident, incident 1"
    assert desk.messages() == [
        (0, "team:security", f"[1] {title}"),
        (0, "person:ann", f"[1] {title}"),
        (15, "person:ann", again + title),
        (15, "person:bob", again + title),
        (20, "team:security", late),
        (20, "person:ann", late),
    ]


def test_acknowledging_is_an_act_of_a_person_and_ends_the_calls(desk: Desk) -> None:
    desk.logins(NIGHT)
    desk.passes(1, each=1)
    alert = desk.incident().alerts[0].alert
    with desk.store.read() as db:
        (call,) = stored.calls(db, desk.site.key, desk.incident())
    assert call != alert
    assert desk.incident().response is None

    said = Acknowledgement(NIGHT + timedelta(hours=8), "mine", lambda: desk.installation)
    silences.acknowledge(desk.store, desk.site, call, said, desk.by("bob"), NIGHT + minutes(6))

    newest = desk.incident().entries[-1]
    assert (newest.said, newest.by.name) == (Acknowledged(call, "mine"), "bob")
    assert desk.incident().response == minutes(6)
    before = len(desk.messages())
    desk.passes(14, since=7, each=7)
    assert len(desk.messages()) == before
    assert desk.problems() == []


@on_postgresql
def test_what_is_told_names_the_site_as_any_folder_understands_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder.parent)
    desk.to = incidents.recording(desk.store, load_site("site"), desk.installation)

    desk.opens()

    with desk.store.read() as db:
        (told,) = (one for one in findings.open_ones(db) if one.check_id == "security_incident")
    assert told.remedy.startswith(f"upkeep incident status 1 -i {desk.folder}")


def test_acknowledging_another_alert_enters_nothing(desk: Desk) -> None:
    desk.logins(NIGHT)
    desk.passes(0)
    alert = desk.incident().alerts[0].alert
    said = Acknowledgement(NIGHT + timedelta(hours=8), "", lambda: desk.installation)

    silences.acknowledge(desk.store, desk.site, alert, said, desk.by("bob"), NIGHT + minutes(6))

    assert desk.incident().first_act is None


def test_a_lower_severity_waits_for_the_hours_of_its_team(desk: Desk) -> None:
    desk.opens(severity=2)
    desk.passes(5)

    assert desk.messages() == []
    morning = (datetime(2030, 6, 5, 7, 0, tzinfo=UTC) - NIGHT) / minutes(1)
    desk.passes(morning, since=morning)
    assert (morning, "person:ann", "[2] Security incident, incident 1") in desk.messages()


def test_a_phase_that_is_overdue_is_told_until_the_next_begins(desk: Desk) -> None:
    desk.opens()
    desk.passes(15)
    assert desk.fails() == {("security_incident", "incident 1")}

    desk.passes(16, since=16)
    assert desk.fails() == {
        ("security_incident", "incident 1"),
        ("incident_overdue", "incident 1 response"),
    }

    desk.says(StepSkipped("isolate", "nobody is in"), 17)
    incidents.advance(desk.to, 1, desk.by("ann"), NIGHT + minutes(17))
    assert desk.fails() == {("security_incident", "incident 1")}


@pytest.mark.parametrize(
    "opened_at",
    [datetime(2030, 3, 31, 0, 50, tzinfo=UTC), datetime(2030, 10, 27, 0, 50, tzinfo=UTC)],
    ids=["into summer", "into winter"],
)
def test_clocks_go_on_while_the_time_of_day_changes_and_after_a_hand_over(
    desk: Desk, opened_at: datetime
) -> None:
    desk.opens(opened_at)
    incidents.enter(
        desk.to, 1, HandedOver("bob", "so it is"), desk.by("ann"), opened_at + minutes(10)
    )

    desk.worker.step(opened_at + minutes(15))
    assert desk.fails() == {("security_incident", "incident 1")}
    desk.worker.step(opened_at + minutes(15.1))
    assert ("incident_overdue", "incident 1 response") in desk.fails()


def test_closing_ends_the_calls_and_its_follow_ups_stay_until_they_are_done(desk: Desk) -> None:
    desk.opens()
    desk.passes(0)
    due = date(2030, 6, 10)
    desk.says(FollowUpAdded("new keys", "security", due), 1)
    desk.says(Closed("look each day", "a false alarm", "password"), 2, "bob")
    desk.passes(10, since=3)

    assert desk.fails() == set()
    assert (10, "person:ann") not in [(at, who) for at, who, _title in desk.messages()]
    assert desk.messages()[-1][2] == "recovered: [1] Security incident, incident 1"

    late = datetime(2030, 6, 10, 22, 1, tzinfo=UTC)  # the 11th in Berlin
    desk.worker.step(late - minutes(2))
    assert desk.fails() == set()
    desk.worker.step(late)
    assert desk.fails() == {("incident_follow_up", "incident 1 follow-up 1")}
    incidents.enter(desk.to, 1, FollowUpDone(1), desk.by("ann"), late + minutes(1))
    assert desk.fails() == set()
    assert desk.problems() == []


# --- drills ----------------------------------------------------------------------------------------------------------
def test_each_message_of_a_drill_says_that_it_is_one(desk: Desk) -> None:
    desk.opens(drill=True)
    desk.passes(20)
    desk.says(Closed("all", "a drill"), 21, "bob")
    desk.passes(25, since=22)

    with desk.store.read() as db:
        rows = db.execute(select(tables.outbox.c.title, tables.outbox.c.body)).all()
    assert len(rows) > 4
    for row in rows:
        assert row.title.startswith("Drill: ")
        assert row.title.count("Drill:") == 1
        assert row.body.startswith("Drill: ")


def test_a_drill_changes_only_its_hosts_and_counts_only_that(desk: Desk) -> None:
    desk.opens(drill=True)
    with pytest.raises(UsageError, match="it may change its drill hosts alone"):
        desk.says(Acted("isolate", ("web1",), "done"), 1)

    made = desk.says(Acted("isolate", ("lab1",), "done", 3), 2)

    assert [
        (one["step"], one["counts_as"], one["really_on"])
        for one in view.incident_document(made, NIGHT)["rehearsed"]
    ] == [("isolate", "done", ["lab1"])]


def test_a_review_shows_the_drills_since_the_last_one_and_what_was_really_done(desk: Desk) -> None:
    desk.opens(drill=True)
    desk.says(Acted("isolate", ("lab1",), "done", 3), 2)
    desk.opens(NIGHT + minutes(5))
    until = NIGHT + minutes(10)

    def rows(shows: str, since: datetime, until: datetime = until) -> list[dict[str, Any]]:
        new = NewReview(
            site=desk.site.key, procedure="watch", item="drills", due_of=until, title="Drills",
            owner="ops", opened_at=until, due_at=until, remind_at=until, since=since,
            definition={"incidents": shows},
        )  # fmt: skip
        with desk.store.read() as db:
            shown = review_evidence.collect(db, new, desk.site.schedule, until)
        validate({"version": 1, "evidence": shown["incidents"]}, SHOWN_INCIDENTS)
        found: list[dict[str, Any]] = shown["incidents"]["rows"]
        return found

    (drill,) = rows("drills", NIGHT - minutes(1))
    assert (drill["id"], drill["response_seconds"]) == (1, 0.0)
    assert [one["really_on"] for one in drill["steps"]] == [["lab1"]]
    assert [one["id"] for one in rows("all", NIGHT - minutes(1))] == [2, 1]
    assert rows("drills", NIGHT) == []  # it was opened just at the time of the last review
    (before,) = rows("drills", NIGHT - minutes(1), NIGHT + minutes(1))
    assert [one["counts_as"] for one in before["steps"]] == ["left open"]


SHOWN_INCIDENTS = {
    "properties": {
        "evidence": schema("review")["properties"]["review"]["properties"]["evidence"]["anyOf"][0][
            "properties"
        ]["incidents"]
    }
}


# --- what is told ----------------------------------------------------------------------------------------------------
def test_who_was_told_is_in_the_record_though_the_outbox_is_forgotten(desk: Desk) -> None:
    desk.opens()
    desk.passes(0)
    desk.says(ToldPerson("=clinic", "what happened", "telephone", NIGHT + minutes(3)), 4)
    with desk.store.begin() as db:
        db.execute(tables.outbox.delete())

    told = view.told_of(desk.incident())

    assert [(one["whom"], one["way"], one["by"]) for one in told] == [
        ("team security", "chat", "Upkeep"),
        ("ann", "pager-ann", "Upkeep"),
        ("=clinic", "telephone", "ann"),
    ]
    lines = list(view.told_csv(desk.incident()))
    assert lines[0] == '"when","whom","what","way","by"\r\n'
    assert lines[3].split(",")[1] == '"\'=clinic"'  # no formula for a spreadsheet


def test_what_is_sent_is_recorded_once(desk: Desk) -> None:
    desk.opens()
    desk.passes(20)

    messages = [one.message for one in desk.incident().told]
    assert len(messages) == len(set(messages)) == 6


# --- opened by an alert ----------------------------------------------------------------------------------------------
def test_an_alert_opens_one_incident_and_later_ones_join_it(desk: Desk) -> None:
    desk.logins(NIGHT)
    desk.passes(1, each=1)

    made = desk.incident()
    assert made.opened_by.is_machine
    assert (made.opened.severity, made.opened.drill) == (1, False)
    assert made.opened.title == "Login after failures on web1"
    assert [type(one.said) for one in made.entries[:2]] == [Opened, AlertJoined]
    assert made.acts == ()  # it calls people, and does nothing to hosts

    desk.logins(NIGHT + minutes(2), host="web2")
    desk.passes(3, since=2, each=1)
    desk.passes(6, since=4, each=1)
    assert [one.id for one in _rows(desk)] == [1]
    assert len(desk.incident().alerts) >= 1
    assert len({one.alert for one in desk.incident().alerts}) == len(desk.incident().alerts)


@pytest.mark.parametrize(
    ("there", "joins"),
    [
        ([{"severity": 1}], 1),
        ([{"severity": 4}], None),
        ([{"severity": 2}], None),
        ([{"severity": 1, "drill": True}], None),
        ([{"severity": 1, "kind": "performance"}], None),
        ([{"severity": 1}, {"severity": 4}], 1),
        ([{"severity": 1}, {"severity": 1}], 2),
    ],
)
def test_an_alert_joins_the_newest_that_is_no_less_severe(
    desk: Desk, there: list[dict[str, Any]], joins: int | None
) -> None:
    for one in there:
        desk.opens(**one)

    desk.logins(NIGHT)
    desk.passes(1, each=1)

    wanted = joins or len(there) + 1
    assert len(_rows(desk)) == max(wanted, len(there))
    assert len(desk.incident(wanted).alerts) == 1
    assert desk.incident(wanted).opened.severity == 1


def test_an_alert_opens_an_incident_once_though_that_was_closed(desk: Desk) -> None:
    desk.logins(NIGHT)
    desk.passes(0)
    desk.says(Closed("a test of ours", "a false alarm"), 1, "bob")

    desk.passes(4, since=2, each=1)

    assert [(one.id, one.closed_at is not None) for one in _rows(desk)] == [(1, True)]


def test_two_drivers_open_one(desk: Desk) -> None:
    desk.logins(NIGHT)
    desk.alerter.step(NIGHT)
    other = IncidentWorker(desk.store, desk)
    with desk.store.read() as db:
        rules = [("security", one) for one in desk.site.schedule.incidents.security.opens]
        both = desk.worker._fitting(db, desk.site, rules)
    desk.worker.step(NIGHT)
    for alert, kind, rule in both:  # what the other one had read before
        with desk.store.begin() as db:
            other._take(db, desk.to, alert, (kind, rule), NIGHT)

    assert [one.id for one in _rows(desk)] == [1]
    assert len(desk.incident().alerts) == 1


@pytest.mark.parametrize(
    ("act", "state", "there"),
    [
        ("isolate", "confirmed", True),
        ("isolate", "loaded", False),  # it releases itself any moment
        ("isolate", "none", False),
        ("release", "released", False),
        ("release", "none", False),
        ("release", "confirmed", True),  # it was tried, and failed
    ],
)
def test_what_a_host_says_in_an_act_is_known_before_it_is_looked_at_again(
    desk: Desk, act: str, state: str, there: bool
) -> None:
    desk.opens()
    desk.opens()
    if act == "release":
        _acted(desk, 1, "isolate", "confirmed", 1)

    _acted(desk, 2, act, state, 5)

    with desk.store.read() as db:
        assert list(isolated_hosts.now(db, desk.site.key)) == ["web1"] * there


def _acted(desk: Desk, number: int, act: str, state: str, after: float) -> None:
    found = IsolationSaid(state, id="3f", since=NIGHT, by="ann")
    said = Acted(act, ("web1",), "done", 1, "", found)
    incidents.enter(desk.to, number, said, desk.by("ann"), NIGHT + minutes(after))


def _rows(desk: Desk) -> list[Any]:
    with desk.store.read() as db:
        return stored.everything(db)


# --- the record ------------------------------------------------------------------------------------------------------
def test_who_may_not_is_refused_and_that_is_written_down(desk: Desk) -> None:
    desk.opens()
    with pytest.raises(UsageError, match="vic is viewer"):
        desk.says(Acted("isolate", ("web1",), "done"), 1, "vic")

    with desk.store.read() as db:
        newest = acts.recent(db, 1)[0]
    assert (newest.who, newest.what, newest.target, newest.outcome) == (
        "vic", "contain incident", "incident 1", acts.REFUSED,
    )  # fmt: skip
    assert desk.incident().acts == ()


def test_an_incident_cannot_be_changed_or_removed(desk: Desk) -> None:
    desk.opens()
    desk.says(Closed("x", "y"), 1, "bob")
    for statement in (
        "DELETE FROM incident",
        "UPDATE incident SET drill = (1 = 1)",
        "UPDATE incident SET closed_at = NULL",
    ):
        with pytest.raises(StoreError), desk.store.begin() as db:
            db.execute(text(statement))


def test_what_is_stored_beside_the_records_is_verified(desk: Desk) -> None:
    desk.opens()
    desk.says(FollowUpAdded("new keys", "security", date(2030, 7, 1)), 1)
    assert desk.problems() == []

    with desk.store.begin() as db:
        db.execute(update(tables.incident).values(owed=0))

    assert desk.problems() == [
        "incident 1: its number of open follow-ups is 0; by its records it is 1"
    ]


CRASH = """
import os, sys
from datetime import timedelta
from service.test_incidents import *
from upkeep.store import open_store

folder, url, last = sys.argv[1:]
store = open_store(url)
desk = Desk.__new__(Desk)
desk.folder, desk.store = Path(folder), store
desk.site = load_site(folder)
desk.installation = load_installation(desk.site.settings)
desk.to = incidents.recording(store, desk.site, desk.installation)
said = 0
original = stored.append
def append(*given):
    global said
    made = original(*given)
    said += 1
    if said == int(last):  # in the transaction, before anything of it is kept
        os.kill(os.getpid(), 9)
    return made
stored.append = append
for each in script(desk):
    print(len(desk.incident().entries), flush=True)
"""


def script(desk: Desk) -> Iterator[None]:
    """A whole incident, an entry at a time."""
    yield desk.opens() and None
    yield desk.says(Noted("two accounts"), 1) and None
    yield desk.says(StepDone("isolate", "by hand"), 2) and None
    yield incidents.advance(desk.to, 1, desk.by("ann"), NIGHT + minutes(3)) and None
    yield desk.says(HandedOver("bob", "web1 is isolated"), 4) and None
    yield desk.says(FollowUpAdded("new keys", "security", date(2030, 7, 1)), 5) and None
    yield desk.says(Closed("look each day"), 6, "bob") and None


@on_postgresql
@pytest.mark.parametrize("last", range(1, 8))
def test_whatever_is_killed_an_entry_is_there_whole_or_not_at_all(
    desk: Desk, folder: Path, url: str, last: int
) -> None:
    """The entry, its act, its row and the finding that calls people are one transaction."""
    program = textwrap.dedent(CRASH)
    tests = str(Path(__file__).parents[1])
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([tests, f"{tests}/helpers", *sys.path]),
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", program, str(folder), url, str(last)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert run.returncode == -signal.SIGKILL, run.stderr

    rows = _rows(desk)
    entries = len(desk.incident().entries) if rows else 0
    assert (entries, run.stdout.split()) == (last - 1, [str(one) for one in range(1, last)])
    assert desk.problems() == []
    assert desk.fails() == ({("security_incident", "incident 1")} if last > 1 else set())
    with desk.store.read() as db:
        done = [one for one in acts.recent(db, 50) if "incident" in one.what]
    assert len(done) == last - 1


REFUSES = HostAct(
    "lab1",
    IsolationSaid("none", obstacles=(ObstacleSaid("network_storage", "root is on the network"),)),
    "not isolated, and nothing was changed",
)


# --- acts on hosts ---------------------------------------------------------------------------------------------------
@pytest.fixture
def ran(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What runs were given; web1 says that it is isolated, and lab1 refuses. The account of the tests is an operator."""
    given: list[Any] = []
    with desk.store.begin() as db:
        users.add(db, account(), Role.OPERATOR, "no password", NIGHT)

    def carry_out(_site: Site, task: Any, store: Store, *other: Any) -> int:
        given.append(task)
        with store.begin() as db:
            run = runs.start(
                db, begun(site=desk.site.key, started_at=NIGHT, procedure=task.procedure)
            )
            runs.finish(db, run, "done", "", NIGHT)
        for host in task.hosts.split(","):
            other[-1](REFUSES if host == "lab1" else HostAct(host, IsolationSaid("confirmed")))
        return run

    monkeypatch.setattr(incident_acts, "carry_out", carry_out)
    return given


def test_without_the_names_again_hosts_are_only_looked_at(
    desk: Desk, ran: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    desk.opens()

    assert called(incident_acts.isolate, 1, "all", str(desk.folder)) == 2

    (task,) = ran
    assert task.check_mode
    assert desk.incident().acts == ()
    said = capsys.readouterr().out
    again = (
        "upkeep incident isolate 1 --hosts all --even-if network_storage --yes-isolate lab1,web1"
    )
    assert f"{again} -i {desk.folder}" in said


def test_an_act_is_recorded_when_it_begins_and_by_what_became_of_each_host(
    desk: Desk, ran: list[Any]
) -> None:
    desk.opens()

    asked = {"even_if": ["network_storage"], "yes": "web1, lab1"}
    assert called(incident_acts.isolate, 1, "all", str(desk.folder), **asked) == 2

    (task,) = ran
    assert (task.playbook, task.check_mode, task.limit, task.contains) == (
        "astral.upkeep.incident.isolate", False, "lab1,web1", True,
    )  # fmt: skip
    assert task.variables == {
        "isolation_even_if": ["network_storage"],
        "upkeep_confirm": "lab1,web1",
        "upkeep_actor": account(),
        "upkeep_incident": "1",
        "isolation_why": "incident 1",
    }
    assert desk.incident().acts == (
        Acted("isolate", ("lab1", "web1"), "begun"),
        Acted("isolate", ("lab1",), "refused", 1, REFUSES.why_failed, REFUSES.said),
        Acted("isolate", ("web1",), "done", 1, "", IsolationSaid("confirmed")),
    )
    assert "isolate" not in desk.incident().steps  # not on all of its hosts
    assert desk.problems() == []


@pytest.mark.parametrize(
    ("hosts", "again", "drill", "said"),
    [
        ("web1", "lab1", False, "--yes-isolate: found lab1; expected the names of all hosts"),
        ("web9", "web9", False, "web9"),
        ("web1", "web1", True, "it may change its drill hosts alone"),
    ],
    ids=["other names", "no such host", "a drill"],
)
def test_what_may_not_be_done_to_hosts_is_not_begun(
    desk: Desk, ran: list[Any], hosts: str, again: str, drill: bool, said: str
) -> None:
    desk.opens(drill=drill)

    with pytest.raises(UsageError, match=said):
        called(incident_acts.isolate, 1, hosts, str(desk.folder), yes=again)

    assert ran == []
    assert desk.incident().acts == ()


def test_what_was_asked_for_on_the_page_is_done_as_who_asked(desk: Desk, ran: list[Any]) -> None:
    desk.opens()
    asked = Acted("isolate", ("web1",), "begun")
    with desk.store.begin() as db:
        know_hosts(db, desk.site.key, "web1")
    number = incidents.ask_act(desk.to, 1, asked, desk.by("bob"), NIGHT)
    for other in ("lab1", "web*"):
        with pytest.raises(UsageError, match="nobody has asked for that"):
            called(incident_acts.isolate, 1, other, str(desk.folder), request=number)

    called(incident_acts.isolate, 1, "web1", str(desk.folder), request=number)

    assert [task.variables["upkeep_actor"] for task in ran] == ["bob"]
    assert {one.by.name for one in desk.incident().entries[1:]} == {"bob"}
    worker = Requested(str(desk.folder), desk.site, desk.store)
    with desk.store.read() as db:
        request = run_requests.get(db, number)
    assert request
    assert worker._arguments(request) == [
        "incident", "isolate", "-i", str(desk.folder), "--hosts=web1", f"--request={number}", "--", "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("by", "taken", "why"),
    [
        ({"finding": 1}, "web1", ""),
        ({"alert": 1}, "web1", ""),
        ({"finding": 9}, "", "there is no finding 9"),
        ({"alert": 9}, "", "there is no alert 9"),
        ({"finding": 2}, "", "finding 2 is about Upkeep itself, or the site as a whole"),
        ({}, "", "expected the hosts, in one of these ways"),
        ({"finding": 1, "hosts": "web1"}, "", "expected the hosts, in one of these ways"),
    ],
    ids=[
        "a finding",
        "an alert",
        "no such finding",
        "no such alert",
        "of no host",
        "none",
        "two ways",
    ],
)
def test_hosts_are_named_by_a_finding_or_an_alert(
    desk: Desk, ran: list[Any], by: dict[str, Any], taken: str, why: str
) -> None:
    desk.logins(NIGHT)
    desk.alerter.step(NIGHT)
    desk.opens()

    if why:
        with pytest.raises(UsageError, match=why):
            called(incident_acts.isolate, 1, inventory=str(desk.folder), **by)
        assert ran == []
    else:
        called(incident_acts.isolate, 1, inventory=str(desk.folder), **by)
        assert [task.hosts for task in ran] == [taken]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("schedule.yml", "procedures: {watch: {"),
        ("inventory/group_vars/dbs.yml", "upkeep_checks_dbs: [{chek: disk_space}]"),
        ("inventory/cloud.yml", "all: {hosts: ["),
    ],
    ids=["the schedule", "what a group asks for", "a source of the inventory"],
)
def test_what_is_broken_elsewhere_holds_no_isolation_back(
    desk: Desk, ran: list[Any], file: str, content: str
) -> None:
    desk.opens()
    (desk.folder / file).parent.mkdir(exist_ok=True)
    (desk.folder / file).write_text(content)

    assert called(incident_acts.isolate, 1, "web1", str(desk.folder), yes="web1") == 0

    assert [(task.hosts, task.site) for task in ran] == [("web1", desk.site.key)]


def test_a_run_that_could_not_be_begun_has_an_end_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, ran: list[Any]
) -> None:
    desk.opens()

    def fails(*_given: Any) -> int:
        raise StoreError("/dev/shm: a run needs a workspace here: No space left on device")

    monkeypatch.setattr(incident_acts, "carry_out", fails)
    with pytest.raises(StoreError):
        called(incident_acts.isolate, 1, "web1", str(desk.folder), yes="web1")

    newest = desk.incident().acts[-1]
    assert (newest.outcome, newest.run) == ("unknown", None)
    assert "No space left" in newest.detail


# --- commands --------------------------------------------------------------------------------------------------------
@pytest.fixture
def upkeep(desk: Desk, url: str) -> Any:
    """Return a function that runs a command of a site that has no users yet."""
    with desk.store.begin() as db:
        db.execute(tables.app_user.delete())

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        given = ["incident", *words, "-i", str(desk.folder)]
        return warm.run(given, env=os.environ | {"UPKEEP_DATABASE": url})

    return run


def test_commands_from_the_opening_to_the_log(upkeep: Any) -> None:
    opened = upkeep("open", "security", "--hosts", "web1", "--title", "Strange logins")
    assert opened.returncode == 0, opened.stderr
    assert "Incident 1, security, severity 1 (critical): Strange logins" in opened.stdout
    add = f"upkeep user add {account()} --role operator -i "
    assert add in opened.stdout  # the next step takes a user, and there is none yet
    later = datetime.now(UTC).date() + timedelta(days=30)
    near = upkeep("step", "1", "isolat")
    assert near.returncode == 64
    assert "did you mean 'isolate'?" in near.stderr
    for words in (
        ("note", "1", "two accounts"),
        ("assign", "1", "--commander", "ann", "--scribe", "bob"),
        ("step", "1", "isolate", "--note", "by hand"),
        ("advance", "1"),
        ("hand-over", "1", "--to", "bob", "--summary", "web1 is isolated"),
        ("told", "1", "--whom", "clinic", "--what", "what happened", "--by-way", "telephone"),
        ("follow-up", "1", "new keys", "--owner", "security", "--due", str(later)),
    ):
        made = upkeep(*words)
        assert made.returncode == 0, made.stderr
    for name, words in (
        ("incidents", ("list",)),
        ("incident", ("status", "1")),
        ("incident_log", ("log", "1")),
        ("incident_told", ("told", "1")),
        ("incident_responses", ("responses",)),
    ):
        document = upkeep(*words, "--json")
        assert document.returncode == (2 if name == "incidents" else 0)
        validate(json.loads(document.stdout), schema(name))
    status = upkeep("status", "1").stdout
    assert "commander: bob; scribe: bob" in status
    assert f"follow-up 1, security, due {later}: new keys" in status
    assert "> 2 Assessment" in status
    closing = upkeep("close", "1", "--lesson", "look each day")
    assert closing.returncode == 64
    assert "only users may close incidents" in closing.stderr
