"""What a procedure's playbook does of ours, as far as its file says it: observe hosts, and jobs that change them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upkeep.model.errors import ConfigurationError
from upkeep.site.fields import OWN, PLAYBOOKS, ROLES
from upkeep.site.yaml_file import load

OBSERVES = "observe"
NAMED = re.compile(re.escape(OWN) + r"(\w+)")


@dataclass(frozen=True)
class PlaybookParts:
    """What a playbook does. observes: it looks at its hosts; jobs: the roles of ours that it has."""

    observes: bool
    jobs: tuple[str, ...]


def parts_of(playbook: str) -> PlaybookParts:
    """Return what a playbook does, by the names of ours in it and in the files beside it that it imports or includes.

    playbook: of the collection, or the path of a file; one that cannot be read does nothing that is known.
    """
    found = _names(playbook, frozenset())
    roles = {one.name for one in ROLES.iterdir() if one.is_dir()}
    return PlaybookParts(OBSERVES in found, tuple(sorted(found & roles)))


def _names(playbook: str, above: frozenset[str]) -> frozenset[str]:
    """Return the names of ours in a playbook."""
    if playbook in above:
        return frozenset()
    own = NAMED.fullmatch(playbook)
    path = PLAYBOOKS / f"{own[1]}.yml" if own else Path(playbook)
    try:
        texts = list(_texts(load(path).value))
    except ConfigurationError:
        return frozenset()
    named = {name for text in texts for name in NAMED.findall(text)}
    beside = [path.parent / text for text in texts if text.endswith((".yml", ".yaml"))]
    others = [*(f"{OWN}{name}" for name in named), *(str(one) for one in beside if one.is_file())]
    return frozenset(named).union(*(_names(one, above | {playbook}) for one in others))


def _texts(value: Any) -> Iterator[str]:
    """Yield the keys and texts of a file; what is commented out is none."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
