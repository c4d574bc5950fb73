"""Words, numbers and other people's text, made fit to be read. Pure."""

from __future__ import annotations

import functools
import re
import unicodedata
from datetime import datetime, timedelta, tzinfo

from rich.cells import cell_len

from upkeep.model.verdicts import Severity, Status

LIMIT_CHARACTERS = 4_000
# Letters of some languages carry two or three marks; a dozen is a prank that overwrites the lines around.
MARKS_PER_LETTER = 4
# Take no room, or as much as the font likes, though Unicode calls them letters or marks.
INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5\u2800") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}

Natural = tuple[tuple[str | tuple[int, str], ...], str]
"""What `natural` gives."""

SIGNS = {"fail": "✗", "warn": "▲", "unknown": "?", "pass": "✓", "next": "→", "more": "…"}
ASCII_SIGNS = {"fail": "x", "warn": "!", "unknown": "?", "pass": "+", "next": "->", "more": "..."}

# What is written instead where the encoding has no such character.
PLAINER = {
    **{SIGNS[kind]: ASCII_SIGNS[kind] for kind in SIGNS},
    "·": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2018": "'", "\u2019": "'", "“": '"', "”": '"',
    "\xd7": "x", "≤": "<=", "≥": ">=", "µ": "u", "\xa0": " ",
}  # fmt: skip

_DIGITS = re.compile(r"([0-9]+)")
_NUMBER_WITH_UNIT = re.compile(r"(?<=\d) (?=(?:%|[A-Za-zµ°]{1,5}(?:/[a-z]+)?)(?![\w]))")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def safe(text: str, limit: int = LIMIT_CHARACTERS) -> str:
    r"""Return a text as one line that is harmless in a terminal.

    Control characters, line breaks, bidirectional overrides and whatever else is invisible stand there as
    `\x1b` or `\u202e`. A text longer than limit loses its middle and says how much.
    """
    if len(text) > limit:
        left = limit * 2 // 3
        return safe(shortened(text, left, limit - left), len(text) + LIMIT_CHARACTERS)
    if text.isascii() and text.isprintable():
        return text
    pieces = []
    marks = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
            marks += 1
        else:
            marks = 0
        if not character.isprintable() or character in INVISIBLE or marks > MARKS_PER_LETTER:
            pieces.append(_visible(character))
        else:
            pieces.append(character)
    return "".join(pieces)


def shortened(text: str, head: int, tail: int) -> str:
    """Return the first `head` and the last `tail` characters of a text, and between them how much is left out."""
    left_out = counted(len(text) - head - tail, "character")
    return f"{text[:head]} (… {left_out} left out …) {text[len(text) - tail :]}"


def natural(text: str) -> Natural:
    """Return a key that sorts as people do: web2 before web10, 7 before 007."""
    # Digits stand at each odd place, so that a number is only ever compared with a number.
    pieces = (
        (len(piece.lstrip("0")), piece.lstrip("0")) if index % 2 else piece
        for index, piece in enumerate(_DIGITS.split(text))
    )
    return tuple(pieces), text


def safe_lines(text: str, limit: int = LIMIT_CHARACTERS) -> list[str]:
    """Return a text's lines, each harmless; tabs become spaces."""
    lines = re.split(r"\r\n|\n", text)
    return [safe(line.expandtabs(8), limit) for line in lines]


def _visible(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as surrogateescape keeps it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def encodable(text: str, encoding: str) -> str:
    r"""Return text in an encoding: what it lacks is written plainer, `...` for an ellipsis, or as `\u0416`."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(map(functools.partial(_encodable, encoding=encoding), text))
    return text


def _encodable(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return plainer(character)
    return character


def plainer(text: str) -> str:
    r"""Return a text in ASCII: `...` for an ellipsis, `\u0416` for what has no plainer form."""
    written = "".join(PLAINER.get(character, character) for character in text)
    return written.encode("ascii", "backslashreplace").decode("ascii")


def cut_middle(text: str, width: int, more: str = "…") -> str:
    """Return text in at most width columns; what is too much is taken from its middle."""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(more)
    if room < 2:
        return _head(text, width)
    head = _head(text, room // 2)
    tail = _tail(text, room - cell_len(head))
    return head + more + tail


def _head(text: str, width: int) -> str:
    end = len(text)
    used = 0
    for index, character in enumerate(text):
        used += cell_len(character)
        if used > width:
            end = index
            break
    return text[:end]


def _tail(text: str, width: int) -> str:
    start = len(text)
    used = 0
    for index in range(len(text) - 1, -1, -1):
        used += cell_len(text[index])
        if used > width:
            break
        start = index
    while start < len(text) and unicodedata.combining(text[start]):
        start += 1
    return text[start:]


def pad(text: str, width: int) -> str:
    """Return text filled with spaces to width columns."""
    return text + " " * max(0, width - cell_len(text))


def wrap(text: str, width: int) -> list[str]:
    """Return text in lines of at most width columns, broken at spaces, never between a number and its unit.

    A word that is wider than the line is broken where the line ends.
    """
    lines: list[str] = []
    line = ""
    for word in unbroken(text).split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while cell_len(line) > width:
            head = _head(line, width) or line[:1]
            lines.append(head)
            line = line[len(head) :]
    lines.append(line)
    return [line.replace("\xa0", " ") for line in lines]


def unbroken(text: str) -> str:
    """Return text in which no line breaks between a number and its unit."""
    return _NUMBER_WITH_UNIT.sub("\xa0", text)


def exact(when: datetime, zone: tzinfo | None = None, *, seconds: bool = True) -> str:
    """Return `2026-11-23 07:58:12 +01:00`, or `… UTC`; in the zone, else in the one that the time has."""
    local = when.astimezone(zone) if zone else when
    offset = local.utcoffset() or timedelta(0)
    said = f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"
    return f"{said} {local.isoformat()[-6:]}" if offset else f"{said} UTC"


def ago(then: datetime, now: datetime) -> str:
    """Return `2 h ago` or `in 3 days`."""
    seconds = (now - then).total_seconds()
    text = age(abs(seconds))
    if abs(seconds) < 1:
        return "now"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def as_of(then: datetime, now: datetime, zone: tzinfo) -> str:
    """Return `as of 11:56, 5 min ago`; with its day, if that is another one."""
    local = then.astimezone(zone)
    day = "" if local.date() == now.astimezone(zone).date() else f"{local:%Y-%m-%d} "
    return f"as of {day}{local:%H:%M}, {ago(then, now)}"


def age(seconds: float) -> str:
    """Return a time span in its one best unit: `40 s`, `31 h`, `9 days`."""
    for below, per, unit in (
        (90, 1, "s"),
        (90 * 60, 60, "min"),
        (48 * 3600, 3600, "h"),
        (21 * 86400, 86400, "days"),
        (75 * 86400, 7 * 86400, "weeks"),
        (730 * 86400, 30.44 * 86400, "months"),
    ):
        if seconds < below:
            return f"{int(seconds // per)} {unit}"
    return f"{int(seconds // (365.25 * 86400))} years"


def duration(seconds: float) -> str:
    """Return how long something took: `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(count: float) -> str:
    """Return a number of bytes with its binary unit: `512 B`, `1.5 KiB`, `20 GiB`."""
    for unit in _UNITS:
        # 1023.95 rounds to 1024.0, which is 1.0 of the next unit.
        if abs(count) < 1023.95 or unit == _UNITS[-1]:
            digits = 0 if unit == "B" or abs(count) >= 99.95 else 1
            return f"{count:.{digits}f} {unit}"
        count /= 1024
    raise AssertionError


def counted(number: int, one: str, many: str = "") -> str:
    """Return `1 host` or `1 234 hosts`."""
    return f"{thousands(number)} {one if number == 1 else many or one + 's'}"


def who_ran(started_by: str, asked_by: str) -> str:
    """Return who wanted a run, and which account it was run by, if that is another; empty if nobody knows."""
    if asked_by and asked_by != started_by:
        return f"asked for by {asked_by}, run by {started_by}"
    return f"by {started_by}" if started_by else ""


def thousands(number: int) -> str:
    """Return a number with its thousands apart: `12 345`."""
    return f"{number:,}".replace(",", " ") if number >= 10_000 else str(number)


def status_words(status: Status, severity: Severity | None = None) -> str:
    """Return `fail critical`, `unknown`, `pass`."""
    words: str = status.value
    return f"{words} {severity.value}" if severity else words


def status_kind(status: Status, severity: Severity | None = None) -> str:
    """Return which sign and colour it has: fail, warn, unknown or pass."""
    if status is Status.FAIL:
        return "fail" if severity in (Severity.CRITICAL, Severity.HIGH) else "warn"
    return status_words(status)


def status_sign(
    status: Status, severity: Severity | None = None, *, ascii_only: bool = False
) -> str:
    """Return `✗ fail critical`, `▲ fail medium`, `? unknown`, `✓ pass`."""
    signs = ASCII_SIGNS if ascii_only else SIGNS
    return f"{signs[status_kind(status, severity)]} {status_words(status, severity)}"
