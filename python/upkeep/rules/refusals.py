"""Pure: what was not believed in a run, and what is said of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from upkeep.checks.upkeep.forged_result import ID as FORGED_RESULT
from upkeep.model.answer import Observed, Outcome
from upkeep.model.verdicts import Result, Severity, Status

SHOWN_REASONS = 10
SUBJECT = "answers"


class Refusals:
    """What was not believed in a run, by host: the empty name where nobody knows whose it was."""

    def __init__(self) -> None:
        self.reasons: dict[str, Counter[str]] = {}

    def add(self, host: str, why: str) -> None:
        """Count it."""
        self.reasons.setdefault(host, Counter())[why] += 1

    def said(self, host: str) -> str:
        """Return what was refused of a host, with how often; empty if nothing was."""
        counted = self.reasons.get(host, Counter()).most_common(SHOWN_REASONS)
        return "; ".join(
            f"{why}{f' ({number} times)' if number > 1 else ''}" for why, number in counted
        )

    def hosts(self) -> list[str]:
        """Return the hosts that are known."""
        return sorted(filter(None, self.reasons))

    def answer(self, host: str, before: Observed | None, at: datetime) -> Observed:
        """Return what is wrong with a host that forges, as its own result.

        before: what it gave last of its own; how it went with the host stays as it was then.
        """
        if before is None:
            before = Observed(
                host, Outcome.FAILED, at, f"returned no results of its own: {self.said(host)}"
            )
        at = max(at, before.observed_at + timedelta(microseconds=1))
        result = Result(
            host=host,
            check=FORGED_RESULT,
            subject=SUBJECT,
            status=Status.FAIL,
            severity=Severity.HIGH,
            message=f"refused: {self.said(host)}",
            remedy=(
                "find out what runs on the host, and under which account: something there "
                "tried to forge Upkeep's results"
            ),
            observed_at=at,
        )
        return replace(without_results(before), observed_at=at, results=(result,))


def without_results(observed: Observed) -> Observed:
    """Return only how it went with the host."""
    return replace(observed, requests=(), due=(), seen=(), results=(), asked=())
