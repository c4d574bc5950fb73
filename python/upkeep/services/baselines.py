"""Baselines as they are accepted: by a person who has just shown who they are, as a signed record.

What is decided is in rules/baselines.py; what is kept, in store/baselines.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from upkeep.model.reason import says
from upkeep.rules.actions import Action, refusal
from upkeep.rules.baselines import Baseline, Better, Proposal, Series
from upkeep.services import chain_end
from upkeep.services.acts import Proved, act, refuse
from upkeep.services.signing_key import Installation
from upkeep.store import Connection, Store, baselines, records


@dataclass(frozen=True)
class Acceptance:
    """What somebody accepts: the proposal that they were shown, as the baseline of a series, for a reason."""

    series: Series
    better: Better | None
    shown: Proposal
    reason: str


def accept(
    store: Store, installation: Installation, wanted: Acceptance, by: Proved, now: datetime
) -> Baseline:
    """Accept what was shown as the series' baseline.

    Raises: UsageError, and writes that down, if they may not, or the values propose something else by now.
    """
    series = wanted.series
    target = f"{series.measure} of {series.check} of {series.subject} on {series.host}"

    def do(db: Connection) -> tuple[Baseline, str]:
        records.hold(db)
        proposal = baselines.proposal_for(db, series, wanted.better, now)
        refuse(_refusal(proposal, wanted, by))
        made = baselines.accept(
            db,
            installation.key,
            proposal,
            wanted.reason.strip(),
            by=by.user.name,
            authenticated=by.authenticated,
            now=now,
        )
        level = made.level
        return made, f"{level.median:.6g}, spread {level.spread:.6g}; record {made.number}"

    made = act(store, by, now, "accept baseline", target, do)
    chain_end.note(installation.folder, store)
    return made


def _refusal(proposal: Proposal, wanted: Acceptance, by: Proved) -> str:
    """Return why it cannot be accepted, or nothing."""
    user = by.user
    if user.shared:
        return f"{user.name} is shared by several people, so it cannot accept a baseline"
    said = refusal(Action.ACCEPT_BASELINE, user.name, user.role)
    if said:
        return said
    if not says(wanted.reason):
        return "accepting a baseline needs a reason"
    if proposal.refused:
        return f"nothing can be accepted: {proposal.refused}"
    if (proposal.level, proposal.before) != (wanted.shown.level, wanted.shown.before):
        return "the proposal has changed since it was shown; read it again"
    return ""
