# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of database has of its own: where it listens, how it is found on a host, how it is asked, and what."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Pattern, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.host.children import (
    STARVED,
    STARVED_SHARE,
    waited_seconds,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

NOTHING = re.compile(r"(?!)")
PERMISSION = "permission denied"
LONGEST_LOOK_SECONDS = 8.0
"""What counts at most of a limit, for how fast this host itself must be."""


class AccessRefusedError(Exception):
    """The database could not be used; the text is its own reason, or the system's.

    cause: why, in one word of refusals.py, where the text is ours; else empty.
    """

    def __init__(self, text: str = "", cause: str = "") -> None:
        super().__init__(text)
        self.cause = cause


class NotLookedAtError(Exception):
    """The databases of a server cannot be looked at one by one; the text says why, and what to do."""


class NotReadError(Exception):
    """A topic has no value, for a reason that the server's administrator can change; the text says it."""


@dataclass(frozen=True)
class Topic:
    """One thing that a gather reads of a server or a database; its name is the field of the gather's shape.

    sql: by the version from which it holds, as the server's own number (140000): what returns one row with one JSON
    value. It may be a mapping with `rows` and `unseen`, how many objects the account may not see, and `unlocked`, how
    many were not read because each takes a lock of the server; else it is the value.
    grant: what lets the account see them; `{account}` stands for its name. second: asked as the role that the site
    names in `explain_as`, and of its server; without one, it is asked as the others are. What its account may not see
    stands in the value as `hidden`: the schemas in which it needs SELECT, under `TABLES` and `SEQUENCES`.
    extension: of PostgreSQL, what it is read from: `{extension}` in its SQL stands for the schema that this is in, and
    its SQL is by the extension's version (1.9 is 109). needs: of PostgreSQL, SQL that is true if it can be asked: what
    cannot would stand as an error in the server's log at each look. lack: what is said then. setting: the line of its
    configuration without which there is nothing to ask. made: makes what is
    observed of the value, or says with a NotReadError why there is none.
    """

    name: str
    sql: Mapping[int, str]
    grant: str = ""
    second: bool = False
    extension: str = ""
    needs: str = ""
    lack: str = PERMISSION
    setting: str = ""
    made: Callable[[Any], Any] | None = None

    def sql_for(self, number: int) -> str:
        """Return what a server of this version is asked; empty if it has nothing of the kind."""
        known = [since for since in self.sql if since <= number]
        return self.sql[max(known)] if known else ""


@dataclass
class TopicAnswers:
    """What a server or a database gave, by topic.

    about: what is true of all of them, such as `version`. values: what was read. unread: why not. not_offered: why this
    server has none, such as its version. unseen: how many objects the account may not see, and what lets it, as the
    shape UnseenObjects says.
    """

    about: Dict[str, Any] = field(default_factory=dict)
    values: Dict[str, Any] = field(default_factory=dict)
    unread: Dict[str, str] = field(default_factory=dict)
    not_offered: Dict[str, str] = field(default_factory=dict)
    unseen: Dict[str, Dict[str, Any]] = field(default_factory=dict)

    def as_data(self) -> Dict[str, Any]:
        """Return them as the data of an observation."""
        notes = {
            "unread": self.unread,
            "not_offered": self.not_offered,
            "unseen": self.unseen,
        }
        return {**self.about, **self.values, **notes}


Found = Tuple[List[Dict[str, Any]], bool]
Reader = Callable[[Host, Dict[str, Any], str, float], TopicAnswers]


def nothing_found(_host: Host) -> Found:
    """Return no databases, and that those are all: for kinds that are not looked for."""
    return [], True


def itself(_host: Host, database: Dict[str, Any], _seconds: float) -> List[Dict[str, Any]]:
    """Return the database alone: for kinds whose servers have no others."""
    return [database]


def not_crowded(
    _host: Host, _before: Dict[str, Any], _database: Dict[str, Any], _seconds: int
) -> str:
    """Return nothing: for kinds that stand before no other."""
    return ""


@dataclass(frozen=True)
class Engine:
    """A kind of database.

    kind: its name in a site's entries. port: where it listens by default; None if it does not.
    ask: returns a declared database's answer to a trivial question within this many seconds; raises
    AccessRefusedError with its reason, HostError without a program to ask with. expected: that answer.
    found: returns the databases that listen on a host where their packages put them, and whether those are all;
    nobody's password is tried.
    topics: by gather, what it reads of this kind. read: reads the topics of a gather within this many seconds; raises
    as `ask` does. databases: returns those of a server, each as it would be declared; one with a name is alone; raises
    NotLookedAtError too. `refused` of one says why it lets nobody in, so that it need not be asked.
    denied, saturated: what a refusal says if the account was refused, or no connection was left.
    holders: a command that shows an administrator who holds connections.
    before: the kind that this one stands before, at an address and port of its own. crowded: returns why one of these
    databases, which the second one is, gave no answer in time through the first, in one line; empty if not for want of
    a connection; raises as `ask` does.
    """

    kind: str
    port: int | None
    ask: Callable[[Host, Dict[str, Any], int], Dict[str, Any]]
    expected: Any
    found: Callable[[Host], Found] = nothing_found
    topics: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    read: Reader | None = None
    databases: Callable[[Host, Dict[str, Any], float], List[Dict[str, Any]]] = itself
    denied: Pattern[str] = NOTHING
    saturated: Pattern[str] = NOTHING
    holders: str = ""
    before: str = ""
    crowded: Callable[[Host, Dict[str, Any], Dict[str, Any], int], str] = not_crowded


def as_second(database: Dict[str, Any]) -> Dict[str, Any]:
    """Return the database as the role of its `explain_as` sees it, on that role's server; as it is without one."""
    second = database.get("explain_as")
    if not second:
        return database
    return {
        **database,
        "user": second["user"],
        "password": second.get("password") or "",
        "address": second.get("address") or database.get("address") or "",
        "port": second.get("port") or database.get("port"),
    }


def run_client(host: Host, command: List[str], seconds: float, **how: Any) -> tuple[str, float]:
    """Return what the client printed and how long it took.

    Raises: AccessRefusedError with its reason, HostError if this host was too busy to ask.
    """
    started = time.monotonic()
    try:
        ran = host.run(command, timeout_seconds=seconds, **how)
    except HostError as exc:
        if host.which(command[0]) is None:
            raise
        refuse_starved(host, command[0], seconds)
        raise AccessRefusedError(late(seconds)) from exc
    if ran.status != 0 and is_late(ran.err):
        refuse_starved(host, command[0], seconds)
        connecting = (how.get("environment") or {}).get("PGCONNECT_TIMEOUT", seconds)
        raise AccessRefusedError(late(min(seconds, float(connecting))))
    if ran.status != 0:
        raise AccessRefusedError(ran.err.strip() or f"{command[0]} ended with {ran.status}")
    return ran.out, time.monotonic() - started


def connect_seconds(database: Mapping[str, Any], seconds: float) -> int:
    """Return how long connecting may take, where all may take this many seconds."""
    return max(1, int(min(seconds, database.get("connect_seconds") or seconds)))


def is_late(said: str) -> bool:
    """Return whether a client's error says that connecting took too long; 110 is the system's number of that."""
    return bool(
        re.search(r"timeout expired|[Cc]onnection timed out|system error: 110|\(110\b", said)
    )


def late(seconds: float) -> str:
    """Return why there is no answer, of a question that had this many seconds."""
    return f"no answer within {round(seconds, 1):g} s"


def refuse_starved(host: Host, program: str, seconds: float) -> None:
    """Say if this host itself is too busy: a client that is slow to start says nothing about the server.

    Raises: HostError.
    """
    most = STARVED_SHARE * min(seconds, LONGEST_LOOK_SECONDS)
    try:
        host.run([program, "--version"], timeout_seconds=most)
    except HostError as exc:
        raise HostError(STARVED.format(round(seconds, 1))) from exc


class Patience:
    """How long a question that this process itself asks may take, and whether it had a processor to do it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began, self._waited = time.monotonic(), waited_seconds()

    @property
    def left(self) -> float:
        """Return the seconds that are left; below 0 if none are."""
        return self._began + self.seconds - time.monotonic()

    def refused(self) -> Exception:
        """Return the error of a question that was given up: of the server, or of this host."""
        took = time.monotonic() - self._began
        if waited_seconds() - self._waited > STARVED_SHARE * took:
            return HostError(STARVED.format(round(self.seconds, 1)))
        return AccessRefusedError(late(self.seconds))
