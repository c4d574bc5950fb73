"""The role db_optimize as `upkeep run` and `ansible-playbook` run it: opt-in, plan, work, and checks afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml
from patience import eventually
from service.majors import ADMINISTRATOR, MajorServer, shared_server

from upkeep.model.verdicts import Status
from upkeep.store import open_store
from upkeep.store.answers import observed_in

ROOT = Path(__file__).parents[2]


class OptimizeSite:
    """A site of one host with one database, which has much that is dead."""

    def __init__(self, folder: Path, server: MajorServer) -> None:
        self.folder, self.server = folder, server
        self.name = server.fresh()
        (folder / "site" / "inventory").mkdir(parents=True)
        procedure = {"title": "Databases", "playbook": "astral.upkeep.db_optimize"}
        schedule = {"procedures": {"tidy": procedure}}
        (folder / "site" / "schedule.yml").write_text(yaml.safe_dump(schedule))
        with closing(server.connect(self.name)) as db:
            db.execute("CREATE TABLE orders (id int PRIMARY KEY, item text)")
            db.execute("ALTER TABLE orders SET (autovacuum_enabled = false)")
            db.execute("INSERT INTO orders SELECT i, 'canary' FROM generate_series(1, 100000) i")
            db.execute("DELETE FROM orders WHERE id % 10 > 0")
        eventually(lambda: self.dead() > 0, "the server has counted the rows")
        declared = server.declared(self.name, ADMINISTRATOR, address=str(server.home))
        self.subject = f"postgresql {ADMINISTRATOR}@{server.home}:{server.port}/{self.name}"
        self.host: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "upkeep_jobs": ["db_optimize"],
            "db_optimize_databases": [{key: one for key, one in declared.items() if one}],
            "db_optimize_folder": str(folder / "optimize"),
            "db_optimize_pause_seconds": 0,
            "db_optimize_thresholds": {"bloat_bytes": 1 << 20},
        }

    def dead(self) -> int:
        rows = self.server.execute("SELECT sum(n_dead_tup) FROM pg_stat_user_tables", self.name)
        return int(rows[0][0])

    def inventory(self) -> Path:
        file = self.folder / "site" / "inventory" / "hosts.yml"
        file.write_text(yaml.safe_dump({"all": {"hosts": {"db1": self.host}}}))
        return file

    def run(self, *words: str) -> tuple[int, str]:
        """Return the exit status of `upkeep run tidy`, and what it said."""
        self.inventory()
        environ = {**os.environ, "UPKEEP_STATE": str(self.folder / "state")}
        environ["UPKEEP_WORKSPACE"] = str(self.folder / "work")
        command = ["run", "tidy", *words, "-i", str(self.folder / "site")]
        done = warm.run(command, env=environ)
        return done.returncode, done.stdout + done.stderr

    def results(self, run: int) -> dict[tuple[str, str], Any]:
        with (
            closing(open_store(f"sqlite:///{self.folder}/state/upkeep.db")) as store,
            store.read() as db,
        ):
            return {
                (one.check, one.subject): one
                for observed in observed_in(db, run)
                for one in observed.results
            }


@pytest.fixture
def site(tmp_path: Path) -> OptimizeSite:
    return OptimizeSite(tmp_path, shared_server(18))


def test_a_host_that_opts_in_is_planned_then_done_and_judged(site: OptimizeSite) -> None:
    site.host["upkeep_jobs"] = []
    site.run()
    assert site.dead() == 90_000

    site.host["upkeep_jobs"] = ["db_optimize"]
    _status, said = site.run("--check", "--diff")
    assert 'VACUUM (ANALYZE, TRUNCATE false) "public"."orders"' in said
    assert site.dead() == 90_000
    assert not (site.folder / "optimize").exists()

    _status, said = site.run("--diff")

    assert "canary" not in said
    assert 'REINDEX INDEX CONCURRENTLY "public"."orders_pkey" done' in said
    assert site.dead() == 0
    record = json.loads((site.folder / "optimize" / "record.json").read_text())
    assert record["last"][site.subject]["run"] == "3"
    results = site.results(3)
    optimized = results["database_optimized", site.subject]
    assert optimized.status is Status.PASS
    assert "2 statements done" in optimized.message
    assert ("database_connect", site.subject) in results


@pytest.mark.thorough
def test_ansible_alone_does_the_same_and_then_nothing(site: OptimizeSite) -> None:
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-v",
        "-i",
        str(site.inventory()),
        str(ROOT / "playbooks/db_optimize.yml"),
    ]
    environ = {
        **os.environ,
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_LOCAL_TEMP": str(site.folder / "local"),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONPATH": f"{ROOT}/python",
    }

    def steps() -> tuple[bool, list[str]]:
        done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=ROOT)
        said = done.stdout.partition("Do what is due, within the window")[2]
        assert "db1] => {" in said, done.stdout + done.stderr
        result = json.JSONDecoder().raw_decode(said[said.index("db1] => {") + len("db1] => ") :])[0]
        return result["changed"], [one["action"] for one in result["steps"]]

    assert steps() == (True, ["vacuum", "reindex"])
    assert steps() == (False, [])
