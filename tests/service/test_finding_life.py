"""The life of a finding as the store keeps it: as the rule says, wherever the work is interrupted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from alert_samples import DISKS, MONDAY, SITE, full, seen
from sqlalchemy import select
from store_samples import begun

from upkeep.judging.check import load
from upkeep.model.answer import Observed
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.absence import look_of, unseen
from upkeep.rules.findings import Finding, Moved, SeenResult, Sighting, next_state
from upkeep.store import Store, findings, open_store, runs, tables
from upkeep.store.answers import add_host

WORDS = {"high": Severity.HIGH, "low": Severity.LOW, "pass": Status.PASS, "unknown": Status.UNKNOWN}


class Interruption(Exception):  # noqa: N818
    """Stands for whatever ends a transaction: a lost server, a killed driver."""


def by_the_rule(before: Finding | None, answer: Observed, at: datetime) -> Moved:
    look = look_of(answer, "disk_space")
    if not answer.results:
        ends = load()["disk_space"].absence or {}
        return unseen(before, look, ends, at) if before else (None, ())
    [one] = answer.results
    result = SeenResult(
        fingerprint="",
        site=SITE,
        host=one.host,
        check_id=one.check,
        subject=one.subject,
        status=one.status,
        severity=one.severity,
        message=one.message,
        remedy=one.remedy,
        at=at,
        how=Sighting(DISKS, look.asked, look.uid),
    )
    return next_state(before, result)


def kept(store: Store) -> tuple[Finding | None, list[str]]:
    """The only finding there is, without what only the store gives it, and what happened to it."""
    table = tables.finding_event
    with store.read() as db:
        told = list(db.execute(select(table.c.kind).order_by(table.c.id)).scalars())
        found = [
            replace(one, id=0, fingerprint="") for one in findings.open_ones(db, everything=True)
        ]
    assert len(found) < 2
    return (found[0] if found else None), told


def keep(store: Store, answer: Observed, at: datetime, *, ends: bool = True) -> None:
    with store.begin() as db:
        add_host(db, runs.start(db, begun(started_at=at)), answer)
        if not ends:
            raise Interruption


@pytest.mark.parametrize(
    "steps",
    [
        "high high unknown low pass pass unknown high",
        "pass unknown high gone gone low pass",
        "low gone pass high low",
        "unknown low high pass low gone",
    ],
)
def test_each_step_is_whole_or_not_there_and_goes_on_where_it_was(
    url: str, store: Store, steps: str
) -> None:
    finding: Finding | None = None
    told: list[str] = []
    for number, step in enumerate(steps.split()):
        at = MONDAY + timedelta(hours=number)
        answer = seen(*([] if step == "gone" else [full(WORDS[step])]), at=at)
        before = finding, list(told)
        finding, transitions = by_the_rule(finding, answer, at)
        told += [one.kind.value for one in transitions]

        again = open_store(url)
        with pytest.raises(Interruption):
            keep(again, answer, at, ends=False)
        assert kept(again) == before
        keep(again, answer, at)
        assert kept(again) == (finding, told)
        again.close()
