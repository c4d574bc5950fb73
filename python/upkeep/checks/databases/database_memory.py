"""Redis has memory left for the next key.

A server that has come to maxmemory and may remove no key refuses writes; one without maxmemory grows until the
system ends it. Checks the memory in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    RedisMemory,
)
from upkeep.checks.databases._sessions import graded
from upkeep.checks.databases._topics import of_topic
from upkeep.judging import readings
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.remedies import look
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

SEE = look(
    "redis-cli info memory",
    "see what uses it; raise maxmemory, let keys expire, or choose a policy that removes some",
)


@dataclass(frozen=True)
class Limits:
    """Memory in use from which a server fails that may remove no key.

    medium_percent: of maxmemory, or of the system's memory, in percent.
    high_percent: of maxmemory, or of the system's memory, in percent.
    """

    medium_percent: float = 85.0
    high_percent: float = 95.0


@of_topic("memory")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the share of maxmemory, or of the system's memory without one."""
    memory = seen.memory or RedisMemory(-1, -1, "")
    if readings.counted(memory.used_bytes, memory.limit_bytes, memory.system_bytes) is None:
        return unknown("what INFO tells of memory was not understood")
    whole = memory.limit_bytes or memory.system_bytes
    if not whole:
        return unknown("neither maxmemory nor the system's memory was told")
    percent = 100 * memory.used_bytes / whole
    measures = (Measure("used", round(percent, 3), "%"), Measure("evicted", max(0, memory.evicted)))
    of = "maxmemory" if memory.limit_bytes else "the system's memory, without maxmemory"
    text = f"{size(memory.used_bytes)} of {size(whole)} are used ({percent:.1f} % of {of})"
    if memory.limit_bytes and not _is_stuck(memory):
        return passed(
            f"{text}; when it is full, keys are removed ({short(memory.policy, 30)})", *measures
        )
    grade = graded(
        percent,
        ((Severity.HIGH, limits.high_percent), (Severity.MEDIUM, limits.medium_percent)),
    )
    if grade:
        severity, limit = grade
        full = "then writes are refused" if memory.limit_bytes else "then the system ends it"
        return failed(severity, f"{text}, {full}; limit {limit:g} %", *measures, remedy=SEE)
    return passed(f"{text}; limit {limits.medium_percent:g} %", *measures)


def _is_stuck(memory: RedisMemory) -> bool:
    """Return whether no key may be removed: volatile policies remove those alone that end by themselves."""
    volatile = memory.policy.startswith("volatile")
    return memory.policy == "noeviction" or (
        volatile and memory.keys > 0 and not memory.expiring_keys
    )


CHECK = Check(
    title="Redis has memory left",
    trouble="Redis short of memory",
    why="A full server refuses writes, or the system ends it.",
    cannot_see="Whether keys were removed that are still needed: the measure `evicted` counts them.",
    measures={"used": MeasureKind.SHARE, "evicted": MeasureKind.COUNTER},
    source="redis.io: Key eviction; INFO memory; our limits",
    remedy="decide: raise maxmemory, let keys expire, or choose a policy that removes some",
    limits=Limits(),
    judge=judge,
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    absence={"databases": gone()},
)
