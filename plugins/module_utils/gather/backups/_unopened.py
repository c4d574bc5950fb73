# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a local repository of restic or borg cannot be opened, where its own files are at fault.

Their programs say so in many ways, some of them by ending with a panic or a traceback; so the files are looked at.

Source: restic's design document ("Repository Format", "Keys, Encryption and MAC"); borg's internals ("Data structures
and file formats").
"""

from __future__ import annotations

import base64
import json
import os
import re

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

RESTIC_PARTS = frozenset({"config", "data", "keys", "snapshots"})
LEAST_CONFIG_BYTES = 33
"""A nonce and a checksum have 16 bytes each, and something is between them."""
KEY_LIMIT_BYTES = 64_000
_OF_KEYS = re.compile(r"Unmarshal: |crypto\.KDF|no key found")
_OF_CONFIG = re.compile(r"config or key \S+ is damaged|ciphertext verification failed")
_READS_INTEGRITY = re.compile(r", in _read_integrity$", re.MULTILINE)
_OF_BORG = (
    ("section [repository]", r"^\[repository\]"),
    ("version", r"^version\s*=\s*\d+\s*$"),
    ("id of 64 digits", r"^id\s*=\s*[0-9a-fA-F]{64}\s*$"),
)
_LOADS_KEY = re.compile(r"/crypto/key\.py\", line \d+, in _load$", re.MULTILINE)


class BrokenRepositoryError(HostError):
    """A repository's own files are damaged, so that nobody can open it."""


def refuse_damaged_restic(place: str, err: str, host: Host) -> None:
    """Look at the files of a local repository that restic has not opened. err: what restic said.

    A place in which no repository lies may be a mistake in what the site declares, and says nothing of a backup.

    Raises: BrokenRepositoryError; HostError if its files cannot be read.
    """
    if not set(host.names(place)) >= RESTIC_PARTS or "permission denied" in err:
        return
    if _OF_KEYS.search(err):
        _refuse_damaged_keys(os.path.join(place, "keys"), host)
    size = host.stat(os.path.join(place, "config")).st_size
    if size < LEAST_CONFIG_BYTES:
        raise BrokenRepositoryError(
            f"restic: its `config` is cut: {size} B; expected {LEAST_CONFIG_BYTES} B or more"
        )
    if _OF_CONFIG.search(err):
        raise BrokenRepositoryError("restic: its `config` differs from its own checksum")


def _refuse_damaged_keys(folder: str, host: Host) -> None:
    names = host.names(folder)
    if not names:
        raise BrokenRepositoryError("restic: it has no key: its folder `keys` is empty")
    for name in names:
        why = fault_of_key(host.read_bytes(os.path.join(folder, name), KEY_LIMIT_BYTES))
        if why:
            raise BrokenRepositoryError(f"restic: its key {_cut(name)} cannot be read: {why}")


def fault_of_key(data: bytes) -> str:
    """Return what is wrong with a file that holds a key of restic; empty for nothing that can be seen in it."""
    try:
        said = json.loads(data.decode("utf-8"))
        kdf = said["kdf"]
        if kdf == "scrypt":
            for name in ("N", "r", "p"):
                if not isinstance(said[name], int):
                    return f"its `{name}` is no number"
        for name in ("salt", "data"):
            base64.b64decode(said[name], validate=True)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return "it is no JSON"
    except (LookupError, TypeError) as exc:
        return f"it has no {str(exc)[:20]}" if isinstance(exc, KeyError) else "it is no key"
    except ValueError:
        return f"its `{name}` is no base64"
    return ""


def refuse_damaged_borg(err: str, names: list[str]) -> None:
    """Raise BrokenRepositoryError if borg has stumbled over a file of a repository. names: of the files at its top."""
    if _READS_INTEGRITY.search(err):
        found = [one for one in names if re.match(r"integrity\.\d+\Z", one)]
        name = found[-1] if found else "integrity"
        raise BrokenRepositoryError(
            f"borg: its `{_cut(name, 40)}` is damaged, in which the checksums of its index are"
        )
    if _LOADS_KEY.search(err):
        raise BrokenRepositoryError(
            "borg: its key is cut or damaged: `key` in its `config`, or a file with the key"
        )


def refuse_odd_config(text: str) -> None:
    """Raise BrokenRepositoryError for a config of a repository of borg that lacks a part. borg itself reads its key."""
    for what, pattern in _OF_BORG:
        if not re.search(pattern, text, re.MULTILINE):
            raise BrokenRepositoryError(f"borg: its `config` is damaged: it has no {what}")


def _cut(name: str, length: int = 8) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:length]
