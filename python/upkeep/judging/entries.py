"""Pure: what a site may say of a check, taken apart into the gather's parameters and the check's limits.

Imported inside Ansible before it forks: nothing heavy in here.
"""

from __future__ import annotations

import json
import math
import re
import typing
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import CONNECTION, Check
from upkeep.model.nearest import nearest

VARIABLES = "upkeep_checks_"


class ParameterError(ValueError):
    """An entry that is not valid.

    key: the part of it that is wrong; empty for all of it. path: the way to what is wrong in it, if that lies deeper.
    entry: the whole; it knows its place in Ansible's files.
    """

    def __init__(
        self, message: str, key: str = "", entry: Any = None, path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(masked(message))  # it quotes what was found
        self.key = key
        self.path = path or ((key,) if key else ())
        self.entry = entry


def find(entry: Any, checks: Mapping[str, Check]) -> Check:
    """Return the check that the entry names.

    entry: a check's id, or a mapping with `check`, its gather's parameters and its limits.

    Raises: ParameterError.
    """
    if isinstance(entry, str):
        name: Any = entry
    elif isinstance(entry, Mapping):
        if "check" not in entry:
            message = f"an entry without `check`; it has {', '.join(map(str, entry)) or 'nothing'}"
            raise ParameterError(message)
        name = entry["check"]
    else:
        kind = type(entry).__name__
        raise ParameterError(
            f"{kind} {entry!r:.80}; expected a check's id, or a mapping with `check`"
        )
    if not isinstance(name, str) or name not in checks:
        families = {one.family for one in checks.values()} if isinstance(entry, str) else ()
        there = nearest(str(name), [*checks, *families])
        raise ParameterError(f"there is no check {name!r}{there}", "check")
    if checks[name].gather == CONNECTION:
        message = f"check {name} runs whenever a host is connected to; no site lists it"
        raise ParameterError(message, "check")
    return checks[name]


def split(check: Check, entry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the gather's parameters and the check's limits that the entry sets.

    Raises: ParameterError.
    """
    limits = limit_names(check)
    arguments = payload.gathers()[check.gather].ARGUMENTS
    params: dict[str, Any] = {}
    set_limits: dict[str, Any] = {}
    for key, value in entry.items() if isinstance(entry, Mapping) else ():
        if key == "check":
            continue
        if key in limits:
            set_limits[key] = value
        elif key in arguments:
            params[key] = value
        else:
            known = [*arguments, *limits]
            what = f"check {check.id} has no parameter {key!r}"
            raise ParameterError(f"{what}{nearest(str(key), known)}", str(key))
    make_limits(check, {name: one for name, one in set_limits.items() if not has_template(one)})
    return params, set_limits


def is_template(value: Any) -> bool:
    """Return whether a value is a text with a template in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def has_template(value: Any) -> bool:
    """Return whether there is a template anywhere in a value."""
    if isinstance(value, Mapping):
        return any(has_template(one) for one in value.values())
    if isinstance(value, (list, tuple)):
        return any(has_template(one) for one in value)
    return is_template(value)


def fitting(option: Mapping[str, Any], value: Any) -> Any:
    """Return a value with something that the option takes in place of each template.

    option: of an argument spec, such as that of a gather's parameter.
    """
    if is_template(value):
        return _stand_in(option)
    inner = option.get("options") or {}
    if isinstance(value, Mapping):
        return {
            name: fitting(inner.get(name, {}), one)
            for name, one in value.items()
            if not (inner and is_template(name))
        }
    if isinstance(value, list):
        element = {**option, "type": option.get("elements", "raw")}
        return [fitting(element, one) for one in value]
    return value


def _stand_in(option: Mapping[str, Any]) -> Any:
    """Return something that the option takes."""
    if option.get("choices"):
        return option["choices"][0]
    if option.get("type") == "dict":
        inner = option.get("options") or {}
        return {name: _stand_in(one) for name, one in inner.items() if one.get("required")}
    return {"list": [], "bool": True, "int": 1, "float": 1.0}.get(option.get("type", "str"), "x")


def _refuse_keys(
    check: Check, options: Mapping[str, Any], value: Any, path: tuple[str | int, ...]
) -> None:
    """Raise ParameterError at the first key, at any depth, that an option of mappings does not have."""
    if isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            _refuse_keys(check, options, one, (*path, index))
    elif isinstance(value, Mapping):
        known = [*options, *(name for one in options.values() for name in one.get("aliases", ()))]
        for key, one in value.items():
            place = (*path, str(key))
            if key not in known and not is_template(key):
                what = f"check {check.id}: {path[0]} has no key {key!r}{nearest(str(key), known)}"
                raise ParameterError(what, str(path[0]), path=place)
            if options.get(key, {}).get("options"):
                _refuse_keys(check, options[key]["options"], one, place)


def validate(check: Check, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the gather's parameters with types and defaults, by Ansible's own rules.

    Raises: ParameterError.
    """
    arguments = payload.gathers()[check.gather].ARGUMENTS
    for name, value in params.items():
        if arguments.get(name, {}).get("options"):
            _refuse_keys(check, arguments[name]["options"], value, (name,))
    validation = ArgumentSpecValidator(arguments).validate(dict(params))
    if validation.error_messages:
        message = f"check {check.id}: {'; '.join(validation.error_messages)}"
        quoted = re.findall(r"'(\w+)'|found in (\w+)", message)
        key = next((name for pair in quoted for name in pair if name in params), "")
        raise ParameterError(message, key)
    plain = {}
    for key, value in validation.validated_parameters.items():
        try:
            plain[key] = json.loads(json.dumps(value, allow_nan=False))
        except ValueError as exc:  # nothing is older, longer or more than what is not a number
            message = f"check {check.id}: {key} has a number that is not finite"
            raise ParameterError(message, key) from exc
    return plain


def make_limits(check: Check, limits: Mapping[str, Any]) -> Any:
    """Return the check's Limits with these limits.

    Raises: ParameterError with the key, found and expected.
    """
    if not limits:
        return check.limits
    kinds = _kinds(type(check.limits))
    made = {}
    for name, value in limits.items():
        if name not in kinds:
            message = f"check {check.id} has no limit {name!r}{nearest(name, kinds)}"
            raise ParameterError(message, name)
        made[name] = _convert(name, value, kinds[name])
    return replace(check.limits, **made)


def limit_names(check: Check) -> tuple[str, ...]:
    """Return the names of the check's limits."""
    return tuple(field.name for field in fields(check.limits))


def _kinds(params: type) -> dict[str, Any]:
    """Return the types of a Limits class by field."""
    return typing.get_type_hints(params)


def _convert(name: str, value: Any, kind: Any) -> Any:
    """Return value as kind, one of: bool, int, float, str, a list or tuple of one of them, or optional."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if type(None) in inner:
        others = [one for one in inner if one is not type(None)]
        return None if value is None else _convert(name, value, others[0])
    if origin in (list, tuple):
        if not isinstance(value, (list, tuple)):
            raise _wrong(name, value, "a list")
        return origin(_convert(name, one, inner[0]) for one in value)
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    if kind in (int, float) and not isinstance(value, bool):
        # A template of the inventory gives a text: what reads as a number is one.
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise _wrong(name, value, _number(name)) from None
        if not math.isfinite(number):  # a limit that nothing can exceed would always pass
            raise _wrong(name, value, _number(name))
        if kind is float:
            return number
        if number.is_integer():
            return int(number)
        raise _wrong(name, value, "a whole number")
    expected = {bool: "true or false", str: "a text", int: _number(name), float: _number(name)}
    raise _wrong(name, value, expected.get(kind, str(kind)))


def _number(name: str) -> str:
    """Return `a number of days` for renew_days."""
    unit = name.rpartition("_")[2]
    units = ("seconds", "minutes", "hours", "days", "bytes", "percent")
    return f"a number of {unit}" if unit in units else "a number"


def _wrong(name: str, value: Any, expected: str) -> ParameterError:
    return ParameterError(f"{name}: found {value!r:.80}; expected {expected}", name)
