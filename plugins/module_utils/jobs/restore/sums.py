# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of checksums beside a backup or in it: the proof of what has no checksum of its own.

Source: sha256sum(1), shasum(1).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from typing import Iterable

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import Budget
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._checksums import (
    check_manifest,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    COPY_BYTES,
    NO_LIMIT,
    Verification,
)

LIST = re.compile(
    r"(?:sha(?:1|256|512)|md5)sums?(?:\.txt)?\Z|checksums?(?:\.txt)?\Z|.*\.(?:sha(?:1|256|512)|md5)(?:sum)?\Z",
    re.IGNORECASE,
)
LIST_BYTES = 64 << 20
_LINE = re.compile(r"(\\?)([0-9a-fA-F]{32,128}) [ *](.+)\Z", re.DOTALL)
_BSD = re.compile(r"[A-Z0-9-]+ ?\((.+)\) ?= ?([0-9a-fA-F]{32,128})\Z")
_BY_DIGITS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_ESCAPED = re.compile(r"\\([n\\r])")


def parse_sums(text: str) -> dict[str, str]:
    """Return the checksums of a list, by the names in it."""
    found = {}
    for line in text.split("\n"):
        line = line.rstrip("\r")
        plain, bsd = _LINE.match(line), _BSD.match(line)
        if plain:
            name, digest = plain.group(3), plain.group(2)
            if plain.group(1):
                name = _ESCAPED.sub(
                    lambda one: {"n": "\n", "r": "\r"}.get(one.group(1), "\\"), name
                )
        elif bsd:
            name, digest = bsd.groups()
        else:
            continue
        if len(digest) in _BY_DIGITS:
            found[os.path.normpath(name)] = digest.lower()
    return found


def prove_beside(task: Verification) -> None:
    """Compare a backup that is one file with the checksum beside it, if there is one.

    Raises: BadBackupError if it differs.
    """
    if task.backup is None or task.backup.form != "file":
        return
    path = task.backup.paths[0]
    try:
        found = check_manifest(
            path, Budget(max(1.0, task.sandbox.ends - time.monotonic()), NO_LIMIT), task.host
        )
    except HostError as exc:
        task.note(f"the checksum beside it was not read: {exc}")
        return
    if found is None:
        return
    name = os.path.basename(found["path"])
    if found["state"] == "mismatch":
        raise BadBackupError(f"{os.path.basename(path)} differs from its checksum in {name}")
    if found["state"] == "match":
        task.row["proof"], task.row["unproved"] = "checksums", ""
    else:
        task.note(f"{name}: {found['why'] or 'does not list the backup'}")


def prove_inside(task: Verification, root: str, names: Iterable[str]) -> None:
    """Compare restored files with the lists of checksums at their top. names: of all files, below root.

    A name in a list is compared with those that were restored, and opens nothing else.

    Raises: BadBackupError if one differs or is missing; NotTriedError if a list cannot be read.
    """
    left = set(names)
    lists = [name for name in sorted(left) if "/" not in name and LIST.match(name)]
    sums: dict[str, tuple[str, str]] = {}
    for name in lists:
        try:
            text = task.host.read(os.path.join(root, name), LIST_BYTES, follow_links=False)
        except HostError as exc:
            raise NotTriedError(f"{name[:200]}: {exc}") from exc
        for listed, digest in parse_sums(text).items():
            sums[listed] = (digest, name)
    if not sums:
        return
    for number, (name, (digest, where)) in enumerate(sorted(sums.items())):
        if name not in left:
            raise BadBackupError(f"{name[:200]} is missing; {where[:100]} lists it")
        if hash_of(task, os.path.join(root, name), _BY_DIGITS[len(digest)]) != digest:
            raise BadBackupError(f"{name[:200]} differs from its checksum in {where[:100]}")
        task.progress(number / len(sums))
    bare = [
        name for name in left if name not in sums and name not in lists and not _signs(name, lists)
    ]
    if not bare:
        task.row["proof"], task.row["unproved"] = "checksums", ""
    elif task.row["proof"] == "none":
        task.row["unproved"] = (
            f"{len(bare)} files that no list of checksums has, such as {sorted(bare)[0][:100]}"
        )


def _signs(name: str, lists: list[str]) -> bool:
    """Return whether a file is the signature of a list."""
    return os.path.splitext(name)[0] in lists


def hash_of(task: Verification, path: str, algorithm: str = "sha256") -> str:
    """Return the checksum of a file, following no link.

    Raises: NotTriedError if it cannot be read; CancelledError.
    """
    made = hashlib.new(algorithm)
    try:
        with task.host.open(path, follow_links=False) as stream:
            for chunk in iter(lambda: stream.read(COPY_BYTES), b""):
                made.update(chunk)
                task.sandbox.look()
    except HostError as exc:
        raise NotTriedError(str(exc)) from exc
    except OSError as exc:
        raise NotTriedError(f"{path}: {exc.strerror}") from exc
    return made.hexdigest()
