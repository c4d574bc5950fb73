# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are the volumes of one backup that was split, by their names.

A rotation (`dump.sql.gz.1`, `shop.0`) is no split: those are backups of their own. Sources: split(1) of coreutils,
zip(1), and the manuals of 7-Zip and rar.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import Callable, Pattern

MISSING_LIMIT = 100
GAP_LIMIT = 26
"""Letters that are farther apart are no volumes of one set, but endings such as .aa and .io."""

PACKED = (
    *("tar", "tgz", "tbz2", "tbz", "txz", "tzst", "gz", "bz2", "xz", "zst", "lz4", "lzma", "lzo"),
    *("lz", "7z", "zip", "rar", "cpio", "gpg", "pgp", "age", "enc"),
)
DUMPED = (
    *("sql", "dump", "dmp", "pgdump", "pg_dump", "bak", "backup", "sqlite", "sqlite3", "db", "mdb"),
    *("ldif", "img", "iso", "raw", "qcow2", "vma", "vmdk", "vhdx", "vbk", "json", "csv", "xml"),
    *("bson", "rdb", "archive", "mbstream", "xbstream", "dd", "zfs", "dar"),
)
_ARCHIVE = re.compile(rf"\.(?:{'|'.join(PACKED + DUMPED)})\Z", re.IGNORECASE)


@dataclass(frozen=True)
class VolumeSet:
    """The files of one backup.

    name: its path without what numbers the volumes. paths: in the order in which they are read. missing: the names
    (without the folder) that must lie before or between them, and do not; at most MISSING_LIMIT.
    """

    name: str
    paths: list[str]
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Volume:
    """A path that may be a volume. number: its place in its set. width: of the shortest mark of such a set."""

    path: str
    style: str
    stem: str
    sep: str
    mark: str
    after: str
    number: int
    width: int

    def named(self, number: int) -> str:
        """Return the path of another volume of the same set."""
        signs = _signs(self.style)
        if signs:
            mark = _counted(number, self.width, signs)
        elif self.style == "rar":
            mark = f"{chr(ord('r') + number // 100)}{number % 100:02}"
            mark = mark.upper() if self.mark.isupper() else mark
        else:
            mark = f"{number:0{self.width}}"
        return f"{self.stem}{self.sep}{mark}{self.after}"


_LETTERS = "(?P<mark>[a-z]{2,6})"
_NUMBERS = "(?P<mark>[0-9]{2,6})"
_PART = r"(?P<sep>[-_. ]part[-_.]?)"
_PACKED = "|".join(sorted(PACKED, key=len, reverse=True))
_AFTER = rf"(?P<after>\.part|(?:\.tar)?\.(?:{_PACKED}))"
_GLUED = rf"(?P<stem>.+\.(?:{_PACKED}))"
SIGNS = (
    ("letters", "abcdefghijklmnopqrstuvwxyz"),
    ("numbers", "0123456789"),
    ("hex", "0123456789abcdef"),
)
HEX = re.compile(r"(?P<stem>.+)(?P<sep>[-_.])(?P<mark>[0-9a-f]{2,6})\Z", re.DOTALL)
"""The names of `split -x` show themselves by the eleventh, 0a, beside one of the first ten."""
Alone = Callable[[str], bool]
"""Whether a file begins as a wrapping, an archive or a dump does: of volumes only the first one does."""
STYLES, SUFFIXED = (
    [
        (style, re.compile(pattern + r"\Z", re.IGNORECASE | re.ASCII | re.DOTALL))
        for style, pattern in patterns
    ]
    for patterns in (
        (
            ("part", r"(?P<stem>.+)(?P<sep>\.part)(?P<mark>[0-9]{1,5})(?P<after>\.rar)"),
            ("part", rf"(?P<stem>.+){_PART}(?P<mark>[0-9]{{1,5}})"),
            (
                "of",
                r"(?P<stem>.+)(?P<sep>[-_. ])(?P<mark>[0-9]{1,5})(?P<after>[-_ ]?of[-_ ]?[0-9]{1,5})",
            ),
            ("letters part", rf"(?P<stem>.+){_PART}{_LETTERS}"),
            ("zip", r"(?P<stem>.+)(?P<sep>\.z)(?P<mark>[0-9]{2,3})"),
            ("rar", r"(?P<stem>.+)(?P<sep>\.)(?P<mark>[r-y][0-9]{2})"),
            ("numbers", rf"(?P<stem>x)(?P<sep>){_NUMBERS}"),
            ("letters", rf"(?P<stem>x)(?P<sep>){_LETTERS}"),
            ("numbers", rf"{_GLUED}(?P<sep>[-_]?){_NUMBERS}"),
            ("letters", rf"{_GLUED}(?P<sep>){_LETTERS}"),
            ("numbers", rf"(?P<stem>.+)(?P<sep>\.){_NUMBERS}"),
            ("letters", rf"(?P<stem>.+)(?P<sep>[-_.]){_LETTERS}"),
        ),
        (
            ("numbers after", rf"(?P<stem>.+?)(?P<sep>[-_.]?){_NUMBERS}{_AFTER}"),
            ("letters after", rf"(?P<stem>.+?)(?P<sep>[-_.]){_LETTERS}{_AFTER}"),
        ),
    )
)


def grouped(paths: list[str], alone: Alone | None = None) -> list[VolumeSet]:
    """Return the backups that the files are, those that are split as one each; in the order of their first files.

    alone: without it the names alone decide.
    """
    every = list(dict.fromkeys(paths))
    known = set(every)
    hexed = _hexed(known)
    found: dict[str, VolumeSet] = {}
    for styles in (STYLES, SUFFIXED):
        sets: dict[tuple[str, ...], list[_Volume]] = {}
        for path in every:
            volume = _volume(path, hexed, styles) if path not in found else None
            if volume:
                after = volume.after.lower()
                width = "" if volume.style in ("part", "of") else str(volume.width)
                key = (volume.style, volume.stem, volume.sep.lower(), after, width)
                sets.setdefault(key, []).append(volume)
        for volumes in sets.values():
            one = _set_of(sorted(volumes, key=lambda volume: volume.number), known, alone)
            if one and not found.keys() & set(one.paths):
                found.update(dict.fromkeys(one.paths, one))
    backups: list[VolumeSet] = []
    done: set[str] = set()
    for path in every:
        if path not in done:
            backups.append(found.get(path, VolumeSet(path, [path])))
            done.update(backups[-1].paths)
    return backups


def _hexed(known: set[str]) -> set[tuple[str, str]]:
    """Return what stands before the marks of `split -x`."""
    found = set()
    for match in filter(None, map(HEX.match, known)):
        stem, sep, mark = match.group("stem", "sep", "mark")
        zeros = mark[:-1]
        before = (f"{stem}{sep}{zeros}{one}" for one in range(10))
        if mark[-1] in "abcdef" and not zeros.strip("0") and any(one in known for one in before):
            found.add((stem, sep))
    return found


def _volume(
    path: str, hexed: set[tuple[str, str]], styles: list[tuple[str, Pattern[str]]]
) -> _Volume | None:
    """Return the path as a volume, if its name is like that of one."""
    match = HEX.match(path)
    if match and match.group("stem", "sep") in hexed:
        stem, sep, mark = match.group("stem", "sep", "mark")
        return _Volume(path, "hex", stem, sep, mark, "", *_place("hex", mark))
    folder, name = os.path.split(path)
    for style, pattern in styles:
        match = pattern.match(name)
        number, width = _place(style, match.group("mark")) if match else (-1, 0)
        if match and number >= 0:
            stem = os.path.join(folder, match.group("stem"))
            after = match.groupdict().get("after") or ""
            sep, mark = match.group("sep"), match.group("mark")
            return _Volume(path, style, stem, sep, mark, after, number, width)
    return None


def _place(style: str, mark: str) -> tuple[int, int]:
    """Return the number of a volume, -1 if it is none, and the width of the marks.

    After yz split goes on with zaaa, after 89 with 9000: the first mark says how long they get.
    """
    if style == "rar":
        return (ord(mark[0].lower()) - ord("r")) * 100 + int(mark[1:]), 3
    signs = _signs(style)
    if not signs:
        return int(mark), len(mark)
    base, last = len(signs), signs[-1]
    longer = len(mark) // 2 - 1
    if longer and len(mark) % 2 == 0 and mark.startswith(last * longer):
        places, width = mark[longer:], 2
        before = sum((base - 1) * base ** (1 + one) for one in range(longer))
    else:
        places, width, before = mark, len(mark), 0
        if style.startswith("letters") and mark[:-2].strip("a"):
            return -1, 0
    number = before
    for at, place in enumerate(reversed(places)):
        digit = signs.find(place)
        if digit < 0:  # a capital letter
            return -1, 0
        number += digit * base**at
    return number, width


def _signs(style: str) -> str:
    """Return with what split counts; empty if it was another program."""
    return next((signs for name, signs in SIGNS if style.startswith(name)), "")


def _counted(number: int, width: int, signs: str) -> str:
    """Return a number in signs; two of them get longer, as split's do, before they are used up."""
    longer, base = 0, len(signs)
    while width == 2 and number >= (base - 1) * base ** (1 + longer):
        number -= (base - 1) * base ** (1 + longer)
        longer += 1
    mark = ""
    for _place in range(width + longer):
        number, digit = divmod(number, base)
        mark = signs[digit] + mark
    return signs[-1] * longer + mark


def _set_of(volumes: list[_Volume], known: set[str], alone: Alone | None) -> VolumeSet | None:
    """Return the volumes, in order, as a set; None if they are none."""
    style = volumes[0].style
    if style in ("zip", "rar"):
        return _with_base(volumes, known)
    if style == "of":
        return _with_total(volumes)
    kept = volumes[:1]
    for one in volumes[1:]:
        if style.startswith("letters") and one.number - kept[-1].number > GAP_LIMIT:
            break
        kept.append(one)
    if style.endswith("after"):
        return _with_suffix(volumes, alone)
    if not _is_split(kept):
        return None
    if style == "part":
        kept = _of_split(_same_width(kept))
    first = kept[0]
    begins = 0 if style.startswith("letters") else min(1, first.number)
    missing = _missing(kept, begins, kept[-1].number)
    if alone and (missing or len(kept) > 1) and all(alone(one.path) for one in kept):
        return None  # a rotation
    return VolumeSet(first.stem + first.after, [one.path for one in kept], missing)


def _with_suffix(volumes: list[_Volume], alone: Alone | None) -> VolumeSet | None:
    """Return the volumes that split named with --additional-suffix; others that look so are backups of their own."""
    first, paths = volumes[0], [one.path for one in volumes]
    if len(volumes) < 2 or [one.number for one in volumes] != list(range(len(volumes))):
        return None
    if first.after == ".part" and _ARCHIVE.search(first.stem):
        return VolumeSet(first.stem, paths)
    if not alone or [one for one in paths if alone(one)] != paths[:1]:
        return None
    return VolumeSet(first.stem + first.after, paths)


def _is_split(volumes: list[_Volume]) -> bool:
    """Return whether these are volumes, and not endings, rotations or days that only look so."""
    first, many = volumes[0], len(volumes) > 1
    archive = bool(first.after or _ARCHIVE.search(first.stem))
    if first.style.startswith("letters"):
        if archive:
            return first.number < GAP_LIMIT
        return first.number == 0 and (many or first.style == "letters part")
    if first.style == "part":
        return archive or (many and first.number <= 1)
    if not first.mark.startswith("0"):
        return False
    # Without a known ending before it, .00 may be an hour and .01 a day of the date before it.
    dated = first.width == 2 and first.stem[-1:].isdigit()
    whole = first.number <= 1 and volumes[-1].number - first.number == len(volumes) - 1
    return archive or (many and whole and not dated)


def _same_width(volumes: list[_Volume]) -> list[_Volume]:
    """Return the volumes without a second one of the same number, such as part1 beside part01."""
    kept: dict[int, _Volume] = {}
    for one in volumes:
        kept.setdefault(one.number, one)
    return list(kept.values())


def _of_split(volumes: list[_Volume]) -> list[_Volume]:
    """Return the parts as split numbers them, if it did: 9000 follows on 89."""
    marks = {one.mark for one in volumes}
    if "89" not in marks or "90" in marks or not marks & {"9000", "9001"}:
        return volumes
    return [
        replace(one, style="numbers", number=_place("numbers", one.mark)[0], width=2)
        for one in volumes
    ]


def _with_base(volumes: list[_Volume], known: set[str]) -> VolumeSet | None:
    """Return the volumes of a zip, which ends with .zip, or of a rar, which begins with .rar."""
    first, style = volumes[0], volumes[0].style
    ending = f".{style}"
    base = next(
        (path for path in (first.stem + ending, first.stem + ending.upper()) if path in known), None
    )
    begins = 1 if style == "zip" else 0
    if base is None and first.number != begins:
        return None
    paths = [one.path for one in volumes]
    missing = _missing(volumes, begins, volumes[-1].number)
    name = base or first.stem + ending
    if base is None:
        missing.append(os.path.basename(name))
    elif style == "zip":
        paths.append(base)
    else:
        paths.insert(0, base)
    return VolumeSet(name, paths, missing)


def _with_total(volumes: list[_Volume]) -> VolumeSet | None:
    """Return the volumes of a set that says how many they are, such as .1of3."""
    first = volumes[0]
    total = int(re.sub("[^0-9]", "", first.after))
    if total < 2 or first.number < 1 or volumes[-1].number > total:
        return None
    missing = _missing(volumes, 1, total)
    return VolumeSet(first.stem, [one.path for one in volumes], missing)


def _missing(volumes: list[_Volume], begins: int, ends: int) -> list[str]:
    """Return the names of the volumes from the first number to the last that are not there."""
    there = {one.number for one in volumes}
    found: list[str] = []
    for number in range(begins, ends):
        if len(found) >= MISSING_LIMIT:
            break
        if number not in there:
            found.append(os.path.basename(volumes[0].named(number)))
    if ends not in there and len(found) < MISSING_LIMIT:
        found.append(os.path.basename(volumes[0].named(ends)))
    return found
