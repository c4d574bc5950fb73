"""Rows of restore ledgers are written down once, as they were seen first, on either database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from store_samples import NOW, SITE, begun

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.model.answer import Observed, Outcome, Request, Seen
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.store import Store, restores, runs, tables
from upkeep.store.answers import add_hosts
from upkeep.store.engine.retention import Policy, prune
from upkeep.store.site_moves import move

FIRST = datetime(2030, 5, 1, 2, tzinfo=UTC)


def ledger_row(day: int, **fields: Any) -> dict[str, Any]:
    began = FIRST + timedelta(days=day)
    return {
        "id": f"row{day}",
        "began_at": began.isoformat(),
        "ended_at": (began + timedelta(minutes=6)).isoformat(),
        "outcome": "restored",
        "backup": f"/b/{day}.dump",
        "taken_at": began.isoformat(),
        "restore_seconds": 250.0 + day,
        "restored_bytes": 10**10,
        "proof": "checksums",
        "counts": {"orders": 7},
    } | fields


def ledger(
    *rows: dict[str, Any], host: str = "web1", minutes: float = 0, of: str = "shop", **data: Any
) -> Observed:
    """What a host gave of one set. rows: newest first."""
    seen_at = NOW + timedelta(minutes=minutes)
    observation = Observation(
        of, {"at": NOW.isoformat(), "max_days": 31.0, "rows": list(rows)} | data
    )
    result = Result(
        host, "backup_restored", of, Status.FAIL, Severity.CRITICAL, "not restored", observation=0
    )
    return Observed(
        host=host,
        outcome=Outcome.OK,
        observed_at=seen_at,
        requests=(Request("restores", {}),),
        seen=(Seen(0, observation),),
        results=(result,),
    )


def add(store: Store, *answers: Observed, minutes: float = 0) -> int:
    with store.begin() as db:
        run_id = runs.start(db, begun(minutes))
        add_hosts(db, run_id, answers)
    return run_id


def kept(store: Store, **wanted: Any) -> list[restores.KeptRestore]:
    with store.read() as db:
        return restores.recent(db, SITE, 100, **wanted)


def test_a_row_is_kept_as_it_was_seen_first_and_never_twice(store: Store) -> None:
    run_id = add(store, ledger(ledger_row(2), ledger_row(1)))
    add(store, ledger(ledger_row(3), ledger_row(2, outcome="failed"), minutes=5), minutes=5)

    found = kept(store)

    assert [one.ledger_id for one in found] == ["row3", "row2", "row1"]
    first = found[1]
    assert (first.outcome, first.run_id, first.seen_at) == ("restored", run_id, NOW)
    assert (first.host, first.set_name, first.backup) == ("web1", "shop", "/b/2.dump")
    assert (first.restore_seconds, first.restored_bytes) == (252.0, 10**10)
    assert first.began_at == FIRST + timedelta(days=2)
    assert first.document["counts"] == {"orders": 7}
    assert first.document["ended_at"] == "2030-05-03T02:06:00+00:00"


def test_the_same_name_on_another_host_or_set_is_another_row(store: Store) -> None:
    add(store, ledger(ledger_row(1)), ledger(ledger_row(1), host="web2"))
    add(store, ledger(ledger_row(1), of="files", minutes=1), minutes=1)

    assert [(one.host, one.set_name) for one in kept(store)] == [
        ("web1", "files"),
        ("web2", "shop"),
        ("web1", "shop"),
    ]
    assert [one.host for one in kept(store, host="web2")] == ["web2"]
    assert [one.set_name for one in kept(store, set_name="files")] == ["files"]
    with store.read() as db:
        assert len(restores.called(db, SITE, "row1")) == 3
        assert len(restores.called(db, SITE, "row1", "web1")) == 2
        assert restores.called(db, "/another/site", "row1") == []
        assert restores.get(db, SITE, kept(store)[0].number) == kept(store)[0]
        assert restores.get(db, "/another/site", kept(store)[0].number) is None
        assert set(restores.newest(db, SITE)) == {
            ("web1", "shop"), ("web2", "shop"), ("web1", "files"),
        }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "fine"},
        {"id": ""},
        {"id": "x" * 65},
        {"began_at": "2030-05-01T02:00:00"},
        {"began_at": "0001-01-01T00:00:00+00:00"},
        {"taken_at": "9999-12-31T23:59:59-12:00"},
        {"counts": 7},
    ],
    ids=str,
)
def test_what_no_ledger_has_is_not_kept_and_costs_nothing_else(
    fields: dict[str, Any], store: Store
) -> None:
    add(store, ledger(ledger_row(1) | fields))
    add(store, ledger(ledger_row(2), host="web2"))

    assert [one.ledger_id for one in kept(store)] == ["row2"]
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(tables.result)) == 2


def test_a_hostile_row_is_stored_harmless_and_cut(store: Store) -> None:
    add(
        store,
        ledger(ledger_row(1, id="a\0b\n", backup="\x1b[2J" + "x" * 9_000, restored_bytes=10**30)),
    )

    (found,) = kept(store)

    assert found.ledger_id.startswith("a\\x00b")
    assert len(found.backup) == 4_000
    assert found.backup.startswith("\\x1b[2J")
    assert found.restored_bytes == 1e30


def test_the_series_has_measured_restores_only_oldest_first(store: Store) -> None:
    rows = [
        ledger_row(4),
        ledger_row(3, outcome="failed"),
        ledger_row(2, restore_seconds=None),
        ledger_row(1),
    ]
    add(store, ledger(*rows), ledger(ledger_row(9), host="web2"))

    with store.read() as db:
        found = restores.series(db, SITE, "web1", "shop", 10)
        last = restores.series(db, SITE, "web1", "shop", 1)

    assert [one.restore_seconds for one in found] == [251.0, 254.0]
    assert [one.restore_seconds for one in last] == [254.0]


def test_how_sets_stand_has_what_runs_now(store: Store) -> None:
    running = {"backup": "/b/9.dump", "step": "restore", "began_at": NOW.isoformat(), "share": 0.4}
    add(store, ledger(ledger_row(1)), ledger(host="web2", running=running))

    with store.read() as db:
        web1, web2 = restores.standings(db, SITE)

    assert (web1.host, web1.set_name, web1.severity) == ("web1", "shop", Severity.CRITICAL)
    assert web1.seen is not None
    assert web1.seen.running is None
    assert web2.seen is not None
    assert web2.seen.running is not None
    assert (web2.seen.running.step, web2.seen.running.share) == ("restore", 0.4)


def test_rows_are_kept_longer_than_the_runs_that_saw_them(store: Store) -> None:
    add(store, ledger(ledger_row(1)))
    with store.begin() as db:
        db.execute(tables.run.update().values(status="done"))
    last = add(store, ledger(ledger_row(500), minutes=60 * 24 * 500), minutes=60 * 24 * 500)

    prune(store, Policy(), NOW + timedelta(days=500))
    rows = kept(store)
    gone = prune(store, Policy(findings_days=499), NOW + timedelta(days=500))

    assert [(one.ledger_id, one.run_id) for one in rows] == [("row500", last), ("row1", None)]
    assert gone.restores == 1
    assert [one.ledger_id for one in kept(store)] == ["row500"]


def test_a_site_that_is_renamed_keeps_its_rows_once(store: Store) -> None:
    add(store, ledger(ledger_row(2), ledger_row(1)))
    with store.begin() as db:
        renamed = runs.start(db, begun(5, site="/new"))
        add_hosts(db, renamed, [ledger(ledger_row(2), minutes=5)])
        move(db, SITE, "/new", NOW)
        found = restores.recent(db, "/new", 100)
        left = restores.recent(db, SITE, 100)

    assert sorted(one.ledger_id for one in found) == ["row1", "row2"]
    assert left == []
