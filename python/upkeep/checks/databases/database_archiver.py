"""WAL is archived.

Without its archive, a base backup cannot be brought to a later time, and the server keeps WAL until its disk is full.
Checks that the newest attempt has not failed, and how much WAL waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    ArchiverState,
    DatabaseActivity,
)
from upkeep.checks.databases._sessions import MIB, graded
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted, duration, size
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)


@dataclass(frozen=True)
class Limits:
    """How much WAL may wait for the archive, and how long it may fail.

    medium_mib: of WAL that is not archived, in MiB.
    high_mib: of WAL that is not archived, in MiB.
    high_minutes: since the last file was archived, if the newest attempt failed, in minutes.
    """

    medium_mib: float = 256.0
    high_mib: float = 2048.0
    high_minutes: float = 15.0


@of_topic("archiver")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge whether it can archive, whether the newest attempt failed, and how much WAL waits."""
    state = seen.archiver or ArchiverState("off")
    if state.mode == "off":
        return nothing_to_judge("archive_mode is off")
    if seen.in_recovery and state.mode != "always":
        return nothing_to_judge("a standby archives nothing: archive_mode is not always")
    waiting = max(0, state.waiting_bytes or 0)
    measures = (Measure("waiting", waiting, "By"), Measure("failed", max(0, state.failed)))
    if not state.configured:
        text = f"archive_mode is {short(state.mode, 20)}, but archive_command is empty: WAL is kept for ever"
        return failed(Severity.HIGH, f"{text}; expected a command or a library", *measures)
    if _fails(state):
        return failed(_how_bad(state, limits), _failing(state, waiting), *measures)
    grade = graded(
        waiting,
        ((Severity.HIGH, limits.high_mib * MIB), (Severity.MEDIUM, limits.medium_mib * MIB)),
    )
    if grade:
        text = f"{size(waiting)} of WAL wait for the archive, at most {grade[1] / MIB:g} MiB; {_last(state)}"
        return failed(grade[0], text, *measures)
    if state.archived_seconds is None:
        return nothing_to_judge("no WAL file has been archived, or failed, so far", *measures)
    return passed(
        f"{_last(state)}; {size(waiting)} of WAL wait, at most {limits.medium_mib:g} MiB",
        *measures,
    )


def _fails(state: ArchiverState) -> bool:
    """Say whether the newest attempt failed."""
    if state.failed_seconds is None:
        return False
    return state.archived_seconds is None or state.failed_seconds < state.archived_seconds


def _how_bad(state: ArchiverState, limits: Limits) -> Severity:
    """Return the severity of a failure: one that is new may be gone with the next attempt."""
    done = state.archived_seconds
    new = done is not None and done < limits.high_minutes * 60
    return Severity.MEDIUM if new else Severity.HIGH


def _failing(state: ArchiverState, waiting: int) -> str:
    ago = duration(max(0.0, state.failed_seconds or 0.0))
    file = f" of {short(state.failed_file, 60)}" if state.failed_file else ""
    return (
        f"the newest attempt{file} failed {ago} ago, expected success; {_last(state)}, "
        f"{counted(max(0, state.failed), 'failure')}, {size(waiting)} of WAL wait"
    )


def _last(state: ArchiverState) -> str:
    if state.archived_seconds is None:
        return "nothing was archived so far"
    return f"the last file was archived {duration(max(0.0, state.archived_seconds))} ago"


CHECK = Check(
    title="WAL is archived",
    trouble="Failed WAL archiving",
    gather="database_activity",
    shape=DatabaseActivity,
    needs_network=True,
    since="0.1.0",
    why=(
        "Without the WAL, a base backup cannot be brought to a later time; and the server keeps what "
        "it cannot archive until its disk is full."
    ),
    cannot_see=(
        "Whether the archived files are good, and all there: backup_restored judges that. A command "
        "that has never ended since archiving was switched on."
    ),
    limits=Limits(),
    judge=judge,
    measures={"waiting": MeasureKind.STATE, "failed": MeasureKind.COUNTER},
    source="check_postgres: archive_ready; PostgreSQL, pg_stat_archiver; our limits",
    remedy="decide: see in the server's log why archive_command fails, and try it as the server's account",
    absence={"databases": gone()},
)
