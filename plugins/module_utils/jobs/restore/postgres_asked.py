# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a definition in an archive asks of the server while it is restored: to start a program, or to read files.

A superuser restores an archive, and the server refuses him nothing. So the definitions are looked at. Only what runs
while it is restored counts: a function or a trigger that names such a thing is stored, and does not run. Not seen is
what runs by a detour, such as a query that calls such a function, and what stands among rows that are statements
(pg_dump --inserts): the sandbox keeps it from reaching anything.
"""

from __future__ import annotations

import re

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_sql import (
    bare,
    statements,
)

_HINT = re.compile(r"(?i)\bCOPY\b|\bDO\b|pg_(?:read|ls|stat|file)_|\blo_(?:im|ex)port|dblink")
_BLOCK = re.compile(r"(?i)DO\b")
_COPY = re.compile(r"(?i)COPY\b")
_PROGRAM = re.compile(r"(?i)\b(?:FROM|TO)\s+PROGRAM\b")
_FILE = re.compile(r"(?i)\b(?:FROM|TO)\s*'")
_RUNS = re.compile(
    r"(?i)[\s(]*(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|VALUES|CALL|EXECUTE|EXPLAIN|DECLARE|PREPARE)\b"
    r"|CREATE\s+(?:MATERIALIZED\s+VIEW|(?:UNLOGGED\s+|TEMP\s+|TEMPORARY\s+)?TABLE\b[^()]*\bAS)\b"
)
_FILES = re.compile(
    r"(?i)\b(pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file|pg_file_\w+|lo_import|lo_export)\s*\("
)


def asked_by(definition: str) -> str:
    """Return what a definition asks for that no restore needs, such as `lo_import`; empty if that is nothing."""
    if not _HINT.search(definition):
        return ""
    for one in statements(definition.encode("utf-8", "surrogateescape")):
        asked = _asked_by(one)
        if asked:
            return asked
    return ""


def _asked_by(statement: bytes) -> str:
    text = bare(statement).decode("utf-8", "replace").strip()
    if _BLOCK.match(text):
        text = statement.decode("utf-8", "replace")  # its text runs, quoted as it is
    elif not _COPY.match(text) and not _RUNS.match(text):
        return ""
    if _PROGRAM.search(text):
        return "external program"
    if _COPY.match(text) and _FILE.search(text):
        return "COPY with a file of the server"
    found = _FILES.search(text)
    return found.group(1).lower() if found else ""
