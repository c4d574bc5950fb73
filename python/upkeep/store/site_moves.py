"""A site gets another name in the store, or its history becomes another site's: every row that names it moves.

What people have signed is never changed: `site_name` says what the names in it mean now. Of reviews and waivers it is
the site's name alone that changes, so the triggers that keep what they were asked for stand aside for that statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

from upkeep.model.stored_text import fingerprint
from upkeep.rules.alerts.model import CLOSED, Group
from upkeep.rules.findings import FindingState
from upkeep.store import drivers, sites, tables
from upkeep.store.engine.statements import batched
from upkeep.store.engine.statements import insert as insert_or
from upkeep.store.runs import RUNNING

FIXED = ("review", "waiver", "incident")
"""Tables whose trigger `<table>_fixed` refuses another site."""
MOVED = "moved"


def under_way(db: Connection, site: str, now: datetime) -> list[str]:
    """Return what works for a site now: drivers that have been heard of lately, and runs without an end."""
    run = tables.run
    found = [f"a driver on {one.host}, process {one.pid}" for one in drivers.living(db, site, now)]
    going = select(run).where(run.c.site == site, run.c.status == RUNNING).order_by(run.c.id)
    return found + [f"run {one.id} on {one.driver_host}" for one in db.execute(going)]


def twice_reviewed(db: Connection, one: str, other: str) -> list[str]:
    """Return the reviews that two sites have of the same due time: neither can be removed, nor the two be one."""
    table = tables.review
    key = tuple_(table.c.procedure, table.c.item, table.c.due_of)
    there = select(table.c.procedure, table.c.item, table.c.due_of).where(table.c.site == other)
    query = select(table).where(table.c.site == one, key.in_(there)).order_by(table.c.id)
    return [f"{row.procedure}/{row.item} of {row.due_of:%Y-%m-%d}" for row in db.execute(query)]


def move(db: Connection, old: str, new: str, now: datetime) -> None:
    """Give all rows of a site to another name, which may be that of a site already.

    Where both have the same thing, one goes on: the finding that was seen last, open since the earlier of the two, and
    else the row of the new name, but for an occurrence that was run or is reviewed, which stays before one that is not.
    """
    moving = _moving(db, old, new)
    _merge_findings(db, moving, now)
    _move_fingerprints(db, moving)
    _move_alerts(db, old, new)
    _drop_doubles(db, old, new)
    for table in sites.tables_of_sites():
        with_guard = (
            table.name in FIXED
            and db.execute(select(table.c.id).where(table.c.site == old).limit(1)).first()
        )
        moved = update(table).where(table.c.site == old).values(site=new)
        if with_guard:
            _past_the_guard(db, table.name, moved)
        else:
            db.execute(moved)
    moving.drop(db)
    _move_folders(db, old, new)
    _keep_name(db, old, new, now)


# --- fingerprints ----------------------------------------------------------------------------------------------------
def _moving(db: Connection, old: str, new: str) -> Table:
    """Return a table, of this transaction, of all old fingerprints of a site with their new ones."""
    moving = Table(
        "site_moving",
        MetaData(),
        Column("old", String(64), primary_key=True),
        Column("new", String(64), nullable=False),
        prefixes=["TEMPORARY"],
    )
    moving.create(db)
    for some in batched(sorted(set(_named(db, old)))):
        rows = [{"old": fingerprint(old, *each), "new": fingerprint(new, *each)} for each in some]
        db.execute(insert(moving), rows)
    return moving


def _named(db: Connection, site: str) -> Iterator[tuple[str, str, str]]:
    """Yield the check, host and subject of all that is known of a site."""
    for table in (tables.finding, tables.latest_result, tables.alias):
        names = select(table.c.check_id, table.c.host, table.c.subject)
        yield from (tuple(row) for row in db.execute(names.where(table.c.site == site)).all())
    run, result = tables.run, tables.result
    query = select(result.c.check_id, result.c.host, result.c.subject).distinct()
    query = query.join(run, run.c.id == result.c.run_id).where(run.c.site == site)
    yield from (tuple(row) for row in db.execute(query).all())


def _move_fingerprints(db: Connection, moving: Table) -> None:
    """Give rows their new fingerprints. Of what is known by the new one already, the older row goes."""
    measure, latest, alias = tables.measure, tables.latest_result, tables.alias
    for table in (latest, alias):
        _drop_known(db, table, moving)
    same = measure.alias()
    doubles = select(moving.c.old, same.c.name, same.c.observed_at).join(
        same, same.c.fingerprint == moving.c.new
    )
    value = tuple_(measure.c.fingerprint, measure.c.name, measure.c.observed_at)
    db.execute(delete(measure).where(value.in_(doubles)))
    for table in (tables.finding, latest, tables.result, measure, alias):
        key = table.c.fingerprint
        now = select(moving.c.new).where(moving.c.old == key).scalar_subquery()
        db.execute(update(table).where(key.in_(select(moving.c.old))).values(fingerprint=now))


def _drop_known(db: Connection, table: Table, moving: Table) -> None:
    """Remove of each pair the row of the earlier run; where there is none, that of the old name."""
    mine, other = table.alias(), table.alias()
    order = [one for one in ("run_id", "observed_at") if one in table.c]
    pairs = select(
        mine.c.fingerprint.label("old"),
        other.c.fingerprint.label("new"),
        *[each.c[one] for each in (mine, other) for one in order],
    ).select_from(moving)
    pairs = pairs.join(mine, mine.c.fingerprint == moving.c.old)
    pairs = pairs.join(other, other.c.fingerprint == moving.c.new)
    gone = []
    for old, new, *seen in db.execute(pairs).all():
        was, now = seen[: len(order)], seen[len(order) :]
        gone.append(new if was > now else old)
    for some in batched(gone):
        db.execute(delete(table).where(table.c.fingerprint.in_(some)))


# --- findings and alerts ---------------------------------------------------------------------------------------------
def _merge_findings(db: Connection, moving: Table, now: datetime) -> None:
    """Make one of two findings of the same thing: that of the new name, as seen last, with the events of both."""
    table = tables.finding
    mine, other = table.alias(), table.alias()
    pairs = select(mine.c.id, other.c.id).select_from(moving)
    pairs = pairs.join(mine, mine.c.fingerprint == moving.c.old)
    pairs = pairs.join(other, other.c.fingerprint == moving.c.new)
    for old_id, new_id in db.execute(pairs).all():
        rows = {
            row.id: row for row in db.execute(select(table).where(table.c.id.in_([old_id, new_id])))
        }
        _merge(db, rows[old_id], rows[new_id], now)


def _merge(db: Connection, old: Any, new: Any, now: datetime) -> None:
    table, event, member = tables.finding, tables.finding_event, tables.alert_finding
    last = max(new, old, key=lambda one: max(one.last_seen_at, one.resolved_at or one.last_seen_at))
    open_ones = [one for one in (new, old) if one.status == FindingState.OPEN.value]
    values = {
        one.name: getattr(last, one.name)
        for one in table.c
        if one.name not in ("id", "fingerprint", "site")
    }
    if len(open_ones) == 2:
        values["opened_at"] = min(one.opened_at for one in open_ones)
    values["count"] = old.count + new.count
    values["opening"] = max(old.opening, new.opening)
    db.execute(update(event).where(event.c.finding_id == old.id).values(finding_id=new.id))
    inside = select(member.c.alert_id).where(member.c.left_at.is_(None))
    if db.execute(inside.where(member.c.finding_id == new.id)).first():
        here = (member.c.finding_id == old.id, member.c.left_at.is_(None))
        alerts = list(db.execute(select(member.c.alert_id).where(*here)).scalars())
        db.execute(update(member).where(*here).values(left_at=now, how=MOVED))
        _close_empty(db, alerts, now)
    db.execute(update(member).where(member.c.finding_id == old.id).values(finding_id=new.id))
    db.execute(delete(table).where(table.c.id == old.id))
    db.execute(update(table).where(table.c.id == new.id).values(values))


def _close_empty(db: Connection, numbers: Sequence[int], now: datetime) -> None:
    """Close alerts whose last finding goes on in another one; no message says that anything has recovered."""
    alert, member, event = tables.alert, tables.alert_finding, tables.alert_event
    for number in numbers:
        here = select(member.c.finding_id).where(
            member.c.alert_id == number, member.c.left_at.is_(None)
        )
        if db.execute(here.limit(1)).first():
            continue
        ended = {"status": CLOSED, "closed_at": now, "closed_how": MOVED, "settles_at": None}
        db.execute(update(alert).where(alert.c.id == number).values(ended))
        told = {"alert_id": number, "at": now, "kind": "closed", "actor": "", "text": MOVED}
        db.execute(insert(event).values(told))


def _move_alerts(db: Connection, old: str, new: str) -> None:
    """Give closed alerts the key of their group under the new name: what comes back is known again.

    Open ones keep theirs, for receivers know the incident by it.
    """
    table = tables.alert
    closed = (table.c.site == old, table.c.closed_at.is_not(None))
    rows = db.execute(select(table).where(*closed).order_by(table.c.id)).all()
    begun: dict[str, int] = {}
    for row in rows:
        key = Group(new, row.kind, row.check_id, row.cause, row.team).key
        if key not in begun:
            newest = select(func.max(table.c.opening)).where(table.c.group_key == key)
            begun[key] = int(db.execute(newest).scalar() or 0)
        values = {"group_key": key, "opening": begun[key] + row.opening}
        db.execute(update(table).where(table.c.id == row.id).values(values))


# --- what both have --------------------------------------------------------------------------------------------------
def _drop_doubles(db: Connection, old: str, new: str) -> None:
    """Remove the rows of the old name that stand in the way of a unique key of the new one's."""
    _drop_occurrences(db, old, new)
    for table in sites.tables_of_sites():
        if table is tables.occurrence or table.name in FIXED:
            continue
        for names in _unique_with_site(table):
            there = table.alias()
            same = [there.c[one] == table.c[one] for one in names]
            double = exists().where(there.c.site == new, *same)
            db.execute(delete(table).where(table.c.site == old, double))


def _unique_with_site(table: Table) -> Iterator[list[str]]:
    """Yield the other columns of each unique key of a table in which its site stands."""
    for key in table.constraints:
        if not isinstance(key, PrimaryKeyConstraint | UniqueConstraint):
            continue
        columns = [one.name for one in key.columns]
        if "site" in columns:
            yield [one for one in columns if one != "site"]


def _drop_occurrences(db: Connection, old: str, new: str) -> None:
    table, review = tables.occurrence, tables.review
    mine, other = table.alias(), table.alias()
    keys = ("schedule", "due_at", "kind", "host")
    reviewed = set(
        db.execute(select(review.c.occurrence_id).where(review.c.site.in_([old, new]))).scalars()
    )
    pairs = select(mine.c.id, mine.c.run_id, other.c.id.label("other_id")).add_columns(
        other.c.run_id.label("other_run")
    )
    pairs = pairs.join(other, (other.c.site == new) & _all_equal(mine, other, keys))
    gone = []
    for row in db.execute(pairs.where(mine.c.site == old)).all():
        worth = (row.id in reviewed, row.run_id is not None)
        other_worth = (row.other_id in reviewed, row.other_run is not None)
        gone.append(row.other_id if worth > other_worth else row.id)
    for some in batched(gone):
        db.execute(delete(table).where(table.c.id.in_(some)))


def _all_equal(one: Any, other: Any, names: Sequence[str]) -> Any:
    condition = one.c[names[0]] == other.c[names[0]]
    for each in names[1:]:
        condition &= one.c[each] == other.c[each]
    return condition


# --- what is fixed, and names ----------------------------------------------------------------------------------------
def _past_the_guard(db: Connection, table: str, statement: Any) -> None:
    """Execute a statement without the trigger that keeps what a review or waiver was asked for."""
    trigger = f"{table}_fixed"
    if db.dialect.name == "postgresql":
        db.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}"))
        db.execute(statement)
        db.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}"))
        return
    made = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name"
    again = db.execute(text(made), {"name": trigger}).scalar_one()
    db.execute(text(f"DROP TRIGGER {trigger}"))
    db.execute(statement)
    db.exec_driver_sql(str(again))


def _move_folders(db: Connection, old: str, new: str) -> None:
    table = tables.site_folder
    there = select(table.c.machine).where(table.c.site_id == new)
    db.execute(delete(table).where(table.c.site_id == old, table.c.machine.in_(there)))
    db.execute(update(table).where(table.c.site_id == old).values(site_id=new))
    db.execute(delete(tables.site).where(tables.site.c.id == old))


def _keep_name(db: Connection, old: str, new: str, now: datetime) -> None:
    """Record what the old name means now; a name that comes back means itself again."""
    table = tables.site_name
    db.execute(update(table).where(table.c.now_name == old).values(now_name=new))
    db.execute(delete(table).where(table.c.name.in_([old, new])))
    row = {"name": old, "now_name": new, "renamed_at": now}
    db.execute(insert_or(db, table).values(row))
