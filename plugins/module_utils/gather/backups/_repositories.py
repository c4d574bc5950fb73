# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repository says of its snapshots: restic, borg, pgBackRest and Barman, without a lock."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._borg import archives
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    NONE,
    BrokenError,
    Budget,
    OutOfBudgetError,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    AUTO,
    BARMAN,
    BORG,
    PGBACKREST,
    REPOSITORY_KINDS,
    RESTIC,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._postgres_repositories import (
    barman,
    find_servers,
    find_stanza,
    pgbackrest,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Repository,
    Snapshot,
    last_line,
    moment,
    name_of,
    parsed,
    repository_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._unopened import (
    refuse_damaged_restic,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

LIST_SECONDS = 60.0
LIST_BYTES = 100_000_000
_FAULT = re.compile(r"repository contains errors|LoadIndex returned errors")
_HERE = re.compile(r"(?:local:|file://)(?=/)")
_RESTIC_PLACE = re.compile(r"(?:sftp|rest|s3|b2|rclone|swift|azure|gs):")
_BORG_PLACE = re.compile(r"ssh://|(?:[^/\s:@]+@)?(?:\[[0-9A-Fa-f:.%]+\]|[^/\s:@\[]+):(?!//)")


def is_remote(place: str) -> bool:
    """Return whether a repository is named by a URL or an address, and not by a path."""
    if _HERE.match(place):
        return False
    return bool(_RESTIC_PLACE.match(place) or _BORG_PLACE.match(place) or "://" in place)


def local_path(place: str) -> str:
    """Return the path of a local repository without what restic or borg has before it."""
    return _HERE.sub("", place)


def kind_of(place: str, host: Host) -> str:
    """Return which program keeps the repository: a URL says it, a local folder by what lies in it.

    Raises: HostError if it is none that is known, or cannot be seen.
    """
    if _RESTIC_PLACE.match(place):
        return RESTIC
    if is_remote(place):
        if _BORG_PLACE.match(place):
            return BORG
        raise HostError("the repository's address is of no program that is known; say its kind")
    place = local_path(place)
    names = set(host.names(place))
    if {"config", "keys", "snapshots", "data"} <= names:
        return RESTIC
    if "config" in names and "[repository]" in host.read_head(
        os.path.join(place, "config"), 4096
    ).decode("utf-8", "replace"):
        return BORG
    if find_stanza(place, host):
        return PGBACKREST
    if find_servers(place, host):
        return BARMAN
    raise HostError(f"{place}: no repository of {', '.join(REPOSITORY_KINDS)}")


def snapshots(wanted: dict[str, Any], host: Host, seconds: float = LIST_SECONDS) -> Repository:
    """Return what a repository says of its snapshots.

    wanted: repository; kind, `auto` or one of REPOSITORY_KINDS; password_file, password; snapshot_host, snapshot_tag
    (of borg: how the archive's name begins); stanza (Barman: the server), needed where there are several. seconds: how
    long its program may take. Nothing is written into the repository. restic writes nothing at all; borg writes into a
    private folder, which is removed.

    Raises: HostError: no such repository, a wrong password, output that is not understood.
    """
    place = local_path(wanted["repository"])
    wanted = {**wanted, "repository": place}
    kind = wanted.get("kind") or AUTO
    if kind == AUTO:
        kind = kind_of(place, host)
    if kind == RESTIC:
        return _restic(wanted, host, seconds)
    if kind == BORG:
        return archives(wanted, host, seconds, remote=is_remote(place))
    if is_remote(place):
        raise HostError(f"{kind}: only a repository in a local folder is read")
    if wanted.get("snapshot_host") or wanted.get("snapshot_tag"):
        raise HostError(f"{kind}: its backups have no host and no tag; say which by `stanza`")
    reader = pgbackrest if kind == PGBACKREST else barman
    return reader(wanted, host)


def content(wanted: dict[str, Any], repository: Repository, budget: Budget, host: Host) -> Reading:
    """Return how far the content of a repository was verified: restic's structure, of the others nothing yet.

    Raises: BrokenError, OutOfBudgetError, UnreadError, HostError.
    """
    if not repository.snapshots:
        raise UnreadError("it has no finished snapshot")
    newest = repository.snapshots[0]
    said = {"taken": newest.taken, "taken_words": newest.words}
    what = [f"{repository.kind} repository"]
    if repository.kind != RESTIC:
        return Reading(what, state="listed", why="only its list was read", **said)  # type: ignore[arg-type]
    command, environment = _restic_command(
        {**wanted, "repository": local_path(wanted["repository"])}
    )
    budget.take(0)
    try:
        checked = host.run([*command, "check"], budget.seconds_left(), environment=environment)
    except HostError as exc:
        if "still running after" in str(exc):
            raise OutOfBudgetError("there was not enough time for restic check") from exc
        raise
    if checked.status:
        why = last_line("restic check", checked.err, _secrets(wanted), checked.status)
        # restic has one status for all failures: a network that fails is no fault of the repository.
        if is_remote(wanted["repository"]) and not _FAULT.search(checked.err):
            raise UnreadError(why)
        raise BrokenError(why)
    return Reading(what, proof=NONE, unproved="the data, which was not read", **said)  # type: ignore[arg-type]


def _restic(wanted: dict[str, Any], host: Host, seconds: float) -> Repository:
    """Return what restic lists; without a lock and without a cache, so that nothing is written.

    Raises: HostError.
    """
    command, environment = _restic_command(wanted)
    filters = []
    if wanted.get("snapshot_host"):
        filters += ["--host", wanted["snapshot_host"]]
    if wanted.get("snapshot_tag"):
        filters += ["--tag", wanted["snapshot_tag"]]
    line = [*command, "--json", "snapshots", *filters]
    said = host.run(line, seconds, LIST_BYTES, environment=environment)
    if said.truncated:
        raise HostError(f"restic: its list has more than {LIST_BYTES} bytes")
    if said.status:
        if not is_remote(wanted["repository"]):
            refuse_damaged_restic(wanted["repository"], said.err, host)
        raise HostError(last_line("restic", said.err, _secrets(wanted), said.status))
    listed = parsed("restic", said.out)
    try:
        found = [_of_restic(one) for one in (listed or [])]
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        why = f"{type(exc).__name__}: {str(exc)[:80]}"
        raise HostError(f"restic: unexpected output: {why}") from exc
    return repository_of(RESTIC, wanted["repository"], found, [])


def _of_restic(one: dict[str, Any]) -> Snapshot:
    """Return a snapshot; releases from 0.17 on say when it ended, and how much was backed up.

    Raises: LookupError, TypeError, ValueError if it is none.
    """
    summary = one.get("summary") or {}
    name = f"snapshot {name_of(one.get('short_id') or one['id'][:8])}"
    started = moment(one["time"])  # may be given by hand, for what was taken long before
    begins, ends = summary.get("backup_start"), summary.get("backup_end")
    if begins and ends:
        lasted = moment(ends) - moment(begins)
        if lasted >= 0:
            return Snapshot(name, started + lasted, words="end of the snapshot")
    return Snapshot(name, started, words="start of the snapshot")


def _restic_command(wanted: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the command, and the environment in which the passwords are: other users see arguments."""
    environment = {"RESTIC_REPOSITORY": wanted["repository"]}
    if wanted.get("password_file"):
        environment["RESTIC_PASSWORD_FILE"] = wanted["password_file"]
    if wanted.get("password"):
        environment["RESTIC_PASSWORD"] = wanted["password"]
    return ["restic", "--no-lock", "--no-cache"], environment


def _secrets(wanted: dict[str, Any]) -> tuple[str, ...]:
    place = wanted["repository"]
    return (wanted.get("password") or "", place if "://" in place else "")
