# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optimize all databases of a host: one run of the job."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any, Dict, Iterator, List, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import wanted
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import told
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import subject
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize import (
    mariadb,
    postgresql,
    sqlite,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_rests import (
    Rests,
    last_acts,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeCancelledError,
    OptimizeError,
    StandbyError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import RUNNING
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import (
    DONE,
    PLANNED,
    SKIPPED,
    UNKNOWN,
    Ended,
    change_words,
    measure_words,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.progress import ProgressFile


def optimize(job: Job) -> str:
    """Do what is due in each database that is declared, or found; return why it ended early, or nothing.

    Raises: OptimizeError if another run is at work, or the record cannot be written.
    """
    if job.check_mode:
        _all(job, [])
        return ""
    rests: List[Rests] = []
    shown = ProgressFile(os.path.join(job.record.folder, RUNNING))
    job.progress = shown.tell
    with job.record.alone(), ended_by_signals():
        try:
            _all(job, rests)
            job.progress({"title": "indexes that are left over", "step": "dropping"})
            last_acts(job, rests)
            why = ""
        except OptimizeCancelledError as exc:
            why = str(exc)
            for one in rests:
                one.report()
        finally:
            shown.end()
            subjects = [one.step.subject for one in job.ended] + [
                one["subject"] for one in job.notes
            ]
            job.conclude(list(dict.fromkeys([*subjects, *(one.subject for one in rests)])))
    return why


def _all(job: Job, rests: List[Rests]) -> None:
    """Do all databases; one that fails costs itself."""
    found, _whole = wanted(job.params, job.host)
    for database, _declared in found.values():
        name = subject(database)
        with _noted(job, name):
            if database.get("ambiguous"):
                raise OptimizeError(database["ambiguous"])
            for one in _databases(job, database):
                with _noted(job, subject(one)):
                    if job.window.left <= 0:
                        raise OptimizeError(f"the window is over since {job.window.words}")
                    _one(job, one, rests)


def _databases(job: Job, database: Dict[str, Any]) -> List[Dict[str, Any]]:
    if database["kind"] == "postgresql":
        return postgresql.databases(job, database)
    return [database]


def _one(job: Job, database: Dict[str, Any], rests: List[Rests]) -> None:
    """Do one database."""
    kind = database["kind"]
    if kind == "postgresql":
        postgresql.work(job, database, rests)
    elif kind == "mariadb":
        mariadb.work(job, database)
    elif kind == "sqlite":
        sqlite.work(job, database)
    else:
        job.note(subject(database), SKIPPED, f"the job does nothing in {kind}")


@contextlib.contextmanager
def _noted(job: Job, name: str) -> Iterator[None]:
    """Note why nothing was done of a database, and go on with the next one."""
    try:
        yield
    except OptimizeCancelledError:
        raise
    except StandbyError as exc:
        job.note(name, SKIPPED, str(exc))
    except AccessRefusedError as exc:
        job.note(name, UNKNOWN, str(exc) if exc.cause else told(str(exc)).reason)
    except (OptimizeError, HostError) as exc:
        job.note(name, UNKNOWN, " ".join(str(exc).split())[:400])
    except (ValueError, TypeError, KeyError, IndexError) as exc:
        job.note(name, UNKNOWN, f"an answer is not understood ({type(exc).__name__})")


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the first signal that would end the process end the job; the next ones wait until that is done."""
    asked = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def end(number: int, _frame: Any) -> None:
        for one in asked:
            signal.signal(one, signal.SIG_IGN)
        raise OptimizeCancelledError(f"cancelled by {signal.Signals(number).name}")

    before = {number: signal.signal(number, end) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def difference(job: Job) -> Dict[str, str]:
    """Return the diff of the task: the plan, or what was before and what is now, side by side."""
    notes = [f"{one['subject']}: {one['outcome']}: {one['why']}" for one in job.notes]
    if job.check_mode:
        lines = [one.step.words() for one in job.ended] + notes
        head = f"planned until {job.window.words}"
        return {"before": "", "after": _text(lines), "after_header": head}
    before, after = [], []
    for one in job.ended:
        before.append(f"{one.step.subject}: {one.step.name}: {measure_words(one.before)}")
        after.append(
            f"{one.step.subject}: {_how(one)}: {change_words(one.before, one.after)}{_cause(one)}"
        )
    left = [f"{one['subject']}: {one['index']}: {one['why']}" for one in job.findings]
    return {
        "before": _text(before),
        "after": _text([*after, *notes, *left]),
        "before_header": "before",
        "after_header": "after",
    }


def _how(one: Ended) -> str:
    return f"{one.step.statement} {one.outcome}"


def _cause(one: Ended) -> str:
    return f"; {one.cause}" if one.cause else ""


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def has_changed(job: Job) -> bool:
    """Return whether something was done; in check mode, whether it would be."""
    return any(one.outcome in (DONE, PLANNED) for one in job.ended)
