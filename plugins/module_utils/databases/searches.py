# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a statement of PostgreSQL looks for, as a SELECT: all that has a plan worth a look.

EXPLAIN needs the rights that the statement itself needs, and a role that reads should never have others. So of a
statement that changes rows, the SELECT is made that finds the same rows by the same conditions; locks are left out.
What comes out is made of the words of our own reader: it is one statement, and it begins with SELECT or WITH.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import (
    SHAPED,
    Token,
    joined,
    words_of,
)

UNREADABLE = "its text is not one statement that can be read with certainty"
CHANGES_WITHIN = "a part of it changes rows"
SEARCHES_FOR_VALUES = "what it writes comes from a search of its own"
MAKES_TABLE = "it makes a table"
CHANGES = frozenset(["INSERT", "UPDATE", "DELETE", "MERGE"])
LOCKS: Tuple[Tuple[str, ...], ...] = (
    ("FOR", "UPDATE"),
    ("FOR", "SHARE"),
    ("FOR", "NO", "KEY", "UPDATE"),
    ("FOR", "KEY", "SHARE"),
)
LITERAL_TYPES = frozenset(["DATE", "INTERVAL", "TIME", "TIMESTAMP", "TIMESTAMPTZ"])
WAITS: Tuple[Tuple[str, ...], ...] = (("NOWAIT",), ("SKIP", "LOCKED"))
Words = List[Token]


class NoSearchError(Exception):
    """The statement cannot be made a search; the text says why."""


def search_of(text: str) -> str:
    """Return the search of a statement as a SELECT; empty if it looks for nothing: it reads from nowhere.

    Raises: NoSearchError.
    """
    words = words_of(text)
    if words is None:
        raise NoSearchError(UNREADABLE)
    first = next((one for one in words if one.text != "("), None)
    if first is None or first.upper not in SHAPED:
        return ""
    if any(before.text == "(" and one.upper in CHANGES for before, one in zip(words, words[1:])):
        raise NoSearchError(CHANGES_WITHIN)
    if words[0].text != "(":
        words = _as_select(words)
    if not any(one.upper == "FROM" for one in words):
        return ""
    return joined(_numbered_anew(_with_casts(_without_locks(words))))


def _as_select(words: Words) -> Words:
    """Return a statement that does not begin with a parenthesis as a SELECT; nothing if it looks for nothing."""
    depth = 0
    for at, one in enumerate(words):
        if depth == 0 and one.upper in SEARCHES:
            found = SEARCHES[one.upper](words[at + 1 :])
            return [*words[:at], *found] if found else []
        depth += _deeper(one)
    return []  # WITH that was cut before its end


def _of_select(rest: Words) -> Words:
    if "INTO" in _split(rest, "INTO"):
        raise NoSearchError(MAKES_TABLE)
    return [_word("SELECT"), *rest]


def _of_update(rest: Words) -> Words:
    parts = _split(rest, "SET", "FROM", "WHERE", "RETURNING")
    _refuse_search(parts.get("SET", []))
    return _select_from([parts[""], parts.get("FROM", [])], parts)


def _of_delete(rest: Words) -> Words:
    parts = _split(rest, "FROM", "USING", "WHERE", "RETURNING")
    return _select_from([parts.get("FROM", []), parts.get("USING", [])], parts)


def _of_insert(rest: Words) -> Words:
    """Return the query whose rows are inserted; of given values there is none."""
    depth = 0
    for at, one in enumerate(rest):
        query = rest[at + 1] if one.text == "(" and at + 1 < len(rest) else one
        if depth == 0 and query.upper in ("SELECT", "WITH"):
            parts = _split(rest[at:], "RETURNING")[""]
            conflict = _split(parts, "CONFLICT")
            return conflict[""][:-1] if "CONFLICT" in conflict else parts  # its ON
        depth += _deeper(one)
    _refuse_search(rest)
    return []


def _of_merge(rest: Words) -> Words:
    """Return its source with the rows that it finds; those without a match stay."""
    parts = _split(rest, "INTO", "USING", "ON", "WHEN")
    return [
        *_words("SELECT * FROM"),
        *parts.get("USING", []),
        *_words("LEFT JOIN"),
        *[one for one in parts.get("INTO", []) if one.upper != "ONLY"],
        _word("ON"),
        *parts.get("ON", []),
    ]


SEARCHES: Mapping[str, Callable[[Words], Words]] = {
    "SELECT": _of_select,
    "INSERT": _of_insert,
    "UPDATE": _of_update,
    "DELETE": _of_delete,
    "MERGE": _of_merge,
}


def _select_from(tables: Sequence[Words], parts: Mapping[str, Words]) -> Words:
    """Return `SELECT * FROM` the tables, with the condition of the statement."""
    found = _words("SELECT * FROM")
    for at, one in enumerate(table for table in tables if table):
        found += [Token("sign", ",", False), *one] if at else one
    return [*found, _word("WHERE"), *parts["WHERE"]] if "WHERE" in parts else found


def _refuse_search(words: Words) -> None:
    """Raise NoSearchError if a search is among what a statement writes: its plan is not that of the rows' search."""
    if any(one.upper == "SELECT" for one in words):
        raise NoSearchError(SEARCHES_FOR_VALUES)


def _split(words: Words, *names: str) -> Dict[str, Words]:
    """Return the words of the outermost level by the keyword before them; what is before the first is of no name.

    Once a keyword has come, those named before it begin nothing any more.
    """
    parts: Dict[str, Words] = {"": []}
    current, awaited, depth = "", list(names), 0
    before = ""
    for one in words:
        begins = depth == 0 and one.upper in awaited and before not in (".", "DISTINCT")
        if begins:
            current, parts[one.upper] = one.upper, []
            awaited = awaited[awaited.index(current) + 1 :]
        else:
            parts[current].append(one)
        depth += _deeper(one)
        before = one.upper or one.text
    return parts


def _deeper(one: Token) -> int:
    if one.kind != "sign":
        return 0
    return {"(": 1, "[": 1, ")": -1, "]": -1}.get(one.text, 0)


def _without_locks(words: Words) -> Words:
    """Return the words without `FOR UPDATE OF job SKIP LOCKED`: to lock a row needs the right to change it."""
    kept: Words = []
    at = 0
    while at < len(words):
        length = _length(words, at, LOCKS)
        if not length:
            kept.append(words[at])
            at += 1
            continue
        at += length
        if _is(words, at, "OF"):
            at += 2
            while at < len(words) and words[at].text in (".", ","):
                at += 2
        at += _length(words, at, WAITS)
    return kept


def _with_casts(words: Words) -> Words:
    """Return the words with `$1::interval` instead of `interval $1`: so the server counts `interval '1 day'`."""
    kept: Words = []
    for one in words:
        before = kept[-1] if kept else None
        if one.kind == "param" and before and before.upper in LITERAL_TYPES:
            kept[-1:] = [
                one,
                *(Token("sign", ":", False) for _each in "::"),
                before._replace(spaced=False),
            ]
        else:
            kept.append(one)
    return kept


def _length(words: Words, at: int, sequences: Sequence[Tuple[str, ...]]) -> int:
    """Return how many words the first of the sequences has that stands here; 0 if none does."""
    for sequence in sequences:
        if all(_is(words, at + number, one) for number, one in enumerate(sequence)):
            return len(sequence)
    return 0


def _is(words: Words, at: int, name: str) -> bool:
    return at < len(words) and words[at].upper == name


def _numbered_anew(words: Words) -> Words:
    """Return the words with parameters without gaps: of one that stands nowhere, the type is not known."""
    numbers: Dict[str, str] = {}
    for one in words:
        if one.kind == "param":
            numbers.setdefault(one.text, f"${len(numbers) + 1}")
    return [one._replace(text=numbers[one.text]) if one.kind == "param" else one for one in words]


def _words(text: str) -> Words:
    return [_word(one) for one in text.split()]


def _word(text: str) -> Token:
    is_word = text.isalpha()
    return Token("word" if is_word else "sign", text, True, text if is_word else "")
