"""A skip that nobody has written down fails the run in CI, and only there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import skips
from patience import PATIENCE_SECONDS

CONFTEST = "import skips\ndef pytest_configure(config):\n    skips.watch(config)\n"
PASSES = "def test_passes(): pass\n"
SKIPPED = """
import pytest
@pytest.mark.parametrize("name", ["a b"])
def test_skipped(name):
    pytest.skip("nobody has a moon")
"""
MARKED = """
import pytest
@pytest.mark.skip(reason="nobody has a moon")
def test_marked(): pass
"""
IN_FIXTURE = """
import pytest
@pytest.fixture
def moon():
    pytest.skip("nobody has a moon")
def test_in_fixture(moon): pass
"""
WHOLE_FILE = """
import pytest
pytest.skip("nobody has a moon", allow_module_level=True)
"""
MISSING = """
import pytest
pytest.importorskip("no_such_module_of_a_moon")
"""
EXPECTED = """
import pytest
@pytest.mark.xfail(reason="nobody has a moon")
def test_expected(): assert False
"""
PASSES_ALL_THE_SAME = EXPECTED.replace("assert False", "pass")


CASES = {
    "skip": (SKIPPED, "tests/test_skip.py::test_skipped[a b]: nobody has a moon"),
    "mark": (MARKED, "tests/test_mark.py::test_marked: nobody has a moon"),
    "fixture": (IN_FIXTURE, "tests/test_fixture.py::test_in_fixture: nobody has a moon"),
    "file": (WHOLE_FILE, "tests/test_file.py: nobody has a moon"),
    "import": (MISSING, "tests/test_import.py: could not import 'no_such_module_of_a_moon'"),
    "xfail": (EXPECTED, "tests/test_xfail.py::test_expected: nobody has a moon"),
    "xpass": (PASSES_ALL_THE_SAME, "tests/test_xpass.py::test_expected: nobody has a moon"),
}


def run(
    folder: Path, texts: dict[str, str], known: str, *options: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest on files, with a skips.txt."""
    tests = folder / "tests"
    tests.mkdir()
    shutil.copy(Path(skips.__file__), tests)
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['tests']\n")
    (tests / "skips.txt").write_text(known)
    (tests / "conftest.py").write_text(CONFTEST)
    for name, text in {**texts, "other": PASSES}.items():
        (tests / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "tests"]
    return subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "CI"}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["one process", "xdist"])
def test_in_ci_each_skip_that_is_not_written_down_fails_and_is_named(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    texts = {name: text for name, (text, _told) in CASES.items()}

    done = run(tmp_path, texts, "tests/test_other.py::* nobody has a moon\n", *workers, CI="1")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "fail this run" in done.stdout
    assert [told for _text, told in CASES.values() if told not in done.stdout] == []


def test_in_ci_what_is_written_down_passes(tmp_path: Path) -> None:
    known = "tests/test_skip.py::test_skipped[a?b] nobody has a moon\n"

    done = run(tmp_path, {"skip": SKIPPED}, known, CI="true")

    assert done.returncode == 0, done.stdout + done.stderr


def test_elsewhere_it_is_told_and_fails_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, {"skip": SKIPPED}, "")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "would fail in CI" in done.stdout
    assert "test_skipped[a b]: nobody has a moon" in done.stdout


@pytest.mark.parametrize(
    ("line", "covers"),
    [
        ("tests/test_moon.py::test_skipped* nobody has a moon", True),
        ("tests/test_moon.py::test_skipped[a?b] moon", True),
        ("tests/test_moon.py::test_skipped[a b] nobody has a moon", False),
        ("tests/test_moon.py::test_skipped* nobody has a sun", False),
        ("tests/test_sun.py::* nobody has a moon", False),
        ("tests/test_moon.py nobody has a moon", False),
    ],
    ids=["named", "brackets", "a blank ends a pattern", "another reason", "another file", "a file"],
)
def test_a_line_covers_a_test_and_its_reason(line: str, covers: bool) -> None:
    (known,) = skips.read(line)

    assert known.covers("tests/test_moon.py::test_skipped[a b]", "nobody has a moon") == covers


def test_each_line_says_why() -> None:
    assert skips.read(skips.KNOWN.read_text())
    with pytest.raises(ValueError, match="line 2: a skip without a reason"):
        skips.read("# a comment\ntests/x.py::test_y\n")
