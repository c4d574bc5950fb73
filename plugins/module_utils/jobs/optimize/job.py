# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all kinds of database share: the limits of the job, its plan, and how each step is tried and ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import Record
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import (
    BYTES_PER_SECOND,
    CANCELLED,
    DONE,
    PLANNED,
    SKIPPED,
    Ended,
    PlannedStep,
    duration_words,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.window import Window

MEASURED_BYTES = 4 << 20
"""What is smaller says nothing of a server's speed."""
KEPT_SECONDS = 90 * 86400.0
"""How long is written down how the job ended for a database that it works on no more."""
MOST_STEPS = 500
"""Of one kind in one database: the most urgent are tried first, the others are due again at the next run."""


def nothing_said(_said: Dict[str, Any]) -> None:
    """Take what the job does, and how far it is (0 to 1), where nobody shows it."""


@dataclass(frozen=True)
class Tried:
    """What one try of a step gave. cause: why it is not done. again: whether a later try may do better.

    cancelled: whether it was ended from outside, or by the end of the window.
    """

    cause: str = ""
    again: bool = False
    cancelled: bool = False


@dataclass
class Job:
    """One run of the job on this host.

    params: of the module. run: the number of the run of Upkeep; empty without one. progress: is told what is done.
    notes: what is to be said of whole databases. findings: what the job has left and could not remove.
    """

    params: Dict[str, Any]
    window: Window
    record: Record
    host: Host
    check_mode: bool = False
    progress: Callable[[Dict[str, Any]], None] = nothing_said
    ended: List[Ended] = field(default_factory=list)
    notes: List[Dict[str, str]] = field(default_factory=list)
    findings: List[Dict[str, str]] = field(default_factory=list)

    @property
    def run(self) -> str:
        """The number of the run of Upkeep; empty without one."""
        return str(self.params["run"])

    @property
    def limits(self) -> Dict[str, Any]:
        """The thresholds of the site."""
        found: Dict[str, Any] = self.params["thresholds"]
        return found

    def wants(self, action: str) -> bool:
        """Return whether the site has chosen an action."""
        return action in self.params["actions"]

    def note(self, subject: str, outcome: str, why: str) -> None:
        """Say of a whole database that it was skipped, or that it is not known: in words."""
        self.notes.append({"subject": subject, "outcome": outcome, "why": why})

    def estimate(self, action: str, size_bytes: int) -> float:
        """Return the seconds that an action takes, by what it took before on this host."""
        return size_bytes / (self.record.rate(action) or BYTES_PER_SECOND)

    def work_off(self, steps: Sequence[PlannedStep], work: Callable[[PlannedStep], Ended]) -> None:
        """Do the steps one after the other, or only plan them."""
        for number, step in enumerate(steps[:MOST_STEPS], 1):
            if self.check_mode:
                self.ended.append(Ended(step, PLANNED))
                continue
            if self.window.left <= 0:
                self.ended.append(Ended(step, SKIPPED, self._too_late(step)))
                continue
            self.progress(
                {
                    "title": f"{step.action} {step.name}",
                    "number": number,
                    "of": len(steps),
                    "step": "at work",
                }
            )
            ended = work(step)
            self.ended.append(ended)
            if ended.outcome == DONE:
                self._learn(ended)
                if number < len(steps):
                    self.window.pause(self.params["pause_seconds"])
        if len(steps) > MOST_STEPS:
            why = f"{len(steps)} statements are due; {MOST_STEPS} are tried at a time"
            self.note(steps[0].subject, SKIPPED, why)

    def try_step(self, step: PlannedStep, turn: Callable[[], Tried]) -> Ended:
        """Try a step as often as the site allows, as long as it would end within the window."""
        began = time.monotonic()
        tried = Tried()
        for number in range(1 + self.params["retries"]):
            if number and not self.window.pause(max(1.0, self.params["pause_seconds"])):
                break
            if not self.window.fits(step.seconds):
                cause = tried.cause or self._too_late(step)
                return Ended(step, SKIPPED, cause, time.monotonic() - began)
            tried = turn()
            if not tried.cause or not tried.again:
                break
        if not tried.cause:
            return Ended(step, DONE, "", time.monotonic() - began)
        outcome = CANCELLED if tried.cancelled else SKIPPED
        return Ended(step, outcome, tried.cause, time.monotonic() - began)

    def _too_late(self, step: PlannedStep) -> str:
        if self.window.left <= 0:
            return f"the window is over since {self.window.words}"
        return (
            f"it would take about {duration_words(step.seconds)}, and the window ends at {self.window.words}, "
            f"in {duration_words(self.window.left)}"
        )

    def _learn(self, ended: Ended) -> None:
        size = ended.step.size_bytes
        if size >= MEASURED_BYTES and ended.seconds > 0:
            self.record.said["rates"][ended.step.action] = size / ended.seconds

    def conclude(self, subjects: Sequence[str]) -> None:
        """Write down how this run ended for each database."""
        at, old = iso(self.host.now()), str(iso(self.host.now() - KEPT_SECONDS))
        last = self.record.said["last"]
        for name in [name for name, one in last.items() if str(one.get("ended_at")) < old]:
            del last[name]
        for subject in subjects:
            mine = [one for one in self.ended if one.step.subject == subject]
            notes = [one for one in self.notes if one["subject"] == subject]
            last[subject] = {
                "run": self.run,
                "ended_at": at,
                "done": sum(one.outcome == DONE for one in mine),
                "not_done": sum(one.outcome != DONE for one in mine),
                "outcome": notes[-1]["outcome"] if notes else DONE,
                "why": notes[-1]["why"]
                if notes
                else next((one.cause for one in mine if one.cause), ""),
            }
        self.record.save()
