"""The operating system's account that this process runs as; in a container its number may have no name."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def known_name(number: int) -> str | None:
    """Return an account's name; None where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return None


def name_of(number: int) -> str:
    """Return an account's name, or `uid 1234` where it has none."""
    return known_name(number) or f"uid {number}"


def own_name() -> str:
    """Return the name of this process's account, whatever the environment says of it."""
    return name_of(os.geteuid())


def home() -> Path | None:
    """Return this account's home folder; None where neither the environment nor the system knows of one."""
    try:
        return Path.home()
    except RuntimeError:
        return None
