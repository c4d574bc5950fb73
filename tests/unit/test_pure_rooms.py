"""What is pure reads no clock, no file and no environment: what it needs is given to it. Libraries: make lint."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOMS = Path(__file__).parents[2] / "python" / "upkeep"
PURE = ("model", "judging", "checks", "schedule", "rules")
CALLS = (
    "open", "now", "today", "utcnow", "read_text", "read_bytes", "write_text", "write_bytes", "getenv", "exists",
    "is_file", "is_dir", "iterdir", "rglob", "glob", "listdir", "scandir", "stat", "system", "popen", "urlopen",
    "connect", "getuser", "unlink", "mkdir",
)  # fmt: skip
IMPORTED = ("environ", "argv", "getenv")
READS = {
    "model/clock.py": "the one place that reads the time of day",
    "model/remedies.py": "how this program was called, for a command that can be pasted",
    "judging/canaries.py": "the recorded bad inputs beside the checks, once",
    "judging/documentation.py": "the documentation of our own modules, once",
    "schedule/calendars.py": "a calendar file that the schedule names",
}
"""What reads something all the same, and what."""


def impure(path: Path) -> list[str]:
    """Return what a file reads or writes by itself."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in CALLS:
                found.append(f"line {node.lineno}: {name}()")
        elif isinstance(node, ast.Attribute) and node.attr in ("environ", "argv"):
            found.append(f"line {node.lineno}: {node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            names = [one.name for one in node.names if one.name in IMPORTED]
            found += [f"line {node.lineno}: {one}" for one in names]
    return found


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_reads_nothing_by_itself(room: str) -> None:
    files = sorted((ROOMS / room).rglob("*.py"))
    found = {path.relative_to(ROOMS).as_posix(): impure(path) for path in files}

    assert files
    assert {name: calls for name, calls in found.items() if calls and name not in READS} == {}


@pytest.mark.parametrize("name", READS)
def test_what_reads_something_is_still_there(name: str) -> None:
    assert impure(ROOMS / name), f"{name} is pure now: take it off the list"
