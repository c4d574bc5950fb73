# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed attempts to log in, each counted once however many programs tell of it, by source and account."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._lines import LoginLine
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._messages import (
    LoginEvent,
)
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import iso_utc

# Kinds of event that each tell an attempt once: see auth_messages.Event.
WITNESSES = ("failed", "pam", "pam_error", "refused", "told")
# What several processes tell of one attempt is told within this many seconds, and a row of attempts is cut that long.
JOIN_SECONDS = 300
ROW_SECONDS = 900
# What is told of at most, and kept in memory at most.
TOP = 20
KEPT_KEYS = 5_000
KEPT_NAMES = 100
SESSIONS = 5_000
ADDRESS = re.compile(r"[\d.]+$|[\da-fA-F.]*:[\da-fA-F.:]*:[\da-fA-F.:]*(?:%\S+)?$")


@dataclass
class AttemptCounts:
    """What a source or an account did. others: the accounts tried by a source, the sources that tried an account."""

    failures: int = 0
    invalid: int = 0
    successes: int = 0
    most_in_burst: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    others: dict[str, int] = field(default_factory=dict)
    minutes: dict[int, int] = field(default_factory=dict)
    burst: list[tuple[float, int]] = field(default_factory=list)
    in_burst: int = 0

    def add(self, at: float, attempts: int, other: str, burst_seconds: float) -> None:
        """Count failed attempts at one time."""
        self.first_at = min(self.first_at or at, at)
        self.last_at = max(self.last_at, at)
        self.failures += attempts
        if other in self.others or len(self.others) < KEPT_NAMES:
            self.others[other] = self.others.get(other, 0) + attempts
        minute = int(at // 60)
        self.minutes[minute] = self.minutes.get(minute, 0) + attempts
        self.burst.append((at, attempts))
        self.in_burst += attempts
        while self.burst[0][0] < at - burst_seconds:
            self.in_burst -= self.burst.pop(0)[1]
        if len(self.burst) > KEPT_NAMES:
            # Halved: pairs become one, at the later time; the sum stays right.
            pairs = self.burst
            self.burst = pairs[: len(pairs) % 2] + [
                (late[0], early[1] + late[1])
                for early, late in zip(pairs[len(pairs) % 2 :: 2], pairs[len(pairs) % 2 + 1 :: 2])
            ]
        self.most_in_burst = max(self.most_in_burst, self.in_burst)


@dataclass
class LoginSession:
    """One connection, as told by one process.

    pending: attempts of which the source is not yet sure; possible: lines that were not understood and may tell of one;
    loose: attempts that were counted since the port was told, by kind: of whoever gets the same process number next.
    """

    counts: dict[str, int] = field(default_factory=dict)
    account: str = ""
    source: str = ""
    port: str = ""
    invalid: bool = False
    counted: int = 0
    probed: bool = False
    pending: list[tuple[float, int, str]] = field(default_factory=list)
    possible: int = 0
    possible_at: float = 0.0
    begun_at: float = 0.0
    last_at: float = 0.0
    loose: dict[str, int] = field(default_factory=dict)

    def is_over(self, at: float) -> bool:
        """Return whether what is told then is of another row of attempts."""
        return at - self.last_at > JOIN_SECONDS or at - self.begun_at > ROW_SECONDS


class Attempts:
    """Counts attempts over a window's events, in bounded memory."""

    def __init__(self, burst_seconds: float) -> None:
        self.burst_seconds = burst_seconds
        self.sources: dict[str, AttemptCounts] = {}
        self.accounts: dict[str, AttemptCounts] = {}
        self.minutes: Counter[int] = Counter()
        self.possible_minutes: Counter[int] = Counter()
        self.methods: Counter[str] = Counter()
        self.services: Counter[str] = Counter()
        self.failures = self.invalid = self.successes = self.probes = self.offers = 0
        self.after: list[dict[str, Any]] = []
        self.forgotten = False
        self._sessions: OrderedDict[tuple[str, str, str], LoginSession] = OrderedDict()
        self._children: OrderedDict[tuple[str, str], list[LoginSession]] = OrderedDict()

    def add(self, line: LoginLine, event: LoginEvent) -> int:
        """Take in what a line says; return how many failed attempts it adds."""
        session = self._session(line, event)
        if event.account:
            session.account = event.account
        if event.kind == "failed":
            self.methods[event.method[:40]] += event.attempts
        session.invalid = session.invalid or event.invalid
        sure = bool(event.source) and (event.kind != "pam" or event.joined != "")
        if event.source and (sure or not session.source):
            session.source = event.source
            session.port = event.port or session.port
        if event.kind == "accepted":
            self._settle(session)
            self._succeeded(line, event)
        elif event.kind == "probe" and not session.probed and not session.counted:
            session.probed = True
            self.probes += 1
        elif event.kind == "offer":
            self.offers += event.attempts
        added = self._witness(session, line, event)
        if (sure and session.pending) or not (line.pid or event.joined):
            self._settle(session)
        if event.port:
            session.loose = {}
        elif line.message.startswith("PAM "):
            session.loose = {}  # PAM sums up when a connection has ended
        elif added:
            told = _told(event)
            session.loose[told] = session.loose.get(told, 0) + added
        return added

    def doubt(self, line: LoginLine) -> None:
        """Take in a line that was not understood and may tell of a failed attempt, beyond what others tell of it."""
        session = self._session(line, LoginEvent("peer"))
        if session.possible and session.is_over(line.at):
            self._end(session)
            session.possible = session.counted = 0
        session.begun_at = session.begun_at if session.possible else line.at
        session.last_at = line.at
        session.possible += line.repeated
        session.possible_at = line.at
        if not line.pid:
            self._end(session)

    def _session(self, line: LoginLine, event: LoginEvent) -> LoginSession:
        key = (line.host, line.program, event.connection or line.pid)
        if event.joined:
            key = (line.host, "", event.joined)
        session = self._sessions.get(key)
        if session is not None and event.joined:
            ended = session.is_over(line.at)
        else:
            ended = session is None or not line.pid or _is_another(session, event)
        if session is None or ended:
            follower = LoginSession(begun_at=line.at)
            if session is not None:
                if not event.joined and line.pid:
                    _hand_over(session, follower)
                self._end(session)
            session = follower
            if line.pid or event.joined:
                self._sessions[key] = session
        session.last_at = line.at
        if len(self._sessions) > SESSIONS:
            self._end(self._sessions.popitem(last=False)[1])
        return session

    def _adopt(self, session: LoginSession, line: LoginLine, event: LoginEvent) -> int:
        """Take over what a child of sshd told of the same attempt, and return how many attempts that were.

        For keyboard-interactive logins PAM speaks from a process of its own, before its parent does.
        """
        for child in self._children.get((line.host, event.source), []):
            known = child.account in ("", event.account)
            if child is not session and child.pending and known and len(child.counts) == 1:
                session.pending += child.pending
                session.counted += child.counted
                taken, child.counted, child.counts, child.pending = child.counted, 0, {}, []
                return taken
        return 0

    def _witness(self, session: LoginSession, line: LoginLine, event: LoginEvent) -> int:
        """Count what this event tells beyond what others told of the same connection."""
        if event.kind in WITNESSES:
            told = _told(event)
            session.counts[told] = session.counts.get(told, 0) + event.attempts
        elif event.kind == "end":
            session.counts["end"] = 1
        added = max(session.counts.values(), default=0) - session.counted
        if event.kind == "pam" and line.program == "sshd" and len(session.counts) == 1:
            self._remember_child(session, line, event)
        if added > 0 and (event.kind == "pam_error" or event.method == "keyboard-interactive"):
            added -= self._adopt(session, line, event)
        if added <= 0:
            return 0
        session.counted += added
        self.failures += added
        self.minutes[int(line.at // 60)] += added
        self.services[line.program[:40]] += added
        session.pending.append((line.at, added, event.account))
        return added

    def _remember_child(self, session: LoginSession, line: LoginLine, event: LoginEvent) -> None:
        children = self._children.setdefault((line.host, event.source), [])
        children[:] = [child for child in children[-20:] if child.pending and child is not session]
        children.append(session)
        if len(self._children) > KEPT_KEYS:
            self._children.popitem(last=False)

    def finish(self) -> None:
        """Settle what is still open."""
        for session in self._sessions.values():
            self._end(session)

    def _end(self, session: LoginSession) -> None:
        """Settle the connection, of which no more will be told."""
        self._settle(session)
        beyond = session.possible - session.counted
        if beyond > 0:
            self.possible_minutes[int(session.possible_at // 60)] += beyond

    def _settle(self, session: LoginSession) -> None:
        """Put the connection's attempts down to its source and account."""
        for at, attempts, account in session.pending:
            account = (account or session.account)[:100]
            source = session.source[:100]
            for actors, name, other in (
                (self.sources, source, account),
                (self.accounts, account, source),
            ):
                actor = actors.setdefault(name, AttemptCounts())
                actor.add(at, attempts, other, self.burst_seconds)
                actor.invalid += attempts if session.invalid else 0
                if len(actors) > 2 * KEPT_KEYS:
                    self._forget(actors)
            self.invalid += attempts if session.invalid else 0
        session.pending = []

    def _forget(self, actors: dict[str, AttemptCounts]) -> None:
        self.forgotten = True
        ranked = sorted(actors, key=lambda name: actors[name].failures, reverse=True)
        for name in ranked[KEPT_KEYS:]:
            del actors[name]

    def _succeeded(self, line: LoginLine, event: LoginEvent) -> None:
        self.successes += event.attempts
        actor = self.sources.get(event.source[:100])
        if actor is None or not event.source:
            return
        actor.successes += event.attempts
        self.after.append(
            {
                "source": event.source[:100],
                "account": event.account[:100],
                "method": event.method[:40],
                "at": iso_utc(line.at),
                "failures": actor.failures,
                "account_failures": actor.others.get(event.account[:100], 0),
            }
        )
        if len(self.after) > 2 * KEPT_NAMES:
            self.after = self._worst_after(KEPT_NAMES)

    def _worst_after(self, limit: int) -> list[dict[str, Any]]:
        return sorted(self.after, key=lambda login: -int(login["failures"]))[:limit]

    def _most_possible(self, short: bool) -> int:
        """Return the most failures in an hour if all lines that may tell of one do."""
        if short:
            return self.failures + sum(self.possible_minutes.values())
        return most_in_an_hour(self.minutes + self.possible_minutes)[0]

    def data(self, since: float, until: float) -> dict[str, Any]:
        """Return the counts as JSON types."""
        short = until - since <= 3600
        most, ends = (self.failures, until) if short else most_in_an_hour(self.minutes)
        return {
            "failures": self.failures,
            "most_in_an_hour": most,
            "most_in_an_hour_ends": iso_utc(ends),
            "possible_failures": sum(self.possible_minutes.values()),
            "most_possible_in_an_hour": self._most_possible(short),
            "hours": hours(self.minutes, since, until),
            "invalid_account_failures": self.invalid,
            "methods": dict(self.methods.most_common(TOP)),
            "services": dict(self.services.most_common(TOP)),
            "successes": self.successes,
            "probes": self.probes,
            "key_offers": self.offers,
            "source_count": len(self.sources),
            "account_count": len(self.accounts),
            "sources": [
                {"source": name, **described(actor, "accounts", short)}
                for name, actor in worst(self.sources)
            ],
            "accounts": [
                {"account": name, **described(actor, "sources", short)}
                for name, actor in worst(self.accounts)
            ],
            "logins_after_failures": self._worst_after(TOP),
            "forgotten": self.forgotten,
        }


def _told(event: LoginEvent) -> str:
    """Return what tells each attempt once."""
    return event.kind + event.method if event.kind in ("pam", "told") else event.kind


def _is_another(session: LoginSession, event: LoginEvent) -> bool:
    """Return whether the event is of another connection, whose process got the same number."""
    if not session.port:
        return False
    if event.port:
        return event.port != session.port
    both = (session.source, event.source)
    return event.kind == "pam" and both[0] != both[1] and all(ADDRESS.match(one) for one in both)


def _hand_over(session: LoginSession, follower: LoginSession) -> None:
    """Give the follower what was counted for the session since its port was told last: it was the follower's."""
    if session.loose:
        follower.counts = dict(session.loose)
        follower.counted = sum(session.loose.values())
        follower.pending, session.pending = session.pending, []


def described(actor: AttemptCounts, others: str, short: bool) -> dict[str, Any]:
    """Return what is told of a source or account. short: the whole window is at most an hour."""
    ranked = sorted((name for name in actor.others if name), key=lambda name: -actor.others[name])
    return {
        "failures": actor.failures,
        "most_in_burst": actor.most_in_burst,
        "most_in_an_hour": actor.failures if short else most_in_an_hour(actor.minutes)[0],
        "invalid": actor.invalid,
        "successes": actor.successes,
        f"{others}_tried": len(ranked),
        others: ranked[:5],
        "first_at": iso_utc(actor.first_at),
        "last_at": iso_utc(actor.last_at),
    }


def worst(actors: dict[str, AttemptCounts]) -> list[tuple[str, AttemptCounts]]:
    """Return those with most failures, most others tried, most in a burst; worst first."""
    names: set[str] = set()
    for key in (
        lambda name: actors[name].failures,
        lambda name: len(actors[name].others),
        lambda name: actors[name].most_in_burst,
    ):
        names.update(sorted(sorted(actors), key=key, reverse=True)[:TOP])
    return [
        (name, actors[name])
        for name in sorted(names, key=lambda name: (-actors[name].failures, name))
    ]


def most_in_an_hour(minutes: dict[int, int]) -> tuple[int, float | None]:
    """Return the largest sum over 60 minutes in a row, and when the first such hour ends; minutes: counts by minute."""
    best, ends, total = 0, None, 0
    inside: deque[tuple[int, int]] = deque()
    for minute in sorted(minutes):
        inside.append((minute, minutes[minute]))
        total += minutes[minute]
        while inside[0][0] <= minute - 60:
            total -= inside.popleft()[1]
        if total > best:
            best, ends = total, minute * 60.0 + 60
    return best, ends


def hours(minutes: dict[int, int], since: float, until: float) -> list[dict[str, Any]]:
    """Return the count of each hour back from until, newest first; at most a week."""
    counts = [0] * min(168, max(1, -int(-(until - since) // 3600)))
    for minute, count in minutes.items():
        back = int((until - minute * 60 - 30) // 3600)
        counts[max(0, min(back, len(counts) - 1))] += count
    return [
        {"start": iso_utc(max(since, until - 3600 * (back + 1))), "failures": count}
        for back, count in enumerate(counts)
    ]
