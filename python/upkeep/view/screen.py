"""Where lines are printed: a terminal with its width and colours, or a pipe with neither."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, TextIO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from upkeep.model.text import (
    ASCII_SIGNS,
    SIGNS,
    cut_middle,
    encodable,
    safe,
    status_kind,
    status_words,
)
from upkeep.model.verdicts import Severity, Status

WIDTH_COLUMNS = (40, 200)

# Told apart by people who do not see red and green apart, on dark and on light; the sign and the word say the same.
STYLES = {"fail": "bold red", "warn": "yellow", "unknown": "magenta", "pass": "cyan", "": ""}

Piece = str | tuple[str, str]


class Letters:
    """The characters that there are to write with, and other people's text in them."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.unicode = encodable("".join(SIGNS.values()), encoding) == "".join(SIGNS.values())
        self.signs = SIGNS if self.unicode else ASCII_SIGNS
        self.dot = " · " if self.unicode else " - "

    def text(self, text: str, limit: int = 4_000) -> str:
        """Return other people's text, harmless and in characters that there are."""
        return encodable(safe(text, limit), self.encoding)

    def cut(self, text: str, width: int) -> str:
        """Return other people's text in at most width columns."""
        # A character takes no column only if it is a mark, and safe leaves few of those.
        return cut_middle(self.text(text, limit=max(80, width * 8)), width, self.signs["more"])


class Screen(Letters):
    """Prints lines to a stream. Host text must have gone through `text` before.

    live: whether the stream is a terminal that can take back what it has shown.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__(getattr(stream, "encoding", None) or "utf-8")
        self.stream = stream
        self.terminal = stream.isatty()
        self.live = self.terminal and environ.get("TERM") not in ("dumb", "unknown")
        self.console = Console(
            file=cast("IO[str]", stream),
            force_terminal=self.live,
            no_color=bool(environ.get("NO_COLOR")),
            color_system="auto" if self.live else None,
            emoji=False,
            markup=False,
            highlight=False,
        )

    @property
    def width(self) -> int:
        """How many columns a line may have; follows the terminal."""
        least, most = WIDTH_COLUMNS
        return max(least, min(self.console.width, most))

    @property
    def height(self) -> int:
        """How many lines there are."""
        return self.console.height

    def status(self, status: Status, severity: Severity | None = None) -> tuple[str, str]:
        """Return sign and words of a status, with their style."""
        kind = status_kind(status, severity)
        return f"{self.signs[kind]} {status_words(status, severity)}", STYLES[kind]

    def line(self, *pieces: Piece) -> None:
        """Print one line, as long as it is: the terminal breaks what does not fit, so that it can be pasted."""
        if not self.live:
            plain = "".join(piece if isinstance(piece, str) else piece[0] for piece in pieces)
            self.stream.write(plain.rstrip() + "\n")
            return
        text = Text.assemble(*pieces)
        text.rstrip()
        self.console.print(text, soft_wrap=True)

    def rows(self, pieces: Sequence[Piece]) -> int:
        """Return how many rows the terminal makes of a line."""
        columns = sum(cell_len(piece if isinstance(piece, str) else piece[0]) for piece in pieces)
        return max(1, -(-columns // self.width))

    def flush(self) -> None:
        """Let a reader of the pipe see it now."""
        self.stream.flush()
