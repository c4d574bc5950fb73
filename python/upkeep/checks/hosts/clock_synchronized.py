"""Clocks are kept by a time source, so that the times of logs and evidence hold.

chrony and ntpd are asked themselves; what others keep (systemd-timesyncd, PTP) the kernel knows. A daemon that has
nothing but the host's own clock as its source (chrony's `local`, ntpd's 127.127.1.x) calls itself synchronized with an
offset of nothing, and is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import figure, short
from upkeep.model.remedies import look
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

SOURCES = {"chrony": "chronyc -n sources -v", "ntpd": "ntpq -pn", "systemd": "timedatectl"}
WHO_KEEPS_IT = (
    "ps -eo pid,comm | grep -E 'chronyd|ntpd|timesyn|ptp4l' || echo 'no daemon keeps the clock'"
    "  # see what keeps the clock; if nothing does: apt-get install chrony"
)
"""For any host, with systemd or without."""


@dataclass(frozen=True)
class Limits:
    """How far a clock may be off, as its keeper estimates it.

    medium_offset_seconds: offset from the time source, in seconds.
    high_offset_seconds: offset from the time source, in seconds.
    max_stratum: distance from a reference clock.
    max_update_seconds: time since the source was last heard, in seconds.
    max_controller_seconds: difference from the clock of the controller, in seconds; more than a look at a host takes.
    """

    medium_offset_seconds: float = 0.2
    high_offset_seconds: float = 1.0
    max_stratum: int = 10
    max_update_seconds: float = 10_800.0
    max_controller_seconds: float = 300.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge whether the clock is kept, then how well; and if it agrees with the controller's, whoever keeps it."""
    data = seen.data
    if seen.subject == "time":
        return _judge_time(data.get("seconds"), limits, now)
    if not isinstance(data.get("synchronized"), bool):
        return unknown("the host did not report whether its clock is synchronized")
    keeper = short(data.get("by", "?"), 20)
    if not data["synchronized"]:
        return failed(
            Severity.MEDIUM, f"not synchronized, according to {keeper}", remedy=_see(keeper)
        )
    if data.get("own_clock") is True:
        reference = short(data.get("reference", "?"), 30)
        return failed(
            Severity.MEDIUM,
            f"not synchronized: the source of {keeper} is the host's own clock (reference {reference})",
            remedy=_see(keeper, "see its sources; then name a server for it"),
        )
    offset = figure(data, "offset_seconds")
    stratum = figure(data, "stratum")
    updated = figure(data, "updated_seconds_ago")
    measures = (Measure("offset", offset, "s"),) if offset is not None else ()
    if offset is not None:
        for severity, limit in (
            (Severity.HIGH, limits.high_offset_seconds),
            (Severity.MEDIUM, limits.medium_offset_seconds),
        ):
            if offset > limit:
                return failed(
                    severity,
                    f"{offset:.3f} s off, at most {limit:g} s",
                    *measures,
                    remedy=_see(keeper),
                )
    if stratum is not None and stratum > limits.max_stratum:
        text = f"at stratum {stratum:.0f}, at most {limits.max_stratum}"
        return failed(Severity.LOW, text, *measures, remedy=_see(keeper))
    if updated is not None and updated > limits.max_update_seconds:
        text = f"source last heard {updated / 60:.0f} min ago, at most {limits.max_update_seconds / 60:.0f} min"
        return failed(Severity.MEDIUM, text, *measures, remedy=_see(keeper))
    if offset is None:
        return passed(f"synchronized by {keeper}")
    off = f"{offset:.6f} s off, at most {limits.medium_offset_seconds:g} s"
    return passed(f"synchronized by {keeper}, {off}", *measures)


def _see(keeper: str, words: str = "see its sources, and which it follows") -> str:
    """Return how to see what a keeper of the clock does; of one that only the kernel knows, who it is."""
    return look(SOURCES[keeper], words) if keeper in SOURCES else WHO_KEEPS_IT


def _judge_time(seconds: object, limits: Limits, now: datetime) -> Verdict:
    """Judge what the host's clock says, as it was when the host was looked at."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return unknown("the host did not report its time")
    off = seconds - now.timestamp()
    limit = limits.max_controller_seconds
    if abs(off) <= limit:
        return passed(f"within {limit:g} s of the controller's")
    way = "ahead of" if off > 0 else "behind"
    text = f"{span(abs(off))} {way} the controller's clock, at most {limit:g} s; one of the two is wrong"
    return failed(
        Severity.HIGH,
        text,
        remedy="date -u  # see how far it is off; where chrony keeps it, `chronyc makestep` sets it",
    )


def span(seconds: float) -> str:
    """Return a difference in its one best unit."""
    for per, unit in ((86_400 * 365.25, "years"), (86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * per:
            return f"{seconds / per:.0f} {unit}"
    return f"{seconds:.0f} s"


CHECK = Check(
    title="Clock is synchronized",
    trouble="Unsynchronized clock",
    gather="clock",
    needs_network=True,
    since="0.1.0",
    why=(
        "Times in logs and evidence can be compared only if clocks agree. Certificates, tokens "
        "and clusters fail if they do not."
    ),
    cannot_see=(
        "Whether the time source itself is correct: a server that has only its own clock looks "
        "like any other to its clients."
    ),
    limits=Limits(),
    judge=judge,
    measures={"offset": MeasureKind.STATE},
    source="adjtimex(2), STA_UNSYNC; Checkmk timesyncd 200 ms, stratum 10, 3 h; mixin's NodeClockNotSynchronising",
    remedy=WHO_KEEPS_IT,
    controls=("45 CFR 164.312(b)",),
    absence=DECLARED,
)
