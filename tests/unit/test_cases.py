"""Inputs rebuilt from bug reports of other tools, from a site's entry through gather and judge to what must come."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import yaml
from judged import judged
from rooted_host import RootedHost

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Ran
from upkeep.model.verdicts import Result, Status

FOLDER = Path(__file__).parent / "recorded" / "cases"
CASES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "cases.yml").read_text("utf-8"))
REAL = ("apt-cache", "apt-get", "apt-mark", "dpkg", "dpkg-query", "logrotate", "openssl", "stat")
WORST_LAST = (Status.PASS, Status.UNKNOWN, Status.FAIL)


def entries() -> Iterator[Any]:
    """Give each entry of each case."""
    for name, case in CASES.items():
        for one in case.get("entries", ()):
            check = one["entry"]["check"]
            yield pytest.param(name, one["entry"], one["expect"], id=f"{name}-{check}")


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the host's zone be UTC, for lines that name none."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def fetch(folder: Path, config: str) -> dict[str, str]:
    """Fetch the lists of apt's archives below the folder; return what apt and dpkg must be told to work there."""
    for path in (
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "etc/apt/apt.conf.d",
    ):
        (folder / path).mkdir(parents=True)
    told = {"APT_CONFIG": f"{folder}/{config}", "DPKG_ADMINDIR": f"{folder}/var/lib/dpkg"}
    command = ["apt-get", "--quiet", "update"]
    subprocess.run(
        command, check=True, capture_output=True, timeout=300, env={**os.environ, **told}
    )
    return told


def placed(name: str, folder: Path) -> RootedHost:
    """Return a host on which the case's files lie below folder, written at the time of its clock."""
    case = CASES[name]
    shutil.copytree(FOLDER / name, folder, symlinks=True)
    for path in case.get("fill", ()):
        text = (folder / path).read_text("utf-8")
        (folder / path).write_text(text.replace("@folder@", str(folder)), "utf-8")
    told = fetch(folder, case["apt"]) if "apt" in case else None
    clock = case["at"].astimezone(UTC).timestamp() if "at" in case else None
    if clock is not None:
        for path in folder.rglob("*"):
            os.utime(path, (clock, clock), follow_symlinks=False)
    said = {
        line: Ran(0, (folder / path).read_text()) for line, path in case.get("commands", {}).items()
    }
    return RootedHost(folder if case.get("rooted") else "", clock, said, REAL, told)


def in_folder(value: Any, folder: Path) -> Any:
    """Return the entry's value with its `/x` as files of the folder."""
    if isinstance(value, list):
        return [in_folder(one, folder) for one in value]
    return f"{folder}{value}" if isinstance(value, str) and value.startswith("/") else value


def worst_of(pattern: str, results: list[Result], folder: Path) -> Result:
    """Return the worst result on the subjects that the pattern names."""
    named = [one for one in results if fnmatch.fnmatchcase(one.subject, pattern)]
    assert named, f"nothing was said of {pattern}, only of {[one.subject for one in results]}"
    return max(named, key=lambda one: WORST_LAST.index(one.status))


@pytest.mark.parametrize(("name", "entry", "expect"), [*entries()])
def test_a_case_is_judged_as_it_should_be(
    name: str,
    entry: dict[str, Any],
    expect: dict[str, str],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "case"
    if "apt" in CASES[name] and not shutil.which("apt-get"):
        pytest.skip("no apt-get here")
    host = placed(name, folder)

    results = judged({key: in_folder(value, folder) for key, value in entry.items()}, host)

    for subject, expected in expect.items():
        statuses, _colon, message = expected.partition(": ")
        found = worst_of(in_folder(subject, folder), results, folder)
        assert found.status.value in statuses.split("|"), found.message
        assert re.search(message, found.message), found.message


def test_every_case_is_tried_or_says_where_it_is() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}

    assert folders == set(CASES)
    for name, case in CASES.items():
        assert case.get("entries") or case.get("elsewhere"), name
