"""Baselines as they are accepted: by a person who has just shown who they are, as a signed record.

What is decided is in baselines.py; what is kept, in store/baselines.py.
"""

from __future__ import annotations

from datetime import datetime

from upkeep.model.errors import UsageError
from upkeep.model.reason import says
from upkeep.rules.actions import Action, refusal
from upkeep.rules.baselines import Baseline, Better, Proposal, Series
from upkeep.services import chain_end
from upkeep.services.reviews import By
from upkeep.services.signing_key import Installation
from upkeep.store import Store, acts, baselines, records


def accept(
    store: Store,
    installation: Installation,
    series: Series,
    better: Better | None,
    shown: Proposal,
    reason: str,
    by: By,
    now: datetime,
) -> Baseline:
    """Accept what was shown as the series' baseline.

    Raises UsageError, and writes that down, if they may not, or the values propose something else by now.
    """
    target = f"{series.measure} of {series.check} of {series.subject} on {series.host}"
    try:
        with store.begin() as db:
            records.hold(db)
            proposal = baselines.proposal_for(db, series, better, now)
            _refuse(proposal, shown, reason, by)
            made = baselines.accept(
                db,
                installation.key,
                proposal,
                reason.strip(),
                by=by.user.name,
                authenticated=by.authenticated,
                now=now,
            )
            detail = (
                f"{made.level.median:.6g}, spread {made.level.spread:.6g}; record {made.number}"
            )
            acts.record(db, by.act(now, "accept baseline", target, acts.DONE, detail))
    except UsageError as exc:
        with store.begin() as db:
            acts.record(db, by.act(now, "accept baseline", target, acts.REFUSED, str(exc)))
        raise
    chain_end.note(installation.folder, store)
    return made


def _refuse(proposal: Proposal, shown: Proposal, reason: str, by: By) -> None:
    """Raise UsageError if it cannot be accepted."""
    said = _refusal(proposal, shown, reason, by)
    if said:
        raise UsageError(said)


def _refusal(proposal: Proposal, shown: Proposal, reason: str, by: By) -> str:
    """Return why it cannot be accepted, or nothing."""
    user = by.user
    if user.shared:
        return f"{user.name} is shared by several people, and what it accepts is nobody's"
    said = refusal(Action.ACCEPT_BASELINE, user.name, user.role)
    if said:
        return said
    if not says(reason):
        return "a baseline is accepted for a reason"
    if proposal.refused:
        return f"nothing can be accepted: {proposal.refused}"
    if proposal.level != shown.level or proposal.before != shown.before:
        return "the values propose something else by now; look at it again"
    return ""
