# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a host may say, and in which shape. Pure.

A host's program keeps to less; this is for hosts that are not ours any more. What is over a bound costs the gather that
said it: `BoundsError` says what was found and what is the most.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    ERROR_LIMIT_CHARACTERS,
    readable,
)

ANSWER_LIMIT_BYTES = 16_000_000
HEAD_LIMIT_BYTES = 1_000
SUBJECTS_LIMIT = 20_000
VALUES_LIMIT = 1_000_000
"""In one gather's answer; a value of two characters takes a hundred bytes here."""
DEPTH_LIMIT = 64
"""Of a subject's data. Ansible drops what is some hundreds deep between two of its processes, without a word."""
NAME_LIMIT_CHARACTERS = 4_096
"""Of a subject and of a field's name: Linux's longest path."""
TEXT_LIMIT_CHARACTERS = 200_000
NUMBER_LIMIT = 1e20
"""Above 64 bits, which is what kernels and databases count with."""
SETS_LIMIT = 20
SET_LIMIT_CHARACTERS = 100
UID_LIMIT = 2**32
PART = frozenset({"observations", "error", "whole"})
FIELDS = frozenset({"subject", "data", "raw", "raw_base64", "error", "of"})
BY_LIMIT_CHARACTERS = 200
ISOLATION = re.compile(r"[0-9A-Za-z-]{1,40}")
PYTHON = re.compile(r"[0-9][0-9A-Za-z.+~-]{0,39}")


class BoundsError(ValueError):
    """An answer, or one gather's part of it, is too large or of another shape; the text says which and why."""


def head(line: str) -> dict[str, Any]:
    """Return the host's `python`, `clock`, `uid` and `isolated`, each only if it is what it should be.

    Raises: BoundsError.
    """
    if len(line) > HEAD_LIMIT_BYTES:
        raise BoundsError(f"a head of {len(line)} characters, at most {HEAD_LIMIT_BYTES}")
    found = _mapping(_load(line), "the head")
    python, clock, uid = found.get("python"), found.get("clock"), found.get("uid")
    told: dict[str, Any] = {}
    if isinstance(python, str) and PYTHON.fullmatch(python):
        told["python"] = python
    if (
        isinstance(clock, (int, float))
        and not isinstance(clock, bool)
        and abs(clock) < NUMBER_LIMIT
    ):
        told["clock"] = clock
    if isinstance(uid, int) and not isinstance(uid, bool) and 0 <= uid < UID_LIMIT:
        told["uid"] = uid
    isolated = found.get("isolated")
    if isinstance(isolated, dict) and _is_isolation(isolated):
        told["isolated"] = isolated
    return told


def _is_isolation(said: Mapping[str, Any]) -> bool:
    """Return whether this says of an isolation its id, since when it is, in seconds since 1970, and by whom."""
    id_, since, by = said.get("id"), said.get("since"), said.get("by")
    return (
        set(said) == {"id", "since", "by"}
        and isinstance(id_, str)
        and ISOLATION.fullmatch(id_) is not None
        and isinstance(since, (int, float))
        and not isinstance(since, bool)
        and 0 <= since < NUMBER_LIMIT
        and isinstance(by, str)
        and len(by) <= BY_LIMIT_CHARACTERS
        and by.isprintable()
    )


def part(line: str, limit_bytes: int) -> dict[str, Any]:
    """Return one gather's part.

    It has `error`, `observations` as `to_wire` makes them, and in `whole` the sets that were seen whole.

    Raises: BoundsError.
    """
    if len(line) > limit_bytes:
        raise BoundsError(f"{len(line)} bytes of observations, at most {limit_bytes}")
    found = _mapping(_load(line), "the answer")
    _only(found, PART, "the answer")
    observations = found.get("observations")
    if not isinstance(observations, list):
        raise BoundsError(f"observations are {_kind(observations)}; expected a list")
    if len(observations) > SUBJECTS_LIMIT:
        raise BoundsError(f"{len(observations)} subjects, at most {SUBJECTS_LIMIT}")
    left = VALUES_LIMIT
    for one in observations:
        left = _observation(one, left)
    _text(found, "error", ERROR_LIMIT_CHARACTERS)
    sets = {"whole": _sets(found["whole"])} if "whole" in found else {}
    return {"observations": observations, "error": found.get("error", ""), **sets}


def _sets(value: Any) -> list[str]:
    """Return the names of the sets that a gather has seen whole.

    Raises: BoundsError.
    """
    if not isinstance(value, list) or len(value) > SETS_LIMIT:
        raise BoundsError(f"whole is {_kind(value)}; expected a list of at most {SETS_LIMIT} names")
    for one in value:
        _text({"whole": one}, "whole", SET_LIMIT_CHARACTERS)
    return value


def _load(line: str) -> Any:
    """Return the line's JSON; what is no Unicode text in it is spelled out."""
    try:
        value = json.loads(line, object_pairs_hook=_unique, parse_constant=_no_number)
        # Only escapes and bytes that were not UTF-8 can give a lone surrogate.
        escapes = "\\u" in line and ("\\ud" in line or "\\uD" in line)
        return readable(value) if escapes or not line.isascii() else value
    except BoundsError:
        raise
    except RecursionError as exc:
        raise BoundsError(f"nested deeper than {DEPTH_LIMIT}") from exc
    except ValueError as exc:
        raise BoundsError(f"not JSON: {str(exc)[:200]}") from exc


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a mapping; two of one name are none, for who can say which one counts."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BoundsError("a mapping with two fields of the same name")
    return made


def _no_number(name: str) -> NoReturn:
    raise BoundsError(f"the number {name}; expected a finite one")


def _observation(one: Any, left: int) -> int:
    """Look at one observation; return how many values the next ones may have."""
    found = _mapping(one, "an observation")
    _only(found, FIELDS, "an observation")
    if "subject" not in found:
        raise BoundsError("an observation without a subject")
    _text(found, "subject", NAME_LIMIT_CHARACTERS)
    if "error" in found:
        _text(found, "error", ERROR_LIMIT_CHARACTERS)
    _text(found, "of", SET_LIMIT_CHARACTERS)
    for name in ("raw", "raw_base64"):
        if not isinstance(found.get(name, ""), str):
            raise BoundsError(f"{name} is {_kind(found[name])}; expected a text")
    if "raw_base64" in found:
        try:
            base64.b64decode(found["raw_base64"], validate=True)
        except (binascii.Error, ValueError) as exc:
            raise BoundsError("raw_base64 is not base64") from exc
    return _values(_mapping(found.get("data", {}), "data"), 1, left)


def _values(value: dict[str, Any] | list[Any], depth: int, left: int) -> int:
    """Look at what a mapping or a list holds; return how many more values there may be."""
    if depth > DEPTH_LIMIT:
        raise BoundsError(f"nested deeper than {DEPTH_LIMIT}")
    left -= len(value)
    if left < 0:
        raise BoundsError(f"more than {VALUES_LIMIT} values")
    items: Any = value
    if isinstance(value, dict):
        items = value.values()
        longest = max(map(len, value), default=0)
        if longest > NAME_LIMIT_CHARACTERS:
            raise BoundsError(
                f"a field's name of {longest} characters, at most {NAME_LIMIT_CHARACTERS}"
            )
    for item in items:
        kind = type(item)
        if kind is str:
            if len(item) > TEXT_LIMIT_CHARACTERS:
                raise BoundsError(
                    f"a text of {len(item)} characters, at most {TEXT_LIMIT_CHARACTERS}"
                )
        elif kind is dict or kind is list:
            left = _values(item, depth + 1, left)
        elif (kind is int or kind is float) and not -NUMBER_LIMIT < item < NUMBER_LIMIT:
            raise BoundsError(f"a number that is not within ±{NUMBER_LIMIT:g}")
    return left


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BoundsError(f"{name} is {_kind(value)}; expected a mapping")
    return value


def _only(found: dict[str, Any], names: frozenset[str], what: str) -> None:
    """Refuse fields that nobody would look at."""
    if not found.keys() <= names:
        other = min(found.keys() - names)
        raise BoundsError(f"{what} has a field {other[:40]!a}")


def _text(found: dict[str, Any], name: str, limit: int) -> None:
    text = found.get(name, "")
    if not isinstance(text, str):
        raise BoundsError(f"{name} is {_kind(text)}; expected a text")
    if len(text) > limit:
        raise BoundsError(f"{name} of {len(text)} characters, at most {limit}")


def _kind(value: Any) -> str:
    """Return what a value of JSON is, in words."""
    words = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false"}
    return "nothing" if value is None else words.get(type(value), "a number")
