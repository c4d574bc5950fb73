"""Templates in an inventory's values, as far as they can be looked through without Ansible; pure.

What a site's variables alone give is resolved; Ansible's filters, lookups and what is not known stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import ImmutableSandboxedEnvironment

from upkeep.judging.entries import has_template, is_template

DEPTH = 5


class _Native(ImmutableSandboxedEnvironment, NativeEnvironment):
    """Gives values, not their text, and reaches nothing but them."""


_ENVIRONMENT = _Native(undefined=StrictUndefined)


def listed(value: Any) -> Any:
    """Return a value of `ansible-inventory --list` with a template in place of what is vaulted."""
    if isinstance(value, Mapping):
        if "__ansible_vault" in value:
            return "{{ vaulted }}"
        if "__ansible_unsafe" in value:
            return value["__ansible_unsafe"]
        return {name: listed(one) for name, one in value.items()}
    return [listed(one) for one in value] if isinstance(value, list) else value


def resolved(value: Any, variables: Mapping[str, Any], depth: int = DEPTH) -> Any:
    """Return a value with what its templates give; those that cannot be resolved by these variables alone stay."""
    if isinstance(value, Mapping):
        return {name: resolved(one, variables, depth) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolved(one, variables, depth) for one in value]
    if not is_template(value) or not depth:
        return value
    try:
        names = meta.find_undeclared_variables(_ENVIRONMENT.parse(value))
        if not names <= variables.keys():
            return value
        known = {name: resolved(variables[name], variables, depth - 1) for name in names}
        if has_template(list(known.values())):
            return value
        found = _ENVIRONMENT.from_string(value).render(known)
        json.dumps(found, default=str)  # finds out what is not defined within it
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return value
    return resolved(found, variables, depth - 1)
