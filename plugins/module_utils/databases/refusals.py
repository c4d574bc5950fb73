# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a database let nobody in, in one line: what is known of clients and servers. Anything else could hold data. Pure.

A text that is known is told as it is: people find it in the log and in the manual. Of one that is not, its code is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Tuple

DENIED, NO_DATABASE, REFUSED, NO_NAME, LATE = "denied", "no database", "refused", "no name", "late"
CLOSED, TLS, FULL, STARTING, OTHER = "closed", "tls", "full", "starting", "other"
AMBIGUOUS, EMPTY, POOL_FULL = "ambiguous", "empty", "pool full"
LOCKED, HOT_JOURNAL, LONE_LOG = "locked", "hot journal", "lone log"
MISSING, NO_FILE, NO_SQLITE, NO_RIGHT, DAMAGED = (
    "missing",
    "no file",
    "no sqlite",
    "no right",
    "damaged",
)
LIMIT_BYTES, REASON_CHARACTERS = 20_000, 400
NO_ANSWER = "no answer in time"
UNKNOWN = "refused, for a reason that is not known"

_NAME = r'"[^"\n]{0,63}"'
_AT = r"[^\s]{1,200}: "
_USER = rf"user {_NAME}"
_NO_HBA = (
    rf"no pg_hba\.conf entry for host {_NAME}, {_USER}(?:, database {_NAME})?"
    r"(?:, (?:no encryption|ssl encryption|ssl on|ssl off))?"
)
_KNOWN: Tuple[Tuple[str, str, str], ...] = (
    # Ours.
    (r"no answer|this host was too busy to ask within [\d.]+ s", "", ""),
    (r"the answer is not whole|unexpected answer without '\w+'|\w+ ended with -?\d+", OTHER, ""),
    (r"nothing is read of \w+|not an answer of Redis", OTHER, ""),
    (r"permission denied \((?:SQLSTATE 42501|error \d+)\)", DENIED, ""),
    (r"[a-z' ]{0,60} \((?:SQLSTATE [0-9A-Z]{5}|error \d+)\)", OTHER, ""),
    (r"SQLSTATE [0-9A-Z]{5}|error \d+", OTHER, ""),
    # The system's.
    (rf"(?:{_AT})?(?:connection refused|no such file or directory)", REFUSED, ""),
    (rf"(?:{_AT})?(?:no route to host|network is unreachable|host is down)", REFUSED, ""),
    (r".*(?:timed out|timeout expired|no answer in time)", LATE, NO_ANSWER),
    (
        r".*(?:could not translate host name|name or service not known|name resolution"
        r"|unknown (?:mysql |mariadb )?server host|nodename nor servname|no address associated).*",
        NO_NAME,
        "the name of its host is not known",
    ),
    (
        r".*(?:connection reset|closed the connection|broken pipe|unexpected eof|connection aborted).*",
        CLOSED,
        "the connection was closed without an answer",
    ),
    (
        r".*(?:does not support ssl|certificate|ssl error|wrong version number|ssl is required).*",
        TLS,
        "no connection with TLS came about",
    ),
    (rf"(?:{_AT})?permission denied", NO_RIGHT, ""),
    # PostgreSQL and PgBouncer.
    (
        rf"(?:FATAL: )?(?:\w{{2,20}} authentication failed for|permission denied for) {_USER}",
        DENIED,
        "",
    ),
    (rf"(?:FATAL: )?role {_NAME} (?:does not exist|is not permitted to log in)", DENIED, ""),
    (rf"(?:FATAL: )?permission denied for database {_NAME}", DENIED, ""),
    (
        r"(?:FATAL: )?(?:no such user(?:: .{1,63})?|\w{2,20} authentication failed|auth failed|not allowed)",
        DENIED,
        "",
    ),
    (rf"fe_sendauth: no password supplied|(?:FATAL: )?{_NO_HBA}", DENIED, ""),
    (
        rf"(?:FATAL: )?database {_NAME} (?:does not exist|is not currently accepting connections)"
        r"|(?:FATAL: )?no such database(?:: .{1,63})?",
        NO_DATABASE,
        "",
    ),
    (
        rf"(?:FATAL: )?(?:sorry, too many clients already|too many connections for \w+ {_NAME}"
        r"|remaining connection slots are reserved[\w ,\"-]{0,120}"
        r"|no more connections allowed(?: \(max_client_conn\))?)",
        FULL,
        "",
    ),
    (
        r"(?:FATAL: )?(?:query_wait_timeout|client_login_timeout)(?: \(server down\))?",
        LATE,
        "the pool gave no connection to the server on time",
    ),
    (
        r"(?:FATAL: )?the database system is (?:starting up|shutting down|in recovery mode"
        r"|not yet accepting connections|not accepting connections)",
        STARTING,
        "",
    ),
    # MariaDB.
    (
        r"ERROR (?:1045|1698|1044) \(\w{5}\): Access denied for user '[^'\n]{0,80}'@'[^'\n]{0,255}'"
        r"(?: \(using password: \w+\)| to database '[^'\n]{0,64}')?",
        DENIED,
        "",
    ),
    (r"ERROR 1049 \(\w{5}\): Unknown database '[^'\n]{0,64}'", NO_DATABASE, ""),
    (r"ERROR 1040 \(\w{5}\): Too many connections", FULL, ""),
    (r"ERROR (?:2002|2003) \(\w{5}\): Can't connect to .{1,200}", REFUSED, ""),
    (r"ERROR 2013 \(\w{5}\): Lost connection .{0,160}", CLOSED, ""),
    # Redis.
    (
        r"NOAUTH Authentication required\."
        r"|WRONGPASS invalid username-password pair or user is disabled\."
        r"|NOPERM this user has no permissions to run the '[\w|]{1,40}' command(?: or its subcommand)?",
        DENIED,
        "",
    ),
    (r"ERR max number of clients reached", FULL, ""),
    (r"LOADING Redis is loading the dataset in memory", STARTING, ""),
)
_COMPILED = tuple(
    (re.compile(pattern, re.IGNORECASE), cause, words) for pattern, cause, words in _KNOWN
)
_PREFIX = re.compile(
    r"^(?:psql(?::<stdin>:\d{1,6})?: )?(?:error: )?(?:connection failed: )?"
    r"(?:connection to server (?:at|on) .{1,300}? failed: )?",
    re.IGNORECASE,
)
_LATE = re.compile(r"no answer within [\d.]+ s")
_CODES: Dict[str, str] = {
    **dict.fromkeys(("1044", "1045", "1698"), DENIED),
    **dict.fromkeys(("1040", "1203", "1226"), FULL),
    "1049": NO_DATABASE,
}
_CODE = re.compile(r"^(?:ERROR (?P<number>\d{1,5})\b|(?P<word>[A-Z]{2,20})(?= ))")
_WORDS = {"NOAUTH": DENIED, "WRONGPASS": DENIED, "NOPERM": DENIED, "LOADING": STARTING}


def _is_no_word_of_server(line: str) -> bool:
    return not line.startswith("FATAL: ")


@dataclass(frozen=True)
class Refusal:
    """Why a database could not be used: in one line, and as one word for its next step, or empty."""

    reason: str
    cause: str = ""


def told(text: str, seconds: float | None = None) -> Refusal:
    """Return why a database could not be used, of what a client, a server or the system said.

    seconds: how long was waited for an answer, if the text does not say it.
    """
    if len(text) > LIMIT_BYTES:
        return Refusal(f"an answer of more than {LIMIT_BYTES} bytes, which was not read", OTHER)
    lines = [_PREFIX.sub("", " ".join(one.split()), 1) for one in text.splitlines()]
    # Behind the server's own last word, a client says only that the connection is gone.
    newest_first = [one for one in reversed(lines) if one]
    for line in sorted(newest_first, key=_is_no_word_of_server):
        late = _LATE.match(line)
        if late:
            return Refusal(late.group(), LATE)
        for pattern, cause, words in _COMPILED:
            if pattern.fullmatch(line) and line.isprintable():
                if words == NO_ANSWER and seconds is not None:
                    words = f"no answer within {seconds:g} s"
                return Refusal((words or line)[:REASON_CHARACTERS], cause)
    for line in lines:
        found = _CODE.match(line)
        number = found["number"] if found else ""
        if number:
            return Refusal(f"{UNKNOWN} (error {number})", _CODES.get(number, OTHER))
        if found and found["word"] in _WORDS:
            return Refusal(f"{UNKNOWN} ({found['word']})", _WORDS[found["word"]])
    return Refusal(UNKNOWN if text.strip() else "no reason given", OTHER)
