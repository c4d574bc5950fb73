"""The word that somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

TYPING_ERROR = 0.8
"""As alike as a word is with a letter more, less or other."""
ALIKE = 0.5
SHORTEST_PART = 3
MOST_NAMED = 3


def nearest(word: str, words: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for what somebody may have meant; an empty text for none, and for one of them.

    The word that is most like it or, if none is but for a letter, the first few that it is a part of.
    """
    known = list(words)
    if word in known:
        return ""
    found = difflib.get_close_matches(word, known, n=1, cutoff=TYPING_ERROR)
    if not found and len(word) >= SHORTEST_PART:
        found = sorted(one for one in known if word.lower() in one.lower())[:MOST_NAMED]
    found = found or difflib.get_close_matches(word, known, n=1, cutoff=ALIKE)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
