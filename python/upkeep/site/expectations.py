"""Say in plain words what a value should have been, where pydantic found another."""

from __future__ import annotations

from typing import Any

from upkeep.model.nearest import nearest

KINDS = {
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "path_type": "a path",
    "too_short": "at least one",
}
LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "string_too_short": ("a text of at least", "min_length"),
    "string_too_long": ("a text of at most", "max_length"),
}
UNITS = ("seconds", "days")


def expected(error: Any, name: str = "") -> str:
    """Return the end of `expected …` for one of pydantic's errors; name tells the unit of a number."""
    kind = error["type"]
    context = error.get("ctx", {})
    if kind in KINDS:
        return KINDS[kind]
    if kind in LIMITS:
        words, limit = LIMITS[kind]
        letters = " characters" if kind.startswith("string_") else ""
        return f"{words} {context[limit]}{letters}"
    unit = name.rpartition("_")[2]
    of_unit = f" of {unit}" if unit in UNITS else ""
    if kind.startswith("int_"):
        return f"a whole number{of_unit}"
    if kind.startswith("float_"):
        return f"a number{of_unit}"
    if kind == "literal_error":
        choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{context['expected']}{nearest(str(error['input']), choices)}"
    text = str(error["msg"])
    for start in ("Input should be ", "Value error, "):
        text = text.removeprefix(start)
    return text
