"""As whom a command was told to act: `--as NAME`. The password is asked for, or read; it is never an argument."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Iterator
from contextvars import ContextVar

from upkeep.model.errors import UsageError

_NAME: ContextVar[str] = ContextVar("as_whom", default="")


@contextlib.contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Act as that user until the command ends."""
    token = _NAME.set(name.strip().lower())
    try:
        yield
    finally:
        _NAME.reset(token)


def told() -> str:
    """Return the user's name; empty if nobody was named."""
    return _NAME.get()


def password_of(name: str, what: str, *, terminal_only: bool = False) -> tuple[str, str]:
    """Return the password of a user, and where it came from: the terminal or, if there is none, standard input.

    Raises: UsageError if there is none.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass.getpass(f"Password of {name}, to {what}: "), "terminal"
    if terminal_only:
        raise UsageError(
            "no terminal to ask for a password",
            remedy="say who acts, with --as, and give the password on standard input",
        )
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line.strip("\r\n"):
        message = (
            f"there is no terminal to ask for the password of {name}, and standard input has none"
        )
        raise UsageError(message, remedy="give it on standard input, or call this on a terminal")
    return line.rstrip("\r\n"), "standard input"
