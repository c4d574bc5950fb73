"""Tables for every width: each cell knows its column, and names in it are broken only where they may be. Pure.

What a page shows of others is escaped before it comes here, so that each tag is one of our own templates.
"""

from __future__ import annotations

import re

TABLE = re.compile(r"(<table\b.*?</thead>)(.*?)(</table>)", re.DOTALL)
HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
PART = re.compile(r"<time\b.*?</time>|<(tr|td|th)\b|(?<=>)([^<>]+)(?=<)", re.DOTALL)
WORD = re.compile(r"[^\s<>]+")
CHARACTER = re.compile(r"&#?\w+;|.", re.DOTALL)
WHOLE_CHARACTERS = 24
"""A word of at most this many characters is not broken; a longer one is, after what separates its parts, or here."""
SEPARATORS = frozenset("./_:@=,-")


def fitted(page: str) -> str:
    """Return the page, in its tables the label of each cell, and where long words may be broken."""
    return TABLE.sub(_fitted, page)


def breakable(text: str) -> str:
    """Return escaped text with marks where it may be broken, and none where it may not."""
    return WORD.sub(lambda found: _word(found[0]), text)


def _fitted(found: re.Match[str]) -> str:
    labels = [" ".join(TAG.sub(" ", one).split()) for one in HEAD.findall(found[1])]
    column = 0

    def part(one: re.Match[str]) -> str:
        nonlocal column
        if one[2] is not None:
            return breakable(one[2])
        if one[1] == "tr":
            column = 0
        if one[1] not in ("td", "th"):  # a time is not broken, and has one form for paper
            return one[0]
        label = labels[column].replace('"', "&quot;") if column < len(labels) else ""
        column += 1
        return f'{one[0]} data-label="{label}"' if label else one[0]

    return found[1] + PART.sub(part, found[2]) + found[3]


def _word(word: str) -> str:
    characters = CHARACTER.findall(word)
    if len(characters) <= WHOLE_CHARACTERS:
        return f'<span class="whole">{word}</span>' if "-" in word else word
    made, since = [], 0
    for character in characters[:-1]:
        made.append(character)
        since += 1
        if character in SEPARATORS or since == WHOLE_CHARACTERS:
            made.append("<wbr>")
            since = 0
    return "".join([*made, characters[-1]])
