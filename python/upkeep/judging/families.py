"""Pure: which checks a family, a list or a pattern means.

Imported inside Ansible before it forks: nothing heavy in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from upkeep.judging.check import CONNECTION, Check
from upkeep.judging.entries import ParameterError
from upkeep.model.nearest import nearest

VARIABLE = "upkeep_family_version"
FIRST = "0.1.0"
"""What families mean where a site says no release, whatever the program's own is: an upgrade asks for nothing new."""
NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class NamedChecks:
    """The checks that are meant. later: those that the same words mean in a newer release than the site has chosen."""

    checks: tuple[str, ...]
    later: tuple[str, ...] = ()


def families(checks: Mapping[str, Check]) -> dict[str, list[str]]:
    """Return the ids of each family's checks; what is due wherever a host is connected to is no family."""
    found: dict[str, list[str]] = {}
    for name, one in sorted(checks.items()):
        if one.gather != CONNECTION:
            found.setdefault(one.family, []).append(name)
    return found


def is_several(word: str, checks: Mapping[str, Check]) -> bool:
    """Return whether a word means a family or is a pattern."""
    return word not in checks and (_is_pattern(word) or word in families(checks))


def named(words: Iterable[str], checks: Mapping[str, Check], version: str) -> NamedChecks:
    """Return the checks that ids, families and patterns mean.

    version: the release whose families are meant. A check that is named by its id is meant in any release.

    Raises: ParameterError with the index of a wrong word.
    """
    found: dict[str, bool] = {}
    for index, word in enumerate(words):
        if word in checks:
            found[word] = True
            continue
        for name in _of_word(word, index, checks):
            found[name] = found.get(name, False) or not is_newer(checks[name].since, version)
    now = tuple(name for name, there in found.items() if there)
    return NamedChecks(now, tuple(name for name, there in found.items() if not there))


def _of_word(word: str, index: int, checks: Mapping[str, Check]) -> Sequence[str]:
    """Return the checks of a family, or those that fit a pattern."""
    known = families(checks)
    if word in known:
        return known[word]
    fitting = [name for name in checks if _is_pattern(word) and fnmatchcase(name, word)]
    fitting = [name for name in fitting if checks[name].gather != CONNECTION]
    if fitting:
        return fitting
    if _is_pattern(word):
        raise ParameterError(f"no check fits the pattern {word!r}", path=(index,))
    there = f"there is no check and no family {word!r}{nearest(word, [*known, *checks])}"
    raise ParameterError(there, path=(index,))


def _is_pattern(word: str) -> bool:
    return any(sign in word for sign in "*?[")


def is_newer(one: str, other: str) -> bool:
    """Return whether a release is newer than another one."""
    return _numbers(one) > _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    found = NUMBERS.match(version)
    return tuple(map(int, found.groups())) if found else ()


def newest_first(versions: Iterable[str]) -> list[str]:
    """Return releases in order."""
    return sorted(versions, key=_numbers, reverse=True)


def version_of(value: Any, program: str) -> str:
    """Return the release whose families a site means, by its upkeep_family_version.

    value: None if it says none. program: this program's own release; one without numbers is not looked at.

    Raises: ParameterError.
    """
    if value is None:
        return FIRST
    if not isinstance(value, str) or not NUMBERS.fullmatch(value):
        expected = f"a release in quotes, such as '{FIRST}'"
        raise ParameterError(f"{VARIABLE}: found {value!r:.80}; expected {expected}", VARIABLE)
    if NUMBERS.match(program) and is_newer(value, program):
        message = (
            f"{VARIABLE}: found {value!r}; this program is {program}, and does not know what "
            "came later"
        )
        raise ParameterError(message, VARIABLE)
    return value


def newer(
    words: Iterable[str], without: Iterable[str], checks: Mapping[str, Check], version: str
) -> Iterator[Check]:
    """Yield the checks that an entry would ask for too, if the site chose the newest release."""
    left_out = set(without)
    for name in named(words, checks, version).later:
        if name not in left_out:
            yield checks[name]
