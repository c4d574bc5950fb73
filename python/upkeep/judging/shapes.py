"""Observations as typed values: what a host said, converted once to the shape that its gather declares.

A shape is a frozen dataclass beside its gather. A field that was added later has a default, so that what an older
program observed still fits; one whose meaning changed gets another name, or the shape another VERSION.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

VERSION_KEY = "shape_version"
"""In an observation's data: the version of its shape, from the second on."""
FIRST_VERSION = 1


MISSING = re.compile("Object missing required field `([^`]*)`")
WORDS = {
    "Expected": "expected",
    "array": "list",
    "array,": "list,",
    "object": "mapping",
    "object,": "mapping,",
    "null": "nothing",
    "null,": "nothing,",
    "|": "or",
}
"""Those of msgspec's, which are JSON's, that a reader of our messages would not take for ours."""


class ShapeError(ValueError):
    """An observation has not the shape that its gather declares; the text names the field."""


def typed(shape: type, seen: Observation) -> Any:
    """Return the observation's data as the shape, with its subject and raw text; what it does not know is left out.

    Raises: ShapeError with the field that does not fit, what was found there and what was expected.
    """
    version = seen.data.get(VERSION_KEY, FIRST_VERSION)
    expected: int = shape.VERSION  # type: ignore[attr-defined]
    if version != expected:
        raise ShapeError(
            f"observed as version {version!r:.20} of {shape.__name__}; this program reads version {expected}"
        )
    try:
        return msgspec.convert({**seen.data, "subject": seen.subject, "raw": seen.raw}, shape)
    except (msgspec.ValidationError, OverflowError, RecursionError) as exc:
        raise ShapeError(_said(str(exc), shape)) from exc


def _said(text: str, shape: type) -> str:
    """Return what msgspec says, such as ``Expected `int`, got `str` - at `$.lines` ``, in our words."""
    what, _at, where = text.partition(" - at `$")
    place = where.rstrip("`").lstrip(".")
    missing = MISSING.fullmatch(what)
    if missing:
        place, what = ".".join(filter(None, (place, missing[1]))), "expected, but missing"
    else:
        what = " ".join(WORDS.get(word, word) for word in what.replace("`", "").split(" "))
    return f"the observation does not fit {shape.__name__}: {place}: {what}"


class ShapedObservations:
    """Observations as their shapes, each converted once, however many checks judge it."""

    def __init__(self) -> None:
        # With the observation itself: as long as it is kept, no other one has its id.
        self._known: dict[tuple[int, type], tuple[Observation, Any]] = {}

    def of(self, shape: type | None, seen: Observation) -> Any:
        """Return what a check with this shape judges; the observation itself for one without.

        Raises: ShapeError.
        """
        if shape is None:
            return seen
        key = (id(seen), shape)
        if key not in self._known:
            self._known[key] = (seen, typed(shape, seen))
        return self._known[key][1]

    def if_it_fits(self, shape: type | None, seen: Observation) -> Any:
        """Return what a check with this shape judges; None for what an older program saw in another shape."""
        try:
            return self.of(shape, seen)
        except ShapeError:
            return None
