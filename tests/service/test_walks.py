"""The walks of docs/write-a-check.md, taken literally in a copy of the tree, and tools/new, which they begin with."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from walked import Walk, WrittenFile, walks

ROOT = Path(__file__).parents[2]
WALKS = walks()
EMPTY = (
    "the canary of idle_hosts is empty: put a bad input that was seen into idle_hosts.canary.json"
)

pytestmark = pytest.mark.long


class ScratchCopy:
    """A copy of the tree, with its environment, in which commands are typed."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "upkeep"
        self.state = folder / "state"
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
            path = ROOT / name
            if name and (path.is_symlink() or path.is_file()):
                copy = self.root / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy, follow_symlinks=False)
        self._compiled()
        (self.root / ".venv").symlink_to(sys.prefix)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.before = self.contents()

    def _compiled(self) -> None:
        """Copy what Python has compiled of the program: it belongs to files of the same size and time, as the copies are."""
        for top in ("python/upkeep", "plugins"):
            for path in (ROOT / top).rglob("__pycache__/*.pyc"):
                copy = self.root / path.relative_to(ROOT)
                if copy.parent.parent.is_dir():
                    copy.parent.mkdir(exist_ok=True)
                    shutil.copyfile(path, copy)

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Type a line; what is imported is the copy's."""
        kept = ("PATH", "HOME", "LANG", "LC_ALL")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {
            "PYTHONPATH": str(self.root / "python"),
            "TMPDIR": str(self.temporary),
            "UPKEEP_STATE": str(self.state),
        }
        return subprocess.run(
            ["sh", "-c", line], cwd=self.root, env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip

    def write(self, file: WrittenFile) -> None:
        path = self.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")

    def complaints(self, types: Path) -> list[str]:
        """Return what linters say. types: of mypy, which looks anew at what is not as it was when it wrote there."""
        mypy = f"mypy --cache-dir {shlex.quote(str(types))}"
        tools = ("ruff check .", "ruff format --check .", mypy, "lint-imports --no-cache")
        ran = [self.type(f".venv/bin/{one}") for one in tools]
        return [one.stdout + one.stderr for one in ran if one.returncode]

    def contents(self) -> dict[str, bytes]:
        """Return what the files are that git would keep."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and not path.is_symlink()
            if not {".venv", "__pycache__"} & {*path.relative_to(self.root).parts}
        }

    def touched(self) -> set[str]:
        """Return the files that are new, gone or other than before."""
        now = self.contents()
        return {one for one in {*now, *self.before} if now.get(one) != self.before.get(one)}


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> ScratchCopy:
    # Not in a folder with the test's name: Ansible makes a socket below, whose path has 107 characters at most.
    return ScratchCopy(tmp_path_factory.mktemp("walk"))


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of the checkout, if `make lint` was here before: to find it out takes half a minute."""
    folder = tmp_path_factory.mktemp("types")
    for known in (ROOT / ".mypy_cache").rglob("*.db"):
        copy = folder / known.relative_to(ROOT / ".mypy_cache")
        copy.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(known)) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)  # whole, also while somebody writes
    return folder


def unfilled(patterns: list[str], files: set[str]) -> tuple[list[str], set[str]]:
    """Return the patterns that no file has, and the files that have none; `<x>` is any word."""
    had = set()
    lacking = []
    for pattern in patterns:
        like = "[a-z0-9_]+".join(map(re.escape, re.split(r"<\w+>", pattern)))
        found = {one for one in files if re.fullmatch(like, one)}
        had |= found
        lacking += [] if found else [pattern]
    return lacking, files - had


def test_there_are_five_walks() -> None:
    assert [one.title for one in WALKS] == [
        "a check on something gathered",
        "a check on something new",
        "a site check",
        "a check with history",
        "a page",
    ]
    assert all(len(one.steps) > 4 for one in WALKS)


@pytest.mark.parametrize("walk", WALKS, ids=[one.title.replace(" ", "-") for one in WALKS])
def test_a_walk_does_what_it_says_and_touches_what_the_table_says(
    scratch: ScratchCopy, walk: Walk
) -> None:
    for step in walk.steps:
        if isinstance(step, WrittenFile):
            scratch.write(step)
        else:
            done = scratch.type(step.line)
            assert step.missing(done.stdout) == [], f"{step.line}\n{done.stdout}\n{done.stderr}"

    touched = scratch.touched()
    assert unfilled(walk.touches, touched) == ([], set())
    assert len(touched) == walk.files


def test_what_all_walks_and_tools_new_write_passes_all_tests_but_that_of_the_empty_canary_and_lint(
    scratch: ScratchCopy, types: Path
) -> None:
    """All in one copy: the linters and thousands of tests run once. The walks and what is beside them share no file."""
    for step in (one for walk in WALKS for one in walk.steps):
        if isinstance(step, WrittenFile):
            scratch.write(step)
        elif step.line.startswith((".venv/bin/python tools/new ", "echo ")):
            assert scratch.type(step.line).returncode == 0
    made = scratch.type(".venv/bin/python tools/new check hosts idle_hosts --gather host_resources")
    assert made.returncode == 0, made.stderr

    assert scratch.complaints(types) == []
    foreign = scratch.type(
        "env -u UPKEEP_STATE .venv/bin/pytest -q tests/unit/test_foreign_input.py"
        " -k 'passes_on_foreign_input and (reboot or accounts)'"
    )
    assert foreign.returncode == 0, foreign.stdout
    tests = scratch.type(
        "env -u UPKEEP_STATE .venv/bin/pytest -q"
        " tests/unit/checks tests/unit/judging tests/unit/rules tests/unit/site tests/unit/test_[cdp]*.py"
    )
    assert re.findall(r"^E +AssertionError: (.*)", tests.stdout, re.MULTILINE) == [
        f"{EMPTY}, and into `origin` where it is from"
    ]
    assert re.search(r"^1 failed, \d+ passed", tests.stdout, re.MULTILINE), tests.stdout


# --- tools/new -------------------------------------------------------------------------------------------------------
def test_what_is_made_is_named_and_nothing_else_is_touched(scratch: ScratchCopy) -> None:
    made = scratch.type(".venv/bin/python tools/new check hosts idle_hosts --gather host_resources")

    assert made.returncode == 0, made.stderr
    assert set(made.stdout.splitlines()[:-1]) == scratch.touched()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("check hostz idle --gather reboot", "family 'hostz': expected one of "),
        ("check hostz idle --gather reboot", "; did you mean 'hosts'?"),
        ("check upkeep idle --gather reboot", "family 'upkeep': expected one of "),
        ("check hosts idle --gather rebot", "; did you mean 'reboot'?"),
        ("check hosts idle", "--gather: expected one of access_log, "),
        ("check hosts disk_space --gather reboot", "choose another"),
        ("check hosts logins --gather reboot", "id 'logins': a family is called so"),
        ("check hosts Idle --gather reboot", "id 'Idle': expected 3 to 40 of a-z, 0-9 and _"),
        ("check hosts ../idle --gather reboot", "id '../idle': expected 3 to 40"),
        ("check hosts class --gather reboot", "id 'class': expected 3 to 40"),
        ("chek hosts idle", "invalid choice: 'chek'"),
        ("", "arguments are required: check"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    shared_scratch: ScratchCopy, words: str, says: str
) -> None:
    done = shared_scratch.type(f".venv/bin/python tools/new {words}")

    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert shared_scratch.touched() == set()


@pytest.fixture(scope="module")
def shared_scratch(tmp_path_factory: pytest.TempPathFactory) -> ScratchCopy:
    """For what writes nothing."""
    return ScratchCopy(tmp_path_factory.mktemp("shared"))
