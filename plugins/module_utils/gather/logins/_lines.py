# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head of a line in a log of logins: its time, host, program and process, in the ways in which they are written.

The usual head is tried first, then those that sites and programs make of their own. A head that is none of these leaves
a line without a program, which counts as not understood unless what it says is known.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._services import PROGRAMS
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import syslog_time

REPEATED_LIMIT = 100_000


class LoginLine(NamedTuple):
    """A line of syslog or journal. repeated: how often the message stands for itself."""

    at: float
    host: str
    program: str
    pid: str
    message: str
    repeated: int = 1


PRIORITY = re.compile(r"<\d{1,3}>")
RFC5424 = re.compile(r"(?:<\d{1,3}>)?1 (?=\d{4}-)")
RFC5424_REST = re.compile(
    r" (\S+) (\S+) (\S+) \S+ (?:-|(?:\[[^\]\"]*(?:\"[^\"\\]*(?:\\.[^\"\\]*)*\"[^\]\"]*)*\])+) *(.*)",
    re.DOTALL,
)
TAG = re.compile(
    r" ?(?:(\S*[^\s:\]]) )?(?:\[([\w./@-]{1,64})\]:?|\(?([\w./@-]{1,64})\)?(?:\[(\d{1,10})\])?:) +(.*)",
    re.DOTALL,
)
# Facility and severity, as BusyBox, FreeBSD and rsyslog's templates write them: `auth.info`, `<4.6>`, `authpriv info`.
_FACILITY = (
    "auth(?:priv)?|security|daemon|user|local[0-7]|mail|ftp|cron|kern|syslog|lpr|news|uucp|console"
)
_SEVERITY = "emerg|panic|alert|crit|err(?:or)?|warn(?:ing)?|notice|info|debug|none"
_LEVEL = rf"(?:[<\[(]?(?:(?:{_FACILITY})(?:\|\w+)?(?:[.:|/](?:{_SEVERITY}))?|{_SEVERITY}|\d{{1,2}}[.:]\d)[>\])]?:? )"
# Behind the name: `(pam_unix)`, gdm's stray bracket, `[pid]`, `(info)`; the colon may be missing behind `[pid]`.
ODD_TAG = re.compile(
    rf"[ :]*{_LEVEL}?(?:(\S*[^\s:\]]) )?{_LEVEL}{{0,2}}\(?([A-Za-z][\w./@-]{{0,63}})\)?"
    r"(?:\(([^()\s]{0,200})\)(?:<[^<>\s]{0,64}>)?)?\]?(?:\[(\d{1,10})\](?:\(\w+\))?:?|:) +(.*)",
    re.DOTALL,
)
SOLARIS_ID = re.compile(r"\[ID \d+ \S+\] ")
REPEATED = re.compile(r"message repeated (\d{1,9}) times: \[ ?(.*)\]$", re.DOTALL)
ZONE_UTC = re.compile(r" (?:UTC|GMT) ")
ZONE_NAME = re.compile(r" (?:UTC|GMT|[A-Z]{3,4})(?= )")
# Heads with which a program's own log begins: what stands before the time, the time, what ends it; and whose they are.
OWN_HEADS = {
    "[": (
        re.compile(r"\[(?:[A-Z]{3,4} |[A-Z][a-z]{2} (?=[A-Z]))?([^\]]{8,40})\](?=[ :])"),
        "apache2",
    ),
    "t": (
        re.compile(r"type=([A-Z_0-9]{3,30}) msg=audit\((\d{9,10}\.\d{1,6}):\d+\):(?= )"),
        "audit",
    ),
    "@": (re.compile(r"@([0-9a-f]{16})[0-9a-f]{8}(?= )"), ""),
}
NGINX_TIME = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)(?= \[)")
MYSQL_TIME = re.compile(
    r"(?:(\d\d)(\d\d)(\d\d)|\d\d(\d\d)-(\d\d)-(\d\d)) {1,2}(\d{1,2}:\d\d:\d\d)(?= )"
)
WEEKDAY = re.compile(r"[A-Z][a-z]{2},? (?=[A-Z\d])")
LATE_YEAR = re.compile(r" \d{4}(?= )")
AUDIT_PID = re.compile(r" pid=(\d{1,10})")
TAI_OFFSET = 2**62 + 10
# Journal, syslogd and daemons of the kernel's time say nothing of a login in such lines.
MARKS = re.compile(r"(?:\S+ )?-- MARK --|-- (?:Logs begin|Reboot|Boot|No entries|Journal begins)\b")


def parse_line(text: str, now: float, offset: int | None) -> LoginLine | None:
    """Return the parts of a log line; None if it has no time. See `syslog_time` for now and offset.

    Source: RFC 3164; RFC 5424, section 6; rsyslog's templates; syslogd(8) of FreeBSD and BusyBox.
    """
    new_format = RFC5424.match(text)
    start = new_format or PRIORITY.match(text)
    begin = start.end() if start else 0
    found = syslog_time(text[begin : begin + 48], now, offset)
    if found is None:
        return _own_line(text, now, offset)
    at, end = found
    match = None if new_format else TAG.match(text, begin + end)
    if match is not None and (match[2] is None or _is_program(match[2])):
        host, program, pid, message = match[1], match[2] or match[3], match[4], match[5]
        return line_of(at, host or "", program, pid or "", message)
    if ZONE_UTC.match(text, begin + end):
        found = syslog_time(text[begin : begin + 48], now, 0)
        at = found[0] if found else at
    return _odd_line(at, text, begin + end)


def _is_program(name: str) -> bool:
    """Return whether a word in brackets is a program's name; else it is a severity, a thread or a connection."""
    return name.startswith("sshd") or name.rsplit("/", 1)[-1] in PROGRAMS


def _odd_line(at: float, text: str, begin: int) -> LoginLine:
    """Return a line with such a time of which the rest begins there, whatever its head."""
    if text[begin : begin + 1] == ":":
        return LoginLine(at, "", "", "", text[begin:].strip(" :"))
    match = RFC5424_REST.match(text, begin)
    if match is not None and (match[3].isdigit() or match[3] == "-" or text.startswith("<")):
        host, program, pid, message = match.groups()
        return line_of(at, host, program, pid, message.lstrip("\ufeff"))
    zone = ZONE_NAME.match(text, begin)
    if zone:
        begin = zone.end()
        match = TAG.match(text, begin)
        if match is not None and match[3]:
            return line_of(at, match[1] or "", match[3], match[4] or "", match[5])
    match = ODD_TAG.match(text, begin)
    if match is None:
        return LoginLine(at, "", "", "", text[begin:].strip(" :"))
    host, program, inside, pid, message = match.groups()
    if inside and (inside.startswith("pam_") or "," in inside):
        message = f"{inside}: {message}"
    return line_of(at, host or "", program, pid or "", message)


def _own_line(text: str, now: float, offset: int | None) -> LoginLine | None:
    """Return a line that begins as a program's own log does; None if none of those."""
    head, program = OWN_HEADS.get(text[:1], (None, ""))
    match = head.match(text) if head else None
    if match is None or head is None:
        return _timed_line(text, now, offset)
    if program == "audit":
        rest = text[match.end() :]
        pid = AUDIT_PID.search(rest)
        return LoginLine(float(match[2]), "", program, pid[1] if pid else "", match[1] + rest)
    if not program:
        return _odd_line(float(int(match[1], 16) - TAI_OFFSET), text, match.end())
    found = syslog_time(match[1], now, offset)
    if found is None:
        return None
    rest = text[match.end() :].lstrip(" :")
    # Apache's next words stand in brackets, other programs' do not: those have no name here.
    return LoginLine(
        found[0], "", program if rest.startswith("[") and text[1:2].isalpha() else "", "", rest
    )


def _timed_line(text: str, now: float, offset: int | None) -> LoginLine | None:
    """Return a line that begins with a weekday, or a time as nginx and MySQL write it."""
    weekday = WEEKDAY.match(text)
    if weekday:
        return _weekday_line(text, weekday.end(), now, offset)
    match = NGINX_TIME.match(text)
    program, stamp = "nginx", ""
    if match:
        stamp = f"{match[1]}-{match[2]}-{match[3]} {match[4]}"
    else:
        match = MYSQL_TIME.match(text)
        if match is None:
            return None
        program = "mysqld"
        date = "-".join(match.group(1, 2, 3) if match[1] else match.group(4, 5, 6))
        stamp = f"20{date} {match[7]:0>8}"
    found = syslog_time(stamp, now, offset)
    return LoginLine(found[0], "", program, "", text[match.end() + 1 :]) if found else None


def _weekday_line(text: str, begin: int, now: float, offset: int | None) -> LoginLine | None:
    """Return a line with a weekday before the time; it may have the year behind it, as ctime(3) does."""
    found = syslog_time(text[begin : begin + 48], now, offset)
    if found is None:
        return None
    end = begin + found[1]
    stamp, year = text[begin:end], LATE_YEAR.match(text, end)
    if year:
        stamp, end = f"{year[0].strip()} {stamp}", year.end()
    if year or ZONE_UTC.match(text, end):
        found = syslog_time(stamp, now, 0 if ZONE_UTC.match(text, end) else offset)
    return _odd_or_usual(found[0], text, end) if found else None


def _odd_or_usual(at: float, text: str, begin: int) -> LoginLine:
    match = TAG.match(text, begin)
    if match is None or match[3] is None:
        return _odd_line(at, text, begin)
    return line_of(at, match[1] or "", match[3], match[4] or "", match[5])


def line_of(at: float, host: str, program: str, pid: str, message: str) -> LoginLine:
    """Return the line with what syslog put around the message taken off."""
    solaris = SOLARIS_ID.match(message)
    if solaris:
        message = message[solaris.end() :]
    if message[-4:-1] == "#01":
        message = message[:-4]  # rsyslog's way to write a line's own end
    repeated = REPEATED.match(message) if message.startswith("message rep") else None
    count = 1
    if repeated:
        count, message = min(int(repeated.group(1)), REPEATED_LIMIT), repeated.group(2)
    program = program.rsplit("/", 1)[-1]
    return LoginLine(
        at, host, "sshd" if program.startswith("sshd") else program, pid, message, count
    )
