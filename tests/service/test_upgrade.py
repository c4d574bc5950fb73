"""An upgrade of the program: what has another name goes on, what is new is told as one, and it can be tried first."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import warm
from alert_samples import MONDAY, full, minutes, run, seen, site
from recorded_store import Recorded
from service.disks import small
from sqlalchemy import insert, select, text, update
from store_samples import SITE, result

from upkeep.model.errors import StoreError
from upkeep.model.roles import Role
from upkeep.model.stored_text import fingerprint
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.alerts.model import key_of
from upkeep.rules.waivers import WaiverScope
from upkeep.services import waivers
from upkeep.services.acts import By
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import (
    Store,
    alerts,
    aliases,
    answers,
    findings,
    migrate,
    open_store,
    records,
    revisions,
    tables,
    users,
)
from upkeep.store import baselines as stored_baselines
from upkeep.store.aliases import Renamed
from upkeep.store.engine import copies, engines, trial

HIGH, MEDIUM = Severity.HIGH, Severity.MEDIUM
RECORDED = Recorded("0008")
CHECK = Renamed("disk_space", "disk_room")
MOUNT = Renamed("disk_space", "disk_space", r"/(.*)", r"mount /\1")


def looked(
    store: Store, at: Any, *results: Any, host: str = "web1", check: str = "disk_space"
) -> int:
    """A run in which a host answers one check."""
    return run(store, at, seen(*results, host=host, at=at, checks=(check,)))


def named(store: Store, *renamed: Renamed) -> None:
    with store.begin() as db:
        aliases.rename(db, "9999", renamed)


def found(store: Store) -> list[tuple[str, str, str, int, int]]:
    """Check, subject, state, openings and count of each finding."""
    with store.read() as db:
        return [
            (one.check_id, one.subject, one.status, one.opening, one.count)
            for one in findings.open_ones(db, everything=True)
        ]


# --- other names -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("renamed", "now"),
    [
        pytest.param(CHECK, ("disk_room", "/"), id="a check"),
        pytest.param(MOUNT, ("disk_space", "mount /"), id="a subject"),
        pytest.param(
            Renamed("disk_space", "disk_room", "/", "root"), ("disk_room", "root"), id="both"
        ),
    ],
)
def test_a_finding_goes_on_under_its_new_name(
    store: Store, renamed: Renamed, now: tuple[str, str]
) -> None:
    looked(store, MONDAY, full(HIGH))
    named(store, renamed)
    later = result(HIGH, check=now[0], subject=now[1])
    looked(store, MONDAY + minutes(60), later, check=now[0])

    assert found(store) == [(*now, "open", 1, 2)]
    with store.read() as db:
        number = findings.open_ones(db)[0].id
        assert [kind for _at, kind, _message in findings.history(db, number)] == ["opened"]
        series = answers.series(db, SITE, now[0], "web1", now[1], "used", MONDAY - minutes(1))
        assert len(series) == 2
        assert aliases.now_called(db, (SITE, "disk_space", "web1", "/")) == (
            SITE, now[0], "web1", now[1]
        )  # fmt: skip
        assert aliases.formerly(db, (SITE, now[0], "web1", now[1])) == [("disk_space", "/")]


def test_what_is_not_renamed_stays(store: Store) -> None:
    looked(store, MONDAY, full(HIGH), full(HIGH, subject="/srv"))
    looked(store, MONDAY, result(HIGH, check="swap_used", subject="/"), check="swap_used")
    named(store, Renamed("disk_space", "disk_space", "/", "root"))

    assert sorted(one[:2] for one in found(store)) == [
        ("disk_space", "/srv"), ("disk_space", "root"), ("swap_used", "/")
    ]  # fmt: skip


def test_two_names_may_swap(store: Store) -> None:
    looked(store, MONDAY, full(HIGH, subject="a"), full(Status.PASS, subject="b"))
    named(
        store,
        Renamed("disk_space", "disk_space", "a", "b"),
        Renamed("disk_space", "disk_space", "b", "a"),
    )
    assert found(store) == [("disk_space", "b", "open", 1, 1)]
    looked(store, MONDAY + minutes(9), full(Status.PASS, subject="b"))
    assert found(store) == [("disk_space", "b", "resolved", 1, 1)]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_name_that_changes_twice_is_followed_to_its_end(store: Store, steps: int) -> None:
    looked(store, MONDAY, full(HIGH))
    chain = [CHECK, Renamed("disk_room", "disk_free")][:steps]
    for one in chain:
        named(store, one)

    with store.read() as db:
        now = aliases.now_called(db, (SITE, "disk_space", "web1", "/"))
    assert now == (SITE, chain[-1].now_check, "web1", "/")


def test_where_both_names_are_known_the_older_finding_says_so_and_ends(store: Store) -> None:
    """As when two subjects become one, or a newer program has run before the upgrade was complete."""
    looked(store, MONDAY, full(HIGH, subject="a"), full(HIGH, subject="b"))
    named(store, Renamed("disk_space", "disk_space", "a", "b"))

    assert found(store) == [
        ("disk_space", "b", "open", 1, 1), ("disk_space", "a", "retired", 1, 1)
    ]  # fmt: skip
    with store.read() as db:
        old = next(one for one in findings.open_ones(db, everything=True) if one.subject == "a")
        assert findings.history(db, old.id)[-1][2] == "is called disk_space b now"


def test_an_alert_that_somebody_has_stays_theirs(store: Store) -> None:
    alerter = Alerter(store, site())
    looked(store, MONDAY - minutes(60), full(Status.PASS))
    alerter.step(MONDAY - minutes(59))
    looked(store, MONDAY, full(HIGH))
    alerter.step(MONDAY)
    with store.begin() as db:
        number = alerts.open_alerts(db)[0].id
        alerts.acknowledge(db, number, "ada", MONDAY, MONDAY + timedelta(hours=8))
    named(store, CHECK)
    looked(store, MONDAY + minutes(5), result(HIGH, check="disk_room"), check="disk_room")
    alerter.step(MONDAY + minutes(5))

    with store.read() as db:
        there = alerts.open_alerts(db)
        causes = list(db.execute(select(tables.alert_cause.c.key)).scalars())
    assert [(one.id, one.check_id, one.acknowledged_by) for one in there] == [
        (number, "disk_room", "ada")
    ]
    assert causes == [key_of("disk_room", "/")]


@pytest.mark.parametrize(
    ("check", "now"), [("brute_force", "guessing"), ("disk_space", "disk_room")]
)
def test_nobody_hears_anew_of_what_is_only_called_otherwise(
    store: Store, check: str, now: str
) -> None:
    """Whether hosts share a cause, or each has its own."""
    alerter = Alerter(store, site())
    for host in ("web1", "web2"):
        looked(
            store, MONDAY - minutes(60), result(Status.PASS, check=check), host=host, check=check
        )
    alerter.step(MONDAY - minutes(59))
    for host in ("web1", "web2"):
        looked(store, MONDAY, result(HIGH, check=check), host=host, check=check)
    alerter.step(MONDAY)
    named(store, Renamed(check, now))

    with store.read() as db:
        keys = set(db.execute(select(tables.alert_cause.c.key)).scalars())
    hosts = ("web1", "web2")
    shared, own = {key_of(now, "/")}, {key_of(now, "/", host) for host in hosts}
    assert keys == (own if check == "brute_force" else shared)


def people(store: Store) -> tuple[Any, Any]:
    with store.begin() as db:
        for name in ("ada", "bob"):
            users.add(db, name, Role.APPROVER, "no password", MONDAY, person=name)
        return users.get(db, "ada"), users.get(db, "bob")


@pytest.mark.parametrize(
    ("glob", "renamed", "check", "subject"),
    [
        ("/", CHECK, "disk_room", "/"),
        ("/", MOUNT, "disk_space", "mount /"),
        ("*", CHECK, "disk_room", "/"),
        ("*", MOUNT, "disk_space", "mount /"),
    ],
)
def test_a_waiver_goes_on_covering(
    store: Store, glob: str, renamed: Renamed, check: str, subject: str
) -> None:
    ada, bob = people(store)
    looked(store, MONDAY, full(HIGH))
    for host in ("web2", "web3"):
        looked(store, MONDAY, full(Status.PASS), host=host)
    key, ends = site().key, MONDAY + timedelta(days=9)
    asked = waivers.request(
        store, site(), WaiverScope("disk_space", "web1", glob, HIGH), "grows", ends, By(ada), MONDAY
    )
    waivers.approve(store, site(), asked.id, By(bob), MONDAY)
    waivers.settle(store, key, MONDAY + minutes(1))
    named(store, renamed)
    looked(store, MONDAY + minutes(5), result(HIGH, check=check, subject=subject), check=check)
    waivers.settle(store, key, MONDAY + minutes(6))

    with store.read() as db:
        (one,) = findings.open_ones(db)
        assert (one.check_id, one.subject, one.waiver_id) == (check, subject, asked.id)
    with pytest.raises(StoreError, match="only added"), store.begin() as db:
        db.execute(update(tables.waiver).values(reason="something else"))


@pytest.mark.parametrize(
    ("pattern", "patterns"),
    [
        ("disk_space", ["disk_room"]),
        ("disk_*", ["disk_*"]),
        ("*_space", ["*_space", "disk_room"]),
        ("swap_used", ["swap_used"]),
    ],
)
def test_a_silence_goes_on_keeping_quiet(store: Store, pattern: str, patterns: list[str]) -> None:
    values = {
        "site": SITE, "check_pattern": pattern, "host_pattern": "web1", "severity": 2, "reason": "moving",
        "made_by": "ada", "made_at": MONDAY, "begins_at": MONDAY, "ends_at": MONDAY + timedelta(hours=4), "ended_by": "",
    }  # fmt: skip
    with store.begin() as db:
        db.execute(insert(tables.silence).values(values))
    named(store, CHECK)

    table = tables.silence
    with store.read() as db:
        rows = db.execute(select(table).order_by(table.c.id)).all()
    assert [row.check_pattern for row in rows] == patterns
    assert {(row.host_pattern, row.severity, row.ends_at) for row in rows} == {
        ("web1", 2, MONDAY + timedelta(hours=4))
    }


def test_a_baseline_that_was_signed_by_the_old_name_holds_for_the_new_one(
    store: Store, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    looked(store, MONDAY, full(HIGH))
    old = stored_baselines.series_of(SITE, "disk_space", "web1", "/", "used")
    now = stored_baselines.series_of(SITE, "disk_room", "web1", "/", "used")
    with store.begin() as db:
        from upkeep.rules.baselines import Better, propose

        values = [(MONDAY - timedelta(days=20 - day), float(day % 2)) for day in range(21)]
        proposal = propose(old, values, None, Better.LOWER, MONDAY)
        key = Ed25519PrivateKey.generate()
        stored_baselines.accept(
            db, key, proposal, "normal", by="ada", authenticated="password", now=MONDAY
        )
    named(store, CHECK)

    with store.read() as db:
        assert [one.series for one in stored_baselines.history(db, now)] == [now]
        assert [one.series for one in stored_baselines.of_site(db, SITE)] == [now]
        assert (
            json.loads(next(iter(db.execute(select(tables.signature.c.text)).scalars())))["check"]
            == "disk_space"
        )
        assert records.of(db, stored_baselines.KIND)


# --- the first run ---------------------------------------------------------------------------------------------------
@pytest.fixture
def upgraded(store: Store, monkeypatch: pytest.MonkeyPatch) -> Alerter:
    """An alerter of a site that an older program has looked at, and found well."""
    alerter = Alerter(store, site())
    monkeypatch.setattr(answers, "version", lambda: "1.0")
    for host in ("web1", "web2"):
        results = [full(Status.PASS, subject=one) for one in ("/", "/srv", "/var")]
        looked(store, MONDAY - minutes(60), *results, host=host)
    alerter.step(MONDAY - minutes(59))
    monkeypatch.setattr(answers, "version", lambda: "1.1")
    return alerter


def titles(store: Store) -> list[str]:
    table = tables.outbox
    with store.read() as db:
        rows = db.execute(select(table).where(table.c.state != "spare").order_by(table.c.id))
        return sorted({row.title for row in rows})


def test_what_the_first_run_after_an_upgrade_opens_is_told_as_one(
    store: Store, upgraded: Alerter
) -> None:
    many = [full(HIGH, subject="/"), full(HIGH, subject="/srv"), full(MEDIUM, subject="/var")]
    run(
        store,
        MONDAY,
        *(seen(*many, host=host, at=MONDAY) for host in ("web1", "web2")),
        ends=False,
    )
    upgraded.step(MONDAY)
    assert titles(store) == []  # until the run has ended
    with store.begin() as db:
        db.execute(update(tables.run).values(status="ok", ended_at=MONDAY))
    upgraded.step(MONDAY + minutes(1))

    assert titles(store) == [
        "[2] New since the upgrade of Upkeep on web1, web2: 4 high, 2 medium findings"
    ]
    with store.read() as db:
        assert [one.kind for one in alerts.open_alerts(db)] == ["upgrade"]


def test_the_second_run_after_an_upgrade_is_one_like_any_other(
    store: Store, upgraded: Alerter
) -> None:
    passing = [full(Status.PASS, subject=one) for one in ("/", "/srv", "/var")]
    looked(store, MONDAY, *passing)
    looked(store, MONDAY + minutes(5), full(HIGH))
    upgraded.step(MONDAY + minutes(5))

    with store.read() as db:
        assert [one.kind for one in alerts.open_alerts(db)] == ["incident"]


def test_a_finding_that_stays_open_over_the_upgrade_is_not_told_again(
    store: Store, upgraded: Alerter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "version", lambda: "1.0")
    looked(store, MONDAY, full(HIGH))
    upgraded.step(MONDAY)
    before = titles(store)
    monkeypatch.setattr(answers, "version", lambda: "1.1")
    looked(store, MONDAY + minutes(5), full(HIGH))
    upgraded.step(MONDAY + minutes(5))

    assert len(before) == 1
    assert titles(store) == before


# --- tried first -----------------------------------------------------------------------------------------------------
@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The recorded store of an older program, on each database."""
    if request.param == "sqlite":
        (tmp_path / "state").mkdir()
        return RECORDED.on_sqlite(tmp_path / "state" / "upkeep.db")
    return RECORDED.on_postgresql(request.getfixturevalue("postgres"))


def upkeep(url: str, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "UPKEEP_DATABASE": url,
        "UPKEEP_STATE": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }
    with contextlib.chdir(tmp_path):
        return warm.run(words, env=environment)


def content(url: str) -> dict[str, list[str]]:
    """All rows of all tables, as text."""
    store = Store(*engines.connect(url))
    with contextlib.closing(store), store.read() as db:
        from sqlalchemy import inspect

        return {
            name: sorted(str(tuple(row)) for row in db.execute(text(f'SELECT * FROM "{name}"')))
            for name in inspect(db).get_table_names()
        }


def test_a_dry_run_says_what_would_change_and_changes_nothing(old_url: str, tmp_path: Path) -> None:
    before = content(old_url)
    done = upkeep(old_url, tmp_path, "db", "upgrade", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert content(old_url) == before
    assert f"from version 0008 to {revisions()[-1]}. Nothing was changed." in done.stdout
    assert "finding.subject: 2 rows" in done.stdout  # what 0010 masks
    assert "hunter2" not in done.stdout
    assert "occurrence.reasons: 'unseen' 5 times" in done.stdout
    assert "run 73 of daily" in done.stdout
    assert not [one for one in (tmp_path / "state").iterdir() if one.name.startswith(".trial")]


KILLED_WITH_A_COPY = """
import os, signal, sys
from pathlib import Path
from upkeep.store.engine import trial
with trial.copy_of(sys.argv[1], Path(sys.argv[2])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("old_url", "options"),
    [("sqlite", ["--dry-run"]), ("postgresql", [])],
    ids=["dry run", "upgrade"],
    indirect=["old_url"],
)
def test_the_copy_of_a_killed_dry_run_goes_with_the_next_and_a_living_one_stays(
    old_url: str, tmp_path: Path, options: list[str]
) -> None:
    state = tmp_path / "state"
    killed = [sys.executable, "-c", KILLED_WITH_A_COPY, old_url, str(state)]
    assert subprocess.run(killed, check=False).returncode == -9
    (left,) = state.glob(".trial-*")
    with trial.copy_of(old_url, state):
        (living,) = set(state.glob(".trial-*")) - {left}
        done = upkeep(old_url, tmp_path, "db", "upgrade", *options)
        assert done.returncode == 0, done.stderr
        assert list(state.glob(".trial-*")) == [living]
    assert not list(state.glob(".trial-*"))


def test_a_dry_run_says_which_findings_the_new_checks_would_move(tmp_path: Path) -> None:
    """A finding that its check would not make any more, and one that it would."""
    migrate_to = revisions()[-1]
    path = tmp_path / "old"
    path.mkdir()
    old = RECORDED.on_sqlite(path / "upkeep.db")
    with contextlib.closing(sqlite3.connect(path / "upkeep.db")) as db, db:
        resolved = db.execute(
            "SELECT f.id FROM finding f JOIN latest_result l USING (fingerprint) JOIN run r ON r.id = l.run_id"
            " WHERE f.status = 'open' AND r.id IN (65, 73, 75)"
        ).fetchone()
        assert resolved
        db.execute("UPDATE finding SET status = 'resolved' WHERE id = ?", resolved)
    done = upkeep(old, tmp_path, "db", "upgrade", "--dry-run")

    assert migrate_to in done.stdout
    assert "  opens: " in done.stdout


def test_an_upgrade_keeps_the_database_as_it_was(old_url: str, tmp_path: Path) -> None:
    before = content(old_url)
    done = upkeep(old_url, tmp_path, "db", "upgrade")

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"the database has version {revisions()[-1]}\n")
    state = tmp_path / "state"
    if old_url.startswith("sqlite"):
        kept = state / "upkeep.db.0008.backup"
        assert f"kept {kept}, the database as it was" in done.stdout
        assert kept.stat().st_mode & 0o777 == 0o600
        assert content(f"sqlite:///{kept}") == before
    else:
        (kept,) = (state / "backups").glob("upkeep-0008-*.backup")
        back = f"sqlite:///{tmp_path / 'back.db'}"
        restored = upkeep(back, tmp_path, "restore", str(kept))
        assert restored.returncode == 0, restored.stderr
        assert len(content(back)["finding"]) == len(before["finding"])
    again = upkeep(old_url, tmp_path, "db", "upgrade")
    assert again.stdout == f"the database has version {revisions()[-1]} already\n"


def test_opening_a_sqlite_file_keeps_a_copy_too_and_only_the_newest_stay(tmp_path: Path) -> None:
    path = tmp_path / "upkeep.db"
    for old in ("0003", "0004"):
        (tmp_path / f"upkeep.db.{old}.backup").touch()
    open_store(RECORDED.on_sqlite(path)).close()

    assert sorted(one.name for one in tmp_path.glob("*.backup")) == [
        "upkeep.db.0004.backup", "upkeep.db.0008.backup"
    ]  # fmt: skip
    # The way back: put it in its place.
    shutil.copy(copies.path_of(path, "0008"), path)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    assert migrate(f"sqlite:///{path}") == revisions()[-1]


def test_without_room_for_a_copy_nothing_is_upgraded(tmp_path: Path) -> None:
    with small(tmp_path / "disk", 3) as folder:
        url = RECORDED.on_sqlite(folder / "upkeep.db")
        before = content(url)
        with (folder / "ballast").open("wb") as ballast, contextlib.suppress(OSError):
            ballast.write(bytes(700_000))
        with pytest.raises(StoreError, match="no copy could be made before the upgrade") as caught:
            migrate(url)
        assert "upkeep db upgrade --no-backup" in caught.value.remedy
        assert content(url) == before
        assert not list(folder.glob(".*.part")) + list(folder.glob("*.backup"))
        (folder / "ballast").unlink()
        assert migrate(url, copied=False) == revisions()[-1]
        assert not list(folder.glob("*.backup"))


def test_a_trial_compares_columns_values_and_rows() -> None:
    before: trial.Rows = {
        "finding": {(1,): {"id": 1, "subject": "a"}, (2,): {"id": 2, "subject": "b"}}
    }
    after: trial.Rows = {
        "finding": {(1,): {"id": 1, "subject": "c", "why": "x"}},
        "new": {(1,): {"id": 1}},
    }
    changed, filled, lines = trial.compare(before, after)

    assert [(one.column, one.rows, one.examples) for one in changed] == [
        ("subject", 1, (("1", "a", "c"),))
    ]
    assert [(one.column, one.values) for one in filled] == [("why", {"x": 1})]
    assert lines == ["finding: 0 more, 1 fewer"]


def test_fingerprints_of_aliases_are_those_of_the_old_names(store: Store) -> None:
    looked(store, MONDAY, full(HIGH))
    named(store, CHECK)
    with store.read() as db:
        key = db.execute(select(tables.alias.c.fingerprint)).scalar_one()
    assert key == fingerprint(SITE, "disk_space", "web1", "/")
