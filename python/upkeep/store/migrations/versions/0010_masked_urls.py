"""Mask the secrets inside of URLs that an older program has stored, and keep what is linked by a subject linked.

Subjects get the names that the next run gives them, so that a finding stays the same row. Signed records, and rows that
are only added (acts, reviews, what signatures name), are never changed: what stands in them stays.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa
from alembic import op

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import (
    labels,
    masked,
    masked_deep,
    masked_value,
)

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROWS = 1_000
TEXTS = {
    "run": ("title", "playbook", "inventory", "host_limit", "cause"),
    "run_host": ("message",),
    "change": ("task", "text"),
    "observation": ("error",),
    "result": ("message", "remedy"),
    "finding": ("message", "remedy"),
    "finding_event": ("message",),
    "alert": ("cause",),  # its group_key stays: receivers know the incident by it
    "alert_event": ("text",),
    "outbox": ("title", "body", "error"),
    "occurrence": ("lacks", "cause"),
    "run_request": ("message",),
}
"""What hosts and programs say, by table with an `id`."""
WITHOUT_ID = {"channel_health": "error", "debt": "reason"}
NUMBERED = re.compile(
    r"(?P<base>.*?)(?P<mark> \((?P<number>\d+)\)|(?P<again>(?: \(again\))+))?", re.S
)
Names = tuple[str, str, str, str]
"""Site, check, host and subject."""


def upgrade() -> None:
    """Go through all that holds texts of hosts, a bit at a time."""
    db = op.get_bind()
    _mask_evidence(db)
    renamed = _renamed(db)
    _rename(db, renamed)
    for name, column in WITHOUT_ID.items():
        table = _table(name, column)
        for text in db.execute(sa.select(table.c[column]).distinct()).scalars().all():
            if masked(text) != text:
                same = table.c[column] == text
                db.execute(sa.update(table).where(same).values({column: masked(text)}))
    for name, columns in TEXTS.items():
        _mask(db, name, "id", dict.fromkeys(columns, masked))
    _mask(db, "latest_result", "fingerprint", {"message": masked})
    _rename_observations(db, renamed)
    _mask(db, "observation", "id", {"data": _json(masked)})
    _mask(db, "report", "id", {"requests": _json(masked_value), "due": _json(masked)})
    _rename_in_waivers(db, renamed)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *[sa.column(one) for one in columns])


def _pages(db: sa.Connection, table: sa.TableClause, key: str, *columns: str) -> Iterator[Any]:
    """Yield rows by their key, some at a time: rows of an open query must not be changed."""
    last: Any = None
    chosen = [table.c[key], *[table.c[one] for one in columns]]
    while True:
        query = sa.select(*chosen).order_by(table.c[key]).limit(ROWS)
        if last is not None:
            query = query.where(table.c[key] > last)
        rows = db.execute(query).all()
        if not rows:
            return
        yield from rows
        last = rows[-1][0]


def _mask(
    db: sa.Connection, name: str, key: str, columns: Mapping[str, Callable[[str], str]]
) -> None:
    """Mask columns of a table, where that changes them."""
    table = _table(name, key, *columns)
    for row in _pages(db, table, key, *columns):
        old = {one: getattr(row, one) for one in columns}
        new = {one: mask(old[one]) if old[one] else old[one] for one, mask in columns.items()}
        if new != old:
            db.execute(sa.update(table).where(table.c[key] == row[0]).values(new))


def _json(mask: Callable[[str], str]) -> Callable[[str], str]:
    def masked_json(text: str) -> str:
        try:
            value = json.loads(text)
            new = masked_deep(value, mask)
            return text if new == value else json.dumps(new)
        except (ValueError, RecursionError):
            return text

    return masked_json


# --- evidence --------------------------------------------------------------------------------------------------------
def _mask_evidence(db: sa.Connection) -> None:
    """Mask what is kept as evidence; it is known by its hash, which is then another one."""
    proof = _table("evidence", "sha256", "size_bytes", "content")
    seen = _table("observation", "report_id", "evidence_sha256")
    result = _table("result", "report_id", "evidence_sha256")
    for row in _pages(db, proof, "sha256", "content"):
        text = zlib.decompress(row.content).decode("utf-8", "surrogateescape")
        new = masked(text)
        if new == text:
            continue
        raw = new.encode("utf-8", "surrogateescape")
        sha256 = hashlib.sha256(raw).hexdigest()
        there = db.execute(sa.select(proof.c.sha256).where(proof.c.sha256 == sha256)).first()
        if there is None:
            values = {"sha256": sha256, "size_bytes": len(raw), "content": zlib.compress(raw, 6)}
            db.execute(sa.insert(proof).values(values))
        reports = sa.select(seen.c.report_id).where(seen.c.evidence_sha256 == row.sha256)
        of_results = (result.c.report_id.in_(reports), result.c.evidence_sha256 == row.sha256)
        db.execute(sa.update(result).where(*of_results).values(evidence_sha256=sha256))
        named = seen.c.evidence_sha256 == row.sha256
        db.execute(sa.update(seen).where(named).values(evidence_sha256=sha256))
        db.execute(sa.delete(proof).where(proof.c.sha256 == row.sha256))


# --- subjects --------------------------------------------------------------------------------------------------------
def _subject(text: str) -> str:
    """Return a subject masked, its number kept."""
    found = NUMBERED.fullmatch(text)
    if found is None or not found["mark"]:
        return masked(text)
    number = found["number"] or str(found["again"].count("again") + 1)
    return f"{masked(found['base'])} ({number})" if masked(text) != text or found["again"] else text


def _renamed(db: sa.Connection) -> dict[Names, str]:
    """Return the subjects that are called another way now."""
    subjects = _subjects(db)
    renamed: dict[Names, str] = {}
    for (site, check, host), known in subjects.items():
        declared = {}
        if any(_subject(one) != one or NUMBERED.fullmatch(one)["mark"] for one in known):  # type: ignore[index]
            declared = _declared(db, site, check, host)
        taken = {one for one in known if declared.get(one, _subject(one)) == one}
        for one in known:
            new = declared.get(one, _subject(one))
            if new == one:
                continue
            base, number = _base(new)
            while new in taken:
                number += 1
                new = f"{base} ({number})"
            taken.add(new)
            renamed[site, check, host, one] = new
    return renamed


def _base(subject: str) -> tuple[str, int]:
    found = NUMBERED.fullmatch(subject)
    return (found["base"], int(found["number"] or 1)) if found else (subject, 1)


def _subjects(db: sa.Connection) -> dict[tuple[str, str, str], list[str]]:
    """Return all subjects that there are, by site, check and host; in the order in which they were seen first."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    names = ("site", "check_id", "host", "subject")
    for name, key in (("finding", "id"), ("latest_result", "fingerprint")):
        table = _table(name, key, *names)
        for row in db.execute(sa.select(*[table.c[one] for one in names]).order_by(table.c[key])):
            found.setdefault((row.site, row.check_id, row.host), {})[row.subject] = None
    run, result = _table("run", "id", "site"), _table("result", "run_id", *names[1:])
    query = sa.select(run.c.site, *[result.c[one] for one in names[1:]])
    query = query.join_from(result, run, run.c.id == result.c.run_id).distinct()
    for row in db.execute(query):
        found.setdefault((row.site, row.check_id, row.host), {})[row.subject] = None
    return {key: list(subjects) for key, subjects in found.items()}


def _declared(db: sa.Connection, site: str, check: str, host: str) -> dict[str, str]:
    """Return the new subjects of what the host's newest answers were asked for, by the old ones.

    Those of the last few runs: a procedure may ask for a part of what the host's groups declare.
    """
    run = _table("run", "id", "site")
    report = _table("report", "id", "run_id", "host", "requests", "due")
    query = sa.select(report.c.requests, report.c.due)
    query = query.join_from(report, run, run.c.id == report.c.run_id)
    query = query.where(run.c.site == site, report.c.host == host)
    asked: list[tuple[str, list[str]]] = []
    for row in db.execute(query.order_by(report.c.id.desc()).limit(20)):
        requests, due = json.loads(row.requests), json.loads(row.due)
        gathers = {requests[one["request"]]["gather"] for one in due if one["check"] == check}
        places = [
            (one["gather"], _places(one["params"])) for one in requests if one["gather"] in gathers
        ]
        if len(places) > len(asked):
            asked = places
    new = labels(place for _gather, places in asked for place in places)
    old: dict[str, str] = {}
    for gather, own in asked:
        for before, place in _old_names(own, services=gather == "services"):
            old.setdefault(before, new[place])
    return old


def _places(params: Mapping[str, Any]) -> list[str]:
    lists = [one for one in params.values() if isinstance(one, list)]
    return [text for one in lists for text in one if isinstance(text, str)]


def _old_names(places: Sequence[str], *, services: bool) -> Iterator[tuple[str, str]]:
    """Yield by what the program before this revision called what one request asked for."""
    taken: set[str] = set()
    for place in dict.fromkeys(places):
        base = place if services and not place.startswith("http") else _shown(place)
        name, number = base, 1
        while name in taken:
            number += 1
            name = base + " (again)" * (number - 1) if services else f"{base} ({number})"
        taken.add(name)
        yield name, place


def _shown(url: str) -> str:
    """Return how a URL was shown: words of its query without a name, and all that is no web address, in clear."""
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        names = [one.partition("=") for one in parts.query.split("&")] if parts.query else []
        query = "&".join(name + sign + ("*" if value else "") for name, sign, value in names)
        return urlunsplit((parts.scheme, place, parts.path, query, ""))
    except ValueError:
        return "(a URL that cannot be read)"


def _rename(db: sa.Connection, renamed: Mapping[Names, str]) -> None:
    """Give subjects their new names wherever they are known by their fingerprint: first aside, for names may swap."""
    if not renamed:
        return
    names = {_fingerprint(*one): (_fingerprint(*one[:3], new), new) for one, new in renamed.items()}
    for name in ("finding", "latest_result", "measure", "result"):
        table = _table(name, "fingerprint", "subject")
        key = table.c.fingerprint
        for some in _some(list(names)):
            aside = sa.case({old: _aside(old) for old in some}, value=key)
            db.execute(sa.update(table).where(key.in_(some)).values(fingerprint=aside))
        for some in _some(list(names)):
            there = [_aside(old) for old in some]
            values = {
                "fingerprint": sa.case({_aside(old): names[old][0] for old in some}, value=key)
            }
            if name != "measure":
                new = {_aside(old): names[old][1] for old in some}
                values["subject"] = sa.case(new, value=key)
            db.execute(sa.update(table).where(key.in_(there)).values(values))


def _rename_observations(db: sa.Connection, renamed: Mapping[Names, str]) -> None:
    """Give observations the names that their results have, so that they are judged again as the same."""
    new: dict[tuple[str, str, str], set[str]] = {}
    for (site, _check, host, old), name in renamed.items():
        new.setdefault((site, host, old), set()).add(name)
    run, report = _table("run", "id", "site"), _table("report", "id", "run_id", "host")
    table = _table("observation", "id", "report_id", "subject")
    query = sa.select(report.c.id, run.c.site, report.c.host)
    for one in db.execute(query.join_from(report, run, run.c.id == report.c.run_id)).all():
        rows = db.execute(sa.select(table.c.id, table.c.subject).where(table.c.report_id == one.id))
        for row in rows.all():
            names = new.get((one.site, one.host, row.subject), set())
            name = next(iter(names)) if len(names) == 1 else _subject(row.subject)
            if name != row.subject:
                db.execute(sa.update(table).where(table.c.id == row.id).values(subject=name))


def _some(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), 100):
        yield items[start : start + 100]


def _aside(fingerprint: str) -> str:
    return "~" + fingerprint[1:]


def _fingerprint(site: str, check: str, host: str, subject: str) -> str:
    named = json.dumps([site, check, host, subject], separators=(",", ":"))
    return hashlib.sha256(named.encode("ascii")).hexdigest()


# --- waivers ---------------------------------------------------------------------------------------------------------
FIXED = "id, site, check_id, host_pattern, subject_glob, severity, reason, requested_by, requested_at, ends_at"


def _rename_in_waivers(db: sa.Connection, renamed: Mapping[Names, str]) -> None:
    """Let waivers of one subject go on covering it. Those with a pattern stay: masked, it might cover more.

    0008 lets nobody change what a waiver was asked for; this one change is the subject's name, not the subject.
    """
    table = _table("waiver", "id", "site", "check_id", "subject_glob")
    new: dict[tuple[str, str, str], set[str]] = {}
    for (site, check, _host, old), name in renamed.items():
        new.setdefault((site, check, old), set()).add(name)
    changed = {}
    for row in db.execute(sa.select(table)):
        names = new.get((row.site, row.check_id, row.subject_glob), set())
        if len(names) == 1:
            changed[row.id] = next(iter(names))
    if not changed:
        return
    sqlite = db.dialect.name == "sqlite"
    db.execute(sa.text("DROP TRIGGER waiver_fixed" + ("" if sqlite else " ON waiver")))
    for number, name in changed.items():
        db.execute(sa.update(table).where(table.c.id == number).values(subject_glob=name))
    what = f"CREATE TRIGGER waiver_fixed BEFORE UPDATE OF {FIXED} ON waiver"
    refuse = (
        " BEGIN SELECT RAISE(ABORT, 'waiver rows are only added'); END"
        if sqlite
        else " FOR EACH ROW EXECUTE FUNCTION upkeep_only_added()"
    )
    db.execute(sa.text(what + refuse))
