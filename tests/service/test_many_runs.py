"""Thousands of runs leave no more behind than some hundred: memory, descriptors, files, bytes.

LONG_RUNS in the environment says how many, for an evening's ten thousand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from store_samples import NOW, answer, result

from upkeep.model.answer import Observed, to_json
from upkeep.model.verdicts import Severity
from upkeep.run import agent
from upkeep.run import ansible as runner
from upkeep.store import Store, open_store
from upkeep.store.engine import retention

RUNS = int(os.environ.get("LONG_RUNS", "1000"))
HOUR = timedelta(hours=1)
POLICY = retention.Policy(5, 5, 5, 5)
"""Days. A run an hour: some 120 are kept."""


class Silent:
    """Nobody looks on."""

    def host_began(self, name: str) -> None: ...
    def host_done(self, observed: Observed) -> None: ...
    def job_did(self, host: str, task: str, kind: str, text: str) -> None: ...
    def expects(self, hosts: int) -> None: ...
    def progressed(self, host: str, step: str, share: float | None) -> None: ...


def used(store: Store, folder: Path) -> dict[str, int]:
    """Return what is in use."""
    process = psutil.Process()
    database = Path(store.place)
    return {
        "descriptors": process.num_fds(),
        "memory_mib": process.memory_info().rss >> 20,
        "files": sum(len(names) + len(folders) for _path, folders, names in os.walk(folder)),
        "database_kib": sum(path.stat().st_size for path in database.parent.glob("*.db*")) >> 10,
    }


@pytest.mark.long
def test_12_many_runs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Ansible is left out: a recorded answer is handed to the listener in its place."""
    memory = Path("/dev/shm")
    home = memory / f"upkeep-{os.getpid()}" if memory.is_dir() else tmp_path
    store = open_store(f"sqlite:///{home}/upkeep.db")
    workspaces = home / "work"
    now = NOW
    given = answer(result(Severity.HIGH), result(subject="/srv"))

    def ansible(order: runner.Order, listener: Any) -> runner.AnsibleEnd:
        events = order.workspace / "artifacts" / "run" / "job_events"
        events.mkdir(parents=True)
        (events / "1-partial.json").write_text("{}")
        results = tuple(replace(one, observed_at=now) for one in given.results)
        upkeep: Mapping[str, Any] = to_json(replace(given, observed_at=now, results=results))
        listener.gave("web1", upkeep)
        return runner.AnsibleEnd(complete=True, status=0)

    monkeypatch.setattr(runner, "run", ansible)
    task = agent.Task("daily", "Daily", "astral.upkeep.observe", "hosts")
    other = workspaces / "run-of-somebody-else"
    other.mkdir(mode=0o700, parents=True)
    workspaces.chmod(0o700)
    (other / "artifact").write_text("of a run that runs")
    seen = []
    try:
        for number in range(RUNS):
            agent.run(task, store, workspaces, Silent(), time_of=lambda now=now: now)
            now += HOUR
            if number % 100 == 99:
                retention.prune(store, POLICY, now)
            if number + 1 in (RUNS // 2, RUNS):
                seen.append(used(store, workspaces))
        assert [path.name for path in workspaces.iterdir()] == [other.name]
        assert (other / "artifact").exists()
    finally:
        store.close()
        if home != tmp_path:
            for path in sorted(home.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            home.rmdir()
    half, whole = seen
    assert whole["descriptors"] <= half["descriptors"] + 2, seen
    assert whole["memory_mib"] <= half["memory_mib"] + 16, seen
    assert whole["files"] == half["files"], seen
    assert whole["database_kib"] <= half["database_kib"] * 1.2 + 100, seen
