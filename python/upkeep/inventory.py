"""Read an inventory as Ansible reads it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upkeep.errors import ConfigurationError

TIMEOUT_SECONDS = 120


def read_inventory(
    inventory: str, limit: str = "", environment: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the variables of each host, by name; templates in them are not resolved.

    Raises ConfigurationError with what Ansible says of an inventory that it cannot read.
    """
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", inventory, "--list"]
    command += ["--limit", limit] if limit else []
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", **(environment or {})},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigurationError(f"{inventory}: ansible-inventory: {exc}") from exc
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise ConfigurationError(f"{inventory}: {said[:500]}")
    listed = json.loads(done.stdout)
    variables = listed.pop("_meta", {}).get("hostvars", {})
    names = {name for group in listed.values() for name in group.get("hosts", ())}
    return {name: variables.get(name, {}) for name in sorted(names | set(variables))}
