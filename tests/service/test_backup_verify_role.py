"""The role backup_verify as `upkeep run` runs it: opt-in, plan, restore, ledger, verdicts, and what is taken out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml
from patience import eventually

from upkeep.model.verdicts import Status, Unknown
from upkeep.store import open_store
from upkeep.store.answers import observed_in

if os.geteuid() or shutil.which("bwrap") is None or shutil.which("sqlite3") is None:
    pytest.skip("a sandbox needs root, bwrap and sqlite3", allow_module_level=True)


class RestoreSite:
    """A site of one host with sets of SQLite, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "site" / "inventory").mkdir(parents=True)
        (folder / "backups").mkdir()
        procedures = {
            "restores": {"title": "Restores", "playbook": "astral.upkeep.backup_verify"},
            "taken": {"title": "Taken", "playbook": "astral.upkeep.backup_restore"},
        }
        (folder / "site" / "schedule.yml").write_text(yaml.safe_dump({"procedures": procedures}))
        self.sets: list[dict[str, Any]] = []
        self.jobs = ["backup_verify"]
        self.more: dict[str, Any] = {}
        self.runs = 0

    def database(self, name: str, rows: int = 500) -> Path:
        path = self.folder / "backups" / name
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")
            db.executemany(
                "INSERT INTO orders (name) VALUES (?)", [(f"o{one}",) for one in range(rows)]
            )
            db.commit()
        path.chmod(0o600)
        return path

    def write_inventory(self) -> None:
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "upkeep_jobs": self.jobs,
            "backup_verify_sets": self.sets,
            "backup_verify_folder": str(self.folder / "ledger"),
            "backup_verify_scratch": str(self.folder / "scratch"),
            "upkeep_checks_restores": [
                {"checks": "restores", "sets": self.sets, "folder": str(self.folder / "ledger")}
            ],
            **self.more,
        }
        inventory = {"all": {"hosts": {"store1": host}}}
        (self.folder / "site" / "inventory" / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def run(self, *words: str) -> tuple[int, str, dict[tuple[str, str], Any]]:
        """Run a procedure; return the exit status, what was said, and the results by check and subject."""
        self.write_inventory()
        state = self.folder / "state"
        environ = {
            **os.environ,
            "UPKEEP_STATE": str(state),
            "UPKEEP_WORKSPACE": str(self.folder / "work"),
        }
        done = warm.run(["run", *words, "-i", str(self.folder / "site")], env=environ)
        self.runs += 1
        with closing(open_store(f"sqlite:///{state}/upkeep.db")) as store, store.read() as db:
            results = {
                (one.check, one.subject): one
                for observed in observed_in(db, self.runs)
                for one in observed.results
            }
        return done.returncode, done.stdout + done.stderr, results

    def ledger(self) -> list[dict[str, Any]]:
        file = self.folder / "ledger" / "ledger.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def site(tmp_path: Path) -> RestoreSite:
    return RestoreSite(tmp_path)


def test_a_host_restores_judges_and_remembers_only_if_it_opts_in(site: RestoreSite) -> None:
    site.database("shop-2026-11-27.db")
    asserted = {"assertions": [{"sql": "SELECT count(*) FROM orders", "min": 400}]}
    site.sets = [
        {"name": "shop", "paths": [f"{site.folder}/backups/shop-*.db"], "verify": asserted},
        {"name": "gone", "paths": [f"{site.folder}/backups/gone-*.db"], "verify": {"max_days": 7}},
        {"name": "watched", "paths": [f"{site.folder}/backups/shop-*.db"]},
    ]
    site.jobs = []
    _status, said, _results = site.run("restores")
    assert "upkeep_jobs" in said
    assert site.ledger() == []

    site.jobs = ["backup_verify"]
    _status, said, _results = site.run("restores", "--check", "--diff")
    assert f"shop: {site.folder}/backups/shop-2026-11-27.db (sqlite)" in said
    assert "gone: there is no backup" in said
    assert site.ledger() == []

    status, said, results = site.run("restores")

    rows = {row["set"]: row for row in site.ledger()}
    assert [rows[name]["outcome"] for name in ("shop", "gone")] == ["restored", "failed"]
    assert rows["shop"]["figures"] == {"tables": 1, "rows": 500}
    assert rows["shop"]["proof"] == "assertions"
    assert status == 2
    assert results["backup_restored", "shop"].status is Status.PASS
    assert results["backup_restored", "gone"].status is Status.FAIL
    assert results["backup_restored", "watched"].unknown is Unknown.NOTHING_TO_JUDGE
    assert list((site.folder / "scratch").iterdir()) == []


def test_what_shrank_fails_and_a_table_can_be_taken_out(site: RestoreSite) -> None:
    old = site.database("shop-2026-11-26.db")
    os.utime(old, (1_764_100_000, 1_764_100_000))
    site.sets = [{"name": "shop", "paths": [f"{site.folder}/backups/shop-*.db"], "verify": {}}]
    site.run("restores")
    old.unlink()
    site.database("shop-2026-11-27.db", rows=100)

    status, _said, results = site.run("restores")

    assert status == 2
    assert "orders has 100; it had 500" in results["backup_restored", "shop"].message

    target = site.folder / "rescue"
    site.more = {
        "upkeep_restore": {"set": "shop", "table": "orders", "file": None, "to": str(target)}
    }
    site.run("taken")

    taken = target / "orders.sql"
    assert stat.S_IMODE(taken.stat().st_mode) == 0o600
    assert taken.read_text().count("INSERT INTO orders") == 100


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "restores"], "store1: restoring endless (2 of 2): assert"),
        (
            ["restore", "try", "endless", "--table", "orders", "--host", "store1", "--to"],
            "store1: restoring endless: assert",
        ),
    ],
    ids=["run", "try"],
)
def test_what_is_done_is_shown_until_it_is_cancelled(
    site: RestoreSite, words: list[str], line: str
) -> None:
    paths = [str(site.database("shop-2026-11-27.db"))]
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
    asked = {"assertions": [{"sql": f"{numbers} SELECT max(x) FROM n", "min": 1}]}
    site.sets = [
        {"name": "shop", "paths": paths, "verify": {}},
        {"name": "endless", "paths": paths, "verify": asked},
    ]
    site.write_inventory()
    where = [str(site.folder / "taken")] if words[-1] == "--to" else []
    command = [sys.executable, "-m", "upkeep.cli.main", *words, *where]
    environ = {**os.environ, "UPKEEP_STATE": str(site.folder / "state")}
    out = site.folder / "out"
    with out.open("wb") as stream:
        started = subprocess.Popen(
            [*command, "-i", str(site.folder / "site")],
            env=environ | {"UPKEEP_WORKSPACE": str(site.folder / "work")},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: line in out.read_text().splitlines() or started.poll() is not None)
    finally:
        started.send_signal(signal.SIGINT)
        started.wait()

    assert line in out.read_text().splitlines(), out.read_text()
    eventually(lambda: "endless" in [one["set"] for one in site.ledger()])
    last = site.ledger()[-1]
    assert (last["set"], last["outcome"]) == ("endless", "unknown")
    assert "cancelled" in last["why"]
    assert not (site.folder / "ledger" / "running.json").exists()
    assert list((site.folder / "scratch").iterdir()) == []
