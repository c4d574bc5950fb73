"""What is lacking in what machines have collected for a review. Pure; store/review_evidence.py collects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upkeep.model.answer import Outcome
from upkeep.rules.targets import state_of

NAMED = 10
LACKS = "not collected by any check yet"
"""Of what a review should show, as its schedule says: beside the review, and in the record of a signature."""


@dataclass(frozen=True)
class Lacking:
    """What is lacking, sentence by sentence. nothing: whether nothing was collected at all."""

    nothing: bool
    what: tuple[str, ...] = ()


def of(evidence: Mapping[str, Any], *, has_run: bool) -> Lacking:
    """Return what is lacking in a review's evidence, as it is kept; empty: there is none.

    has_run: whether a run collects for it; none does for a follow-up, which shows what its review showed.
    """
    if not evidence:
        return Lacking(nothing=True, what=("nothing was collected",))
    lost = _of_run(evidence["run"]) if has_run else ""
    asked = [*evidence["checks"], *evidence["measures"]]
    unseen = [*_checks(evidence), *_measures(evidence)]
    drills = list(_drills(evidence))
    if "incidents" in evidence:
        asked.append(evidence["incidents"])
        unseen += drills
    said = [evidence["gap"], *(f"{LACKS}: {one}" for one in evidence["lacks"])]
    if not asked:
        unseen = ["it shows no check and no measure"]
    nothing = bool(lost) or len(unseen) >= len(asked)
    return Lacking(nothing, tuple(filter(None, (*said, lost, *unseen, *_targets(evidence)))))


def collected_at(evidence: Mapping[str, Any]) -> datetime | None:
    """Return when a review's evidence was collected; None if there is none."""
    return datetime.fromisoformat(evidence["until"]) if evidence else None


def _of_run(run: Mapping[str, Any] | None) -> str:
    """Return why the run that collects for a review has brought nothing; empty if it has seen a host."""
    if run is None:
        return "no run has collected evidence for it"
    return "" if run["hosts"].get(Outcome.OK.value) else f"run {run['id']} has reached no host"


def _checks(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Yield the checks without a verdict in the time that is looked at; an unknown is none."""
    since = evidence["since"]
    for one in evidence["checks"]:
        counts = {when: one[when]["pass"] + one[when]["fail"] for when in ("now", "since")}
        # What was kept by older programs does not say when it was seen.
        seen_at = one.get("seen_at", evidence["until"])
        is_new = seen_at and datetime.fromisoformat(seen_at) > datetime.fromisoformat(since)
        if not counts["since"] and not (counts["now"] and is_new):
            yield f"{one['check']}: neither passed nor failed since {since}"


def _measures(evidence: Mapping[str, Any]) -> Iterator[str]:
    for one in evidence["measures"]:
        if not any(each["count"] for each in one["series"]):
            yield f"{one['check']}: no value of {one['name']} since {evidence['since']}"


def _drills(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Yield that nothing was rehearsed, where drills are shown: what was only talked through is no rehearsal."""
    shown = evidence.get("incidents")
    if not shown or shown["shows"] != "drills":
        return
    if not shown["rows"]:
        yield f"no drill was opened since {evidence['since']}"
    elif not any(step["really_on"] for one in shown["rows"] for step in one["steps"]):
        yield "no drill has really done anything on a drill host: its steps were talked through, or left open"


def _targets(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Yield which targets are neither met nor missed, for too much of their time was not seen."""
    for one in evidence["measures"]:
        of = f"{one['check']}: whether {one['name']}"
        unknown = [each for each in one["series"] if state_of(one, each) == "unknown"]
        for each in unknown[:NAMED]:
            where = f"{each['subject']} on {each['host']}"
            unseen = f"{100 * each['unseen']:.3g} % of the time was not observed"
            yield f"{of} meets its target is not known for {where}: {unseen}"
        more = len(unknown[NAMED:])
        if more:
            yield f"{of} meets its target is not known for {more} more"
