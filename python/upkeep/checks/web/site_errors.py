"""Less than one request in a thousand ends in a server error.

Examines the responses with status 500 to 599 among all requests of the window in an access log; not at 501 and 505,
which speak of the method and the version that a client chose. A share says little of few requests: below the minimum
sample, no error at all passes, a handful is unknown, and `few_errors` or more fail. A declared log without any request
is unknown, for a site nobody reaches has no error either; a log that was only found in its usual place, and is not in
use, gives no result.

A line that was not understood may be an error: fewer than `few_errors` of them are said, from there on what would pass
is unknown if they could make it fail, and what fails does. No client can write such a line where its text is escaped,
and a request that was cut off before its status is none: so nobody hides an error, or blinds the check, from outside.
A log of which there is more than can be read and searched fails, for a flood can hide any error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web._access_log_shape import (
    AccessLog,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.log_verdicts import (
    ACCESS_FORMAT,
    UNREAD_SHARE,
    in_use,
    partly_read,
    sample,
    short,
    unread_share,
)
from upkeep.model.remedies import log_lines
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

SERVER_ERRORS = '[ ":]5[0-9][0-9][ ",}]'
"""How the lines of access logs, of text or JSON, tell a status from 500 to 599."""


@dataclass(frozen=True)
class Limits:
    """Limits.

    max_error_percent: share of server errors that still passes, in %.
    critical_error_percent: share of server errors from which on it is critical, in %.
    min_requests: below this many requests in the window a share is not judged; one error in them is the limit.
    few_errors: errors that fail below min_requests too.
    """

    max_error_percent: float = 0.1
    critical_error_percent: float = 5.0
    min_requests: int = 1000
    few_errors: int = 5


def judge(seen: AccessLog, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the share of server errors."""
    requests, errors = seen.requests, seen.server_errors
    if errors is None:
        return unknown("the log was read by a program that did not count server errors")
    window = seen.window_seconds
    share = 100 * errors / requests if requests else 0.0
    unread = seen.unparsed
    measures = (
        Measure("requests", requests),
        Measure("server_error_share", share, "%"),
        *unread_share(unread, requests),
    )
    text = (
        f"server errors: {errors} of {requests} requests in {window:g} s"
        f" ({share:.3g} %, at most {limits.max_error_percent:g} %)"
    )
    enough = requests >= limits.min_requests
    if share > limits.max_error_percent and (enough or errors >= limits.few_errors):
        worst = Severity.CRITICAL if share >= limits.critical_error_percent else Severity.HIGH
        words = "see which requests failed; then read what the application logs of them"
        look = log_lines(seen.subject, SERVER_ERRORS, words)
        return failed(worst, text + blamed(seen), *measures, remedy=look)
    doubtful = 100 * (errors + unread) > (requests + unread) * limits.max_error_percent
    if unread:
        text += (
            f"; {unread} lines were not understood and may be errors{sample(seen.unparsed_sample)}"
        )
    if unread and (not requests or (unread >= limits.few_errors and doubtful)):
        return unknown(text, *measures, remedy=ACCESS_FORMAT)
    if partly := partly_read(seen, text, *measures):
        return partly
    if not requests:
        if seen.declared is False and not in_use(seen, now):
            return None
        return nothing_to_judge(f"no request in {window:g} s, so no error rate", measures[0])
    if enough or not errors:
        return passed(
            text if enough else f"{text}; too few for a rate, at least {limits.min_requests}",
            *measures,
        )
    few = f"{text}; too few for a rate, at least {limits.min_requests}"
    return nothing_to_judge(few, *measures)


def blamed(seen: AccessLog) -> str:
    """Return which routes and which client had most errors."""
    routes = [f"{short(one.route)} ({one.errors})" for one in seen.error_routes[:2]]
    clients = [f"{short(one.client, 45)} ({one.errors})" for one in seen.error_clients[:1]]
    return (f"; most in {', '.join(routes)}" if routes else "") + (
        f"; most for {clients[0]}" if clients else ""
    )


CHECK = Check(
    title="Site answers without server errors",
    trouble="Server errors",
    gather="access_log",
    shape=AccessLog,
    since="0.1.0",
    why="Each server error is a person or a program that did not get an answer.",
    cannot_see=(
        "Errors that are sent with another status, such as 200. Requests that did not reach "
        "this server. Errors in the browser."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "requests": MeasureKind.STATE,
        "server_error_share": MeasureKind.SHARE,
        UNREAD_SHARE: MeasureKind.SHARE,
    },
    source="Astral Core's maintenance schedule, daily: error rate below 0.1 %; RFC 9110, section 15.6",
    remedy="decide: find in the log of the application why the named routes fail",
    absence={"logs": gone()},
)
