"""No source tries to log in again and again.

Examines the most failed logins of one source within the gather's `burst_seconds` (ten minutes). What fails without an
address, at the console, by sudo or in a message that can be read in two ways, counts as one source.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._auth_log_shape import (
    AuthLog,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.log_verdicts import nothing_wrong, short
from upkeep.model.remedies import block
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed


@dataclass(frozen=True)
class Limits:
    """Limits.

    max_in_burst: failed logins of one source within `burst_seconds` that still pass.
    quiet_hours: age in hours of the log's newest line from which on it counts as not written any more.
    """

    max_in_burst: int = 8
    quiet_hours: float = 24.0


def judge(seen: AuthLog, limits: Limits, now: datetime) -> Verdict:
    """Judge the source with the largest burst."""
    sources = sorted(seen.sources, key=lambda one: one.most_in_burst, reverse=True)
    most = sources[0].most_in_burst if sources else 0
    measure = Measure("failed_logins_in_burst", most)
    text = (
        f"{most} failed logins from one source within {seen.burst_seconds:g} s,"
        f" at most {limits.max_in_burst}"
    )
    over = [one for one in sources if one.most_in_burst > limits.max_in_burst]
    if over:
        named = ", ".join(short(one.source or "no address given", 45) for one in over[:3])
        more = f" and {len(over) - 3} more" if len(over) > 3 else ""
        remedy = block(over[0].source)
        return failed(Severity.HIGH, f"{text}: {named}{more}", measure, remedy=remedy)
    if seen.forgotten:
        return failed(
            Severity.HIGH, f"{text}, and failures from more sources than can be counted", measure
        )
    return nothing_wrong(
        seen,
        text,
        measure,
        most=most + seen.possible_failures,
        limit=limits.max_in_burst,
        quiet_hours=limits.quiet_hours,
    )


CHECK = Check(
    title="No source guesses passwords",
    trouble="Password guessing",
    gather="auth_log",
    shape=AuthLog,
    since="0.1.0",
    why="Attackers try many passwords; a weak one is found if nobody blocks the source.",
    cannot_see=(
        "Guessing from many sources with few attempts each, or more slowly than the limit: "
        "failed_logins counts all of them. Logins that this host does not log."
    ),
    limits=Limits(),
    judge=judge,
    measures={"failed_logins_in_burst": MeasureKind.STATE},
    source="Wazuh rules 5712 and 5720 (8 failures of one source); fail2ban's findtime of 10 minutes; "
    "MITRE ATT&CK T1110.001",
    remedy="decide: block the source, and let sshd take keys only",
    controls=("45 CFR 164.308(a)(5)(ii)(C)",),
    detects_intruders=True,
    absence={"logs": gone("is not written any more")},
)
