"""What is judged once for all hosts of a run: from the store, when the run ends, and again whenever somebody asks."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import SITE_SET, Check
from upkeep.judging.judge import EVERYTHING
from upkeep.judging.site_judge import SeenOnHost, judge_site
from upkeep.model.answer import SITE_HOST, Due, Observed, Outcome, Request, Seen
from upkeep.model.stored_text import name
from upkeep.model.verdicts import Result
from upkeep.store import findings, tables
from upkeep.store.engine.statements import batched


@dataclass(frozen=True)
class AskedOfHost:
    """What an answer was asked for by a check of the site. report: the answer; requests: their indices in it."""

    report: int
    requests: frozenset[int]
    limits: Mapping[str, object]


def judge_run(
    db: Connection,
    run_id: int,
    site: str,
    checks: Mapping[str, Check],
    at: datetime,
    spoken: Collection[str] = (),
    due: Mapping[str, Sequence[Due]] | None = None,
) -> Observed | None:
    """Return the site's own answer in a run: the results of the checks of the site that its hosts ask for.

    None if there is nothing to say. spoken: the checks that the run asks for, `*` for all that its hosts ask for.
    due: by host, what is due there with other limits than those of the run. Only what the run has written down is
    looked at, its answers and which hosts could not be seen: so it is the same whenever it is asked.
    """
    of_site = {one.id: one for one in checks.values() if one.of_site}
    asked = _asked(db, run_id, of_site, due or {})
    if not asked and not findings.on_hosts(db, run_id, site, [SITE_HOST]):
        return None
    missing = _missing(db, run_id, site, of_site, at)
    requests: list[Request] = []
    seen: list[Seen] = []
    results: list[Result] = []
    found: list[Due] = []
    whole: list[tuple[int, str]] = []
    for index, check in enumerate(
        of_site[one] for one in sorted({*asked, *missing} & set(of_site))
    ):
        answers = asked.get(check.id, {})
        hosts = _seen_on_hosts(db, answers, missing.get(check.id, ()))
        found.append(Due(check.id, index, dict(next(iter(hosts.values())).limits) if hosts else {}))
        requests.append(Request(check.gather, {}))
        judged = judge_site(check, hosts, at)
        for one in judged:
            if one.subject == EVERYTHING:
                results.append(one)
                continue
            data = {"answers": {host: answers[host].report for host in sorted(answers)}}
            seen.append(Seen(index, Observation(one.subject, data, of=SITE_SET)))
            results.append(replace(one, observation=len(seen) - 1))
        # Limits that disagree, or a judge that breaks, say nothing of what is there.
        said_all = all(one.subject != EVERYTHING for one in judged)
        if said_all and not any(map(_is_partly_seen, hosts.values())):
            whole.append((index, SITE_SET))
    return Observed(
        host=SITE_HOST,
        outcome=Outcome.OK,
        observed_at=at,
        requests=tuple(requests),
        due=tuple(found),
        seen=tuple(seen),
        results=tuple(results),
        asked=_said_of(found, spoken, whole=not any(missing.values())),
        uid=0,
        whole=tuple(whole),
    )


def _is_partly_seen(host: SeenOnHost) -> bool:
    return host.seen is None or any(one.error for one in host.seen)


def _said_of(due: Sequence[Due], spoken: Collection[str], *, whole: bool) -> tuple[str, ...]:
    """Return of which checks the answer says all: what is absent in it is not there any more.

    whole: no host that may ask for one was left out. Else it says so only of those that were judged.
    """
    if whole:
        return tuple(spoken)
    return tuple(one.check for one in due if EVERYTHING in spoken or one.check in spoken)


def _asked(
    db: Connection,
    run_id: int,
    checks: Mapping[str, Check],
    due: Mapping[str, Sequence[Due]],
) -> dict[str, dict[str, AskedOfHost]]:
    """Return by check and host the newest answer that was asked for it."""
    report = tables.report
    rows = db.execute(
        select(report.c.id, report.c.host, report.c.due)
        .where(report.c.run_id == run_id, report.c.host != SITE_HOST)
        .order_by(report.c.observed_at, report.c.id)
    )
    found: dict[str, dict[str, AskedOfHost]] = {}
    for row in rows:
        asked = due.get(row.host) or [Due(**one) for one in json.loads(row.due)]
        for check in {one.check for one in asked} & set(checks):
            mine = [one for one in asked if one.check == check]
            numbers = frozenset(one.request for one in mine)
            found.setdefault(check, {})[row.host] = AskedOfHost(row.id, numbers, mine[0].limits)
    return found


def _missing(
    db: Connection, run_id: int, site: str, checks: Mapping[str, Check], at: datetime
) -> dict[str, list[str]]:
    """Return by check the hosts of the run that could not be seen, and ask for it or have answered it before."""
    host, watched, report = tables.run_host, tables.watched, tables.report
    unseen = set(
        db.scalars(
            select(host.c.host).where(
                host.c.run_id == run_id,
                host.c.outcome.not_in((Outcome.OK.value, Outcome.SKIPPED.value)),
            )
        )
    )
    found: dict[str, set[str]] = {}
    for some in batched(sorted(unseen)):
        mine = (watched.c.site == name(site), watched.c.host.in_(some), watched.c.since <= at)
        for row in db.execute(select(watched.c.host, watched.c.check_id).where(*mine)):
            found.setdefault(row.check_id, set()).add(row.host)
        asked = select(report.c.host, report.c.due)
        for row in db.execute(asked.where(report.c.run_id == run_id, report.c.host.in_(some))):
            for one in json.loads(row.due):
                found.setdefault(one["check"], set()).add(row.host)
    return {check: sorted(hosts) for check, hosts in found.items() if check in checks}


def _seen_on_hosts(
    db: Connection, asked: Mapping[str, AskedOfHost], missing: Sequence[str]
) -> dict[str, SeenOnHost]:
    """Return what the hosts gave to a check; of those that could not be seen, that they gave nothing."""
    table = tables.observation
    hosts = {one.report: (host, one) for host, one in asked.items() if host not in missing}
    seen: dict[str, list[Observation]] = {host: [] for host, _one in hosts.values()}
    for some in batched(hosts):
        rows = db.execute(
            select(table)
            .where(table.c.report_id.in_(some))
            .order_by(table.c.report_id, table.c.number)
        )
        for row in rows:
            host, one = hosts[row.report_id]
            if row.request in one.requests:
                given = Observation(row.subject, json.loads(row.data), error=row.error)
                seen[host].append(given)
    first = next((one.limits for one in asked.values()), {})
    away = {
        host: SeenOnHost(asked[host].limits if host in asked else first, None) for host in missing
    }
    return {host: SeenOnHost(one.limits, seen[host]) for host, one in hosts.values()} | away


def asked_for(db: Connection, run_id: int, checks: Mapping[str, Check]) -> list[str]:
    """Return the checks of the site that the hosts of a run were asked for."""
    return sorted(_asked(db, run_id, {one.id: one for one in checks.values() if one.of_site}, {}))


def answered_at(db: Connection, run_id: int) -> datetime | None:
    """Return when the checks of the site were judged in a run; None if they were not."""
    table = tables.report
    mine = select(table.c.observed_at).where(table.c.run_id == run_id, table.c.host == SITE_HOST)
    at: datetime | None = db.scalar(mine.order_by(table.c.observed_at.desc()).limit(1))
    return at


def judged_at(db: Connection, run_id: int) -> datetime | None:
    """Return when they were judged; None if they were not, or if what they were judged with is not kept."""
    run = tables.run
    kept = db.scalar(select(run.c.observations_kept).where(run.c.id == run_id))
    return answered_at(db, run_id) if kept else None
