"""How an occurrence ends, and why: for people in words, for the program as reasons. Pure.

No code reads the words: what counts as late, as left out or as seen hangs on the reasons alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

DONE, PARTIAL, FAILED, SKIPPED = "done", "partial", "failed", "skipped"
UNFINISHED = ("failed", "interrupted", "crashed")
"""Ends of runs after which nobody can say that the procedure was executed."""
NAMED_HOSTS = 5


class Reason(StrEnum):
    """Why an occurrence ended as it did; it may have several."""

    # Without a run.
    BLACKOUT = "blackout"
    NO_DRIVER = "no_driver"
    NEWER = "newer"  # the next one was due before it could begin
    OVERLAP = "overlap"  # the one before it still ran
    WAITED = "waited"  # behind other runs, until it was too late
    BEHIND = "behind"  # a host had not caught up when the next one was due
    REMOVED = "removed"  # its procedure was
    # With a run.
    NO_END = "no_end"  # the run failed, was stopped, or lost its driver
    UNSEEN = "unseen"  # hosts
    JOB_FAILED = "job_failed"
    BLIND = "blind"  # checks could not see what they judge
    ISOLATED = "isolated"  # jobs left isolated hosts as they are
    LACKS = "lacks"  # an older program's: the procedure names a part that has no check yet
    LATE = "late"
    OTHER = "other"  # what the run says itself, or what an older program wrote in words


@dataclass(frozen=True)
class Ending:
    """How an occurrence ended. cause: for people; empty where nothing has to be said."""

    state: str
    cause: str = ""
    reasons: tuple[Reason, ...] = ()


def ending(
    status: str,
    cause: str,
    reason: Reason | None,
    *,
    unseen: Sequence[str] = (),
    failed_jobs: int = 0,
    late: timedelta = timedelta(),
    is_any_seen: bool = True,
) -> Ending:
    """Return how an occurrence ends with its run.

    status, cause, reason: the run's own. unseen: hosts. failed_jobs: on how many hosts one failed.
    late: how long after its time it ended; nothing or less if in time. is_any_seen: whether any host took part.
    """
    if status in UNFINISHED:
        said = f"run {status}: {cause}" if cause else f"run {status}"
        return Ending(FAILED, said, (Reason.NO_END,))
    if reason is Reason.ISOLATED and not is_any_seen:
        return Ending(SKIPPED, cause, (reason,))
    found: list[tuple[Reason, str]] = []
    if unseen:
        more = " …" if len(unseen) > NAMED_HOSTS else ""
        found.append((Reason.UNSEEN, f"not seen: {', '.join(unseen[:NAMED_HOSTS])}{more}"))
    if failed_jobs:
        hosts = f"{failed_jobs} host{'s' if failed_jobs > 1 else ''}"
        found.append((Reason.JOB_FAILED, f"a job failed on {hosts}"))
    if reason is Reason.ISOLATED:
        found.append((reason, cause))
    if status == PARTIAL and not found and reason is not Reason.BLIND:
        # That a check could not see leaves open what it would have found, not whether it was executed.
        found.append((Reason.OTHER, cause))
    if late > timedelta():
        minutes = late.total_seconds() / 60
        found.append((Reason.LATE, f"late: ended {minutes:.0f} min after its time"))
    if not found:
        return Ending(DONE)
    said = "; ".join(words for _why, words in found if words)
    return Ending(PARTIAL, said, tuple(why for why, _words in found))


def kept(reasons: Iterable[Reason]) -> str:
    """Return reasons as one text to be stored."""
    return ",".join(reasons)


def read(text: str) -> frozenset[Reason]:
    """Return the reasons of a stored text; one that a newer program wrote is OTHER."""
    known = {one.value: one for one in Reason}
    return frozenset(known.get(one, Reason.OTHER) for one in text.split(",") if one)
