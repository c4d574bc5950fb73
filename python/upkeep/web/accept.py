"""Choose the form of an answer by the header Accept (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.message import Message
from typing import NamedTuple
from urllib.request import parse_http_list


class MediaRange(NamedTuple):
    """One element of the header: `text/*`, `text/plain;version=0.0.4;q=0.5`. weight: its q, from 0 to 1."""

    kind: str
    parameters: Mapping[str, str]
    weight: float

    def closeness(self, kind: str, parameters: Mapping[str, str]) -> tuple[int, int] | None:
        """Return how closely the range describes that media type, more is closer; None if it does not.

        A parameter that the type does not have, such as `escaping`, says nothing about it.
        """
        shared = self.parameters.keys() & parameters.keys()
        if any(self.parameters[name] != parameters[name] for name in shared):
            return None
        ranges = ("*/*", f"{kind.partition('/')[0]}/*", kind)
        return (ranges.index(self.kind), len(shared)) if self.kind in ranges else None


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the one of the offered media types that the header Accept prefers.

    Of two that it likes equally well, the one that it describes more closely, else the first. The first, too, if it
    wants none of them or cannot be read: RFC 9110 leaves that to the server, and a text is of more use than status 406.
    """
    ranges = list(_ranges(accept))
    ranked = [_rank(one, ranges) for one in offered]
    return offered[ranked.index(max(ranked))]


def _rank(offered: str, ranges: Iterable[MediaRange]) -> tuple[float, tuple[int, int]]:
    """Return the weight of the range that describes the media type most closely, and how closely."""
    kind, parameters = _parse(offered)
    found = [
        (closeness, one.weight)
        for one in ranges
        if (closeness := one.closeness(kind, parameters)) is not None
    ]
    closeness, weight = max(found, default=((0, 0), 0.0))
    return (weight, closeness) if weight else (0.0, (0, 0))


def _ranges(accept: str) -> Iterator[MediaRange]:
    """Yield the elements of the header; what is none is left out."""
    for element in parse_http_list(accept):
        kind, parameters = _parse(element)
        with contextlib.suppress(ValueError):
            weight = float(parameters.pop("q", "1"))
            if 0 <= weight <= 1:
                yield MediaRange(kind, parameters, weight)


def _parse(element: str) -> tuple[str, dict[str, str]]:
    """Return a media type or range, and its parameters; their names in small letters."""
    message = Message()
    message["accept"] = element
    (kind, _empty), *parameters = message.get_params([("", "")], "accept")
    # By RFC 2231 some would be tuples, which HTTP does not know.
    texts = {name.lower(): value for name, value in parameters if isinstance(value, str)}
    return kind.lower(), texts
