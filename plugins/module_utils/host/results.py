# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one type that crosses the wire from a host to the controller."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Iterable, List

ERROR_LIMIT_CHARACTERS = 4_000
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates that stand for no byte: such as JSON's `\\ud800`."""


@dataclass(frozen=True)
class Observation:
    """What was seen of one subject on one host; no opinion about it.

    subject: what was looked at, unique on its host within its gather: a path, a unit, a database.
    data: parsed values, JSON types only; times ISO 8601 in UTC, sizes bytes, durations seconds.
    raw: the text they were parsed from, kept as evidence; bytes that are not UTF-8 as surrogate escapes.
    error: why nothing could be read; data is then empty, or has `cannot`: why in one word, and of what (host.WHY).
    of: the set that it is one of, such as all mounted file systems; empty for what is looked at in any case.
    """

    subject: str
    data: dict[str, Any] = field(default_factory=dict)
    raw: str = ""
    error: str = ""
    of: str = ""


class Whole(List[Observation]):
    """Observations of a gather that has seen sets whole: what was one of them, and is not here, is not there.

    A gather says so only if nothing that it could not read, had no time for or left out may be one of the set.
    """

    def __init__(self, observations: Iterable[Observation], of: Iterable[str]) -> None:
        """Keep the observations. of: the sets, each by the name that its observations have in `of`."""
        super().__init__(observations)
        self.of = tuple(of)


def not_seen(subject: str, exc: Exception, raw: str = "") -> Observation:
    """Return that nothing could be read of a subject, for what a host.HostError says."""
    why, at = getattr(exc, "why", ""), getattr(exc, "at", "")
    return Observation(subject, {"cannot": [why, at]} if why else {}, raw, str(exc))


def to_wire(seen: Observation) -> dict[str, Any]:
    r"""Return the observation as JSON types without lone surrogates.

    A raw text that is not UTF-8 travels as `raw_base64`, so that evidence keeps its bytes; elsewhere such bytes
    are shown as `\xNN`.
    """
    wire: dict[str, Any] = {"subject": readable(seen.subject), "data": readable(seen.data)}
    if seen.raw:
        raw = bytes_of(seen.raw)
        try:
            wire["raw"] = raw.decode("utf-8")
        except UnicodeDecodeError:
            wire["raw_base64"] = base64.b64encode(raw).decode("ascii")
    if seen.error:
        wire["error"] = readable(seen.error)[:ERROR_LIMIT_CHARACTERS]
    if seen.of:
        wire["of"] = seen.of
    return wire


def from_wire(wire: dict[str, Any]) -> Observation:
    """Return the observation that `to_wire` made.

    Raises: ValueError, KeyError or TypeError if it did not.
    """
    if not isinstance(wire, dict):
        raise TypeError("an observation is a mapping")
    raw = wire.get("raw", "")
    if "raw_base64" in wire:
        raw = base64.b64decode(wire["raw_base64"], validate=True).decode("utf-8", "surrogateescape")
    error, of = wire.get("error", ""), wire.get("of", "")
    seen = Observation(wire["subject"], wire.get("data", {}), raw, error, of)
    texts = (seen.subject, seen.raw, seen.error, seen.of)
    if not isinstance(seen.data, dict) or not all(isinstance(text, str) for text in texts):
        raise TypeError(
            "an observation has a text as subject, raw, error and of, and a mapping as data"
        )
    return seen


def bytes_of(text: str) -> bytes:
    r"""Return the bytes that the text was read from; a lone surrogate that stands for none as `\ud800`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        escaped = NO_BYTE.sub(lambda found: "\\u%04x" % ord(found.group()), text)
        return escaped.encode("utf-8", "surrogateescape")


def readable(value: Any) -> Any:
    r"""Return value with what is not Unicode text replaced by `\xNN` or `\uNNNN`, at any depth."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return bytes_of(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {readable(str(key)): readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(item) for item in value]
    return value
