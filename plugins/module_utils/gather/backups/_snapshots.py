# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repository of backups says of its snapshots, whichever program keeps it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked_value

SNAPSHOT_LIMIT = 100_000
LONGEST_NAME = 200
LONGEST_REASON = 300
_REASONS = ("Fatal: ", "Remote: ssh: ", "Remote: Host key ")
_TRACE = re.compile(r"^\S+\n\t\S+:\d+.*|^goroutine \d+ \[[\s\S]*", re.MULTILINE)
"""Where in a program of Go something went wrong; what that was stands before it."""
_PANIC = re.compile(r"^(?:panic|fatal error|runtime error): ")
_TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n)*(\S.*)", re.MULTILINE
)
"""Where a program of Python ended; in its first line without a blank before it stands what that was."""
_FRACTION = re.compile(r"\.(\d{1,6})\d*")


@dataclass(frozen=True)
class Snapshot:
    """A finished backup in a repository.

    taken: seconds since 1970; its end where the repository tells it, else its start. bytes: as it is stored, None where
    the repository does not say. words: what says when it was taken.
    """

    name: str
    taken: float
    bytes: int | None = None
    words: str = ""


@dataclass(frozen=True)
class UnfinishedSnapshot:
    """What is no finished backup, and why. since: its start, None if that is not known. making: it may be going on."""

    name: str
    why: str
    since: float | None = None
    making: bool = False


@dataclass(frozen=True)
class Repository:
    """What a repository says of itself.

    kind: `restic`, `borg`, `pgbackrest` or `barman`. where: without what is secret in it. snapshots: newest first.
    """

    kind: str
    where: str
    snapshots: list[Snapshot] = field(default_factory=list)
    unfinished: list[UnfinishedSnapshot] = field(default_factory=list)


def repository_of(
    kind: str, where: str, finished: list[Snapshot], unfinished: list[UnfinishedSnapshot]
) -> Repository:
    """Return a repository with its snapshots in order.

    Raises: HostError if they are more than can be looked at.
    """
    if len(finished) + len(unfinished) > SNAPSHOT_LIMIT:
        raise HostError(f"{kind}: more than {SNAPSHOT_LIMIT} snapshots")
    newest_first = sorted(finished, key=lambda one: (-one.taken, one.name))
    return Repository(kind, masked_value(where), newest_first, unfinished)


def name_of(said: Any) -> str:
    """Return a name as a repository says it, in one line and cut."""
    return "".join(c if c.isprintable() else "?" for c in str(said))[:LONGEST_NAME]


def moment(text: str) -> float:
    """Return an ISO time in seconds since 1970, of any number of digits; one without a zone is in UTC.

    The programs run in UTC, so that UTC is what they call local.

    Raises: ValueError, TypeError, AttributeError if it is none.
    """
    cut = _FRACTION.sub(lambda found: "." + found.group(1).ljust(6, "0"), text.strip(), count=1)
    found = datetime.fromisoformat(re.sub(r"[Zz]\Z", "+00:00", cut))
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def parsed(program: str, text: str) -> Any:
    """Return what a program printed as JSON.

    Raises: HostError.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise HostError(f"{program}: what it printed is no JSON: {text[:60]!r}") from exc


def last_line(program: str, said: str, secrets: tuple[str, ...], status: int) -> str:
    """Return what a program said last of its failure, cut and without what is secret; a hint behind it is left out."""
    lines = [line.strip() for line in _TRACE.sub("", said).splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith(_REASONS)]
    reasons = reasons or [line for line in lines if "Fatal: " in line][:1] or lines
    line = reasons[-1] if reasons else f"status {status}"
    ended = _TRACEBACK.findall(said)
    if ended:  # behind it the program tells of the system
        line = f"ended with a traceback: {ended[-1].strip()}"
    if any(_PANIC.match(one) for one in lines):
        line = f"ended with a panic (status {status})"
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        line = line.replace(secret, masked_value(secret) if "://" in secret else "***")
    return f"{program}: {masked_value(name_of(line[:LONGEST_REASON]))}"
