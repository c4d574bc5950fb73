# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A register of the site's, such as one of people: its text, and that of the copy that was accepted last.

It looks at a source, and is asked of the controller. It reads no YAML: what stands in the text is found out there.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    Host,
    HostError,
    text_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.site_files import (
    look,
    whole_path,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso

SOURCES = ("register",)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "source": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "accepted": {"type": "str", "default": ""},
    "folder": {"type": "str", "default": ""},
}
LIMIT_BYTES = 4_000_000
TEXT_LIMIT_BYTES = 190_000
"""Of a register, which is written by people; below what the action takes of one text (bounds.TEXT_CHARACTERS)."""
ACCEPTED = ".accepted"
"""Behind the register's own name: the copy that was accepted, where the site says no other."""


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation, of the register; its subject is its path as the site says it."""
    subject = params["path"]
    try:
        path = whole_path(subject, params["folder"])
        accepted = whole_path(params["accepted"] or subject + ACCEPTED, params["folder"])
        register, raw = _read(host, path)
        before, text = _read(host, accepted)
    except HostError as exc:
        return [not_seen(subject, exc)]
    if before["there"]:
        before["text"] = text
    return [Observation(subject, {**register, "at": iso(host.now()), "accepted": before}, raw)]


def _read(host: Host, path: str) -> tuple[dict[str, Any], str]:
    """Return what there is at a path, and its text.

    Raises: HostError.
    """
    found = look(host, path, TEXT_LIMIT_BYTES, keep=True)
    return found, text_of(found.pop("content", b""))
