"""Sources: seen by the controller, known by their own names, from a real run to a waiver; on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import warm
from alert_samples import MONDAY, SITE, full, minutes, run, schedule, seen
from sqlalchemy import select
from store_samples import begun

from upkeep.model import clock
from upkeep.model.answer import Observed, Outcome, to_json
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.waivers import WaiverScope
from upkeep.services import waivers as waiving
from upkeep.services.acts import By
from upkeep.services.leftover import LeftOver
from upkeep.site.site import load_site
from upkeep.store import (
    Store,
    absent,
    baselines,
    findings,
    open_store,
    review_evidence,
    runs,
    tables,
    users,
)
from upkeep.store.answers import latest
from upkeep.store.reviews import NewReview
from upkeep.system import child

PEOPLE, PORTAL = "register/people", "build/portal"
CHECKS = [
    {"checks": "registers", "source": PEOPLE, "path": "registers/people.yml"},
    {"checks": "feeds", "source": PORTAL, "place": "build/report.json"},
]
ACCEPTED = "- {name: anna, role: administrator}\n- {name: bernd, role: clerk}\n"
CHANGED = "- {name: anna, role: administrator}\n- {name: dora, role: administrator}\n"
SCHEDULE = {
    "procedures": {"daily": {"title": "Daily", "owner": "ops"}},
    "people": {name: {"name": name.title(), "accounts": []} for name in ("ann", "bob")},
    "teams": {"ops": {"title": "Operations", "members": ["ann", "bob"]}},
}
CONTROLLER = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "upkeep_controller": True,
}


class WatchedSite:
    """A site of this machine with a register and a feed."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        for name in ("inventory", "registers", "build"):
            (folder / name).mkdir(parents=True)
        self.register, self.feed = folder / "registers/people.yml", folder / "build/report.json"
        self.register.write_text(ACCEPTED)
        (folder / "registers/people.yml.accepted").write_text(ACCEPTED)
        self.feed.write_text("[]")
        (folder / "schedule.yml").write_text(json.dumps(SCHEDULE))
        (folder / "upkeep.toml").write_text(f'state = "../state"\ndatabase = "{url}"\n')
        self.asks(CHECKS)

    def asks(self, checks: list[Any], **variables: Any) -> None:
        control = {**CONTROLLER, "upkeep_checks_site": checks, **variables}
        hosts = {"all": {"hosts": {"control": control}}}
        (self.folder / "inventory" / "hosts.yml").write_text(json.dumps(hosts))

    def __call__(self, *words: str) -> dict[str, Any]:
        """Return what the command prints as JSON."""
        done = warm.run([*words, "-i", str(self.folder), "--json"])
        assert done.stdout, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def run(self) -> dict[tuple[str, str], str]:
        """Return what a run says of each source or host and check."""
        found = self("run", "daily")
        return {
            (one["host"], one["check"]): one["message"]
            if one["status"] == "fail"
            else one["status"]
            for one in found["results"]
        }

    def open(self) -> list[tuple[str, str, str]]:
        found = self("findings")["findings"]
        return [(one["host"], one["check_id"], one["subject"]) for one in found]


@pytest.fixture
def watched(tmp_path: Path, url: str) -> WatchedSite:
    return WatchedSite(tmp_path / "site", url)


WELL = {
    (PEOPLE, "register_changed"): "pass",
    (PEOPLE, "register_readable"): "pass",
    (PORTAL, "feed_age"): "pass",
    (PORTAL, "feed_size"): "pass",
}
WRONG = "1 added (dora), 1 removed (bernd); 2 accepted"
FOUND = (PEOPLE, "register_changed", "registers/people.yml")


def test_a_register_of_people_is_changed_seen_waived_and_accepted(
    watched: WatchedSite, store: Store
) -> None:
    site = load_site(str(watched.folder))
    assert watched.run() == WELL

    watched.register.write_text(CHANGED)
    assert watched.run() == WELL | {(PEOPLE, "register_changed"): WRONG}
    assert watched.open() == [FOUND]
    run = watched("show", "2")
    assert [(one["name"], one["outcome"], one["seen_from"]) for one in run["hosts"]] == [
        (PORTAL, "ok", "control"),
        ("control", "ok", ""),
        (PEOPLE, "ok", "control"),
    ]
    assert (run["counts"]["sources"], run["counts"]["hosts_in_need"]) == (2, 1)

    now = clock.now()
    with store.begin() as db:
        for name, role in (("ann", Role.OPERATOR), ("bob", Role.APPROVER)):
            users.add(db, name, role, "no password", now, person=name)
        ann, bob = (By(found) for name in ("ann", "bob") if (found := users.get(db, name)))
    scope = WaiverScope("register_changed", "register/*", "*", Severity.MEDIUM)
    ends = now + timedelta(days=10)
    made = waiving.request(store, site, scope, "a new clerk, to be accepted", ends, ann, now)
    waiving.approve(store, site, made.id, bob, now)
    watched.run()
    (shown,) = watched("findings")["findings"]
    assert (shown["host"], shown["waiver_id"]) == (PEOPLE, made.id)

    watched.register.with_name("people.yml.accepted").write_text(CHANGED)
    assert watched.run() == WELL
    assert watched.open() == []


def test_a_source_that_nobody_asks_about_any_more_retires(watched: WatchedSite) -> None:
    watched.register.write_text(CHANGED)
    watched.run()
    assert watched.open() == [FOUND]

    watched.asks(CHECKS[1:])
    watched.run()

    assert watched.open() == []
    (ended,) = watched("findings", "--all")["findings"]
    assert (ended["status"], ended["host"]) == ("retired", PEOPLE)


def test_a_procedure_that_asks_for_less_leaves_the_rest_as_it_was(watched: WatchedSite) -> None:
    watched.register.write_text(CHANGED)
    watched.run()

    daily = {"title": "Daily", "owner": "ops", "checks": ["feed_age"]}
    changed = {**SCHEDULE, "procedures": {"daily": daily}}
    (watched.folder / "schedule.yml").write_text(json.dumps(changed))

    assert watched.run() == {(PORTAL, "feed_age"): "pass"}
    assert watched.open() == [FOUND]
    assert [one["name"] for one in watched("show", "2")["hosts"]] == [PORTAL, "control"]


def test_a_controller_that_gives_nothing_leaves_its_sources_as_they_were(
    watched: WatchedSite,
) -> None:
    watched.register.write_text(CHANGED)
    watched.run()

    watched.asks(CHECKS, ansible_python_interpreter="/nowhere/python3")
    found = watched.run()

    assert {status for key, status in found.items() if key[0] in (PEOPLE, PORTAL)} == {"unknown"}
    assert FOUND in watched.open()
    assert ("control", "host_unreachable", "connection") in watched.open()


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"upkeep_controller": False}, "control does not read sources (build/portal, register/people)"),
        (
            {"ansible_connection": "ssh", "ansible_host": "127.0.0.1"},
            "control cannot read sources (build/portal, register/people), connected to by ssh",
        ),
    ],
)  # fmt: skip
def test_only_the_controller_looks_at_sources(
    tmp_path: Path, sqlite_url: str, variables: dict[str, Any], why: str
) -> None:
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    watched.asks(CHECKS, **variables)

    run = watched("run", "daily")

    assert {one["host"] for one in run["results"]} == {PEOPLE, PORTAL}
    assert {one["status"] for one in run["results"]} == {"unknown"}
    said = {one["message"] for one in run["results"]}
    assert len(said) == 1
    assert all(why in one for one in said)
    assert all("upkeep_controller: true and ansible_connection: local" in one for one in said)
    assert run["run"]["status"] == "partial"
    assert ("control", "host_unreachable", "connection") in watched.open()
    lines = watched("doctor")["lines"]
    assert any("is not marked as the controller" in one["text"] for one in lines)


def test_what_a_host_may_not_look_at_costs_nothing_of_its_own(
    tmp_path: Path, sqlite_url: str
) -> None:
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    watched.asks([*CHECKS, "disk_space"], upkeep_controller=False)

    run = watched("run", "daily")

    assert {(one["host"], one["status"]) for one in run["results"] if one["host"] != "control"} == {
        (PEOPLE, "unknown"),
        (PORTAL, "unknown"),
    }
    assert {one["check"] for one in run["results"] if one["host"] == "control"} == {"disk_space"}


def test_a_source_that_two_hosts_look_at_is_the_first_ones(tmp_path: Path, sqlite_url: str) -> None:
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    watched.asks(CHECKS)
    inventory = watched.folder / "inventory" / "hosts.yml"
    said = json.loads(inventory.read_text())
    said["all"]["hosts"]["another"] = said["all"]["hosts"]["control"]
    inventory.write_text(json.dumps(said))

    run = watched("run", "daily")

    assert run["run"]["status"] == "partial"
    checks = [one["check"] for one in run["results"] if one["host"] == PEOPLE]
    assert len(checks) == len(set(checks))
    assert "forged_result" in {check for _host, check, _subject in watched.open()}


def test_a_playbook_without_a_driver_sees_them_too(tmp_path: Path, sqlite_url: str) -> None:
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    watched.register.write_text(CHANGED)
    program = Path(sys.executable).parent / "ansible-playbook"
    collections = Path(child.__file__).parents[2]
    done = subprocess.run(
        [program, "-i", watched.folder / "inventory", "astral.upkeep.daily"],
        env={"PATH": f"{program.parent}:/usr/bin:/bin", "ANSIBLE_COLLECTIONS_PATH": str(collections), "HOME": os.environ.get("HOME", "/")},
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert f"{PEOPLE}: ▲ fail medium register_changed registers/people.yml: {WRONG}" in done.stdout
    assert f"{PORTAL}: 2 of 2 results pass" in done.stdout


def test_by_hand_a_source_is_looked_at_as_it_is_said(tmp_path: Path, sqlite_url: str) -> None:
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    watched.register.write_text(CHANGED)

    as_asked = watched("check", "register_changed")
    given = watched("check", "feed_size", "-p", "source=feed/other", "-p", "place=/etc/passwd")

    assert [(one["host"], one["check"]) for one in as_asked["results"]] == [FOUND[:2]]
    assert [(one["host"], one["status"]) for one in given["results"]] == [("feed/other", "pass")]
    again = watched("judge", "1")
    assert [(one["host"], one["message"]) for one in again["results"]] == [(PEOPLE, WRONG)]


def test_no_host_has_the_name_of_a_source(tmp_path: Path, sqlite_url: str) -> None:
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    hosts = {"all": {"hosts": {PEOPLE: CONTROLLER}}}
    (watched.folder / "inventory" / "hosts.yml").write_text(json.dumps(hosts))

    done = warm.run(["run", "daily", "-i", str(watched.folder)])

    assert done.returncode == 78
    assert f"no host can be named '{PEOPLE}'" in done.stderr
    assert "'register-people'" in done.stderr


# --- in the store ----------------------------------------------------------------------------------------------------
def of_source(observed: Observed, looker: str = "control") -> Observed:
    return replace(observed, seen_from=looker)


def settle(store: Store, number: int, at: Any) -> list[str]:
    with store.begin() as db:
        return absent.settle(db, number, 20, at)


def open_on(store: Store) -> set[tuple[str, str]]:
    with store.read() as db:
        return {(one.host, one.check_id) for one in findings.open_ones(db)}


def look(store: Store, at: Any, *answers: Observed) -> int:
    number = run(store, at, *answers)
    settle(store, number, at)
    return number


def test_a_source_is_kept_while_whoever_looks_at_it_gives_nothing(store: Store) -> None:
    bad = full(Severity.HIGH)
    control = seen(host="control", at=MONDAY)
    look(store, MONDAY, control, of_source(seen(bad, host=PEOPLE, at=MONDAY)))

    later = MONDAY + minutes(60)
    lost = Observed("control", Outcome.FAILED, later, "began and gave no answer")
    look(store, later, lost)
    assert (PEOPLE, "disk_space") in open_on(store)

    later = MONDAY + minutes(120)
    look(store, later, replace(control, observed_at=later))
    assert open_on(store) == set()


def test_the_way_to_whoever_looks_is_told_once_and_of_the_host(store: Store) -> None:
    away = {"outcome": Outcome.UNREACHABLE, "at": MONDAY}
    number = look(store, MONDAY, seen(host="control", **away), of_source(seen(host=PEOPLE, **away)))

    assert open_on(store) == {("control", "host_unreachable")}
    with store.read() as db:
        counted = runs.count(db, number)
    assert (counted.sources, counted.hosts) == (1, {Outcome.UNREACHABLE: 2})


def test_a_source_owes_nothing_and_has_no_turn(store: Store) -> None:
    away = {"outcome": Outcome.UNREACHABLE, "at": MONDAY}
    run(store, MONDAY, seen(host="control", **away), of_source(seen(host=PEOPLE, **away)))

    with store.read() as db:
        assert runs.turns(db, SITE, "daily") == ([], ["control"])


def test_a_series_and_its_baseline_name_the_source(store: Store) -> None:
    at = MONDAY
    for day in range(10):
        for hour in (0, 8, 16):
            at = MONDAY + timedelta(days=day, hours=hour)
            look(store, at, of_source(seen(full(Status.PASS), host=PEOPLE, at=at)))

    with store.read() as db:
        series = baselines.series_of(SITE, "disk_space", PEOPLE, "/", "used")
        proposal = baselines.proposal_for(db, series, None, at)
        assert proposal.refused == ""
        assert [one.host for one in latest(db, SITE)] == [PEOPLE]
        kept = db.execute(select(tables.run_host.c.host, tables.run_host.c.seen_from).distinct())
        assert [tuple(one) for one in kept] == [(PEOPLE, "control")]


def test_what_a_review_shows_of_a_source_says_who_looked(store: Store) -> None:
    host = seen(full(Severity.HIGH), host="control", at=MONDAY)
    look(store, MONDAY, host, of_source(seen(full(Severity.HIGH), host=PEOPLE, at=MONDAY)))
    due = MONDAY + minutes(60)
    review = NewReview(
        SITE,
        "daily",
        "people",
        due,
        "People",
        "ops",
        due,
        due,
        due,
        definition={"shows": ["disk_space"]},
    )

    with store.read() as db:
        shown = review_evidence.collect(db, review, schedule(), due)

    rows = shown["not_passing"]["rows"]
    assert [(one["host"], one.get("seen_from")) for one in rows] == [
        ("control", None),
        (PEOPLE, "control"),
    ]


def test_what_was_forged_is_told_of_the_host_that_gave_it(store: Store) -> None:
    with store.begin() as db:
        number = runs.start(db, begun(started_at=MONDAY))
    own = to_json(seen(host="control", at=MONDAY))
    forged = to_json(seen(full(Severity.CRITICAL), host=PEOPLE, at=MONDAY))

    left_over = LeftOver(number, store)
    left_over.gave("control", {**own, "sources": [forged]})
    left_over.finish()

    with store.read() as db:
        (found,) = findings.open_ones(db)
        assert [one.host for one in runs.hosts(db, number)] == ["control"]
    assert (found.host, found.check_id) == ("control", "forged_result")
    assert found.message == f"refused: the source {PEOPLE!r} was not asked about"


@pytest.mark.parametrize(
    ("staying", "message"),
    [
        (["web1"], "2 of 3 hosts and sources of daily are not in the inventory any more: build/portal, register/people"),
        (["web1", "web2", "web3", "web4", "web5", "web6", "web7", "web8"], ""),
    ],
    ids=["many", "few"],
)  # fmt: skip
def test_sources_that_many_at_once_are_asked_of_nobody_are_kept(
    store: Store, staying: list[str], message: str
) -> None:
    bad = full(Severity.HIGH)
    hosts = [seen(host=one, at=MONDAY) for one in staying]
    hosts = [replace(one, results=(replace(full(Status.PASS), host=one.host),)) for one in hosts]
    sources = [of_source(seen(bad, host=one, at=MONDAY), "web1") for one in (PEOPLE, PORTAL)]
    look(store, MONDAY, *hosts, *sources)

    later = MONDAY + minutes(60)
    look(store, later, *(replace(one, observed_at=later) for one in hosts))

    with store.read() as db:
        told = [one.message for one in findings.open_ones(db) if one.check_id == "hosts_absent"]
    assert [one.split(";")[0] for one in told] == ([message] if message else [])
    assert ((PEOPLE, "disk_space") in open_on(store)) == bool(message)


def test_what_a_source_is_looked_at_for_is_explained(tmp_path: Path, sqlite_url: str) -> None:
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    watched.asks([*CHECKS, "disk_space"])

    found = watched("explain", PEOPLE)
    alike = warm.run(["explain", "register/peple", "-i", str(watched.folder)])

    assert (found["host"], [one["check"] for one in found["checks"]]) == (
        PEOPLE,
        ["register_changed", "register_readable"],
    )
    assert f"did you mean '{PEOPLE}'?" in alike.stderr


class Healthy(BaseHTTPRequestHandler):
    """A site that is well."""

    def do_GET(self) -> None:
        body = b'{"status": "ok"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_what: object) -> None:
        """Say nothing."""


def test_a_probe_from_outside_is_the_sites_and_without_a_source_the_hosts(
    tmp_path: Path, sqlite_url: str
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/health"
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    probe = {"check": "http_health", "urls": [url], "json": {"status": "ok"}}
    watched.asks([{**probe, "source": "site/portal"}, probe])

    well = watched.run()
    server.shutdown()
    server.server_close()
    down = watched("run", "daily")

    assert well == {("site/portal", "http_health"): "pass", ("control", "http_health"): "pass"}
    assert {(one["host"], one["subject"], one["status"]) for one in down["results"]} == {
        (host, url, "fail") for host in ("site/portal", "control")
    }
    assert {one[:2] for one in watched.open()} == {
        ("site/portal", "http_health"),
        ("control", "http_health"),
    }


def test_a_source_that_is_not_said_asks_as_before_there_were_any(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Findings of older programs are known again by a hash of what was asked."""
    watched = WatchedSite(tmp_path / "site", sqlite_url)
    watched.asks([{"check": "http_health", "urls": ["http://127.0.0.1:1/"]}])
    watched.run()

    with closing(open_store(sqlite_url)) as store, store.read() as db:
        (said,) = db.execute(select(tables.report.c.requests)).scalars()
    (request,) = json.loads(said)
    assert "source" not in request["params"]
