"""What it means that a subject is absent: the trouble is over, or only what had it is gone. Pure.

A check says it beside its rule, once for each set that its subjects are of: `{"listeners": resolves()}` where the
trouble is the thing itself, `{"file systems": gone("is not mounted any more")}` where it is only what had the trouble.
What the site declares is looked at in any case, and is of no set: that it is absent is a failure, or unknown, and
ends nothing.

Only an answer that has seen the set whole, by the same parameters and as the same user as the one in which the
finding was seen last, says that something is gone or over. By other parameters the site asks for something else: what
is not in such an answer is not watched any more, and neither is what is there and is not judged any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from upkeep.judging.check import Absence, Check, Meaning
from upkeep.judging.judge import EVERYTHING
from upkeep.model.answer import Observed, Request
from upkeep.rules.findings import Finding, FindingKind, FindingState, Moved, Transition, retired

NOT_AMONG = "is not listed in the site any more"
NOT_JUDGED = "still exists, but the check does not judge it any more"


@dataclass(frozen=True)
class CheckLook:
    """How a check has looked at a host. asked: a hash of its gather's parameters; uid: as which user.

    whole: the sets of which it has seen all; answered: whether its gather could say something at all.
    """

    asked: str
    uid: int | None
    whole: frozenset[str] = frozenset()
    answered: bool = True


def look_of(observed: Observed, check: str) -> CheckLook:
    """Return how a check has looked at the host that gave this."""
    numbers = sorted({one.request for one in observed.due if one.check == check})
    wholes = [
        frozenset(of for request, of in observed.whole if request == number) for number in numbers
    ]
    whole = frozenset.intersection(*wholes) if wholes else frozenset()
    requests = [observed.requests[one] for one in numbers if one < len(observed.requests)]
    answered = not any(one.check == check and one.subject == EVERYTHING for one in observed.results)
    return CheckLook(asked_by(requests), observed.uid, whole, answered)


def asked_by(requests: Sequence[Request]) -> str:
    """Return a hash of what is asked of gathers, in whatever order it is asked."""
    asked = sorted(json.dumps([one.gather, one.params], sort_keys=True) for one in requests)
    return hashlib.sha256("\n".join(asked).encode("utf-8", "surrogatepass")).hexdigest()


def unseen(known: Finding, look: CheckLook, ends: Mapping[str, Absence], at: datetime) -> Moved:
    """Return a finding after an answer in which its subject is not, and what happened to it.

    ends: what absence means to its check, by set. A finding of a program that did not write down how it was seen is
    as if it had been seen by this answer: the next one may move it.
    """
    if _asked_otherwise(known, look):
        # What is declared is in each answer, whatever is wrong with it; of a set, only all of it is known to be all.
        needed = set(ends) if known.seen_of is None else {known.seen_of} - {""}
        told = look.answered and needed <= look.whole
        return retired(known, NOT_AMONG, at) if told else (known, ())
    same, known = _seen_alike(known, look)
    if not same:
        return known, ()
    # Of which set a finding of yesterday is, nobody knows: then all of them must have been seen whole.
    of = known.seen_of
    meaning = _least(ends) if of is None else ends.get(of)
    if meaning is None or not (set(ends) if of is None else {of}) <= look.whole:
        return known, ()
    if meaning.meaning is Meaning.RESOLVES:
        ended = replace(known, status=FindingState.RESOLVED, resolved_at=at, waiver_id=None)
        return ended, (Transition(FindingKind.RESOLVED, at, None, meaning.words),)
    ended = replace(
        known, status=FindingState.GONE, message=meaning.words, resolved_at=at, waiver_id=None
    )
    return ended, (Transition(FindingKind.GONE, at, None, meaning.words),)


def passed_over(known: Finding, look: CheckLook, at: datetime) -> Moved:
    """Return a finding after an answer in which its subject is, and was not judged, and what happened to it."""
    same, known = _seen_alike(known, look)
    return retired(known, NOT_JUDGED, at) if same else (known, ())


def is_there(known: Finding, observed: Observed, check: Check) -> bool:
    """Return whether the answer has the finding's subject, judged or not."""
    mine = {one.request for one in observed.due if one.check == check.id}
    return any(
        one.request in mine and known.subject in check.subjects(one.observation)
        for one in observed.seen
    )


def _seen_alike(known: Finding, look: CheckLook) -> tuple[bool, Finding]:
    """Return whether the look may move an open finding, and the finding, which from now on knows how it was seen."""
    if known.status != FindingState.OPEN or look.uid is None:
        return False, known
    if not known.seen_by:
        return False, replace(known, seen_by=look.asked, seen_as=look.uid)
    return (known.seen_by, known.seen_as) == (look.asked, look.uid), known


def _asked_otherwise(known: Finding, look: CheckLook) -> bool:
    """Return whether an open finding was seen as the same user, by parameters that the site has changed since."""
    if known.status != FindingState.OPEN or look.uid is None or not known.seen_by:
        return False
    return known.seen_as == look.uid and known.seen_by != look.asked


def _least(ends: Mapping[str, Absence]) -> Absence | None:
    """Return what absence means at least, whatever set it is of: that something is gone claims no recovery."""
    meanings = sorted(ends.values(), key=lambda one: one.meaning is Meaning.RESOLVES)
    return meanings[0] if meanings else None
