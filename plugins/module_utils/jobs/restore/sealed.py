# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted backups: opened in the sandbox by age or gpg with the key that the set declares, and read to their end.

The key is in memory alone, and on no command line. A backup that the declared key does not open is lost to whoever has
no other key, so that this is a fault of the backup, and nothing unknown.

Source: age(1); gpg(1); the age file format, v1; RFC 9580.
"""

from __future__ import annotations

import os
import re
import time
from functools import partial

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import Budget
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import (
    due_in,
    read_file,
    reading,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sealed import sealed_by
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.kind import kind_of_file
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    NO_LIMIT,
    Verification,
)

KEY, PASSWORD = "/key", "/password"
KEY_BYTES = 1 << 20
_NAME = "decrypted"
_SUFFIX = re.compile(r"\.(?:age|gpg|pgp|asc|enc)\Z", re.IGNORECASE)
_TO_FILE = 'exec >"$0"; exec "$@"'
# Its folder is in memory, for it writes keys there.
_GPG = """umask 077; mkdir /tmp/gnupg; set -- gpg --homedir /tmp/gnupg --batch --no-tty --pinentry-mode loopback
[ ! -s /password ] || set -- "$@" --passphrase-file /password
[ ! -s /key ] || "$@" --import /key >/dev/null 2>&1 || [ -s /password ] || { echo 'the key is none' >&2; exit 9; }
exec "$@" --decrypt >"$0" """
_WRONG_KEY = re.compile(
    r"no identity matched|Bad session key|bad passphrase|No secret key", re.IGNORECASE
)
_BROKEN = re.compile(
    r"payload chunk|bad header MAC|unexpected EOF|parsing age header|failed to read header|last chunk|"
    r"manipulated|read error|premature eof|invalid packet|mdc|Invalid packet",
    re.IGNORECASE,
)
_NO_KEY = re.compile(r"/key|the key is none|unknown identity|malformed secret key")


def opened(task: Verification) -> str:
    """Decrypt the backup into a file of the scratch place, and read it to its end; return the kind of what is in it.

    Raises: BadBackupError if the declared key does not open it, or what is in it is broken; NotTriedError.
    """
    with task.step("stage"):
        with task.content() as stream:
            seal = sealed_by(stream.peek())
            secrets = _secrets(task, seal)
            task.scratch.refuse_without_space(task.backup.bytes or 0 if task.backup else 0)
            inside = f"/scratch/{_NAME}"
            line = _line(seal, inside)
            said = task.sandbox.run(line, given=task.reader(stream), secrets=secrets)
        if said.status:
            raise refused(seal, said, KEY in secrets)
        path = task.outside(inside)
        task.row["programs"][_PROGRAMS[seal]] = _version(task, _PROGRAMS[seal])
        # What it was encrypted with has proved each byte.
        task.row["proof"], task.row["unproved"] = "checksums", ""
        _read(task, path)
        task.decrypted = path
        task.note(f"it was decrypted by {_PROGRAMS[seal]} with the key that is declared")
        return kind_of_file(path, task.host)


_PROGRAMS = {"age": "age", "OpenPGP": "gpg"}


def _secrets(task: Verification, seal: str) -> dict[str, bytes]:
    """Return the keys that the set declares, by the paths that they have in the sandbox.

    Raises: NotTriedError.
    """
    if seal not in _PROGRAMS:
        raise NotTriedError(f"it is encrypted by {seal}, which is not decrypted here")
    if task.host.which(_PROGRAMS[seal]) is None:
        raise NotTriedError(
            f"{_PROGRAMS[seal]} is not installed",
            f"apt-get install --yes {'age' if seal == 'age' else 'gnupg'}",
        )
    found: dict[str, bytes] = {}
    wanted, identity = task.wanted, task.verify["identity_file"]
    try:
        if identity:
            found[KEY] = task.host.read_bytes(identity, KEY_BYTES)
        if seal == "OpenPGP" and wanted["password_file"]:
            found[PASSWORD] = task.host.read_bytes(wanted["password_file"], KEY_BYTES)
        elif seal == "OpenPGP" and wanted["password"]:
            found[PASSWORD] = wanted["password"].encode("utf-8", "surrogateescape") + b"\n"
    except HostError as exc:
        raise NotTriedError(f"the key: {exc}") from exc
    if not found:
        option = "`identity_file` under `verify`" if seal == "age" else "`password_file`"
        raise NotTriedError(
            f"it is encrypted by {seal}, and the set declares no key", f"decide: declare {option}"
        )
    return found


def _line(seal: str, inside: str) -> list[str]:
    if seal == "age":
        return ["sh", "-c", _TO_FILE, inside, "age", "--decrypt", "--identity", KEY]
    return ["sh", "-c", _GPG, inside]


def refused(seal: str, said: Finished, has_identity: bool) -> RestoreError:
    """Return what it says of the backup that a program did not decrypt it. Nothing that it prints is passed on.

    has_identity: whether a key is declared, and not a password alone.
    """
    program = _PROGRAMS[seal]
    if "No secret key" in said.err and not has_identity:
        return NotTriedError(
            f"{program}: it is encrypted to a key, and the set declares a password alone"
        )
    if _NO_KEY.search(said.err):
        return NotTriedError(f"{program}: the declared key is none that it can use")
    if re.search(r"passphrase-encrypted|scrypt", said.err):
        return NotTriedError(
            f"{program}: it was encrypted with a passphrase, which only a terminal may be asked for"
        )
    if re.search(
        r"No space left|can't connect to the (?:gpg-)?agent|Cannot allocate|out of (?:secure )?memory",
        said.err,
    ):
        return NotTriedError(f"{program}: no space, no memory, or no agent in the sandbox")
    if _BROKEN.search(said.err):
        return BadBackupError(f"{program}: it is damaged: what is in it is not what was encrypted")
    if _WRONG_KEY.search(said.err):
        return BadBackupError(
            f"{program}: the declared key does not open it",
            "decide: find the key of this backup, or encrypt the next one to the declared one",
        )
    if re.search(r"[Uu]nknown (?:cipher|version|packet)|not supported|[Ii]nvalid cipher", said.err):
        return NotTriedError(
            f"{program}: it was encrypted in a way that this version does not know"
        )
    return BadBackupError(f"{program}: it was not decrypted, with status {said.status}")


def _version(task: Verification, program: str) -> str:
    words = task.sandbox.run([program, "--version"]).out.split("\n")[0].split()
    return words[-1][:40] if words else ""


def _read(task: Verification, path: str) -> None:
    """Read what came out to its end, as a backup that was never encrypted.

    Raises: BadBackupError, NotTriedError.
    """
    name = _SUFFIX.sub("", task.backup.name if task.backup else "")
    budget = Budget(max(1.0, task.sandbox.ends - time.monotonic()), NO_LIMIT)
    said, found, _cut = reading(partial(read_file, [path], due_in(name), budget, task.host))
    why = str(said["why"]).replace(path, os.path.basename(name))
    if said["state"] == "broken":
        raise BadBackupError(f"what is encrypted in it cannot be read: {why}")
    if said["state"] == "partial":
        raise NotTriedError(f"what is encrypted in it was not read to its end: {why}")
    if said.get("hostile"):
        task.finding(f"members would be extracted elsewhere, such as {said['hostile'][0]}")
    if found is not None and found.taken is not None and "member" not in found.taken_words:
        task.row["taken_at"] = iso(found.taken)
