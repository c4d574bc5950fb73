"""Proves, after a run, that checks still see: each is fed its canary, and what it passes is a trouble of our own."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from upkeep.checks.upkeep.check_broken import ID as BROKEN
from upkeep.checks.upkeep.limits_too_wide import ID as TOO_WIDE
from upkeep.judging.canaries import Canary, Proof, canary_of, prove
from upkeep.judging.check import Check, load
from upkeep.model.text import exact
from upkeep.model.verdicts import Severity
from upkeep.store import Connection, Store, answers, doubts, findings, own_troubles
from upkeep.store.own_troubles import OwnTrouble

EVERY = timedelta(days=1)
PROVED = ".proved-"
"""How the file in the state folder begins that says when all checks were fed last: one for each site."""


def prove_checks(store: Store, site: str, run_id: int, now: datetime, state: Path) -> None:
    """Feed each check its canary once a day, and those of the run with the limits that the site sets for them.

    A check that does not fail it is a trouble of severity high, and what it has said since it last failed it is marked;
    one that only the site's limits keep from failing it is info. Both end when the check fails its canary again, but no
    mark is taken back. state: the folder in which it is kept when that was.
    """
    mark = mark_of(state, site)
    checks = _with_canaries()
    with store.begin() as db:
        last = _last(mark, now)
        due = last is None or now - last >= EVERY
        if due:
            _prove_all(db, site, checks, last, now)
        else:
            prove_again(db, site, now)
        _prove_limits(db, site, checks, answers.limits_in_run(db, run_id), now)
    if due:
        with contextlib.suppress(OSError):  # then they are fed again after the next run
            mark.write_text(now.isoformat(), encoding="utf-8")


def prove_again(db: Connection, site: str, now: datetime) -> None:
    """Feed those checks their canary that passed it last: what they say once they are put right is not doubted.

    Of a check that is not known here, such as another folder's own, nothing is told.
    """
    broken = findings.own_subjects(db, site, BROKEN)
    checks = _with_canaries() if broken else {}
    for name in sorted(broken & set(checks)):
        proof = prove(*checks[name])
        if proof.fails:
            _tell_well(db, site, name, proof, now)


def _with_canaries() -> dict[str, tuple[Check, Canary]]:
    return {name: (one, canary) for name, one in load().items() if (canary := canary_of(one))}


def mark_of(state: Path, site: str) -> Path:
    """Return the file that says when a site's checks were fed last."""
    return state / f"{PROVED}{hashlib.sha256(site.encode()).hexdigest()[:16]}"


def _last(mark: Path, now: datetime) -> datetime | None:
    """Return when all checks were fed last; None if that is not known: a clock that went back knows no more."""
    try:
        found = datetime.fromisoformat(mark.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return None
    return found if found.tzinfo and found <= now else None


def _prove_all(
    db: Connection,
    site: str,
    checks: Mapping[str, tuple[Check, Canary]],
    last: datetime | None,
    now: datetime,
) -> None:
    """Tell which checks pass their canary, and which fail it again. last: when they were fed before."""
    broken = findings.own_subjects(db, site, BROKEN)
    for name, (check, canary) in checks.items():
        proof = prove(check, canary)
        if not proof.fails:
            good = doubts.last_good(db, site, name, last)
            if name not in broken:
                since = f"since {exact(good, good.tzinfo)}" if good else "ever"
                text = f"it does not fail its known-bad input, so what it has passed {since}"
                text += " proves nothing"
                said = f"{text}; it says of it: {proof.message}"
                own_troubles.tell(db, site, OwnTrouble(BROKEN, name), now, Severity.HIGH, said)
            # Also what a run stored while another one found this out.
            doubts.mark(db, site, name, good)
        elif name in broken:
            _tell_well(db, site, name, proof, now)
    # One that has lost its canary proves nothing, and stays broken.
    for name in broken - set(load()):
        _tell_well(db, site, name, None, now)


def _tell_well(db: Connection, site: str, name: str, proof: Proof | None, now: datetime) -> None:
    """Tell that a check fails its canary again. proof: None if there is no such check any more."""
    said = "the program has no such check any more"
    if proof:
        said = f"it fails its known-bad input again: {proof.message}"
    own_troubles.tell(db, site, OwnTrouble(BROKEN, name), now, message=said)


def _prove_limits(
    db: Connection,
    site: str,
    checks: Mapping[str, tuple[Check, Canary]],
    asked: Mapping[str, Sequence[Mapping[str, Any]]],
    now: datetime,
) -> None:
    """Tell which limits of the site keep a check of the run from failing its canary. asked: the limits, by check."""
    known = findings.own_subjects(db, site, TOO_WIDE)
    for name, each in asked.items():
        if name not in checks:
            continue
        check, canary = checks[name]
        wide = _too_wide(check, canary, each)
        if wide:
            limits, proof = wide
            with_these = ", ".join(f"{key} {value}" for key, value in limits.items())
            said = f"with {with_these} a known-bad input does not fail: {proof.message}"
            own_troubles.tell(db, site, OwnTrouble(TOO_WIDE, name), now, Severity.INFO, said)
        elif name in known:
            said = "with the current limits, its known-bad input fails"
            own_troubles.tell(db, site, OwnTrouble(TOO_WIDE, name), now, message=said)


def _too_wide(
    check: Check, canary: Canary, each: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], Proof] | None:
    """Return the first limits with which the check passes its canary; None if there are none, or it is broken."""
    some = [limits for limits in each if limits]
    if not some or not prove(check, canary).fails:
        return None
    for limits in some:
        proof = prove(check, canary, limits)
        if not proof.fails:
            return limits, proof
    return None
