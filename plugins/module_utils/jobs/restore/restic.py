# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""restic: the newest snapshot restored and compared, and each time another part of the repository read.

restic takes no lock here (--no-lock) and writes nothing into the repository: a backup can begin at any time. A local
repository is read in the sandbox, in which nothing else of the host is in sight. A remote one needs the network and
the account's keys: restic runs beside the sandbox, where it can write nothing, and prints the files as a stream, which
a tar in the sandbox writes. `restic restore --verify` is of a local repository alone; what it prints it has checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from typing import Any, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._repositories import (
    is_remote,
    local_path,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Snapshot,
    moment,
    name_of,
    parsed,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.cycle import Cycle
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    CancelledError,
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.repository import (
    COMPLAINTS,
    PASSWORD,
    TREE,
    LockHolder,
    NearSandbox,
    ReadingSandbox,
    RestoredSnapshot,
    account_of,
    complaints,
    gone,
    password_of,
    refuse_odd_end,
    unpack,
    wait_until_free,
    with_complaints,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

_INSIDE = "/repository"
_PLACE = "/tmp/place"  # noqa: S108 (where it is in the sandbox, in memory)
STALE_SECONDS = 1800.0
"""After so long restic itself takes a lock for stale: its holder renews it every five minutes."""
MOST_LOCKS = 20
LOCK_SECONDS = (4.0, 8.0, 60.0)
_ID = re.compile(r"[0-9a-f]{8,64}\Z")
_DATA = re.compile(
    r"Pack ID does not match, want [0-9a-f]{8}|ciphertext verification failed|invalid data returned"
    r"|returned invalid hash|wrong password or no key found"
)
"""What only the repository can be at fault for."""
_SAID = re.compile(
    _DATA.pattern
    + r"|(?:pack|tree|blob|index|snapshot)s?/? <?[0-9a-f]{8}|no such file or directory"
    r"|unexpected EOF|[Uu]nexpected pack size|not found in (?:repository|index)|does not exist"
    r"|LoadIndex returned errors|repository contains errors|There were \d+ errors|permission denied"
    r"|i/o timeout|connection refused|no such host|input/output error"
)
"""What may be passed on of restic's words: no name of a file of the backup."""
_IGNORED = re.compile(r"ignoring error for .*?([^:]*)\Z", re.DOTALL)
_HARMLESS = ("operation not permitted", "operation not supported", "not supported")
"""What a user without privileges cannot give to a file: a device, an owner, some extended attributes."""


def failure(step: str, status: int, err: str, remote: bool) -> RestoreError:
    """Return what a failure of restic says of the backup; without a name of a file in it.

    restic has one status for all failures. What it says of a repository on another machine is the backup's fault only
    where nothing else can be it.
    """
    said: list[str] = []
    for found in _SAID.finditer(err):
        text = found.group().replace("<", "")
        if text not in said:
            said.append(text)
    why = f"restic {step}: {'; '.join(said[:4]) or f'status {status}'}"
    if "wrong password" in why:
        return BadBackupError(why, "decide: the password that is declared is not the repository's")
    if _DATA.search(err) or (said and not remote and "permission denied" not in err):
        return BadBackupError(why)
    return NotTriedError(why)


class _Repository:
    """A repository, and restic beside it. place: its folder if it is local, without links; empty if it is remote."""

    def __init__(self, task: Verification) -> None:
        self.task = task
        declared = local_path(task.wanted["repository"])
        self.remote = is_remote(declared)
        self.place = "" if self.remote else task.host.realpath(declared)
        self.shown = task.repository.where if task.repository else ""
        program = task.host.which("restic")
        if program is None:
            raise NotTriedError("restic is not installed", "apt-get install --yes restic")
        self.command = [program, "--no-lock", "--no-cache"]
        self.secrets = password_of(task)
        self.environment = {"RESTIC_PASSWORD_FILE": PASSWORD} if self.secrets else {}
        self.box: ReadingSandbox
        if self.remote:
            # It may hold a password, and other users see arguments.
            self.secrets[_PLACE] = declared.encode("utf-8", "surrogateescape")
            self.environment["RESTIC_REPOSITORY_FILE"] = _PLACE
            self.environment.update(account_of(task.host))
            self.box, self.reads = NearSandbox(task.sandbox), []
        else:
            self.environment["RESTIC_REPOSITORY"] = _INSIDE
            self.box, self.reads = ReadingSandbox(task.sandbox), [(self.place, _INSIDE)]
        said = self.run(["version"]).out.split()
        task.row["programs"]["restic"] = said[1][:20] if len(said) > 1 else "?"

    def run(
        self, words: list[str], *, whole: bool = False, seconds: float | None = None
    ) -> Finished:
        """Run restic to its end. whole: its complaints go into a file, as there may be many."""
        line = [*self.command, *words]
        line = with_complaints(COMPLAINTS, line) if whole else line
        said = self.box.run(
            line, self.reads, self.environment, secrets=self.secrets, seconds=seconds
        )
        refuse_odd_end("restic", said.status, said.err)
        return said

    def asked(self, words: list[str]) -> str:
        """Return what restic prints.

        Raises: BadBackupError, NotTriedError.
        """
        said = self.run(words)
        if said.status:
            raise failure(
                words[-1] if len(words) == 1 else words[0], said.status, said.err, self.remote
            )
        return said.out

    def names(self, kind: str) -> list[str]:
        """Return the names of all packs, snapshots, indexes or locks."""
        if self.remote:
            listed = self._listed(["list", kind])
        elif kind == "packs":
            top = os.path.join(self.place, "data")
            folders = [one for one in self.task.host.names(top) if len(one) == 2]
            listed = [
                name
                for folder in folders
                for name in self.task.host.names(os.path.join(top, folder))
            ]
        else:
            listed = self.task.host.names(os.path.join(self.place, kind))
        return [one for one in listed if _ID.match(one)]

    def _listed(self, words: list[str]) -> list[str]:
        """Return the lines that restic prints, however many they are."""
        ended: list[str] = []
        lines = b""
        box = self.box
        if not isinstance(box, NearSandbox):
            raise NotTriedError("a list of a local repository is read without restic")

        def end(status: int, err: str) -> None:
            if status:
                raise failure(words[0], status, err, self.remote)
            ended.append("")

        with box.stream([*self.command, *words], self.environment, self.secrets, end) as read:
            for chunk in iter(lambda: read(1 << 16), b""):
                lines += chunk
                box.look()
        return lines.decode("ascii", "replace").split()

    def holders(self) -> list[LockHolder]:
        """Return who holds a lock."""
        texts = [self._lock(name) for name in self.names("locks")[:MOST_LOCKS]]
        here, now = os.uname().nodename, self.task.host.now()
        return [holder_of(text, here, now) for text in texts if text is not None]

    def _lock(self, name: str) -> str | None:
        """Return what is in a lock; None if it has gone since. restic asks for a minute for what is not there.

        Raises: NotTriedError if it cannot be read: then it is held by somebody.
        """
        for seconds in LOCK_SECONDS:
            try:
                said = self.run(["cat", "lock", name], seconds=seconds)
                if said.status == 0:
                    return said.out
            except CancelledError:
                self.task.sandbox.look()  # it may be the verification that is cancelled
            if name not in self.names("locks"):
                return None
        raise NotTriedError("the repository has a lock that cannot be read")

    def identity(self) -> str:
        """Return what no other repository at the same place has."""
        if self.remote:
            text = self.asked(["cat", "config"]).encode("utf-8", "surrogateescape")
        else:
            text = self.task.host.read_bytes(os.path.join(self.place, "config"), 64_000)
        return hashlib.sha256(text).hexdigest()[:32]

    def refuse_unread(self) -> None:
        """Raise BadBackupError if a snapshot cannot be read: restic leaves it out of its list in silence.

        What is not in the list of the set may be another set's, or have come since.
        """
        there, listed = self.names("snapshots"), self.task.repository
        said = {one.name.split()[-1] for one in listed.snapshots} if listed else set()
        unread = [one for one in there if one[:8] not in said]
        if unread:
            said = parsed_snapshots(self.asked(["--json", "snapshots"]))
            gone_since = set(unread) - set(self.names("snapshots"))
            unread = [one for one in unread if one[:8] not in said and one not in gone_since]
        if unread:
            raise BadBackupError(f"snapshot {unread[0][:8]} cannot be read; it is not in the list")


def holder_of(text: str, here: str, now: float) -> LockHolder:
    """Return whom a lock of restic names. here: the name of this host.

    Raises: NotTriedError if it is not understood: then it is held by somebody.
    """
    try:
        said = parsed("restic", text)
        host, pid, since = name_of(said["hostname"]), int(said["pid"]), moment(said["time"])
    except (HostError, LookupError, TypeError, ValueError, AttributeError):
        raise NotTriedError("the repository has a lock that is not understood") from None
    ended = gone(host == here, pid, since)
    return LockHolder(host, pid, since, ended or (host != here and now - since > STALE_SECONDS))


def parsed_snapshots(text: str) -> set[str]:
    """Return the short names of the snapshots in restic's list.

    Raises: NotTriedError.
    """
    try:
        return {one["id"][:8] for one in parsed("restic", text) or []}
    except (HostError, LookupError, TypeError):
        raise NotTriedError("restic: its list of snapshots is not understood") from None


@contextlib.contextmanager
def restored_restic(task: Verification) -> Iterator[RestoredBackup]:
    """Read the next part of the repository, and restore the newest snapshot if it is not too large."""
    now = task.host.now()
    with task.step("find"):
        repository = _Repository(task)
        wait_until_free(task, repository.holders, f"restic -r {repository.shown} unlock")
        repository.refuse_unread()
        snapshots = task.repository.snapshots if task.repository else []
        newest = task.row["backup"].split()[-1]
        if not _ID.match(newest):
            raise NotTriedError("restic: the name of its newest snapshot is not understood")
        cycle = Cycle(
            task.ledger, task.wanted["name"], task.verify["parts"], repository.identity(), now
        )
        indexes = repository.names("index")
    try:
        with task.step("check"):
            _read_parts(task, repository, cycle, snapshots)
        with task.step("restore"):
            size = _size(repository, newest)
            whole = size <= task.verify["whole_bytes"]
            restored = _restore(task, repository, newest, size if whole else None)
    except BadBackupError as exc:
        if set(indexes) - set(repository.names("index")):
            raise NotTriedError("another program has changed the repository meanwhile") from exc
        raise
    task.row["proof"] = "checksums"
    if whole:
        cycle.restored(task.row["backup"])
        cycle.keep(snapshots, cycle.unproved(repository.names("packs")))
        task.row["unproved"] = (
            f"what only older snapshots have, of which {cycle.covered()} parts were read"
        )
        if len(cycle.done) == cycle.parts:
            task.row["unproved"] = ""
    else:
        task.row["covered"] = cycle.covered()
    yield restored


def _read_parts(
    task: Verification, repository: _Repository, cycle: Cycle, snapshots: list[Snapshot]
) -> None:
    """Read the next part, and more of them if the cycle would end late.

    Raises: BadBackupError, NotTriedError, CancelledError. What was read until then is kept.
    """
    while True:
        part, began = cycle.next(), time.monotonic()
        packs = repository.names("packs")
        repository.asked(["check", f"--read-data-subset={part}/{cycle.parts}"])
        cycle.read(part, packs, task.host.now())
        cycle.keep(snapshots, cycle.unproved(repository.names("packs")))
        task.progress(len(cycle.done) / cycle.parts)
        left, took = task.sandbox.ends - time.monotonic(), time.monotonic() - began
        if left < 3 * took or not cycle.behind(task.host.now(), task.verify["cycle_days"]):
            return


def _size(repository: _Repository, snapshot: str) -> int:
    """Return how many bytes the files of a snapshot have.

    Raises: BadBackupError, NotTriedError.
    """
    text = repository.asked(["--json", "stats", "--mode", "restore-size", snapshot])
    try:
        said: Any = parsed("restic", text.strip().splitlines()[-1])
        if said.get("snapshots_count", 1) != 1:
            raise BadBackupError(f"snapshot {snapshot[:8]} cannot be read")
        return int(said["total_size"])
    except (HostError, LookupError, TypeError, ValueError, AttributeError):
        raise NotTriedError("restic stats: what it prints is not understood") from None


def _restore(
    task: Verification, repository: _Repository, snapshot: str, size: int | None
) -> RestoredSnapshot:
    """Restore a snapshot; if size is None, only the files that the site asks for.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    tree = task.scratch.folder(TREE)
    patterns = [one["files"] for one in task.verify["assertions"] if one["files"]]
    if size is None and not patterns:
        return RestoredSnapshot("", whole=False)
    if size is not None:
        task.scratch.refuse_without_space(size)
    began = time.monotonic()
    if repository.remote:
        _streamed(task, repository, snapshot, tree)
    else:
        words = ["restore", "--verify", "--target", task.scratch.inside(tree), snapshot]
        if size is None:
            words += [f"--include=/{one.lstrip('/')}" for one in patterns]
        with repository.box.telling(task, size or 1):
            said = repository.run(words, whole=True)
        _judge_complaints(task, said, repository.remote)
    if size is not None:
        task.row["restored_bytes"] = size
        task.row["restore_seconds"] = round(time.monotonic() - began, 3)
    return RestoredSnapshot(tree, size is not None)


def _judge_complaints(task: Verification, said: Finished, remote: bool) -> None:
    """Tell what is wrong with the data from what a user without privileges cannot give to files.

    Raises: BadBackupError, NotTriedError.
    """
    harmless, harmful = 0, []
    for line in complaints(task, COMPLAINTS):
        found = _IGNORED.match(line)
        if found and found.group(1).strip().endswith(_HARMLESS):
            harmless += 1
        elif line.strip() and not re.match(r"Fatal: There were \d+ errors", line):
            harmful.append(line)
    if said.status and (harmful or not harmless):
        err = "\n".join(harmful[-200:])
        refuse_odd_end("restic", said.status, err)
        raise failure("restore", said.status, err, remote)
    if harmless:
        task.note(f"{harmless} times an owner, an attribute or a device could not be restored")


def _streamed(task: Verification, repository: _Repository, snapshot: str, tree: str) -> None:
    """Let restic print the files of a snapshot beside the sandbox, and tar write them in it."""
    box = repository.box
    if not isinstance(box, NearSandbox):
        raise NotTriedError("a local repository is restored in the sandbox")

    def ended(status: int, err: str) -> None:
        if status:
            raise failure("dump", status, err, True)

    line = [*repository.command, "dump", "--archive", "tar", snapshot, "/"]
    with box.stream(line, repository.environment, repository.secrets, ended) as read:
        unpack(task, read, tree)
