"""What runs leave beside the database goes with them, and nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from store_samples import NOW, answer, begun, result

from upkeep.model.errors import StoreError, UsageError
from upkeep.run import agent
from upkeep.run.agent import Task
from upkeep.services import kept_files
from upkeep.services.kept_files import (
    claim_workspace,
    remove_reports,
    remove_stray_reports,
    report_path,
    sweep_workspaces,
)
from upkeep.store import Store, migrate, open_store, runs
from upkeep.store.answers import add_host
from upkeep.store.engine.retention import Policy, prune
from upkeep.store.spool import Spool
from upkeep.system import machine

TASK = Task(procedure="daily", title="Daily", playbook="astral.upkeep.observe", inventory="web1,")
BOOT = machine.boot_id()


class Nobody:
    """Who is shown how a run goes."""

    def host_began(self, name: str) -> None: ...
    def host_done(self, observed: object) -> None: ...
    def job_did(self, host: str, task: str, kind: str, text: str) -> None: ...
    def expects(self, hosts: int) -> None: ...
    def progressed(self, host: str, step: str, share: float | None) -> None: ...


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/state/upkeep.db"
    migrate(url)
    with closing(open_store(url)) as store:
        yield store


def age(path: Path, days: float) -> None:
    moment = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (moment, moment))


# --- workspaces ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("why", ["a refused claim", "a store that fails"])
def test_a_run_that_cannot_begin_leaves_no_folder(
    sqlite_store: Store, tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASK
    if why == "a refused claim":
        task = Task(**{**vars(TASK), "occurrence": (99, "another")})
        expected: type[Exception] = UsageError
    else:
        expected = StoreError
        with sqlite_store.begin() as db:
            db.exec_driver_sql("ALTER TABLE run RENAME TO gone")

    with pytest.raises(expected):
        agent.run(task, sqlite_store, tmp_path / "work", Nobody())

    assert list((tmp_path / "work").iterdir()) == []


def killed_process() -> dict[str, object]:
    """An owner that does not live any more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {"pid": process.pid, "process_started": 1.0}


def folder(work: Path, opened: Store, **other: object) -> Path:
    work.mkdir(mode=0o700, exist_ok=True)
    made = work / f"run-{len(list(work.iterdir()))}"
    made.mkdir(mode=0o700)
    claim_workspace(made, opened, BOOT)
    owner = json.loads((made / kept_files.OWNER).read_text())
    (made / kept_files.OWNER).write_text(json.dumps(owner | other))
    return made


def test_the_next_start_removes_what_nobody_needs_and_nothing_else(
    sqlite_store: Store, tmp_path: Path
) -> None:
    work, dead = tmp_path / "work", killed_process()
    gone = [folder(work, sqlite_store, **dead)]
    kept = [
        folder(work, sqlite_store),  # of a process that lives
        folder(work, sqlite_store, **dead, store="another"),
        folder(work, sqlite_store, **dead, host="another"),
    ]
    with sqlite_store.begin() as db:
        for ended in (True, False):
            one = folder(work, sqlite_store, **dead)
            run_id = runs.start(db, begun(workspace=str(one)))
            if ended:
                runs.finish(db, run_id, "done", "", NOW)
            (gone if ended else kept).append(one)
    (work / "run-unnamed").mkdir()
    (work / "run-link").symlink_to(tmp_path / "state")
    kept += [work / "run-unnamed", work / "run-link"]

    assert sweep_workspaces(sqlite_store, work, BOOT) == len(gone)

    assert sorted(work.iterdir()) == sorted(kept)
    os.utime(work / "run-unnamed", (1, 1))
    assert sweep_workspaces(sqlite_store, work, BOOT) == 1


def test_hosts_are_counted_whose_results_are_taken_in(sqlite_store: Store, tmp_path: Path) -> None:
    workspace = tmp_path / "run-x"
    with sqlite_store.begin() as db:
        start = begun(workspace=str(workspace), started_by=agent.account.own_name(),
                      driver_host=agent.socket.gethostname(), boot_id=BOOT, driver_pid=killed_process()["pid"])  # fmt: skip
        run_id = runs.start(db, start)
        add_host(db, run_id, answer(result(), host="web3"))
    spool = Spool(workspace / "spool")
    spool.put(run_id, answer(result()))
    spool.put(run_id, answer(result(minutes=1), minutes=1))  # the proof of a job: the same host
    spool.put(run_id, answer(result(host="web2"), host="web2"))
    spool.put(run_id, answer(result(), host="web3"))  # known already

    (said,) = agent.recover(sqlite_store)

    assert said.endswith("; results of 2 hosts were recovered")
    assert not workspace.exists()


# --- reports ---------------------------------------------------------------------------------------------------------
def test_reports_go_with_their_runs(store: Store, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    for day in range(60):
        with store.begin() as db:
            run_id = runs.start(db, begun(day * 24 * 60))
            runs.finish(db, run_id, "done", "", NOW + timedelta(days=day))
        (reports / f"run-{run_id}.html").write_text("x")

    prune(
        store,
        Policy(runs_days=30),
        NOW + timedelta(days=59.5),
        lambda ids: remove_reports(tmp_path, ids),
    )

    with store.read() as db:
        left = {one.id for one in runs.recent(db, 100)}
    assert len(left) == 31  # counted back from the newest run
    assert {path.name for path in reports.iterdir()} == {f"run-{one}.html" for one in left}


def test_many_reports_that_were_left_before_go_once(store: Store, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    with store.begin() as db:
        known = runs.start(db, begun())
    for number in range(3_000):
        path = reports / f"run-{number + 100}.html"
        path.touch()
        age(path, 400 if number % 2 else 1)
    others = [
        reports / name
        for name in ("notes.html", "run-7.html.txt.d", "run-.html", f"run-{known}.html")
    ]
    for path in others:
        path.touch()
        age(path, 999)
    (reports / "run-8.html").symlink_to(others[0])
    (reports / ".run-9.html.x1y2").touch()  # what a killed process was writing
    age(reports / ".run-9.html.x1y2", 999)

    assert remove_stray_reports(store, tmp_path, 30, NOW) == 1_502
    assert remove_stray_reports(store, tmp_path, 30, NOW + timedelta(hours=1)) == 0
    names = {path.name for path in reports.iterdir()}
    assert {"notes.html", "run-.html", f"run-{known}.html", "run-8.html"} <= names
    assert len([one for one in names if one.startswith("run-1")]) > 0
    assert report_path(tmp_path, 100).exists()
    assert not report_path(tmp_path, 101).exists()
