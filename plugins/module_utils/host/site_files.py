# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a site, by the paths that it says: size, time, SHA-256, and their text where it is asked for."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    MISSING,
    Host,
    HostError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso

CHUNK_BYTES = 1 << 20


def whole_path(path: str, folder: str) -> str:
    """Return the path from the root; a relative one begins in the folder.

    Raises: HostError if nobody says in which.
    """
    if os.path.isabs(path):
        return path
    if not path or not os.path.isabs(folder):
        raise HostError(f"{path!r}: a relative path, without a folder to start from")
    return os.path.normpath(os.path.join(folder, path))


def look(host: Host, path: str, limit_bytes: int, keep: bool = False) -> dict[str, Any]:
    """Return what there is at a path: `there`, and of a file `bytes`, `sha256`, `modified_at`.

    keep: its bytes too, under `content`.

    Raises: HostError if it cannot be read, or has more than limit_bytes.
    """
    try:
        stream = host.open(path)
    except HostError as exc:
        if exc.why != MISSING:
            raise
        return {"path": path, "there": False}
    digest, size, kept = hashlib.sha256(), 0, []
    with stream:
        # Of the open file: another one may come to stand under its name meanwhile.
        modified = os.fstat(stream.fileno()).st_mtime
        while True:
            try:
                chunk = stream.read(CHUNK_BYTES)
            except OSError as exc:
                raise HostError(f"{path}: {exc.strerror or exc}") from exc
            if not chunk:
                break
            size += len(chunk)
            if size > limit_bytes:
                raise HostError(f"{path}: more than {limit_bytes} bytes")
            digest.update(chunk)
            if keep:
                kept.append(chunk)
    found = {
        "path": path,
        "there": True,
        "bytes": size,
        "sha256": digest.hexdigest(),
        "modified_at": iso(modified),
    }
    return {**found, "content": b"".join(kept)} if keep else found
