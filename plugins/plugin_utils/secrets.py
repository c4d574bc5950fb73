# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep secrets out of what is shown and stored: by parameter, and by value."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

HIDDEN = "********"
SHORTEST = 4
"""Shorter values are not looked for: they would be found everywhere."""

CONNECTION_SECRETS = (
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_password",
    "ansible_become_pass",
    "ansible_sudo_pass",
    "ansible_su_pass",
)


def without(arguments: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params with what `arguments` (an argument spec) marks no_log hidden, at any depth."""
    return {name: _shown(arguments.get(name, {}), value) for name, value in params.items()}


def _shown(spec: Mapping[str, Any], value: Any) -> Any:
    """Return one parameter's value as it may be shown."""
    if spec.get("no_log"):
        return HIDDEN if value not in (None, "", [], {}) else value
    if spec.get("options"):
        if isinstance(value, Mapping):
            return without(spec["options"], value)
        if isinstance(value, list):
            return [_shown(spec, one) for one in value]
    return value


def values(arguments: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of the parameters that `arguments` marks no_log."""
    for name, value in params.items():
        spec = arguments.get(name, {})
        if spec.get("no_log"):
            yield from _texts(value)
        elif spec.get("options"):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping):
                    yield from values(spec["options"], one)


def of_connection(variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of the passwords that Ansible itself is given for the host."""
    for name in CONNECTION_SECRETS:
        yield from _texts(variables.get(name))


def worth_hiding(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts to look for, longest first, so that a part never uncovers the whole."""
    return tuple(sorted({text for text in texts if len(text) >= SHORTEST}, key=len, reverse=True))


def mentioned(text: str, hidden: Sequence[str]) -> bool:
    """Return whether `scrub` might find something in what the ASCII JSON stands for."""
    return bool(hidden) and (
        '"raw_base64"' in text or any(json.dumps(one)[1:-1] in text for one in hidden)
    )


def scrub(value: Any, hidden: Sequence[str]) -> Any:
    """Return value without the hidden texts, at any depth, keys too."""
    if not hidden:
        return value
    if isinstance(value, str):
        for text in hidden:
            value = value.replace(text, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {
            scrub(key, hidden): _scrub_bytes(one, hidden)
            if key == "raw_base64" and isinstance(one, str)
            else scrub(one, hidden)
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [scrub(one, hidden) for one in value]
    return value


def _scrub_bytes(encoded: str, hidden: Sequence[str]) -> str:
    """Return base64 of the bytes without the hidden texts; what is no base64 is a text as any other."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        return str(scrub(encoded, hidden))
    for text in hidden:
        data = data.replace(text.encode("utf-8", "surrogateescape"), HIDDEN.encode())
    return base64.b64encode(data).decode("ascii")


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in value."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)
