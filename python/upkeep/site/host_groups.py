"""The groups of an inventory, and which hosts a pattern of Ansible's matches; pure.

Source: ansible.inventory.manager, of which a test asks the same.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOCALHOST = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine, which Ansible knows without an inventory."""
OPAQUE = ("@", "{{", "{%")
"""A file of names and a template: what such a pattern matches is known only when it is used."""
SUBSCRIPT = re.compile(r"(.+)\[(?:(-?[0-9]+)|([0-9]+)([:-])([0-9]*))\]")
PART = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")


@dataclass(frozen=True)
class Groups:
    """Hosts in the inventory's order; members: of each group, with those of the groups in it; below: those groups."""

    hosts: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]
    below: Mapping[str, tuple[str, ...]]

    def names(self) -> list[str]:
        """Return all that a pattern may name."""
        return [*self.members, *self.hosts]

    def depth(self, group: str) -> int:
        """Return how many groups stand above a group at most, as Ansible counts them."""
        above = [one for one, inner in self.below.items() if group in inner and one != group]
        return max((self.depth(one) + 1 for one in above), default=0)

    def holds(self, group: str, other: str) -> bool:
        """Return whether another group stands in a group, at any depth."""
        inner = self.below.get(group, ())
        return other in inner or any(self.holds(one, other) for one in inner)


def groups_of(listing: Mapping[str, Any]) -> Groups:
    """Return the groups that `ansible-inventory --list` tells of."""
    parts = {name: part for name, part in listing.items() if name != "_meta"}
    below = {name: tuple(part.get("children", ())) for name, part in parts.items()}
    below.setdefault("all", ())
    names = dict.fromkeys(["all", *below, *(one for inner in below.values() for one in inner)])

    def within(group: str, above: frozenset[str]) -> Iterator[str]:
        if group not in above:
            yield from parts.get(group, {}).get("hosts", ())
            for one in below.get(group, ()):
                yield from within(one, above | {group})

    members = {name: tuple(dict.fromkeys(within(name, frozenset()))) for name in names}
    hosts = dict.fromkeys([*members["all"], *(one for each in members.values() for one in each)])
    return Groups(tuple(hosts), {**members, "all": tuple(hosts)}, below)


def is_opaque(pattern: str) -> bool:
    """Return whether what a pattern matches cannot be told from it and the inventory."""
    return any(one in pattern for one in OPAQUE)


def matching(pattern: str, groups: Groups) -> list[str]:
    """Return the hosts that a pattern matches, in order."""
    parts = split(pattern)
    plain = [one for one in parts if one[0] not in "&!"] or ["all"]
    found = list(dict.fromkeys(host for one in plain for host in _of_part(one, groups)))
    for one in parts:
        if one[0] == "&":
            found = [host for host in found if host in _of_part(one[1:], groups)]
    for one in parts:
        if one[0] == "!":
            found = [host for host in found if host not in _of_part(one[1:], groups)]
    return found


def unmatched(pattern: str, groups: Groups) -> list[str]:
    """Return the parts of a pattern that match no host by themselves, without the `!` or `&` before them."""
    parts = [one.lstrip("&!") for one in split(pattern)]
    return [one for one in parts if one and not _of_part(one, groups)]


def split(pattern: str) -> list[str]:
    """Return the parts of a pattern, each with its `!` or `&`."""
    if "," in pattern:
        parts: Iterable[str] = pattern.split(",")
    elif _is_address(pattern):
        parts = [pattern]
    else:
        parts = PART.findall(pattern)
    return [one.strip() for one in parts if one.strip()]


def _is_address(text: str) -> bool:
    """Return whether a colon in it stands in an address, or before a port."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return re.fullmatch(r"[^:\[\]]+:\d+", text) is not None
    return True


def _of_part(part: str, groups: Groups) -> Sequence[str]:
    """Return the hosts of one part."""
    if part in groups.hosts:
        return [part]
    subscript = None if part.startswith("~") else SUBSCRIPT.fullmatch(part)
    name = subscript[1] if subscript else part
    found = list(dict.fromkeys(_named(name, groups)))
    if not found and part in LOCALHOST:
        return [part]
    if not subscript:
        return found
    if subscript[2]:
        at = int(subscript[2])
        return [found[at]] if -len(found) <= at < len(found) else []
    first, last = int(subscript[3]), int(subscript[5] or -1)
    return found[first:] if last == -1 else found[first : last + 1]


def _named(name: str, groups: Groups) -> Iterator[str]:
    """Yield the hosts of the groups that a name or glob means, and the hosts themselves."""
    try:
        fits = re.compile(name[1:] if name.startswith("~") else fnmatch.translate(name)).match
    except re.error:
        return
    meant = [group for group in groups.members if fits(group)]
    for group in meant:
        yield from groups.members[group]
    if not meant or name.startswith("~") or any(one in name for one in ".?*["):
        yield from (host for host in groups.hosts if fits(host))
