"""Whose files are read and run: only those that nobody else could have written.

The rule is sshd's for a key: the file, and each folder on the way to it, belongs to this account or to root, and nobody
else can write there. Who can write a folder can put another file in a file's place. A group may be declared to be
trusted, in the environment and not in a file: such a file would be the group's own word for itself.
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import grp
import os
import pwd
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from upkeep.model.errors import ConfigurationError
from upkeep.system import account

GROUPS = "UPKEEP_TRUSTED_GROUPS"
MOST_LINKS = 40
# acl(5), linux/posix_acl_xattr.h
ACL_USER, ACL_GROUP, ACL_WRITE = 0x02, 0x08, 0x02
NOT_READ = frozenset({".git", ".hg", ".svn", "__pycache__"})
"""Folders in a site that neither we nor Ansible read."""
TREES = re.compile(r"roles_path|collections_paths?|library|module_utils|inventory|.*_plugins")
"""Settings of an ansible.cfg whose folders are read and run as a whole."""
OF_TARGETS = re.compile(r".*interpreter.*|remote_.*|become_exe|.*become.*|sudo_.*|su_.*")
"""Those that name what is on the hosts."""
PATH = re.compile(r"(?:^|(?<=[\s=:,@\"']))[/~][^\s:,\"']*")
OF_ANSIBLE = ("roles", "collections", "plugins", "ansible.cfg")
"""What Ansible looks for in ~/.ansible and /etc/ansible, whatever the site says."""
INSTALLED_DEPTH = 4
"""Collections that are installed have hundreds of thousands of files: their folders are looked at down to here."""


def trusted(path: Path) -> None:
    """Raise ConfigurationError if others can write the file, or could put another in its place."""
    for one, status in way_to(path):
        _refuse(one, status, path)


def trusted_tree(folder: Path, besides: Iterable[Path] = (), depth: int = 1000) -> None:
    """Raise ConfigurationError as `trusted` does of the folder and all that is in it, also where links lead.

    besides: folders in it that are not read, such as the state. depth: how far down is looked.
    """
    left_out = {os.path.realpath(one) for one in besides}
    seen: set[str] = set()
    waiting = [(folder, depth)]
    while waiting:
        path, levels = waiting.pop()
        real = os.path.realpath(path)
        if real in seen or real in left_out:
            continue
        seen.add(real)
        trusted(path)
        # What this account cannot list, Ansible cannot read for it; and what is gone meanwhile is read by nobody.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            if path.is_dir():
                _refuse(path, path.stat(), path, listed=True)
                waiting += [(one, levels - 1) for one in _within(path)] if levels else []


def _within(folder: Path) -> Iterator[Path]:
    """Yield what has to be looked at by itself; plain files are looked at here, for there are many."""
    with os.scandir(folder) as entries:
        for one in entries:
            if one.is_symlink() or one.is_dir():
                path = Path(one.path)
                if one.name not in NOT_READ and path.exists():  # a link may lead nowhere
                    yield path
            else:
                _refuse(Path(one.path), one.stat(), Path(one.path))


def trusted_inventory(inventory: Path) -> None:
    """Raise ConfigurationError if others can write an inventory, or the variables that Ansible finds beside a file."""
    trusted_tree(inventory)
    if inventory.is_file():
        _refuse(inventory.parent, inventory.parent.stat(), inventory, listed=True)
        for name in ("group_vars", "host_vars"):
            if (inventory.parent / name).exists():
                trusted_tree(inventory.parent / name)


def trusted_code(config: Path | None, *more: Path | None) -> None:
    """Raise ConfigurationError if others can write what Ansible reads and runs for a site outside of its folder.

    config: the site's own ansible.cfg. more: other files that are read or run.
    """
    for one in more:
        if one and one.exists():
            trusted(one)
    found = _config_of(config)
    if found:
        trusted(found)
    for path, whole in _named_in(found):
        trusted_tree(path, depth=INSTALLED_DEPTH) if whole else trusted(path)
    for path in _of_ansible():
        if path.exists():
            trusted_tree(path, depth=INSTALLED_DEPTH)


def _of_ansible() -> Iterator[Path]:
    """Yield what Ansible reads and runs whatever the site says, of this account and of the machine."""
    home = account.home()
    folders = [Path("/etc/ansible"), *([home / ".ansible"] if home else [])]
    yield from (folder / one for folder in folders for one in OF_ANSIBLE)
    if home:
        yield home / ".ansible.cfg"


def _config_of(site: Path | None) -> Path | None:
    """Return the ansible.cfg that holds: the site's, else the first that Ansible finds."""
    home = account.home()
    named = os.environ.get("ANSIBLE_CONFIG")
    others = [Path(named).expanduser() if named else None, home / ".ansible.cfg" if home else None]
    candidates = [site, *others, Path("/etc/ansible/ansible.cfg")]
    return next((one for one in candidates if one and one.is_file()), None)


def _named_in(config: Path | None) -> Iterator[tuple[Path, bool]]:
    """Yield what an ansible.cfg, or Ansible's variables, name on this machine; and if it is read as a whole.

    Not only what is known to be code: any setting may name a program, and plugins have settings of their own.
    """
    named: list[tuple[str, str, Path]] = []
    if config:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(config.read_text(encoding="utf-8"))
        except (configparser.Error, OSError, ValueError):
            return  # Ansible says better what is wrong with it
        for section in parser.sections():
            named += [(key, value, config.parent) for key, value in parser.items(section) if value]
    for variable, value in os.environ.items():
        if variable.startswith("ANSIBLE_") and variable != "ANSIBLE_CONFIG":
            named.append((variable[8:].lower(), value, Path()))
    for key, value, folder in named:
        if OF_TARGETS.fullmatch(key):
            continue
        expanded = os.path.expandvars(value)
        whole = bool(TREES.fullmatch(key))
        parts = re.split("[:,]", expanded.strip("\"'")) if whole else PATH.findall(expanded)
        for part in parts:
            path = folder / Path(part.strip()).expanduser()
            if not part.strip() or not (path.is_file() or path.is_dir()):
                continue
            yield path, whole
            if key == "home":
                yield from ((path / one, True) for one in OF_ANSIBLE if (path / one).exists())


def way_to(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield each folder and link on the way to a path, from the root on, and where it ends.

    Links are followed as the kernel follows them. What is not there ends the way: nobody has written it yet.
    """
    parts = list(reversed(path.absolute().parts[1:]))
    at, links = Path("/"), 0
    yield at, at.lstat()
    while parts:
        part = parts.pop()
        if part == "..":
            at = at.parent
            continue
        one = at / part
        try:
            status = one.lstat()
            if stat.S_ISLNK(status.st_mode):
                links += 1
                target = one.readlink()
                parts += reversed([each for each in target.parts if each != "/"])
                yield one, status
                at = Path("/") if target.is_absolute() else at
                if links > MOST_LINKS:
                    return
                continue
        except OSError:
            return
        yield one, status
        at = one


def _refuse(path: Path, status: os.stat_result, meant: Path, *, listed: bool = False) -> None:
    """Raise ConfigurationError if others own or can write a folder or file on the way to what is meant.

    listed: it is a folder of which everything is read, so that nobody else may even add to it.
    """
    through = "" if path == meant else f" (on the way to {meant})"
    if status.st_uid not in (0, os.geteuid()):
        owner = f"belongs to another user ({account.name_of(status.st_uid)})"
        message = f"{path}: {owner}, so nothing is read from it{through}"
        remedy = f"look at it: ls -ld {path}; remove it if it was planted, or move what is read elsewhere"
        raise ConfigurationError(message, remedy=remedy)
    if stat.S_ISLNK(status.st_mode) or (_is_sticky(status) and not listed):
        return
    if status.st_mode & stat.S_IWOTH:
        message = f"{path}: everybody can write here, so nothing is read from it{through}"
        raise ConfigurationError(message, remedy=f"chmod o-w {path}")
    if not status.st_mode & stat.S_IWGRP:
        return  # then no access control list lets anybody else write, either
    if not _trusted_group(status.st_gid):
        group = _group(status.st_gid)
        message = f"{path}: its group {group} can write here, so nothing is read from it{through}"
        raise ConfigurationError(
            message, remedy=f"chmod g-w {path}; or, if all of it are trusted: {GROUPS}={group}"
        )
    for who in _in_access_list(path):
        message = f"{path}: {who} can write here, so nothing is read from it{through}"
        raise ConfigurationError(message, remedy=f"getfacl {path}; setfacl -b {path}")


def _in_access_list(path: Path) -> Iterator[str]:
    """Yield who else can write by a POSIX access control list; its mask is then the group's part of the mode."""
    try:
        packed = os.getxattr(path, "system.posix_acl_access")
    except OSError:  # none, or a file system that has none
        return
    for tag, permissions, number in struct.iter_unpack("<HHI", packed[4:]):
        if permissions & ACL_WRITE:
            if tag == ACL_USER and number not in (0, os.geteuid()):
                yield f"the user {account.name_of(number)}"
            elif tag == ACL_GROUP and not _trusted_group(number):
                yield f"the group {_group(number)}"


def _is_sticky(status: os.stat_result) -> bool:
    """Return whether in a folder that others can write they cannot replace what is not theirs, as in /tmp."""
    return stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)


def _trusted_group(number: int) -> bool:
    """Return whether all who are in a group are trusted: it is root's, this user's own, or declared."""
    return number == 0 or _group(number) in _declared() or _is_own(number)


def _declared() -> set[str]:
    return {one.strip() for one in os.environ.get(GROUPS, "").split(",") if one.strip()}


@functools.cache
def _is_own(number: int) -> bool:
    """Return whether a group is of this user alone, as most systems make one for each user."""
    try:
        user = pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(number)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
