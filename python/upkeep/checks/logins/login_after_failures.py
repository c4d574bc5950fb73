"""Nobody gets in after many failed attempts.

Examines successful logins from a source from which logins failed before, in the same window. This is how a guessed
password looks, and how somebody looks who mistyped it often: ask.
"""

from __future__ import annotations

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

    min_failures_before: failed logins from the same source in the window that make a login after them suspect.
    quiet_hours: age in hours of the log's newest line from which on it counts as not written any more.
    """

    min_failures_before: int = 5
    quiet_hours: float = 24.0


def judge(seen: AuthLog, limits: Limits, now: datetime) -> Verdict:
    """Judge the logins that came after most failures."""
    logins = sorted(seen.logins_after_failures, key=lambda one: one.failures, reverse=True)
    most = logins[0].failures if logins else 0
    measure = Measure("failures_before_login", most)
    if most >= limits.min_failures_before:
        login = logins[0]
        return failed(
            Severity.CRITICAL,
            f"login as {short(login.account, 40)} from {short(login.source, 45)} at "
            f"{short(login.at, 25)} after {most} failures, suspicious from "
            f"{limits.min_failures_before} on",
            measure,
            remedy=_sessions(login.source, seen.subject),
        )
    if seen.forgotten and seen.successes:
        return failed(
            Severity.HIGH,
            f"{seen.successes} logins among failures from more sources than can be counted",
            measure,
        )
    possible = seen.possible_failures if seen.successes else 0
    text = (
        f"no login after {limits.min_failures_before} or more failures from the same source "
        f"(most: {most})"
    )
    return nothing_wrong(
        seen,
        text,
        measure,
        most=most + possible,
        limit=limits.min_failures_before - 1,
        quiet_hours=limits.quiet_hours,
    )


def _sessions(source: str, log: str) -> str:
    """Return how to see what an address did in the log."""
    words = (
        "see what it did; decide: ask the account's owner, and if it was not them, lock the account (usermod -L)"
        " and end its sessions (loginctl terminate-user)"
    )
    return log_lines(log, literally(str(source)), words) if source else ""


CHECK = Check(
    title="No login after many failures",
    trouble="Login after failures",
    gather="auth_log",
    shape=AuthLog,
    since="0.1.0",
    why=(
        "A login after many failures may be a guessed password: an attacker may now be on the host."
    ),
    cannot_see=(
        "A password that was guessed from one source and used from another, or after the "
        "window. Whether the person only mistyped: both look the same."
    ),
    limits=Limits(),
    judge=judge,
    measures={"failures_before_login": MeasureKind.STATE},
    source="Wazuh rule 40112 (authentication failures followed by a success); fail2ban's maxretry of 5; "
    "MITRE ATT&CK T1110",
    remedy="decide: ask the account's owner; if it was not them, lock the account (usermod -L) and end its "
    "sessions (loginctl terminate-user)",
    controls=("45 CFR 164.308(a)(6)(ii)", "45 CFR 164.308(a)(5)(ii)(C)"),
    detects_intruders=True,
    rating=1,
    absence={"logs": gone("is not written any more")},
)
