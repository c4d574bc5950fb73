"""Makes the store that lies in this folder: June 2030 of a small site, lived through by the program of revision 0008.

Run it by the commit that added it, whose program is to be recorded:

    git worktree add --detach ../then COMMIT && cd ../then && make .venv/dev
    PYTHONPATH=python:tests .venv/bin/python tests/service/recorded/store_0008/make.py

The month is lived twice, on SQLite and on PostgreSQL. Each database is written beside this file as text (gzip), with the
keys that signed, and with what the program shows of both (shown.json). Times are fixed; keys and other random numbers are new.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import reviewed_site
from recorded_store import BEGINS, NOW, SITE, Recorded, shown
from reviewed_site import Reviewed, write_site
from service.postgres import Postgres, program
from store_samples import begun, result

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep import baselining, check, reviewing, waiving
from upkeep.alerts.alerter import Alerter
from upkeep.errors import UsageError
from upkeep.judge import evidence_hash, judge
from upkeep.observed import Due, Observed, Outcome, Request, Seen
from upkeep.reviewing import Given
from upkeep.reviews import FollowUp, Verdict
from upkeep.roles import Role
from upkeep.store import (
    Store,
    alerts,
    baselines,
    drivers,
    leases,
    migrate,
    occurrences,
    open_store,
    outbox,
    own,
    run_requests,
    runs,
    sessions,
    silences,
)
from upkeep.store.observed import add_judgement, begin_judgement, observed_in
from upkeep.store.occurrences import New
from upkeep.verdicts import Measure, Result, Severity, Status
from upkeep.waivers import Scope

HERE = Path(__file__).parent
DAY = timedelta(days=1)
CHECKS = ["disk_space", "http_health", "external_service", "response_time", "failed_units"]
REQUESTS = (
    Request("file_systems", {"paths": ["/"]}),
    Request("http_health", {"urls": ["https://probe:hunter2@app.example.org/health?token=s3cr3t#f"]}),
    # Written in capitals, it is told of as it stands: this revision looks for `http`.
    Request("services", {"services": ["HTTPS://probe:hunter2@pay.example.org/ping?token=s3cr3t"]}),
)  # fmt: skip
DUE = (
    Due("disk_space", 0, {"used_percent": 90}),
    Due("http_health", 1, {"mean_seconds": 2.0}),
    Due("external_service", 2, {}),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2030-{text}").replace(tzinfo=UTC)


class Month(Reviewed):
    """The site in June. failing: what fails now of each host; the rest of what is looked at passes."""

    revision = "a hash of the site"

    def __init__(self, folder: Path, store: Store) -> None:
        # The folder's own path must not stand in the store.
        load = reviewed_site.load_site
        named = mock.patch.object(
            reviewed_site, "load_site", lambda at: replace(load(at), name=SITE)
        )
        with named:
            super().__init__(folder, store, BEGINS)
        self.failing: dict[str, Sequence[Result]] = {}
        self.broken: set[str] = set()
        self.slow = 1.0
        self.alerter = Alerter(store, self.site)
        self.waivers = waiving.Waivers(store, self)

    def answer(self, host: str, at: datetime, *, away: bool) -> Observed:
        if away:
            return super().answer(host, at, away=away)
        status = {"web1": 200, "web2": 503 if "health" in self.broken else 200}[host]
        tries = [{"status": status, "tcp_seconds": 0.01, "total_seconds": 0.2 * self.slow}]
        refused = [{"stage": "connect", "problem": "192.0.2.9:443: connection refused"}]
        seen = [
            Observation("/", {"used": 41.0}, "Filesystem /"),
            Observation("https://app.example.org/health?token=*", {"tries": tries}, f"{status} {at:%j}"),
            Observation(REQUESTS[2].params["services"][0], {"tries": refused if "pay" in self.broken else tries}),
        ]  # fmt: skip
        kept = [
            Seen(number, one, evidence_hash(one.raw) if one.raw else "")
            for number, one in enumerate(seen)
        ]
        judged = judge(host, DUE[1:], REQUESTS, kept, {}, check.load(), at)
        used = Measure("used", 41.0 * self.slow, "%")
        said = [
            result(subject="/", message="41 % used", measures=(used,), evidence_sha256=kept[0].sha256,
                   observation=0),
            *self.failing.get(host, ()),
        ]  # fmt: skip
        of_host = [replace(one, host=host, observed_at=at) for one in said]
        return Observed(
            host=host, outcome=Outcome.OK, observed_at=at, seconds=0.4, python="3.11.2", clock_offset_seconds=0.1,
            requests=REQUESTS, due=(*DUE, Due("failed_units", 0, {}), Due("memory_available", 0, {})),
            seen=tuple(kept), results=(*of_host, *judged), asked=("*",),
        )  # fmt: skip

    def day(self, text: str) -> None:
        """Let time pass until noon of that day; alerts are looked at every day."""
        while self.now < at(f"{text} 12:00"):
            self.go(min(self.now + DAY, at(f"{text} 12:00")))
            self.step()

    def step(self) -> None:
        self.alerter.step(self.now)
        self.waivers.step(self.now)

    def looks(self, minutes: float = 5) -> None:
        """Let somebody run the daily procedure by hand."""
        self.now += timedelta(minutes=minutes)
        with self.store.begin() as db:
            run_id = runs.start(db, begun(site=SITE, started_at=self.now - timedelta(minutes=1)))
            answers = [self.answer(host, self.now, away=False) for host in ("web1", "web2")]
            reviewed_site.add_hosts(db, run_id, answers)
            reviewed_site.agent.end_run(db, run_id, "done", "", self.now)
        self.step()

    def by(self, name: str) -> waiving.By:
        return waiving.By(self.users[name], address="192.0.2.7")

    def alert_of(self, check_id: str, host: str) -> alerts.Alert:
        with self.store.read() as db:
            for one in alerts.open_alerts(db, SITE):
                hosts = {each.host for each in alerts.members(db, [one.id])}
                if one.check_id == check_id and host in hosts:
                    return one
        raise LookupError(f"no open alert on {check_id} of {host}")


def live(month: Month) -> None:
    """Let the month pass."""
    people(month)
    month.day("06-02")
    first_week(month)
    second_week(month)
    third_week(month)
    fourth_week(month)
    month.away["web2"] = (at("07-01 00:00"), at("07-01 23:00"))
    month.day("07-01")
    month.away.clear()
    flap(month)
    under_way(month)
    month.step()


def people(month: Month) -> None:
    for name, role in (("ann", Role.APPROVER), ("bob", Role.APPROVER), ("cat", Role.OPERATOR)):
        month.user(name, name, role)
    month.user("root", "", Role.ADMIN)
    month.user("desk", "", Role.OPERATOR, shared=True)
    month.user("gone", "", Role.VIEWER)
    with month.store.begin() as db:
        reviewed_site.users.turn_off(db, "gone", month.now)
        sessions.begin(db, month.users["ann"], month.now, "192.0.2.7")
        sessions.try_password(db, "gone", "192.0.2.66", month.now)


DISK = result(Severity.HIGH, subject="/srv", message="97 % used, at most 90 %")
LOGS = result(Severity.MEDIUM, subject="/var/log", message="92 % used, at most 90 %")
OLD = result(Severity.LOW, subject="/old", message="91 % used, at most 90 %")
MEMORY = result(Severity.HIGH, check="memory_available", subject="memory", message="2 % available")
NGINX = result(Severity.HIGH, check="failed_units", subject="nginx.service", message="failed")


def well(one: Result) -> Result:
    """The same, passing."""
    return replace(one, status=Status.PASS, severity=None, message="as it should be")


def first_week(month: Month) -> None:
    """A disk fills up and somebody takes it on; another is waived; the address of a service is refused."""
    month.failing = {"web1": [DISK, LOGS], "web2": [OLD]}
    month.broken = {"pay", "health"}
    month.day("06-03")
    with month.store.begin() as db:
        found = month.alert_of("disk_space", "web1")
        alerts.acknowledge(
            db, found.id, "ann", month.now, at("08-01 00:00"), "a larger disk is ordered"
        )
    sent(month)
    scope = Scope("disk_space", "web*", "/var/*", Severity.MEDIUM)
    asked = waiving.request(
        month.store, month.site, scope, "moves in September", at("08-20 00:00"), month.by("cat"), month.now
    )  # fmt: skip
    refused(lambda: waiving.approve(month.store, month.site, asked.id, month.by("cat"), month.now))
    waiving.approve(month.store, month.site, asked.id, month.by("ann"), month.now)
    month.day("06-05")
    sign(month, 0)


def second_week(month: Month) -> None:
    """What was wrong is resolved or gone; web2 is away for a day; no driver is there for a morning."""
    month.broken = {"pay"}
    month.failing = {"web1": [DISK, LOGS, MEMORY], "web2": []}
    month.day("06-07")
    month.failing = {"web1": [DISK, LOGS, well(MEMORY)], "web2": []}
    month.away["web2"] = (at("06-08 00:00"), at("06-08 23:00"))
    month.down = [(at("06-09 05:00"), at("06-09 07:00"))]
    waive(month, Scope("external_service", "web2", "*", Severity.HIGH), at("06-12 00:00"))
    scope = Scope("failed_units", "web1", "nginx*", Severity.HIGH)
    waiving.request(
        month.store, month.site, scope, "being replaced", at("08-12 00:00"), month.by("cat"), month.now
    )  # fmt: skip
    revoked = waive(month, Scope("response_time", "web2", "*", Severity.LOW), at("08-12 00:00"))
    waiving.revoke(month.store, month.site, revoked, "was a mistake", month.by("ann"), month.now)
    month.day("06-12")
    sign(month, 1)


def third_week(month: Month) -> None:
    """Memory on web2 is silenced; somebody else is on call; a run is judged again."""
    with month.store.begin() as db:
        silences.add(
            db, SITE, check="memory_*", host="web2", severity=2, reason="a load test", by="cat", at=month.now,
            begins=month.now, ends=at("08-30 00:00"),
        )  # fmt: skip
        ended = silences.add(
            db, SITE, check="*", host="web1", severity=4, reason="rebuilt", by="cat", at=month.now,
            begins=month.now, ends=at("08-30 00:00"),
        )  # fmt: skip
        silences.end(db, ended, "ann", month.now)
        silences.add_override(
            db, SITE, team="ops", person="bob", begins=at("07-06 00:00"), ends=at("07-08 00:00"), by="ann",
            at=month.now,
        )  # fmt: skip
    month.failing["web2"] = [MEMORY]
    month.day("06-18")
    with month.store.begin() as db:
        newest = runs.recent(db, 1, site=SITE)[0].id
        number = begin_judgement(db, newest, month.now)
        for one in list(observed_in(db, newest)):
            add_judgement(db, newest, number, one)
    month.day("06-19")
    sign(month, 2)


def fourth_week(month: Month) -> None:
    """What is normal is accepted; what the product has to say of itself; the last review stays unsigned."""
    month.day("06-25")
    with month.store.read() as db:
        series = baselines.series_of(SITE, "disk_space", "web1", "/", "used")
        proposal = baselines.proposal_for(db, series, None, month.now)
    by = reviewing.By(month.users["bob"], "password")
    baselining.accept(
        month.store, month.installation, series, None, proposal, "as it is", by, month.now
    )
    with month.store.begin() as db:
        waiting = "pager: connection refused"
        outbox.channel_failed(db, SITE, "pager", waiting, month.now)
        own.tell(db, SITE, "channel", "pager", month.now, Severity.HIGH, waiting, "upkeep doctor")
        own.tell(
            db, SITE, "schedule_entry", "weekly", month.now, Severity.MEDIUM, "no such check", ""
        )
        own.tell(db, SITE, "schedule_entry", "weekly", month.now + timedelta(minutes=9))
        run_requests.ask(db, SITE, "daily", "cat", month.now, limit="web2")


def flap(month: Month) -> None:
    """Let a unit fail and work by turns, so that its alert stays open until it has settled."""
    for turn in range(8):
        month.failing["web1"] = [DISK, LOGS, NGINX if turn % 2 == 0 else well(NGINX)]
        month.looks()


def under_way(month: Month) -> None:
    """Let occurrences be in every state that the month has not made, and a run that changes hosts be under way."""
    with month.store.begin() as db:
        drivers.seen(db, drivers.Driver("driver", SITE, month.revision, "controller", 4242, 1.5, "0b1c"),
                     month.now)  # fmt: skip
        made = [
            New(SITE, "rotate", at(f"07-01 {hour}:00"), at(f"07-01 {hour}:00"), at(f"07-01 {hour + 1}:00"), None)
            for hour in (12, 13, 14, 15)
        ]  # fmt: skip
        occurrences.make(db, made)
        (running, claimed, failed_one, _due) = [
            occurrences.find(db, SITE, "rotate", one.due_at) for one in made
        ]
        assert running
        assert claimed
        assert failed_one
        for one in (running, claimed, failed_one):
            occurrences.claim(db, one.id, "driver", month.now)
        start = begun(procedure="rotate", site=SITE, started_at=month.now)
        run_id = runs.start(db, start)
        occurrences.begin(db, running.id, "driver", run_id)
        leases.take(db, SITE, ["web1", "web2"], run_id, month.now)
        runs.add_change(
            db, run_id, runs.Change("web1", "rotate", "changed", "+ /var/log/app.log.1"), month.now
        )
        other = runs.start(db, start)
        occurrences.begin(db, failed_one.id, "driver", other)
        reviewed_site.agent.end_run(db, other, "crashed", "its driver was killed", month.now)


def waive(month: Month, scope: Scope, ends: datetime) -> int:
    made = waiving.request(
        month.store, month.site, scope, "known", ends, month.by("cat"), month.now
    )
    waiving.approve(month.store, month.site, made.id, month.by("bob"), month.now)
    return made.id


def sent(month: Month) -> None:
    """Send what waits over one channel; the other takes nothing; one message is left half sent."""
    with month.store.begin() as db:
        claimed = outbox.claim(db, SITE, month.now, 60, 100)
        for one in claimed[:-1]:
            if one.channel == "chat":
                outbox.sent(db, one, month.now)
            else:
                outbox.failed(db, one, "connection refused", month.now)


def sign(month: Month, week: int) -> None:
    """Sign Monday's reviews: with a file, by two people, as failed with something to do, and corrected."""
    waiting = {
        one.item: one for one, _standing in month.all() if not one.closed_at and not one.parent
    }
    if week == 0:
        report = Given("drill.pdf", b"%PDF-1.7 evacuated in 4 min")
        month.sign(waiting["fires"].id, "ann", given=[report], note="all gauges green")
    elif week == 1:
        follows = FollowUp("ops", date(2030, 6, 28), "take cat's key back")
        month.sign(
            waiting["fires"].id, "ann", Verdict.FAIL, follow_ups=(follows,), note="one is empty"
        )
    else:
        first = month.sign(waiting["keys"].id, "ann", note="nobody new")
        month.sign(waiting["keys"].id, "bob")
        month.sign(
            waiting["keys"].id, "ann", Verdict.FAIL, note="one is new", corrects=first.number
        )
    refused(lambda: month.sign(waiting["keys"].id, "desk"))


def refused(do: Any) -> None:
    """Do what is refused, and is written down as such."""
    try:
        do()
    except UsageError:
        return
    raise AssertionError("was not refused")


# --- writing it ------------------------------------------------------------------------------------------------------
def lived(url: str, folder: Path) -> dict[str, Any]:
    """Live the month in that database; return what is shown of it."""
    migrate(url)
    site = write_site(
        folder / "site", folder / "state", json.loads((HERE / "schedule.json").read_text())
    )
    with closing(open_store(url)) as store:
        month = Month(site, store)
        live(month)
        assert month.now < NOW, month.now
        return shown(store, Recorded("0008").schedule, month.installation.trusted)


def keep(backend: str, text: str) -> None:
    """Write a database's text beside this file."""
    (HERE / f"{backend}.sql.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def as_lines(told: Mapping[str, Any]) -> str:
    """Return it as JSON with a line for each row, so that it can be read and compared."""
    parts = []
    for key, value in told.items():
        rows = (
            ",\n".join(f"  {json.dumps(one)}" for one in value) if isinstance(value, list) else ""
        )
        text = f"[\n{rows}\n ]" if rows else json.dumps(value)
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def keep_keys(backend: str, folder: Path) -> None:
    kept = HERE / backend / "signing"
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "state" / "signing" / "allowed_signers", kept)


def on_sqlite(folder: Path) -> dict[str, Any]:
    path = folder / "upkeep.db"
    told = lived(f"sqlite:///{path}", folder)
    with closing(sqlite3.connect(path)) as db:
        keep("sqlite", "".join(f"{line}\n" for line in db.iterdump()))
    keep_keys("sqlite", folder)
    return told


def on_postgresql(folder: Path) -> dict[str, Any]:
    server = Postgres()
    try:
        url = server.create("recorded")
        told = lived(url, folder)
        dump = [program("pg_dump"), "--inserts", "--no-owner", "--no-privileges", url]
        text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    finally:
        server.close()
    # What only newer servers and clients know of.
    lines = [
        line
        for line in text.splitlines(True)
        if not line.startswith(("\\restrict", "\\unrestrict"))
    ]
    keep("postgresql", "".join(lines))
    keep_keys("postgresql", folder)
    return told


def main() -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        told = on_sqlite(Path(one))
        again = on_postgresql(Path(two))
    assert told == again, "the two databases differ"
    (HERE / "shown.json").write_text(as_lines(told))


if __name__ == "__main__":
    main()
