"""What fails in what machines have collected for a review: who passes it all the same says why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from upkeep.model.reason import says
from upkeep.rules.reviews import Form, ReviewVerdict
from upkeep.rules.sentences import trouble_of
from upkeep.rules.targets import state_of

NEEDS_NOTE = "pass needs a note that explains what fails"
NAMED = 5
"""At most this many failures are named where a `pass` is refused; the others are counted."""


def failures(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the checks that fail now and the targets that are missed, in the order of the evidence."""
    return (*_checks(evidence), *_targets(evidence))


def refuse_unexplained(failing: Sequence[str], form: Form) -> str:
    """Return why a review with failures may not be passed so; empty if it may.

    Each signature explains it by itself: a note, for a file alone does not say which failure it is about.
    """
    if form.verdict is not ReviewVerdict.PASS or not failing or says(form.note):
        return ""
    return f"{NEEDS_NOTE}: {words_of(failing)}"


def missed_in(evidence: Mapping[str, Any]) -> int:
    """Return how many targets are missed."""
    return sum(
        state_of(one, each) == "missed"
        for one in evidence.get("measures", ())
        for each in one["series"]
    )


def words_of(failing: Sequence[str]) -> str:
    """Return the first failures, and how many more there are."""
    more = len(failing) - NAMED
    return "; ".join(failing[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def _checks(evidence: Mapping[str, Any]) -> Iterator[str]:
    for one in evidence.get("checks", ()):
        now = one["now"]
        if now["fail"]:
            verb = "fails" if now["fail"] == 1 else "fail"
            yield f"{trouble_of(one['check'])}, {now['fail']} of {sum(now.values())} {verb}"


def _targets(evidence: Mapping[str, Any]) -> Iterator[str]:
    for one in evidence.get("measures", ()):
        missed = [each for each in one["series"] if state_of(one, each) == "missed"]
        if missed:
            first = missed[0]
            more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
            where = f"{first['subject']} on {first['host']}{more}"
            yield f"target missed: {one['name'].replace('_', ' ')} of {where}"
