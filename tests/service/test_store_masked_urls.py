"""What an older program has stored of URLs is masked, and what hangs on a subject still does."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import String, Text, cast, insert, select, update
from sqlalchemy.exc import DBAPIError
from store_samples import NOW, SITE, begun, result

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.judge import evidence_hash
from upkeep.model import stored_text
from upkeep.model.answer import Due, Observed, Outcome, Request, Seen
from upkeep.model.verdicts import Measure, Result, Severity, Status
from upkeep.rules.baselines import Better, Level, Proposal
from upkeep.rules.waivers import WaiverScope
from upkeep.store import MIGRATIONS, Store, baselines, findings, records, runs, tables, waivers
from upkeep.store.answers import add_host, latest, observed_in, results_of, series

SECRET = "s3cr3t"
RAW = f"302 Found\nLocation: /login?token={SECRET}\n\nsee https://ada:{SECRET}@h/"
OLD = [
    "redis://:s3cr3t@db:6379",
    "redis://:s3cr3t-two@db:6379",
    "https://h/p?a=* (again)",
    "tcp://x:80",
]
PLACES = ["redis://:s3cr3t@db:6379", "redis://:s3cr3t-two@db:6379", "https://h/p?a=s3cr3t",
          "https://h/p?a=s3cr3t2", "tcp://x:80"]  # fmt: skip
NEW = ["redis://db:6379", "redis://db:6379 (2)", "https://h/p?a=* (2)", "tcp://x:80"]
FAILS = Severity.HIGH


def revision() -> Any:
    """The revision, as a module."""
    path = MIGRATIONS / "versions" / "0010_masked_urls.py"
    spec = importlib.util.spec_from_file_location("masked_urls", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def upgrade(store: Store) -> None:
    """Run the revision once more, on rows as they were before it."""
    with store.begin() as db, Operations.context(MigrationContext.configure(db)):
        revision().upgrade()


def of(
    subject: str, status: Status | Severity, number: int, minutes: float, raw: str = ""
) -> Result:
    message = f"no answer: asking {subject}: refused"
    measures = (Measure("mean", 1.0 + number, "s"),)
    made = result(status, subject=subject, check="external_service", message=message, minutes=minutes, measures=measures)  # fmt: skip
    return replace(made, observation=number, evidence_sha256=evidence_hash(raw))


def answered(subjects: list[str], status: Status | Severity, minutes: float, raw: str) -> Observed:
    results = [of(one, status, number, minutes, raw) for number, one in enumerate(subjects)]
    return Observed(
        host="web1",
        outcome=Outcome.OK,
        observed_at=NOW + timedelta(minutes=minutes),
        message="",
        requests=(Request("services", {"services": PLACES, "tries": 2}),),
        due=(Due("external_service", 0, {}),),
        seen=tuple(
            Seen(0, Observation(one, {"url": f"http://u:{SECRET}@h/"}, raw, ""), evidence_hash(raw))
            for one in subjects
        ),
        results=tuple(results),
        asked=("*",),
    )


@pytest.fixture
def old(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with rows as the program wrote them that masked only some URLs."""
    with monkeypatch.context() as before:
        before.setattr(stored_text, "masked", lambda text: text)
        before.setattr(stored_text, "masked_deep", lambda value: value)
        with store.begin() as db:
            run_id = runs.start(db, begun(0, inventory=f"https://u:{SECRET}@git/x"))
            add_host(db, run_id, answered(OLD, FAILS, 0, RAW))
            cause = f"job failed: curl http://h/?token={SECRET}"
            runs.finish(db, run_id, "partial", cause, NOW + timedelta(minutes=1))
            scope = WaiverScope("external_service", "web1", OLD[1], Severity.CRITICAL)
            number = waivers.request(
                db, SITE, scope, "known", NOW + timedelta(days=9), by="a", now=NOW
            )
            waivers.approve(db, number, "b", NOW)
            findings.settle_waivers(db, SITE, NOW)
            _accept(db, OLD[0])
            _acknowledge(db)
    return store


def _accept(db: Any, subject: str) -> None:
    one = baselines.series_of(SITE, "external_service", "web1", subject, "mean")
    level = Level(1.0, 0.1, 30, NOW - timedelta(days=9), NOW)
    proposal = Proposal(one, Better.LOWER, level, None, "")
    key = Ed25519PrivateKey.generate()
    baselines.accept(db, key, proposal, "usual", by="a", authenticated="x", now=NOW)


def _acknowledge(db: Any) -> None:
    finding = (
        db.execute(select(tables.finding.c.id).order_by(tables.finding.c.id)).scalars().first()
    )
    values = {"site": SITE, "group_key": "k" * 64, "opening": 1, "kind": "incident", "check_id": "external_service",
              "cause": OLD[0], "team": "", "severity": 2, "worst": 2, "status": "acknowledged", "opened_at": NOW,
              "round": 1, "round_at": NOW, "round_why": "", "told_round": 1, "acknowledged_by": "ada", "note": "",
              "silenced": False, "returns": 0, "closed_how": ""}  # fmt: skip
    alert = db.execute(
        insert(tables.alert).values(values).returning(tables.alert.c.id)
    ).scalar_one()
    member = {"alert_id": alert, "finding_id": finding, "severity": 2, "joined_at": NOW, "how": ""}
    db.execute(insert(tables.alert_finding).values(member))


def leaks(store: Store) -> list[str]:
    """Where the secret stands."""
    found = []
    with store.read() as db:
        for table in tables.metadata.sorted_tables:
            for column in table.c:
                if isinstance(column.type, (String, Text)):
                    where = cast(column, Text).contains(SECRET)
                    found += [f"{table.name}.{column.name}"] * bool(
                        db.execute(select(column).where(where)).first()
                    )
    return found


def test_no_secret_is_left_but_in_what_is_signed(old: Store) -> None:
    assert "observation.subject" in leaks(old)

    upgrade(old)

    assert leaks(old) == ["signature.text"]
    with old.read() as db:
        (given,) = observed_in(db, 1)
    assert SECRET not in repr(given)
    assert [one.observation.subject for one in given.seen] == NEW
    assert given.seen[0].sha256 == evidence_hash(given.seen[0].observation.raw) != ""
    assert "Location: /login?token=*" in given.seen[0].observation.raw


def test_findings_and_all_that_hangs_on_them_stay_the_same_rows(old: Store) -> None:
    table = tables.finding
    with old.read() as db:
        before = {row.id: row for row in db.execute(select(table))}
    upgrade(old)
    with old.begin() as db:
        run_id = runs.start(db, begun(60))
        add_host(db, run_id, answered(NEW, FAILS, 60, "later"))
        after = {row.id: row for row in db.execute(select(table))}
        alerts = db.execute(select(tables.alert_finding.c.finding_id)).scalars().all()
        values = [
            len(series(db, SITE, "external_service", "web1", one, "mean", NOW)) for one in NEW
        ]
        known = sorted(one.subject for one in latest(db, SITE))
        waived = {one.subject: one.waiver_id for one in after.values() if one.waiver_id}
        of_series = baselines.series_of(SITE, "external_service", "web1", NEW[0], "mean")
        accepted = baselines.of_series(db, of_series)

    name = dict(zip(OLD, NEW, strict=True))
    assert {one: row.subject for one, row in after.items()} == {
        one: name[row.subject] for one, row in before.items()
    }
    assert {row.count for row in after.values()} == {2}
    assert all(row.status == findings.OPEN for row in after.values())
    assert alerts == [next(iter(before))]
    assert values == [2, 2, 2, 2]
    assert known == sorted(NEW)
    assert waived == {NEW[1]: 1}
    assert accepted is not None


def test_the_results_of_the_run_are_found_under_the_new_names(old: Store) -> None:
    upgrade(old)

    with old.read() as db:
        found = {one.subject: one.message for one in results_of(db, 1)}
    assert set(found) == set(NEW)
    assert SECRET not in str(found)


def test_it_changes_nothing_a_second_time(old: Store) -> None:
    upgrade(old)
    with old.read() as db:
        first = [list(db.execute(select(table).order_by(*table.primary_key))) for table in tables.metadata.sorted_tables]  # fmt: skip

    upgrade(old)

    with old.read() as db:
        second = [list(db.execute(select(table).order_by(*table.primary_key))) for table in tables.metadata.sorted_tables]  # fmt: skip
    assert second == first


def test_nobody_can_change_a_waiver_afterwards(old: Store) -> None:
    upgrade(old)

    with pytest.raises(Exception, match="only added") as caught, old.begin() as db:
        db.execute(update(tables.waiver).values(subject_glob="*"))
    assert isinstance(caught.value.__cause__, DBAPIError)


def test_signed_records_stay_to_the_letter(old: Store) -> None:
    with old.read() as db:
        before = [one.signed.text for one in records.chain(db)]

    upgrade(old)

    with old.read() as db:
        assert [one.signed.text for one in records.chain(db)] == before
    assert json.loads(before[0])["subject"] == OLD[0]
