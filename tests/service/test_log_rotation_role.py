"""The role log_rotation with the real logrotate, as `ansible-playbook` runs it."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
DAY = 86400
HEAD = "logrotate state -- version 2\n"

if shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin") is None:
    pytest.skip("logrotate is not on PATH", allow_module_level=True)


@dataclass
class Ran:
    """What ansible-playbook gave. tasks: the host's result of each task, by its name."""

    status: int
    tasks: dict[str, Any]
    text: str

    def __getitem__(self, start: str) -> Any:
        return next(result for name, result in self.tasks.items() if name.startswith(start))


class Site:
    """A host of its own: logs, a configuration, a state file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "local"
        self.logs = folder / "logs"
        self.state = folder / "state"
        self.config = folder / "logrotate.conf"
        self.logs.mkdir(mode=0o755)
        self.variables: dict[str, Any] = {
            "upkeep_jobs": ["log_rotation"],
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_remote_tmp": str(folder / "remote"),
            "log_rotation_config": [str(self.config)],
            "log_rotation_state": str(self.state),
            "log_rotation_config_folder": str(folder),
            "log_rotation_free_bytes": 1000,
        }

    def configure(self, *options: str) -> None:
        lines = "\n".join(options)
        self.config.write_text(f"{self.logs}/*.log {{\n{lines}\n}}\n")
        self.config.chmod(0o644)

    def log(self, name: str = "app.log", text: str = "a line\n", due: bool = True) -> Path:
        path = self.logs / name
        path.write_text(text)
        if due:
            lines = self.state.read_text() if self.state.exists() else HEAD
            self.state.write_text(f'{lines}"{path}" 2020-1-1-0:0:0\n')
            self.state.chmod(0o640)
        return path

    def run(self, *options: str, hosts: dict[str, Any] | None = None) -> Ran:
        inventory = self.folder / "inventory.json"
        hosts = hosts or {"here": self.variables}
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        said = subprocess.run(
            [
                Path(sys.executable).parent / "ansible-playbook",
                "-i",
                inventory,
                ROOT / "playbooks/log_rotation.yml",
                *options,
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
                "ANSIBLE_LOCAL_TEMP": str(self.temporary),
                "ANSIBLE_NOCOLOR": "1",
                "PYTHONPATH": f"{ROOT}/python",
            },
            text=True,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ran(said.returncode, _tasks(said.stdout), said.stdout + said.stderr)


def _tasks(text: str) -> dict[str, Any]:
    """Return what `-v` prints of each task."""
    tasks: dict[str, Any] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("TASK ["):
            name = line.split("[", 1)[1].rsplit("]", 1)[0].split(" : ")[-1]
        elif "=> {" in line and name:
            tasks[name] = json.JSONDecoder().raw_decode(
                text[text.index(line) + line.index("=> {") + 3 :]
            )[0]
    return tasks


@pytest.fixture
def site(tmp_path: Path) -> Site:
    tmp_path.chmod(0o755)
    return Site(tmp_path)


def tree(folder: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns, path.read_text(errors="replace"))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_check_and_diff_show_the_plan_and_change_nothing(site: Site) -> None:
    site.configure("daily", "rotate 3", "create")
    log = site.log(text="x" * 1234)
    old = site.logs / "app.log.9.gz"
    old.write_bytes(gzip.compress(b"old"))
    os.utime(old, (time.time() - 40 * DAY,) * 2)
    site.variables["log_rotation_retention"] = [
        {"path": str(site.logs), "keep_days": 30, "keep_newest": 0}
    ]
    before, state = tree(site.logs), site.state.read_text()

    ran = site.run("--check", "--diff", "-v")

    assert ran.status == 0, ran.text
    assert f"{log} 1234 By" in ran.text
    assert str(old) in ran.text
    assert "archives past their 30 days" in ran.text  # observed, in check mode too
    assert tree(site.logs) == before
    assert site.state.read_text() == state


def test_a_log_is_rotated_once_and_the_second_run_changes_nothing(site: Site) -> None:
    site.configure("daily", "rotate 3", "create", "compress")
    log = site.log(text="kept\n")
    inode = log.stat().st_ino

    first = site.run("-v")
    second = site.run("-v")

    assert first.status == 0, first.text
    proved = first["Rotate what is due"]["logs"]
    assert [one["proved"] for one in proved] == [True]
    assert log.stat().st_ino != inode
    assert gzip.decompress((site.logs / "app.log.1.gz").read_bytes()) == b"kept\n"
    assert f"{datetime.now():%Y-%-m-%-d}" in site.state.read_text()
    assert second.status == 0, second.text
    assert "changed=0" in second.text
    assert second["Rotate what is due"]["planned"] == []


@pytest.mark.parametrize("policy", [("copytruncate",), ("create", "dateext"), ("nocreate",)])
def test_each_way_of_rotating_has_its_proof(site: Site, policy: tuple[str, ...]) -> None:
    site.configure("daily", "rotate 3", *policy)
    site.log()

    ran = site.run("-v")

    assert ran.status == 0, ran.text
    assert [one["proved"] for one in ran["Rotate what is due"]["logs"]] == [True]


@pytest.mark.parametrize(
    ("script", "said"),
    [("postrotate", "postrotate script"), ("prerotate", "prerotate script")],
)
def test_a_failing_script_fails_the_role_and_does_not_advance_the_state(
    site: Site, script: str, said: str
) -> None:
    site.configure("daily", "rotate 3", "create", script, "exit 1", "endscript")
    log = site.log()

    ran = site.run("-v")

    assert ran.status != 0
    assert "rotation not proved" in ran.text
    assert said in ran.text
    # By itself, logrotate has written today's date here.
    assert f'"{log}" 2020-1-1-0:0:0' in site.state.read_text()


def test_one_log_that_fails_does_not_hold_back_the_state_of_another(site: Site) -> None:
    site.configure(
        *("daily", "rotate 3", "create", "prerotate"),
        *('case "$1" in *bad.log) exit 1;; esac', "endscript"),
    )
    bad, good = site.log("bad.log"), site.log("good.log")

    ran = site.run("-v")

    assert ran.status != 0
    logs = {one["path"]: one["proved"] for one in ran["Rotate what is due"]["logs"]}
    assert logs == {str(bad): False, str(good): True}
    state = site.state.read_text()
    assert f'"{bad}" 2020-1-1-0:0:0' in state
    assert f'"{good}" 2020-1-1-0:0:0' not in state


def test_an_archive_of_the_same_day_in_the_way_is_a_failure(site: Site) -> None:
    site.configure("daily", "rotate 3", "dateext")
    log = site.log(text="new\n")
    taken = site.logs / f"app.log-{datetime.now():%Y%m%d}"
    taken.write_text("old\n")

    ran = site.run("-v")

    assert ran.status != 0
    assert "already exists" in ran.text
    assert (log.read_text(), taken.read_text()) == ("new\n", "old\n")


@pytest.mark.parametrize(
    "text", [HEAD + '"/var/log/app.l', "logrotate sta", "\0" * 40], ids=["cut", "head", "zeros"]
)
def test_a_state_file_that_cannot_be_read_is_refused(site: Site, text: str) -> None:
    site.configure("daily", "rotate 3")
    site.log()
    site.state.write_text(text)
    before = tree(site.logs)

    ran = site.run("-v")

    assert ran.status != 0
    assert "expected a state file of logrotate" in ran.text
    assert tree(site.logs) == before
    assert site.state.read_text() == text


def test_two_rotations_do_not_run_at_once(site: Site) -> None:
    site.configure("daily", "rotate 3")
    site.log()
    before = tree(site.logs)

    with site.state.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        ran = site.run("-v")

    assert ran.status != 0
    assert "another rotation is going on" in ran.text
    assert tree(site.logs) == before


def test_too_little_space_is_refused_before_anything_happens(site: Site) -> None:
    site.configure("daily", "rotate 3", "compress")
    site.log()
    site.variables["log_rotation_free_bytes"] = 10**15
    before = tree(site.logs)

    ran = site.run("-v")

    assert ran.status != 0
    assert "By free; expected" in ran.text
    assert tree(site.logs) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("state_too", [False, True], ids=["logs", "logs and state"])
def test_a_full_disk_leaves_the_log_due(tmp_path: Path, state_too: bool) -> None:
    tmp_path.chmod(0o755)
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "none", full], check=True)
    try:
        site = Site(full if state_too else tmp_path)
        if not state_too:
            site.logs.rmdir()
            site.logs = full / "logs"
            site.logs.mkdir(mode=0o755)
        site.variables["ansible_remote_tmp"] = str(tmp_path / "remote")
        site.temporary = tmp_path / "local"
        site.variables["log_rotation_free_bytes"] = 0
        site.configure("daily", "rotate 3", "copytruncate")
        log = site.log(text="x" * 100_000)
        # The check of free space has passed when the disk fills up: a hole that grows while it is copied.
        site.config.write_text(
            site.config.read_text().replace(
                "copytruncate",
                f"copytruncate\nprerotate\ncat /dev/zero > {full}/filler || true\nendscript",
            )
        )

        ran = site.run("-v")

        assert ran.status != 0
        assert log.read_text() == "x" * 100_000
        assert f'"{log}" 2020-1-1-0:0:0' in site.state.read_text()
        assert "rotation not proved" in ran.text, ran.text
    finally:
        subprocess.run(["umount", full], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_read_only_disk_is_refused(site: Site) -> None:
    site.configure("daily", "rotate 3")
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "none", site.logs], check=True
    )
    try:
        site.log()
        subprocess.run(["mount", "-o", "remount,ro", site.logs], check=True)

        ran = site.run("-v")

        assert ran.status != 0
        assert "read-only" in ran.text, ran.text
    finally:
        subprocess.run(["umount", site.logs], check=True)


def test_archives_past_their_days_go_and_links_and_their_targets_stay(
    site: Site, tmp_path: Path
) -> None:
    site.configure("daily", "rotate 3", "missingok")
    site.state.write_text(HEAD)
    outside = tmp_path / "outside"
    outside.mkdir()
    precious = outside / "precious.gz"
    precious.write_text("precious")
    inside = site.logs / "app"
    inside.mkdir()
    old = [inside / f"app.log.{number}.gz" for number in range(1, 5)]
    for number, path in enumerate(old):
        path.write_text("old")
        os.utime(path, (time.time() - (40 + number) * DAY,) * 2)
    (inside / "twice.log.1.gz").write_text("twice")
    os.link(inside / "twice.log.1.gz", outside / "second-name.gz")
    os.utime(inside / "twice.log.1.gz", (time.time() - 40 * DAY,) * 2)
    (inside / "link.log.1.gz").symlink_to(precious)
    (site.logs / "elsewhere").symlink_to(outside)
    os.utime(precious, (time.time() - 40 * DAY,) * 2)
    site.variables["log_rotation_retention"] = [
        {"path": str(site.logs), "keep_days": 30, "keep_newest": 0}
    ]
    site.variables["log_rotation_fail_on"] = "critical"

    ran = site.run("-v", "--diff")

    assert ran.status == 0, ran.text
    removed = [one["path"] for one in ran["Remove archives past their days"]["removed"]]
    assert removed == [str(path) for path in old]
    assert not any(path.exists() for path in old)
    assert precious.read_text() == "precious"
    assert (inside / "twice.log.1.gz").exists()
    assert (inside / "link.log.1.gz").is_symlink()


def test_a_root_that_is_reached_through_a_link_stops_all_clean_up(site: Site) -> None:
    site.configure("daily", "rotate 3", "missingok")
    site.state.write_text(HEAD)
    real = site.folder / "real"
    real.mkdir()
    old = real / "app.log.1.gz"
    old.write_text("old")
    os.utime(old, (time.time() - 40 * DAY,) * 2)
    (site.folder / "link").symlink_to(real)
    site.variables["log_rotation_retention"] = [
        {"path": str(site.folder / "link"), "keep_days": 30, "keep_newest": 0}
    ]

    ran = site.run("-v")

    assert ran.status != 0
    assert "is a symbolic link" in ran.text
    assert old.exists()


def test_stanzas_are_installed_once_and_a_wrong_one_never(site: Site) -> None:
    site.config.write_text(f"include {site.folder}/stanzas\n")
    (site.folder / "stanzas").mkdir()
    log = site.log()
    site.variables |= {
        "log_rotation_config_folder": str(site.folder / "stanzas"),
        "log_rotation_stanzas": [
            {
                "name": "app",
                "paths": [str(log)],
                "options": ["daily", "rotate 2", "create"],
                "postrotate": "true",
            }
        ],
    }

    first = site.run("-v")
    second = site.run("-v")
    site.variables["log_rotation_stanzas"] = [
        {"name": "wrong", "paths": [str(site.logs / "other.log")], "options": ["rotate many"]}
    ]
    third = site.run("-v")

    assert first.status == 0, first.text
    assert (site.logs / "app.log.1").exists()
    assert second.status == 0, second.text
    assert "changed=0" in second.text
    assert third.status != 0
    assert not (site.folder / "stanzas" / "wrong").exists()


def test_a_host_that_does_not_opt_in_is_not_contacted(site: Site) -> None:
    ran = site.run("-v", hosts={"other": {"ansible_host": "192.0.2.1", "upkeep_jobs": []}})

    assert ran.status == 0, ran.text
    assert "192.0.2.1" not in ran.text
    assert list(ran.tasks) in ([], ["Leave the others alone, before anything is sent to them"])
