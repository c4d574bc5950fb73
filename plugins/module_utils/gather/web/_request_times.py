# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which number of an access log's line is the request time, and in which unit; and what would tell, if nothing does."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.astral.upkeep.plugins.module_utils.log.times import time_value

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
MOST_SECONDS = 1e7
EPOCH_DIGITS = 10
DIGITS = frozenset("0123456789")
DAY_SECONDS = 86_400

NUMBER = r"(\d{1,18}(?:\.\d{1,18})?)(s|ms|us|µs|ns)?"
TOKEN = re.compile(r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|[^\s\"]+(?:\"[^\"]*\")?")
QUOTED = re.compile(r"(?: \"[^\"\\]*(?:\\.[^\"\\]*)*\")*", re.DOTALL)
LONE_NUMBER = re.compile(r" \d{1,9}$", re.ASCII)
DECIMALS = re.compile(r"(?: \d{1,9}\.\d{1,18})+$", re.ASCII)
BARE_TIME = re.compile(NUMBER + ",?$", re.ASCII)
PLACED_TIME = re.compile(rf"(?:[\w.-]+[=:])?\"?{NUMBER}\"?,?$", re.ASCII)
JSON_TIME = re.compile(r"(\d{1,18}(?:\.\d{1,18})?(?:e-?\d{1,2})?)(s|ms|us|µs|ns)?$", re.ASCII)
TIME_NAMES = "rt|request_time|time|duration|[DT]"
UNIT_NAME = re.compile(r".*_(s|ms|us|ns)$")


class Open(NamedTuple):
    """What a line leaves open of how long its request took.

    most, least: of the numbers that may be the time; None if none of them can be taken for one.
    decided_by: the parameters that decide.
    """

    most: float | None
    least: float | None
    decided_by: str


TELL_UNIT = Open(None, None, "time_unit")
TELL_PLACE = Open(None, None, "time_place")
TELL_BOTH = Open(None, None, "time_unit and time_place")


class RequestTimes:
    """Reads request times. unit and place are what the site says; names: the JSON fields, own: the site named it."""

    def __init__(self, unit: str, place: int, names: tuple[str, ...], own: bool) -> None:
        self.unit = "" if unit == "auto" else unit
        self.place = place
        self.first = names[0]
        self.units = {
            name: match.group(1) for name in names for match in [UNIT_NAME.match(name)] if match
        }
        self.units.setdefault("Duration", "ns")  # Traefik's
        spelt = "|".join(map(re.escape, names)) if own else TIME_NAMES
        initials = {name[0] for name in names} if own else set("rtdDT")
        self.initials = initials.union(DIGITS)
        self.named = re.compile(rf"(?:{spelt})[=:]\"?{NUMBER}\"?,?$", re.ASCII)

    def in_text(self, text: str, start: int, at: float) -> float | Open | None:
        """Return what the rest of a line tells. at: the line's time.

        Only tokens outside quotes count: what stands in quotes may come from the client. A number with a name counts
        before one with a unit or a point, and that before the others, which may be sizes: those say nothing unless the
        unit was told, and there is only one.
        """
        if self.place:
            return self._placed(TOKEN.findall(text, start))
        quoted = QUOTED.match(text, start)
        rest = text[quoted.end() :] if quoted else text[start:]
        if not rest:
            return None
        if rest[1:2] not in DIGITS:
            return self._one_of(TOKEN.findall(rest) if '"' in rest else rest.split(), at)
        if DECIMALS.match(rest):
            factor = SECONDS[self.unit or "s"]
            values = [float(number) * factor for number in rest.split()]
            if len(values) == 1 or (factor == 1.0 and max(values) < MOST_SECONDS):
                return _between(values, "time_place")
        lone = LONE_NUMBER.match(rest)
        if lone is None:
            return self._one_of(TOKEN.findall(rest) if '"' in rest else rest.split(), at)
        return float(rest) * SECONDS[self.unit] if self.unit else TELL_UNIT

    def _one_of(self, tokens: list[str], at: float) -> float | Open | None:
        """Return what more than one token tells."""
        telling: list[float] = []
        named: list[float] = []
        whole: list[float] = []
        whole_named: list[float] = []
        for place, token in enumerate(tokens):
            if token[0] not in self.initials:
                continue
            bare = token[0] in DIGITS
            match = BARE_TIME.match(token) if bare else self.named.match(token)
            if match is None:
                continue
            number, unit = match.groups()
            if unit is None and place + 1 < len(tokens) and tokens[place + 1] in SECONDS:
                unit = tokens[place + 1]
            if len(number) >= EPOCH_DIGITS and _is_clock(number, at):
                continue
            tells = unit or ("." in number and self.unit in ("", "s"))
            seconds = float(number) * SECONDS[unit or self.unit or "s"]
            if seconds < MOST_SECONDS or not (tells or self.unit):
                kinds = (telling if tells else whole) if bare else (named if tells else whole_named)
                kinds.append(seconds)
        if named or (telling and not whole_named):
            return _between(named or telling, "time_place")
        return self._untold(whole_named or whole)

    def _placed(self, tokens: list[str]) -> float | Open | None:
        """Return the time at the place that the site named: from 1 on behind the size, or from -1 on from the end."""
        place = self.place - 1 if self.place > 0 else self.place + len(tokens)
        match = PLACED_TIME.match(tokens[place]) if 0 <= place < len(tokens) else None
        if match is None:
            return None
        number, unit = match.groups()
        unit = unit or _unit_of(tokens, place + 1) or self.unit or ("s" if "." in number else "")
        return float(number) * SECONDS[unit] if unit else TELL_UNIT

    def _untold(self, numbers: list[float]) -> float | Open | None:
        """Return what numbers tell that may be sizes as well."""
        if not numbers:
            return None
        if self.unit and min(numbers) == max(numbers):
            return numbers[0]
        if self.unit:
            return TELL_PLACE
        return TELL_UNIT if len(numbers) == 1 else TELL_BOTH

    def in_json(self, found: list[tuple[str, Any]], is_envoy: bool) -> float | Open | None:
        """Return what the fields of a line tell, by name; is_envoy: so that its `duration` is in milliseconds."""
        if len(found) == 1 or found[0][0] == self.first:
            return self._of_field(*found[0], is_envoy)
        told = [self._of_field(*one, is_envoy) for one in found]
        values = [one for one in told if isinstance(one, float)]
        if values:
            return _between(values, "fields")
        return TELL_UNIT if TELL_UNIT in told else None

    def _of_field(self, name: str, said: Any, is_envoy: bool) -> float | Open | None:
        """Return what one field tells."""
        unit = self.units.get(name) or self.unit
        if isinstance(said, float) and not unit:
            return said if 0 <= said < MOST_SECONDS else None
        if isinstance(said, bool) or not isinstance(said, (int, float, str)):
            return None
        match = JSON_TIME.match(str(said))
        if match is None:
            return None
        number, own = match.groups()
        unit = own or unit or ("ms" if is_envoy and name == "duration" else "")
        value = float(number)
        if not unit and value and number.isdigit():
            return TELL_UNIT
        seconds = value * SECONDS[unit or "s"]
        return seconds if seconds < MOST_SECONDS else None


def duration(said: Any) -> float:
    """Return what a JSON value tells of a time, to compare it with others of its name; -1 if nothing."""
    match = JSON_TIME.match(str(said))
    return float(match.group(1)) * SECONDS[match.group(2) or "s"] if match else -1.0


def _unit_of(tokens: list[str], place: int) -> str:
    """Return the unit that stands behind a number as a word of its own."""
    return tokens[place] if place < len(tokens) and tokens[place] in SECONDS else ""


def _is_clock(number: str, at: float) -> bool:
    """Return whether the number is the time of day again, such as nginx's $msec."""
    clock = time_value(float(number), at, 0)
    return clock is not None and abs(clock - at) < DAY_SECONDS


def _between(values: list[float], decided_by: str) -> float | Open | None:
    """Return the time, or between which it is."""
    if len(values) == 1:
        return values[0]
    least, most = min(values), max(values)
    return most if least == most else Open(most, least, decided_by)
