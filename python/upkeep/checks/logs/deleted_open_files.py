"""No deleted file takes much space because a process still holds it open.

Such a file is a log that was removed under a program, and is seen by no listing: the disk fills up all the same. As
another user than root only the own processes can be seen; the rest is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import size_text
from upkeep.model.remedies import quote
from upkeep.model.text import counted
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """How much may be held.

    held_bytes: space that deleted files may take, all together; ten times as much is high.
    """

    held_bytes: int = 500_000_000


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge what all deleted files take."""
    data = seen.data
    if data["kind"] != "deleted":
        return None
    measures = (Measure("held", data["bytes"], "By"), Measure("files", data["count"]))
    text = f"{size_text(data['bytes'])} in {counted(data['count'], 'deleted file')}"
    if data["bytes"] > limits.held_bytes:
        worst = data["files"][0]
        severity = Severity.HIGH if data["bytes"] > 10 * limits.held_bytes else Severity.MEDIUM
        text += f", at most {size_text(limits.held_bytes)}; the largest is {worst['path']}, held by {worst['process']}"
        remedy = f"ls -l /proc/{quote(worst['pid'])}/fd  # see which; then restart {worst['process']!s:.40}"
        return failed(severity, text, *measures, remedy=remedy)
    if data["processes_unseen"]:
        hidden = f"{data['processes_unseen']} processes of other users not checked"
        return unknown(
            f"{text}; {hidden}",
            *measures,
            remedy="decide: observe as root (ansible_become), or leave it unknown",
        )
    if not data["complete"]:
        return unknown(f"{text}; there was not enough time to check all processes", *measures)
    return passed(f"{text}, at most {size_text(limits.held_bytes)}", *measures)


CHECK = Check(
    title="Deleted files do not fill the disk",
    trouble="Disk space held by deleted files",
    gather="log_rotation",
    since="0.1.0",
    why="The disk fills up, and no listing shows the file that takes the space.",
    cannot_see=(
        "Processes of other users, unless the host is observed as root: the result is then "
        "unknown. "
        "Deleted files that only the kernel holds, such as behind a loop device."
    ),
    limits=Limits(),
    judge=judge,
    measures={"held": MeasureKind.STATE, "files": MeasureKind.STATE},
    source="proc(5), /proc/pid/fd; lsof(8), +L1",
    remedy="lsof +L1  # see who holds them; then restart it",
    absence=DECLARED,
)
