"""A file of SQLite is not mostly free room.

What was deleted leaves free pages in the file; they are used again, but never given back. Checks their share, from a
size on at which it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    FreePages,
)
from upkeep.checks.databases._sessions import MIB, sqlite
from upkeep.checks.databases._topics import of_topic
from upkeep.judging import readings
from upkeep.judging.check import Check, gone
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Free pages from which a file fails, if it has come to both.

    low_percent: of the file, in percent.
    low_mib: in MiB.
    """

    low_percent: float = 20.0
    low_mib: float = 16.0


@of_topic("free_pages")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the share of free pages."""
    pages = seen.free_pages or FreePages(0, 0, 0)
    read = readings.counted(pages.page_bytes, pages.pages, pages.free)
    if read is None or pages.page_bytes == 0:
        return unknown("the file was not understood")
    free, whole = pages.free * pages.page_bytes, pages.pages * pages.page_bytes
    percent = 100 * free / max(1, whole)
    measures = (Measure("free", free, "By"), Measure("share", round(percent, 3), "%"))
    text = f"{size(free)} of {size(whole)} are free pages ({percent:.1f} %)"
    limit = f"limit {limits.low_percent:g} % and {limits.low_mib:g} MiB"
    if percent >= limits.low_percent and free >= limits.low_mib * MIB:
        remedy = _give_back(seen.subject, pages, whole)
        return failed(Severity.LOW, f"{text}; {limit}", *measures, remedy=remedy)
    return passed(f"{text}; {limit}", *measures)


def _give_back(subject: str, pages: FreePages, whole: int) -> str:
    """Return how to give room back; a rewrite only where there is twice the file's size free."""
    if pages.auto_vacuum == "incremental":
        return sqlite(
            subject, "decide: it holds the file for a moment", "PRAGMA incremental_vacuum"
        )
    if pages.disk_free_bytes is None or pages.disk_free_bytes < 2 * whole:
        return f"decide: VACUUM writes the file anew; first make {size(2 * whole)} free on its disk"
    words = "decide: stop the application first: it writes the whole file anew"
    return sqlite(subject, words, "VACUUM;")


CHECK = Check(
    title="Files of SQLite are not mostly free room",
    trouble="Free pages in SQLite",
    why="The room is missing on the disk and in each backup.",
    cannot_see="Pages that are only half full.",
    measures={"free": MeasureKind.STATE, "share": MeasureKind.SHARE},
    source="SQLite: PRAGMA freelist_count, VACUUM; our limits",
    remedy="decide: write the file anew by VACUUM, if it will not grow again",
    limits=Limits(),
    judge=judge,
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    absence={"databases": gone()},
)
