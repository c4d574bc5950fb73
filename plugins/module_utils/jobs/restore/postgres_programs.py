# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of PostgreSQL that are installed here, by version."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)

PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/usr/bin",
)
"""Where systems keep the programs of a server."""
Version = Tuple[int, ...]
_SAID = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?(?:\.(\d+))?")
_NUMBERS = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_RESTRICTS = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""From which minor version on psql knows `\\restrict`; from 18 on each does. Source: CVE-2025-8714."""
_SHOWN = ("bin", "lib", "lib64", "share")


@dataclass(frozen=True)
class PostgresPrograms:
    """The programs of one version. folder: where they are. version: such as (15, 18), or (9, 6, 24)."""

    folder: str
    version: Version

    @property
    def major(self) -> Version:
        """The part of the version that decides which files a server can open."""
        return major_of(self.version)

    @property
    def words(self) -> str:
        """The version, as it is written."""
        return words_of(self.version)

    def path(self, name: str) -> str:
        """Return the path of a program."""
        return os.path.join(self.folder, name)

    def shown(self) -> list[tuple[str, str]]:
        """Return what must be shown in the sandbox: nothing of what is below /usr."""
        if self.folder.startswith("/usr/"):
            return []
        top = os.path.dirname(self.folder)
        paths = [os.path.join(top, name) for name in _SHOWN]
        return [(path, path) for path in paths if os.path.isdir(path)]


def version_of(text: str) -> Version:
    """Return the version in a text that begins with it; nothing if it does not."""
    match = _NUMBERS.match(text.strip())
    return tuple(int(one) for one in match.groups() if one) if match else ()


def major_of(version: Version) -> Version:
    """Return the major version: one number since 10, two before."""
    return version[:1] if version[:1] >= (10,) else version[:2]


def words_of(version: Version) -> str:
    """Return a version as it is written."""
    return ".".join(map(str, version))


def restricts(version: Version) -> bool:
    """Return whether psql of this version can be kept from doing what a dump asks of it."""
    major, minor = (*version, 0, 0)[:2]
    return major >= 18 or (major in _RESTRICTS and minor >= _RESTRICTS[major])


def installed(host: Host, needed: str = "initdb") -> list[PostgresPrograms]:
    """Return the versions that are here with a program, the lowest first.

    Raises: HostError.
    """
    found: dict[Version, PostgresPrograms] = {}
    for pattern in PLACES:
        for folder in host.glob(pattern):
            if not host.exists(os.path.join(folder, needed)):
                continue
            try:
                said = _SAID.search(host.run([os.path.join(folder, needed), "--version"]).out)
            except HostError:
                continue
            if said:
                version = tuple(int(one) for one in said.groups() if one)
                found.setdefault(version, PostgresPrograms(folder, version))
    return [found[version] for version in sorted(found)]


def at_least(wanted: Version, host: Host) -> PostgresPrograms:
    """Return the lowest version that is not below the wanted one.

    Raises: NotTriedError if there is none.
    """
    here = installed(host)
    major = major_of(wanted)
    for one in here:
        if one.major >= major:
            return one
    raise _none(major, "or newer", here)


def exactly(major: Version, host: Host) -> PostgresPrograms:
    """Return the newest of one major version.

    Raises: NotTriedError if there is none.
    """
    here = installed(host)
    fitting = [one for one in here if one.major == major]
    if not fitting:
        raise _none(major, "and no other", here)
    return fitting[-1]


def restricted_psql(server: PostgresPrograms, host: Host) -> PostgresPrograms:
    """Return the programs of which psql can be kept from what a dump asks of it: the server's if they can.

    Raises: NotTriedError if there is none.
    """
    here = [server, *(one for one in reversed(installed(host, "psql")) if one != server)]
    for one in here:
        if one.version >= server.major and restricts(one.version):
            return one
    raise NotTriedError(
        f"psql {server.words} has no restricted mode (\\restrict): it would do what a dump asks of it",
        f"apt-get install --only-upgrade postgresql-client-{words_of(server.major)}",
    )


def _none(major: Version, or_what: str, here: list[PostgresPrograms]) -> NotTriedError:
    name = words_of(major)
    found = ", ".join(one.words for one in here) or "none"
    return NotTriedError(
        f"it needs the programs of PostgreSQL {name} {or_what}; found {found}",
        f"apt-get install --yes --no-install-recommends postgresql-{name}"
        "  # or the package of that version of your system",
    )
