# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who failed to log in, and who then did: from syslog files, the journal, and applications' JSON lines."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import replace
from typing import Any, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._attempts import Attempts
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._lines import (
    MARKS,
    REPEATED_LIMIT,
    LoginLine,
    line_of,
    parse_line,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._messages import (
    LoginEvent,
    parse_event,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._services import PROGRAMS
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._unread import (
    begins_with_failure,
    is_elsewhere,
    may_be_a_failure,
    unread_may_be_a_failure,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    Whole,
    not_seen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import (
    iso_utc,
    parse_offset,
    time_value,
)
from ansible_collections.astral.upkeep.plugins.module_utils.log.window import (
    Bounds,
    LogWindow,
    Shares,
    logs_of,
    named_fields,
    not_read,
    unnamed,
)

SET = "logs"
TIMEOUT_SECONDS = 60
LIMIT_BYTES = 6_000_000
"""A thousand logs of one pattern, each with what stands out in it."""


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
APPLICATION = "application"
FILES = ("/var/log/auth.log", "/var/log/secure")
LEFT_BEHIND_SECONDS = 3 * 86400
JOURNAL_FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID,_HOSTNAME"
JOURNAL_LIMIT_BYTES = 16_000_000
# Stands for a message that an exported journal does not hold: a client's name may have made it so long.
TOO_LONG = "failed authentication? journalctl shows so long a message with --all only"
MONGO = ("attr.principalName", "attr.user")
# Elastic Common Schema first; any may be a dotted path.
FIELDS: dict[str, tuple[str, ...]] = {
    "time": ("@timestamp", "timestamp", "time", "ts", "t", "t.$date", "DATE", "date"),
    "outcome": ("event.outcome", "outcome", "result", "event", "status", "success"),
    "account": ("user.name", "username", "user", "account", "email", "login", *MONGO),
    "source": (
        *("source.ip", "client.ip", "remote_ip", "remote_addr", "client_ip", "ip", "source"),
        "attr.remote",
    ),
}
# What syslog daemons and collectors call a line's parts, where they write it as a record.
RECORD_FIELDS: dict[str, tuple[str, ...]] = {
    "message": ("message", "MESSAGE", "msg", "log", "textPayload"),
    "program": (
        *(
            "program",
            "PROGRAM",
            "SYSLOG_IDENTIFIER",
            "programname",
            "app-name",
            "appname",
            "app_name",
        ),
        *("syslogtag", "ident", "process.name", "syslog.appname", "log.syslog.appname", "tag"),
    ),
    "host": ("host.name", "host", "HOST", "hostname"),
    "pid": ("pid", "PID", "procid", "process.pid", "log.syslog.procid"),
}
KNOWN = {*PROGRAMS} - {""}
LOGFMT = re.compile(r"(?:t|ts|time|timestamp|level|lvl|logger)=[^ ]")
LOGFMT_PAIR = re.compile(r"(\w[\w.-]{0,40})=(?:\"((?:[^\"\\]|\\.)*)\"|(\S*))")
WITH_PORT = re.compile(r"(?:(\d{1,3}(?:\.\d{1,3}){3})|\[([\da-fA-F:.]+)\]):\d{1,5}$")
# An application's whole sentence for a failed login.
APPLICATION_FAILED = re.compile(
    r"(?:(?:invalid|wrong|incorrect|bad) (?:user(?: ?name)?|login|credentials|password)"
    r"(?: or (?:user(?: ?name)?|password))?"
    r"|(?:login|log ?on|authentication|auth|sign.?in) (?:failed|failure|denied|rejected|unsuccessful)"
    r"|(?:failed|unsuccessful|rejected) (?:log ?in|log ?on|authentication|sign.?in)(?: attempt)?)\.?$",
    re.IGNORECASE,
)
LAST_REPEATED = re.compile(r"(?:\S+ )?last message repeated (\d{1,9}) times?$", re.ASCII)
# One of them is in each line that tells of a login, failed or not: see auth_messages and auth_services.
WORDS = (
    *(
        b"ailed",
        b"ailure",
        b"FAILED",
        b"nvalid ",
        b"llegal ",
        b"not allowed",
        b"REFUSED",
        b"Accepted ",
        b"Auth fail",
    ),
    *(b"user authenticating", b"by authenticating", b"from authenticating", b"message repeated"),
    *(b"ncorrect", b"enied", b"nknown user", b"no such user", b"ad password", b"FAIL", b"badlogin"),
    *(
        b"nonexist",
        b"Non-exist",
        b"ejected",
        b"mismatch",
        b" err=49",
        b"BAD SU",
        b" fails",
        b" logged in",
    ),
    *(
        b"ucceeded",
        b"uccessful",
        b"OK LOGIN",
        b"Login",
        b"LOGIN",
        b"sasl_",
        b"AUTH",
        b"status=1",
        b" not found",
    ),
    *(
        b"wrong ",
        b"tried to use",
        b": - ",
        b"authorization",
        b"Accept",
        b"ACCEPT",
        b"Child connection",
        b' user "',
        b"res=success",
    ),
)
EVIDENCE_LINES = 200
EVIDENCE_CHARACTERS = 400


class Reader:
    """Turns a log's texts into events.

    unread: lines that are no log lines of any known kind. doubted: program and text of the last line that was not
    understood and may tell of a failed login. untold: an application's lines of which nothing was read but the time, as
    long as none told of a login and the site has not said how they do. familiar: some line may be of a log of logins.
    """

    def __init__(self, params: dict[str, Any], now: float) -> None:
        self.now = now
        self.offset = parse_offset(params["utc_offset"])
        self.fields = {**named_fields(FIELDS, params["fields"]), **RECORD_FIELDS}
        self.failure = {str(value).lower() for value in params["failure_values"]}
        self.success = {str(value).lower() for value in params["success_values"]}
        said = ("fields", "failure_values", "success_values")
        self.told = any(params[name] != ARGUMENTS[name]["default"] for name in said)
        self.untold = 0
        self.familiar = False
        self.declared = bool(params["paths"])
        self.doubted: tuple[str, str] = ("", "")
        self.attempts = Attempts(params["burst_seconds"])
        self.lines = self.unread = 0
        self.evidence: deque[str] = deque(maxlen=EVIDENCE_LINES)
        self._last: tuple[str, LoginLine | None, LoginEvent | None] = ("", None, None)
        self._before: tuple[LoginLine, LoginEvent | None] | None = None

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
            if unread_may_be_a_failure(text):
                self._doubt(
                    LoginLine(self._before[0].at if self._before else self.now, "", "", "", ""),
                    text,
                )
            return
        repeated = None if line.program else LAST_REPEATED.match(line.message)
        if repeated and self._before:
            # syslogd's own way of saying it: of the line before, whoever wrote that.
            previous, event = self._before
            event = (
                event._replace(attempts=min(int(repeated.group(1)), REPEATED_LIMIT))
                if event
                else None
            )
            line = previous._replace(at=line.at)
        else:
            self._before = (line, event)
        if line.program == APPLICATION:
            # A request of anybody with status 200 or 401 is no login that was understood: that names an account.
            understood = event is not None and (
                event.account != "" or APPLICATION_FAILED.match(line.message) is not None
            )
            self.told = self.told or understood
            self.untold = 0 if self.told else self.untold + 1
        self.familiar = self.familiar or event is not None or not is_elsewhere(line.program)
        if event is None:
            self._not_understood(line, text, bool(repeated))
            return
        if event.kind == "harmless":
            return
        added = self.attempts.add(line, event)
        if added or event.kind in ("failed", "accepted"):
            self.evidence.append(text[:EVIDENCE_CHARACTERS])

    def _not_understood(self, line: LoginLine, text: str, is_repeat: bool) -> None:
        """Take in a line with a time that says nothing that is known.

        Without a program's name it is no line of a log of logins, whatever its time.
        """
        if line.program == APPLICATION:
            doubtful = begins_with_failure(line.message)
        else:
            doubtful = may_be_a_failure(line, self.declared)
            named = line.program and not line.program.isdigit()
            if not (named or is_repeat or MARKS.match(line.message)):
                self.unread += 1  # dpkg's log and PostgreSQL's begin with a time, too
        if doubtful:
            self._doubt(line, text)

    def _doubt(self, line: LoginLine, text: str) -> None:
        self.doubted = (line.program, text[:EVIDENCE_CHARACTERS])
        self.attempts.doubt(line)

    def search_words(self, is_json: bool) -> list[bytes]:
        """Return the words of which each line about a login has at least one."""
        if not is_json:
            return list(WORDS)
        values = sorted(self.failure | self.success)
        cased = {text for one in values for text in (one, one.capitalize(), one.upper())}
        texts = [f'"{text}"' for text in sorted(cased)]
        bare = [f"{sign}{one}" for one in values for sign in (":", ": ") if one.isalnum()]
        return [*WORDS, *(text.encode() for text in [*texts, *bare])]

    def _parse(self, text: str) -> tuple[LoginLine | None, LoginEvent | None]:
        if text.startswith("{"):
            return self._parse_json(text)
        if LOGFMT.match(text):
            pairs = LOGFMT_PAIR.findall(text[:65_536])
            return self._record({name: quoted or bare for name, quoted, bare in pairs})
        line = parse_line(text, self.now, self.offset)
        return line, parse_event(line) if line else None

    def _parse_json(self, text: str) -> tuple[LoginLine | None, LoginEvent | None]:
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            return None, None
        if not isinstance(entry, dict):
            return None, None
        if "__REALTIME_TIMESTAMP" in entry:
            line = journal_line(entry)
            return line, parse_event(line) if line else None
        return self._record(entry)

    def _record(self, entry: dict[str, Any]) -> tuple[LoginLine | None, LoginEvent | None]:
        """Return a record of an application, or of a syslog daemon that writes its lines as records."""
        at = time_value(self._field(entry, "time"), self.now, self.offset)
        if at is None:
            return None, None
        message = str(self._field(entry, "message") or "").strip()
        program = str(self._field(entry, "program") or "").partition("[")[0].strip(": ")
        if message and (program.startswith("sshd") or program.rsplit("/", 1)[-1] in KNOWN):
            host, pid = (str(self._field(entry, name) or "") for name in ("host", "pid"))
            line = line_of(at, host, program, pid, message)
            return line, parse_event(line)
        line = LoginLine(at, "", APPLICATION, "", message)
        outcome = str(self._field(entry, "outcome")).lower()
        failed = outcome in self.failure
        if not failed and outcome not in self.success:
            if not APPLICATION_FAILED.match(message):
                return line, None
            failed = True
        account, source = (
            value if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
            for value in (self._field(entry, "account"), self._field(entry, "source"))
        )
        account = "" if account == "-" else account
        with_port = WITH_PORT.match(str(source))
        source = (with_port[1] or with_port[2]) if with_port else source
        kind = "failed" if failed else "accepted"
        return line, LoginEvent(kind, str(account)[:200], str(source)[:200], method=APPLICATION)

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


def journal_line(entry: dict[str, Any]) -> LoginLine | None:
    """Return a journal entry as a line; None if it has no time.

    What a user other than root says in the name of sshd is not sshd's: the journal knows who wrote it.
    Source: systemd.journal-fields(7); journalctl(1), "json": binary fields are lists of numbers, and a field of more
    than 4,096 bytes is null unless --all was given.
    """
    try:
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (TypeError, ValueError):
        return None
    if not 0 <= at < 1e11:
        return None
    message = entry.get("MESSAGE", "")
    if message is None:
        message = TOO_LONG
    elif isinstance(message, list):
        try:
            message = bytes(message).decode("utf-8", "surrogateescape")
        except (TypeError, ValueError):
            message = ""
    program = str(entry.get("SYSLOG_IDENTIFIER") or "")
    if program.startswith("sshd") and str(entry.get("_UID", "0")) != "0":
        program = "(not sshd)"
    pid = str(entry.get("SYSLOG_PID") or entry.get("_PID") or "")
    host = str(entry.get("_HOSTNAME") or "")
    # sudo sets the account flush right; a head of syslog's would take the blanks before it.
    return line_of(at, host, program, pid, message.lstrip() if isinstance(message, str) else "")


def observe_file(path: str, params: dict[str, Any], host: Host, ends: float) -> Observation:
    """Return the observation of one log file. ends: when reading it has to end."""
    now = host.now()
    since = now - params["window_seconds"]
    try:
        reader = Reader(params, now)
        with host.open(path) as stream:
            is_json = stream.read(1) == b"{"
        window = LogWindow(
            host,
            path,
            reader.stamp,
            since,
            now,
            Bounds(params["limit_bytes"], reader.search_words(is_json), ends),
        )
        for _at, text in window:
            reader.take(text)
        reader.lines += window.skipped_lines
    except (HostError, ValueError) as exc:
        return not_read(path, exc)
    reader.attempts.finish()
    return observation(
        path,
        reader,
        since,
        now,
        newest_at=iso_utc(window.newest_at),
        truncated=window.truncated,
        over_limit=window.over_limit,
        searched_bytes=window.searched_bytes,
        cut_lines=window.cut_lines,
        half_line=window.half_line,
        part_unread=window.part_unread,
        ahead_lines=window.ahead_lines,
        read_bytes=window.read_bytes,
        files=window.files,
    )


def observe_journal(params: dict[str, Any], host: Host) -> Observation:
    """Return the observation of the journal's authentication entries (syslog facilities auth and authpriv)."""
    now = host.now()
    since = now - params["window_seconds"]
    select = ["--no-pager", "--output=json", "--all", "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"]
    fields = f"--output-fields={JOURNAL_FIELDS}"
    # Newest first, so that a limit costs the oldest.
    command = ["journalctl", "--reverse", f"--since=@{int(since)}", *select, fields]
    try:
        reader = Reader(params, now)
        limit = min(params["limit_bytes"], JOURNAL_LIMIT_BYTES)
        ran = host.run(command, limit_bytes=limit)
        refused = journal_refused(ran.err)
        if refused or (ran.status != 0 and not ran.truncated):
            return Observation(JOURNAL, error=refused or f"journalctl: {ran.err.strip()[:200]}")
        texts = [text for text in ran.out.split("\n") if text]
        searched = Ran(0, "", "", False)
        if ran.truncated:
            texts.pop()
            searched = _search_journal(host, command, limit, reader.stamp(texts[-1]))
        newest = reader.stamp(texts[0]) if texts else None
        if newest is None:
            last = host.run(
                ["journalctl", "--lines=1", *select, "--output-fields=_PID"], limit_bytes=100_000
            )
            newest = reader.stamp(last.out.strip())
    except (HostError, ValueError) as exc:
        return not_seen(JOURNAL, exc)
    for text in reversed([*texts, *(text for text in searched.out.split("\n") if text)]):
        reader.take(text)
    reader.attempts.finish()
    return observation(
        JOURNAL,
        reader,
        since,
        now,
        newest_at=iso_utc(newest),
        truncated=searched.truncated,
        over_limit=searched.truncated,
        searched_bytes=len(searched.out),
        cut_lines=0,
        half_line=False,
        read_bytes=len(ran.out) + len(searched.out),
        files=1,
    )


def _search_journal(host: Host, command: list[str], limit: int, oldest: float | None) -> Ran:
    """Return the entries before the oldest that was read, as far as they may tell of a login."""
    words = "|".join(word.decode("ascii").strip() for word in WORDS)
    until = f"--until=@{(oldest or 0) - 1e-6:.6f}"
    try:
        ran = host.run(
            [*command, until, "--case-sensitive=yes", f"--grep={words}"], limit_bytes=limit
        )
    except HostError as exc:
        return Ran(1, "", str(exc), True)
    # It ends with 1 where nothing matches, and says why where it cannot search.
    searched = ran.status == 0 or not ran.err.strip() or "No entries" in ran.out + ran.err
    return ran if searched else Ran(ran.status, "", ran.err, True)


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
        "untold": reader.untold,
        "foreign": 0 if reader.familiar else reader.lines - reader.unread,
        "doubted_program": reader.doubted[0],
        "doubted_sample": reader.doubted[1],
        **reader.attempts.data(since, until),
        **met,
    }
    return Observation(subject, data, raw="\n".join(reader.evidence))


def discover(host: Host) -> Iterator[str]:
    """Yield the logs in which this host writes logins: files if there are any, else the journal.

    A file that nobody has written to for long was left behind when the host went over to the journal.
    """
    found = [path for path in FILES if _there(host, path)]
    if host.which("journalctl") and not any(_in_use(host, path) for path in found):
        yield JOURNAL
    else:
        yield from found


def _there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return True  # what cannot be seen is looked at, and says why it cannot


def _in_use(host: Host, path: str) -> bool:
    try:
        return host.stat(path).st_mtime > host.now() - LEFT_BEHIND_SECONDS
    except HostError:
        return True


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per log: the declared ones (`journal` is the journal), or those that the host writes."""
    shares = Shares(host, TIMEOUT_SECONDS)
    seen: list[Observation] = []
    logs: dict[str, None] = {}
    for pattern in params["paths"] or list(discover(host)):
        paths, problem = ([JOURNAL], "") if pattern == JOURNAL else logs_of(pattern, host)
        logs.update(dict.fromkeys(paths))
        if problem:
            seen.append(unnamed(pattern, paths, problem))
    for number, path in enumerate(logs):
        ends = shares.end_of(len(logs) - number)
        is_journal = path == JOURNAL
        seen.append(
            observe_journal(params, host) if is_journal else observe_file(path, params, host, ends)
        )
    seen = [one if one.error else replace(one, of=SET) for one in seen]
    # A pattern passes over folders that it may not read, and what could not be read may be another name of a log.
    whole = host.is_root() and not any(one.error for one in seen)
    return Whole(seen, [SET]) if whole else seen
