# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an error of PostgreSQL says of a backup: it is bad, this server lacks something, or it tried to reach out.

A message may hold a value of the data. Only those of which it is known that they name objects alone are passed on.

Source: PostgreSQL, appendix A, Error Codes.
"""

from __future__ import annotations

import re
from typing import Iterable, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
    RestoreError,
)

SHOWN = 200
_NAMES_ALONE = re.compile(
    "42(?:501|703|704|710|723|804|809|883|939|P01|P04|P06|P07)|3D000|3F000|0A000|58P01|235(?:02|03|05|14)|XX00[12]|53[12]00"
)
"""States whose first line names objects, types and files, and no value of a row."""
_HERE = ("53", "57", "58", "08")
"""Classes that are about the server and its machine: resources, intervention, the system, connections."""
_LACKS = re.compile(
    r"extension \"[^\"]*\" (?:is not available|has no (?:installation script|update path))|extension control file"
    r"|could not (?:access file|load library|find function)|incompatible library"
    r"|invalid locale name|locale .* not|could not (?:create|open) (?:locale|collator)|ICU (?:locale|is not supported)"
    r"|collation \"[^\"]*\" (?:for encoding|has no actual version|was created)|collation \"[^\"]*\" does not exist"
    r"|unrecognized configuration parameter|unrecognized privilege|(?:language|access method) \"[^\"]*\" does not exist"
    r"|(?:must|can only) be (?:pre)?loaded|shared_preload_libraries|is not supported by this build"
    r"|unrecognized parameter"
)
_REACHES_OUT = re.compile(
    r"(external program|COPY to or from a file|COPY from a file|COPY to a file"
    r"|function (?:pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file|lo_import|lo_export|pg_file_\w+|dblink\w*))"
)
_OUT_OF_ROLE = re.compile(r"role \"(.*)\" does not exist\Z")
ErrorParts = Tuple[str, str]


def without_data(state: str, text: str) -> str:
    """Return the first line of an error without what may be a value of the data."""
    line = text.strip().splitlines()[0][:SHOWN] if text.strip() else "no word of why"
    if not state:
        return line
    if not _NAMES_ALONE.fullmatch(state):
        line = re.split(r"[\"']|: ", line, maxsplit=1)[0].strip() or "an error"
    return f"{line} ({state})"


def is_lack(state: str, text: str) -> bool:
    """Return whether an error says what this server lacks, and nothing of the backup."""
    return state[:2] in _HERE or _LACKS.search(text) is not None


def reaches_out(state: str, text: str) -> str:
    """Return what a backup asked for that reads files or starts programs; empty if the error is another one."""
    if state != "42501":
        return ""
    match = _REACHES_OUT.search(text)
    return match.group(1).replace("function ", "") if match else ""


def missing_role(state: str, text: str) -> str:
    """Return the role that an error misses; empty if it is another one."""
    match = _OUT_OF_ROLE.match(text) if state == "42704" else None
    return match.group(1) if match else ""


def ended_by(errors: Iterable[ErrorParts]) -> RestoreError | None:
    """Return how these errors, pairs of SQLSTATE and message, end a verification: by what is lacking if anything is."""
    first = None
    for state, text in errors:
        if is_lack(state, text):
            step = (
                "decide: install on this host what the database needs"
                if state[:2] not in _HERE
                else ""
            )
            if "loaded" in text or "shared_preload_libraries" in text:
                step = "decide: name the library in the set's `preload`"
            return NotTriedError(
                f"this server lacks what it needs: {without_data(state, text)}", step
            )
        first = first or (state, text)
    return None if first is None else BadBackupError(without_data(*first))
