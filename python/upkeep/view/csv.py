"""Results as CSV, for people who open it in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from upkeep.model.text import safe
from upkeep.model.verdicts import Result

COLUMNS = (
    "host", "check", "subject", "status", "severity", "message", "remedy", "controls", "observed_at",
    "evidence_sha256",
)  # fmt: skip

# A cell that begins with one of these is a formula to a spreadsheet, which runs it when the file is opened.
# Source: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width forms


def results_csv(results: Iterable[Result]) -> Iterator[str]:
    """Yield lines of CSV, the heading first (RFC 4180)."""
    yield _line(COLUMNS)
    for result in results:
        yield _line(
            (
                result.host,
                result.check,
                result.subject,
                result.status.value,
                result.severity.value if result.severity else "",
                result.message,
                result.remedy,
                ", ".join(result.controls),
                result.observed_at.isoformat() if result.observed_at else "",
                result.evidence_sha256,
            )
        )


def cell(text: str) -> str:
    """Return text as a cell that no spreadsheet takes for a formula: an apostrophe before it says that it is text."""
    shown = safe(text)
    return f"'{shown}" if text.lstrip(" ").startswith(FORMULA_STARTS) else shown


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cell(text) for text in cells)
    return line.getvalue()
