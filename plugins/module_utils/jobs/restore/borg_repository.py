# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of borg as a verification sees it: borg's commands on a mirror, what their failures mean, its locks."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Callable, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._borg import mirrored
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._repositories import (
    is_remote,
    local_path,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import name_of
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.repository import (
    COMPLAINTS,
    PASSWORD,
    LockHolder,
    NearSandbox,
    ReadingSandbox,
    account_of,
    complaints,
    gone,
    password_of,
    refuse_odd_end,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

_HOME = "borg"
PRINTED = "/scratch/printed"
_POSITION = re.compile(r"(?m)^last_segment_checked\s*=\s*(\d+)\s*\n?")
_INDEX = re.compile(r"index\.\d{1,18}\Z")
_HOLDER = re.compile(r"(.*)@\w+\.(\d+)-\w+\Z")
_SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no"
_DATA = re.compile(
    r"[Dd]ata integrity error(?:: [A-Z][a-z ]+)?|damaged \(all-zero\) chunks|Index object count mismatch"
    r"|Object with key \S{8}|IntegrityError|is incorrect\."
)
_SAID = re.compile(
    _DATA.pattern + r"|No such file or directory|Permission denied|Input/output error"
    r"|Connection closed by remote host|Failed to create/acquire the lock|does not exist"
)
"""What may be passed on of borg's words: no name of a file of the backup."""
_HARMLESS = re.compile(
    r"when setting extended attribute |.*: (?:attrs|truncate_and_attrs|mknod): \[Errno (?:1|95)\] [^:]*\Z"
)
"""What a user without privileges cannot give to a file: a device, an owner, some extended attributes."""
_SAYS_NOTHING = re.compile(r"Warning: The repository at location|Do you want to continue\?|\s*\Z")


def failure(step: str, status: int, err: str, remote: bool) -> RestoreError:
    """Return what a failure of borg says of the backup; without a name of a file in it."""
    said: list[str] = []
    for found in _SAID.finditer(err):
        if found.group() not in said:
            said.append(found.group())
    why = f"borg {step}: {'; '.join(said[:4]) or f'status {status}'}"
    lost = not remote and re.search(r"No such file or directory: \S*/data/\d", err)
    if _DATA.search(err) or lost:
        return BadBackupError(why)
    return NotTriedError(why)


def of_warnings(lines: list[str]) -> tuple[int, list[str]]:
    """Return how many of borg's warnings are harmless, and those that are not."""
    said = [one for one in lines if not _SAYS_NOTHING.match(one)]
    harmful = [one for one in said if "damaged" in one or not _HARMLESS.match(one)]
    return len(said) - len(harmful), harmful


def transaction_of(names: list[str]) -> int:
    """Return the transaction of the newest index among the files of a repository; -1 if there is none."""
    return max((int(one[6:]) for one in names if _INDEX.match(one)), default=-1)


def position_of(settings: str) -> int:
    """Return the segment that a check has come to, as borg writes it into its settings; 0 if it is not there."""
    found = _POSITION.search(settings)
    return int(found.group(1)) if found else 0


def with_position(settings: str, position: int) -> str:
    """Return borg's settings with the segment from which a check goes on; 0: from the first one."""
    settings = _POSITION.sub("", settings)
    line = f"[repository]\nlast_segment_checked = {position}\n"
    return settings.replace("[repository]\n", line, 1) if position else settings


class Archives:
    """A repository of borg. real: its folder, without links; empty if it is remote."""

    def __init__(self, task: Verification) -> None:
        self.task = task
        declared = local_path(task.wanted["repository"])
        self.remote = is_remote(declared)
        self.real = "" if self.remote else task.host.realpath(declared)
        program = task.host.which("borg")
        if program is None:
            raise NotTriedError("borg is not installed", "apt-get install --yes borgbackup")
        self.program = program
        self.secrets = password_of(task)
        self.reads: list[tuple[str, str]] = []
        self.environment = {
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_DISPLAY_PASSPHRASE": "no",
        }
        if self.secrets:
            self.environment["BORG_PASSCOMMAND"] = f"cat {PASSWORD}"
        else:
            self.environment["BORG_PASSPHRASE"] = ""  # else borg would ask for it
        self.box: ReadingSandbox
        keys = _keys(task)
        if self.remote:
            self.box = NearSandbox(task.sandbox)
            self.environment.update(
                BORG_REPO=declared,
                BORG_BASE_DIR="/tmp/borg",  # noqa: S108 (the sandbox's own)
                BORG_RSH=_SSH,
                **account_of(task.host),
            )
        else:
            self.box = ReadingSandbox(task.sandbox)
            self.reads = [(self.real, self.real)] + ([(keys, "/keys")] if keys else [])
        if keys:
            self.environment["BORG_KEYS_DIR"] = keys if self.remote else "/keys"

    def make_mirror(self) -> None:
        """Make the folder in which borg works.

        The settings are copied: borg overwrites the old ones with noise, be it through a link.
        """
        scratch, host = self.task.scratch, self.task.host
        home = scratch.folder(_HOME)
        self.mirror = os.path.join(home, "repository")
        mirrored(self.real, self.mirror, host)
        self.settings = host.read(os.path.join(self.real, "config"), 64_000)
        self.keep_settings(self.settings)
        self._transaction = transaction_of(host.names(self.mirror))
        scratch.give(home)
        self.environment["BORG_REPO"] = scratch.inside(self.mirror)
        self.environment["BORG_BASE_DIR"] = scratch.inside(home)

    def refuse_gone_back(self) -> None:
        """Raise BadBackupError if borg has made an index of an older transaction than that which the repository has.

        It does so without a word where the newest one does not end as it should: its archive is then not in the list.
        """
        found = transaction_of(self.task.host.names(self.mirror))
        if found < self._transaction:
            raise BadBackupError(
                f"borg: its newest transaction ({self._transaction}) is damaged, and borg goes back to number {found}; "
                "an archive that came with it is not in the list",
                "decide: see what `borg check` says, and make a new backup",
            )

    def note_version(self) -> None:
        """Take down which borg this is."""
        said = self.run(["--version"]).out.split()
        self.task.row["programs"]["borg"] = said[1][:20] if len(said) > 1 else "?"

    def keep_settings(self, text: str) -> None:
        """Write borg's settings into the mirror."""
        path = os.path.join(self.mirror, "config")
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "x", encoding="utf-8", errors="surrogateescape") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(text)
        self.task.scratch.give(path)

    def position(self) -> int:
        """Return the last segment that a check has read; 0 if it has read all of them."""
        path = os.path.join(self.mirror, "config")
        return position_of(self.task.host.read_bytes(path, 64_000, follow_links=False).decode())

    def segments(self) -> tuple[list[int], int]:
        """Return the numbers of all segments, and how many bytes they have."""
        numbers, size = [], 0
        for folder, _names, files in os.walk(os.path.join(self.mirror, "data")):
            for name in files:
                with contextlib.suppress(OSError):
                    size += os.stat(os.path.join(folder, name)).st_size
                numbers.append(int(name))
        return sorted(numbers), size

    def lost_meanwhile(self) -> bool:
        """Return whether a part of the repository has been removed since the mirror was made."""
        return not self.remote and any(
            not os.path.exists(os.path.join(folder, name))
            for folder, _names, files in os.walk(os.path.join(self.mirror, "data"))
            for name in files
        )

    def run(self, words: list[str], folder: str = "/", *, into_file: bool = False) -> Finished:
        """Run borg to its end; what it complains of goes into a file, as there may be many.

        folder: in which it runs. into_file: what it prints goes into a file, too.
        """
        line = ["sh", "-c", 'cd "$0"; exec 2>"$1"; shift; exec "$@"', folder, COMPLAINTS]
        if into_file:
            line = ["sh", "-c", 'cd "$0"; exec 2>"$1" >"$2"; shift 2; exec "$@"', folder]
            line += [COMPLAINTS, PRINTED]
        command = [self.program, *words]
        if self.remote:
            line, lock = [], ["--bypass-lock"] if words[0] != "--version" else []
            command = [self.program, *lock, *words]
        said = self.box.run([*line, *command], self.reads, self.environment, secrets=self.secrets)
        err = said.err if self.remote else "\n".join(complaints(self.task, COMPLAINTS))[-64_000:]
        refuse_odd_end("borg", said.status, err)
        return Finished(said.status, said.out, err, said.seconds)

    @contextlib.contextmanager
    def stream(self, words: list[str]) -> Iterator[Callable[[int], bytes]]:
        """Give what borg prints of a remote repository.

        Raises: BadBackupError, NotTriedError at its end.
        """
        if not isinstance(self.box, NearSandbox):
            raise NotTriedError("borg prints what it has of a remote repository alone")
        line = [self.program, "--bypass-lock", *words]

        def ended(status: int, err: str) -> None:
            refuse_odd_end("borg", status, err)
            self.refuse_failure(words[0], status, err)

        with self.box.stream(line, self.environment, self.secrets, ended) as read:
            yield read

    def identity(self) -> str:
        """Return what no other repository at the same place has."""
        found = re.search(r"(?m)^id\s*=\s*(\w+)", self.settings)
        return found.group(1)[:64] if found else ""

    def refuse_failure(self, step: str, status: int, err: str) -> None:
        """Raise what a status of borg means; note what is harmless of its warnings."""
        if status == 1:
            lines = err.splitlines() if self.remote else complaints(self.task, COMPLAINTS)
            harmless, harmful = of_warnings(list(lines))
            if harmful or not harmless:
                said = _SAID.search("\n".join(harmful))
                words = said.group() if said else "a warning that is not understood"
                raise BadBackupError(f"borg {step}: {words} ({max(1, len(harmful))} warnings)")
            self.task.note(f"{harmless} times an owner, an attribute or a device was not restored")
        elif status:
            raise failure(step, status, err, self.remote)

    def holders(self) -> list[LockHolder]:
        """Return who holds the lock."""
        names = self.task.host.names(self.real)
        found = []
        if "lock.exclusive" in names:
            place = os.path.join(self.real, "lock.exclusive")
            with contextlib.suppress(HostError):  # it has gone since
                since = self.task.host.stat(place).st_mtime
                for name in self.task.host.names(place):
                    found.append(holder_of(name, since))
        if "lock.roster" in names:
            found += self._shared(os.path.join(self.real, "lock.roster"))
        return found

    def _shared(self, path: str) -> list[LockHolder]:
        try:
            since = self.task.host.stat(path).st_mtime
            listed = json.loads(self.task.host.read(path, 1_000_000)).get("shared") or []
            return [holder_of(f"{host}.{pid}-{thread}", since) for host, pid, thread in listed]
        except HostError:
            return []  # it has gone since
        except (ValueError, TypeError, AttributeError):
            raise NotTriedError("the repository has a lock that is not understood") from None


def holder_of(name: str, since: float) -> LockHolder:
    """Return whom a lock of borg names, such as `web@2485377.4711-0`. since: when it was made.

    Raises: NotTriedError if it is not understood: then it is held by somebody.
    """
    found = _HOLDER.match(name)
    if not found:
        raise NotTriedError("the repository has a lock that is not understood")
    host, pid = name_of(found.group(1)), int(found.group(2))
    return LockHolder(
        host, pid, since, gone(host in (os.uname().nodename, _full_name()), pid, since)
    )


def _full_name() -> str:
    with contextlib.suppress(OSError), open(
        "/proc/sys/kernel/hostname", encoding="ascii"
    ) as stream:
        return stream.read().strip()
    return ""


def _keys(task: Verification) -> str:
    """Return the folder with the keys of borg that are not in their repositories; empty if there is none."""
    home = task.host.environ("HOME") or "/"
    keys = task.host.environ("BORG_KEYS_DIR") or os.path.join(home, ".config", "borg", "keys")
    return keys if task.host.exists(keys) else ""
