"""The program that runs on a host, as real processes on this one."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from patience import PATIENCE_SECONDS

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload

HEAD = """
from __future__ import annotations
import os, subprocess, sys, time
from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
"""


class Programs:
    """Builds programs out of gathers that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gathers: dict[str, Any] = {}

    def add(self, name: str, body: str, timeout_seconds: float = 5000) -> None:
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        text = f"{HEAD}\ndef gather(params, host):\n{lines}"
        (self.folder / "gather" / f"{name}.py").write_text(text)
        self.gathers[name] = SimpleNamespace(TIMEOUT_SECONDS=timeout_seconds)

    def build(self, *names: str, deadline_seconds: float = 5000, **params: Any) -> bytes:
        return payload.build([(name, params) for name in names], deadline_seconds)

    def run(self, *names: str, python: str = sys.executable, **params: Any) -> dict[str, Any]:
        done = subprocess.run(
            [python, "-I", "-"], input=self.build(*names, **params), capture_output=True, check=True
        )
        return payload.parse(done.stdout.decode("ascii"))

    def start(self, *names: str, **params: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(self.build(*names, **params))
        process.stdin.close()
        return process


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    folder = tmp_path / "module_utils"
    shutil.copytree(payload.FOLDER, folder)
    made = Programs(folder)
    monkeypatch.setattr(payload, "FOLDER", folder)
    monkeypatch.setattr(payload, "gathers", lambda: made.gathers)
    payload._packed.cache_clear()
    payload._closure.cache_clear()
    yield made
    payload._packed.cache_clear()
    payload._closure.cache_clear()


def wait_for_pid(path: Path) -> psutil.Process:
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if path.exists() and path.read_text().strip():
            return psutil.Process(int(path.read_text()))
        select.select([], [], [], 0.02)
    raise AssertionError(f"{path} was never written")


def ends_soon(process: psutil.Process) -> bool:
    """Whether it ends, long before its own limit would end it."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        select.select([], [], [], 0.02)
    return False


def test_gathers_run_side_by_side(programs: Programs, tmp_path: Path) -> None:
    programs.add("waits", "os.mkfifo(params['fifo']); open(params['fifo']).read()\nreturn []")
    programs.add(
        "frees",
        "while not os.path.exists(params['fifo']): time.sleep(0.01)\n"
        "open(params['fifo'], 'w').close()\nreturn []",
    )

    answer = programs.run("waits", "frees", fifo=str(tmp_path / "fifo"))

    assert [part["error"] for part in answer["answers"]] == ["", ""]


def test_a_gather_that_raises_costs_its_own_observations_only(programs: Programs) -> None:
    programs.add("raises", "raise KeyError('x')")
    programs.add("exits", "os._exit(3)")
    programs.add("dies", "os.kill(os.getpid(), 9)")
    programs.add("sees", "return [Observation('a', {'n': 1})]")

    answer = programs.run("raises", "exits", "dies", "sees")

    assert [part["error"] for part in answer["answers"]] == [
        "KeyError: 'x'",
        "ended without an answer (exit status 3)",
        "ended without an answer (killed by signal 9)",
        "",
    ]
    assert answer["answers"][3]["observations"] == [{"subject": "a", "data": {"n": 1}}]


def test_time_that_is_up_ends_a_gather_and_all_that_it_started(
    programs: Programs, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    programs.add(
        "hangs",
        "host.run(['sh', '-c', 'echo $$ > ' + params['pid'] + '; exec sleep 5000'], 5000)\nreturn []",
        timeout_seconds=1,
    )
    programs.add("sees", "return [Observation('a')]")

    answer = programs.run("hangs", "sees", pid=str(pid))

    assert [part["error"] for part in answer["answers"]] == ["not done after 1 s", ""]
    assert ends_soon(wait_for_pid(pid)) if psutil.pid_exists(int(pid.read_text())) else True


def test_the_deadline_names_what_was_not_done(programs: Programs) -> None:
    programs.add("hangs", "time.sleep(5000)")
    names = ["hangs"] * 9  # one more than run at once

    answer = programs.run(*names, deadline_seconds=1)

    assert {part["error"] for part in answer["answers"][:8]} == {
        "not done after 1 s",
    } or {part["error"] for part in answer["answers"][:8]} == {
        "not done when the host's 1 s were up",
    }
    assert answer["answers"][8]["error"]


def test_the_program_does_not_wait_for_a_child_that_holds_on(
    programs: Programs, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    programs.add(
        "leaves_one_behind",
        "child = subprocess.Popen(['sleep', '5000'], start_new_session=True)\n"
        "open(params['pid'], 'w').write(str(child.pid))\nreturn [Observation('a')]",
    )

    answer = programs.run("leaves_one_behind", pid=str(pid))
    left = psutil.Process(int(pid.read_text()))
    left.kill()

    assert answer["answers"][0]["error"] == ""


def test_nobody_listens_any_more(programs: Programs, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    programs.add(
        "hangs", "open(params['pid'], 'w').write(str(os.getpid()))\ntime.sleep(5000)", 5000
    )
    process = programs.start("hangs", pid=str(pid), deadline_seconds=5000)
    gather = wait_for_pid(pid)
    assert process.stdout is not None

    process.stdout.close()

    assert process.wait(PATIENCE_SECONDS) == 1
    assert ends_soon(gather)


def test_a_killed_parent_ends_the_program(programs: Programs, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    programs.add(
        "hangs", "open(params['pid'], 'w').write(str(os.getpid()))\ntime.sleep(5000)", 5000
    )
    program = tmp_path / "program"
    program.write_bytes(programs.build("hangs", pid=str(pid), deadline_seconds=5000))
    reader, writer = os.pipe()  # stays open: only the parent goes
    parent = subprocess.Popen(
        ["sh", "-c", f"{sys.executable} -I - < {program} & wait"], stdout=writer
    )
    gather = wait_for_pid(pid)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert ends_soon(gather)
    os.close(reader)
    os.close(writer)


def test_output_is_bounded(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "GATHER_LIMIT_BYTES", 10_000)
    programs.add("long_raw", "return [Observation('a', {'n': 1}, raw='x' * 1_000_000)]")
    programs.add("long_data", "return [Observation('a', {'n': 'x' * 1_000_000})]")

    answer = programs.run("long_raw", "long_data")
    long_raw, long_data = answer["answers"]

    assert long_raw["observations"][0]["data"] == {"n": 1, "raw_truncated": True}
    assert long_raw["observations"][0]["raw"] == "x" * 2500
    assert "at most 10000" in long_data["error"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("return [Observation('a', {'n': float('nan')})]", "ValueError"),
        (
            "x = []\nfor _ in range(100_000): x = [x]\nreturn [Observation('a', {'x': x})]",
            "Recursion",
        ),
        ("return [Observation('a', {'n': object()})]", "TypeError"),
        ("return [b'' + bytes(2 << 30)]", "more than 1024 MiB of memory"),
    ],
    ids=["NaN", "100,000 deep", "no JSON type", "2 GiB"],
)
def test_what_cannot_be_sent_is_an_error_of_that_gather(
    programs: Programs, body: str, error: str
) -> None:
    programs.add("odd", body)
    programs.add("sees", "return [Observation('a')]")

    odd, sees = programs.run("odd", "sees")["answers"]

    assert error in odd["error"]
    assert sees["error"] == ""


def test_a_login_shell_may_talk_before_and_after(programs: Programs) -> None:
    programs.add("sees", "return [Observation('a')]")
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=programs.build("sees"), capture_output=True, check=True
    )
    text = "Welcome to host\r\n" + done.stdout.decode() + "logout\n"

    assert payload.parse(text)["answers"][0]["observations"] == [{"subject": "a", "data": {}}]


@pytest.mark.parametrize("text", ["", "\n<<<upkeep:1\n{}", "\n<<<upkeep:1\n{}\nupkeep:1>>>\n"])
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="answer"):
        payload.parse(text)


def test_it_offers_itself_when_memory_is_short(programs: Programs) -> None:
    programs.add("looks", "return [Observation(host.read('/proc/self/oom_score_adj').strip())]")

    assert programs.run("looks")["answers"][0]["observations"][0]["subject"] == "1000"


def test_python_3_8_is_enough(programs: Programs) -> None:
    found = [shutil.which("python3.8"), *Path.home().glob(".pyenv/versions/3.8.*/bin/python3.8")]
    runs = [
        str(path)
        for path in found
        if path
        and not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode
    ]
    if not runs:
        pytest.skip("no Python 3.8 on this machine")
    programs.add("sees", "return [Observation('a', raw='\\udcff')]")

    answer = programs.run("sees", python=runs[0])

    assert answer["python"].startswith("3.8.")
    assert answer["answers"][0]["observations"][0]["raw_base64"] == "/w=="


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group of 64 MB, as a small host is."""
    root = Path("/sys/fs/cgroup")
    if (root / "memory" / "memory.limit_in_bytes").exists():  # version 1 of control groups
        root, limit = root / "memory", "memory.limit_in_bytes"
    else:
        limit = "memory.max"
    group = root / f"upkeep-test-{os.getpid()}"
    if not (root / "cgroup.procs").exists() or not os.access(root, os.W_OK):
        pytest.skip("no control groups to be made here")
    group.mkdir()
    if not (group / limit).exists():
        group.rmdir()
        pytest.skip("no control group can limit memory here")
    (group / limit).write_text(str(64 << 20))
    yield group
    for _attempt in range(100):
        try:
            group.rmdir()
        except OSError:
            select.select([], [], [], 0.05)
        else:
            return


def test_with_64_mb_reads_are_bounded_and_services_live(
    programs: Programs, little_memory: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stream:
        stream.truncate(300 << 20)
    programs.add("reads", "return [Observation(str(len(host.read_bytes(params['log']))))]")
    programs.add("eats", "data = bytearray()\nwhile True: data += b'x' * (8 << 20)")
    service = subprocess.Popen(["sleep", "100"])
    (little_memory / "cgroup.procs").write_text(str(service.pid))
    program = tmp_path / "program"
    program.write_bytes(programs.build("reads", "eats", log=str(log)))
    join = f"echo $$ > {little_memory}/cgroup.procs; exec {sys.executable} -I - < {program}"

    done = subprocess.run(["sh", "-c", join], capture_output=True, check=False)
    alive = service.poll() is None
    service.kill()
    service.wait()

    reads, eats = payload.parse(done.stdout.decode("ascii"))["answers"]
    assert reads["observations"][0]["subject"] == "4000000"
    assert eats["error"] == "ended without an answer (killed by signal 9)"
    assert alive
