"""Clocks are kept by a time source, so that the times of logs and evidence hold.

chrony and ntpd are asked themselves; what others keep (systemd-timesyncd, PTP) the kernel knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.check import Check
from upkeep.readings import numbers, short
from upkeep.verdicts import Measure, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Params:
    """How far a clock may be off, as its keeper estimates it.

    medium_offset_seconds: offset from the time source, in seconds.
    high_offset_seconds: offset from the time source, in seconds.
    max_stratum: distance from a reference clock.
    max_update_seconds: time since the source was last heard, in seconds.
    """

    medium_offset_seconds: float = 0.2
    high_offset_seconds: float = 1.0
    max_stratum: int = 10
    max_update_seconds: float = 10_800.0


def judge(seen: Observation, params: Params, now: datetime) -> Verdict:
    """Judge whether the clock is kept, then how well."""
    data = seen.data
    if not isinstance(data.get("synchronized"), bool):
        return unknown("the host did not say if its clock is synchronized")
    keeper = short(data.get("by", "?"), 20)
    if not data["synchronized"]:
        return failed(Severity.MEDIUM, f"not synchronized, says {keeper}")
    offset = numbers(data, "offset_seconds")
    measures = (Measure("offset", offset[0], "s"),) if offset else ()
    if offset:
        for severity, limit in (
            (Severity.HIGH, params.high_offset_seconds),
            (Severity.MEDIUM, params.medium_offset_seconds),
        ):
            if offset[0] > limit:
                return failed(severity, f"{offset[0]:.3f} s off, at most {limit:g} s", *measures)
    stratum = numbers(data, "stratum")
    if stratum and stratum[0] > params.max_stratum:
        text = f"at stratum {stratum[0]:.0f}, at most {params.max_stratum}"
        return failed(Severity.LOW, text, *measures)
    updated = numbers(data, "updated_seconds_ago")
    if updated and updated[0] > params.max_update_seconds:
        text = f"source last heard {updated[0] / 60:.0f} min ago, at most {params.max_update_seconds / 60:.0f} min"
        return failed(Severity.MEDIUM, text, *measures)
    off = f", {offset[0]:.6f} s off, at most {params.medium_offset_seconds:g} s" if offset else ""
    return passed(f"synchronized by {keeper}{off}", *measures)


CHECK = Check(
    title="Clock is synchronized",
    gather="clock",
    params=Params(),
    judge=judge,
    source="adjtimex(2), STA_UNSYNC; Checkmk timesyncd 200 ms, stratum 10, 3 h; mixin's NodeClockNotSynchronising",
    remedy="see what keeps the clock: timedatectl; chronyc sources -v; start one: timedatectl set-ntp true",
    controls=("45 CFR 164.312(b)",),
)
