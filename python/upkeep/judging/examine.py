"""Pure: what a site's entries cannot mean, whatever their templates give; found before a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from upkeep.judging.check import Check
from upkeep.judging.entries import ParameterError, fitting, validate
from upkeep.judging.families import FIRST
from upkeep.judging.sources import source_of
from upkeep.judging.wanted import WantedCheck, arguments_of, is_opaque, of_entry, of_list


def examine(entry: Any, checks: Mapping[str, Check], version: str = FIRST) -> None:
    """Raise ParameterError if an entry cannot be meant, whatever its templates give.

    Where a template stands, something that fits is taken; the keys around it and all else are looked at.
    """
    if is_opaque(entry):
        return
    for one in of_entry(entry, checks, version):
        examine_wanted(one)


def examine_wanted(one: WantedCheck) -> None:
    """Raise ParameterError if a check's parameters cannot be meant, with the way to the wrong one."""
    arguments = arguments_of(one.check)
    try:
        source_of(one.check.gather, one.params)
        validate(
            one.check, {key: fitting(arguments[key], value) for key, value in one.params.items()}
        )
    except ParameterError as exc:
        way = exc.path and (*one.ways.get(str(exc.path[0]), ()), *exc.path[1:])
        raise ParameterError(str(exc), exc.key, one.source, way) from exc


def examine_list(
    entries: Sequence[Any], checks: Mapping[str, Check], version: str = FIRST
) -> Iterator[ParameterError]:
    """Yield what is wrong in a list: each entry's first mistake, or what two of them cannot mean together."""
    wrong = False
    for index, entry in enumerate(entries):
        try:
            examine(entry, checks, version)
        except ParameterError as exc:
            wrong = True
            yield ParameterError(str(exc), exc.key, entry, (index, *exc.path))
    if wrong:
        return
    try:
        of_list(entries, checks, version, skip_opaque=True)
    except ParameterError as exc:
        yield exc
