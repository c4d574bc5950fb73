"""What `--limit` says of files: `@file` is one of names, which Ansible would look for in a run's own folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.source import is_source
from upkeep.model.stored_text import LIMIT_CHARACTERS, told
from upkeep.model.text import natural
from upkeep.site.inventory import hosts_of, read_static

IMPLICIT = frozenset({"all", "ungrouped", "localhost", "127.0.0.1", "::1"})
"""What Ansible knows without any inventory."""
SHOWN_HOSTS = 5
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FILE = re.compile(r"(?P<before>(?:^|[,:])\s*@)(?P<file>[^,:]*)")


def absolute_limit(limit: str) -> str:
    """Return a pattern with its files' paths from the working folder.

    Raises: UsageError if one cannot be read, or if the pattern cannot be kept as it is: cut or changed, it would name
    other hosts when the run is made again.
    """
    if is_source(limit):
        message = f"--limit: {limit} is a source; expected hosts, such as the one that looks at it"
        raise UsageError(message, remedy=f"upkeep explain {limit}  # names that host")
    found = _FILE.sub(_absolute, limit)
    remedy = "write the hosts into a file, one a line, and give --limit @hosts.txt"
    if len(found) > LIMIT_CHARACTERS:
        expected = f"expected at most {LIMIT_CHARACTERS:,}"
        raise UsageError(f"--limit: found {len(found):,} characters; {expected}", remedy=remedy)
    if told(found) != found:
        message = f"--limit: found {told(found)[:200]!r}; expected names and patterns of hosts"
        raise UsageError(message, remedy=remedy)
    return found


def plain_names(limit: str) -> list[str]:
    """Return the names of which a pattern consists; none if anything else stands in it."""
    parts = [one.strip() for one in re.split("[,:]", limit) if one.strip()]
    return parts if all(map(_NAME.fullmatch, parts)) else []


def refuse_unknown(limit: str, inventory: Path, option: str = "--limit") -> None:
    """Refuse a pattern of names alone of which the inventory has none, where its files say which hosts there are.

    Raises: UsageError with the nearest.
    """
    parts = plain_names(limit)
    if not parts or not inventory.exists():
        return
    listing = read_static(inventory)
    if listing is None:
        return
    hosts = sorted(hosts_of(listing), key=natural)
    groups = {name: one for name, one in listing.items() if name != "_meta"}
    below = (name for one in groups.values() for name in one.get("children", ()))
    known = {*hosts, *IMPLICIT, *groups, *below}
    if limit in known or known.intersection(parts):
        return
    near = nearest(parts[0], hosts) or nearest(parts[0], known - IMPLICIT)
    there = f"the inventory has {', '.join(hosts[:SHOWN_HOSTS]) or 'no host'}"
    more = f" and {len(hosts) - SHOWN_HOSTS} more" if len(hosts) > SHOWN_HOSTS else ""
    raise UsageError(f"{option}: no host matches {limit!r:.200}{near}", remedy=f"{there}{more}")


def why_not_again(limit: str) -> str:
    """Return why the hosts of a stored pattern cannot be named by it once more; empty if they can."""
    if len(limit) >= LIMIT_CHARACTERS:
        return "Its limit is longer than what is kept of it; run it by hand."
    if _FILE.search(limit):
        return "Its hosts were read from a file, which may say something else now; run it by hand."
    return ""


def _absolute(found: re.Match[str]) -> str:
    given = found["file"].rstrip()
    path = Path(given).expanduser().absolute()
    shown = f"--limit @{given}"
    if not given:
        raise UsageError("--limit @: expected a file of host names after the @")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not there"
        raise UsageError(
            f"{shown}: {path} is {what}; expected a file with a host or pattern a line"
        )
    if not os.access(path, os.R_OK):
        raise UsageError(f"{shown}: {path} cannot be read", remedy=f"ls -l {path}")
    if re.search("[,:]", str(path)):
        raise UsageError(
            f"{shown}: Ansible splits {path} at its comma or colon; copy the file elsewhere"
        )
    return found["before"] + str(path)
