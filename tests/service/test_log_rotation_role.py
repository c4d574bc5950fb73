"""The role log_rotation with the real logrotate, as `ansible-playbook` runs it.

A run costs far more than what it does on a host. So most tests share their runs, each on a host of its own: such a test
is a generator that yields where its next run is to be made, and is given what that run said of its host.
"""

from __future__ import annotations

import fcntl
import functools
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
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
    """What ansible-playbook gave for a host.

    status: how many tasks failed; None where the play does not name it. tasks: its result of each task, by the task's
    name. text: all that names it.
    """

    status: int | None
    tasks: dict[str, Any]
    text: str

    def __getitem__(self, start: str) -> Any:
        return next(result for name, result in self.tasks.items() if name.startswith(start))


class Site:
    """A host of its own: logs, a configuration, a state file."""

    def __init__(self, folder: Path, name: str = "here") -> None:
        self.folder = folder
        self.name = name
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


def play(folder: Path, hosts: dict[str, Any], *options: str) -> dict[str, Ran]:
    """Run the playbook on hosts, given their variables, and return what it gave for each."""
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    said = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "-v",
            "-i",
            inventory,
            ROOT / "playbooks/log_rotation.yml",
            *options,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "PYTHONPATH": f"{ROOT}/python",
        },
        text=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    ran = {name: _of_host(name, said.stdout, said.stderr) for name in hosts}
    if len(ran) == 1:  # a diff does not name its host
        ran = {name: replace(one, text=said.stdout + said.stderr) for name, one in ran.items()}
    return ran


def _of_host(host: str, stdout: str, stderr: str) -> Ran:
    """Return what `-v` prints of each task, for one host."""
    tasks: dict[str, Any] = {}
    pieces, task, mine = [], "", False
    status: int | None = None
    for piece in re.split(r"^(?=\S)", stdout, flags=re.MULTILINE):
        first = piece.partition("\n")[0]
        if first.startswith("TASK ["):
            task = first.split("[", 1)[1].rsplit("]", 1)[0].split(" : ")[-1]
        if told := re.match(r"\w+: \[([^]]+)\]", first):
            mine = told[1] == host
            if mine and "=> {" in piece:
                at = piece.index("=> {") + 3
                tasks[task] = json.JSONDecoder().raw_decode(piece[at:])[0]
        elif recap := re.match(r"(\S+) +: ok=.* unreachable=(\d+) +failed=(\d+)", first):
            mine = recap[1] == host
            status = int(recap[2]) + int(recap[3]) if mine else status
        if mine:
            pieces.append(piece)
    return Ran(status, tasks, "".join(pieces) + stderr)


Steps = Generator[None, Ran, None]
SHARED: dict[str, Callable[[Site], Steps]] = {}


def together(**cases: Any) -> Callable[[Callable[..., Steps]], Callable[..., None]]:
    """Let a test share its runs with the others; where cases are given, once for each."""

    def shared(steps: Callable[..., Steps]) -> Callable[..., None]:
        name = steps.__name__

        def alone(ends: dict[str, Callable[[], None]]) -> None:
            ends[name]()

        def of_case(ends: dict[str, Callable[[], None]], case: str) -> None:
            ends[f"{name}[{case}]"]()

        SHARED.update(
            {f"{name}[{case}]": functools.partial(steps, case=cases[case]) for case in cases}
            or {name: steps}
        )
        test = pytest.mark.parametrize("case", cases)(of_case) if cases else alone
        test.__name__ = name
        return test

    return shared


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Callable[[], None]]:
    """How each of the tests that share their runs ended: to be called, and raises what it raised."""
    folder = tmp_path_factory.mktemp("rotation")
    wanted = {item.name for item in request.session.items}
    ended: dict[str, Callable[[], None]] = {}
    going: dict[str, tuple[Site, Steps]] = {}
    for number, (test, steps) in enumerate(SHARED.items()):
        if test in wanted:
            (folder / f"{number}").mkdir()
            site = Site(folder / f"{number}", f"host{number}")
            going[test] = site, steps(site)
    ran: dict[str, Ran] = {}
    while going:
        for test, (site, step) in list(going.items()):
            try:
                step.send(ran[site.name]) if ran else next(step)
            except StopIteration:
                ended[test] = bool
            except Exception as problem:
                ended[test] = functools.partial(_raise, problem)
            if test in ended:
                del going[test]
        if going:
            ran = play(folder, {site.name: site.variables for site, _step in going.values()})
    return ended


def _raise(problem: Exception) -> None:
    raise problem


def tree(folder: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns, path.read_text(errors="replace"))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_check_and_diff_show_the_plan_and_change_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure("daily", "rotate 3", "create")
    log = site.log(text="x" * 1234)
    old = site.logs / "app.log.9.gz"
    old.write_bytes(gzip.compress(b"old"))
    os.utime(old, (time.time() - 40 * DAY,) * 2)
    site.variables["log_rotation_retention"] = [
        {"path": str(site.logs), "keep_days": 30, "keep_newest": 0}
    ]
    before, state = tree(site.logs), site.state.read_text()

    ran = play(site.folder, {site.name: site.variables}, "--check", "--diff")[site.name]

    assert ran.status == 0, ran.text
    assert f"{log} 1234 B" in ran.text
    assert str(old) in ran.text
    assert "archives are older than 30 days" in ran.text  # observed, in check mode too
    assert tree(site.logs) == before
    assert site.state.read_text() == state


@together()
def test_a_log_is_rotated_once_and_the_second_run_changes_nothing(site: Site) -> Steps:
    site.configure("daily", "rotate 3", "create", "compress")
    log = site.log(text="kept\n")
    inode = log.stat().st_ino

    first = yield
    second = yield

    assert first.status == 0, first.text
    proved = first["Rotate what is due"]["logs"]
    assert [one["proved"] for one in proved] == [True]
    assert log.stat().st_ino != inode
    assert gzip.decompress((site.logs / "app.log.1.gz").read_bytes()) == b"kept\n"
    assert f"{datetime.now():%Y-%-m-%-d}" in site.state.read_text()
    assert second.status == 0, second.text
    assert "changed=0" in second.text
    assert second["Rotate what is due"]["planned"] == []


@together(copytruncate=["copytruncate"], dateext=["create", "dateext"], nocreate=["nocreate"])
def test_each_way_of_rotating_has_its_proof(site: Site, case: list[str]) -> Steps:
    site.configure("daily", "rotate 3", *case)
    site.log()

    ran = yield

    assert ran.status == 0, ran.text
    assert [one["proved"] for one in ran["Rotate what is due"]["logs"]] == [True]


@together(postrotate="postrotate", prerotate="prerotate")
def test_a_failing_script_fails_the_role_and_does_not_advance_the_state(
    site: Site, case: str
) -> Steps:
    site.configure("daily", "rotate 3", "create", case, "exit 1", "endscript")
    log = site.log()

    ran = yield

    assert ran.status != 0
    assert "rotation not confirmed" in ran.text
    assert f"{case} script" in ran.text
    # By itself, logrotate has written today's date here.
    assert f'"{log}" 2020-1-1-0:0:0' in site.state.read_text()


@together()
def test_one_log_that_fails_does_not_hold_back_the_state_of_another(site: Site) -> Steps:
    site.configure(
        *("daily", "rotate 3", "create", "prerotate"),
        *('case "$1" in *bad.log) exit 1;; esac', "endscript"),
    )
    bad, good = site.log("bad.log"), site.log("good.log")

    ran = yield

    assert ran.status != 0
    logs = {one["path"]: one["proved"] for one in ran["Rotate what is due"]["logs"]}
    assert logs == {str(bad): False, str(good): True}
    state = site.state.read_text()
    assert f'"{bad}" 2020-1-1-0:0:0' in state
    assert f'"{good}" 2020-1-1-0:0:0' not in state


@together()
def test_an_archive_of_the_same_day_in_the_way_is_a_failure(site: Site) -> Steps:
    site.configure("daily", "rotate 3", "dateext")
    log = site.log(text="new\n")
    taken = site.logs / f"app.log-{datetime.now():%Y%m%d}"
    taken.write_text("old\n")

    ran = yield

    assert ran.status != 0
    assert "already exists" in ran.text
    assert (log.read_text(), taken.read_text()) == ("new\n", "old\n")


@together(cut=HEAD + '"/var/log/app.l', head="logrotate sta", zeros="\0" * 40)
def test_a_state_file_that_cannot_be_read_is_refused(site: Site, case: str) -> Steps:
    site.configure("daily", "rotate 3")
    site.log()
    site.state.write_text(case)
    before = tree(site.logs)

    ran = yield

    assert ran.status != 0
    assert "expected a state file of logrotate" in ran.text
    assert tree(site.logs) == before
    assert site.state.read_text() == case


@together()
def test_two_rotations_do_not_run_at_once(site: Site) -> Steps:
    site.configure("daily", "rotate 3")
    site.log()
    before = tree(site.logs)

    with site.state.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        ran = yield

    assert ran.status != 0
    assert "another rotation is going on" in ran.text
    assert tree(site.logs) == before


@together()
def test_too_little_space_is_refused_before_anything_happens(site: Site) -> Steps:
    site.configure("daily", "rotate 3", "compress")
    site.log()
    site.variables["log_rotation_free_bytes"] = 10**15
    before = tree(site.logs)

    ran = yield

    assert ran.status != 0
    assert " B free; expected" in ran.text
    assert tree(site.logs) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@together(logs=False, logs_and_state=True)
def test_a_full_disk_leaves_the_log_due(site: Site, case: bool) -> Steps:
    full = site.folder if case else site.logs
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "none", full], check=True)
    try:
        site.logs.mkdir(mode=0o755, exist_ok=True)
        site.variables["ansible_remote_tmp"] = f"{site.folder}-remote"
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

        ran = yield

        assert ran.status != 0
        assert log.read_text() == "x" * 100_000
        assert f'"{log}" 2020-1-1-0:0:0' in site.state.read_text()
        assert "rotation not confirmed" in ran.text, ran.text
    finally:
        subprocess.run(["umount", full], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@together()
def test_a_read_only_disk_is_refused(site: Site) -> Steps:
    site.configure("daily", "rotate 3")
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "none", site.logs], check=True
    )
    try:
        site.log()
        subprocess.run(["mount", "-o", "remount,ro", site.logs], check=True)

        ran = yield

        assert ran.status != 0
        assert "read-only" in ran.text, ran.text
    finally:
        subprocess.run(["umount", site.logs], check=True)


@together()
def test_archives_past_their_days_go_and_links_and_their_targets_stay(site: Site) -> Steps:
    site.configure("daily", "rotate 3", "missingok")
    site.state.write_text(HEAD)
    outside = site.folder / "outside"
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

    ran = yield

    assert ran.status == 0, ran.text
    removed = [one["path"] for one in ran["Remove archives past their days"]["removed"]]
    assert removed == [str(path) for path in old]
    assert not any(path.exists() for path in old)
    assert precious.read_text() == "precious"
    assert (inside / "twice.log.1.gz").exists()
    assert (inside / "link.log.1.gz").is_symlink()


@together()
def test_a_root_that_is_reached_through_a_link_stops_all_clean_up(site: Site) -> Steps:
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

    ran = yield

    assert ran.status != 0
    assert "is a symbolic link" in ran.text
    assert old.exists()


@together()
def test_stanzas_are_installed_once(site: Site) -> Steps:
    log = site.log()
    declare(site, {"paths": [str(log)], "options": ["daily", "rotate 2", "create"]})

    first = yield
    second = yield

    assert first.status == 0, first.text
    assert (site.logs / "app.log.1").exists()
    assert second.status == 0, second.text
    assert "changed=0" in second.text


@together()
def test_a_wrong_stanza_is_never_installed(site: Site) -> Steps:
    declare(site, {"paths": [str(site.logs / "other.log")], "options": ["rotate many"]})

    ran = yield

    assert ran.status != 0
    assert "failed to validate" in ran.text
    assert not (site.folder / "stanzas" / "app").exists()


def declare(site: Site, stanza: dict[str, Any]) -> None:
    """Let the site have one stanza, and no configuration but that."""
    site.config.write_text(f"include {site.folder}/stanzas\n")
    (site.folder / "stanzas").mkdir()
    site.variables |= {
        "log_rotation_config_folder": str(site.folder / "stanzas"),
        "log_rotation_stanzas": [{"name": "app", "postrotate": "true", **stanza}],
    }


@together()
def test_a_host_that_does_not_opt_in_is_not_contacted(site: Site) -> Steps:
    site.variables = {"ansible_host": "192.0.2.1", "upkeep_jobs": []}

    ran = yield

    assert (ran.status, ran.tasks) == (None, {}), ran.text
    assert "192.0.2.1" not in ran.text
