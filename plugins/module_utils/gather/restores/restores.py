# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each declared set of backups was verified by restoring it: what the host's ledger says. Restores nothing."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import SETS
from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._ledger import (
    CYCLE,
    RUNNING,
    LedgerRows,
    UnreadRowError,
    parse_object,
    read_fields,
    read_lines,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso

ARGUMENTS: dict[str, dict[str, Any]] = {
    "sets": SETS,
    "folder": {"type": "path", "default": "/var/lib/upkeep/restores"},
}
LIMIT_BYTES = 4_000_000
TAIL_BYTES = 8_000_000
"""How much of the ledger is read, from its end: some hundred rows of each of twenty sets."""
FILE_BYTES = 1_000_000
ALL_SETS_BYTES = 3_000_000
LIMITS = ("max_days", "rto_minutes", "cycle_days", "provable")


class LedgerFolder:
    """What the host's folder of the ledger says, read once for all sets."""

    def __init__(self, folder: str, names: list[str], host: Host) -> None:
        """Read it; a folder that is not there is an empty ledger.

        Raises: HostError if it cannot be read, or if somebody but root may write it.
        """
        self.host, self.folder = host, folder
        self.rows = {name: LedgerRows() for name in names}
        self.cut = False
        self.cycles: dict[str, Any] | None = {}
        self.running: dict[str, Any] | None = {}
        if not host.exists(folder):
            return
        refuse_foreign(folder, host)
        lines = self._lines("ledger.jsonl")
        self.rows = read_lines(lines, names)
        self.cycles, self.running = self._object("cycles.json"), self._object("running.json")

    def _lines(self, name: str) -> list[bytes]:
        """Return the last lines of a file, whole ones only; none if it is not there."""
        path = os.path.join(self.folder, name)
        if not self.host.exists(path):
            return []
        refuse_writable(path, self.host, stat.S_ISREG)
        with self.host.open(path, follow_links=False) as stream:
            try:
                start = max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES)
                stream.seek(max(0, start - 1))
                data = stream.read(TAIL_BYTES + 1)
            except OSError as exc:
                raise HostError(f"{path}: {exc.strerror or exc}") from exc
        self.cut = start > 0
        return data.split(b"\n")[1 if self.cut else 0 :]

    def _object(self, name: str) -> dict[str, Any] | None:
        """Return what a file of one JSON object says; None if that cannot be understood."""
        path = os.path.join(self.folder, name)
        if not self.host.exists(path):
            return {}
        try:
            refuse_writable(path, self.host, stat.S_ISREG)
            return parse_object(self.host.read_bytes(path, FILE_BYTES, follow_links=False))
        except (HostError, UnreadRowError):
            return None

    def cycle_of(self, name: str) -> dict[str, Any] | None:
        """Return how far the cycle of a set is; None without one.

        Raises: UnreadRowError if that is not understood.
        """
        if self.cycles is None:
            raise UnreadRowError("cycles.json is not understood")
        said = self.cycles.get(name)
        if said is None:
            return None
        if not isinstance(said, dict):
            raise UnreadRowError("cycles.json: the set is not understood")
        return read_fields(said, CYCLE, ("parts", "began_at"), name)

    def running_of(self, name: str) -> dict[str, Any] | None:
        """Return the verification of a set that is going on; None if none is, or if its process is gone.

        Raises: UnreadRowError if that is not understood.
        """
        if self.running is None:
            raise UnreadRowError("running.json is not understood")
        if self.running.get("set") != name:
            return None
        found = read_fields(self.running, RUNNING, ("backup", "step", "began_at"), name)
        return found if self._lives() else None

    def _lives(self) -> bool:
        """Return whether the process that is verifying is still that process: numbers are used again."""
        said = self.running or {}
        pid, started = said.get("pid"), said.get("pid_started")
        if not isinstance(pid, int) or not isinstance(started, int) or not 0 < pid < 1 << 31:
            return False
        try:
            text = self.host.read(f"/proc/{pid}/stat", 4096)
        except HostError:
            return False
        fields = text.rpartition(")")[2].split()
        return len(fields) > 19 and fields[19] == str(started)


def refuse_foreign(folder: str, host: Host) -> None:
    """Raise HostError if somebody but root may write the folder, or put another one in its place."""
    refuse_writable(folder, host, stat.S_ISDIR)
    above = os.path.dirname(host.realpath(folder))
    while True:
        mode = host.stat(above)
        if mode.st_uid != 0 or (mode.st_mode & 0o022 and not mode.st_mode & stat.S_ISVTX):
            raise HostError(
                f"{above}: expected a folder that only root may write; {folder} is below it"
            )
        if above == os.path.dirname(above):
            return
        above = os.path.dirname(above)


def refuse_writable(path: str, host: Host, is_kind: Any) -> None:
    """Raise HostError if it is not of root alone, or not of its kind. is_kind: of `stat`, such as stat.S_ISREG."""
    found = host.stat(path, follow_links=False)
    if not is_kind(found.st_mode):
        kind = "folder" if is_kind is stat.S_ISDIR else "file"
        raise HostError(f"{path}: found no plain {kind}; expected the ledger of verifications")
    if found.st_uid != 0 or found.st_mode & 0o022:
        said = f"owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}"
        raise HostError(f"{path}: found {said}; expected root's, and nobody else to write it")


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per declared set; of one that is not to be verified, only its time."""
    sets = params["sets"]
    names = [one["name"] for one in sets]
    verified = [one["name"] for one in sets if one["verify"] is not None]
    ledger, failure = None, HostError()
    try:
        if verified:
            ledger = LedgerFolder(params["folder"], verified, host)
    except HostError as exc:
        failure = exc
    room = ALL_SETS_BYTES // max(1, len(verified))
    seen = []
    for index, one in enumerate(sets):
        name = one["name"]
        if not name.strip() or names.index(name) != index:
            why = (
                f"another set is called {name!r} too" if name.strip() else "a set has an empty name"
            )
            seen.append(not_seen(name, HostError(f"sets: {why}")))
        elif one["verify"] is None:
            seen.append(Observation(name, {"at": iso(host.now())}))
        elif ledger is None:
            seen.append(not_seen(name, failure))
        else:
            seen.append(_look(one, ledger, room))
    return seen


def _look(wanted: dict[str, Any], ledger: LedgerFolder, room: int) -> Observation:
    """Return what is seen of a set. room: how many bytes its rows may take."""
    name, verify = wanted["name"], wanted["verify"]
    data: dict[str, Any] = {"at": iso(ledger.host.now()), "rpo_hours": wanted["rpo_hours"]}
    data.update({limit: verify[limit] for limit in LIMITS})
    data["key_copy"] = verify["key_copy"] or ""
    found = ledger.rows[name]
    data["rows"] = _that_fit(found.rows, room)
    unread = _unread(found, ledger.cut)
    for what, look in (("cycle", ledger.cycle_of), ("running", ledger.running_of)):
        try:
            data[what] = look(name)
        except UnreadRowError as exc:
            unread[what] = str(exc)
    try:
        data["key_file"] = _key_file(wanted, ledger.host)
    except HostError as exc:
        unread["key"] = str(exc)
    data["unread"] = unread
    raw = json.dumps(found.rows[0], sort_keys=True) if found.rows else ""
    return Observation(name, data, raw)


def _unread(found: LedgerRows, cut: bool) -> dict[str, str]:
    """Return what in the ledger was not understood."""
    unread = {}
    if found.newer:
        lines = "1 line" if found.newer == 1 else f"{found.newer} lines"
        unread["ledger"] = f"{lines} after its newest row: {found.why}"
    elif cut and not found.rows:
        unread["ledger"] = f"no row of it in the last {TAIL_BYTES // 1_000_000} MB"
    if found.older:
        lines = "1 older line" if found.older == 1 else f"{found.older} older lines"
        unread["older"] = f"{lines} of the ledger: {found.why}"
    return unread


def _that_fit(rows: list[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """Return the newest rows that fit into the room, in bytes; the first in any case. Counts go before rows do."""
    fit: list[dict[str, Any]] = []
    for row in rows:
        size = len(json.dumps(row))
        if fit and size > room:
            row = {**row, "counts": {}, "notes": [*row.get("notes", []), "counts are left out"]}
            size = len(json.dumps(row))
            if size > room:
                break
        room -= size
        fit.append(row)
    return fit


def _key_file(wanted: dict[str, Any], host: Host) -> str:
    """Return the file with the set's key or password that lies on this host; empty without one.

    Raises: HostError if it cannot be seen whether it is there.
    """
    for path in (wanted["password_file"], wanted["verify"]["identity_file"]):
        if path and host.exists(path):
            return str(path)
    return ""
