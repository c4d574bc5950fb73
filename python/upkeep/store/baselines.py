"""Accepted baselines: records of the chain of signatures, of which the newest of a series holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from upkeep.model.stored_text import name, written
from upkeep.model.text import natural
from upkeep.rules.baselines import (
    WINDOW,
    Baseline,
    Better,
    Proposal,
    Series,
    baseline_of,
    propose,
    record_of,
)
from upkeep.store import aliases, answers, records, sites

KIND = "baseline"


def of_series(db: Connection, series: Series) -> Baseline | None:
    """Return the baseline that holds for a series, or None."""
    return next(iter(history(db, series)), None)


def history(db: Connection, series: Series) -> list[Baseline]:
    """Return all that was ever accepted for a series, the newest first."""
    now = (series.site, series.check, series.host, series.subject)
    things = [(series.check, series.subject), *aliases.formerly(db, now)]
    names = [
        replace(series, site=site, check=check, subject=subject)
        for site in [series.site, *sites.formerly(db, series.site)]
        for check, subject in things
    ]
    found = [record for one in names for record in records.of(db, KIND, _about(one))]
    known = [_known(db, one) for one in found or _before_masking(db, series)]
    return sorted(known, key=lambda one: one.number, reverse=True)


def _before_masking(db: Connection, series: Series) -> list[dict[str, Any]]:
    """Return the records of a series that was signed when subjects could still hold secrets; a record never changes.

    None if two series then are one by that name now: nobody knows which of them was meant.
    """
    found = [one for one in records.of(db, KIND) if _known(db, one).series == series]
    return found if len({one["subject"] for one in found}) == 1 else []


def _known(db: Connection, record: dict[str, Any]) -> Baseline:
    """Return the baseline of a record, its series by the names that the store has now."""
    kept = baseline_of(record)
    one = kept.series
    site, check, _host, subject = aliases.now_called(
        db, (one.site, one.check, one.host, name(one.subject))
    )
    return replace(kept, series=replace(one, site=site, check=check, subject=subject))


def of_site(db: Connection, site: str) -> list[Baseline]:
    """Return the baselines that hold, one for each series."""
    newest = {
        one.series: one
        for one in (_known(db, record) for record in records.of(db, KIND))
        if one.series.site == name(site)
    }
    return sorted(newest.values(), key=lambda one: tuple(map(natural, vars(one.series).values())))


def proposal_for(db: Connection, series: Series, better: Better | None, now: datetime) -> Proposal:
    """Return what the series' values propose. better: as the accepted baseline says if not given, else lower."""
    before = of_series(db, series)
    way = better or (before.better if before else Better.LOWER)
    values = answers.series(
        db, series.site, series.check, series.host, series.subject, series.measure, now - WINDOW
    )
    return propose(series, values, before, way, now)


def newest_value(db: Connection, series: Series, now: datetime) -> tuple[datetime, float] | None:
    """Return the newest value of a series within the window, or None."""
    values = answers.series(
        db, series.site, series.check, series.host, series.subject, series.measure, now - WINDOW
    )
    return values[-1] if values else None


def accept(
    db: Connection,
    key: Ed25519PrivateKey,
    proposal: Proposal,
    reason: str,
    *,
    by: str,
    authenticated: str,
    now: datetime,
) -> Baseline:
    """Append the signed record of a baseline that somebody accepts; return the baseline."""
    body = record_of(proposal, written(reason)) | {
        "user": by,
        "authenticated": authenticated,
        "at": now.isoformat(),
    }
    made = records.append(db, key, KIND, _about(proposal.series), body)
    return baseline_of(json.loads(made.text))


def series_of(site: str, check: str, host: str, subject: str, measure: str) -> Series:
    """Return a series by its names as the store has them."""
    names = (name(site), name(check, 200), name(host, 255), name(subject), name(measure, 100))
    return Series(*names)


def _about(series: Series) -> str:
    """Return by what queries find a series' records; a subject may be longer than the column."""
    named = json.dumps(list(vars(series).values()), separators=(",", ":"))
    return hashlib.sha256(named.encode("ascii")).hexdigest()
