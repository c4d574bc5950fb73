# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One statement of the job's plan, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict

DONE, SKIPPED, CANCELLED, PLANNED = "done", "skipped", "cancelled", "planned"
UNKNOWN = "unknown"
"""Of a whole database: why is not known, or not all of it could be seen."""
BYTES_PER_SECOND = 16 << 20
"""What is assumed of a server of which nothing was measured yet."""


@dataclass(frozen=True)
class PlannedStep:
    """One statement.

    subject: the database, as observations name it. action: such as `reindex`. name: of the object. why: what makes it
    due. lock: what it takes, in the words of the database. size_bytes: of the object. seconds: how long it takes, by
    estimate. oid, table_oid: of the object and of its table, where the database numbers them.
    """

    subject: str
    action: str
    name: str
    statement: str
    why: str
    lock: str
    size_bytes: int = 0
    seconds: float = 0.0
    oid: int = 0
    table_oid: int = 0

    def words(self) -> str:
        """Return it as a line of the plan."""
        return (
            f"{self.subject}: {self.statement}  -- {self.why}; lock {self.lock}; "
            f"{size_words(self.size_bytes)}, about {duration_words(self.seconds)}"
        )


@dataclass
class Ended:
    """How a step ended. outcome: done, skipped, cancelled or planned. cause: why it was not done.

    before, after: measures of the object, such as `bytes`, `dead_rows`; None for one that could not be read.
    """

    step: PlannedStep
    outcome: str
    cause: str = ""
    seconds: float = 0.0
    before: Dict[str, Any] = field(default_factory=dict)
    after: Dict[str, Any] = field(default_factory=dict)

    def as_row(self) -> Dict[str, Any]:
        """Return it as the module does."""
        return {
            "subject": self.step.subject,
            "action": self.step.action,
            "object": self.step.name,
            "statement": self.step.statement,
            "why": self.step.why,
            "lock": self.step.lock,
            "bytes": self.step.size_bytes,
            "estimated_seconds": round(self.step.seconds, 1),
            "outcome": self.outcome,
            "cause": self.cause,
            "seconds": round(self.seconds, 3),
            "before": self.before,
            "after": self.after,
        }


def size_words(size: float) -> str:
    """Return a size such as `12.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def duration_words(seconds: float) -> str:
    """Return a duration such as `4 min`."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def measure_words(measures: Dict[str, Any]) -> str:
    """Return measures: `size 12.5 MiB, dead rows 90000`."""
    return ", ".join(f"{_title(name)} {_shown(name, one)}" for name, one in measures.items())


def change_words(before: Dict[str, Any], after: Dict[str, Any]) -> str:
    """Return measures side by side: `size 12.5 MiB, dead rows 90000 before, 0 now`."""
    said = []
    for name, value in after.items():
        was, now = _shown(name, before.get(name)), _shown(name, value)
        said.append(f"{_title(name)} {now if was == now else f'{was} before, {now} now'}")
    return ", ".join(said)


def _title(name: str) -> str:
    return "size" if name == "bytes" else name.replace("_bytes", " size").replace("_", " ")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "not read"
    if name == "bytes" or name.endswith("_bytes"):
        return size_words(value)
    if isinstance(value, float):
        return f"{value:.0%}" if name.endswith("share") else f"{value:.0f}"
    return str(value)
