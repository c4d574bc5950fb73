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

from ansible_collections.astral.upkeep.plugins.plugin_utils import bounds, payload, transport

NONCE = transport.new_nonce()
HEAD = """
from __future__ import annotations
import os, subprocess, sys, time
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
"""


class Programs:
    """Builds programs out of gathers that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gathers: dict[str, Any] = {}

    def add(self, name: str, body: str, timeout_seconds: float = 5000, **constants: int) -> None:
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        text = f"{HEAD}\ndef gather(params, host):\n{lines}"
        (self.folder / "gather" / "tried" / f"{name}.py").write_text(text)
        module = f"{payload.SHARED}.gather.tried.{name}"
        self.gathers[name] = SimpleNamespace(
            __name__=module, TIMEOUT_SECONDS=timeout_seconds, **constants
        )

    def build(self, *names: str, deadline_seconds: float = 5000, **params: Any) -> bytes:
        return payload.build([(name, params) for name in names], deadline_seconds, NONCE)

    def read(self, output: bytes, *names: str) -> dict[str, Any]:
        return payload.parse(transport.unframed(output.decode("ascii"), NONCE), names)

    def run(self, *names: str, python: str = sys.executable, **params: Any) -> dict[str, Any]:
        done = subprocess.run(
            [python, "-I", "-S", "-"],
            input=self.build(*names, **params),
            capture_output=True,
            check=True,
        )
        return self.read(done.stdout, *names)

    def start(self, *names: str, **params: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(self.build(*names, **params))
        process.stdin.close()
        return process


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    folder = tmp_path / "module_utils"
    shutil.copytree(payload.FOLDER, folder)
    (folder / "gather" / "tried").mkdir()
    made = Programs(folder)
    monkeypatch.setattr(payload, "FOLDER", folder)
    monkeypatch.setattr(payload, "gathers", lambda: made.gathers)
    payload._source.cache_clear()
    payload._bundles.cache_clear()
    payload._closure.cache_clear()
    yield made
    payload._source.cache_clear()
    payload._bundles.cache_clear()
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

    assert [part["error"] for part in answer["answers"]] == ["not finished after 1 s", ""]
    assert ends_soon(wait_for_pid(pid)) if psutil.pid_exists(int(pid.read_text())) else True


def test_the_deadline_names_what_was_not_done(programs: Programs) -> None:
    programs.add("hangs", "time.sleep(5000)")
    names = ["hangs"] * 9  # one more than run at once

    answer = programs.run(*names, deadline_seconds=1)

    assert {part["error"] for part in answer["answers"][:8]} == {
        "not finished after 1 s",
    } or {part["error"] for part in answer["answers"][:8]} == {
        "not finished within the host's 1 s",
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
        ["sh", "-c", f"{sys.executable} -I -S - < {program} & wait"], stdout=writer
    )
    gather = wait_for_pid(pid)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert ends_soon(gather)
    os.close(reader)
    os.close(writer)


def test_output_is_bounded(programs: Programs) -> None:
    small = {"LIMIT_BYTES": 10_000}
    programs.add("long_raw", "return [Observation('a', {'n': 1}, raw='x' * 1_000_000)]", **small)
    programs.add("long_data", "return [Observation('a', {'n': 'x' * 1_000_000})]", **small)
    programs.add("longer", "return [Observation('a', {'n': 'x' * 50_000})]", LIMIT_BYTES=60_000)

    answer = programs.run("long_raw", "long_data", "longer")
    long_raw, long_data, longer = answer["answers"]

    assert long_raw["observations"][0]["data"] == {"n": 1, "raw_truncated": True}
    assert long_raw["observations"][0]["raw"] == "x" * 2500
    assert "at most 10000" in long_data["error"]
    assert longer["error"] == ""


def test_of_an_answer_that_is_too_large_as_a_whole_the_largest_part_gives_way(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ANSWER_LIMIT_BYTES", 50_000)
    programs.add("small", "return [Observation('a', {'n': 'x' * 20_000})]")
    programs.add("large", "return [Observation('a', {'n': 'x' * 40_000})]")

    small, large = programs.run("small", "large")["answers"]

    assert small["error"] == ""
    assert "bytes of a host's answer, at most 50000" in large["error"]


def test_ten_thousand_subjects_are_within_the_bounds(programs: Programs) -> None:
    programs.add(
        "many",
        "return [Observation('/var/log/some/folder/%d.log' % n, {'exists': True, 'bytes': n * n,"
        " 'modified': '2026-11-01T03:00:00+00:00'}) for n in range(10_000)]",
        LIMIT_BYTES=2_000_000,
    )

    (many,) = programs.run("many")["answers"]

    assert (many["error"], len(many["observations"])) == ("", 10_000)


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
        (
            "x = []\nfor _ in range(70): x = [x]\nreturn [Observation('a', {'x': x})]",
            "nested deeper than 64",
        ),
    ],
    ids=["NaN", "100,000 deep", "no JSON type", "2 GiB", "70 deep"],
)
def test_what_cannot_be_sent_is_an_error_of_that_gather(
    programs: Programs, body: str, error: str
) -> None:
    programs.add("odd", body)
    programs.add("sees", "return [Observation('a')]")

    odd, sees = programs.run("odd", "sees")["answers"]

    assert error in odd["error"]
    assert sees["error"] == ""


@pytest.mark.parametrize("depth", range(200, 3000, 200))
def test_a_deep_gather_costs_no_other(programs: Programs, depth: int) -> None:
    programs.add(
        "odd", f"x = 1\nfor _ in range({depth}): x = [x]\nreturn [Observation('a', {{'x': x}})]"
    )
    programs.add("sees", "return [Observation('a')]")

    odd, sees = programs.run("odd", "sees")["answers"]

    assert odd["error"]
    assert sees["error"] == ""


def test_a_lone_surrogate_costs_its_text_only(programs: Programs) -> None:
    programs.add(
        "odd",
        "return [Observation('a\\ud800', {'k\\udfff': '\\ud800'}, '\\ud800 \\udcff', '\\ud801')]",
    )

    (odd,) = programs.run("odd")["answers"]

    assert odd == {
        "observations": [
            {
                "subject": "a\\ud800",
                "data": {"k\\udfff": "\\ud800"},
                "raw_base64": "XHVkODAwIP8=",
                "error": "\\ud801",
            }
        ],
        "error": "",
    }


def test_what_a_gather_reads_is_no_answer(programs: Programs, tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [
        f"upkeep {transport.new_nonce()} {words}" for words in ("answer 2", "end", "no-python")
    ]
    log.write_text("\n".join(["", *lines, "upkeep:no-python", ""]))
    programs.add("reads", "return [Observation('a', raw=host.read(params['log']))]")

    (reads,) = programs.run("reads", log=str(log))["answers"]

    assert reads["observations"][0]["raw"] == log.read_text()


SHELLS = [
    words
    for words in (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"], ["ksh"], ["mksh"])
    if shutil.which(words[0])
]


def executed(shell: list[str], before: str = "", after: str = "", **others: str) -> Any:
    """Return what stands for Ansible's execution of a command, here by this shell, which talks around it."""

    def execute(script: str, in_data: bytes, executable: str) -> dict[str, Any]:
        done = subprocess.run(
            [*shell, "-c", f"{before}\n({script})\nstatus=$?\n{after}\nexit $status"],
            input=in_data,
            capture_output=True,
            check=False,
            env={**os.environ, **others},
        )
        return {
            "rc": done.returncode,
            "stdout": done.stdout.decode("utf-8", "surrogateescape"),
            "stderr": done.stderr.decode("utf-8", "surrogateescape"),
        }

    return execute


TALK = "printf 'Welcome\\nupkeep:no-python\\nupkeep 00 no-python\\nhalf a line'"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_shell_may_talk_before_and_after(programs: Programs, shell: list[str]) -> None:
    programs.add("sees", "return [Observation('a')]")
    execute = executed(shell, before=TALK, after=TALK)

    carried = transport.carry(execute, programs.build("sees"), NONCE, sys.executable, 60, str)

    assert carried.problem == ""
    (sees,) = payload.parse(carried.answer, ["sees"])["answers"]
    assert sees["observations"] == [{"subject": "a", "data": {}}]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    "python",
    ["#!/bin/sh\nexit 1\n", '#!/bin/sh\necho "upkeep $n end"; exit 3\n', None],
    ids=["too old", "another program", "not there"],
)
def test_no_python_is_told_apart(
    programs: Programs, tmp_path: Path, shell: list[str], python: str | None
) -> None:
    programs.add("sees", "return []")
    path = tmp_path / "it's python"
    if python is not None:
        path.write_text(python)
        path.chmod(0o755)
    execute = executed(shell, before=TALK, after=TALK)

    carried = transport.carry(execute, programs.build("sees"), NONCE, str(path), 60, str)

    assert (carried.kind, carried.problem) == (
        "failed",
        f"no usable {path} (from ansible_python_interpreter): 3.8 or later is needed",
    )


def test_the_nonce_is_on_no_command_line(programs: Programs, tmp_path: Path) -> None:
    programs.add(
        "looks",
        "import glob\n"
        "lines = []\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try:\n"
        "        lines.append(open(path, 'rb').read())\n"
        "    except OSError:  # it has ended\n"
        "        pass\n"
        "return [Observation('a', {'count': len(lines), 'text': repr(lines)})]",
    )

    carried = transport.carry(
        executed(["sh"]), programs.build("looks"), NONCE, sys.executable, 60, str
    )

    (looks,) = payload.parse(carried.answer, ["looks"])["answers"]
    assert looks["observations"][0]["data"]["count"] > 1
    assert NONCE not in looks["observations"][0]["data"]["text"]


def test_a_program_that_fails_is_told_by_its_status_and_last_words(programs: Programs) -> None:
    execute = executed(["sh"], before="echo noise", after="echo noise")

    carried = transport.carry(execute, b"raise SystemExit('so it is')", NONCE, "", 60, str)

    assert carried.problem == "the program ended with status 1 and no answer: so it is"


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
    programs.add(
        "reads", "return [Observation(str(len(host.read_head(params['log'], 4_000_000))))]"
    )
    programs.add("eats", "data = bytearray()\nwhile True: data += b'x' * (8 << 20)")
    service = subprocess.Popen(["sleep", "100"])
    (little_memory / "cgroup.procs").write_text(str(service.pid))
    program = tmp_path / "program"
    program.write_bytes(programs.build("reads", "eats", log=str(log)))
    join = f"echo $$ > {little_memory}/cgroup.procs; exec {sys.executable} -I -S - < {program}"

    done = subprocess.run(["sh", "-c", join], capture_output=True, check=False)
    alive = service.poll() is None
    service.kill()
    service.wait()

    reads, eats = programs.read(done.stdout, "reads", "eats")["answers"]
    assert reads["observations"][0]["subject"] == "4000000"
    assert eats["error"] == "ended without an answer (killed by signal 9)"
    assert alive
