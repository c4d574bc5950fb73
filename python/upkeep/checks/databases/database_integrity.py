"""A file of SQLite is whole.

SQLite looks at each page, row and index of a file and says what does not fit together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    IntegrityAnswer,
)
from upkeep.checks.databases._sessions import listed
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

MOST = 100
"""How many SQLite is asked for."""


@dataclass(frozen=True)
class Limits:
    """No limits: a file is whole or it is not."""


@of_topic("integrity")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge what SQLite said of the file."""
    answer = seen.integrity or IntegrityAnswer("", -1)
    if answer.problems < 0:
        return unknown("SQLite gave no answer that is understood")
    measure = Measure("problems", answer.problems)
    if answer.problems:
        more = " or more" if answer.problems >= MOST else ""
        text = f"{short(answer.how, 30)} found {counted(answer.problems, 'problem')}{more}"
        named = listed([short(one, 120) for one in answer.named])
        return failed(Severity.CRITICAL, f"{text}: {named}; expected: none", measure)
    tables = (
        " in tables; indexes were left out for want of time" if answer.how == "quick_check" else ""
    )
    return passed(f"{short(answer.how, 30)} found no problem{tables}", measure)


CHECK = Check(
    title="Files of SQLite are whole",
    trouble="Damaged SQLite",
    why="What is damaged is read wrongly or not at all, and backups keep it so.",
    cannot_see="Whether the rows are the right ones. What the application holds in memory.",
    measures={"problems": MeasureKind.STATE},
    source="SQLite: PRAGMA integrity_check, PRAGMA quick_check",
    remedy="decide: restore the file from its newest backup that is whole; see the disk's log for the cause",
    controls=("45 CFR 164.312(c)(1)",),
    limits=Limits(),
    judge=judge,
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    absence={"databases": gone()},
)
