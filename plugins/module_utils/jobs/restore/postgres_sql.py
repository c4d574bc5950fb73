# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Divide a dump in SQL where it goes into another database, and take out what it asks of psql.

A dump is read as psql reads it, as far as pg_dump and pg_dumpall write it. What is read otherwise here than by psql is
no way out: psql itself is restricted, too.
"""

from __future__ import annotations

import re
from typing import Callable

READ_BYTES = 1 << 15
"""How much is read at once. What is left of it is copied at each quote: more would be slower."""
HOLD_BYTES = 256
"""What stays behind in a buffer: a token that begins there may not be complete."""
STATEMENT_BYTES = 1 << 16
LINE_BYTES = 1 << 16
SHOWN = 20
_TOKEN = re.compile(rb"'|\"|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$|--|/\*|\\|;")
_PLAIN = rb"[^'\"$\\;/-]*"
_INSERTS = re.compile(
    rb"(?:INSERT INTO "
    + _PLAIN
    + rb"(?:(?:-(?!-)|/(?!\*)|\"[^\"]*\"|(?<![Ee])'[^']*')"
    + _PLAIN
    + rb")*;\r?\n)+"
)
"""Whole statements that insert rows, of which a dump may have millions: to look at each of their quotes takes long."""
_START = re.compile(rb"(?:\s|--[^\n]*\n)*")
_COPY = re.compile(rb"(?is)\A\s*COPY\s.*\sFROM\s+stdin\b[^;]*;\Z")
_CREATE = re.compile(rb"(?i)CREATE\s")
_DROP = re.compile(rb"(?i)(?:DROP\s|ALTER\s[^;'\n]*\sDROP\s)[^;\n]*;[ \t\r]*(?:\n|\Z)")
_OWNER = re.compile(rb"ALTER\s[^;'\n]*\sOWNER TO (\"(?:[^\"\n]|\"\")+\"|[\w$]+);[ \t\r]*(?:\n|\Z)")
_QUOTE = re.compile(rb"'")
_ESCAPED = re.compile(rb"\\.|'", re.DOTALL)
_IDENTIFIER = re.compile(rb'"')
_COMMENT = re.compile(rb"/\*|\*/")
_NO_WORD = re.compile(rb"[^\w\x80-\xff]")
_DATABASE = re.compile(
    rb"\\c(?:onnect)?[ \t]+(?:\"((?:[^\"]|\"\")+)\"|([\w$.-]+))[ \t\r]*\Z"
    rb"|\\connect -reuse-previous=on \"dbname='((?:[^'\\]|\\.|'')*)'\"[ \t\r]*\Z"
)
_COMMAND = re.compile(rb"\\(?:[A-Za-z_]+\+?|[^\s\w])?")


class SqlSections:
    """A dump while it is read. database: into which its next section goes, empty at its beginning.

    asked: commands of psql that it asked for, which were taken out. owners: to whom its objects are to belong, which is
    taken out too: only a superuser can give an object to everybody. ended: whether it was read to its end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read, self._buffer, self._final = read, b"", False
        self._state: Callable[[list[bytes]], bool] = self._in_sql
        self._closing = _QUOTE
        self._tag = self._last = b""
        self._depth = 0
        self._at_start, self._created = True, False
        self._statement = b""
        self._section_ends = False
        self.database, self.ended = "", False
        self.asked: list[str] = []
        self.owners: set[str] = set()

    def section(self) -> Callable[[int], bytes]:
        """Return a function that gives the next section, piece by piece, and nothing at its end."""
        self._section_ends, self._created = False, False
        return self._give

    def drain(self) -> None:
        """Read the section to its end, for what it asks of psql."""
        while self._give(0):
            pass

    def _give(self, _size: int) -> bytes:
        out: list[bytes] = []
        while not out and not self._section_ends and not self.ended:
            if not self._final:
                more = self._read(READ_BYTES)
                self._final = not more
                self._buffer += more
            while not self._section_ends and self._state(out):
                pass
            if self._final and not self._buffer:
                self.ended = True
        return b"".join(out)

    def _pass(self, out: list[bytes], end: int) -> bool:
        """Hand on the buffer up to its end; return whether that was anything."""
        if end <= 0:
            return False
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        self._last = data[-1:]
        out.append(data)
        room = STATEMENT_BYTES - len(self._statement)
        self._statement += data[: max(0, room)]
        return True

    def _held(self) -> int:
        """Return up to where the buffer can be looked at."""
        return len(self._buffer) if self._final else len(self._buffer) - HOLD_BYTES

    # --- each state returns whether there may be more to do with the buffer -----------------------------------------
    def _in_sql(self, out: list[bytes]) -> bool:
        if self._at_start and not self._begin(out):
            return False
        if self._at_start or not self._buffer:
            return bool(self._buffer)
        inserts = _INSERTS.match(self._buffer)
        if inserts:
            self._at_start = True
            return self._pass(out, inserts.end())
        token = _TOKEN.search(self._buffer)
        if token is None or token.start() >= self._held():
            return self._pass(out, self._held()) and token is not None and self._final
        if token.group() == b"\\":
            return self._pass_command(out, token.start())
        if token.group() == b";":
            return self._end_statement(out, token.end())
        return self._go_into(token, out)

    def _begin(self, out: list[bytes]) -> bool:
        """Look at how a statement begins; return False if more must be read for that."""
        match = _START.match(self._buffer)
        start = match.end() if match else 0
        complete = self._final or b"\n" in self._buffer[start : start + LINE_BYTES]
        if not complete and len(self._buffer) - start < LINE_BYTES:
            return False
        self._pass(out, start)
        self._statement, self._at_start = b"", False
        self._created = self._created or bool(_CREATE.match(self._buffer))
        # Nothing is there yet that could be dropped.
        drop = None if self._created else _DROP.match(self._buffer)
        owner = _OWNER.match(self._buffer)
        left_out = drop or owner
        if owner:
            self.owners.add(plain_name(owner.group(1)))
        if left_out:
            self._buffer, self._at_start = self._buffer[left_out.end() :], True
        return not left_out or bool(self._buffer)

    def _go_into(self, token: re.Match[bytes], out: list[bytes]) -> bool:
        """Go into what a token begins."""
        word = token.group()
        before = self._buffer[token.start() - 1 : token.start()] if token.start() else self._last
        escaped = before in (b"E", b"e")
        self._pass(out, token.end())
        if word == b"--":
            self._state = self._in_comment_line
        elif word == b"/*":
            self._depth, self._state = 1, self._in_comment
        elif word.startswith(b"$"):
            self._tag, self._state = word, self._in_dollars
        else:
            self._closing = _IDENTIFIER if word == b'"' else _ESCAPED if escaped else _QUOTE
            self._state = self._in_quotes
        return True

    def _in_quotes(self, out: list[bytes]) -> bool:
        place = 0
        while True:
            match = self._closing.search(self._buffer, place)
            if match is None or (not self._final and match.end() >= self._held()):
                end = len(self._buffer) if match is None else match.start()
                # An escape must not be divided: its second half would look like an end.
                self._pass(out, max(place, min(end, self._held())))
                return False
            place = match.end()
            if not match.group().startswith(b"\\"):
                break
        self._state = self._in_sql
        return self._pass(out, place)

    def _in_dollars(self, out: list[bytes]) -> bool:
        place = self._buffer.find(self._tag)
        if place < 0:
            self._pass(out, self._held())
            return False
        self._state = self._in_sql
        return self._pass(out, place + len(self._tag))

    def _in_comment_line(self, out: list[bytes]) -> bool:
        place = self._buffer.find(b"\n")
        if place < 0:
            self._pass(out, len(self._buffer))
            return False
        self._state = self._in_sql
        return self._pass(out, place + 1)

    def _in_comment(self, out: list[bytes]) -> bool:
        match = _COMMENT.search(self._buffer)
        if match is None:
            self._pass(out, self._held())
            return False
        self._depth += 1 if match.group() == b"/*" else -1
        if not self._depth:
            self._state = self._in_sql
        return self._pass(out, match.end())

    def _in_rows(self, out: list[bytes]) -> bool:
        """Rows of COPY, up to the line that ends them."""
        place = 0
        while True:
            place = self._buffer.find(b"\\.", place)
            if place < 0:
                # The end of a line stays, to know where one begins.
                self._pass_rows(out, len(self._buffer) if self._final else len(self._buffer) - 4)
                return False
            line = self._buffer.find(b"\n", place)
            if line < 0 and not self._final:
                self._pass_rows(out, place - 1)
                return False
            end = line + 1 if line >= 0 else len(self._buffer)
            begins = place == 0 or self._buffer[place - 1 : place] == b"\n"
            if begins and not self._buffer[place + 2 : end].strip():
                break
            place += 2
        self._state, self._at_start = self._in_sql, True
        return self._pass(out, end)

    def _pass_rows(self, out: list[bytes], end: int) -> None:
        if end > 0:
            out.append(self._buffer[:end])
            self._buffer = self._buffer[end:]

    def _end_statement(self, out: list[bytes], end: int) -> bool:
        line = self._buffer.find(b"\n", end)
        self._pass(out, end)
        self._at_start = True
        if _COPY.match(self._statement):
            # The rows begin in the next line.
            self._pass(out, line + 1 - end if line >= 0 else len(self._buffer))
            self._state = self._in_rows
        return True

    def _pass_command(self, out: list[bytes], start: int) -> bool:
        """Take out a command of psql, up to the end of its line; return False if that must be read first."""
        end = self._buffer.find(b"\n", start)
        if end < 0 and not self._final:
            self._pass(out, start)
            return False
        end = len(self._buffer) if end < 0 else end
        command = self._buffer[start:end]
        self._pass(out, start)
        self._buffer = self._buffer[end - start :]
        self._at_start = True
        name = _COMMAND.match(command)
        word = name.group().decode("ascii", "replace") if name else "\\"
        if word in ("\\restrict", "\\unrestrict"):
            return True
        database = database_of(command)
        if database:
            self.database, self._section_ends = database, True
        elif len(self.asked) < SHOWN:
            self.asked.append(f"{word} with a server" if word in ("\\connect", "\\c") else word)
        return True


def plain_name(name: bytes) -> str:
    """Return a name without its quotes."""
    text = name.decode("utf-8", "replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def database_of(command: bytes) -> str:
    """Return into which database a command goes; empty if it is another command, or names more than a database."""
    match = _DATABASE.match(command)
    if match is None:
        return ""
    inner, plain, conninfo = match.groups()
    if conninfo is not None:
        name = re.sub(
            rb"\\(.)|('')", lambda one: one.group(1) or b"'", conninfo.replace(b'""', b'"')
        )
    else:
        name = (inner or b"").replace(b'""', b'"') or plain
        if plain in (b"-",) or any(sign in name for sign in (b"=", b"://")):
            return ""
    return name.decode("utf-8", "replace")


def statements(text: bytes) -> list[bytes]:
    """Return the statements of a text that has neither rows nor commands of psql; comments are left out."""
    found: list[bytes] = []
    place = begin = 0
    text = re.sub(rb"(?m)^(?:--|\\(?:un)?restrict\b)[^\n]*$", b"", text)
    while True:
        token = _TOKEN.search(text, place)
        if token is None:
            break
        word, place = token.group(), token.end()
        if word == b";":
            found.append(text[begin:place].strip())
            begin = place
            continue
        escaped = text[max(0, token.start() - 1) : token.start()] in (b"E", b"e")
        place = _behind(text, word, place, escaped)
    rest = text[begin:].strip()
    return [*found, rest] if rest else found


def bare(statement: bytes) -> bytes:
    """Return a statement without its comments, with each text empty, and names without their quotes."""
    out: list[bytes] = []
    place = 0
    while True:
        token = _TOKEN.search(statement, place)
        if token is None:
            break
        word, start = token.group(), token.start()
        escaped = statement[max(0, start - 1) : start] in (b"E", b"e")
        end = _behind(statement, word, token.end(), escaped)
        out.append(statement[place:start])
        if word == b'"':
            out.append(_NO_WORD.sub(b"_", statement[start + 1 : end - 1]))
        elif word in (b"--", b"/*"):
            out.append(b" ")
        else:
            out.append(word if word in (b";", b"\\") else b"''")
        place = end
    return b"".join(out) + statement[place:]


def _behind(text: bytes, word: bytes, place: int, escaped: bool) -> int:
    """Return where what a token begins has ended."""
    if word in (b"'", b'"'):
        closing = _IDENTIFIER if word == b'"' else _ESCAPED if escaped else _QUOTE
        for match in closing.finditer(text, place):
            if not match.group().startswith(b"\\"):
                return match.end()
        return len(text)
    if word == b"/*":
        return _behind_comment(text, place)
    ends = b"\n" if word == b"--" else word if word.startswith(b"$") else b""
    end = text.find(ends, place) if ends else place
    return len(text) if end < 0 else end + len(ends)


def _behind_comment(text: bytes, place: int) -> int:
    """Return where a comment ends, in which there may be others."""
    depth = 1
    for match in _COMMENT.finditer(text, place):
        depth += 1 if match.group() == b"/*" else -1
        if not depth:
            return match.end()
    return len(text)
