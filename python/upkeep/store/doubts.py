"""Marks results of a check that passes its known-bad input, for people to see.

No verdict changes by a mark, and none is taken back.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select, update

from upkeep.checks.upkeep.check_broken import ID as BROKEN
from upkeep.model.stored_text import fingerprint, name
from upkeep.store import tables
from upkeep.store.engine.statements import batched
from upkeep.store.findings import OWN_HOST


def last_good(db: Connection, site: str, check: str, fed: datetime | None) -> datetime | None:
    """Return when a check failed its known-bad input last; None if that is not known.

    fed: when all checks were fed last, of which those failed it that were not found broken.
    """
    table = tables.finding
    key = fingerprint(name(site), BROKEN, OWN_HOST, name(check))
    again = db.scalar(select(table.c.resolved_at).where(table.c.fingerprint == key))
    return max((at for at in (fed, again) if at), default=None)


def mark(db: Connection, site: str, check: str, since: datetime | None) -> None:
    """Mark what a check has said at a site since then, in runs and in judgements of them; None: ever.

    What is stored while the check stays broken is marked as it comes (answers.py).
    """
    run, result, again = tables.run, tables.result, tables.judgement
    of_site = select(run.c.id).where(run.c.site == name(site))
    doubtful = [result.c.check_id == name(check, 200), result.c.doubted.is_(False)]
    if since is not None:
        judged = and_(
            again.c.run_id == result.c.run_id,
            again.c.number == result.c.judgement,
            again.c.judged_at > since,
        )
        lately = select(again.c.run_id).where(again.c.judged_at > since)
        of_site = of_site.where(
            or_(run.c.ended_at.is_(None), run.c.ended_at > since, run.c.id.in_(lately))
        )
        first = and_(result.c.judgement == 0, result.c.observed_at > since)
        doubtful.append(or_(first, select(again.c.number).where(judged).exists()))
    db.execute(update(result).where(result.c.run_id.in_(of_site), *doubtful).values(doubted=True))
    _mark_latest(db, site, check)


def _mark_latest(db: Connection, site: str, check: str) -> None:
    """Mark what is known now of a check's subjects, where the result that it is known by is marked."""
    latest, result = tables.latest_result, tables.result
    same = (result.c.run_id == latest.c.run_id, result.c.fingerprint == latest.c.fingerprint)
    newest = select(result.c.doubted).where(*same).order_by(result.c.judgement.desc()).limit(1)
    mine = (latest.c.site == name(site), latest.c.check_id == name(check, 200))
    keys = select(latest.c.fingerprint).where(*mine, newest.scalar_subquery())
    # As in answers.py: in one order, so that no two writers lock crosswise.
    found = db.scalars(keys.order_by(latest.c.fingerprint).with_for_update()).all()
    for some in batched(found):
        db.execute(update(latest).where(latest.c.fingerprint.in_(some)).values(doubted=True))


def in_run(db: Connection, run_id: int, host: str = "", *, judgement: int = 0) -> dict[str, int]:
    """Return how many results of a run, or of one host in it, are doubted, by check. judgement: as of results."""
    table = tables.result
    where = [table.c.run_id == run_id, table.c.judgement == judgement, table.c.doubted]
    if host:
        where.append(table.c.host == name(host, 255))
    query = select(table.c.check_id, func.count().label("number")).where(*where)
    rows = db.execute(query.group_by(table.c.check_id).order_by(table.c.check_id))
    return {row.check_id: row.number for row in rows}
