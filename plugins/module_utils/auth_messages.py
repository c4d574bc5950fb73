# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd and PAM write about logins, read so that no text of a client can pass for another address.

A client chooses its user name, its key's identity, its version string, its reason to disconnect. sshd escapes line ends
in them, not spaces: a user may be called `x from 192.0.2.1 port 22 ssh2`. So every message is read as a whole. Where
it can be read in more than one way, the failure counts and nobody is blamed for it.
Source: OpenSSH auth.c, auth2-pubkey.c, packet.c, sshconnect; Linux-PAM pam_unix/support.c.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.astral.upkeep.plugins.module_utils.log_times import syslog_time

# sshd's own messages have at most 1,024 bytes (log.c, MSGBUFSIZ); some of it escaped.
MESSAGE_LIMIT = 4096
REPEATED_LIMIT = 100_000


class Line(NamedTuple):
    """A line of syslog or journal. repeated: how often the message stands for itself."""

    at: float
    host: str
    program: str
    pid: str
    message: str
    repeated: int = 1


class Event(NamedTuple):
    """What a message says.

    kind: `accepted`; `failed`, `pam`, `pam_error`, `refused`: each attempt is told once per kind, so that of these
    kinds the largest sum of a connection is its number of attempts; `end`: a connection ended without a login;
    `offer`: a key that was not accepted of an account that exists, as a client with many keys does; `probe`: nobody
    tried to log in; `peer`: tells the address only.
    source: address or name of the client; empty if not told, or told in more than one way.
    """

    kind: str
    account: str = ""
    source: str = ""
    port: str = ""
    invalid: bool = False
    method: str = ""
    attempts: int = 1


# An IPv4 client of an IPv6 socket (RFC 4291, 2.5.5.2) is the same client.
MAPPED_ADDRESS = re.compile(r"::ffff:(\d{1,3}(?:\.\d{1,3}){3})$", re.IGNORECASE)
PRIORITY = re.compile(r"<\d{1,3}>")
RFC5424 = re.compile(r"<\d{1,3}>1 (?=\d)")
RFC5424_REST = re.compile(
    r" (\S+) (\S+) (\S+) \S+ (?:-|(?:\[[^\]\"]*(?:\"[^\"\\]*(?:\\.[^\"\\]*)*\"[^\]\"]*)*\])+) *(.*)",
    re.DOTALL,
)
TAG = re.compile(
    r" ?(?:(\S*[^\s:\]]) )?(?:\[([\w./@-]{1,64})\]:?|\(?([\w./@-]{1,64})\)?(?:\[(\d{1,10})\])?:) +(.*)",
    re.DOTALL,
)
SOLARIS_ID = re.compile(r"\[ID \d+ \S+\] ")
REPEATED = re.compile(r"message repeated (\d{1,9}) times: \[ ?(.*)\]$", re.DOTALL)

PREFIX = re.compile(r"(?:error: |fatal: )+")
AUTH_LOG = re.compile(
    r"(Failed|Accepted) (\S{1,80}) for (invalid user |illegal user )?(.*)$", re.DOTALL
)
PEER = re.compile(r"(\S{1,255}?)(?: port (\d{1,5}))?(?: (ssh\d?))?(?:: (.*))?$", re.DOTALL)
KEY = r"\S+ \S+"
KEY_DESCRIPTION = re.compile(
    rf"{KEY}(?: ID .* \(serial \d+\) CA {KEY})?(?:, client user \".*\", client host \".*\")?$",
    re.DOTALL,
)
USER_AT = re.compile(r" (\S{1,255}) port (\d{1,5}): ")
PREAUTH = re.compile(r" ?\[(?:preauth|postauth)\]\s*$")

_USER = r"(?P<user>.*)"
_INVALID = r"(?P<invalid>(?:invalid|illegal) user )?"
_SOURCE = r"(?P<source>\S{1,255})"
_FIRST_SOURCE = r"(?P<source>\S{1,255}?)"
_PORT = r"(?: port (?P<port>\d{1,5}))?"
_TOLD = r"(?: port (?P<port>\d{1,5}): ?|: )"
_NOT_ALLOWED = (
    r"not allowed because (?:not listed in AllowUsers|listed in DenyUsers|not in any group"
    r"|a group is listed in DenyGroups|none of user's groups are listed in AllowGroups"
    r"|account is locked|login is disabled|shell .* (?:does not exist|is not executable))"
)
_FAILURE = (
    r"(?:PAM: )?(?:[Aa]uthentication (?:failure|error|failed)"
    r"|User not known to the underlying authentication module)"
)
# Kind, and a pattern for the whole message. A greedy user before the address makes the address the last one; where
# the client's text comes last, the address is the first. The first pattern that matches counts.
_GRAMMAR = (
    ("refused", rf"(?P<invalid>[Ii]nvalid|[Ii]llegal) user {_USER} from {_SOURCE}{_PORT}"),
    ("refused", rf"User {_USER} from {_SOURCE} {_NOT_ALLOWED}"),
    ("refused", rf"User {_USER} {_NOT_ALLOWED}"),
    ("refused", rf"(?P<user>ROOT) LOGIN REFUSED FROM {_SOURCE}{_PORT}"),
    ("pam_error", rf"{_FAILURE} for {_INVALID}{_USER} from {_SOURCE}{_PORT}(?: via \S+)?"),
    (
        "end",
        rf"[Mm]aximum authentication attempts exceeded for {_INVALID}{_USER}"
        rf" from {_SOURCE}{_PORT}(?: ssh\d?)?",
    ),
    ("end", rf"Disconnecting: Too many authentication failures(?: for {_INVALID}{_USER})?"),
    ("end", rf"Received disconnect from {_FIRST_SOURCE}{_TOLD}3: .*Auth fail.*"),
    ("probe", rf"Received disconnect from {_FIRST_SOURCE}{_TOLD}14: .*"),
    ("peer", rf"Received disconnect from {_FIRST_SOURCE}{_TOLD}\d+: .*"),
    ("peer", rf"Connection from {_SOURCE}{_PORT}(?: on .*)?"),
    (
        "end",
        r"(?:Connection (?:closed|reset) by|Disconnected from) (?:authenticating|(?P<invalid>invalid))"
        rf" user {_USER} {_SOURCE} port (?P<port>\d{{1,5}})",
    ),
    ("closed", rf"(?:Connection (?:closed|reset) by|Disconnected from) {_SOURCE}{_PORT}"),
    ("probe", rf"Did not receive identification string from {_SOURCE}{_PORT}"),
    ("probe", rf"Bad protocol version identification '.*' from {_SOURCE}{_PORT}"),
    ("probe", rf"Protocol major versions differ for {_SOURCE}{_PORT}: .*"),
    ("probe", rf"Unable to negotiate with {_FIRST_SOURCE}{_PORT}: .*"),
    ("probe", rf"(?:ssh_dispatch_run_fatal|banner exchange): Connection from {_SOURCE}{_PORT}: .*"),
    (
        "probe",
        rf"Timeout before authentication for (?:connection from )?{_FIRST_SOURCE}"
        r"(?: port (?P<port>\d{1,5})|(?: to \S+)?, pid = \d+)?\.?",
    ),
    ("probe", rf"refused connect from \S+ \({_FIRST_SOURCE}\)"),
    ("probe", r"kex_exchange_identification: .*"),
    ("probe", r"Unable to negotiate a key exchange method|Read from socket failed: .*"),
)
MESSAGES = tuple((kind, re.compile(f"(?:{text})$", re.DOTALL)) for kind, text in _GRAMMAR)
PAM = re.compile(
    r"(?:\((pam_\w+)\)|(pam_\w+)(?:\((?:[\w.@+-]{1,64}:)?auth\))?:) +authentication failure; (.*)$",
    re.DOTALL,
)
PAM_MORE = re.compile(r"PAM (\d{1,5}) more authentication failures?; (.*)$", re.DOTALL)
PAM_REMOTE = re.compile(r"\brhost=(\S*)(?: +user=(.*))?$", re.DOTALL)


def parse_line(text: str, now: float, offset: int | None) -> Line | None:
    """Return the parts of a syslog line; None if it is none. See `syslog_time` for now and offset.

    Source: RFC 3164; RFC 5424, section 6; rsyslog's templates.
    """
    new_format = RFC5424.match(text)
    start = new_format or PRIORITY.match(text)
    begin = start.end() if start else 0
    found = syslog_time(text[begin : begin + 48], now, offset)
    if found is None:
        return None
    at, end = found
    if new_format:
        match = RFC5424_REST.match(text, begin + end)
        if match is None:
            return Line(at, "", "", "", "")
        host, program, pid, message = match.groups()
        message = message.lstrip("\ufeff")
    else:
        match = TAG.match(text, begin + end)
        if match is None:
            return Line(at, "", "", "", text[begin + end :].strip())
        host, program, pid, message = match[1], match[2] or match[3], match[4], match[5]
    return line_of(at, host or "", program, pid or "", message)


def line_of(at: float, host: str, program: str, pid: str, message: str) -> Line:
    """Return the line with what syslog put around the message taken off."""
    solaris = SOLARIS_ID.match(message)
    if solaris:
        message = message[solaris.end() :]
    repeated = REPEATED.match(message)
    count = 1
    if repeated:
        count, message = min(int(repeated.group(1)), REPEATED_LIMIT), repeated.group(2)
    program = program.rsplit("/", 1)[-1]
    return Line(at, host, "sshd" if program.startswith("sshd") else program, pid, message, count)


def parse_event(line: Line) -> Event | None:
    """Return what the line says about logins; None if nothing."""
    event = None
    if "authentication failure" in line.message:
        event = parse_pam(line.message[:MESSAGE_LIMIT], line.program)
    if event is None and line.program == "sshd":
        event = parse_sshd(line.message)
    if event is None:
        return None
    mapped = MAPPED_ADDRESS.match(event.source)
    return event._replace(
        source=mapped.group(1) if mapped else event.source, attempts=event.attempts * line.repeated
    )


def parse_pam(message: str, program: str) -> Event | None:
    """Return the failures that a PAM module tells of.

    sshd gives PAM no remote user, other programs give one that the client may choose: there a second `rhost=` makes
    the line say two things.
    """
    more = PAM_MORE.match(message)
    match = more or PAM.match(message)
    if match is None:
        return None
    count = int(match.group(1)) if more else 1
    said = (match.group(2) if more else match.group(3)).rstrip()
    module = "pam_unix" if more else match.group(1) or match.group(2)
    places = [found.start() for found in re.finditer(r"\brhost=", said)]
    readings = [found for found in (PAM_REMOTE.match(said, place) for place in places) if found]
    if program == "sshd" and "ruser= rhost=" in said:
        readings = readings[:1]
    if len(readings) != 1:
        return Event("pam", method=module, attempts=count)
    source, account = readings[0].groups()
    if account is None:
        remote_user = re.search(r"\bruser=(.*) $", said[: readings[0].start()], re.DOTALL)
        account = remote_user.group(1) if remote_user else ""
    return Event("pam", account.strip(), source, method=module, attempts=count)


def parse_sshd(message: str) -> Event | None:
    """Return what a message of sshd says."""
    if len(message) > MESSAGE_LIMIT:
        # sshd does not write such; only that it is a failure can be believed.
        return Event("failed", method="unknown") if AUTH_LOG.match(message[:200]) else None
    preauth = PREAUTH.search(message)
    message = PREAUTH.sub("", message).rstrip()
    prefix = PREFIX.match(message)
    if prefix:
        message = message[prefix.end() :]
    match = AUTH_LOG.match(message)
    if match is not None:
        return _authenticated(match)
    if message.startswith(("Disconnecting invalid user ", "Disconnecting authenticating user ")):
        return _disconnecting(message)
    for kind, pattern in MESSAGES:
        match = pattern.match(message)
        if match is None:
            continue
        said = match.groupdict()
        if kind == "closed":
            kind = "probe" if preauth else "peer"
        return Event(
            kind,
            said.get("user") or "",
            said.get("source") or "",
            said.get("port") or "",
            bool(said.get("invalid")),
        )
    return None


def _authenticated(match: re.Match[str]) -> Event:
    """Return what `Failed METHOD for USER from ADDRESS port N ssh2[: KEY]` says."""
    outcome, method, invalid, rest = match.groups()
    method = method.split("/")[0]
    readings = []
    place = rest.find(" from ")
    while place >= 0:
        peer = PEER.match(rest, place + 6)
        if peer and _may_follow(peer.group(4), peer.group(3), method):
            readings.append((rest[:place], peer))
        place = rest.find(" from ", place + 1)
    # What today's sshd writes in full goes before what only an old one wrote; and it cuts a user name at its first
    # colon (the "style").
    for told in (
        [reading for reading in readings if reading[1].group(3) == "ssh2"],
        [reading for reading in readings if ":" not in reading[0]],
        [reading for reading in readings if reading[1].group(2)],
    ):
        readings = [reading for reading in readings if reading in told] or readings
    kind = "accepted" if outcome == "Accepted" else "failed"
    if kind == "failed" and method == "none":
        kind = "end" if invalid else "peer"
    if kind == "failed" and method == "publickey" and not invalid:
        kind = "offer"
    if len(readings) != 1:
        return Event(kind, invalid=bool(invalid), method=method)
    account, peer = readings[0]
    return Event(kind, account, peer.group(1), peer.group(2) or "", bool(invalid), method)


def _may_follow(extra: str | None, protocol: str | None, method: str) -> bool:
    """Say if sshd writes such a thing behind the address, after this method."""
    if extra is None:
        return True
    if protocol == "ssh1":
        return extra.startswith("ruser ")
    if method.startswith("gssapi"):
        return " " not in extra
    return method in ("publickey", "hostbased") and KEY_DESCRIPTION.match(extra) is not None


def _disconnecting(message: str) -> Event | None:
    """Return what `Disconnecting invalid user USER ADDRESS port N: REASON` says; the reason may quote user names."""
    words = message.split(" ", 3)
    invalid, rest = words[1] == "invalid", " " + words[3]
    readings = [
        (rest[1 : found.start()], found)
        for found in USER_AT.finditer(rest)
        if rest.startswith(("Too many auth", "Change of username"), found.end())
    ]
    readings = [reading for reading in readings if ":" not in reading[0]] or readings
    kind = "refused" if "Change of username" in rest else "end"
    if len(readings) != 1:
        return Event(kind, invalid=invalid)
    account, found = readings[0]
    return Event(kind, account, found.group(1), found.group(2), invalid)
