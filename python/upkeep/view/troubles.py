"""What did not pass: the worst of it kept, and printed as rows, each with its next step."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len

from upkeep.model.remedies import command
from upkeep.model.text import counted, pad, shortened, status_kind, status_words, wrap
from upkeep.model.verdicts import Result, Status
from upkeep.rules.sentences import doubt, names_subject, trouble_of
from upkeep.rules.trouble_groups import Order, TroubleGroup, causes_first, grouped
from upkeep.view.model import HostInRun, Trouble
from upkeep.view.screen import STYLES, Piece, Screen

# Enough for any screen and for a log that people read; the store has the rest.
KEPT_TROUBLES = 1_000
KEPT_NOTHING = 3
# A host may send a megabyte as subject; what is kept of it is what can be shown.
KEPT_CHARACTERS = 2_000
GAP = "  "
WIDE_COLUMNS = 120
MESSAGE_CHARACTERS = 300


class Troubles:
    """Keeps the worst of what did not pass, and how much there was. A host that was not seen is one row.

    nothing: the first of what had nothing to judge, which is no trouble.
    """

    def __init__(self, site: str = "", keep: int = KEPT_TROUBLES) -> None:
        self.count = 0
        self.by_check: dict[str, int] = {}
        self.nothing: list[Trouble] = []
        self._site = site
        self._keep = keep
        self._unseen: set[str] = set()
        self._order = itertools.count()
        # A heap gives its least first, so the order is turned round: what is let go is the least bad.
        self._heap: list[tuple[_Backwards, int, Trouble]] = []

    def add_host(self, host: HostInRun) -> None:
        """Take in a host, before its results: if it was not seen, its unknown results are this one row."""
        if host.unseen:
            self._unseen.add(host.name)
            doctor = command("doctor", site=self._site, limit=host.name)
            self._add(Trouble.of_host(host, f"{doctor}  # see why"))

    def add_results(self, results: Iterable[Result]) -> None:
        """Take in results."""
        for result in results:
            if result.status is Status.PASS:
                continue
            if result.has_nothing_to_judge:
                if len(self.nothing) < KEPT_NOTHING:
                    self.nothing.append(_bounded(Trouble.of(result)))
                continue
            if result.status is not Status.UNKNOWN or result.host not in self._unseen:
                self._add(Trouble.of(result))

    def _add(self, trouble: Trouble) -> None:
        self.count += 1
        self.by_check[trouble.check] = self.by_check.get(trouble.check, 0) + 1
        trouble = _bounded(trouble)
        entry = (_Backwards(trouble.order), next(self._order), trouble)
        if len(self._heap) < self._keep:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def worst(self) -> list[Trouble]:
        """Return what is kept, worst first, and what follows from another one behind it."""
        kept = sorted((entry[2] for entry in self._heap), key=lambda trouble: trouble.order)
        return causes_first(kept, Trouble.tell)


@dataclass(frozen=True)
class _Backwards:
    order: Order

    def __lt__(self, other: _Backwards) -> bool:
        return self.order > other.order


def _bounded(trouble: Trouble) -> Trouble:
    texts = (trouble.host, trouble.subject, trouble.message, trouble.remedy)
    if all(len(text) <= KEPT_CHARACTERS for text in texts):
        return trouble
    host, subject, message, remedy = (_ends(text) for text in texts)
    return replace(trouble, host=host, subject=subject, message=message, remedy=remedy)


def _ends(text: str) -> str:
    if len(text) <= KEPT_CHARACTERS:
        return text
    return shortened(text, KEPT_CHARACTERS // 2, KEPT_CHARACTERS // 2)


@dataclass(frozen=True)
class TroubleRow:
    """What is printed of one thing.

    kind: its sign and colour; words: after the sign. others: how many more hosts it is true of; more_checks: checks.
    noun: what stands on a terminal in the place of the check's id, by which plain lines are found. also_on: the other
    hosts, where all are named.
    """

    kind: str
    words: str
    host: str
    check: str
    subject: str
    message: str
    remedy: str = ""
    others: int = 0
    more_checks: int = 0
    noun: str = ""
    also_on: tuple[str, ...] = ()

    @classmethod
    def of(cls, trouble: Trouble) -> TroubleRow:
        """Return the row of a result that did not pass."""
        return cls(
            status_kind(trouble.status, trouble.severity),
            status_words(trouble.status, trouble.severity)
            + (", waived" if trouble.waiver else "")
            + (", doubted" if trouble.doubted else ""),
            trouble.host,
            trouble.check,
            trouble.subject,
            trouble.message,
            trouble.remedy,
            noun=trouble_of(trouble.check) if trouble.check else "",
        )

    @classmethod
    def of_group(
        cls, group: TroubleGroup[Trouble], site: str, *, name_all: bool = False
    ) -> TroubleRow:
        """Return the row of what did not pass for one cause. site: as a command takes it."""
        doctor = f"{command('doctor', site=site)}  # see why"
        return cls.of(group.first).for_all(group, doctor, name_all=name_all)

    def for_all(
        self, group: TroubleGroup[Any], remedy: str = "", *, name_all: bool = True
    ) -> TroubleRow:
        """Return the row of the first of a group as that of the whole group.

        remedy: where each host has its own. name_all: each host, and not only how many there are.
        """
        hosts, checks = len(group.hosts) - 1, len(group.checks) - 1
        if not hosts:
            return replace(self, more_checks=checks)
        message = self.message.replace(group.told[0].message, group.message, 1)
        step = self.remedy and (group.remedy or remedy)
        also = group.hosts[1:] if name_all else ()
        more = replace(self, others=hosts, more_checks=checks, also_on=also)
        return replace(more, message=message, remedy=step)

    def hosts(self, screen: Screen) -> str:
        """Return the host, and how many others."""
        return _and_more(screen, self.host, self.others)

    def checks(self, screen: Screen) -> str:
        """Return the check, and how many others."""
        return _and_more(screen, self.noun or self.check, self.more_checks)

    @property
    def named_subject(self) -> str:
        """The subject, if it tells more than a check's noun; `*` and `connection` do not."""
        tells = not self.noun or names_subject(self.check, self.subject)
        return self.subject if tells else ""

    def plain(self, screen: Screen) -> str:
        """Return `db1: fail critical: backup_fresh shop: 31 h old, at most 24 h; next: …`."""
        about = " ".join(screen.text(word, 600) for word in (self.check, self.subject) if word)
        parts = [screen.text(self.host, 300), self.words, about, screen.text(self.message, 1_000)]
        remedy = f"; next: {screen.text(self.remedy, 1_000)}" if self.remedy else ""
        return ": ".join(part for part in parts if part) + remedy


def _and_more(screen: Screen, name: str, others: int) -> str:
    return screen.text(name, MESSAGE_CHARACTERS) + (f" and {others} more" if others else "")


def groups_for(screen: Screen, troubles: Sequence[Trouble]) -> list[TroubleGroup[Trouble]]:
    """Return the troubles by their causes for people, or each by itself for a pipe."""
    if screen.live:
        return grouped(troubles, Trouble.tell)
    return [TroubleGroup((one,), (one.tell(),)) for one in troubles]


def print_doubts(screen: Screen, doubts: Mapping[str, int]) -> int:
    """Print of which checks results are doubted, and how many; return the number of lines."""
    lines = [doubt(check, number) for check, number in sorted(doubts.items())]
    for line in lines:
        screen.line((f"{screen.signs['warn']} {screen.text(line, 400)}", STYLES["warn"]))
    return len(lines)


def print_rows(screen: Screen, rows: Sequence[TroubleRow], room: int | None = None) -> int:
    """Print rows in at most room lines of a terminal, or all; return how many there was room for.

    The next step of rows that share it stands below the last of them.
    """
    if not screen.live:
        for row in rows:
            screen.line(row.plain(screen))
        return len(rows)
    layout = _Layout.fitting(screen, rows[:room])
    used = shown = 0
    pending = ""
    for row in rows:
        remedy = screen.text(row.remedy, 1_000)
        block = layout.remedy(pending) if pending != remedy else []
        block += layout.row(row)
        last = sum(screen.rows(line) for line in layout.remedy(remedy))
        needed = used + sum(screen.rows(line) for line in block)
        if shown and room is not None and needed + last > room:
            break
        for pieces in block:
            screen.line(*pieces)
        used, pending = needed, remedy
        shown += 1
    for pieces in layout.remedy(pending):
        screen.line(*pieces)
    long = sum(len(row.message) > MESSAGE_CHARACTERS for row in rows[:shown])
    if long:
        said = f"{counted(long, 'message is', 'messages are')} too long to show in full; with --json: all of it"
        screen.line((said, "dim"))
    return shown


@dataclass(frozen=True)
class _Layout:
    """Column widths of one table. At less than WIDE_COLUMNS the message stands on a line of its own."""

    screen: Screen
    words: int
    host: int
    check: int
    subject: int

    @classmethod
    def fitting(cls, screen: Screen, rows: Sequence[TroubleRow]) -> _Layout:
        width = screen.width
        wide = width >= WIDE_COLUMNS
        words = max((len(row.words) for row in rows), default=0) + 2
        host = _widest((row.hosts(screen) for row in rows), width // (4 if wide else 3))
        check = _widest((row.checks(screen) for row in rows), max(30, width // 4))
        left = width - words - host - check - 6
        room = max(left // 3 if wide else left, 8)
        subject = _widest((_subject(screen, row) for row in rows), room)
        return cls(screen, words, host, check, subject)

    def row(self, row: TroubleRow) -> list[list[Piece]]:
        """Return a row's lines. What is wider than its column, and what follows it, stands where there is room."""
        screen = self.screen
        message = screen.text(row.message, MESSAGE_CHARACTERS)
        line: list[Piece] = [
            (pad(f"{screen.signs[row.kind]} {row.words}", self.words), STYLES[row.kind])
        ]
        at, indent = self.words, self.words + len(GAP)
        moved: list[str] = []
        for text, width, style in (
            (row.hosts(screen), self.host, "bold"),
            (row.checks(screen), self.check, ""),
            (_subject(screen, row), self.subject, ""),
        ):
            if moved or cell_len(text) > width:
                moved += [text] if text else []
            # A host that was not seen has no check: its message takes the rest of the line.
            elif width and (text or row.check):
                line += [GAP, (pad(text, width), style)]
                at += width + len(GAP)
        rest, below, named = GAP.join(moved), [], []
        if moved and cell_len(rest) <= screen.width - at - len(GAP):
            line.append(GAP + rest)
        elif moved:
            if at == self.words:  # it is the host that is too wide
                host = moved.pop(0)
                if cell_len(host) <= screen.width - at - len(GAP):
                    line += [GAP, (host, "bold")]
                else:
                    named = [self._whole(host)]
            below = wrap(GAP.join(moved), screen.width - indent) if moved else []
        room = max(screen.width - at - len(GAP), 16)
        # A name in it is not broken where there is a line that is long enough.
        longest = max(map(cell_len, message.split(" ")))
        stacked = screen.width < WIDE_COLUMNS and row.check and (row.subject or row.noun)
        if rest or stacked or room < longest <= screen.width - indent:
            below += wrap(message, screen.width - indent)
            return [line, *named, *_lines(" " * indent, below), *self.also(row)]
        first, *others = wrap(message, room)
        below += others
        return [[*line, GAP + first], *_lines(" " * (at + len(GAP)), below), *self.also(row)]

    def _whole(self, host: str) -> list[Piece]:
        """Return a host's name on a line of its own, so that it can be copied; less indented if it is long."""
        room = self.screen.width - cell_len(host)
        return [" " * max(len(GAP), min(self.words + len(GAP), room)), (host, "bold")]

    def also(self, row: TroubleRow) -> list[list[Piece]]:
        """Return the lines that name the other hosts; none if they are not named."""
        if not row.also_on:
            return []
        indent = self.words + 2
        names = [self.screen.text(one, MESSAGE_CHARACTERS) for one in row.also_on]
        if max(map(cell_len, names)) > self.screen.width - indent - len("also on ,"):
            return [[" " * indent, "also on"], *(self._whole(one) for one in names)]
        said = f"also on {', '.join(names)}"
        return _lines(" " * indent, wrap(said, self.screen.width - indent))

    def remedy(self, remedy: str) -> list[list[Piece]]:
        """Return the next step as one line that is not broken, so that a command in it can be pasted."""
        if not remedy:
            return []
        return [[" " * (self.words + 2) + f"{self.screen.signs['next']} {remedy}"]]


def _subject(screen: Screen, row: TroubleRow) -> str:
    return screen.text(row.named_subject, MESSAGE_CHARACTERS)


def _widest(texts: Iterable[str], most: int) -> int:
    """Return how wide the widest of the texts is that are not wider than most columns."""
    return max((width for width in map(cell_len, texts) if width <= most), default=0)


def _lines(indent: str, texts: Iterable[str]) -> list[list[Piece]]:
    return [[indent + text] for text in texts]
