"""Each test that may be skipped is known: skips.txt names it, with the reason.

Where CI is set, any other skip fails the run, and so does any other test that is expected to fail. Elsewhere they are
told of: a machine without root or without a program runs what it can.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

KNOWN = Path(__file__).with_name("skips.txt")


@dataclass(frozen=True)
class Known:
    """A line of skips.txt. pattern: of a test's id, as fnmatch has it; reason: a part of what the test says."""

    pattern: str
    reason: str

    def covers(self, test: str, said: str) -> bool:
        # Brackets stand in the ids of parametrized tests.
        pattern = self.pattern.replace("[", "[[]")
        return self.reason in said and fnmatchcase(test, pattern)


def read(text: str) -> list[Known]:
    """Return the lines of skips.txt; raise ValueError for one without a reason."""
    known = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            pattern, _, reason = line.partition(" ")
            if not reason.strip():
                raise ValueError(f"line {number}: a skip without a reason: {line}")
            known.append(Known(pattern, reason.strip()))
    return known


class Skips:
    """Hears of each skip, in the process that reports; xdist hands its workers' reports to that one."""

    def __init__(self, known: Iterable[Known], *, strict: bool) -> None:
        self.known = list(known)
        self.strict = strict
        self.unknown: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped or hasattr(report, "wasxfail"):
            self._hear(report.nodeid, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._hear(report.nodeid, report)

    def _hear(self, test: str, report: Any) -> None:
        said = str(getattr(report, "wasxfail", ""))
        if not said:
            longrepr = report.longrepr
            said = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
        said = " ".join(said.removeprefix("Skipped: ").split())
        if not any(one.covers(test, said) for one in self.known):
            self.unknown[test] = said

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if (
            self.strict
            and self.unknown
            and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.unknown:
            return
        what = "fail this run" if self.strict else "would fail in CI"
        terminalreporter.section(f"skips that {KNOWN.name} does not name; they {what}")
        for test, said in sorted(self.unknown.items()):
            terminalreporter.write_line(f"{test}: {said}")


def watch(config: pytest.Config) -> None:
    """Let the process that reports hear of skips."""
    if not hasattr(config, "workerinput"):
        known = read(KNOWN.read_text(encoding="utf-8"))
        strict = bool(os.environ.get("CI"))
        config.pluginmanager.register(Skips(known, strict=strict), "skips")
