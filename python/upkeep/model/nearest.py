"""The word that somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the word that is most like it; an empty text for none, and for one of them."""
    known = list(words)
    found = [] if word in known else difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""
