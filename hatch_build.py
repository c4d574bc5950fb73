"""Carry the collection in the wheel, so that one `pip install` brings driver and collection.

Only for the standard build: in an editable one, python/ansible_collections holds links to the checkout, and a
copy in site-packages would win over them.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARTS = ("galaxy.yml", "README.rst", "meta", "plugins", "roles", "playbooks")
DESTINATION = "ansible_collections/astral/upkeep"


class CollectionHook(BuildHookInterface):  # type: ignore[type-arg]
    """Map the collection's folders into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the collection's parts to a standard build."""
        if version == "standard":
            for part in PARTS:
                build_data["force_include"][str(Path(self.root) / part)] = f"{DESTINATION}/{part}"
