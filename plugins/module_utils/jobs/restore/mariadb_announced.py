# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the text of a dump has, while it is loaded: how many statements bring rows into each table.

A comment or a quote that is not closed hides statements from the client, which says nothing of them: a table then has
fewer rows than there are statements for it. Only what mariadb-dump writes at the beginning of a line is looked at.
"""

from __future__ import annotations

import re
from typing import Callable

OWN_DATABASE = "mysql"
LONGEST_LINE = 1000
"""What is looked for is shorter; of longer lines only the beginning counts."""
TABLES_LIMIT = 10_000
_NAME = rb"`((?:[^`\n]|``){1,200})`"
_HEADS = re.compile(
    rb"\n(?:-- (?:Dumping (?:(routines|events) for|data for table "
    + _NAME
    + rb")|Current Database: "
    + _NAME
    + rb")|INSERT INTO "
    + _NAME
    + rb"|((?i:pager)[ \t]+[^\s:=.,]|\\P[ \t]))"
)


class Announced:
    """Looks at a dump while it is read, and keeps what it announces.

    inserts: statements by (database, table). databases: which it names. pagers: lines that ask the client for a pager.
    everywhere: each INSERT counts; otherwise one in the part of the dump that is of its table, for routines have such
    lines, too.
    """

    def __init__(self, database: str, *, everywhere: bool = False) -> None:
        self._database, self._everywhere = database, everywhere
        self.inserts: dict[tuple[str, str], int] = {}
        self.databases = {database} - {""}
        self.pagers: list[int] = []
        self._table = b""
        self._rest, self._before, self._lines = b"\n", b";", 0

    def reader(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """Return a function that gives what read gives, after a look at it."""

        def give(size: int) -> bytes:
            data = read(size)
            self.look(data or b"\n")
            return data

        return give

    def look(self, data: bytes) -> None:
        """Look at the next bytes of the dump."""
        text = self._rest + data
        cut = text.rfind(b"\n", max(1, len(text) - LONGEST_LINE))
        if cut < 0:
            cut = len(text) if len(text) > LONGEST_LINE else 0
        # Behind the cut is the beginning of a line that is not all here yet.
        for found in _HEADS.finditer(text, 0, cut):
            self._take(found, text)
        self._lines += text.count(b"\n", 0, cut)
        self._before = text[max(0, cut - LONGEST_LINE) : cut].rstrip()[-1:] or self._before
        self._rest = text[cut:]

    def at(self, database: str) -> None:
        """Take what follows for one of this database."""
        self._database = database
        self.databases.add(database)

    def _take(self, found: re.Match[bytes], text: bytes) -> None:
        other, section, database, table, pager = found.groups()
        if section is not None or other is not None:
            self._table = section or b""
        elif database is not None:
            self._table = b""
            self.at(_plain(database))
        elif table is not None and (self._everywhere or table == self._table):
            key = (self._database, _plain(table))
            if key in self.inserts or len(self.inserts) < TABLES_LIMIT:
                self.inserts[key] = self.inserts.get(key, 0) + 1
        elif pager is not None:
            start = found.start()
            before = text[max(0, start - LONGEST_LINE) : start].rstrip()[-1:] or self._before
            # Elsewhere it is a word of a statement.
            if before == b";" and len(self.pagers) < TABLES_LIMIT:
                self.pagers.append(self._lines + text.count(b"\n", 0, start + 1))


def _plain(name: bytes) -> str:
    return name.replace(b"``", b"`").decode("utf-8", "surrogateescape")


def lost_rows(inserts: dict[tuple[str, str], int], counts: dict[str, int], gone: bool) -> str:
    """Return which table has fewer rows than statements brought; empty if none has.

    counts: rows by `database.table`. gone: whether a table that is not among them is lost.
    """
    for (database, table), number in sorted(inserts.items()):
        name = f"{database}.{table}"[:200]
        if name in counts and counts[name] < number:
            return (
                f"{name} has {counts[name]} rows; the dump has {number} statements that insert some"
            )
        if name not in counts and gone:
            return f"{name} is not there; the dump has {number} statements that insert rows into it"
    return ""
