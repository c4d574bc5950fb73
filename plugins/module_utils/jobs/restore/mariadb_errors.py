# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client of MariaDB says of a statement that failed, and what that says of the backup.

Its messages quote rows and statements. Only names of tables, engines and collations are passed on, and of those only
where nothing else can stand.

Source: the reference of error codes in MariaDB's documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
    RestoreError,
)

_ERROR = re.compile(r"^ERROR (\d{1,5}) \((\w{5})\)(?: at line (\d{1,15}))?: ", re.MULTILINE)
_WARNING = re.compile(r"^Warning \(Code (\d{1,5})\): (.*)", re.MULTILINE)
_ENGINE = 1286
_CHANGED = (1264, 1265, 1366, 1406)
_TABLE = re.compile(r"Table '([^.']{1,64})\.([^']{1,64})' doesn't exist\Z")
_REFUSED = re.compile(r"^ERROR at line (\d{1,15}): (.*)", re.MULTILINE)
# Their messages name tables, databases, engines, plugins, collations and variables, and nothing else.
_NAMES_ONLY = (1007, 1008, 1049, 1050, 1051, 1115, 1146, 1193, 1273, 1286, 1932)
_OWN_WORDS = (1644, 1643)
"""SIGNAL and RESIGNAL: the message is whatever a routine says."""
_LACKING = {
    1115: "a character set",
    1126: "a library",
    1127: "a function of a library",
    1128: "a function of a library",
    1273: "a collation",
    1286: "a storage engine",
    1524: "a plugin",
    4183: "a data type",
}
_OF_OTHERS = (1064, 1193, 1227, 1231, 1235, 1292, 1305, 1911, 3719, 4161)
"""What a server says to words that only another product, or a later version, knows."""
_ACCOUNT = 1396
_OF_THE_HOST = (5, 1021, 1037, 1038, 1041, 1114, 1135, 1203)
_FORBIDDEN = {
    1148: "to read a file of the client",
    1227: "for what only an administrator of the server may do",
    1290: "to read or write a file, or for another thing that the server was started without",
    4166: "to read a file of the client",
    **dict.fromkeys((2002, 2003, 2005), "to connect to another server"),
}
GONE = (2006, 2013, 2055)
"""The server has ended, or does not answer any more."""
GRANTS = 1045
"""An account gives away rights that it has not: of all of them, no one but an administrator has any."""
DENIED = (1044, 1045, 1142, 1227, 1698)
"""Our account is not let in, or not to what it asks for."""
NO_DATABASE = 1049
NO_SUCH = (1054, 1146, 1305)
"""The data does not know what was asked for."""


@dataclass(frozen=True)
class SqlError:
    """Why a statement failed. line: of the input.

    number: of MariaDB; 0 for a command of the client that it refuses, -1 for what is none of SQL.
    """

    number: int
    line: int
    text: str

    def __str__(self) -> str:
        if self.number < 0:
            return self.text
        return f"error {self.number}: {self.text}" if self.text else f"error {self.number}"


def sql_error(err: str) -> SqlError | None:
    """Return the error that ended a client, from what it printed on its standard error; None if there is none."""
    refused = list(_REFUSED.finditer(err))
    if refused:
        return SqlError(0, int(refused[-1].group(1)), "")
    found = list(_ERROR.finditer(err))
    if not found:
        return None
    last = found[-1]
    number = int(last.group(1))
    return SqlError(number, int(last.group(3) or 0), _bare(number, err[last.end() :]))


def warned(out: str) -> SqlError | None:
    """Return the first warning by which a dump was not loaded as it is; dumps switch off that these are errors.

    Another storage engine was taken for one that is not here, or a value was cut or changed to fit its column.
    """
    for found in _WARNING.finditer(out):
        number = int(found.group(1))
        if number == _ENGINE or number in _CHANGED:
            return SqlError(number, 0, _bare(number, found.group(2)))
    return None


def _bare(number: int, text: str) -> str:
    """Return a message without what it quotes."""
    if number in _OWN_WORDS:
        return ""
    line = " ".join(text.split())
    if number not in _NAMES_ONLY:
        line = re.sub(r"'.*'|'.*\Z", "'…'", line)
        line = re.sub(r'".*"|".*\Z', "'…'", line)
    return line[:160]


def of_a_dump(error: SqlError, where: str, other: str) -> RestoreError:
    """Return what an error says of a dump. where: the place. other: whose it is, if of another server than here."""
    if error.number in _LACKING:
        lacks = _LACKING[error.number]
        return NotTriedError(f"{where}: it needs {lacks} that this server lacks: {error}")
    if error.number in _OF_THE_HOST:
        return NotTriedError(f"{where}: {error}")
    if error.number == _ACCOUNT:
        return NotTriedError(
            f"{where}: it makes or drops an account that a new server has, or lacks: {error}",
            "decide: dump accounts with --system=users --insert-ignore, so that the dump can be loaded anywhere",
        )
    if other and error.number in _OF_OTHERS:
        return NotTriedError(
            f"{where}: it is of {other}, and this server does not know that: {error}"
        )
    return BadBackupError(f"{where}: {error}")


def elsewhere(error: SqlError, main: str) -> str:
    """Return the table of another database that is not in a dump of a single one; empty if it is another error."""
    found = _TABLE.match(error.text) if main and error.number == 1146 else None
    if found is None or found.group(1) == main:
        return ""
    return f"{found.group(1)}.{found.group(2)}"


def forbidden(error: SqlError) -> str:
    """Return what a statement asked for that none of a backup should; empty if it is another error."""
    if error.number == 0:
        return "for a command of the client that runs programs or opens files"
    return _FORBIDDEN.get(error.number, "")
