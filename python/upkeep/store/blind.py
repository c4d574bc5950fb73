"""Checks that read nothing on a host, and since when; `upkeep.rules.blindness` says which of them have gone blind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from operator import itemgetter

from sqlalchemy import Connection, delete, select

from upkeep.checks.upkeep.blind import ID as BLIND
from upkeep.judging.check import load
from upkeep.model.remedies import command, first
from upkeep.model.stored_text import fingerprint, name, told
from upkeep.model.verdicts import Status
from upkeep.rules.blindness import Blind, HostLook, Spot, blind_ones, next_spots
from upkeep.store import blind_spots, findings, sites, tables
from upkeep.store.answers import latest_row, passed_row
from upkeep.store.engine.statements import Values, batched, upsert

KEY = ["site", "host", "check_id"]


def settle(
    db: Connection,
    run_id: int,
    site: str,
    looks: Iterable[HostLook],
    after: timedelta | None,
    at: datetime,
) -> None:
    """Take in how the checks of a run's hosts saw, and fail what has gone blind. after: the site's own limit."""
    site = name(site)
    by_host = {name(one.host, 255): one for one in looks}
    for hosts in batched(sorted(by_host)):
        _settle(db, run_id, site, {host: by_host[host] for host in hosts}, after, at)


def forget_unscheduled(
    db: Connection, site: str, asked: Collection[str], after: timedelta | None, at: datetime
) -> None:
    """Forget checks that no procedure asks for any more."""
    table = tables.blind_spot
    gone = (table.c.site == name(site), table.c.check_id.not_in(asked))
    hosts = list(db.execute(select(table.c.host).where(*gone).distinct()).scalars())
    db.execute(delete(table).where(*gone))
    _fail_and_pass(db, findings.NO_RUN, name(site), hosts, after, at)


def _settle(
    db: Connection,
    run_id: int,
    site: str,
    looks: dict[str, HostLook],
    after: timedelta | None,
    at: datetime,
) -> None:
    table = tables.blind_spot
    known = blind_spots.of_hosts(db, site, looks, lock=True)
    before = _seen_before(db, site, looks)
    rows: list[Values] = []
    for host, look in looks.items():
        changed, gone = next_spots(known.get(host, {}), look, before.get(host, ()))
        rows += [_row(site, host, one) for one in changed.values()]
        for some in batched(sorted(gone)):
            mine = (table.c.site == site, table.c.host == host, table.c.check_id.in_(some))
            db.execute(delete(table).where(*mine))
    upsert(db, table, rows, KEY)
    concerned = sorted({row["host"] for row in rows} | known.keys())
    _fail_and_pass(db, run_id, site, concerned, after, at)


def _fail_and_pass(
    db: Connection,
    run_id: int,
    site: str,
    hosts: Sequence[str],
    after: timedelta | None,
    at: datetime,
) -> None:
    """Fail the causes that blind checks of these hosts, and pass those that do not any more."""
    checks = load()
    intruders = {one for one, check in checks.items() if check.detects_intruders}
    spots = blind_spots.of_hosts(db, site, hosts, lock=True)
    rows: list[Values] = []
    first = set()
    folder = sites.folder_of(db, site)
    for host in hosts:
        found = blind_ones(
            spots.get(host, {}).values(),
            at,
            after,
            gathers=blind_spots.gathers(),
            intruders=intruders,
        )
        for one in found:
            rows.append(_failed(site, host, one, at, run_id, folder))
            if one.from_first:
                first.add((host, BLIND))
    failing = {row["fingerprint"] for row in rows}
    for finding in findings.open_of_check(db, site, hosts, BLIND):
        if finding.fingerprint not in failing:
            message = "every affected check can read its data again, or is not listed any more"
            rows.append(passed_row(run_id, finding, message, at))
    rows.sort(key=itemgetter("fingerprint"))
    upsert(db, tables.latest_result, [latest_row(site, row) for row in rows], ["fingerprint"])
    findings.move(db, run_id, site, rows, looks=findings.Looks(first))


def _failed(site: str, host: str, one: Blind, at: datetime, run_id: int, folder: str) -> Values:
    look = first(command("check", one.checks[0], site=folder, limit=host), "see why it has no data")
    return {
        "run_id": run_id,
        "fingerprint": fingerprint(site, BLIND, host, name(one.subject)),
        "host": host,
        "check_id": BLIND,
        "subject": name(one.subject),
        "status": Status.FAIL.value,
        "severity": one.severity.value,
        "severity_rank": one.severity.rank,
        "message": told(one.message),
        "remedy": look,
        "observed_at": at,
    }


def _row(site: str, host: str, one: Spot) -> Values:
    return {
        "site": site,
        "host": host,
        "check_id": name(one.check, 200),
        "subject": name(one.subject),
        "why": told(one.why),
        "since": one.since,
        "looks": one.looks,
        "from_first": one.from_first,
    }


def _seen_before(db: Connection, site: str, looks: dict[str, HostLook]) -> dict[str, set[str]]:
    """Return the checks that have been answered on a host before this look."""
    table = tables.watched
    found: dict[str, set[str]] = {}
    for some in batched(sorted(looks)):
        query = select(table.c.host, table.c.check_id, table.c.since)
        for row in db.execute(query.where(table.c.site == site, table.c.host.in_(some))):
            if row.since < looks[row.host].at:
                found.setdefault(row.host, set()).add(row.check_id)
    return found
