# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep secrets out of what is shown and stored: by parameter, by value, and by where they stand in a URL."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host import urls

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
    """Return params with what `arguments` (an argument spec) marks no_log hidden, and URLs masked, at any depth.

    It is what is stored of a request, and what two requests are compared by.
    """
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
    return urls.masked_deep(value, urls.masked_value)


def values(arguments: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of the parameters that `arguments` marks no_log, and what is secret in the URLs of the others."""
    for name, value in params.items():
        spec = arguments.get(name, {})
        if spec.get("no_log"):
            yield from _texts(value)
        elif spec.get("options"):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping):
                    yield from values(spec["options"], one)
        else:
            for text in _texts(value):
                yield from urls.secrets_in(text)


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
    """Return JSON types without the hidden texts, and with all URLs masked, at any depth, keys too."""
    if isinstance(value, str):
        for text in hidden:
            value = value.replace(text, HIDDEN)
        return urls.masked(value)
    if isinstance(
        value, dict
    ):  # not Mapping: to ask an abstract class takes longer than all else here
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
    text = scrub(data.decode("utf-8", "surrogateescape"), hidden)
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")


def places(params: Mapping[str, Any]) -> list[str]:
    """Return what a request asks to look at: the texts of its lists, of which gathers make subjects."""
    return [
        text
        for value in params.values()
        if isinstance(value, list)
        for text in value
        if isinstance(text, str)
    ]


def name_subjects(
    answer: Any,
    asked: Sequence[tuple[str, Mapping[str, Any]]],
    declared: Mapping[str, Sequence[str]],
) -> None:
    """Give each observation of an answer the subject that its host knows it by, without secrets.

    Two URLs that differ only in a secret are two subjects, numbered in the order in which the host's groups declare
    them, whatever part of them is due now. asked: each request's gather and parameters; declared: the places by gather.
    What has not the agreed shape stays: it is refused later.
    """
    known: dict[str, Names] = {}
    parts = answer.get("answers") if isinstance(answer, dict) else None
    for (gather, params), part in zip(
        asked, parts if isinstance(parts, list) else (), strict=False
    ):
        own = urls.labels(places(params))
        whole = urls.labels([*declared.get(gather, ()), *own])
        declared_as = {label: (whole[place], place) for place, label in own.items()}
        names = known.setdefault(gather, Names())
        seen = part.get("observations") if isinstance(part, dict) else None
        for one in seen if isinstance(seen, list) else ():
            if isinstance(one, dict) and isinstance(one.get("subject"), str):
                subject = one["subject"]
                base, place = declared_as.get(subject) or (urls.masked(subject), subject)
                one["subject"] = names.of(place, base)


class Names:
    """The names of one gather's places: where two have the same, the later ones are numbered."""

    def __init__(self) -> None:
        self._by_place: dict[str, str] = {}
        self._taken: set[str] = set()
        self._numbers: Counter[str] = Counter()  # a host may give twenty thousand of the same

    def of(self, place: str, base: str) -> str:
        """Return the place's name: base, with a number if another place has it."""
        if place not in self._by_place:
            name = base
            while name in self._taken:
                self._numbers[base] += 1
                name = f"{base} ({self._numbers[base] + 1})"
            self._taken.add(name)
            self._by_place[place] = name
        return self._by_place[place]


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
