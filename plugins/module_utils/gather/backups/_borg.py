# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What borg says of its archives, on a mirror of the repository: borg repairs what it reads, lock or no lock."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from typing import Any, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import BORG
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Repository,
    Snapshot,
    UnfinishedSnapshot,
    last_line,
    moment,
    name_of,
    parsed,
    repository_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._unopened import (
    refuse_damaged_borg,
    refuse_odd_config,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

LIST_BYTES = 50_000_000
SEGMENT_LIMIT = 200_000
IN_MEMORY = "/dev/shm"  # noqa: S108 - where a private folder is made; a file system in memory on every Linux
_CHECKPOINT = re.compile(r"\.checkpoint(\.\d+)?\Z")
_SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no"
_MIRRORED = re.compile(r"(config|README|nonce|(index|hints|integrity)\.\d+)\Z")


def archives(wanted: dict[str, Any], host: Host, seconds: float, *, remote: bool) -> Repository:
    """Return what borg lists.

    borg 1.x writes where it lists: into its security folder, and into a repository whose index does not fit, even with
    --bypass-lock. So it is given a folder of its own, in memory if the host has such, which is removed; in it are also
    links to the parts of a local repository, and what borg repairs are these. It takes no lock. Of a remote repository
    nothing is mirrored: borg on the other side may repair an index that a crash left behind.

    Raises: HostError.
    """
    place = wanted["repository"]
    with _private_folder() as folder:
        environment = _environment(wanted, folder, host)
        if not remote:
            mirrored(place, os.path.join(folder, "repository"), host)
        command = ["borg", "--bypass-lock", "list", "--json", "--consider-checkpoints"]
        if wanted.get("snapshot_host"):
            command += ["--format", "{hostname}{end}"]  # takes a look into each archive
        command.append(place if remote else os.path.join(folder, "repository"))
        said = host.run(command, seconds, LIST_BYTES, environment=environment)
        secrets = (environment.get("BORG_PASSPHRASE", ""), place if remote else "")
        shown = said.err.replace(os.path.join(folder, "repository"), place)
    if said.status not in (0, 1):  # 1: with warnings
        if not remote:
            refuse_damaged_borg(said.err, host.names(place))
        raise HostError(last_line(BORG, shown, secrets, said.status))
    if said.truncated:
        raise HostError(f"borg: its list has more than {LIST_BYTES} bytes")
    return repository_of(BORG, place, *_read(parsed(BORG, said.out), wanted))


def _read(listed: Any, wanted: dict[str, Any]) -> tuple[list[Snapshot], list[UnfinishedSnapshot]]:
    """Return the finished archives and the checkpoints that are wanted.

    Raises: HostError if it is not what borg lists.
    """
    of_host, starts = wanted.get("snapshot_host"), wanted.get("snapshot_tag") or ""
    finished, unfinished = [], []
    try:
        for one in listed["archives"]:
            if of_host and one["hostname"] != of_host:
                continue
            if not one["name"].startswith(starts):
                continue
            name, start = name_of(one["name"]), moment(one["start"])
            if _CHECKPOINT.search(one["name"]):
                why = "a checkpoint of an archive that was not finished"
                unfinished.append(UnfinishedSnapshot(name, why, start, making=True))
                continue
            words = "end of the archive" if "end" in one else "start of the archive"
            finished.append(Snapshot(name, moment(one.get("end", one["start"])), words=words))
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        raise HostError(f"borg: unexpected output: {type(exc).__name__}: {str(exc)[:80]}") from exc
    return finished, unfinished


@contextlib.contextmanager
def _private_folder() -> Iterator[str]:
    """Give a new folder that nobody else may enter, and remove it."""
    parent = IN_MEMORY if os.access(IN_MEMORY, os.W_OK | os.X_OK) else None
    try:
        folder = tempfile.mkdtemp(prefix="upkeep-borg-", dir=parent)
    except OSError as exc:
        raise HostError(f"no place for what borg writes while it lists: {exc.strerror}") from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(wanted: dict[str, Any], folder: str, host: Host) -> dict[str, str]:
    """Return what borg is told: where it may write, and the passphrase.

    Raises: HostError if the file with the passphrase cannot be read.
    """
    environment = {
        "BORG_BASE_DIR": folder,
        "BORG_RSH": _SSH,
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "BORG_DISPLAY_PASSPHRASE": "no",
        # An empty one is one too; without any, borg would ask for it at the terminal.
        "BORG_PASSPHRASE": wanted.get("password") or "",
    }
    if wanted.get("password_file"):
        lines = host.read(wanted["password_file"], 64_000).splitlines()
        environment["BORG_PASSPHRASE"] = lines[0] if lines else ""
    home = host.environ("HOME") or "/"
    keys = host.environ("BORG_KEYS_DIR") or os.path.join(home, ".config", "borg", "keys")
    if host.exists(keys):
        environment["BORG_KEYS_DIR"] = keys
    return environment


def mirrored(repository: str, mirror: str, host: Host) -> None:
    """Make a folder with a link to each part of a repository but its lock: what borg removes or replaces is a link.

    Raises: HostError.
    """
    real, left = os.path.abspath(repository), SEGMENT_LIMIT
    settings = host.read(os.path.join(real, "config"), 64_000)
    refuse_odd_config(settings)
    if not re.search(r"(?m)^version\s*=\s*1\s*$", settings):
        raise HostError(f"{repository}: its format is not that of borg 1")
    try:
        os.makedirs(os.path.join(mirror, "data"))
        for name in host.names(real):
            if _MIRRORED.match(name):
                os.symlink(os.path.join(real, name), os.path.join(mirror, name))
        for part in host.names(os.path.join(real, "data")):
            source, target = os.path.join(real, "data", part), os.path.join(mirror, "data", part)
            if not part.isdigit() or not stat.S_ISDIR(host.stat(source).st_mode):
                continue
            os.mkdir(target)
            names = [name for name in host.names(source) if name.isdigit()]
            left -= len(names)
            if left < 0:
                raise HostError(f"{repository}: more than {SEGMENT_LIMIT} segments")
            for name in names:
                os.symlink(os.path.join(source, name), os.path.join(target, name))
    except OSError as exc:
        raise HostError(f"no place for a mirror of {repository}: {exc.strerror}") from exc
