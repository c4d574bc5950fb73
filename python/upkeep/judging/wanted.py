"""Pure: what a site's entries ask for, each check by itself, whoever wrote it alone or with its family.

All that reads entries comes through here; behind it there are no families. Imported inside Ansible before it forks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import Check
from upkeep.judging.entries import (
    ParameterError,
    find,
    has_template,
    is_template,
    limit_names,
    split,
)
from upkeep.judging.families import FIRST, is_several, named
from upkeep.model.nearest import nearest

CHECKS, LIMITS, WITHOUT = "checks", "limits", "without"
Way = tuple[str | int, ...]
"""The way to a part of a list of entries."""


@dataclass(frozen=True)
class WantedCheck:
    """One check that a site asks for.

    params: its gather's parameters, as the site says them. limits: those that it sets. source: the entry that was
    written; it knows its place in Ansible's files. variable: the list that it stands in. ways: where in that list each
    parameter and each limit stands; under an empty name, the entry.
    """

    check: Check
    params: dict[str, Any]
    limits: dict[str, Any]
    source: Any
    variable: str = ""
    ways: Mapping[str, Way] = field(default_factory=dict)

    @property
    def things(self) -> str:
        """What is to be looked at, as a text that is the same for the same."""
        return json.dumps(self.params, sort_keys=True, default=str)


def is_opaque(entry: Any) -> bool:
    """Return whether a template says which checks an entry asks for."""
    if not isinstance(entry, Mapping):
        return is_template(entry)
    return any(has_template(entry.get(key)) for key in ("check", CHECKS, WITHOUT))


def merge(
    variables: Mapping[str, Any],
    checks: Mapping[str, Check],
    version: str = FIRST,
    *,
    skip_opaque: bool = False,
) -> list[WantedCheck]:
    """Return what a host's variables `upkeep_checks_<name>` ask for, in the order of their names.

    version: the release whose families are meant. skip_opaque: see `of_list`. The same thing twice counts once. Two
    that ask for the same check of the same things with other limits are an error: one of them would silently lose.
    Raises: ParameterError.
    """
    merged: list[WantedCheck] = []
    places: dict[tuple[str, str], WantedCheck] = {}
    for variable in sorted(variables):
        entries = variables[variable]
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            kind = type(entries).__name__
            raise ParameterError(f"{variable}: {kind} found; expected a list of checks", variable)
        try:
            found = of_list(entries, checks, version, variable, skip_opaque=skip_opaque)
        except ParameterError as exc:
            raise ParameterError(f"{variable}: {exc}", exc.key, exc.entry, exc.path) from exc
        for one in found:
            key = (one.check.id, one.things)
            known = places.setdefault(key, one)
            if known is one:
                merged.append(one)
            elif known.limits != one.limits:
                raise _disagreement(known.variable, one)
    return merged


def of_list(
    entries: Sequence[Any],
    checks: Mapping[str, Check],
    version: str = FIRST,
    variable: str = "",
    *,
    skip_opaque: bool = False,
) -> list[WantedCheck]:
    """Return what one list asks for.

    skip_opaque: leave out the entries of which only Ansible can say what they ask for, where it has not been asked.
    An entry with `check` refines what a family's entry in the same list asks for: it sets limits where it names the
    same things, or none.

    Raises: ParameterError with the entry, and the way to what is wrong in it.
    """
    alone: list[WantedCheck] = []
    together: list[WantedCheck] = []
    for index, entry in enumerate(entries):
        if skip_opaque and is_opaque(entry):
            continue
        try:
            found = of_entry(entry, checks, version)
        except ParameterError as exc:
            raise ParameterError(str(exc), exc.key, entry, (index, *exc.path)) from exc
        placed = [_placed(one, index, variable) for one in found]
        (together if _names_several(entry, checks) else alone).extend(placed)
    if not together:
        return alone
    refined = [_refined(one, alone) for one in together]
    left = [one for one in alone if not any(_refines(one, other) for other in together)]
    return sorted([*refined, *left], key=lambda one: one.ways[""])


def _placed(one: WantedCheck, index: int, variable: str) -> WantedCheck:
    """Return what an entry asks for with its place in the list."""
    ways = {name: (index, *way) for name, way in one.ways.items()}
    return replace(one, variable=variable, ways=ways)


def _refines(alone: WantedCheck, other: WantedCheck) -> bool:
    """Return whether an entry says more of what a family's entry asks for, and asks for nothing else."""
    if alone.check.id != other.check.id:
        return False
    return alone.things == other.things or bool(alone.limits and not alone.params)


def _refined(one: WantedCheck, alone: Sequence[WantedCheck]) -> WantedCheck:
    """Return what a family's entry asks for, with the limits that entries of this check alone set for it."""
    said: dict[str, Any] = {}
    ways = dict(one.ways)
    for other in alone:
        if _refines(other, one):
            for name, value in other.limits.items():
                if said.get(name, value) != value:
                    what = f"{name}: {said[name]!r:.40} and {value!r:.40}"
                    message = f"check {one.check.id}: two entries of this list refine {what}"
                    raise ParameterError(message, entry=other.source, path=other.ways[name])
            said |= other.limits
            ways |= {name: other.ways[name] for name in other.limits}
    return replace(one, limits=one.limits | said, ways=ways)


def _disagreement(variable: str, one: WantedCheck) -> ParameterError:
    where = f"{variable} and {one.variable}"
    message = f"check {one.check.id} of the same things, with different limits in {where}"
    return ParameterError(message, entry=one.source, path=one.ways[""])


def _names_several(entry: Any, checks: Mapping[str, Check]) -> bool:
    if isinstance(entry, Mapping):
        return CHECKS in entry
    return isinstance(entry, str) and is_several(entry, checks)


def of_entry(entry: Any, checks: Mapping[str, Check], version: str = FIRST) -> list[WantedCheck]:
    """Return what an entry asks for.

    Raises: ParameterError with the way to what is wrong in it.
    """
    if _names_several(entry, checks):
        said = entry if isinstance(entry, Mapping) else {CHECKS: entry}
        return list(_of_family(entry, said, checks, version))
    name = entry.get("check") if isinstance(entry, Mapping) else None
    if isinstance(name, str) and is_several(name, checks):
        raise ParameterError(f"{name!r} is not a single check; expected `checks: {name}`", "check")
    check = find(entry, checks)
    params, limits = split(check, entry)
    return [
        WantedCheck(
            check,
            params,
            limits,
            entry,
            ways={"": (), **{one: (one,) for one in (*params, *limits)}},
        )
    ]


def _of_family(
    entry: Any, said: Mapping[str, Any], checks: Mapping[str, Check], version: str
) -> Iterator[WantedCheck]:
    """Yield what an entry with `checks` asks for."""
    chosen = _chosen(said, checks, version)
    own_limits = _own_limits(said, chosen)
    shared = {key: one for key, one in said.items() if key not in (CHECKS, LIMITS, WITHOUT)}
    takes = {name: {*limit_names(one), *arguments_of(one)} for name, one in chosen.items()}
    for key in shared:
        if not any(key in known for known in takes.values()):
            raise _unknown(key, said, takes)
    for name, check in chosen.items():
        own = {key: one for key, one in shared.items() if key in takes[name]}
        limits = own_limits.get(name, {})
        ways: dict[str, Way] = {"": (), **{key: (key,) for key in own}}
        ways |= {key: (LIMITS, name, key) for key in limits}
        try:
            params, set_limits = split(check, {**own, **limits})
        except ParameterError as exc:
            raise ParameterError(f"check {name}: {exc}", exc.key, path=ways[exc.key]) from exc
        if missing := [one for one in check.needs if one not in params]:
            raise ParameterError(
                f"check {name} needs {' and '.join(missing)}; set it, or leave the check out: "
                f"{WITHOUT}: [{name}]"
            )
        yield WantedCheck(check, params, set_limits, entry, ways=ways)


def _chosen(said: Mapping[str, Any], checks: Mapping[str, Check], version: str) -> dict[str, Check]:
    """Return the checks that an entry means, without those that it leaves out."""
    if "check" in said:
        raise ParameterError("an entry with `check` and `checks`; expected one of them", "check")
    words, without = words_of(said, CHECKS), words_of(said, WITHOUT)
    try:
        meant = named(words, checks, version)
    except ParameterError as exc:
        place = exc.path if isinstance(said[CHECKS], list) else ()
        raise ParameterError(str(exc), CHECKS, path=(CHECKS, *place)) from exc
    there = [*meant.checks, *meant.later]
    for index, name in enumerate(without):
        if name not in there:
            near = "" if name in checks or name in words else nearest(name, there)
            message = f"{WITHOUT}: {name!r} is not a check of {_text(words)}{near}"
            raise ParameterError(message, WITHOUT, path=(WITHOUT, index))
    try:
        chosen = {name: find(name, checks) for name in meant.checks if name not in without}
    except ParameterError as exc:
        raise ParameterError(str(exc), CHECKS) from exc
    if not chosen:
        why = f"{WITHOUT} leaves all of them out" if meant.checks else f"in {version}"
        raise ParameterError(f"{_text(words)} has no check: {why}", CHECKS)
    return chosen


def words_of(said: Mapping[str, Any], key: str) -> list[str]:
    """Return the words of a key that takes one or a list of them.

    Raises: ParameterError.
    """
    value = said.get(key, [])
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
        raise ParameterError(f"{key}: found {value!r:.80}; expected a list of names", key)
    if key == CHECKS and not words:
        raise ParameterError(f"{key}: found {value!r}; expected a family, or a list of checks", key)
    return words


def _own_limits(
    said: Mapping[str, Any], chosen: Mapping[str, Check]
) -> Mapping[str, Mapping[str, Any]]:
    """Return the limits of each check by itself.

    Raises: ParameterError for what no chosen check has.
    """
    limits = said.get(LIMITS, {})
    if is_template(limits):
        return {}  # looked at again when it is resolved
    if not isinstance(limits, Mapping):
        expected = "a mapping of checks, each with its limits"
        raise ParameterError(f"{LIMITS}: found {limits!r:.80}; expected {expected}", LIMITS)
    for name, own in limits.items():
        way = (LIMITS, str(name))
        if name not in chosen:
            message = f"{LIMITS}: {name!r} is not a check of {_text(words_of(said, CHECKS))}"
            near = nearest(str(name), chosen)
            if name in words_of(said, WITHOUT):
                message, near = f"{LIMITS}: {WITHOUT} leaves {name!r} out", ""
            raise ParameterError(f"{message}{near}", LIMITS, path=way)
        if not isinstance(own, Mapping):
            message = f"{LIMITS}: {name}: found {own!r:.80}; expected a mapping of its limits"
            raise ParameterError(message, LIMITS, path=way)
        known = limit_names(chosen[name])
        for key in own:
            if key not in known:
                message = f"check {name} has no limit {key!r}{nearest(str(key), known)}"
                raise ParameterError(message, LIMITS, path=(*way, str(key)))
    return limits


def _unknown(key: Any, said: Mapping[str, Any], takes: Mapping[str, set[str]]) -> ParameterError:
    known = sorted({CHECKS, LIMITS, WITHOUT}.union(*takes.values()))
    message = f"no check of {_text(words_of(said, CHECKS))} has a parameter {key!r}"
    return ParameterError(f"{message}{nearest(str(key), known)}", str(key))


def _text(words: Sequence[str]) -> str:
    return ", ".join(words)


def arguments_of(check: Check) -> Mapping[str, Any]:
    """Return the argument spec of a check's gather."""
    arguments: Mapping[str, Any] = payload.gathers()[check.gather].ARGUMENTS
    return arguments
