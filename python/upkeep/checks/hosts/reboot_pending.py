"""Hosts run the kernel and the libraries that were installed last.

A package may ask for a reboot by a flag; a newer kernel of the running one's flavour, or the running one's package
unpacked again since the boot, speaks for itself. A kernel of another flavour does not: who runs Oracle's RHCK beside a
UEK has chosen to. Where the boot loader's default can be read, the message says which kernel it would start. A short
wait for a maintenance window is fine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

CHANGE_DEFAULT = (
    "decide: make it the default, then reboot: a reboot alone does not start it; grubby --set-default on Red Hat's, "
    "update-grub on Debian's, see GRUB_DEFAULT in /etc/default/grub"
)


@dataclass(frozen=True)
class Limits:
    """How long a reboot may be pending.

    high_days: days after which it is severe; until then it is low.
    """

    high_days: float = 14.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge what speaks for a reboot, and for how long."""
    data = seen.data
    if not isinstance(data.get("running_kernel"), str):
        return unknown("no running kernel was given")
    packages = data.get("packages")
    if not isinstance(packages, list):
        return unknown("no list of packages was given")
    reasons = []
    newer, starts = data.get("newer_kernel"), data.get("next_kernel")
    if newer:
        reasons.append(f"kernel {short(newer, 60)} is installed{_start(starts, newer)}")
    elif data.get("kernel_replaced_at"):
        reasons.append("the kernel's package was replaced")
    if packages:
        reasons.append("asked for by " + ", ".join(short(name, 40) for name in packages[:5]))
    elif data.get("flag_at"):
        reasons.append("a package asks for it")
    running = f"running {short(data['running_kernel'], 60)}"
    if not reasons and data.get("unread"):
        return unknown(f"{short(data['unread'], 300)}; {running}")
    if not reasons:
        return passed(f"no reboot pending, {running}{_start(starts, data['running_kernel'])}")
    since = [
        moment
        for moment in map(
            _moment, (data.get(key) for key in ("flag_at", "newer_kernel_at", "kernel_replaced_at"))
        )
        if moment is not None
    ]
    text = f"reboot pending: {'; '.join(reasons)}, {running}"
    remedy = CHANGE_DEFAULT if newer and starts and starts != newer else ""
    if not since:
        return failed(Severity.MEDIUM, text, remedy=remedy)
    days = max(0.0, (now - min(since)).total_seconds() / 86400)
    late = days > limits.high_days
    return failed(
        Severity.HIGH if late else Severity.LOW,
        f"{text}; for {days:.0f} d, at most {limits.high_days:g} d",
        Measure("pending", round(days, 2), "d"),
        remedy=remedy,
    )


def _start(starts: object, expected: object) -> str:
    """Return what the boot loader does, where it was told and does not go without saying."""
    return (
        f", but the boot loader would start {short(starts, 60)}"
        if starts and starts != expected
        else ""
    )


def _moment(text: object) -> datetime | None:
    """Return the time that the host gave; None if it is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


CHECK = Check(
    title="No reboot is pending",
    trouble="Pending reboot",
    gather="reboot",
    since="0.1.0",
    why=(
        "Until the reboot, the host runs the old kernel and libraries, with the "
        "vulnerabilities that the update fixed."
    ),
    cannot_see=(
        "Services that only need a restart. Which kernel a boot loader other than GRUB would start."
    ),
    limits=Limits(),
    judge=judge,
    measures={"pending": MeasureKind.STATE},
    source="/run/reboot-required as Debian's unattended-upgrades and needrestart set it; needs-restarting(1)",
    remedy="decide: reboot it in the next maintenance window",
    controls=("45 CFR 164.308(a)(5)(ii)(B)",),
    absence=DECLARED,
)
