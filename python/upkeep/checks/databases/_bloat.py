"""How much of tables and indexes is empty: what database_table_bloat and database_index_bloat judge alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    Bloat,
    Bloated,
    DatabaseObjects,
)
from upkeep.checks.databases._objects import MIB, Rows, is_left_out, name_of, psql
from upkeep.checks.databases._sessions import besides, listed, placed
from upkeep.judging.readings import short
from upkeep.model.text import counted, size
from upkeep.model.verdicts import Measure, Severity, Status, Verdict, unknown

ANALYZED_AT_ONCE = 10
"""Tables that one statement names."""


@dataclass(frozen=True)
class Limits:
    """How much of one may be empty: both limits must be reached.

    min_percent: of its size, in percent.
    medium_mib: in MiB.
    high_mib: in MiB.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    min_percent: float = 40.0
    medium_mib: float = 100.0
    high_mib: float = 10_240.0
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mending:
    """What is judged, and what fixes it. statement: `{name}` stands for its name; words: what to know first."""

    what: str
    statement: str
    words: str


def judged(
    bloat: Bloat, limits: Limits, seen: DatabaseObjects, mending: Mending, measure: Measure
) -> Verdict:
    """Return the verdict on those with the most room that nothing uses, and how many were not estimated, and why."""

    def fix(one: Bloated) -> str:
        return psql(seen.subject, mending.statement.replace("{name}", one.name), mending.words)

    rows = Rows(bloat.worst, _said, fix, limits.ignore)
    levels = [
        (severity, lambda one, mib=mib: _is_bad(one, limits, mib), _limit(limits, mib))
        for severity, mib in (
            (Severity.HIGH, limits.high_mib),
            (Severity.MEDIUM, limits.medium_mib),
        )
    ]
    healthy = f"no {mending.what} wastes as much; {_limit(limits, limits.medium_mib)}"
    verdict = rows.judged(healthy, *levels, measures=[measure])
    verdict = replace(verdict, message=verdict.message + _not_estimated(bloat))
    bare = [one for one in bloat.not_analyzed if not is_left_out(one, limits.ignore)]
    return _without_statistics(verdict, bare, seen) if bare else verdict


def wasted_bytes(bloat: Bloat) -> int:
    """Return the most room that one wastes."""
    return max((one.wasted_bytes for one in bloat.worst), default=0)


def _is_bad(one: Bloated, limits: Limits, mib: float) -> bool:
    share = 100 * one.wasted_bytes / max(1, one.size_bytes)
    return one.wasted_bytes >= mib * MIB and share >= limits.min_percent


def _limit(limits: Limits, mib: float) -> str:
    return f"limit {size(mib * MIB)} and {limits.min_percent:g} %"


def _said(one: Bloated) -> str:
    share = 100 * one.wasted_bytes / max(1, one.size_bytes)
    return (
        f"{name_of(one.name)} has about {size(one.wasted_bytes)} of {size(one.size_bytes)} "
        f"({share:.0f} %) empty"
    )


def _not_estimated(bloat: Bloat) -> str:
    """Return how many the server shows no statistics of, which no grant changes."""
    said = [f"{number} ({short(why, 40)})" for why, number in sorted(bloat.left_out.items())]
    return f"; not estimated: {', '.join(said[:5])}" if said else ""


def _without_statistics(verdict: Verdict, bare: Sequence[str], seen: DatabaseObjects) -> Verdict:
    """Return the verdict if some tables have no statistics yet: what passes so far is unknown."""
    said = f"{counted(len(bare), 'table lacks', 'tables lack')} statistics: {listed([name_of(one) for one in bare])}"
    statement = f"ANALYZE {', '.join(bare[:ANALYZED_AT_ONCE])}"
    analyze = psql(
        seen.subject, statement, "it reads a sample, and locks nothing that queries need"
    )
    if verdict.status is Status.PASS:
        return unknown(f"{said}; {verdict.message}", *verdict.measures, remedy=analyze)
    message = f"{verdict.message}; {said}"
    if verdict.status is not Status.FAIL:
        return replace(verdict, message=message)
    other = placed(analyze, seen.subject, seen.socket)
    return replace(verdict, message=message, remedy=besides(verdict.remedy, other))
