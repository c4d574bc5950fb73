"""A store that an older program wrote opens with this one, goes over to its tables, and shows the same."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from recorded_store import NOW, SITE, Recorded, shown
from sqlalchemy import delete, select, text, update
from without_words import take_words_away, without

from upkeep.model.errors import StoreError
from upkeep.services.alerts.alerter import Alerter
from upkeep.site.settings import Settings
from upkeep.site.site import Site
from upkeep.store import MIGRATIONS, Store, alerts, migrate, open_store, tables

NEWEST = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
RECORDED = Recorded("0008")


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The recorded store, on each database, as its program left it."""
    if backend == "sqlite":
        return RECORDED.on_sqlite(tmp_path / "upkeep.db")
    return RECORDED.on_postgresql(request.getfixturevalue("postgres"))


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the rows that are not shown as they were."""
    found = [f"{key}: came or went" for key in before.keys() ^ now.keys()]
    for key in before.keys() & now.keys():
        was, given = before[key], now[key]
        if isinstance(was, list):
            found += [f"{key}: was shown as {one}" for one in was if one not in given]
            found += [f"{key}: is shown as {one}" for one in given if one not in was]
        elif was != given:
            found += [f"{key}: was {was}", f"{key}: is {given}"]
    return found


def test_it_is_shown_as_it_was(url: str, backend: str) -> None:
    assert migrate(url) == NEWEST

    with contextlib.closing(open_store(url)) as store:
        now = shown(store, RECORDED.schedule, RECORDED.trusted(backend))
        with store.read() as db:
            assert db.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEWEST

    found = changed(RECORDED.was_shown(), now)
    assert found == [], "\n".join(found)


def test_sqlite_is_brought_up_to_date_by_opening_it_and_postgresql_asks_for_it(
    url: str, backend: str
) -> None:
    if backend == "postgresql" and NEWEST != "0008":
        with pytest.raises(StoreError, match="its version is 0008"):
            open_store(url)
        migrate(url)
    with contextlib.closing(open_store(url)) as store, store.read() as db:
        assert db.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEWEST


@pytest.mark.parametrize(
    ("check", "subject", "procedure"),
    [
        ("run_failed", "daily", "daily"),
        ("occurrence_missed", "daily", "daily"),
        ("occurrence_missed", "daily on web1", "daily"),
        ("occurrence_missed", "daily on many hosts", "daily"),
        ("hosts_absent", "daily", "daily"),
        ("one_machine", "daily", "daily"),
        ("forged_event", "daily", "daily"),
        ("review_overdue", "daily", "daily"),
        ("channel", "daily on web1", ""),
        ("schedule_entry", "daily", ""),
        ("waiver_unused", "waiver 3", ""),
        ("site_revision", "daily", ""),
    ],
)
def test_the_procedure_of_an_old_trouble_is_read_once(
    tmp_path: Path, check: str, subject: str, procedure: str
) -> None:
    url = RECORDED.on_sqlite(tmp_path / "upkeep.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "upkeep.db")) as db, db:
        values = (check, subject, "controller")
        db.execute("UPDATE finding SET check_id = ?, subject = ?, host = ? WHERE id = 1", values)
        # The same words on another host are no procedure.
        db.execute(
            "UPDATE finding SET check_id = ?, subject = ?, host = 'web1' WHERE id = 2", values[:2]
        )
    migrate(url)

    with contextlib.closing(open_store(url)) as store, store.read() as db:
        found = dict(db.execute(text("SELECT id, procedure FROM finding")).all())
    assert (found[1], found[2]) == (procedure, "")


@pytest.mark.parametrize(
    ("kind", "closed", "expected"),
    [("incident", False, True), ("incident", True, False), ("first", False, False)],
    ids=["open", "closed", "a first look"],
)
@pytest.mark.parametrize("check", ["disk_space", "host_unreachable", "brute_force"])
def test_of_what_an_old_alert_has_people_have_heard(
    tmp_path: Path, kind: str, closed: bool, expected: bool, check: str
) -> None:
    """Also where each host is a cause of its own."""
    url = RECORDED.on_sqlite(tmp_path / "upkeep.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "upkeep.db")) as db, db:
        (number, finding), *_ = db.execute("SELECT alert_id, finding_id FROM alert_finding")
        db.execute("UPDATE alert SET closed_at = '2026-01-01 00:00:00', status = 'closed'")
        db.execute("UPDATE finding SET check_id = ? WHERE id = ?", (check, finding))
        ends = "closed_at" if closed else "NULL"
        db.execute(f"UPDATE alert SET kind = ?, closed_at = {ends} WHERE id = ?", (kind, number))
    migrate(url)

    with contextlib.closing(open_store(url)) as store, store.read() as db:
        held = {one.finding_id: one for one in alerts.members(db, [number], everything=True)}
        known = tables.alert_cause
        rows = db.execute(select(known.c.alert_id, known.c.key, known.c.told_at)).all()
        seen_by = set(db.execute(select(tables.finding.c.seen_by)).scalars())
        assert alerts.news(db, SITE) == {}
    kept = {row.key for row in rows if row.told_at is not None}
    assert ({one.cause_key for one in held.values()} <= kept) is expected
    assert {row.alert_id for row in rows} == ({number} if expected else set())
    assert finding in held
    assert seen_by == {""}


def alerted(store: Store) -> list[Any]:
    """Return what alerts are made anew of all transitions, and to whom what is said of them."""
    with store.begin() as db:
        for table in (tables.outbox, tables.alert_event, tables.alert_finding, tables.alert):
            db.execute(delete(table))
        db.execute(update(tables.finding_event).values(handled_at=None))
    place = Path(SITE)
    alerter = Alerter(
        store, Site(SITE, place, place, RECORDED.schedule, Settings(state=Path("/nowhere")))
    )
    while alerter.step(NOW) == 0:
        pass
    told = shown(store, RECORDED.schedule, frozenset())["alerts"]
    with store.read() as db:
        causes = {one.id: one.cause for one in alerts.recent(db, 500, SITE)}
    return [[causes[one[0]], *one[1:]] for one in told]


def test_nothing_hangs_on_words(url: str, backend: str) -> None:
    migrate(url)
    trusted = RECORDED.trusted(backend)
    with contextlib.closing(open_store(url)) as store:
        was = shown(store, RECORDED.schedule, trusted)
        was_alerted = alerted(store)
        with store.begin() as db:
            taken = take_words_away(db)
        now = shown(store, RECORDED.schedule, trusted)
        now_alerted = alerted(store)

    assert len(taken) > 80
    for one in (was, now):
        del one["alerts"]  # made anew, and compared by themselves
        del one["signatures that do not hold"]  # a title is signed with a review
    assert changed(without(was, taken), without(now, taken)) == []
    assert len(was_alerted) > 10
    assert without(was_alerted, taken) == without(now_alerted, taken)


def test_the_record_has_what_a_store_can_have() -> None:
    """What the test above compares is there at all."""
    was = RECORDED.was_shown()
    column = {key: {row[at] for row in was[key]} for key, at in (("findings", 4), ("waivers", 1))}

    assert column == {
        "findings": {"open", "resolved", "retired"},
        "waivers": {"holds", "requested", "expired", "revoked"},
    }
    waived = [row for row in was["findings"] if row[4] == "open" and row[11]]
    assert len(waived) == 1
    assert {row[1] for row in was["findings"]} == {"web1", "web2", "controller"}
    assert [row[5] for row in was["alerts"] if row[8]] == ["acknowledged"]
    assert [row[2] for row in was["alerts"] if row[11]] == ["memory_available"]  # silenced
    assert [row[2] for row in was["alerts"] if row[12]] == ["failed_units"]  # flaps
    assert [row[9] for row in was["reviews"] if row[11]] == ["signed", "signed", "corrected"]
    states = {row[5] for row in was["occurrences"]}
    assert states == {
        "due", "claimed", "running", "done", "partial", "failed", "missed", "skipped"
    }  # fmt: skip
    sent = {one[3] for row in was["alerts"] for one in row[16]}
    assert sent == {"waiting", "sending", "sent", "failed", "withdrawn"}
    assert was["completion"]["pending"] == 0


def test_the_record_has_secrets_as_that_program_kept_them(tmp_path: Path) -> None:
    """So that what removes them has something to remove."""
    path = tmp_path / "upkeep.db"
    RECORDED.on_sqlite(path)

    assert b"probe:hunter2@" in path.read_bytes()
