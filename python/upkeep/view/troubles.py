"""What did not pass: the worst of it kept, and printed as a table."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from upkeep.verdicts import Result, Status
from upkeep.view.model import HostInRun, Trouble
from upkeep.view.screen import Piece, Screen
from upkeep.view.text import command, pad, wrap

# Enough for any screen and for a log that people read; the store has the rest.
KEPT_TROUBLES = 1_000
# A host may send a megabyte as subject; what is kept of it is what can be shown.
KEPT_CHARACTERS = 2_000
WIDE_COLUMNS = 120


class Troubles:
    """Keeps the worst of what did not pass, and how much there was. A host that was not seen is one row."""

    def __init__(self, site: str = "", keep: int = KEPT_TROUBLES) -> None:
        self.count = 0
        self._site = site
        self._keep = keep
        self._order = itertools.count()
        # A heap gives its least first, so the order is turned round: what is let go is the least bad.
        self._heap: list[tuple[_Backwards, int, Trouble]] = []

    def add(self, host: HostInRun, results: Iterable[Result]) -> None:
        """Take in one host."""
        if host.unseen:
            doctor = command("doctor", site=self._site, limit=host.name)
            self._add(Trouble.of_host(host, f"see why: {doctor}"))
        for result in results:
            if result.status is Status.PASS or (host.unseen and result.status is Status.UNKNOWN):
                continue
            self._add(Trouble.of(result))

    def _add(self, trouble: Trouble) -> None:
        self.count += 1
        entry = (_Backwards(trouble.order), next(self._order), trouble)
        if len(self._heap) < self._keep:
            heapq.heappush(self._heap, _bounded(entry))
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, _bounded(entry))

    def worst(self) -> list[Trouble]:
        """Return what is kept, worst first."""
        return sorted((entry[2] for entry in self._heap), key=lambda trouble: trouble.order)


@dataclass(frozen=True)
class _Backwards:
    order: tuple[int, str, str, str]

    def __lt__(self, other: _Backwards) -> bool:
        return self.order > other.order


def _bounded(entry: tuple[_Backwards, int, Trouble]) -> tuple[_Backwards, int, Trouble]:
    trouble = entry[2]
    fields = (trouble.host, trouble.check, trouble.subject, trouble.message, trouble.remedy)
    if all(len(text) <= KEPT_CHARACTERS for text in fields):
        return entry
    host, check, subject, message, remedy = (_ends(text) for text in fields)
    short = replace(
        trouble, host=host, check=check, subject=subject, message=message, remedy=remedy
    )
    return _Backwards(short.order), entry[1], short


def _ends(text: str) -> str:
    if len(text) <= KEPT_CHARACTERS:
        return text
    half = KEPT_CHARACTERS // 2
    return f"{text[:half]}[{len(text) - 2 * half} characters cut]{text[-half:]}"


def print_troubles(screen: Screen, troubles: Sequence[Trouble], room: int) -> int:
    """Print rows, worst first, in at most room lines; return how many there was room for.

    The next step of rows that share it stands below the last of them.
    """
    layout = _Layout.fitting(screen, troubles[:room])
    used = shown = 0
    pending = ""
    for trouble in troubles:
        remedy = screen.text(trouble.remedy, 1_000)
        block = layout.remedy(pending) if pending and pending != remedy else []
        block += layout.row(trouble)
        last = sum(screen.rows(line) for line in layout.remedy(remedy))
        needed = used + sum(screen.rows(line) for line in block) + last
        if shown and needed > room:
            break
        for pieces in block:
            screen.line(*pieces)
        used = needed - last
        pending = remedy
        shown += 1
    for pieces in layout.remedy(pending):
        screen.line(*pieces)
    return shown


@dataclass(frozen=True)
class _Layout:
    """Column widths of one table. At less than WIDE_COLUMNS the message stands on a line of its own."""

    screen: Screen
    width: int
    status: int
    host: int
    check: int
    subject: int

    @classmethod
    def fitting(cls, screen: Screen, troubles: Sequence[Trouble]) -> _Layout:
        width = screen.width
        status = max((cell_len(_status(screen, t)[0]) for t in troubles), default=0)
        host = max((cell_len(screen.cut(t.host, 60)) for t in troubles), default=0)
        check = max((cell_len(screen.cut(t.check, 60)) for t in troubles), default=0)
        subject = max((cell_len(screen.cut(t.subject, 200)) for t in troubles), default=0)
        wide = width >= WIDE_COLUMNS
        host = min(host, max(16, width // (6 if wide else 3)))
        check = min(check, max(16, width // 8))
        left = width - status - host - check - 6
        subject = min(subject, left // 3 if wide else left)
        return cls(screen, width, status, host, check, subject)

    def row(self, trouble: Trouble) -> list[list[Piece]]:
        if not self.screen.live:
            return [[_plain(self.screen, trouble)]]
        words, style = _status(self.screen, trouble)
        start: list[Piece] = [
            (pad(words, self.status), style),
            "  " + pad(self.screen.cut(trouble.host, self.host), self.host),
        ]
        indent = self.status + 2
        message = self.screen.text(trouble.message, 600)
        if not trouble.check:  # a host that was not seen: its message takes the rest of the line
            at = indent + self.host + 2
            return self._hanging(start, message, at)
        start.append(("  " + pad(self.screen.cut(trouble.check, self.check), self.check), "dim"))
        if self.width < WIDE_COLUMNS:
            start.append("  " + self.screen.cut(trouble.subject, self.subject))
            lines: list[list[Piece]] = [start]
            lines += [[" " * indent + part] for part in wrap(message, self.width - indent)]
            return lines
        start.append("  " + pad(self.screen.cut(trouble.subject, self.subject), self.subject))
        return self._hanging(start, message, indent + self.host + self.check + self.subject + 6)

    def _hanging(self, start: list[Piece], message: str, at: int) -> list[list[Piece]]:
        first, *others = wrap(message, max(self.width - at, 16))
        lines: list[list[Piece]] = [[*start, "  " + first]]
        lines += [[" " * at + part] for part in others]
        return lines

    def remedy(self, remedy: str) -> list[list[Piece]]:
        """Return the next step as one line that is not broken, so that a command in it can be pasted."""
        if not remedy or not self.screen.live:
            return []
        return [[" " * (self.status + 2) + f"{self.screen.signs['next']} {remedy}"]]


def _status(screen: Screen, trouble: Trouble) -> tuple[str, str]:
    return screen.status(trouble.status, trouble.severity)


def _plain(screen: Screen, trouble: Trouble) -> str:
    """Return `db1: fail critical: backup_fresh shop: 31 h old, at most 24 h; next: …`."""
    host = screen.text(trouble.host, 300)
    status = (
        f"{trouble.status.value} {trouble.severity.value}"
        if trouble.severity
        else trouble.status.value
    )
    about = f"{trouble.check} {screen.text(trouble.subject, 600)}: " if trouble.check else ""
    remedy = f"; next: {screen.text(trouble.remedy, 1_000)}" if trouble.remedy else ""
    return f"{host}: {status}: {about}{screen.text(trouble.message, 1_000)}{remedy}"
