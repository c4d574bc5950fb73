"""How wide is what keeps quiet: the share that it covers of what is watched. Pure.

A pattern is measured, not looked at: `*m*` or `/*` may fit all that there is. What is watched is given as what is known
of each subject now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

CLASSES = re.compile(r"\[!?]?[^]]*]")


@dataclass(frozen=True)
class Watched:
    """Results that are known now. subject: empty where those of a check on a host are counted together."""

    check: str
    host: str
    subject: str = ""
    results: int = 1


@dataclass(frozen=True)
class Width:
    """What something covers of what is watched. things: of how many checks on how many hosts the results are."""

    results: int
    of_results: int
    hosts: int
    of_hosts: int
    things: int

    @property
    def share(self) -> float:
        """The share of the results; all, where nothing is watched yet: nobody knows what it would cover."""
        return self.results / self.of_results if self.of_results else 1.0

    @property
    def host_share(self) -> float:
        """The share of the hosts."""
        return self.hosts / self.of_hosts if self.of_hosts else 0.0

    def __str__(self) -> str:
        if not self.of_results:
            return "how much is unknown, because nothing has been checked yet"
        return (
            f"{self.results} of {self.of_results} results, on {self.hosts} of {self.of_hosts} hosts"
        )


def measure(watched: Iterable[Watched], covers: Callable[[Watched], bool]) -> Width:
    """Return how much of what is watched is covered."""
    everything = list(watched)
    covered = [one for one in everything if covers(one)]
    return Width(
        results=sum(one.results for one in covered),
        of_results=sum(one.results for one in everything),
        hosts=len({one.host for one in covered}),
        of_hosts=len({one.host for one in everything}),
        things=len({(one.check, one.host) for one in covered}),
    )


def names_nothing(pattern: str) -> bool:
    """Return whether a pattern fits whatever is still to come: `*`, and `[!~]*`, which fits all but a few."""
    return "*" in pattern and not CLASSES.sub("", pattern).strip("*?")


def is_exact(pattern: str) -> bool:
    """Return whether a pattern names one thing."""
    return not any(one in pattern for one in "*?[")
