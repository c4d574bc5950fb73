"""How long a page takes with very much in the store."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alert_samples import site as alert_site
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, insert, text
from starlette.testclient import TestClient

from upkeep.model.answer import Outcome
from upkeep.model.roles import Role
from upkeep.model.stored_text import fingerprint, packed
from upkeep.model.verdicts import Severity
from upkeep.rules.baselines import Better, propose
from upkeep.rules.completion import month_before
from upkeep.rules.reviews import Form, ReviewVerdict, Signer, record_of
from upkeep.rules.waivers import WaiverScope
from upkeep.services.alerts.alerter import Alerter
from upkeep.site.schedule_file import Schedule, load_schedule
from upkeep.store import (
    Store,
    baselines,
    files,
    findings,
    migrate,
    open_store,
    records,
    review_evidence,
    reviews,
    runs,
    sessions,
    tables,
    users,
    waivers,
)
from upkeep.view.upcoming import Coming
from upkeep.web.app import make_app
from upkeep.web.routing import Setting

CHECKS = (
    "disk_space", "disk_inodes", "file_system_errors", "memory_available", "swap_used", "load_per_core",
    "file_handles", "clock_synchronized", "failed_units", "out_of_memory_kills", "reboot_pending", "deleted_open_files",
    "log_rotation", "backup_fresh", "certificate_expiry", "http_health", "brute_force", "failed_logins",
    "server_errors", "package_updates",
)  # fmt: skip
SITE = "/srv/site"
ASKED = 25
PLAIN = (
    "/", "/runs", "/runs?before=30", "/findings", "/findings?severity=low", "/findings?host=web7",
    "/findings?status=resolved", "/findings/1", "/acts", "/schedule", "/alerts", "/alerts/1", "/reviews",
    "/reviews?all=1", "/waivers", "/waivers/1", "/baselines", "/api/today", "/api/findings", "/api/runs",
)  # fmt: skip
"""Pages whose address is the same however much is in the store."""
WEEKS = 104
WAIVERS = 50
BASELINES = 40


def fill(store: Store, hosts: int, count: int, now: datetime) -> int:
    """Put so many runs of so many hosts with twenty results each into the store; return how many results that is."""
    begin = now - timedelta(days=1) * count
    for number in range(count):
        at = begin + timedelta(days=1) * (number + 1) - timedelta(minutes=30)
        with store.begin() as db:
            run_id = runs.start(db, _start(at))
            made = list(_results(run_id, number, hosts, at))
            db.execute(insert(tables.run_host), [_host(run_id, one, at) for one in range(hosts)])
            db.execute(insert(tables.report), [_report(run_id, one, at) for one in range(hosts)])
            first = db.execute(
                text("SELECT min(id) FROM report WHERE run_id = :run"), {"run": run_id}
            ).scalar_one()
            for one in made:
                one["report_id"] += first
            db.execute(insert(tables.result), made)
            if number == count - 1:
                keys = set(tables.latest_result.c.keys())
                latest = [
                    {key: value for key, value in one.items() if key in keys} | {"site": SITE}
                    for one in made
                ]
                db.execute(insert(tables.latest_result), latest)
            findings.move(db, run_id, SITE, [one for one in made if one["status"] == "fail"])
            runs.finish(db, run_id, "done", "", at + timedelta(minutes=9))
    return count * hosts * len(CHECKS)


def _start(at: datetime) -> runs.RunStart:
    return runs.RunStart(
        procedure="daily", title="Daily procedure", playbook="astral.upkeep.daily", site=SITE,
        inventory=f"{SITE}/inventory", limit="", check_mode=False, diff=False, started_at=at,
        started_by="upkeep", asked_by="", driver_host="controller", driver_pid=1, driver_started=1.0, boot_id="b",
        workspace="/run/x",
    )  # fmt: skip


def _name(number: int) -> str:
    kind = ("web", "db", "app", "cache", "mail")[number % 5]
    return f"{kind}{number // 5 + 1}"


def _host(run_id: int, number: int, at: datetime) -> dict[str, Any]:
    unseen = number % 97 == 50
    outcome = Outcome.UNREACHABLE if unseen else Outcome.OK
    message = "connect to host: no route to host" if unseen else ""
    return {
        "run_id": run_id, "host": _name(number), "outcome": outcome.value, "message": message,
        "observed_at": at, "seconds": 0.4 + number % 7 / 10, "python": "3.11.2", "clock_offset_seconds": 0.01,
    }  # fmt: skip


def _report(run_id: int, number: int, at: datetime) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "host": _name(number),
        "observed_at": at,
        "requests": "[]",
        "due": "[]",
    }


def _results(run_id: int, of: int, hosts: int, at: datetime) -> Iterator[dict[str, Any]]:
    levels = list(Severity)
    for number in range(hosts):
        host = _name(number)
        for check in CHECKS:
            chance = int(hashlib.sha256(f"{host} {check}".encode()).hexdigest()[:8], 16) % 1000
            bad = chance < 25
            level = levels[chance % 5] if bad else None
            unknown = number % 97 == 50
            status = "unknown" if unknown else "fail" if bad else "pass"
            rank = level.rank if level and not unknown else None
            value = 90 + chance % 10 if bad else 40 + (chance + of) % 40
            yield {
                "run_id": run_id, "report_id": number, "judgement": 0,
                "fingerprint": fingerprint(SITE, check, host, "/srv/data"), "host": host, "check_id": check,
                "subject": "/srv/data", "status": status, "severity": level.value if rank and level else None,
                "severity_rank": rank, "message": f"{value} % used, at most 90 %",
                "remedy": "see what takes the space: `du -xh /srv/data | sort -h | tail`", "measures": packed([]),
                "controls": json.dumps(["45 CFR 164.308(a)(7)"]), "observed_at": at, "evidence_sha256": "",
                "observation": 0,
            }  # fmt: skip


def fill_occurrences(store: Store, schedule: Schedule, count: int, now: datetime) -> None:
    """Put so many occurrences into the store, shared among the schedule's procedures."""
    names = list(schedule.procedures)
    rows = []
    for number in range(count):
        due = now - timedelta(minutes=2 * number + 1)
        rows.append(
            {
                "site": SITE, "schedule": names[number % len(names)], "due_at": due, "begins_at": due,
                "ends_by": due + timedelta(hours=1), "next_due_at": None, "priority": 5, "lacks": "", "owed": False,
                "kind": "due", "host": "", "state": "done", "cause": "", "driver_id": "", "finished_at": due,
            }
        )  # fmt: skip
    with store.begin() as db:
        db.execute(insert(tables.occurrence), rows)


def fill_reviews(store: Store, schedule: Schedule, weeks: int, now: datetime) -> int:
    """Put so many weeks of reviews into the store, signed but for the newest of each; return the newest one's number.

    The newest one shows what the machines collected for it.
    """
    key = Ed25519PrivateKey.generate()
    signer = Signer("bench", "", Role.ADMIN)
    asked = [(*one, each) for one in schedule.procedures.items() for each in one[1].reviews]
    with store.begin() as db:
        evidence = files.keep(db, b"{}")
        for week in reversed(range(weeks)):
            at = now - timedelta(weeks=week, hours=1)
            for of, procedure, review in asked:
                new = reviews.NewReview(
                    SITE, of, review.id, at, review.title, review.owner or procedure.owner, at,
                    at + timedelta(hours=8), at, since=at - timedelta(weeks=1), evidence_sha256=evidence,
                    definition=review.model_dump(mode="json") | {"shows": list(CHECKS)},
                )  # fmt: skip
                opened = reviews.open_one(db, new)
                assert opened
                kept = reviews.get(db, SITE, opened)
                assert kept
                if week:
                    _sign(db, key, kept, signer, at + timedelta(hours=1))
    newest = replace(kept, since=now - timedelta(weeks=1))
    with store.begin() as db:
        shown = review_evidence.keep(db, review_evidence.collect(db, newest, schedule, now))
        reviews.set_evidence(db, newest.id, shown, "", None)
    return newest.id


def _sign(
    db: Connection, key: Ed25519PrivateKey, review: reviews.KeptReview, signer: Signer, at: datetime
) -> None:
    record = record_of(
        review.terms, Form(ReviewVerdict.PASS, note="as it should be"), signer, at=at, authenticated="password",
        party="", attachments=(), evidence_sha256=review.evidence_sha256, lacking=(),
    )  # fmt: skip
    records.append(db, key, reviews.KIND, str(review.id), record)
    reviews.set_closed(db, review.id, at)


def fill_waivers(store: Store, count: int, now: datetime) -> None:
    """Put so many waivers that hold into the store."""
    with store.begin() as db:
        for number in range(count):
            scope = WaiverScope(CHECKS[number % len(CHECKS)], f"web{number}", "*", Severity.LOW)
            ends = now + timedelta(days=30)
            made = waivers.request(db, SITE, scope, "the new disk", ends, by="ann", now=now)
            waivers.approve(db, made, "bob", now)


def fill_baselines(store: Store, count: int, now: datetime) -> None:
    """Put so many accepted baselines into the store, with a value a day for two months, a better one since."""
    key = Ed25519PrivateKey.generate()
    days = [now - timedelta(days=day, hours=1) for day in reversed(range(60))]
    with store.begin() as db:
        for number in range(count):
            series = baselines.series_of(SITE, "response_time", f"web{number}", "/", "p95")
            mark = fingerprint(SITE, series.check, series.host, series.subject)
            values = [0.5 + (day % 5) / 100 - (day > 30) * 0.2 for day in range(60)]
            db.execute(
                insert(tables.measure),
                [
                    {"run_id": 1, "fingerprint": mark, "name": "p95", "unit": "s", "value": value, "observed_at": at}
                    for at, value in zip(days, values, strict=True)
                ],
            )  # fmt: skip
            then = days[30]
            first = propose(
                series, list(zip(days, values, strict=True))[:31], None, Better.LOWER, then
            )
            baselines.accept(
                db, key, first, "as it is", by="ann", authenticated="password", now=then
            )


def sign_in(store: Store, now: datetime) -> str:
    """Add an admin, who cannot sign in by a password; return a session's token."""
    with store.begin() as db:
        users.add(db, "bench", Role.ADMIN, "no hash", now)
        user = users.get(db, "bench")
        assert user
        return sessions.begin(db, user, now, "127.0.0.1")


def measure(url: str, hosts: int, count: int) -> dict[str, list[float]]:
    """Return how long each page took, in milliseconds, time after time."""
    migrate(url)
    store = open_store(url)
    now = datetime.now(UTC)
    total = fill(store, hosts, count, now)
    astral = Path(__file__).parents[2] / "inventory" / "astral"
    schedule = load_schedule(astral / "schedule.yml")
    fill_occurrences(store, schedule, total // 10, now)
    review = fill_reviews(store, schedule, WEEKS, now)
    fill_waivers(store, WAIVERS, now)
    fill_baselines(store, BASELINES, now)
    Alerter(store, alert_site()).step(now)
    token = sign_in(store, now)
    setting = Setting(store, SITE, lambda: schedule, Coming(lambda: schedule, astral))
    client = TestClient(make_app(setting), cookies={"upkeep": token})
    paths = {one: one for one in PLAIN} | {
        "/runs/RUN": f"/runs/{count}",
        "/runs/RUN?hosts=300": f"/runs/{count}?hosts=300",
        "/runs/RUN/hosts/HOST": f"/runs/{count}/hosts/web7",
        "/reviews/REVIEW": f"/reviews/{review}",
        "/completion": f"/completion?month={month_before(now, schedule.time_zone)}",
        "/baselines/series": "/baselines/series?check=response_time&host=web7&subject=/&measure=p95",
    }
    taken = {}
    for page, path in paths.items():
        times = []
        for _ in range(ASKED):
            begun = time.perf_counter()
            answer = client.get(path)
            times.append((time.perf_counter() - begun) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{path}: {answer.status_code}: {answer.text[:500]}")
        taken[page] = times
    store.close()
    return taken


def compare(make: Callable[[str], str], hosts: int, count: int) -> Iterator[str]:
    """Yield the rows of a table: each page, beside the same with a hundredth in the store. make: a database's URL."""
    few = measure(make("few"), hosts, count // 100)
    url = make("many")
    many = measure(url, hosts, count)
    total = count * hosts * len(CHECKS)
    place = url.partition(":")[0].partition("+")[0]
    yield f"{total:,} results in {place} | first | median | worst | against {total // 100:,}"
    yield "---|---|---|---|---"
    for page, times in many.items():
        median = statistics.median(times)
        told = " | ".join(f"{one:.0f} ms" for one in (times[0], median, max(times[1:])))
        yield f"`{page}` | {told} | {median / statistics.median(few[page]):.1f} ×"


def pages(folder: Path, hosts: int = 500, count: int = 100) -> list[str]:
    """Measure pages on SQLite and on PostgreSQL."""
    rows = [*compare(lambda name: f"sqlite:///{folder}/{name}/upkeep.db", hosts, count), ""]
    from service.postgres import Postgres

    server = Postgres()
    try:
        return [*rows, *compare(server.create, hosts, count)]
    finally:
        server.close()
