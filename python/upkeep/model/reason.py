"""What counts as a reason or a note: something that a person can read."""

from __future__ import annotations

BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters by Unicode, the fillers of Hangul, that nobody sees."""


def says(text: str) -> bool:
    """Return whether a text has a letter or a digit that can be seen, and not spaces, signs and marks alone."""
    return any(one.isalnum() and one not in BLANK_LETTERS for one in text)
