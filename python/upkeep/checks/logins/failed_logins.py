"""No more than ten logins fail in any hour.

Counts failed attempts of sshd, PAM's services and applications, each once however many programs tell of it. In a window
of more than an hour, the worst 60 minutes count. A log that could not be read whole, or that nobody seems to write any
more, is unknown as long as what was read stays below the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._auth_log_shape import (
    AuthLog,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.log_verdicts import nothing_wrong, short
from upkeep.model.remedies import log_lines
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed

FAILURES = "fail|invalid|denied"


@dataclass(frozen=True)
class Limits:
    """Limits.

    max_per_hour: failed logins in an hour that still pass.
    quiet_hours: age in hours of the log's newest line from which on it counts as not written any more.
    """

    max_per_hour: int = 10
    quiet_hours: float = 24.0


def judge(seen: AuthLog, limits: Limits, now: datetime) -> Verdict:
    """Judge the worst hour."""
    count = seen.most_in_an_hour
    measure = Measure("failed_logins_per_hour", count)
    text = f"{count} failed logins in an hour, at most {limits.max_per_hour}"
    if count > limits.max_per_hour:
        sources = [
            f"{short(one.source or 'no address given', 45)} ({one.failures})"
            for one in seen.sources[:3]
        ]
        more = f"; most from {', '.join(sources)}" if sources else ""
        look = log_lines(seen.subject, FAILURES, "see who it was; then block the source")
        return failed(Severity.HIGH, text + more, measure, remedy=look)
    return nothing_wrong(
        seen,
        text,
        measure,
        most=seen.most_possible_in_an_hour,
        limit=limits.max_per_hour,
        quiet_hours=limits.quiet_hours,
    )


CHECK = Check(
    title="Few logins fail",
    trouble="Failed logins",
    gather="auth_log",
    shape=AuthLog,
    since="0.1.0",
    why="Password guessing, and programs with an outdated password, first appear as failed logins.",
    cannot_see=(
        "Logins elsewhere, such as at an identity provider. What a program does not log. "
        "An attacker who has a correct password."
    ),
    limits=Limits(),
    judge=judge,
    measures={"failed_logins_per_hour": MeasureKind.STATE},
    source="Astral Core's maintenance schedule, daily: more than 10 failed logins an hour raise a security alert",
    remedy="decide: find out who it was, and block the source",
    controls=("45 CFR 164.308(a)(5)(ii)(C)", "45 CFR 164.312(b)"),
    detects_intruders=True,
    rating=2,
    absence={"logs": gone("is not written any more")},
)
