"""Whose files are read and run: only those that nobody else could have written.

The rule is sshd's for a key: the file, and each folder on the way to it, belongs to this account or to root, and nobody
else can write there. Who can write a folder can put another file in a file's place. A group may be declared to be
trusted, in the environment and not in a file: such a file would be the group's own word for itself.
"""

from __future__ import annotations

import configparser
import functools
import grp
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from upkeep import account
from upkeep.errors import ConfigurationError

GROUPS = "UPKEEP_TRUSTED_GROUPS"
MOST_LINKS = 40
NOT_READ = frozenset({".git", ".hg", ".svn", "__pycache__"})
"""Folders in a site that neither we nor Ansible read."""
CODE = re.compile(
    r"roles_path|collections_paths?|library|module_utils|inventory|vault_password_file|.*_plugins"
)
"""Settings of an ansible.cfg that name what is run or read."""
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
        if levels and path.is_dir():
            waiting += [(one, levels - 1) for one in _within(path)]


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
    for path in _named_in(found):
        trusted_tree(path, depth=INSTALLED_DEPTH)
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


def _named_in(config: Path | None) -> Iterator[Path]:
    """Yield what an ansible.cfg, or Ansible's variables, name to be read or run, as far as it is there."""
    named: list[tuple[str, Path]] = []
    if config:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(config.read_text(encoding="utf-8"))
        except (configparser.Error, OSError, ValueError):
            return  # Ansible says better what is wrong with it
        named = [
            (value, config.parent)
            for section in parser.sections()
            for key, value in parser.items(section)
            if CODE.fullmatch(key)
        ]
    for variable, value in os.environ.items():
        if variable.startswith("ANSIBLE_") and CODE.fullmatch(variable[8:].lower()):
            named.append((value, Path()))
    for value, folder in named:
        for part in re.split("[:,]", value.strip("\"'")):
            path = folder / Path(os.path.expandvars(part.strip())).expanduser()
            if part.strip() and path.exists():
                yield path


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


def _refuse(path: Path, status: os.stat_result, meant: Path) -> None:
    """Raise ConfigurationError if others own or can write a folder or file on the way to what is meant."""
    through = "" if path == meant else f" (on the way to {meant})"
    if status.st_uid not in (0, os.geteuid()):
        owner = f"belongs to another user ({account.name_of(status.st_uid)})"
        message = f"{path}: {owner}, so nothing is read from it{through}"
        raise ConfigurationError(message, remedy=f"chown {os.geteuid()} {path}")
    if stat.S_ISLNK(status.st_mode) or _is_sticky(status):
        return
    if status.st_mode & stat.S_IWOTH:
        message = f"{path}: everybody can write here, so nothing is read from it{through}"
        raise ConfigurationError(message, remedy=f"chmod o-w {path}")
    if status.st_mode & stat.S_IWGRP and not _trusted_group(status.st_gid):
        group = _group(status.st_gid)
        message = f"{path}: its group {group} can write here, so nothing is read from it{through}"
        raise ConfigurationError(
            message, remedy=f"chmod g-w {path}; or, if all of it are trusted: {GROUPS}={group}"
        )


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
