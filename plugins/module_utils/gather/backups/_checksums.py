# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a backup with the checksum that was written down beside it."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    CHUNK_BYTES,
    Budget,
    OutOfBudgetError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError


def check_manifest(path: str, budget: Budget, host: Host) -> dict[str, Any] | None:
    """Return how the file compares with the checksum that lies beside it; None if there is none.

    state: match, mismatch, not listed, unread. Names in a manifest are compared, and never opened.
    """
    folder, name = os.path.split(path)
    beside = {other.lower(): other for other in host.names(folder)}
    for algorithm in ("sha512", "sha256", "md5"):
        own = [f"{name}.{algorithm}".lower(), f"{name}.{algorithm}sum".lower()]
        shared = [f"{algorithm}sums", f"{algorithm}sums.txt", f"{algorithm}sum.txt"]
        for candidate in [*own, *shared]:
            if candidate not in beside:
                continue
            manifest = os.path.join(folder, beside[candidate])
            found = {"path": manifest, "algorithm": algorithm, "state": "match", "why": ""}
            try:
                text = host.read(manifest, follow_links=False)
                expected = listed_hash(text, name, candidate in own)
                if expected is None and (candidate in own or name in re.split(r"[\s*(/)]+", text)):
                    return {**found, "state": "unread", "why": "holds no checksum of it"}
                if expected is None:
                    return {**found, "state": "not listed"}
                actual = _hash(path, algorithm, budget, host)
            except (HostError, OutOfBudgetError) as exc:
                return {**found, "state": "unread", "why": str(exc)}
            return found if actual == expected else {**found, "state": "mismatch"}
    return None


def listed_hash(text: str, name: str, bare: bool) -> str | None:
    """Return the checksum of the file of that name. bare: a lone checksum counts. Sources: sha256sum(1), shasum(1)."""
    for line in text.splitlines():
        match = re.match(r"\\?([0-9a-fA-F]{32,128})(?:\s+[ *]?(?:.*/)?([^/]*))?$", line.strip())
        if match and (match.group(2) == name or (bare and not match.group(2))):
            return match.group(1).lower()
        match = re.match(
            r"[A-Z0-9-]+ ?\((?:.*/)?([^/]*)\) ?= ?([0-9a-fA-F]{32,128})$", line.strip()
        )
        if match and match.group(1) == name:
            return match.group(2).lower()
    return None


def _hash(path: str, algorithm: str, budget: Budget, host: Host) -> str:
    made = hashlib.new(algorithm)
    with host.open(path, follow_links=False) as stream:
        for chunk in iter(lambda: stream.read(CHUNK_BYTES), b""):
            budget.take(len(chunk))
            made.update(chunk)
    return made.hexdigest()
