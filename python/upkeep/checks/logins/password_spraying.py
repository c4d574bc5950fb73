"""No source tries many accounts.

Examines how many different accounts, existing or not, failed to log in from one source within the window. Few attempts
at each of many accounts stay below every limit per account.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._auth_log_shape import (
    AuthLog,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.log_verdicts import nothing_wrong, short
from upkeep.model.remedies import literally, log_lines
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed


@dataclass(frozen=True)
class Limits:
    """Limits.

    max_accounts: different accounts tried by one source in the window that still pass.
    quiet_hours: age in hours of the log's newest line from which on it counts as not written any more.
    """

    max_accounts: int = 5
    quiet_hours: float = 24.0


def judge(seen: AuthLog, limits: Limits, now: datetime) -> Verdict:
    """Judge the source that tried most accounts."""
    named = (one for one in seen.sources if one.source)
    sources = sorted(named, key=lambda one: one.accounts_tried, reverse=True)
    most = sources[0].accounts_tried if sources else 0
    measure = Measure("accounts_tried_by_one_source", most)
    text = (
        f"{most} accounts tried by one source in {seen.window_seconds:g} s,"
        f" at most {limits.max_accounts}"
    )
    over = [one for one in sources if one.accounts_tried > limits.max_accounts]
    if over:
        worst = over[0]
        tried = ", ".join(short(name, 30) for name in worst.accounts[:3])
        told = f"{text}: {short(worst.source, 45)} ({tried}, …)"
        return failed(Severity.HIGH, told, measure, remedy=_let_in(worst.source, seen.subject))
    if seen.forgotten:
        return failed(
            Severity.HIGH, f"{text}, and failures from more sources than can be counted", measure
        )
    return nothing_wrong(
        seen,
        text,
        measure,
        most=most + seen.possible_failures,
        limit=limits.max_accounts,
        quiet_hours=limits.quiet_hours,
    )


def _let_in(source: str, log: str) -> str:
    """Return how to see whether an address was let in; empty if the log names something else."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return ""
    words = "see whether one of the accounts let it in; then block it"
    return log_lines(log, literally(str(address)), words)


CHECK = Check(
    title="No source tries one account after another",
    trouble="Password spraying",
    gather="auth_log",
    shape=AuthLog,
    since="0.1.0",
    why="A few attempts at each of many accounts stay below any limit per account.",
    cannot_see=(
        "Spraying from many sources, or more slowly than the window: failed_logins counts all "
        "of them. Logins that this host does not log."
    ),
    limits=Limits(),
    judge=judge,
    measures={"accounts_tried_by_one_source": MeasureKind.STATE},
    source="MITRE ATT&CK T1110.003",
    remedy="decide: block the source, and see whether any of the accounts let it in",
    controls=("45 CFR 164.308(a)(5)(ii)(C)",),
    detects_intruders=True,
    absence={"logs": gone("is not written any more")},
)
