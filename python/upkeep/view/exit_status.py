"""What the command's exit status says, as monitoring plugins have it. Pure."""

from __future__ import annotations

from upkeep.model.errors import INTERRUPTED
from upkeep.model.verdicts import Severity
from upkeep.view.model import Counts, RunSummary

OK = 0
WARNING = 1
CRITICAL = 2
UNKNOWN = 3


def of_run(run: RunSummary) -> int:
    """Return the exit status of a run.

    A run that looked at nothing is unknown: green is only what was seen. What failed with severity info asks for
    nothing, so it counts as well.
    """
    if run.status == "interrupted":
        return INTERRUPTED
    worst = of_counts(run.counts)
    if worst == CRITICAL:
        return CRITICAL
    if run.status != "done" or run.hosts_unseen or run.counts.total == 0:
        return UNKNOWN
    return worst


def of_counts(counts: Counts) -> int:
    """Return the exit status of a listing of results or findings: 2, else 3, else 1, else 0."""
    if counts.failed.get(Severity.CRITICAL) or counts.failed.get(Severity.HIGH):
        return CRITICAL
    if counts.unknown:
        return UNKNOWN
    if counts.failed.get(Severity.MEDIUM) or counts.failed.get(Severity.LOW):
        return WARNING
    return OK
