"""No process was killed because memory ran out.

The kernel counts such kills since boot; when they happened only its log says. Kills that cannot be dated are
unknown unless the host was booted within the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import figure, short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

RING_BUFFER = "dmesg -T | grep -iE 'Killed process|oom-kill' | tail -n 20  # see what was killed"
"""For a host whose journal does not have it, or that has none."""


@dataclass(frozen=True)
class Limits:
    """How many kills there may be within the gather's window.

    max_kills: number of processes.
    """

    max_kills: int = 0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge the kills of the window."""
    data = seen.data
    hours = figure(data, "window_hours")
    if hours is None:
        return unknown("no window was given")
    counted, logged = figure(data, "since_boot"), figure(data, "in_window")
    uptime = figure(data, "uptime_seconds")
    young = uptime is not None and uptime <= hours * 3600
    if young and counted is not None:
        # Each kill since the boot lies within the window, logged or not.
        logged = max(counted, logged or 0)
    elif logged is None and counted == 0:
        return passed("0 processes killed since boot", Measure("kills", 0))
    if logged is None:
        since = "the kernel does not count kills"
        if counted is not None:
            since = f"{counted:.0f} kills since boot"
        return unknown(
            f"{since}; no log shows when: {short(data.get('log_unreadable', ''), 200)}",
            remedy=(
                "decide: let the account read the kernel's log: add it to the groups "
                "systemd-journal and adm"
            ),
        )
    measure = Measure("kills", logged)
    limit = f"at most {limits.max_kills}"
    if logged > limits.max_kills:
        kills = data.get("kills")
        named = (
            [kill.get("name") for kill in kills if isinstance(kill, dict)]
            if isinstance(kills, list)
            else []
        )
        names = ", ".join(dict.fromkeys(short(name, 40) for name in named[-5:]))
        text = f"{logged:.0f} killed within {hours:g} h, {limit}{': ' + names if names else ''}"
        see = RING_BUFFER if data.get("log") == "kernel ring buffer" else ""
        return failed(Severity.HIGH, text, measure, remedy=see)
    return passed(f"{logged:.0f} killed within {hours:g} h, {limit}", measure)


CHECK = Check(
    title="No process was killed for lack of memory",
    trouble="Out-of-memory kill",
    gather="oom_kills",
    since="0.1.0",
    why=(
        "A killed process leaves its work unfinished, and its service may have restarted "
        "without anybody noticing."
    ),
    cannot_see=(
        "Programs that exited on their own because they got no memory. The time of a kill that "
        "is not in the kernel's log any more: the result is then unknown."
    ),
    limits=Limits(),
    judge=judge,
    measures={"kills": MeasureKind.STATE},
    source="proc_vmstat(5), oom_kill; kernel's mm/oom_kill.c; systemd-oomd(8); node_exporter's vmstat collector",
    remedy="journalctl -k -g 'Killed process|oom-kill' --since -1d --no-pager  # see what was killed",
    absence=DECLARED,
)
