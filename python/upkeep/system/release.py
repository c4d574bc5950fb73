"""Which release of the program this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Return the program's version; a checkout on PYTHONPATH has none."""
    try:
        return metadata.version("upkeep")
    except metadata.PackageNotFoundError:
        return "unknown"
