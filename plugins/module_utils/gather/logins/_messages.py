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

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._lines import (
    REPEATED_LIMIT,
    LoginLine,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._services import (
    ServiceMessage,
    joined_over,
    pam_said,
    service_said,
)

# sshd's own messages have at most 1,024 bytes (log.c, MSGBUFSIZ); some of it escaped.
MESSAGE_LIMIT = 4096
# No sentence of another program is as long; reading one costs the square of what a client may have put into it.
SERVICE_LIMIT = 1_500


class LoginEvent(NamedTuple):
    """What a message says.

    kind: `accepted`; `failed`, `pam`, `pam_error`, `refused`: each attempt is told once per kind, so that of these
    kinds the largest sum of a connection is its number of attempts; `end`: a connection ended without a login;
    `offer`: a key that was not accepted of an account that exists, as a client with many keys does; `probe`: nobody
    tried to log in; `peer`: tells the address only; `told`: what another program than sshd says, once per method;
    `harmless`: was understood, and tells of no login.
    source: address or name of the client; empty if not told, or told in more than one way.
    joined: over what several processes or lines tell of the same attempts; empty if that is the process.
    """

    kind: str
    account: str = ""
    source: str = ""
    port: str = ""
    invalid: bool = False
    method: str = ""
    attempts: int = 1
    joined: str = ""
    connection: str = ""


# An IPv4 client of an IPv6 socket (RFC 4291, 2.5.5.2) is the same client.
MAPPED_ADDRESS = re.compile(r"::ffff:(\d{1,3}(?:\.\d{1,3}){3})$", re.IGNORECASE)
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
# What pam_strerror(3) says is the library's; sshd tells it of failures only.
_FAILURE = r"(?:PAM: [A-Za-z' ,]{5,100}?|[Aa]uthentication (?:failure|error|failed))"
# Kind, and a pattern for the whole message. A greedy user before the address makes the address the last one; where
# the client's text comes last, the address is the first. The first pattern that matches counts.
_GRAMMAR = (
    ("refused", rf"(?P<invalid>[Ii]nvalid|[Ii]llegal) user {_USER} from {_SOURCE}{_PORT}"),
    ("refused", rf"User {_USER} from {_SOURCE} {_NOT_ALLOWED}"),
    ("refused", rf"User {_USER} {_NOT_ALLOWED}"),
    ("refused", rf"(?P<user>ROOT) LOGIN REFUSED FROM {_SOURCE}{_PORT}"),
    ("refused", rf"Access denied for user {_USER} by PAM account configuration"),
    (
        "refused",
        rf"Authentication tried for {_USER} with correct key but not from a permitted host .*",
    ),
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


def parse_event(line: LoginLine) -> LoginEvent | None:
    """Return what the line says about logins; None if nothing."""
    event = None
    message, is_sshd = line.message, line.program == "sshd"
    if "authentication failure" in message:
        event = parse_pam(message[:MESSAGE_LIMIT], line.program)
    if event is None:
        if message.startswith("pam_"):
            if ":session)" in message[:64]:
                return HARMLESS
            event = _event_of(pam_said(_cut(message)), "pam")
        elif is_sshd:
            event = parse_sshd(message)
        else:
            event = _event_of(service_said(line.program, _cut(message)), "told")
    if event is None or event.kind == "harmless":
        return event
    mapped = MAPPED_ADDRESS.match(event.source)
    return event._replace(
        source=mapped.group(1) if mapped else event.source,
        attempts=event.attempts * line.repeated,
        joined="" if is_sshd else joined_over(line.program, line.pid, event.account, event.source),
    )


def _cut(message: str) -> str:
    """Return the message without its middle if it is too long: that is a client's text, such as a name."""
    if len(message) <= SERVICE_LIMIT:
        return message
    return message[: SERVICE_LIMIT // 2] + message[-SERVICE_LIMIT // 2 :]


KINDS = {"+": "accepted", "?": "probe", "*": "offer", "=": "peer"}
HARMLESS = LoginEvent("harmless")


def _event_of(said: ServiceMessage | None, kind: str) -> LoginEvent | None:
    """Return a row of a table as an event; kind: of one that tells of failures."""
    if said is None:
        return None
    label, account, source, port, attempts, connection = said
    if label == "-" or not attempts:
        return HARMLESS
    return LoginEvent(
        KINDS.get(label, kind),
        account,
        source,
        port,
        method="password" if label == "+" else label,
        attempts=min(attempts, REPEATED_LIMIT),
        connection=connection,
    )


def parse_pam(message: str, program: str) -> LoginEvent | None:
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
        return LoginEvent("pam", method=module, attempts=count)
    source, account = readings[0].groups()
    if account is None:
        remote_user = re.search(r"\bruser=(.*) $", said[: readings[0].start()], re.DOTALL)
        account = remote_user.group(1) if remote_user else ""
    return LoginEvent("pam", account.strip(), source, method=module, attempts=count)


def parse_sshd(message: str) -> LoginEvent | None:
    """Return what a message of sshd says."""
    if len(message) > MESSAGE_LIMIT:
        # sshd does not write such; only that it is a failure can be believed.
        return LoginEvent("failed", method="unknown") if AUTH_LOG.match(message[:200]) else None
    preauth = PREAUTH.search(message) if "auth]" in message else None
    message = (message[: preauth.start()] if preauth else message).rstrip()
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
        return LoginEvent(
            kind,
            said.get("user") or "",
            said.get("source") or "",
            said.get("port") or "",
            bool(said.get("invalid")),
        )
    return None


def _authenticated(match: re.Match[str]) -> LoginEvent:
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
        return LoginEvent(kind, invalid=bool(invalid), method=method)
    account, peer = readings[0]
    return LoginEvent(kind, account, peer.group(1), peer.group(2) or "", bool(invalid), method)


def _may_follow(extra: str | None, protocol: str | None, method: str) -> bool:
    """Return whether sshd writes such a thing behind the address, after this method."""
    if extra is None:
        return True
    if protocol == "ssh1":
        return extra.startswith("ruser ")
    if method.startswith("gssapi"):
        return " " not in extra
    return method in ("publickey", "hostbased") and KEY_DESCRIPTION.match(extra) is not None


def _disconnecting(message: str) -> LoginEvent | None:
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
        return LoginEvent(kind, invalid=invalid)
    account, found = readings[0]
    return LoginEvent(kind, account, found.group(1), found.group(2), invalid)
