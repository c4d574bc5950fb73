"""What checks of the objects in a database share: which rows are bad, what is said of them, and what fixes it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Generic, Protocol, TypeVar

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_tables import (
    AT_MOST,
)
from upkeep.checks.databases._sessions import by_limit, told
from upkeep.checks.databases._sessions import psql as of_administrator
from upkeep.judging.readings import short
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

MIB = 1 << 20
DAY = 86_400


class NamedRow(Protocol):
    """A row of a topic."""

    @property
    def name(self) -> str:
        """Return the object's name, as SQL writes it."""
        ...


Row = TypeVar("Row", bound=NamedRow)


@dataclasses.dataclass(frozen=True)
class Rows(Generic[Row]):
    """The rows of a topic, and how they are told.

    said: what is said of one. fix: the remedy for one. ignore: shell patterns of names that are left out.
    """

    rows: Sequence[Row]
    said: Callable[[Row], str]
    fix: Callable[[Row], str]
    ignore: Sequence[str] = ()

    def judged(
        self,
        healthy: str,
        *levels: tuple[Severity, Callable[[Row], bool], str],
        measures: Sequence[Measure] = (),
    ) -> Verdict:
        """Return the verdict of the first level that has a row; a level is severity, which rows are bad, and its limit.

        Those of later levels are counted too. The rows are in the order in which they are told.
        If all that fit in the list are left out, others may be bad.
        """
        if any(map(is_odd, self.rows)):
            return unknown("a number that cannot be was reported")
        rows = [one for one in self.rows if not is_left_out(one.name, self.ignore)]
        bad = by_limit(rows, levels)
        if bad:
            severity, worst, _limit = bad[0]
            least = "at least " if len(self.rows) >= AT_MOST else ""
            text = told(bad, self.said, least)
            return failed(severity, text, *measures, remedy=self.fix(worst[0]))
        if len(self.rows) >= AT_MOST and not rows:
            return unknown(f"only {AT_MOST} were reported, and `ignore` leaves out all of them")
        left_out = len(self.rows) - len(rows)
        return passed(f"{healthy}; {left_out} left out" if left_out else healthy, *measures)


def is_left_out(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name fits a shell pattern."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_odd(row: object) -> bool:
    """Return whether one of a row's numbers is negative or not finite."""
    values = vars(row).values()
    return any(
        not 0 <= value < math.inf
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool)
    )


def name_of(name: str) -> str:
    """Return an object's name for a message."""
    return short(name, 130)


def psql(subject: str, statement: str, words: str, *more: str) -> str:
    """Return the remedy that runs statements in the subject; nothing, so that the check's own holds, if it names none.

    subject: `postgresql upkeep@127.0.0.1:5432/shop`.
    """
    found = re.fullmatch(r"postgresql .+?:\d+/(.+)", subject, re.DOTALL)
    return of_administrator(words, statement, *more, database=found.group(1)) if found else ""


def standby_verdict(what: str) -> Verdict:
    """Return the verdict on a standby, which counts nothing of this kind itself."""
    return nothing_to_judge(f"a standby: its primary counts {what}")
