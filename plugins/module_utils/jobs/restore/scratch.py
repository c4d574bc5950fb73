# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder in which one backup is restored, and the bounds of what may happen there.

Its name says which process made it and when that process began. What a killed run left is known by that alone: the
programs of a sandbox end with the process that began them, so that only files and a control group can be left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import re
import shutil
import stat
import subprocess
import time
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.progress import began
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)

DEFAULT = "/var/lib/upkeep/scratch"
MARKER = "marker"
_NAME = re.compile(r"restore-(\d+)-(\d+)-([0-9a-f]{8})\Z")
_UIDS = range(61184, 65520)
"""What systemd keeps for accounts that exist only while something runs. Source: systemd.exec(5), DynamicUser=."""
_GROUPS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
RESERVE_BYTES = 256 << 20
RESERVE_FILES = 1000
"""What always stays free on the file system of the scratch place."""
ALLOWANCE = 1.2


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip()[:8]


def _alive(name: str) -> bool:
    """Return whether the process that made the folder of that name is still there."""
    pid, ticks, boot = _NAME.match(name).groups()  # type: ignore[union-attr]
    return boot == _boot() and began(int(pid)) == int(ticks)


def refuse_place(base: str, what: str = "scratch place") -> None:
    """Make a folder if it is missing. what: how it is called in a message.

    Raises: NotTriedError if others than root may write there, or put another folder in its place.
    """
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        path = "/"
        for part in [""] + [one for one in base.split("/") if one]:
            path = os.path.join(path, part)
            info = os.lstat(path)
            shared = info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX
            if not stat.S_ISDIR(info.st_mode) or info.st_uid != 0 or shared:
                raise NotTriedError(
                    f"{what} {base}: {path} is not a folder of root that only root can write to"
                )
    except OSError as exc:
        raise NotTriedError(f"{what} {base}: {exc.strerror}") from exc


def clear(base: str) -> list[str]:
    """Remove what runs that are gone have left below the scratch place; return the names of what was removed.

    Raises: NotTriedError if something could not be removed.
    """
    removed = []
    for name in sorted(os.listdir(base)):
        path = os.path.join(base, name)
        if not _NAME.match(name) or _alive(name) or not _is_ours(path):
            continue
        _end_group(name)
        _end_user(path)
        _remove(path)
        removed.append(name)
    for top in _GROUPS:
        with contextlib.suppress(OSError):
            for name in os.listdir(top):
                if _NAME.match(name) and not _alive(name):
                    _end_group(name)
    return removed


def _is_ours(path: str) -> bool:
    """Return whether the folder is root's, and has a marker or nothing at all in it."""
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != 0:
        return False
    return os.path.lexists(os.path.join(path, MARKER)) or not os.listdir(path)


def _remove(path: str) -> None:
    """Remove a folder. The marker goes last, for a removal may be interrupted, too.

    Raises: NotTriedError.
    """
    try:
        for name in os.listdir(path):
            if name != MARKER:
                inside = os.path.join(path, name)
                if os.path.isdir(inside) and not os.path.islink(inside):
                    _remove_tree(inside)
                else:
                    os.unlink(inside)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, MARKER))
        os.rmdir(path)
    except OSError as exc:
        raise NotTriedError(f"{path}: cannot be removed: {exc.strerror}") from exc


def _remove_tree(path: str) -> None:
    """Remove a tree, however deep it is: a backup may hold a thousand folders in each other.

    Raises: OSError.
    """
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):
        # rm goes down without a path that grows, and without a call in a call.
        line = ["rm", "-rf", "--one-file-system", "--", path]
        subprocess.call(line, stderr=subprocess.DEVNULL)  # pylint: disable=ansible-bad-function
        if os.path.lexists(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path) from None


class Scratch:
    """One folder. path: root's alone. work: in it, of the sandbox's user; there it is `/scratch`. uid: that user."""

    def __init__(self, base: str = DEFAULT) -> None:
        refuse_place(base)
        self.cleared = clear(base)
        self.name = f"restore-{os.getpid()}-{began(os.getpid())}-{_boot()}"
        self.path = os.path.join(base, self.name)
        self.work = os.path.join(self.path, "work")
        self.group = ""
        self.uid = _free_uid(base)
        try:
            os.mkdir(self.path, 0o700)
            with open(os.path.join(self.path, MARKER), "w", encoding="ascii") as stream:
                stream.write("A backup is restored here; upkeep removes this folder.\n")
            self.folder("")
        except OSError as exc:
            # Left behind, it would be in the way of this process's next one.
            with contextlib.suppress(NotTriedError):
                _remove(self.path)
            raise NotTriedError(f"scratch place {base}: {exc.strerror}") from exc

    def folder(self, name: str) -> str:
        """Make a folder of the sandbox's user and return its path outside of the sandbox."""
        path = os.path.join(self.work, name) if name else self.work
        os.mkdir(path, 0o700)
        os.lchown(path, self.uid, self.uid)  # what runs there may put a link in its place
        return path

    def inside(self, path: str) -> str:
        """Return the path that a path below `work` has in the sandbox."""
        return "/scratch" + path[len(self.work) :]

    def give(self, path: str) -> None:
        """Give a file or a tree to the sandbox's user, following no link."""
        os.lchown(path, self.uid, self.uid)
        if os.path.isdir(path) and not os.path.islink(path):
            for folder, names, files in os.walk(path):
                for name in names + files:
                    os.lchown(os.path.join(folder, name), self.uid, self.uid)

    def free_bytes(self) -> int:
        """Return what may still be written here."""
        space = os.statvfs(self.path)
        if space.f_files and space.f_favail < RESERVE_FILES:
            return -1
        return space.f_bavail * space.f_frsize - RESERVE_BYTES

    def refuse_without_space(self, restored_bytes: int) -> None:
        """Raise NotTriedError if what is to be restored does not fit here with a fifth to spare."""
        needed, free = int(restored_bytes * ALLOWANCE), self.free_bytes()
        if needed > free:
            raise NotTriedError(
                f"no space in {os.path.dirname(self.path)}: {needed} B needed, {max(0, free)} B free",
                f"df -h {os.path.dirname(self.path)}  # make room, or name another scratch place",
            )

    def bound_memory(self, limit_bytes: int) -> bool:
        """Make a control group for what runs here; return whether the kernel has bounded its memory."""
        for top, file in zip(_GROUPS, ("memory.limit_in_bytes", "memory.max")):
            group = os.path.join(top, self.name)
            if file == "memory.max" and not _controls_memory(top):
                continue
            try:
                os.mkdir(group)
                with open(os.path.join(group, file), "w", encoding="ascii") as stream:
                    stream.write(str(limit_bytes))
            except OSError:
                with contextlib.suppress(OSError):
                    os.rmdir(group)
                continue
            self.group = group
            return True
        return False

    def close(self) -> None:
        """Remove the folder. Everything that ran here has ended.

        Raises: NotTriedError if something is left.
        """
        _end_group(self.name)
        _end_user(self.path)
        _remove(self.path)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_exc: Any) -> None:
        self.close()


def _controls_memory(top: str) -> bool:
    try:
        with open(os.path.join(top, "cgroup.subtree_control"), encoding="ascii") as stream:
            return "memory" in stream.read().split()
    except OSError:
        return False


def _end_group(name: str) -> None:
    """End what is left in a control group, and remove it."""
    for top in _GROUPS:
        group = os.path.join(top, name)
        for _attempt in range(100):
            try:
                os.rmdir(group)
            except FileNotFoundError:
                break
            except OSError as exc:
                if exc.errno != errno.EBUSY:
                    break
                _kill_all(group)
                time.sleep(0.05)
            else:
                break


def _kill_all(group: str) -> None:
    with contextlib.suppress(OSError, ValueError), open(
        os.path.join(group, "cgroup.procs"), encoding="ascii"
    ) as stream:
        for number in stream.read().split():
            os.kill(int(number), 9)


def _end_user(path: str) -> None:
    """End every process of the user to whom the folder's `work` belongs: its number is nobody else's."""
    try:
        uid = os.lstat(os.path.join(path, "work")).st_uid
    except OSError:
        return
    for _attempt in range(200):
        left = [pid for pid, owner in _owners() if owner == uid] if uid in _UIDS else []
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, 9)
        if not left:
            return
        time.sleep(0.02)


def _owners() -> list[tuple[int, int]]:
    """Return the number and the user of each process that has not ended."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as stream:
                    state = stream.read().rpartition(b")")[2].split()[0]
                if state != b"Z":
                    found.append((int(name), os.stat(f"/proc/{name}").st_uid))
    return found


def _free_uid(base: str) -> int:
    """Return a number that no account, no process and no other verification has."""
    used = set()
    for name in os.listdir(base):
        with contextlib.suppress(OSError):
            used.add(os.lstat(os.path.join(base, name, "work")).st_uid)
    taken = used | {one.pw_uid for one in pwd.getpwall()} | {uid for _pid, uid in _owners()}
    start = os.getpid() % len(_UIDS)
    free = (uid for uid in (*_UIDS[start:], *_UIDS[:start]) if uid not in taken)
    found = next(free, 0)
    if found:
        return found
    raise NotTriedError("no free user number for the sandbox")
