# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the table of contents of an archive of pg_dump says of its restore: versions, its database, roles, wishes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Counted,
    OutOfBudgetError,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_toc import (
    DATA_SECTION,
    TAR,
    WITH_ACCESS_METHOD,
    WITH_RELATION_KIND,
    WITH_SECTION,
    Fields,
    Toc,
    head_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_asked import (
    asked_by,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    Version,
    version_of,
)

DEFINITION_BYTES = 64 << 20
NAME_LIMIT, WISH_LIMIT = 10_000, 20
_ROLE = r'("(?:[^"]|"")+"|[\w$]+)'
_GRANTED = re.compile(r"\b(?:TO|FROM) " + _ROLE + r"(?: WITH GRANT OPTION)?;")
_FOR_ROLE = re.compile(r"\bFOR (?:ROLE |USER )?" + _ROLE + r" (?:IN SCHEMA|GRANT|REVOKE|SERVER)")
_POLICY = re.compile(r" TO (" + _ROLE + r"(?:, *" + _ROLE + r")*)(?= USING| WITH CHECK|;)")
_NAMING = ("ACL", "DEFAULT ACL", "POLICY", "USER MAPPING")
_NO_ROLE = ("public", "current_user", "session_user", "current_role", "none")


@dataclass
class ArchiveHead:
    """What an archive says of itself.

    version: the least that a server must have. roles: owners and others. wishes: what no restore needs, see asked_by.
    """

    database: str
    version: Version
    taken: float | None
    has_database: bool = False
    roles: set[str] = field(default_factory=set)
    wishes: list[str] = field(default_factory=list)


def read_head(stream: Counted) -> ArchiveHead:
    """Read the table of contents.

    Raises: BadBackupError, NotTriedError.
    """
    try:
        return _read(Fields(stream))
    except BrokenError as exc:
        raise BadBackupError(str(exc)) from exc
    except (UnreadError, OutOfBudgetError) as exc:
        raise NotTriedError(str(exc)) from exc


def _read(fields: Fields) -> ArchiveHead:
    toc = head_of(fields)
    database, server, program = (fields.text() or "" for _once in range(3))
    head = ArchiveHead(database, max(version_of(server), version_of(program)), toc.taken)
    if not head.version:
        raise UnreadError("it does not say of which version it is")
    fields.part = "the table of contents"
    for _entry in range(fields.number()):
        _read_entry(fields, toc, head)
    return head


def _read_entry(fields: Fields, toc: Toc, head: ArchiveHead) -> None:
    """Read one entry. Source: ReadToc of pg_backup_archiver.c."""
    fields.number()
    fields.number()
    for _text in ("OID of its catalogue", "OID", "name"):
        fields.skip_text()
    kind = fields.text() or ""
    section = fields.number() if toc.minor >= WITH_SECTION else DATA_SECTION
    definition = fields.text(DEFINITION_BYTES) or ""
    for _text in ("how to drop it", "how it is copied", "schema", "tablespace"):
        fields.skip_text()
    if toc.minor >= WITH_ACCESS_METHOD:
        fields.skip_text()
    if toc.minor >= WITH_RELATION_KIND:
        fields.number()
    owner = fields.text() or ""
    fields.skip_text()  # whether with OIDs
    while fields.text() is not None:
        pass
    if toc.layout == TAR:
        fields.skip_text()
    else:
        fields.take(1 + fields.offset_bytes)
    head.has_database = head.has_database or kind == "DATABASE"
    if len(head.roles) < NAME_LIMIT:
        named = roles_in(definition) if section > 0 and kind in _NAMING else set()
        head.roles.update({owner} - {""}, named)
    wish = asked_by(definition)
    if wish and wish not in head.wishes and len(head.wishes) < WISH_LIMIT:
        head.wishes.append(wish)


def roles_in(definition: str) -> set[str]:
    """Return the roles that grants and policies name."""
    found = {one.group(1) for one in _GRANTED.finditer(definition)}
    found |= {one.group(1) for one in _FOR_ROLE.finditer(definition)}
    for policy in _POLICY.finditer(definition):
        found |= {one.group(1) for one in re.finditer(_ROLE, policy.group(1))}
    plain = {one[1:-1].replace('""', '"') if one.startswith('"') else one for one in found}
    return {one for one in plain if one.lower() not in _NO_ROLE}
