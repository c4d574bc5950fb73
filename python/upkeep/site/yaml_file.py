"""YAML with places: what stands where, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from upkeep.model.errors import ConfigurationError
from upkeep.model.yaml_words import in_words

Key = tuple[str | int, ...]
DEEP = 100
"""What is nested deeper is left to Python's own bound, which libyaml does not have."""


@dataclass(frozen=True)
class YamlFile:
    """A file's value. lines: the line of each mapping's key and each list's entry, by the path to it."""

    path: Path
    value: Any
    lines: dict[Key, int] = field(default_factory=dict)
    text: str = field(default="", repr=False)

    def place(self, key: Sequence[str | int] = ()) -> str:
        """Return `file:line` of what stands at the key, or of the nearest part around it."""
        path = tuple(key)
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.path}:{self.lines.get(path, 1)}"


class _Loader(yaml.SafeLoader):
    """Takes Ansible's own tags as text: a vaulted value is nobody's to look into here."""


def _as_text(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> str:
    return "{{ " + f"{node.tag}" + " }}"


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same by libyaml, as Ansible reads it: eight times as fast, where PyYAML was built with it."""


for _loader in (_Loader, _FastLoader):
    _loader.add_multi_constructor("!", _as_text)


def read(path: Path) -> str:
    """Return the file's text.

    Raises: ConfigurationError if it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{path}: {(exc.strerror or str(exc)).lower()}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path}: not UTF-8 (byte {exc.start})") from exc


def load(path: Path) -> YamlFile:
    """Return the file.

    Raises: ConfigurationError with file and line if it is no YAML or says a key twice.
    """
    return parse(path, read(path))


def parse(path: Path, text: str) -> YamlFile:
    """Return what the file says whose text is given; raise as `load` does."""
    try:
        file = _parsed(path, text, _FastLoader)
        if max(map(len, file.lines), default=0) < DEEP:
            return file
    except (yaml.YAMLError, RecursionError, ValueError):
        pass  # the slower one says better what is wrong, and decides whether it is
    try:
        return _parsed(path, text, _Loader)
    except yaml.MarkedYAMLError as exc:
        found = in_words(exc, text)
        place = f"{path}:{found.line}" if found.line else str(path)
        raise ConfigurationError(f"{place}: {found.words}") from exc
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise ConfigurationError(
            f"{path}:{line}: the character {exc.character:#06x} is invisible and not allowed in YAML; remove it"
        ) from exc
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        raise ConfigurationError(f"{path}: {_plain(exc)}") from exc


def _plain(exc: Exception) -> str:
    """Return what is wrong that has no line: a date that there is not, or what is nested too deep."""
    said = " ".join(str(exc).split())[:200]
    if isinstance(exc, RecursionError):
        return f"nested too deep ({said})"
    if isinstance(exc, ValueError):
        return f"a value looks like a date or number and is none ({said}); write it in quotes"
    return said


def _parsed(path: Path, text: str, load_with: Callable[[str], Any]) -> YamlFile:
    lines: dict[Key, int] = {}
    loader = load_with(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return YamlFile(path, None, text=text)
        _note_places(path, node, (), lines)
        value = loader.construct_document(node)
    finally:
        loader.dispose()
    return YamlFile(path, value, lines, text)


def _note_places(path: Path, node: yaml.Node, key: Key, lines: dict[Key, int]) -> None:
    """Note the line of every part, and refuse a key that is said twice: one of the two would silently lose."""
    if isinstance(node, yaml.MappingNode):
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else "?"
            inner = (*key, str(name))
            line = name_node.start_mark.line + 1
            if inner in lines and name != "<<":
                already = f"is on line {lines[inner]} already; remove one of the two"
                raise ConfigurationError(f"{path}:{line}: the key {name!r} {already}")
            lines[inner] = line
            _note_places(path, value_node, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, one in enumerate(node.value):
            lines[*key, index] = one.start_mark.line + 1
            _note_places(path, one, (*key, index), lines)
