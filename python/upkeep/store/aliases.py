"""What this program calls otherwise than an older one did: names in the store move, and the old ones stay findable.

A check or a subject that gets another name would be a stranger to its finding, series, baseline, waivers and silences.
So each new name is a `Renamed` in a migration, which calls `rename`: rows move to the new name, and the table `alias`
keeps the old one, for signed records and links are never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa

from upkeep.model.stored_text import fingerprint
from upkeep.rules.alerts.model import key_of
from upkeep.store import sites
from upkeep.store.engine.statements import batched

Names = tuple[str, str, str, str]
"""Site, check, host and subject."""
ROWS = 100
FIXED = "id, site, check_id, host_pattern, subject_glob, severity, reason, requested_by, requested_at, ends_at"


@dataclass(frozen=True)
class Renamed:
    r"""A check that has another name now, or subjects of it.

    subject: a regular expression that all of an old subject fits, any if empty; now_subject: what it is called now,
    with \1 for its groups, or the same if empty.
    """

    check: str
    now_check: str
    subject: str = ""
    now_subject: str = ""

    def of(self, check: str, subject: str) -> tuple[str, str] | None:
        """Return what a check and its subject are called now, or None if this says nothing of them."""
        if check != self.check:
            return None
        found = re.fullmatch(self.subject or ".*", subject, re.DOTALL)
        if found is None:
            return None
        return self.now_check, found.expand(self.now_subject) if self.now_subject else subject


def rename(db: sa.Connection, revision: str, renamed: Sequence[Renamed]) -> None:
    """Move all that is known by an old name to the new one.

    Where both names are known already, the newer one goes on, and an open finding of the older one is retired.
    """
    names = _names(db, renamed)
    keys = {fingerprint(*old): (fingerprint(*new), new) for old, new in names.items()}
    taken = _taken(db, keys)
    _retire(db, {old: keys[old][1] for old in taken & keys.keys()})
    moving = {old: new for old, new in keys.items() if old not in taken}
    for table in ("finding", "latest_result", "result", "measure"):
        _move(db, table, moving)
    _move_causes(db, names)
    _keep(db, revision, names)
    checks = {one.check: one.now_check for one in renamed if one.now_check != one.check}
    whole = {one.check for one in renamed if not one.subject}
    for old in sorted(checks.keys() & whole):
        _move_check(db, old, checks[old])
    _move_waivers(db, renamed)


def now_called(db: sa.Connection, old: Names) -> Names:
    """Return what a subject of an older program, or of a site's earlier name, is called now; else the same."""
    site = sites.now_called(db, old[0])
    names = (site, *old[1:])
    table = _table("alias", "fingerprint", "now_check", "now_subject")
    query = sa.select(table).where(table.c.fingerprint == fingerprint(*names))
    row = db.execute(query).first()
    return (site, row.now_check, old[2], row.now_subject) if row else names


def formerly(db: sa.Connection, now: Names) -> list[tuple[str, str]]:
    """Return the checks and subjects that older programs named this one by."""
    site, check, host, subject = now
    table = _table("alias", "site", "host", "check_id", "subject", "now_check", "now_subject")
    mine = (table.c.site == site, table.c.host == host)
    named = (table.c.now_check == check, table.c.now_subject == subject)
    rows = db.execute(sa.select(table.c.check_id, table.c.subject).where(*mine, *named))
    return sorted((row.check_id, row.subject) for row in rows)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *[sa.column(one) for one in columns])


# --- what moves ------------------------------------------------------------------------------------------------------
def _names(db: sa.Connection, renamed: Sequence[Renamed]) -> dict[Names, Names]:
    """Return all that has another name now, by the name that it has in the store."""
    found = {}
    for site, check, host, subject in _known(db, {one.check for one in renamed}):
        for one in renamed:
            now = one.of(check, subject)
            if now is not None:
                if now != (check, subject):
                    found[site, check, host, subject] = (site, now[0], host, now[1])
                break
    return found


def _known(db: sa.Connection, checks: Iterable[str]) -> Iterator[Names]:
    columns = ("site", "check_id", "host", "subject")
    checks = sorted(checks)
    for name in ("finding", "latest_result"):
        table = _table(name, *columns)
        query = sa.select(*[table.c[one] for one in columns]).where(table.c.check_id.in_(checks))
        yield from (tuple(row) for row in db.execute(query).all())
    run, result = _table("run", "id", "site"), _table("result", "run_id", *columns[1:])
    query = sa.select(run.c.site, *[result.c[one] for one in columns[1:]]).distinct()
    query = query.join_from(result, run, run.c.id == result.c.run_id)
    yield from (tuple(row) for row in db.execute(query.where(result.c.check_id.in_(checks))).all())


def _taken(db: sa.Connection, keys: Mapping[str, tuple[str, Names]]) -> set[str]:
    """Return the old names whose new one is another thing's already, or that of an earlier old one."""
    there: set[str] = set()
    wanted = sorted({new for new, _names in keys.values()})
    for name in ("finding", "latest_result"):
        column = _table(name, "fingerprint").c.fingerprint
        for some in batched(wanted):
            there |= set(db.execute(sa.select(column).where(column.in_(some))).scalars())
    there -= keys.keys()  # what stands there moves on itself
    taken = set()
    for old, (new, _names) in keys.items():
        if new in there:
            taken.add(old)
        there.add(new)
    return taken


def _move(db: sa.Connection, name: str, keys: Mapping[str, tuple[str, Names]]) -> None:
    """Give rows their new names: first aside, for names may swap."""
    named = name != "measure"
    table = _table(name, "fingerprint", *(("check_id", "subject") if named else ()))
    key = table.c.fingerprint
    for some in _some(keys):
        aside = sa.case({old: _aside(old) for old in some}, value=key)
        db.execute(sa.update(table).where(key.in_(some)).values(fingerprint=aside))
    for some in _some(keys):
        now = {_aside(old): keys[old] for old in some}
        values: dict[str, Any] = {"fingerprint": _each(now, key, lambda one: one[0])}
        if named:
            values["check_id"] = _each(now, key, lambda one: one[1][1])
            values["subject"] = _each(now, key, lambda one: one[1][3])
        db.execute(sa.update(table).where(key.in_(list(now))).values(values))


def _each(now: Mapping[str, tuple[str, Names]], key: Any, part: Any) -> Any:
    return sa.case({old: part(new) for old, new in now.items()}, value=key)


def _some(keys: Iterable[str]) -> Iterator[list[str]]:
    ordered = list(keys)
    for start in range(0, len(ordered), ROWS):
        yield ordered[start : start + ROWS]


def _aside(key: str) -> str:
    return "~" + key[1:]


def _retire(db: sa.Connection, now: Mapping[str, Names]) -> None:
    """End the open findings that go on under a name that is known already, and say under which."""
    table = _table(
        "finding", "id", "fingerprint", "status", "severity", "last_seen_at", "resolved_at", "waiver_id"
    )  # fmt: skip
    event = _table("finding_event", "finding_id", "kind", "at", "severity", "message", "run_id")
    latest = _table("latest_result", "fingerprint")
    for some in batched(sorted(now)):
        db.execute(sa.delete(latest).where(latest.c.fingerprint.in_(some)))
        mine = (table.c.fingerprint.in_(some), table.c.status == "open")
        for row in db.execute(sa.select(table).where(*mine)).all():
            _site, check, _host, subject = now[row.fingerprint]
            ended = {"status": "retired", "resolved_at": row.last_seen_at, "waiver_id": None}
            db.execute(sa.update(table).where(table.c.id == row.id).values(ended))
            told = {
                "finding_id": row.id,
                "kind": "retired",
                "at": row.last_seen_at,
                "severity": row.severity,
                "message": f"is called {check} {subject} now",
                "run_id": 0,
            }
            db.execute(sa.insert(event).values(told))


def _move_causes(db: sa.Connection, names: Mapping[Names, Names]) -> None:
    """Rename causes in alerts too, or people would be told of them as new ones."""
    table = _table("alert_cause", "alert_id", "key")
    keys = {}
    for old, new in names.items():
        (_site, check, host, subject), (_, now_check, _, now_subject) = old, new
        keys[key_of(check, subject)] = key_of(now_check, now_subject)
        keys[key_of(check, subject, host)] = key_of(now_check, now_subject, host)
    rows = [
        row
        for some in batched(sorted(keys))
        for row in db.execute(sa.select(table).where(table.c.key.in_(some)))
    ]
    there = {(row.alert_id, row.key) for row in db.execute(sa.select(table))} if rows else set()
    for row in rows:
        mine = (table.c.alert_id == row.alert_id, table.c.key == row.key)
        if (row.alert_id, keys[row.key]) not in there:
            db.execute(sa.update(table).where(*mine).values(key=keys[row.key]))


def _keep(db: sa.Connection, revision: str, names: Mapping[Names, Names]) -> None:
    """Record the old names; what was called otherwise even before has the newest name now."""
    table = _table(
        "alias", "fingerprint", "site", "host", "check_id", "subject", "now_check", "now_subject", "revision"
    )  # fmt: skip
    same = (
        table.c.site == sa.bindparam("of_site"),
        table.c.host == sa.bindparam("of_host"),
        table.c.now_check == sa.bindparam("of_check"),
        table.c.now_subject == sa.bindparam("of_subject"),
    )
    for old, new in names.items():
        keys = dict(zip(("of_site", "of_check", "of_host", "of_subject"), old, strict=True))
        values = {"now_check": new[1], "now_subject": new[3]}
        db.execute(sa.update(table).where(*same).values(values), keys)
        row = dict(zip(("site", "check_id", "host", "subject"), old, strict=True)) | values
        key = fingerprint(*old)
        # A name may come back: what it means now is what it was renamed to last.
        db.execute(sa.delete(table).where(table.c.fingerprint == key))
        db.execute(sa.insert(table).values(row | {"fingerprint": key, "revision": revision}))


# --- what names a check ----------------------------------------------------------------------------------------------
def _move_check(db: sa.Connection, old: str, new: str) -> None:
    for name in ("watched", "blind_spot"):
        table = _table(name, "site", "host", "check_id")
        pairs = sa.select(table.c.site, table.c.host).where(table.c.check_id == new)
        both = sa.tuple_(table.c.site, table.c.host).in_(pairs)
        db.execute(sa.delete(table).where(table.c.check_id == old, both))
        db.execute(sa.update(table).where(table.c.check_id == old).values(check_id=new))
    alert = _table("alert", "check_id")  # its group_key stays: receivers know the incident by it
    db.execute(sa.update(alert).where(alert.c.check_id == old).values(check_id=new))
    _move_silences(db, old, new)


def _move_silences(db: sa.Connection, old: str, new: str) -> None:
    """Keep silences in force: one whose pattern does not fit the new name gets a second row for it."""
    columns = (
        "site", "check_pattern", "host_pattern", "severity", "reason", "made_by", "made_at", "begins_at", "ends_at",
        "ended_by", "needs_approval", "approved_by", "approved_at",
    )  # fmt: skip
    table = _table("silence", "id", *columns)
    for row in db.execute(sa.select(table).order_by(table.c.id)).all():
        pattern = row.check_pattern
        if not fnmatchcase(old, pattern) or fnmatchcase(new, pattern):
            continue
        if pattern == old:
            mine = table.c.id == row.id
            db.execute(sa.update(table).where(mine).values(check_pattern=new))
        else:
            same = {one: getattr(row, one) for one in columns}
            db.execute(sa.insert(table).values(same | {"check_pattern": new}))


def _move_waivers(db: sa.Connection, renamed: Sequence[Renamed]) -> None:
    """Keep waivers of a check or a subject in force. Those with a pattern of subjects keep it: it might cover more.

    Nobody may change what a waiver was asked for; this one change is the name of the thing, not the thing.
    """
    table = _table("waiver", "id", "check_id", "subject_glob")
    checks = [one.check for one in renamed]
    changed = {}
    for row in db.execute(sa.select(table).where(table.c.check_id.in_(checks))).all():
        for one in renamed:
            exact = one.of(row.check_id, row.subject_glob)
            if exact is not None and exact != (row.check_id, row.subject_glob):
                changed[row.id] = exact
            if exact is not None:
                break
    if not changed:
        return
    sqlite = db.dialect.name == "sqlite"
    db.execute(sa.text("DROP TRIGGER waiver_fixed" + ("" if sqlite else " ON waiver")))
    for number, (check, subject) in changed.items():
        values = {"check_id": check, "subject_glob": subject}
        db.execute(sa.update(table).where(table.c.id == number).values(values))
    what = f"CREATE TRIGGER waiver_fixed BEFORE UPDATE OF {FIXED} ON waiver"
    refuse = (
        " BEGIN SELECT RAISE(ABORT, 'waiver rows are only added'); END"
        if sqlite
        else " FOR EACH ROW EXECUTE FUNCTION upkeep_only_added()"
    )
    db.execute(sa.text(what + refuse))
