"""The scripts behind `make test` and `make test-busy`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import oldest
import psutil
import pytest
from patience import PATIENCE_SECONDS, eventually

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
BUSY = str(TOOLS / "beside-busy")


def spinning(script: int) -> list[psutil.Process]:
    """The processes that keep the machine busy for a script."""
    found = []
    for one in psutil.Process(script).children():
        with contextlib.suppress(psutil.Error):  # it may have ended meanwhile
            if one.cmdline()[3:5] == ["spin", str(script)]:
                found.append(one)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_keeps_the_machine_busy_ends_with_the_script(
    tmp_path: Path, number: signal.Signals
) -> None:
    goes_on = tmp_path / "goes on"
    goes_on.touch()
    wait = ["sh", "-c", 'while [ -e "$0" ]; do sleep 0.1; done', str(goes_on)]
    with subprocess.Popen([BUSY, *wait]) as script:
        try:
            busy = eventually(lambda: found if len(found := spinning(script.pid)) >= 2 else [])
        finally:
            script.send_signal(number)
            goes_on.unlink()

    _gone, left = psutil.wait_procs(busy, timeout=PATIENCE_SECONDS)
    assert left == []


def test_its_status_is_the_commands(tmp_path: Path) -> None:
    done = subprocess.run([BUSY, "sh", "-c", "exit 7"], timeout=PATIENCE_SECONDS)

    assert done.returncode == 7


@pytest.mark.parametrize(
    ("fails", "status", "end"),
    [("none", 0, "all tests passed"), ("unit", 1, "FAILED: unit"), ("long", 1, "FAILED: long")],
)
def test_all_targets_are_made_and_the_end_says_how_it_went(
    tmp_path: Path, fails: str, status: int, end: str
) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho made "$2"\n[ "$2" != {fails} ]\n')
    make.chmod(0o755)
    done = subprocess.run(
        [sys.executable, TOOLS / "test-all", "unit,long", "lint"],
        env=os.environ | {"MAKE": str(make)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    lines = done.stdout.splitlines()
    assert done.returncode == status
    made = [line for line in lines if line.startswith("made")]
    assert sorted(made) == ["made lint", "made long", "made unit"]
    assert made.index("made unit") < made.index("made long")
    assert lines[-1] == end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_being_made_ends_when_all_is_to_end(tmp_path: Path, number: signal.Signals) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\ntouch "{tmp_path}/$2"\nexec sleep 3600\n')
    make.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, TOOLS / "test-all", "unit,long", "lint"],
        env=os.environ | {"MAKE": str(make)},
        stdout=subprocess.PIPE,
        text=True,
    ) as script:
        eventually(lambda: {"unit", "lint"} <= {one.name for one in tmp_path.iterdir()})
        below = psutil.Process(script.pid).children()
        script.send_signal(number)
        said, _ = script.communicate(timeout=PATIENCE_SECONDS)

    assert script.returncode == 1
    assert said.splitlines()[-1].startswith("FAILED: ")
    assert not (tmp_path / "long").exists()
    assert not any(one.is_running() for one in below)


def test_a_guard_that_was_killed_is_followed_by_one_that_knows_as_much(tmp_path: Path) -> None:
    script = """
import os, signal, subprocess, sys
from pathlib import Path
import left_behind
left_behind.guard()
for name in ("a", "b", "c"):
    left_behind.remove_at_the_end(Path(sys.argv[1], name))
    if name == "a":
        [one] = left_behind._guards
        one.process.kill()
        one.process.wait()
subprocess.Popen(["sleep", "3600"])
os.kill(os.getpid(), signal.SIGKILL)
"""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "helpers")},
        capture_output=True,
        text=True,
    )

    assert done.returncode == -signal.SIGKILL
    assert "the guard of the tests ended with -9" in done.stderr
    eventually(lambda: not any(tmp_path.iterdir()))


@pytest.mark.parametrize("named", oldest.BECAUSE)
def test_what_runs_on_the_oldest_python_is_there(named: str) -> None:
    path, _colons, test = named.partition("::")

    assert f"def {test}(" in (ROOT / path).read_text() if test else (ROOT / path).is_file()


def test_what_measures_can_be_loaded() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "bench" / "run.py"), "--help"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "--only" in done.stdout
