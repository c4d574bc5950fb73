"""Pure: what stands in a register: the entries of YAML or CSV, each by its name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from upkeep.model.yaml_words import in_words

ENTRIES_LIMIT = 20_000
DEPTH_LIMIT = 20
NAME_CHARACTERS = 60
Entries = Mapping[str, Mapping[str, str]]
"""By an entry's name, its fields as texts: in a register only what people read counts, and no type."""


class RegisterError(ValueError):
    """A text that is no register; the message says what is wrong, and where."""


def entries_of(text: str, path: str, key: str = "") -> Entries:
    """Return a register's entries.

    text: CSV with a line of names if the path ends in `.csv`, else YAML: a list of entries, or a mapping of names. Each
    has fields: lines of a log, or any text with colons in it, are YAML too and no register. key: the field that names
    an entry; the first one if empty. A mapping's names are those of its entries.

    Raises: RegisterError.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RegisterError("not UTF-8") from None
    read = _csv if path.lower().removesuffix(".accepted").endswith(".csv") else _yaml
    rows = read(text.removeprefix("\ufeff"))
    if len(rows) > ENTRIES_LIMIT:
        raise RegisterError(f"{len(rows)} entries, at most {ENTRIES_LIMIT}")
    found: dict[str, Mapping[str, str]] = {}
    by = key or next((next(iter(row), "") for row in rows if isinstance(row, Mapping)), "")
    for number, row in enumerate(rows, 1):
        name, fields = _named(row, by, number)
        if name in found:
            raise RegisterError(f"{name[:NAME_CHARACTERS]!r} appears twice")
        found[name] = fields
    return found


def _named(row: Any, by: str, number: int) -> tuple[str, Mapping[str, str]]:
    """Return an entry's name and its fields."""
    name, fields = row if isinstance(row, tuple) else (None, row)
    if not isinstance(fields, Mapping):
        raise RegisterError(f"entry {number} has no fields: {_text(fields)[:NAME_CHARACTERS]!r}")
    if name is None:
        name = fields.get(by)
        fields = {key: value for key, value in fields.items() if key != by}
        if not _text(name).strip():
            what = repr(by) if by else "field"
            raise RegisterError(f"entry {number} has no {what}, by which it would be known")
    return _text(name).strip(), {_text(key): _text(value) for key, value in fields.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, default=str, sort_keys=True)


def _csv(text: str) -> Sequence[Any]:
    try:
        rows = csv.reader(io.StringIO(text), strict=True, delimiter=_delimiter(text))
        head = next(rows, [])
        if len(set(head)) != len(head):
            raise RegisterError("two columns have the same name")
        found = []
        for row in rows:
            if row and len(row) != len(head):
                raise RegisterError(
                    f"line {rows.line_num} has {len(row)} fields; expected {len(head)}"
                )
            if row:
                found.append(dict(zip(head, row, strict=True)))
    except csv.Error as exc:
        raise RegisterError(f"not CSV: {exc}") from exc
    return found


def _delimiter(text: str) -> str:
    """Return what stands between the names of the first line; spreadsheets of many countries write semicolons."""
    head = text.split("\n", 1)[0]
    return max(",;\t", key=head.count)


def _yaml(text: str) -> Sequence[Any]:
    """Return the list, or the pairs of the mapping, that the YAML is, alone or under one name."""
    try:
        _must_be_plain(text)
        value = yaml.load(text, Loader=RegisterLoader)  # noqa: S506 - a safe loader
    except RegisterError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        where, why = "", str(exc).split("\n")[0]
        if isinstance(exc, yaml.MarkedYAMLError):
            found = in_words(exc, text)
            where, why = f", line {found.line}" if found.line else "", found.words
        raise RegisterError(f"not YAML{where}: {why}"[:300]) from exc
    if isinstance(value, Mapping) and len(value) == 1:
        inner = next(iter(value.values()))
        if isinstance(inner, list):
            value = inner
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list):
        return value
    kind = "nothing" if value is None else type(value).__name__
    raise RegisterError(f"{kind} found; expected a list, or a mapping of names")


class RegisterLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that takes no name twice: of two entries of one name, YAML's own would lose the first."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for name, _value in node.value:
        if name.value in seen and isinstance(name, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, f"{name.value[:NAME_CHARACTERS]!r} appears twice", name.start_mark
            )
        seen.add(name.value if isinstance(name, yaml.ScalarNode) else id(name))
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return found


RegisterLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _must_be_plain(text: str) -> None:
    """Raise RegisterError if a text has an alias, by which a few lines stand for millions, or is nested too deep."""
    depth = 0
    for event in yaml.parse(text, Loader=RegisterLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise RegisterError(f"line {line} has an alias, such as *name")
        if depth > DEPTH_LIMIT:
            raise RegisterError(f"line {line} is nested deeper than {DEPTH_LIMIT}")
