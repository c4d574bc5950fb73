"""What `--limit` says of files: `@file` is one of names, which Ansible would look for in a run's own folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from upkeep.errors import UsageError

_FILE = re.compile(r"(?P<before>(?:^|[,:])\s*@)(?P<file>[^,:]*)")


def absolute_limit(limit: str) -> str:
    """Return a pattern with its files' paths from the working folder; raise UsageError if one cannot be read."""
    return _FILE.sub(_absolute, limit)


def _absolute(found: re.Match[str]) -> str:
    given = found["file"].rstrip()
    path = Path(given).expanduser().absolute()
    shown = f"--limit @{given}"
    if not given:
        raise UsageError("--limit @: expected a file of host names after the @")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not there"
        raise UsageError(
            f"{shown}: {path} is {what}; expected a file with a host or pattern a line"
        )
    if not os.access(path, os.R_OK):
        raise UsageError(f"{shown}: {path} cannot be read", remedy=f"ls -l {path}")
    if re.search("[,:]", str(path)):
        raise UsageError(
            f"{shown}: Ansible splits {path} at its comma or colon; copy the file elsewhere"
        )
    return found["before"] + str(path)
