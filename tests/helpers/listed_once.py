"""What `ansible-inventory` lists is asked for once and remembered: a call costs half a second, and the tests of commands
ask again and again for what none of them has changed.

What is remembered holds for the same files with the same content, the same words and the same variables. Where a program
or a vault is asked, and where Ansible refuses, each call is made. How an inventory is read is tested without this
(tests/service/test_inventory_sources.py and tests/unit/site).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from upkeep.site import inventory
from upkeep.system import child

UNHEARD = ("PYTEST_CURRENT_TEST",)
"""Variables that are other in each test, and that say nothing to Ansible."""

_listings: dict[Any, str] = {}


@contextmanager
def listed_once() -> Iterator[None]:
    """Let each listing be made once."""
    asks = inventory._list

    def listing(
        source: str,
        limit: str,
        environment: Mapping[str, str] | None,
        stop: child.Stop | None = None,
        inherited: Mapping[str, str] | None = None,
    ) -> dict[str, dict[str, Any]]:
        found = _files(Path(source))
        told = child.told_environment(environment, inherited)
        if found is None or "ANSIBLE_VAULT_PASSWORD_FILE" in told:
            return asks(source, limit, environment, stop, inherited)
        folder = str(Path(source).parent)
        words = [(name, told[name].replace(folder, "")) for name in sorted({*told} - {*UNHEARD})]
        key = (Path(source).name, limit, str(inventory.PROGRAM), tuple(words), found)
        if key not in _listings:
            _listings[key] = json.dumps(asks(source, limit, environment, stop, inherited))
        made: dict[str, dict[str, Any]] = json.loads(_listings[key])
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory, "_list", listing)
        yield


def _files(source: Path) -> tuple[tuple[str, bytes], ...] | None:
    """Return the names and the contents of what Ansible reads: the inventory's folder, and the configuration beside it.

    None if it may run one of them, or if there is nothing.
    """
    if not source.exists():
        return None
    folder = source if source.is_dir() else source.parent
    found = []
    for path in (*sorted(folder.rglob("*")), folder.parent / "ansible.cfg"):
        if path.is_file():
            content = path.read_bytes()
            if content.startswith(b"#!") or path.stat().st_mode & 0o111:
                return None
            found.append((os.path.relpath(path, folder), content))
    return tuple(found)
