"""A host's key is the one that is known.

It examines why a host could not be reached: OpenSSH refuses a host whose key is another than the known one. Either
somebody stands between, or the host was made anew. A host whose key was never known is merely unreachable. No site
asks for this check; it is due wherever a host is reached by ssh, and resolved once the host answers again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import CONNECTION, DECLARED, Check
from upkeep.model.verdicts import Severity, Verdict, failed

CHANGED = ("REMOTE HOST IDENTIFICATION HAS CHANGED", "has changed and you have requested strict")


@dataclass(frozen=True)
class Limits:
    """There is nothing to set."""


def judge(seen: Observation, _params: Limits, _now: datetime) -> Verdict | None:
    """Judge why the host could not be reached."""
    problem = seen.data["problem"]
    if not any(words in problem for words in CHANGED):
        return None
    return failed(Severity.HIGH, "its key is not the known one; nothing was sent to the host")


CHECK = Check(
    title="Host key has not changed",
    trouble="Changed host key",
    gather=CONNECTION,
    since="0.1.0",
    why=(
        "A changed key means that somebody intercepts the connection, or that the host was "
        "installed again. Until you know which, its answers cannot be trusted."
    ),
    cannot_see=("Hosts whose key was never known, and hosts that are not reached by ssh."),
    limits=Limits(),
    judge=judge,
    source="RFC 4251, section 4.1; ssh(1), Verifying host keys",
    remedy=(
        "decide: compare the host's key with the one on its console (ssh-keygen -lf); remove the "
        "old key only if they are equal"
    ),
    controls=("45 CFR 164.312(d)", "45 CFR 164.312(e)(1)"),
    detects_intruders=True,
    absence=DECLARED,
)
