# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a query of the site names: one that names no table has the same answer whatever was restored."""

from __future__ import annotations

import re
from typing import Iterator

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUERY = re.compile(r"(?i)[\s(]*(?:select|with|values|table|show|explain|pragma)\b")
_TEXT = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_WORD = re.compile(r"[()]|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|[^\W\d]\w*|[^\s\w]|\w+")
_NAME = re.compile(r"[\"`\[]|[^\W\d]")
_NO_TABLE = ("dual", "lateral", "select", "values", "table", "unnest", "generate_series")
"""What may follow FROM, and is no name of something restored."""


def names_something(sql: str) -> bool:
    """Return whether a query names a table, view or function that it reads, or asks SQLite for what its file says.

    Only FROM and TABLE are looked for, outside of comments and texts. The FROM of extract() or trim() is another one:
    no SELECT belongs to it.
    """
    before, selects = "(", [False]
    words = list(_words(sql))
    for word, follows in zip(words, [*words[1:], ""]):
        if word == "(":
            selects.append(False)
        elif word == ")":
            selects = selects[:-1] or [False]
        elif word == "select":
            selects[-1] = True
        begins = (
            word == "pragma"
            or (word in ("from", "join") and selects[-1])
            or (word == "table" and before in ("(", ")", ";"))
        )
        if begins and _NAME.match(follows) and follows not in _NO_TABLE:
            return True
        before = word
    return False


def is_query(sql: str) -> bool:
    """Return whether a statement is one that gives rows, by its first word."""
    return bool(_QUERY.match(bare(sql)))


def bare(sql: str) -> str:
    """Return a statement without comments and without the semicolon at its end."""
    return _COMMENT.sub(" ", sql).strip(" \t\r\n;")


def _words(sql: str) -> Iterator[str]:
    """Yield names, signs and words, in small letters."""
    text = _TEXT.sub(" '' ", bare(sql))
    return (found.group().lower() for found in _WORD.finditer(text))
