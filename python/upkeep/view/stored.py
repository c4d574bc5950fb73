"""What is shown of what the store holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upkeep.model.verdicts import Status
from upkeep.rules.waivers import Waiver
from upkeep.store import findings, runs, sites
from upkeep.view.model import Counts, FindingShown, HostInRun, RunSummary


def of_run(db: Any, run: runs.Run) -> RunSummary:
    """Return what is shown of a run, counted in the store."""
    counted = runs.count(db, run.id)
    return RunSummary(
        id=run.id,
        procedure=run.procedure,
        title=run.title,
        site=run.site,
        folder=sites.folder_of(db, run.site),
        status=run.status,
        started_at=run.started_at,
        ended_at=run.ended_at,
        cause=run.cause,
        hosts=counted.hosts,
        hosts_in_need=counted.hosts_in_need,
        hosts_unjudged=counted.hosts_unjudged,
        sources=counted.sources,
        site_in_need=counted.site_in_need,
        site_failing=counted.site_failing,
        counts=Counts(
            counted.passed, counted.unknown, counted.failed, counted.waived, counted.nothing
        ),
        version=run.version,
        started_by=run.started_by,
        asked_by=run.asked_by,
    )


def hosts_of(db: Any, run_id: int) -> Iterator[HostInRun]:
    """Yield how it went with the run's hosts, by name."""
    for one in runs.hosts(db, run_id):
        yield HostInRun(
            one.host,
            one.outcome,
            one.message,
            one.observed_at,
            one.seconds,
            one.python,
            one.clock_offset_seconds,
            one.seen_from,
            one.isolated,
        )


def finding_of(one: findings.Finding, waiver: Waiver | None = None) -> FindingShown:
    """Return what is shown of a finding. waiver: what covers it now."""
    return FindingShown(
        id=one.id,
        host=one.host,
        check=one.check_id,
        subject=one.subject,
        status=Status.FAIL,
        severity=one.severity,
        message=one.message,
        opened_at=one.opened_at,
        last_seen_at=one.last_seen_at,
        count=one.count,
        reopened=one.opening - 1,
        resolved_at=one.resolved_at,
        retired=one.status == findings.RETIRED,
        gone=one.status == findings.GONE,
        remedy=one.remedy,
        waiver=waiver_words(waiver) if waiver else "",
    )


def waiver_words(waiver: Waiver) -> str:
    """Return in a few words what covers a failure, and how long still."""
    return f"waiver {waiver.id} until {waiver.ends_at:%Y-%m-%d}"
