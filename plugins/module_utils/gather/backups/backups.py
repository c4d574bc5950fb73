# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest backup of each declared set: when it was taken, its size beside the earlier ones, read to its end."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    OutOfBudgetError,
    Reading,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._checksums import (
    check_manifest,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    REPOSITORY_KINDS,
    SETS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import (
    due_in,
    read_file,
    reading,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._find import (
    FOLDER_ENTRIES,
    Candidate,
    Candidates,
    as_taken,
    candidates,
    folder_of,
    looked_at,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    folder_written,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folders import (
    read_folder,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._making import Writers
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._places import apart
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._repositories import (
    content,
    snapshots,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._retention import (
    since_of,
    tiers,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Snapshot,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._witnesses import (
    TimeWitness,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import side_by_side
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked_value

ARGUMENTS: dict[str, dict[str, Any]] = {
    "sets": SETS,
    "read": {"type": "bool", "default": True},
    "read_seconds": {"type": "int", "default": 60},
    "read_bytes": {"type": "int", "default": 100_000_000_000},
}
TIMEOUT_SECONDS = 3600
NETWORK = True
"""Reading large backups takes long: the site's read_seconds and the host's deadline say how long it may."""
TOOLS = ("borg", "lz4", "restic", "zstd")

SHAPE_VERSION = 2
HANG_SECONDS = 10.0
RECENT_SECONDS = 600
"""A backup that was written so lately and ends too early is one that is being made, maybe from another host."""
READ_AT_MOST = 4
EARLIER = 14
REPOSITORY_BYTES = 1 << 60
SHOWN = 20


class Set:
    """One declared set while it is looked at."""

    def __init__(
        self, wanted: dict[str, Any], hung: dict[str, str], writers: Writers, host: Host
    ) -> None:
        self.wanted, self.hung, self.writers = wanted, hung, writers
        self.host, self.now = host, host.now()
        self.found = Candidates()
        self.making: list[dict[str, Any]] = []
        self.data: dict[str, Any] = {
            "shape_version": SHAPE_VERSION,
            "at": iso(self.now),
            "where": wanted["paths"] or [masked_value(wanted["repository"] or "")],
            "rpo_hours": wanted["rpo_hours"],
            "count": 0,
            "newest": None,
            "read": wanted["read"],
        }

    def find(self) -> None:
        """Find what lies where it says.

        Raises: HostError if one cannot see.
        """
        refuse_mistakes(self.wanted)
        self.refuse_hung(_places_of(self.wanted))
        if self.wanted["paths"]:
            self.writers.watch(looked_at(self.wanted["paths"], self.host))
            self.found = candidates(self.wanted["paths"], self.wanted["kind"], self.host)

    def refuse_hung(self, places: list[str]) -> None:
        """Raise HostError if one of the places does not answer."""
        for place in places:
            if place in self.hung:
                raise HostError(f"{place}: {self.hung[place]}")

    def size(self) -> int:
        """Return how many bytes its newest backup has; of a repository more than any has."""
        if self.wanted["repository"]:
            return REPOSITORY_BYTES
        return (self.found.backups[0].bytes or 0) if self.found.backups else 0


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per declared set.

    All are looked at first. Then those with little to read are read, and leave the time that they do not need to the
    others. Repositories come last: their programs wait long for a server that is down.
    """
    seen: dict[int, Observation] = {}
    todo: list[tuple[int, Set]] = []
    hung = _hung(params["sets"], host)
    writers = Writers(host)
    names = [wanted["name"] for wanted in params["sets"]]
    for index, wanted in enumerate(params["sets"]):
        wanted = {**wanted, "read": wanted["read"] and params["read"]}
        one = Set(wanted, hung, writers, host)
        todo.append((index, one))
        try:
            if names.index(wanted["name"]) != index:
                raise_mistake(f"another set is called {wanted['name']!r} too")
            one.find()
        except HostError as exc:
            seen[index] = not_seen(wanted["name"], exc)
    todo = sorted((one for one in todo if one[0] not in seen), key=lambda one: one[1].size())
    ends = time.monotonic() + params["read_seconds"]
    for place, (index, one) in enumerate(todo):
        share = max(0.0, ends - time.monotonic()) / (len(todo) - place)
        budget = Budget(share, params["read_bytes"])
        try:
            seen[index] = _look(one, budget)
        except HostError as exc:
            seen[index] = not_seen(one.wanted["name"], exc)
    return [seen[index] for index in sorted(seen)]


def raise_mistake(text: str) -> None:
    """Raise HostError for a mistake in what the site declares."""
    raise HostError(f"sets: {text}")


def refuse_mistakes(wanted: dict[str, Any]) -> None:
    """Raise HostError if a set is declared in a way that means nothing."""
    if not wanted["name"].strip():
        raise_mistake("a set has an empty name")
    if wanted["rpo_hours"] is not None and wanted["rpo_hours"] <= 0:
        raise_mistake(f"rpo_hours: found {wanted['rpo_hours']:g}; expected more than 0")
    kind, repository = wanted["kind"], wanted["repository"]
    if repository and kind not in ("auto", *REPOSITORY_KINDS):
        raise_mistake(
            f"kind: found {kind} with a repository; expected {', '.join(REPOSITORY_KINDS)}"
        )
    if not repository and kind in REPOSITORY_KINDS:
        raise_mistake(f"kind: {kind} with paths; write the repository as `repository`")
    for what, declared in (("", wanted), ("second_copy: ", wanted["second_copy"])):
        if declared is not None:
            refuse_places(what, declared)


def refuse_places(what: str, declared: dict[str, Any]) -> None:
    """Raise HostError if it is not said where backups lie. what: in which part of the set."""
    repository = declared["repository"] or ""
    if not declared["paths"] and not repository:
        raise_mistake(f"{what}neither paths nor a repository are declared")
    relative = [path for path in declared["paths"] if not path.startswith("/")]
    if repository and not repository.startswith("/") and ":" not in repository:
        relative.append(repository)
    if relative:
        raise_mistake(f"{what}{masked_value(relative[0])[:200]!r} is not an absolute path")


def _places_of(declared: dict[str, Any]) -> list[str]:
    """Return the folders in which what is declared lies."""
    repository = declared["repository"] or ""
    local = [repository] if repository.startswith("/") else []
    return sorted({*map(folder_of, declared["paths"]), *local})


def _hung(sets: list[dict[str, Any]], host: Host) -> dict[str, str]:
    """Return the places that do not answer, such as a network mount whose server is gone, and what is said of them.

    Each is asked in a child, so that one that hangs costs only the sets that lie there.
    """
    places = {place for one in sets for place in _places_of(one)}
    places |= {
        place for one in sets if one["second_copy"] for place in _places_of(one["second_copy"])
    }
    answers = side_by_side(
        {place: partial(_answers, place, host) for place in places}, HANG_SECONDS
    )
    return {place: answer.error for place, answer in answers.items() if answer.error}


def _answers(place: str, host: Host) -> bool:
    """Return whether there is a folder; what else is wrong with it is told by who looks into it."""
    try:
        return host.exists(place) and bool(host.names(place))
    except HostError:
        return False


def _look(one: Set, budget: Budget) -> Observation:
    """Return what is seen of a set."""
    raw = _of_repository(one, budget) if one.wanted["repository"] else _of_paths(one, budget)
    if one.wanted["second_copy"]:
        one.data["copy"] = _copy(one, budget)
    return Observation(one.wanted["name"], one.data, raw)


def _of_paths(one: Set, budget: Budget) -> str:
    """Look at a set of files and folders; return what was found as text."""
    found, data, now = one.found, one.data, one.now
    lines = [
        f"{each.path} {each.bytes} B, written {iso(each.written or 0.0)}" for each in found.backups
    ]
    newest, said = newest_backup(one, budget)
    for each in found.unfinished:
        _make(one, each, each.unfinished)
    data["count"] = len(found.backups)
    data["links"] = found.links[:SHOWN]
    data["making"] = one.making[:SHOWN]
    data["notes"] = found.notes
    if newest is not None:
        rest = [each for each in found.backups if each is not newest]
        data["newest"] = as_taken(newest, now)
        data["earlier_bytes"] = [each.bytes for each in rest if each.bytes is not None][:EARLIER]
        data["content"] = said
        if said is not None and newest.form == "file":
            try:
                data["manifest"] = check_manifest(newest.path, budget, one.host)
            except HostError as exc:
                unread = {"path": newest.path, "algorithm": "", "state": "unread"}
                data["manifest"] = {**unread, "why": str(exc)}
    times = [each.decided(now).at for each in found.backups if each.bytes]
    data["retention"] = _tiers(one, [at for at in times if at is not None])
    return "\n".join(lines[:200])


def newest_backup(one: Set, budget: Budget) -> tuple[Candidate | None, dict[str, Any] | None]:
    """Return the newest backup that is finished, and how it reads; those that are not finished are taken away.

    What a backup says of itself may show only when it is read, and that it is older than another one. Then that is read
    too; of those that were read, the newest counts.
    """
    backups = one.found.backups
    known: dict[str, dict[str, Any]] = {}
    while backups:
        one.found.sort(one.now)
        top = backups[0]
        if len(known) == READ_AT_MOST or any(said["state"] == "partial" for said in known.values()):
            top = next(each for each in backups if each.path in known)
        why = next(filter(None, (one.writers.why(*each) for each in top.ids)), "")
        if top.form == "folder":
            why = one.writers.why_below(one.host.realpath(top.path))
        if why:
            _take_away(one, top, why)
            continue
        if not one.wanted["read"]:
            return top, None
        if top.path in known:
            return top, known[top.path]
        said, found, cut = reading(partial(_read, one, top, budget))
        lately = abs(one.now - (top.written or 0.0)) < RECENT_SECONDS
        if cut and lately:
            _take_away(one, top, "written a moment ago, and it ends too early")
            continue
        if _changed(top, one.host):
            _take_away(one, top, "it changed while it was read")
            continue
        known[top.path] = said
        if found is not None and found.taken is not None and _counts(one, found):
            top.inside = TimeWitness("inside", found.taken, found.taken_words)
    return None, None


def _counts(one: Set, found: Reading) -> bool:
    """Return whether what the content says counts; the site may say that the files in it change seldom."""
    return not (one.wanted["members_may_be_old"] and "member" in found.taken_words)


def _take_away(one: Set, backup: Candidate, why: str) -> None:
    one.found.backups.remove(backup)
    _make(one, backup, why)


def _make(one: Set, backup: Candidate, why: str) -> None:
    """Take down a backup that is being made."""
    written = iso(backup.written if backup.written is not None else one.now)
    one.making.append({"path": backup.path, "written_at": written, "why": why})


def _read(one: Set, backup: Candidate, budget: Budget) -> Reading:
    """Read a backup to its end.

    Raises: what the readers raise.
    """
    if backup.missing:
        raise BrokenError(f"the volume {os.path.basename(backup.missing[0])} is missing", cut=True)
    if backup.form == "folder":
        return read_folder(backup.path, backup.kind, budget, one.host)
    due = due_in(backup.name, one.wanted["kind"])
    return read_file(backup.paths, due, budget, one.host)


def _changed(backup: Candidate, host: Host) -> bool:
    """Return whether a file of it is no longer as it was found."""
    try:
        if backup.form == "folder":
            return folder_written(backup.path, host, FOLDER_ENTRIES)[:2] != (
                backup.bytes,
                backup.written,
            )
        sizes = [host.stat(path, follow_links=False).st_size for path in backup.paths]
    except HostError:
        return True
    except OutOfBudgetError:
        return False
    return sum(sizes) != backup.bytes


def _of_repository(one: Set, budget: Budget) -> str:
    """Look at a repository; return what it said as text."""
    wanted, data, host = one.wanted, one.data, one.host
    repository = snapshots(wanted, host, budget.seconds_left())
    finished = repository.snapshots
    data["count"] = len(finished)
    for each in repository.unfinished:
        if each.making:
            at = iso(each.since if each.since is not None else one.now)
            one.making.append({"path": each.name, "written_at": at, "why": each.why})
        else:
            data["notes"] = [*data.get("notes", []), f"{each.name}: {each.why}"][:SHOWN]
    data["making"] = one.making[:SHOWN]
    if finished:
        data["newest"] = as_taken(_of_snapshot(finished[0]), one.now)
        sizes = [each.bytes for each in finished[1:]]
        data["earlier_bytes"] = [size for size in sizes if size is not None][:EARLIER]
        if wanted["read"]:
            data["content"], _found, _cut = reading(
                partial(content, wanted, repository, budget, host)
            )
    data["retention"] = _tiers(one, [each.taken for each in finished])
    return "\n".join(f"{each.name} {iso(each.taken)}" for each in finished[:200])


def _of_snapshot(snapshot: Snapshot) -> Candidate:
    """Return a snapshot as a backup, of which the repository says when it was taken."""
    said = TimeWitness("inside", snapshot.taken, snapshot.words or "its repository")
    name, size = snapshot.name, snapshot.bytes
    return Candidate(name, name, "snapshot", [], size, None, inside=said)


def _tiers(one: Set, times: list[float]) -> list[dict[str, Any]]:
    """Return how retention stands, for the tiers that the site declares.

    Raises: HostError if it declares a date that is none.
    """
    declared = one.wanted["retention"]
    if not declared:
        return []
    try:
        return tiers(times, declared, since_of(declared["since"]), one.now)
    except ValueError as exc:
        raise HostError(f"retention: {exc}") from exc


def _copy(one: Set, budget: Budget) -> dict[str, Any]:
    """Return how the second copy of a set stands."""
    declared, host = one.wanted["second_copy"], one.host
    where = declared["paths"] or [masked_value(declared["repository"] or "")]
    data: dict[str, Any] = {
        "where": where,
        "elsewhere": declared["elsewhere"] or "",
        "newest": None,
    }
    here = (one.wanted["paths"] or [one.wanted["repository"]])[0]
    if one.data["newest"] is not None and one.wanted["paths"]:
        here = one.data["newest"]["path"]
    try:
        one.refuse_hung(_places_of(declared))
        copy = _newest_copy(declared, budget, host)
        if copy is not None:
            data["newest"] = as_taken(copy, one.now)
            data["differs"] = _differs(one, copy)
        there = (declared["paths"] or [declared["repository"]])[0]
        if copy is not None and declared["paths"]:
            there = copy.path
        data["apart"], data["why"] = apart(here, there, host)
    except HostError as exc:
        data["error"] = str(exc)
    return data


def _newest_copy(declared: dict[str, Any], budget: Budget, host: Host) -> Candidate | None:
    """Return the newest backup of a second copy."""
    if declared["paths"]:
        found = candidates(declared["paths"], declared["kind"], host)
        return found.backups[0] if found.backups else None
    finished = snapshots(declared, host, budget.seconds_left()).snapshots
    return _of_snapshot(finished[0]) if finished else None


def _differs(one: Set, copy: Candidate) -> str:
    """Return why the copy is not one of the backup of the same name; empty if it may be."""
    name = os.path.basename(copy.path)
    same = next((each for each in one.found.backups if os.path.basename(each.path) == name), None)
    if same is None or None in (same.bytes, copy.bytes) or same.bytes == copy.bytes:
        return ""
    return f"{copy.path} has {copy.bytes} B, {same.path} has {same.bytes} B"
