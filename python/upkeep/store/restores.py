"""Rows of hosts' restore ledgers: each is written down once, with the answer in which it was seen first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreRow,
    RestoreSeen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.judge import EVERYTHING
from upkeep.judging.shapes import ShapeError, typed
from upkeep.model.answer import FIRST_YEAR, LAST_YEAR, Observed
from upkeep.model.stored_text import name, number, packed, shown, told
from upkeep.model.verdicts import Severity, Status, Unknown
from upkeep.store import tables
from upkeep.store.engine.statements import Values, insert_new

GATHER = "restores"
CHECK = "backup_restored"
"""The check of which each set has a result: by it the sets are known."""
ROWS = 30
ID_CHARACTERS, NAME_CHARACTERS = 64, 255
OUTCOMES = ("restored", "failed", "unknown", "part")
ENTRIES = ("seconds", "figures", "counts", "programs")


@dataclass(frozen=True)
class KeptRestore:
    """A row of a ledger, as it is kept. number: its own here; ledger_id: its name on the host. Sizes in bytes.

    run_id: the run that saw it first; None if that is not kept any more. document: all that the host said of it, as
    JSON types. It is data: harmless only where it is shown.
    """

    number: int
    host: str
    set_name: str
    ledger_id: str
    run_id: int | None
    seen_at: datetime
    began_at: datetime
    ended_at: datetime
    outcome: str
    backup: str
    taken_at: datetime | None
    restore_seconds: float | None
    restored_bytes: float | None
    covered: str
    proof: str
    document: dict[str, Any]


@dataclass(frozen=True)
class RestoreStanding:
    """How a set stands by its newest look.

    has_nothing: whether there was nothing to judge, for the site does not want it verified. seen: what was observed
    then, if that is still kept.
    """

    host: str
    set_name: str
    status: Status
    severity: Severity | None
    message: str
    observed_at: datetime
    has_nothing: bool = False
    seen: RestoreSeen | None = None


def add(db: Connection, run_id: int, site: str, answers: Sequence[Observed]) -> None:
    """Keep the rows of ledgers that answers bring and that are not there yet."""
    rows = [one for answer in answers for one in _rows_of(run_id, site, answer)]
    # By time, so that their numbers go by it; and in one order, so that no two writers lock crosswise.
    rows.sort(key=lambda one: (one["began_at"], one["host"], one["set_name"], one["ledger_id"]))
    insert_new(db, tables.restore, rows)


def _rows_of(run_id: int, site: str, answer: Observed) -> Iterator[Values]:
    """Yield the rows that an answer brings."""
    asked = {at for at, one in enumerate(answer.requests) if one.gather == GATHER}
    for seen in answer.seen:
        observation = seen.observation
        if seen.request not in asked or observation.error:
            continue
        try:
            found: RestoreSeen = typed(RestoreSeen, observation)
        except ShapeError:
            continue  # the checks say so
        for row in found.rows[:ROWS]:
            if _can_be(row):
                key = {"site": site, "host": name(answer.host, 255), "run_id": run_id}
                yield key | _values(found.subject, row) | {"seen_at": answer.observed_at}


def _can_be(row: RestoreRow) -> bool:
    """Return whether times and outcome are such as a ledger has."""
    told_times = (row.began_at, row.ended_at, row.taken_at, row.recovery_point_at)
    times = [one for one in told_times if one is not None]
    in_range = all(one.tzinfo and FIRST_YEAR < one.year < LAST_YEAR for one in times)
    return in_range and row.outcome in OUTCOMES and 0 < len(row.id) <= ID_CHARACTERS


def _values(set_name: str, row: RestoreRow) -> Values:
    """Return the columns of a row."""
    document = asdict(row)
    for entries in ENTRIES:
        document[entries] = dict(sorted(document[entries].items())[:200])
    for key, value in document.items():
        if isinstance(value, datetime):
            document[key] = value.astimezone(UTC).isoformat()
    return {
        "set_name": name(set_name, NAME_CHARACTERS),
        "ledger_id": name(row.id, ID_CHARACTERS),
        "began_at": row.began_at,
        "ended_at": row.ended_at,
        "outcome": row.outcome,
        "backup": told(row.backup),
        "taken_at": row.taken_at,
        "restore_seconds": number(row.restore_seconds),
        "restored_bytes": number(row.restored_bytes),
        "covered": told(row.covered, 200),
        "proof": shown(row.proof, 20),
        "document": packed(document),
    }


def recent(
    db: Connection,
    site: str,
    count: int,
    *,
    host: str = "",
    set_name: str = "",
    before: int | None = None,
) -> list[KeptRestore]:
    """Return the newest rows, newest first. before: only those with a lower number."""
    table = tables.restore
    where = _of(site, host, set_name)
    if before is not None:
        where = and_(where, table.c.id < before)
    rows = db.execute(select(table).where(where).order_by(table.c.id.desc()).limit(count))
    return [_kept(one) for one in rows]


def newest(db: Connection, site: str) -> dict[tuple[str, str], KeptRestore]:
    """Return the newest row of each set, by host and set."""
    table = tables.restore
    last = select(func.max(table.c.id)).where(table.c.site == name(site))
    last = last.group_by(table.c.host, table.c.set_name)
    rows = db.execute(select(table).where(table.c.id.in_(last)))
    return {(one.host, one.set_name): _kept(one) for one in rows}


def get(db: Connection, site: str, given: int) -> KeptRestore | None:
    """Return the row of that number."""
    table = tables.restore
    where = (table.c.site == name(site), table.c.id == given)
    row = db.execute(select(table).where(*where)).first()
    return _kept(row) if row else None


def called(db: Connection, site: str, ledger_id: str, host: str = "") -> list[KeptRestore]:
    """Return the rows that hosts call so; each host calls one so, at most, unless it lies."""
    table = tables.restore
    where = and_(_of(site, host, ""), table.c.ledger_id == name(ledger_id, ID_CHARACTERS))
    return [_kept(one) for one in db.execute(select(table).where(where).order_by(table.c.id))]


def series(db: Connection, site: str, host: str, set_name: str, count: int) -> list[KeptRestore]:
    """Return the newest restores of a set whose time was measured, oldest first."""
    table = tables.restore
    measured = (table.c.outcome == "restored", table.c.restore_seconds.is_not(None))
    rows = select(table).where(_of(site, host, set_name), *measured)
    found = db.execute(rows.order_by(table.c.id.desc()).limit(count)).all()
    return [_kept(one) for one in reversed(found)]


def standings(db: Connection, site: str) -> list[RestoreStanding]:
    """Return how each set of a site stands, by host and set."""
    known, result, seen = tables.latest_result.c, tables.result.c, tables.observation.c
    query = (
        select(
            known.host, known.subject, known.status, known.severity, known.message,
            known.observed_at, known.unknown, seen.data,
        )
        .outerjoin(
            tables.result,
            and_(
                result.run_id == known.run_id,
                result.fingerprint == known.fingerprint,
                result.judgement == 0,
            ),
        )
        .outerjoin(
            tables.observation,
            and_(seen.report_id == result.report_id, seen.number == result.observation),
        )
        .where(known.site == name(site), known.check_id == CHECK)
        .order_by(known.host, known.subject)
    )  # fmt: skip
    return [
        RestoreStanding(
            one.host,
            one.subject,
            Status(one.status),
            Severity(one.severity) if one.severity else None,
            one.message,
            one.observed_at,
            one.unknown == Unknown.NOTHING_TO_JUDGE.value,
            _seen(one.subject, one.data),
        )
        for one in db.execute(query)
        if one.subject != EVERYTHING
    ]


def _seen(subject: str, data: str | None) -> RestoreSeen | None:
    """Return what was observed of a set; None if it is not kept, or not understood."""
    try:
        found: RestoreSeen = typed(RestoreSeen, Observation(subject, json.loads(data or "{}")))
    except ShapeError:
        return None
    return found


def _of(site: str, host: str, set_name: str) -> ColumnElement[bool]:
    """Return what holds for rows of a site; of one host or set, if they are given."""
    table = tables.restore
    where = [table.c.site == name(site)]
    if host:
        where.append(table.c.host == name(host, 255))
    if set_name:
        where.append(table.c.set_name == name(set_name, NAME_CHARACTERS))
    return and_(*where)


def _kept(row: Row[Any]) -> KeptRestore:
    values = dict(row._mapping)
    del values["site"]
    values["number"] = values.pop("id")
    values["document"] = json.loads(row.document)
    return KeptRestore(**values)
