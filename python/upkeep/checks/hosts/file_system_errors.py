"""File systems can be written where they should be, and have counted no errors.

A file system that meets an error on its disk turns read-only under a mount that is still called writable; services
go on until they write. One that /etc/fstab wants writable and that is mounted read-only came up so after an error. ext4
keeps a count of errors until it is checked with e2fsck.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import figure, short
from upkeep.model.remedies import about
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Nothing to set."""


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge whether the file system lost its writability, then its count of errors."""
    data = seen.data
    if data.get("seen_as_another") is True:
        return None
    if data.get("mounted") is False:
        return unknown(
            "nothing is mounted there",
            remedy=about("mount {subject}  # mount it; it should be there", seen.subject),
        )
    if not isinstance(data.get("read_only"), bool) or not isinstance(data.get("lost_writes"), bool):
        return unknown("no mount options were given")
    if data["lost_writes"]:
        return failed(Severity.CRITICAL, "was mounted writable and has become read-only")
    if data["read_only"] and data.get("wanted_writable") is True:
        return failed(Severity.CRITICAL, "mounted read-only; /etc/fstab wants it writable")
    errors = figure(data, "errors")
    measures = (Measure("errors", errors),) if errors is not None else ()
    if errors:
        text = f"{errors:.0f} errors counted since its last check, at most 0"
        return failed(Severity.HIGH, text, *measures)
    if data["read_only"] and data.get("fstab_unread"):
        return unknown(
            "mounted read-only; it is not known whether that is intended: "
            f"{short(data['fstab_unread'], 200)}"
        )
    return passed("read-only, as mounted" if data["read_only"] else "writable", *measures)


CHECK = Check(
    title="File systems are writable and free of errors",
    trouble="Faulty file system",
    gather="file_systems",
    since="0.1.0",
    why="A failing disk is noticed before data is lost.",
    cannot_see=(
        "Errors in blocks that nobody has read or written. Error counts of file systems other "
        "than ext4, and the SMART data of disks."
    ),
    limits=Limits(),
    judge=judge,
    measures={"errors": MeasureKind.COUNTER},
    source="mount(8), errors=remount-ro; ext4(5); kernel's Documentation/ABI/testing/sysfs-fs-ext4, errors_count",
    remedy="dmesg -T | grep -E 'I/O error|EXT4-fs|XFS' | tail -n 20  # see the cause; then look at the disk "
    "(smartctl), and check it unmounted; where there is a journal, `journalctl -k` reaches further back",
    controls=("45 CFR 164.312(c)(1)",),
    absence={"file systems": gone("is not mounted any more")},
)
