# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who failed to log in, and who then did: from syslog files, the journal, and applications' JSON lines."""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, Iterator, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.auth_messages import (
    Event,
    Line,
    line_of,
    parse_event,
    parse_line,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.logs import (
    LogWindow,
    iso_utc,
    parse_offset,
    time_value,
)
from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation

TIMEOUT_SECONDS = 60


ARGUMENTS: dict[str, dict[str, Any]] = {
    "paths": {"type": "list", "elements": "str", "default": []},
    "window_seconds": {"type": "int", "default": 3600},
    "burst_seconds": {"type": "int", "default": 600},
    "fields": {"type": "dict", "default": {}},
    "failure_values": {
        "type": "list",
        "elements": "str",
        "default": ["failure", "failed", "fail", "denied", "login_failed", "false", "401"],
    },
    "success_values": {
        "type": "list",
        "elements": "str",
        "default": ["success", "succeeded", "ok", "accepted", "login_succeeded", "true", "200"],
    },
    "utc_offset": {"type": "str", "default": ""},
    "limit_bytes": {"type": "int", "default": 64_000_000},
}

JOURNAL = "journal"
FILES = ("/var/log/auth.log", "/var/log/secure")
JOURNAL_FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID,_HOSTNAME"
JOURNAL_LIMIT_BYTES = 16_000_000
# Elastic Common Schema first; any may be a dotted path.
FIELDS: dict[str, tuple[str, ...]] = {
    "time": ("@timestamp", "timestamp", "time", "ts"),
    "outcome": ("event.outcome", "outcome", "result", "event", "status", "success"),
    "account": ("user.name", "username", "user", "account", "email", "login"),
    "source": ("source.ip", "client.ip", "remote_ip", "remote_addr", "client_ip", "ip", "source"),
}
# Kinds of event that each tell an attempt once: see auth_messages.Event.
WITNESSES = ("failed", "pam", "pam_error", "refused")
LAST_REPEATED = re.compile(r"(?:\S+ )?last message repeated (\d{1,5}) times?$")
TOP = 20
KEPT_KEYS = 5_000
KEPT_NAMES = 1_000
SESSIONS = 20_000
EVIDENCE_LINES = 200
EVIDENCE_CHARACTERS = 400


@dataclass
class Actor:
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
class Session:
    """One connection, as told by one process. pending: attempts of which the source is not yet sure."""

    counts: dict[str, int] = field(default_factory=dict)
    account: str = ""
    source: str = ""
    port: str = ""
    invalid: bool = False
    counted: int = 0
    probed: bool = False
    pending: list[tuple[float, int, str]] = field(default_factory=list)


class Attempts:
    """Counts attempts over a window's events, in bounded memory."""

    def __init__(self, burst_seconds: float) -> None:
        self.burst_seconds = burst_seconds
        self.sources: dict[str, Actor] = {}
        self.accounts: dict[str, Actor] = {}
        self.minutes: Counter[int] = Counter()
        self.methods: Counter[str] = Counter()
        self.services: Counter[str] = Counter()
        self.failures = self.invalid = self.successes = self.probes = self.offers = 0
        self.after: list[dict[str, Any]] = []
        self.forgotten = False
        self._sessions: OrderedDict[tuple[str, str, str], Session] = OrderedDict()
        self._children: OrderedDict[tuple[str, str], list[Session]] = OrderedDict()

    def add(self, line: Line, event: Event) -> int:
        """Take in what a line says; return how many failed attempts it adds."""
        session = self._session(line, event)
        if event.account:
            session.account = event.account
        if event.kind == "failed":
            self.methods[event.method[:40]] += event.attempts
        session.invalid = session.invalid or event.invalid
        sure = event.kind != "pam" and bool(event.source)
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
        if sure and session.pending:
            self._settle(session)
        if not line.pid:
            self._settle(session)
        return added

    def _session(self, line: Line, event: Event) -> Session:
        key = (line.host, line.program, line.pid)
        session = self._sessions.get(key)
        reused = session and event.port and session.port and event.port != session.port
        if session is None or reused or not line.pid:
            if session is not None:
                self._settle(session)
            session = Session()
            if line.pid:
                self._sessions[key] = session
        if len(self._sessions) > SESSIONS:
            self._settle(self._sessions.popitem(last=False)[1])
        return session

    def _adopt(self, session: Session, line: Line, event: Event) -> int:
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

    def _witness(self, session: Session, line: Line, event: Event) -> int:
        """Count what this event tells beyond what others told of the same connection."""
        if event.kind in WITNESSES:
            told = event.kind + event.method if event.kind == "pam" else event.kind
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

    def _remember_child(self, session: Session, line: Line, event: Event) -> None:
        children = self._children.setdefault((line.host, event.source), [])
        children[:] = [child for child in children[-20:] if child.pending and child is not session]
        children.append(session)
        if len(self._children) > KEPT_KEYS:
            self._children.popitem(last=False)

    def finish(self) -> None:
        """Settle what is still open."""
        for session in self._sessions.values():
            self._settle(session)

    def _settle(self, session: Session) -> None:
        """Put the connection's attempts down to its source and account."""
        for at, attempts, account in session.pending:
            account = (account or session.account)[:100]
            source = session.source[:100]
            for actors, name, other in (
                (self.sources, source, account),
                (self.accounts, account, source),
            ):
                actor = actors.setdefault(name, Actor())
                actor.add(at, attempts, other, self.burst_seconds)
                actor.invalid += attempts if session.invalid else 0
                if len(actors) > 2 * KEPT_KEYS:
                    self._forget(actors)
            self.invalid += attempts if session.invalid else 0
        session.pending = []

    def _forget(self, actors: dict[str, Actor]) -> None:
        self.forgotten = True
        ranked = sorted(actors, key=lambda name: actors[name].failures, reverse=True)
        for name in ranked[KEPT_KEYS:]:
            del actors[name]

    def _succeeded(self, line: Line, event: Event) -> None:
        self.successes += event.attempts
        actor = self.sources.get(event.source)
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

    def data(self, since: float, until: float) -> dict[str, Any]:
        """Return the counts as JSON types."""
        short = until - since <= 3600
        most, ends = (self.failures, until) if short else most_in_an_hour(self.minutes)
        return {
            "failures": self.failures,
            "most_in_an_hour": most,
            "most_in_an_hour_ends": iso_utc(ends),
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


def described(actor: Actor, others: str, short: bool) -> dict[str, Any]:
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


def worst(actors: dict[str, Actor]) -> list[tuple[str, Actor]]:
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


class Reader:
    """Turns a log's texts into events. unread: lines that are no log lines of any known kind."""

    def __init__(self, params: dict[str, Any], now: float) -> None:
        self.now = now
        self.offset = parse_offset(params["utc_offset"])
        fields = params["fields"] or {}
        self.fields = {
            name: (str(fields[name]),) if fields.get(name) else names
            for name, names in FIELDS.items()
        }
        self.failure = {str(value).lower() for value in params["failure_values"]}
        self.success = {str(value).lower() for value in params["success_values"]}
        self.attempts = Attempts(params["burst_seconds"])
        self.lines = self.unread = 0
        self.evidence: deque[str] = deque(maxlen=EVIDENCE_LINES)
        self._last: tuple[str, Line | None, Event | None] = ("", None, None)
        self._before: tuple[Line, Event | None] | None = None

    def stamp(self, text: str) -> float | None:
        """Return the line's time; what was parsed is kept for `take`, which is asked next."""
        line, event = self._parse(text)
        self._last = (text, line, event)
        return line.at if line else None

    def take(self, text: str) -> None:
        """Count one line of the window."""
        if self._last[0] is not text:
            self.stamp(text)
        _text, line, event = self._last
        self.lines += 1
        if line is None:
            self.unread += 1
            return
        repeated = None if line.program else LAST_REPEATED.match(line.message)
        if repeated and self._before:
            # syslogd's own way of saying it: of the line before, whoever wrote that.
            previous, event = self._before
            event = event._replace(attempts=int(repeated.group(1))) if event else None
            line = previous._replace(at=line.at)
        else:
            self._before = (line, event)
        if event is None:
            return
        added = self.attempts.add(line, event)
        if added or event.kind in ("failed", "accepted"):
            self.evidence.append(text[:EVIDENCE_CHARACTERS])

    def _parse(self, text: str) -> tuple[Line | None, Event | None]:
        if text.startswith("{"):
            return self._parse_json(text)
        line = parse_line(text, self.now, self.offset)
        return line, parse_event(line) if line else None

    def _parse_json(self, text: str) -> tuple[Line | None, Event | None]:
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            return None, None
        if not isinstance(entry, dict):
            return None, None
        if "__REALTIME_TIMESTAMP" in entry:
            line = journal_line(entry)
            return line, parse_event(line) if line else None
        at = time_value(self._field(entry, "time"), self.now, self.offset)
        if at is None:
            return None, None
        line = Line(at, "", "application", "", "")
        outcome = str(self._field(entry, "outcome")).lower()
        if outcome not in self.failure and outcome not in self.success:
            return line, None
        account, source = (
            value if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
            for value in (self._field(entry, "account"), self._field(entry, "source"))
        )
        kind = "failed" if outcome in self.failure else "accepted"
        return line, Event(kind, str(account)[:200], str(source)[:200], method="application")

    def _field(self, entry: dict[str, Any], name: str) -> Any:
        for key in self.fields[name]:
            value: Any = entry.get(key)
            if value is None and "." in key:
                value = entry
                for part in key.split("."):
                    value = value.get(part) if isinstance(value, dict) else None
            if value is not None and not isinstance(value, (dict, list)):
                return value
        return None


def journal_line(entry: dict[str, Any]) -> Line | None:
    """Return a journal entry as a line; None if it has no time.

    What a user other than root says in the name of sshd is not sshd's: the journal knows who wrote it.
    Source: systemd.journal-fields(7); journalctl(1), "json": binary fields are lists of numbers.
    """
    try:
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (TypeError, ValueError):
        return None
    if not 0 <= at < 1e11:
        return None
    message = entry.get("MESSAGE")
    if isinstance(message, list):
        try:
            message = bytes(message).decode("utf-8", "surrogateescape")
        except (TypeError, ValueError):
            message = ""
    program = str(entry.get("SYSLOG_IDENTIFIER") or "")
    if program.startswith("sshd") and str(entry.get("_UID", "0")) != "0":
        program = "(not sshd)"
    pid = str(entry.get("SYSLOG_PID") or entry.get("_PID") or "")
    host = str(entry.get("_HOSTNAME") or "")
    return line_of(at, host, program, pid, message if isinstance(message, str) else "")


def observe_file(path: str, params: dict[str, Any], host: Host) -> Observation:
    """Return the observation of one log file."""
    now = host.now()
    since = now - params["window_seconds"]
    try:
        reader = Reader(params, now)
        window = LogWindow(host, path, reader.stamp, since, now, params["limit_bytes"])
        for _at, text in window:
            reader.take(text)
    except (HostError, ValueError) as exc:
        return Observation(path, error=unreadable(str(exc)))
    reader.attempts.finish()
    return observation(
        path,
        reader,
        since,
        now,
        newest_at=iso_utc(window.newest_at),
        truncated=window.truncated,
        cut_lines=window.cut_lines,
        half_line=window.half_line,
        read_bytes=window.read_bytes,
        files=window.files,
    )


def observe_journal(params: dict[str, Any], host: Host) -> Observation:
    """Return the observation of the journal's authentication entries (syslog facilities auth and authpriv)."""
    now = host.now()
    since = now - params["window_seconds"]
    select = ["--no-pager", "--output=json", "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"]
    # Newest first, so that a limit costs the oldest.
    command = ["journalctl", "--reverse", f"--since=@{int(since)}", *select]
    try:
        reader = Reader(params, now)
        limit = min(params["limit_bytes"], JOURNAL_LIMIT_BYTES)
        ran = host.run([*command, f"--output-fields={JOURNAL_FIELDS}"], limit_bytes=limit)
        refused = journal_refused(ran.err)
        if refused or (ran.status != 0 and not ran.truncated):
            return Observation(JOURNAL, error=refused or f"journalctl: {ran.err.strip()[:200]}")
        texts = ran.out.split("\n")
        if ran.truncated:
            texts.pop()
        newest = next((reader.stamp(text) for text in texts if text), None)
        if newest is None:
            last = host.run(["journalctl", "--lines=1", *select], limit_bytes=100_000)
            newest = reader.stamp(last.out.strip())
    except (HostError, ValueError) as exc:
        return Observation(JOURNAL, error=str(exc))
    for text in reversed(texts):
        if text:
            reader.take(text)
    reader.attempts.finish()
    return observation(
        JOURNAL,
        reader,
        since,
        now,
        newest_at=iso_utc(newest),
        truncated=ran.truncated,
        cut_lines=0,
        half_line=False,
        read_bytes=len(ran.out),
        files=1,
    )


def journal_refused(said: str) -> str:
    """Return why journalctl shows less than there is, though it exits with 0; an empty text if it does not."""
    if "not seeing messages from other users" in said or "ermission" in said:
        return "the journal: permission denied; observe with become, or add the login to the group systemd-journal"
    if "No journal files were found" in said:
        return "the journal: no journal files were found; nothing logs logins on this host"
    return ""


def observation(
    subject: str, reader: Reader, since: float, until: float, **met: Any
) -> Observation:
    """Return the observation of a log that was read."""
    data = {
        "window_seconds": int(until - since),
        "window_start": iso_utc(since),
        "window_end": iso_utc(until),
        "burst_seconds": reader.attempts.burst_seconds,
        "lines": reader.lines,
        "unparsed": reader.unread,
        **reader.attempts.data(since, until),
        **met,
    }
    return Observation(subject, data, raw="\n".join(reader.evidence))


def unreadable(reason: str) -> str:
    """Return the reason, with what to do about it where that is known."""
    if "permission denied" in reason:
        return (
            f"{reason}; observe with become, or add the login to the group that may read logs (adm)"
        )
    return reason


def discover(host: Host) -> Iterator[str]:
    """Yield the logs in which this host writes logins: files if there are any, else the journal."""
    found = [path for path in FILES if _there(host, path)]
    yield from found
    if not found and host.which("journalctl"):
        yield JOURNAL


def _there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return True  # what cannot be seen is looked at, and says why it cannot


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per log: the declared ones (`journal` is the journal), or those that the host writes."""
    paths: Sequence[str] = params["paths"] or list(discover(host))
    seen: dict[str, Observation] = {}
    for pattern in paths:
        if pattern == JOURNAL:
            seen[JOURNAL] = observe_journal(params, host)
            continue
        named = host.glob(pattern, limit=100) if re.search(r"[*?\[]", pattern) else [pattern]
        if not named:
            seen[pattern] = Observation(pattern, error=f"{pattern}: no log has such a name")
        for path in named:
            if path not in seen:
                seen[path] = observe_file(path, params, host)
    return list(seen.values())
