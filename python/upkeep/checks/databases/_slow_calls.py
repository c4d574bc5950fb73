"""What a server of MariaDB has logged of its slow calls. It is no part of the counters: most calls are not in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
    SlowCalls,
    StatementCounters,
)
from upkeep.checks.databases._intervals import milliseconds, named
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import PastMoment
from upkeep.model.remedies import look, quote
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

NAMED = 3
CUT = "there was too much to read, only the newest part was"
LEAST_SECONDS = 3_600.0
"""A server that has just begun to log, or was just started, has done other things than those of a day."""
WORDS = "decide: see its plan with EXPLAIN, and whether an index or another query helps"


@of_topic("slow_calls")
def judge_slow_calls(
    seen: DatabaseStatements, min_busy_percent: float, now: datetime, history: Sequence[PastMoment]
) -> Verdict:
    """Judge the statements whose slow calls took the most time."""
    log = seen.slow_calls
    if log is None or log.window_seconds <= 0:
        return unknown("was not observed")
    measure = Measure("logged", log.calls)
    seconds = _known(log, now, history)
    if seconds < LEAST_SECONDS:
        if log.cut:
            return unknown(CUT, measure)
        least = f"at least {duration(LEAST_SECONDS)} are needed"
        said = f"that slow calls are logged is known for {duration(seconds)}, {least}"
        return nothing_to_judge(said, measure)
    bad = [one for one in log.worst if _busy(one, seconds) >= min_busy_percent]
    more = f"limit {min_busy_percent:g} % of the time{_left_out(log)}"
    if bad:
        texts = [
            f"{counted(one.calls, 'call')} of {_took(one.total_seconds / max(1, one.calls))}, "
            f"{_busy(one, seconds):.2g} % of the time{_scans(one)}: {named(one)}"
            for one in bad[:NAMED]
        ]
        rest = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        return failed(
            Severity.LOW,
            f"{_of(log, seconds)}: {'; '.join(texts)}{rest}; {more}",
            measure,
            remedy=_see(log),
        )
    said = f"{_of(log, seconds)}: {counted(log.calls, 'call')}, no statement too often; {more}"
    if log.cut:
        return unknown(f"{CUT}; {said}", measure)
    return passed(said, measure)


def _known(log: SlowCalls, now: datetime, history: Sequence[PastMoment]) -> float:
    """Return for how long calls are known to be logged, in seconds: since the oldest, or the first look of a row."""
    known = log.covers_seconds
    for one in reversed(history):
        if one.seen.slow_calls is None:
            break
        known = max(known, (now - one.at).total_seconds())
    return max(1.0, min(log.window_seconds, known))


def _busy(one: StatementCounters, seconds: float) -> float:
    """Return for how much of the time at least one of its slow calls has been at work, in percent."""
    return 100 * one.total_seconds / seconds


def _of(log: SlowCalls, seconds: float) -> str:
    return f"slow log of {duration(seconds)}, calls slower than {_took(log.from_seconds)}"


def _took(seconds: float) -> str:
    return milliseconds(seconds) if seconds < 1 else f"{seconds:.3g} s"


def _left_out(log: SlowCalls) -> str:
    """Return in words that not each slow call is logged; nothing if each is."""
    return f"; one in {log.one_in} is logged" if log.one_in > 1 else ""


def _scans(one: StatementCounters) -> str:
    return f", {one.full_scans} of them read a whole table" if one.full_scans else ""


def _see(log: SlowCalls) -> str:
    """Return how an administrator sees the texts of the worst statements."""
    if log.file:
        path = quote(log.file)
        return look(f"mariadb-dumpslow -s t -t 5 {path}", WORDS) if path else WORDS
    question = "select * from mysql.slow_log order by query_time desc limit 5"
    return look(f"mariadb -e {quote(question)}", WORDS)
