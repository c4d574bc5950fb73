"""Runs and answers of hosts, as the store is given them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.judge import evidence_hash
from upkeep.model.answer import Due, Observed, Outcome, Request, Seen
from upkeep.model.verdicts import Measure, Result, Severity, Status, Unknown
from upkeep.store import Connection, runs
from upkeep.store.answers import add_host
from upkeep.store.runs import RunStart

NOW = datetime(2030, 6, 1, 6, 0, tzinfo=UTC)
SITE = "/srv/site"


def begun(minutes: float = 0, **other: Any) -> RunStart:
    """A run that begins so many minutes after NOW."""
    start = RunStart(
        procedure="daily",
        title="Daily",
        playbook="astral.upkeep.daily",
        site=SITE,
        inventory=f"{SITE}/inventory",
        limit="",
        check_mode=False,
        diff=False,
        started_at=NOW + timedelta(minutes=minutes),
        started_by="operator",
        asked_by="",
        driver_host="controller",
        driver_pid=4242,
        driver_started=1.5,
        boot_id="0b1c",
        workspace="/run/user/0/upkeep/run-x",
    )
    return replace(start, **other)


def result(
    status: Status | Severity = Status.PASS,
    *,
    subject: str = "/",
    host: str = "web1",
    check: str = "disk_space",
    message: str = "91 % used, at most 90 %",
    minutes: float = 0,
    measures: tuple[Measure, ...] = (Measure("used", 91.0, "%"),),
    **other: Any,
) -> Result:
    """A result; a severity makes it a failing one."""
    severity = status if isinstance(status, Severity) else None
    if status is Status.UNKNOWN:
        other = {"unknown": Unknown.CANNOT_SEE} | other
    return Result(
        host=host,
        check=check,
        subject=subject,
        status=Status.FAIL if isinstance(status, Severity) else status,
        severity=severity,
        message=message,
        remedy="free space" if severity else "",
        measures=measures,
        controls=("45 CFR 164.308(a)(7)",),
        observed_at=NOW + timedelta(minutes=minutes),
        **other,
    )


def answer(*results: Result, minutes: float = 0, host: str = "web1", raw: str = "") -> Observed:
    """What a host gave, with an observation behind each result."""
    subjects = [one.subject for one in results]
    return Observed(
        host=host,
        outcome=Outcome.OK,
        observed_at=NOW + timedelta(minutes=minutes),
        seconds=0.25,
        python="3.11.2",
        clock_offset_seconds=-0.125,
        requests=(Request("file_systems", {"paths": ["/"], "deep": {"list": [1, None, True]}}),),
        due=(Due("disk_space", 0, {"used_percent": 90}),),
        seen=tuple(
            Seen(
                0,
                Observation(subject, {"used": 91.0}, raw or subject),
                evidence_hash(raw or subject),
            )
            for subject in subjects
        ),
        results=tuple(
            replace(
                one, host=host, evidence_sha256=evidence_hash(raw or one.subject), observation=at
            )
            for at, one in enumerate(results)
        ),
    )


def know_hosts(db: Connection, site: str, *hosts: str) -> None:
    """Let a run of a site have seen hosts, all well."""
    run_id = runs.start(db, begun(site=site))
    for host in hosts:
        add_host(db, run_id, answer(result(), host=host))
