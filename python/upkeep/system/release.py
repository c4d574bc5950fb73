"""Which release of the program this is."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache  # the metadata are read as a mail each time, and each run and each answer has the version
def version() -> str:
    """Return the program's version; a checkout on PYTHONPATH has none."""
    try:
        return metadata.version("upkeep")
    except metadata.PackageNotFoundError:
        return "unknown"
