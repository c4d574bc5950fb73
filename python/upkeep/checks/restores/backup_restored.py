"""Each set that is to be verified was restored lately, and what came out was good.

The newest verification that came to an end counts: one that found the backup bad is critical, however many tries that
came to nothing follow it, and until that backup or a newer one was restored. One that restored it passes as long as it
is not too old, and as long as what was restored was the newest backup. Content that nothing proves passes as restored
only, unless the site demands proof. That parts of a repository were read is no restore.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreRow,
    RestoreSeen,
)
from upkeep.checks.restores._ledger_words import (
    FAILED,
    NEEDS,
    RESTORED,
    UNKNOWN,
    VERIFY,
    age_seconds,
    is_ahead,
    is_verified,
    newest,
    of_days,
    restored_ago,
    show,
    which,
    why,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.text import duration
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

DECLARE = "decide: declare `verify` in the set, so that it is restored and judged"
FIX = "decide: make a new backup now and verify it; keep the last one that was restored"
LOOK = "see at which step it ended, and what to do; then verify the set again"


@dataclass(frozen=True)
class Limits:
    """When a verification counts.

    behind_hours: how much older than the newest backup may be what was restored, of a set that declares no rpo_hours.
    """

    behind_hours: float = 48.0


def judge(seen: RestoreSeen, limits: Limits, now: datetime) -> Verdict:
    """Judge the newest verification that came to an end, by the clock of its host."""
    if seen.max_days is None or not is_verified(seen):
        return nothing_to_judge("it is not declared to be verified by a restore", remedy=DECLARE)
    doubt = short(seen.unread.get("ledger", ""), 200)
    last = newest(seen.rows, RESTORED, FAILED)
    good = last if last is not None and last.outcome == RESTORED else None
    bad = last if last is not None and last.outcome == FAILED else _bad_behind(seen.rows, good)
    if bad is not None:
        ago = of_days(age_seconds(seen, bad))
        after = f"; {which(good)}, was restored since, but is older" if good else ""
        found = f"{which(bad)}: {why(bad)}" if bad.backup else why(bad)
        text = f"not restored: {found}; verified {ago}{after}"
        return failed(Severity.CRITICAL, text, remedy=show(bad, FIX))
    if good is None:
        return _never(seen, doubt)
    if doubt:
        return unknown(f"the ledger cannot be read to its end: {doubt}", remedy=VERIFY)
    if is_ahead(seen, good):
        return unknown(f"verified in the future: {good.ended_at.isoformat()}", remedy=VERIFY)
    return _restored(seen, good, seen.max_days, limits)


def _bad_behind(rows: list[RestoreRow], good: RestoreRow | None) -> RestoreRow | None:
    """Return the verification that found a newer backup bad than the one that was restored since."""
    if good is None or good.taken_at is None:
        return None
    later = rows[rows.index(good) + 1 :]
    taken = good.taken_at
    return next(
        (one for one in later if one.outcome == FAILED and one.taken_at and one.taken_at > taken),
        None,
    )


def _never(seen: RestoreSeen, doubt: str) -> Verdict:
    """Return what is said of a set that was never restored."""
    running = seen.running
    if running is not None:
        share = f", {running.share:.0%}" if running.share is not None else ""
        now = f"; a verification is running: {short(running.step, 20)}{share}"
    else:
        now = ""
    said = f"; the ledger cannot be read to its end: {doubt}" if doubt else ""
    if not seen.rows:
        return unknown(f"never verified by a restore{said}{now}", remedy=VERIFY)
    row = seen.rows[0]
    ago = of_days(age_seconds(seen, row))
    if row.outcome == UNKNOWN:
        text = f"could not be verified: {why(row)}; tried {ago}{said}{now}"
        return unknown(text, remedy=show(row, LOOK))
    text = f"only read in parts ({short(row.covered, 60)}), never restored in whole; read {ago}{said}{now}"
    return unknown(text, remedy=show(row, "decide: raise whole_bytes of the set's verify"))


def _restored(seen: RestoreSeen, good: RestoreRow, max_days: float, limits: Limits) -> Verdict:
    """Judge a verification that has restored the backup."""
    seconds = age_seconds(seen, good)
    measure = Measure("age", max(0.0, seconds), "s")
    text = f"{restored_ago(seen, good)}, at most {max_days:g}: {which(good)}"
    since = _since(seen.rows, good)
    if seconds > max_days * 86400:
        return failed(Severity.HIGH, text + since, measure, remedy=VERIFY)
    broken = [one for one in good.assertions if one.state == "failed"]
    if broken or good.findings:
        what = f"assertion {short(broken[0].name, 80)}" if broken else short(good.findings[0], 160)
        return failed(Severity.CRITICAL, f"{text}; not as it must be: {what}", measure)
    at_most = seen.rpo_hours or limits.behind_hours
    reaches = [one for one in (good.taken_at, good.recovery_point_at) if one is not None]
    behind = (good.began_at - max(reaches)).total_seconds() / 3600 if reaches else 0.0
    if behind > at_most:
        then = f"that backup was {duration(behind * 3600)} old then, at most {at_most:g} h"
        return failed(Severity.HIGH, f"{text}; {then}", measure, remedy=VERIFY)
    unproved = short(good.unproved, 200) or "it has no checksums"
    if good.proof == "none" and seen.provable:
        said = f"{text}; the content is not proved, and must be: {unproved}"
        return failed(Severity.HIGH, said, measure, remedy=show(good, PROVE))
    open_ = [one for one in good.assertions if one.state != "held"]
    if open_:
        name = short(open_[0].name, 80)
        said = f"{text}; could not be judged: assertion {name}"
        return unknown(said, measure, remedy=show(good, LOOK))
    proof = f"restored; content not provable: {unproved}"
    if good.proof != "none":
        proof = f"proved by {good.proof}"
        proof += f"; not proved: {short(good.unproved, 200)}" if good.unproved else ""
    covered = "" if good.covered == "all" else f"; covered {short(good.covered, 60)}"
    older = seen.unread.get("older", "")
    notes = f"; {short(older, 160)}" if older else ""
    return passed(f"{text}; {proof}{covered}{since}{notes}", measure)


PROVE = "decide: add assertions to the set, or make its backups with checksums"


def _since(rows: list[RestoreRow], good: RestoreRow) -> str:
    """Return what is said of the newest row, if that is a later one."""
    row = rows[0]
    if row is good:
        return ""
    if row.outcome == UNKNOWN:
        return f"; the last try could not verify it: {why(row)}"
    return f"; since then {short(row.covered, 60)} was read"


CHECK = Check(
    title="Backups were restored, and what came out is good",
    trouble="Failed or missing restore of a backup",
    gather="restores",
    shape=RestoreSeen,
    since="0.1.0",
    needs=NEEDS,
    why=(
        "A backup that reads well may still not be restorable: a role, an extension or a file "
        "is missing, or the password is another one. It shows only when it is restored."
    ),
    cannot_see=(
        "What the assertions of the site do not ask. Backups between two verifications: only "
        "the newest one of each is restored. Whether the restore works on another machine."
    ),
    limits=Limits(),
    judge=judge,
    measures={"age": MeasureKind.STATE},
    source="NIST SP 800-34 Rev. 1, section 3.4.1; 45 CFR 164.308(a)(7)(ii)(D)",
    remedy=VERIFY,
    controls=("45 CFR 164.308(a)(7)(ii)(A)", "45 CFR 164.308(a)(7)(ii)(D)"),
    absence=DECLARED,
)
