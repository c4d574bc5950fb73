"""Passwords: hashed by argon2id, with the library's parameters (RFC 9106, low memory)."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 200
_hasher = PasswordHasher()


def problem_of(password: str, name: str = "") -> str:
    """Return why a password is not taken; empty if it is. Source: NIST SP 800-63B, section 3.1.1.2."""
    if len(password) < LEAST_CHARACTERS:
        return f"the password has {len(password)} characters; at least {LEAST_CHARACTERS}"
    if len(password) > MOST_CHARACTERS:
        return f"the password has {len(password)} characters; at most {MOST_CHARACTERS}"
    if len(set(password)) < 5 or (name and name in password.lower()):
        return (
            "the password is easily guessed: it repeats a few characters, or holds the user's name"
        )
    return ""


def hashed(password: str) -> str:
    """Return what is kept of the password."""
    return _hasher.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Return whether it is the password; None, for a user who is not there, takes as long and is False."""
    try:
        right = _hasher.verify(kept or _nobodys(), password[: 2 * MOST_CHARACTERS])
    except (VerificationError, InvalidHashError):
        return False
    return right and kept is not None


@cache
def _nobodys() -> str:
    return hashed("a password that nobody has")
