# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a statement looks like without the data in it: the only way in which text of SQL leaves a host.

The text may be cut anywhere, may be no SQL, and may mean something else under settings that are not known here. Where
it can be read in two ways, the rest of it is dropped.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Pattern, Sequence, Tuple

POSTGRESQL, MYSQL = "postgresql", "mysql"
SHAPE_LIMIT_CHARACTERS = 600
READ_LIMIT_CHARACTERS = 20_000
TOKENS_LIMIT = 600
NAME_LIMIT_CHARACTERS = 63
VALUE, CUT = "?", "..."


def _words(text: str) -> FrozenSet[str]:
    return frozenset(text.split())


SHAPED = _words("SELECT INSERT UPDATE DELETE MERGE WITH")
TAGS = _words("""
    ABORT ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE DISCARD DO
    DROP END EXECUTE EXPLAIN FETCH FLUSH GRANT HANDLER IMPORT KILL LISTEN LOAD LOCK MOVE NOTIFY OPTIMIZE PREPARE
    REASSIGN REFRESH REINDEX RELEASE RENAME REPLACE RESET REVOKE ROLLBACK SAVEPOINT SECURITY SET SHOW START TABLE
    TRUNCATE UNLISTEN USE VACUUM VALUES XA""")
KINDS = _words("""
    AGGREGATE CAST COLLATION CONVERSION DATABASE DOMAIN EVENT EXTENSION FOREIGN FUNCTION GROUP INDEX LANGUAGE
    MATERIALIZED OPERATOR POLICY PROCEDURE PUBLICATION ROLE ROUTINE RULE SCHEMA SEQUENCE SERVER STATISTICS
    SUBSCRIPTION SYSTEM TABLE TABLESPACE TRANSFORM TRIGGER TYPE USER VIEW""")
"""What follows CREATE, ALTER and DROP, and a few others."""
PASSED_OVER = _words("""
    CONCURRENTLY EXISTS FROM GLOBAL IF INTO LOCAL NOT ONLY OR REPLACE SESSION TEMP TEMPORARY UNIQUE UNLOGGED""")
WITH_OBJECT = _words("""
    ALTER ANALYZE CALL CLOSE CLUSTER COPY CREATE DEALLOCATE DECLARE DROP EXECUTE LISTEN LOCK NOTIFY OPTIMIZE PREPARE
    REFRESH REINDEX REPLACE RESET SAVEPOINT SET SHOW TABLE TRUNCATE UNLISTEN USE VACUUM""")
AFTER_VALUE = _words("""
    AND AS ASC AT BETWEEN COLLATE DAY DESC DIV DO DUPLICATE ELSE END ESCAPE EXCEPT FETCH FOR FROM GROUP HAVING HOUR
    ILIKE IN INTERSECT INTO IS ISNULL JOIN LIKE LIMIT MINUTE MOD MONTH NOT NOTNULL NULLS OFFSET ON OR ORDER OVER
    OVERLAPS PERCENT PRECEDING FOLLOWING REGEXP RETURNING RLIKE ROW ROWS SECOND SELECT SET SIMILAR THEN TO UESCAPE
    UNION USING VALUES WEEK WHEN WHERE WINDOW XOR YEAR""")
"""Words that may stand behind a value. Another one there may be the rest of a text with a quote in it."""
IN_VALUES = _words("""
    ALL ANY ARRAY BINARY CASE CAST CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DATE DEFAULT DISTINCT
    EXISTS INTERVAL LATERAL LOCALTIMESTAMP NOT NULL ROW SELECT SESSION_USER SOME TIME TIMESTAMP TIMESTAMPTZ VALUES
    WITH""")
"""Words that may stand where a value is; another one there may be a value without its quotes."""
COMPARING = frozenset(["LIKE", "ILIKE", "REGEXP", "RLIKE", "TO"])
TABLE_FOLLOWS = frozenset(["FROM", "JOIN", "INTO", "UPDATE", "ONLY", "TABLE", "USING"])
BEGINS_QUERY = frozenset(["SELECT", "WITH", "VALUES", "TABLE"])

WORD_BEGINS, WORD_GOES_ON = "A-Za-z_\x80-\U0010ffff", "A-Za-z0-9_$\x80-\U0010ffff"
PLAIN_NAME, MANY_DIGITS = re.compile(f"[{WORD_BEGINS}][{WORD_GOES_ON}]*"), re.compile("[0-9]{9}")
COMMON = (
    ("space", r"\Z"),
    ("block", r"/\*"),
    ("param", r"\$[0-9]{1,5}(?![" + WORD_GOES_ON + "])"),
    ("number", r"(?:[0-9]|\.[0-9])[0-9A-Za-z_.]*(?:(?<=[eE])[+-][0-9]+)?"),
    ("word", f"[{WORD_BEGINS}][{WORD_GOES_ON}]*"),
)
TOKENS = {
    POSTGRESQL: (
        ("line", r"--[^\n\r]*"),
        ("escaped", r"[eE]'(?:[^'\\]|\\[\s\S]|'')*'(?!')"),
        ("string", r"(?:[bBxXnN]|[uU]&)?'[^']*(?:''[^']*)*'(?!')"),
        ("dollar", f"\\$(?:[{WORD_BEGINS}][{WORD_GOES_ON.replace('$', '')}]*)?\\$"),
        ("name", r'(?:[uU]&)?"[^"]*(?:""[^"]*)*"(?!")'),
        *COMMON,
        ("sign", r"[-+*/<>=~!@#%^&|?:.,;()\[\]]"),
    ),
    MYSQL: (
        ("line", r"(?:--(?=[\x00-\x20]|\Z)|#)[^\n]*"),
        ("string", r"[bBxXnN]?'(?:[^'\\]|\\[\s\S]|'')*'(?!')"),
        ("string2", r'"(?:[^"\\]|\\[\s\S]|"")*"(?!")'),
        ("name", r"`[^`]*(?:``[^`]*)*`(?!`)"),
        *COMMON,
        ("sign", r"[-+*/<>=~!@%^&|?:.,;()]"),
    ),
}
READERS: Dict[str, Pattern[str]] = {
    dialect: re.compile(
        r"[ \t\n\r\f\v]*(?:" + "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in tokens) + ")"
    )
    for dialect, tokens in TOKENS.items()
}
EITHER_WAY = re.compile(r"\\['\"]")
"""A backslash before a quote ends a literal or does not, as the server is set."""
ONE = r"(?:\?|\$[0-9]{1,5})(?:::[a-z_]{1,30}(?:\[\])?)?"
FOLDED = (
    (re.compile(r"\?(?: \?)+"), VALUE),
    (re.compile(rf"([(\[]) ?{ONE}(?: ?, ?{ONE})+ ?([)\]])"), rf"\1{VALUE}, {CUT}\2"),
    (
        re.compile(rf"(\( ?(?:{ONE}|\?, \.\.\.) ?\))(?: ?, ?\( ?(?:{ONE}|\?, \.\.\.) ?\))+"),
        rf"\1, {CUT}",
    ),
)


class Token(NamedTuple):
    """One word of a statement. kind: word, name (in quotes), value, param or sign.

    spaced: white space is before it. upper: a word in capitals; empty for what is none.
    """

    kind: str
    text: str
    spaced: bool
    upper: str = ""


NOTHING = Token("sign", "", False)


def shape_of(text: str, dialect: str = POSTGRESQL, limit: int = SHAPE_LIMIT_CHARACTERS) -> str:
    """Return the first statement of a text without its data, in one line of at most limit characters.

    Of SELECT, INSERT, UPDATE, DELETE and MERGE, each literal is `?`; parameters stay, lists of values are folded, and
    comments are dropped. Of all others the command and its object stay, such as `ALTER ROLE shop`; of what is no known
    command, `?`. What was left out at the end is `...`.
    """
    tokens, whole = _statement(text[:READ_LIMIT_CHARACTERS], dialect, limit)
    whole = whole and len(text) <= READ_LIMIT_CHARACTERS
    first = next((one for one in tokens if one.text != "("), None)
    if first is None or first.upper not in SHAPED | TAGS:
        return VALUE
    if first.upper not in SHAPED:
        return _tag(tokens)[:limit]
    shape = "".join(_shown(tokens, dialect))
    for pattern, folded in FOLDED:
        shape = pattern.sub(folded, shape)
    if len(shape) + len(CUT) > limit:
        return shape[: limit - len(CUT)] + CUT
    return shape if whole else shape + CUT


def words_of(text: str, dialect: str = POSTGRESQL) -> List[Token] | None:
    """Return all words of a text that is one statement; None if it is more than one, or cannot be read with certainty.

    None of them is a semicolon. Comments are none of them.
    """
    if len(text) > READ_LIMIT_CHARACTERS:
        return None
    found: List[Token] = []
    ended = False
    for one in _tokens(text, dialect):
        is_end = one.kind == "sign" and one.text == ";"
        if one.kind == "stop" or (ended and not is_end) or _is_torn(found, one):
            return None
        ended = ended or is_end
        if not is_end:
            found.append(one)
    return found


def joined(words: Sequence[Token]) -> str:
    """Return the words as a text that means what they meant where they stood."""
    return "".join((" " if one.spaced and at else "") + one.text for at, one in enumerate(words))


def condition_of(text: str, limit: int = 200) -> str:
    """Return a condition as PostgreSQL shows it in a plan, without its data, in one line of at most limit characters.

    A name in quotes may be one that the statement has made up: it is not told. Of a condition that cannot be read with
    certainty, the rest is left out, as `...`.
    """
    found, whole = _statement(text[:READ_LIMIT_CHARACTERS], POSTGRESQL, limit)
    found = [one._replace(kind="value", text=VALUE) if one.kind == "name" else one for one in found]
    shown = "".join(_shown(found, POSTGRESQL))
    for pattern, folded in FOLDED:
        shown = pattern.sub(folded, shown)
    if not whole or len(text) > READ_LIMIT_CHARACTERS or len(shown) > limit:
        return shown[: limit - len(CUT)] + CUT
    return shown


def _statement(text: str, dialect: str, limit: int) -> Tuple[List[Token], bool]:
    """Return the words of the first statement, and whether that is all of it.

    limit: characters; half as many again are read, without those of lists of values.
    """
    found: List[Token] = []
    size = 0
    for one in _tokens(text, dialect):
        if one.text == ";" and one.kind == "sign":
            if found:
                return found, True
            continue
        if one.kind not in ("value", "param") and one.text != ",":
            size += len(one.text) + 1
        if size > 1.5 * limit or len(found) >= TOKENS_LIMIT:
            return found, False
        if one.kind == "stop" or _is_torn(found, one):
            return found, False
        found.append(one)
    return found, True


def _is_torn(before: List[Token], one: Token) -> bool:
    """Return whether a literal goes on without a space: then a quote inside of a text has ended it too early."""
    if not before or one.spaced or one.kind not in ("word", "name", "value"):
        return False
    return before[-1].kind == "value"


def _tokens(text: str, dialect: str) -> Iterator[Token]:
    """Yield the words of a text; the last is of the kind `stop` if it cannot be read further."""
    at, spaced = 0, False
    while at < len(text):
        found = READERS[dialect].match(text, at)
        kind = found.lastgroup if found else None
        if found is None or kind is None:
            break
        said, spaced, at = found.group(kind), spaced or found.start(kind) > at, found.end()
        if kind in ("space", "line", "block"):
            at = at if kind != "block" else _after_comment(text, at, dialect)
            spaced = True
        elif kind == "dollar":
            end = text.find(said, at)
            at = end + len(said) if end >= 0 else -1
            kind, said = "value", text[found.start(kind) : at]
        elif kind in ("string", "string2") and EITHER_WAY.search(said):
            break
        elif kind == "word" and not said.isascii() and not said.replace("_", "").isalnum():
            break  # such as a typographer's quote: where the text begins and ends is not known
        elif kind in ("string", "string2", "escaped", "number"):
            kind = "value"
        if at < 0:
            break
        if kind not in ("space", "line", "block"):
            yield Token(kind, said, spaced, said.upper() if kind == "word" else "")
            spaced = False
    else:
        return
    yield Token("stop", "", spaced)


def _after_comment(text: str, at: int, dialect: str) -> int:
    """Return where a comment ends; -1 if it does not, or if what it holds may be run."""
    if dialect == MYSQL:
        end = text.find("*/", at)
        runs = text.startswith(("!", "M!"), at)
        inside = text[at:end]
        if end < 0 or (runs and any(one in inside for one in ("'", '"', "`", "/*", "#", "--"))):
            return -1
        return end + 2
    depth = 1
    for found in re.finditer(r"/\*|\*/", text[at:]):
        depth += 1 if found.group() == "/*" else -1
        if not depth:
            return at + found.end()
    return -1


def _tag(tokens: List[Token]) -> str:
    """Return the command and the object that it is about, if that has a name."""
    words = [one for one in tokens if one.text != "("]
    said = [words[0].upper]
    at = 1
    if said[0] not in WITH_OBJECT:
        return said[0]
    while at < len(words) and words[at].upper in PASSED_OVER | KINDS:
        said += [words[at].upper] if words[at].upper in KINDS else []
        at += 1
    name = ""
    while at < len(words) and words[at].kind in ("word", "name") and _is_name(words[at]):
        name += words[at].text
        if at + 2 >= len(words) or words[at + 1].text != ".":
            break
        name += "."
        at += 2
    return " ".join([*said, name.rstrip(".")]).strip()


def _shown(tokens: List[Token], dialect: str) -> Iterator[str]:
    """Yield what is shown of each word of a statement."""
    listed: List[bool] = []
    ended_list = False
    for at, one in enumerate(tokens):
        before = tokens[at - 1] if at else NOTHING
        after = tokens[at + 1] if at + 1 < len(tokens) else NOTHING
        if one.kind == "sign" and one.text == "(":
            begins = before.upper in ("IN", "VALUES", "VALUE") or (
                before.text == "," and ended_list
            )
            within = bool(listed) and listed[-1]
            listed.append((begins or within) and after.upper not in BEGINS_QUERY)
        elif one.kind == "sign" and one.text == ")" and listed:
            ended_list = listed.pop()
        elif one.text != ",":
            ended_list = False
        shown = one.text
        if one.kind == "value":
            shown = VALUE
        elif one.kind == "name":
            shown = one.text if _is_shown(one, before, after, dialect) else VALUE
        elif one.kind == "word":
            in_list = bool(listed) and listed[-1]
            shown = VALUE if _may_be_value(one, before, after, in_list) else one.text
        yield (" " if one.spaced and at else "") + shown


def _is_shown(one: Token, before: Token, after: Token, dialect: str) -> bool:
    """Return whether a name in quotes is shown.

    In PostgreSQL, people take double quotes for those of texts: so a name is shown where no value can be.
    """
    if not _is_name(one):
        return False
    return dialect == MYSQL or "." in (before.text, after.text) or before.upper in TABLE_FOLLOWS


def _may_be_value(one: Token, before: Token, after: Token, in_list: bool) -> bool:
    """Return whether a word may be data: a value whose quotes were forgotten, or the rest of one."""
    if one.upper in ("TRUE", "FALSE") or not _is_name(one):
        return True
    if before.kind == "value" and one.upper not in AFTER_VALUE:
        return True
    if one.upper in IN_VALUES or after.text in (".", "(") or before.text == ".":
        return False
    compared = before.text in ("=", "<", ">", "~") or before.upper in COMPARING
    return (compared or in_list) and after.kind != "value"


def _is_name(one: Token) -> bool:
    """Return whether a word can be the name of an object: neither as long nor with as many digits as data may be.

    A partition may have a date of eight digits in its name.
    """
    text = one.text
    if one.kind == "name":
        text = text[1:-1]
        if (
            not re.fullmatch(f"[{WORD_BEGINS}][{WORD_GOES_ON}]*", text)
            or not text.replace("_", "").replace("$", "").isalnum()
        ):
            return False
    return len(text) <= NAME_LIMIT_CHARACTERS and not MANY_DIGITS.search(text)
