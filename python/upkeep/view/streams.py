"""Standard output and standard error, as commands use them.

A reader that has gone or a full disk ends no command, and signs fit the locale.
"""

from __future__ import annotations

import codecs
import io
import locale
import os
import select
import sys
from collections.abc import Mapping
from typing import TextIO

PLAINER = "upkeep.plainer"
"""How to write what an encoding lacks: `...` for an ellipsis, or as `\\u0416`."""


class LastingFile(io.FileIO):
    """A file that takes what is written when nobody can have it: a closed pipe, a full disk.

    What is shown must neither end a command nor change its exit status. lost: why the rest was lost; None as long as
    all was written.
    """

    lost: OSError | None = None

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream.fileno(), "w", closefd=False)
        self.stream = stream  # which would close the descriptor if nobody held it

    def write(self, data: object) -> int:
        """Write the bytes, or lose them; return how many are done with."""
        view = memoryview(data)  # type: ignore[arg-type]
        while self.lost is None:
            try:
                written = super().write(view)
            except OSError as exc:
                self.lost = exc
                break
            if written is not None:
                return written
            select.select([], [self.fileno()], [])  # another program has made it non-blocking
        return view.nbytes


def lasting(stream: TextIO, environ: Mapping[str, str] = os.environ) -> TextIO:
    """Return the stream so that it loses what cannot be written, and writes plainly what its encoding lacks.

    One that is no file of the operating system, such as a test's, stays as it is.
    """
    try:
        stream.fileno()
    except io.UnsupportedOperation:
        return stream
    codecs.register_error(PLAINER, _plainer)
    return io.TextIOWrapper(
        io.BufferedWriter(LastingFile(stream)),
        encoding=_encoding(stream, environ),
        errors=PLAINER,
        line_buffering=bool(stream.line_buffering),
    )


def lost(stream: TextIO) -> OSError | None:
    """Return why what was written to a stream is lost; None if all was written, or its reader had seen enough."""
    stream.flush()
    file = getattr(getattr(stream, "buffer", None), "raw", None)
    why = file.lost if isinstance(file, LastingFile) else None
    return None if isinstance(why, BrokenPipeError) else why


def _encoding(stream: TextIO, environ: Mapping[str, str]) -> str:
    """Return the encoding to write in.

    Under LC_ALL=C Python writes UTF-8 all the same (PEP 540), which such a terminal does not show. Nobody has asked for
    that unless one of Python's own variables says so.
    """
    asked = environ.get("PYTHONUTF8") or environ.get("PYTHONIOENCODING") or "utf8" in sys._xoptions
    return stream.encoding if asked or not sys.flags.utf8_mode else locale.getencoding()


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    from upkeep.model.text import plainer

    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plainer(error.object[error.start : error.end]), error.end
