"""Let Python keep what it has compiled of our collection, as it does of all else that it imports.

Ansible's own loader of collections compiles each file anew in each process: of ours there are two hundred, and that is
a quarter of what a short run computes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

SHARED = (
    "ansible_collections.astral.upkeep.plugins.module_utils.",
    "ansible_collections.astral.upkeep.plugins.plugin_utils.",
)


class _Finder:
    """Finds files of these packages where Ansible has found the packages; folders are left to Ansible."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how the file is loaded, with Python's own loader; None for all that is not one of ours."""
        if path and name.startswith(SHARED):
            file = Path(next(iter(path)), f"{name.rpartition('.')[2]}.py")
            if file.is_file():
                return spec_from_file_location(name, file)
        return None


def use() -> None:
    """Do so in this process from now on."""
    if not any(one is _Finder for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder)
