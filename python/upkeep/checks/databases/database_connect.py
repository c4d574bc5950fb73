"""Databases let their users in and answer, in good time.

A declared database that cannot be used is critical: whoever declared it needs it. One that was only found on the host
and that refuses the account Upkeep works as answers, but has not been asked anything: unknown. So is a file of SQLite
that its application has locked, or has left as only a writer can take it up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.databases import refusals
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import ENGINES
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._databases_shape import (
    DatabaseAnswer,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import counted, short
from upkeep.model import remedies
from upkeep.model.remedies import after, connection, look, quote, step
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """How long connecting and a trivial query may take together.

    medium_seconds: in seconds.
    high_seconds: in seconds.
    """

    medium_seconds: float = 1.0
    high_seconds: float = 4.0


def judge(seen: DatabaseAnswer, limits: Limits, now: datetime) -> Verdict:
    """Judge whether it answers, then whether rightly, then how fast."""
    if not seen.connected:
        reason = short(seen.reason or "no connection", 200)
        if seen.cause == refusals.AMBIGUOUS:
            return unknown(f"not asked: {reason}", remedy=STEPS[refusals.AMBIGUOUS])
        if seen.cause == refusals.POOL_FULL:
            return unknown(f"not asked: {reason}", remedy=STEPS[refusals.POOL_FULL])
        if seen.cause in UNJUDGED:
            return unknown(f"not opened: {reason}", remedy=_next(seen))
        if seen.declared:
            return failed(Severity.CRITICAL, reason, remedy=_next(seen))
        if seen.denied:
            return unknown(
                f"answers, but refuses this account: {reason}",
                remedy="decide: declare it in `databases` with its kind, user and password, or set `discover: false`",
            )
        text = f"found on the host, but does not answer: {reason}"
        return failed(Severity.HIGH, text, remedy=_next(seen))
    engine = ENGINES.get(seen.kind)
    if engine is None or seen.answer != engine.expected:
        expected = engine.expected if engine else None
        text = f"answered {short(seen.answer, 40)!r}, expected {expected!r}"
        return failed(Severity.CRITICAL, text)
    if seen.loading:
        return failed(Severity.CRITICAL, "is still loading its data")
    times = {
        name: took
        for name, took in (("connect", seen.connect_seconds), ("query", seen.query_seconds))
        if took is not None
    }
    if counted(*times.values()) is None:
        return unknown(f"answered with impossible times: {short(times)}")
    if not times:
        return unknown("answered, but the time was not measured")
    total = sum(times.values())
    measures = (
        Measure("answer", round(total, 6), "s"),
        *(Measure(name, round(value, 6), "s") for name, value in times.items()),
    )
    version = short(seen.version, 40) or "not told"
    for severity, limit in (
        (Severity.HIGH, limits.high_seconds),
        (Severity.MEDIUM, limits.medium_seconds),
    ):
        if total > limit:
            parts = ", ".join(f"{key} {value:.3f} s" for key, value in times.items())
            return failed(
                severity, f"answered in {total:.3f} s ({parts}), at most {limit:g} s", *measures
            )
    role = ", a standby" if seen.in_recovery else ""
    return passed(
        f"answers in {total:.3f} s, at most {limits.medium_seconds:g} s (version {version}{role})",
        *measures,
    )


UNJUDGED = (refusals.LOCKED, refusals.HOT_JOURNAL, refusals.LONE_LOG, refusals.EMPTY)
"""Files of SQLite that may be well for their application, and that we could not read."""
_SEE_LOG = "decide: see the server's log for why it let nobody in"
_OPEN = "decide: start its application, which puts it right when it opens the database"
STEPS = {
    refusals.AMBIGUOUS: "decide: leave one of its entries in `databases`, or name the user in each of them",
    refusals.DENIED: "decide: correct the user or the password of its entry in `databases`, or the account's rights",
    refusals.NO_DATABASE: "decide: correct the name of its entry in `databases`, or make the database",
    refusals.FULL: after("database_pool"),
    refusals.POOL_FULL: after("database_pooler"),
    refusals.TLS: "decide: correct `tls` of its entry in `databases`, or give the server a certificate that is trusted",
    refusals.STARTING: "decide: wait until it has started; see the server's log if it takes long",
    refusals.CLOSED: _SEE_LOG,
    refusals.OTHER: _SEE_LOG,
    refusals.HOT_JOURNAL: _OPEN,
    refusals.LONE_LOG: _OPEN,
    refusals.EMPTY: "decide: restore it, if it has had data; a new one gets its tables from its application",
    refusals.DAMAGED: "decide: restore the file from its newest backup that is whole; see the disk's log for the cause",
}
"""By cause. What has a place in it is in `_next`."""
_OF_FILES = {
    refusals.NO_FILE: "ls -ld",
    refusals.NO_SQLITE: "ls -ld",
    refusals.LOCKED: "lsof",
}


def _next(seen: DatabaseAnswer) -> str:
    """Return the next step for its cause; empty if the check's own holds."""
    cause, place = seen.cause, seen.subject.partition(" ")[2]
    if seen.kind == "sqlite" and cause not in (refusals.DAMAGED, *UNJUDGED[1:]):
        return _of_file(cause, place) if cause else ""
    if cause in STEPS:
        return STEPS[cause]
    address = re.sub(r"^[^/]*@", "", place)
    if cause == refusals.NO_NAME:
        return step([remedies.NO_NAME, address.rpartition(":")[0]])
    if cause == refusals.NO_RIGHT and address.startswith("/"):
        return step([remedies.DENIED, address.partition(":")[0]])
    if address.startswith("/") and ":" not in address:
        return connection(address)
    return _listens(seen)


def _of_file(cause: str, path: str) -> str:
    """Return the next step for a file of SQLite, which has no server that could be started."""
    words = "see who holds it, and why for so long"
    if cause != refusals.LOCKED:
        words = "see what it is; correct the path in `databases`, or restore the file from a backup"
    quoted = quote(path)
    if cause in (refusals.MISSING, refusals.NO_RIGHT) and quoted:
        return step([remedies.MISSING if cause == refusals.MISSING else remedies.DENIED, path])
    if cause in _OF_FILES and quoted:
        return look(f"{_OF_FILES[cause]} {quoted}", words)
    return f"decide: {words}"


def _listens(seen: DatabaseAnswer) -> str:
    """Return how to see whether a server listens where the database is asked; empty if its name has no such place."""
    place = re.search(r"(?:^| |@)([^@/ ]+:\d+)(?:/|$)", seen.subject)
    return connection(place.group(1)) if place else ""


CHECK = Check(
    title="Databases answer",
    trouble="Database outage",
    gather="databases",
    shape=DatabaseAnswer,
    needs_network=True,
    since="0.1.0",
    why="Everything that needs the database stops if it accepts no connections.",
    cannot_see=(
        "Whether other accounts can connect. Whether the application's own queries work, or "
        "are fast: the check sends one small query."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "answer": MeasureKind.LATENCY,
        "connect": MeasureKind.LATENCY,
        "query": MeasureKind.LATENCY,
    },
    source="check_postgres: connection, query_time; pg_isready(1); redis-cli PING; sqlite3's URI mode=ro",
    remedy="decide: start the server, or give back the way to it",
    controls=("45 CFR 164.308(a)(7)(ii)(C)",),
    absence={"databases": gone()},
)
