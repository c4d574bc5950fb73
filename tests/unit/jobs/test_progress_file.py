"""The file of a long job: whole at any time, and not believed of a process that is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs import progress
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.progress import (
    ProgressFile,
    began,
    read_progress,
    shown_fields,
    wait_for_step,
)

SAID = {"title": "restoring orders", "step": "restore", "set": "orders"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "running.json"


def test_what_is_told_is_read_until_it_ends(path: Path) -> None:
    file = ProgressFile(str(path))

    file.tell({**SAID, "number": 2, "of": 7, "share": 0.4})
    told = read_progress(str(path))
    file.end()
    file.end()

    assert told == {
        **SAID,
        "number": 2,
        "of": 7,
        "share": 0.4,
        "pid": os.getpid(),
        "pid_started": began(os.getpid()),
    }
    assert read_progress(str(path)) is None
    assert list(path.parent.iterdir()) == []


def test_a_file_that_cannot_be_written_costs_the_job_nothing(tmp_path: Path) -> None:
    file = ProgressFile(str(tmp_path / "gone" / "running.json"))

    file.tell(SAID)
    file.end()


@pytest.mark.parametrize(
    "said",
    [
        {"pid": 1, "pid_started": 1},
        {"pid_started": 0},
        {"pid_started": None},
        {"pid": True},
        {"pid": -1},
        {"pid": 1 << 40},
        {"title": "t" * progress.FILE_BYTES},
    ],
    ids=lambda said: str(said)[:40],
)
def test_a_file_of_no_living_job_is_not_believed(path: Path, said: dict[str, Any]) -> None:
    ProgressFile(str(path)).tell(SAID)
    path.write_text(json.dumps({**json.loads(path.read_text()), **said}))

    assert read_progress(str(path)) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 9_000, "\xff", "null"], ids=repr)
def test_a_file_that_is_not_understood_is_none(path: Path, text: str) -> None:
    path.write_text(text, encoding="latin-1")

    assert read_progress(str(path)) is None


def test_what_others_may_write_and_what_is_no_file_is_not_read(path: Path) -> None:
    ProgressFile(str(path)).tell(SAID)
    link, pipe = path.with_name("link"), path.with_name("pipe")
    link.symlink_to(path)
    os.mkfifo(pipe)
    assert read_progress(str(path))

    path.chmod(0o666)

    assert [read_progress(str(one)) for one in (path, link, pipe)] == [None] * 3


def test_it_is_waited_for_another_step_and_not_for_another_share(path: Path) -> None:
    file = ProgressFile(str(path))
    file.tell(SAID)
    known = shown_fields(read_progress(str(path)))
    file.tell({**SAID, "share": 0.5})
    same = wait_for_step(str(path), known, 0)
    file.tell({**SAID, "step": "count"})
    other = wait_for_step(str(path), known, 600)
    file.end()

    assert same == {**(known or {}), "share": 0.5}
    assert other == {**(known or {}), "step": "count"}
    assert wait_for_step(str(path), known, 600) is None


def test_its_text_alone_is_a_program_that_says_it_behind_a_nonce(path: Path) -> None:
    ProgressFile(str(path)).tell(SAID)
    source = Path(progress.__file__).read_text()
    call = f"main('nonce', '$FOLDER/{path.name}', None, 600)\n"

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"],
        input=source + call,
        env={"FOLDER": str(path.parent)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout.removeprefix("\nnonce ")) == shown_fields(
        read_progress(str(path))
    )


def test_it_ends_when_nobody_reads_what_it_says(path: Path) -> None:
    ProgressFile(str(path)).tell(SAID)
    known = shown_fields(read_progress(str(path)))
    source = Path(progress.__file__).read_text()
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert started.stdin
    assert started.stdout
    started.stdin.write(f"{source}\nmain('nonce', {str(path)!r}, {known!r}, 1e9)\n")
    started.stdin.close()

    started.stdout.close()

    started.wait()
