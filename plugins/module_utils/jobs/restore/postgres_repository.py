# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories of pgBackRest and Barman: restored by these programs, with a configuration of ours, up to the last log.

The configuration of the host names the live server and its archive, so it is not used. How far the archived log
reaches is the true recovery point.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_manifest import (
    MANIFEST,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._postgres_repositories import (
    find_servers,
    find_stanza,
    parse_info,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_base import (
    started,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_cluster import (
    StartPlan,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_log_archive import (
    LogArchive,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    DATA,
    TABLESPACES,
    last_line,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_take_wal import (
    COMMAND,
    TAKE_WAL,
    of_barman,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

INSIDE = "/backup/repository"
COPY = "repository"
INFO_BYTES = 20_000_000
_SAFE = re.compile(r"[\w.-]+\Z")
_PGBACKREST = "/scratch/pgbackrest.conf"
_BARMAN = "/scratch/barman.conf"
_LIST = "xlog.db"
_STATUS = re.compile(r"^status: (\w+)", re.MULTILINE)
_BACKUP = re.compile(
    r"^ +backup: (\S+), status: ([\w ]+), total files checked: (\d+)", re.MULTILINE
)
_NO_REASON = re.compile(
    r"backup: |archiveId: |missing: 0, checksum invalid: 0, size invalid: 0, other: 0\Z"
)
_OPTION_UNKNOWN = 31
_CHANGED = (
    "postgresql.conf", "postgresql.conf.origin", "postgresql.auto.conf.origin", "pg_hba.conf.origin",
    ".barman-recover.info", "barman_wal",
)  # fmt: skip
"""What Barman itself writes into what it restores."""


@dataclass(frozen=True)
class _Source:
    """A repository of one server. name: its stanza or server. inside: its path in the sandbox. archive: of its log."""

    name: str
    label: str
    inside: str
    shown: list[tuple[str, str]]
    archive: str


@contextlib.contextmanager
def restored_pgbackrest(task: Verification) -> Iterator[RestoredBackup]:
    """Let pgBackRest verify its repository and restore the newest backup."""
    _refuse_without(task, "pgbackrest")
    with task.step("stage"):
        source = _pgbackrest_source(task)
        _configure_pgbackrest(task, source)
    with task.step("check"):
        _verify(task, source)
    with task.step("restore"):
        _make_folders(task)
        said = task.sandbox.run(
            [
                *_pgbackrest(source), f"--set={source.label}", f"--tablespace-map-all={TABLESPACES}",
                f"--process-max={max(1, task.verify['jobs'])}", "restore",
            ],
            source.shown,
        )  # fmt: skip
        if said.status:
            raise BadBackupError(f"pgbackrest restore: {_of_pgbackrest(said.err or said.out)}")
    command = " ".join([*_pgbackrest(source), "archive-get", "%f", '"%p"'])
    plan = StartPlan(
        command, source.shown, compared=True, archive=LogArchive(task, _logs(task, source))
    )
    with started(task, plan) as restored:
        yield restored


@contextlib.contextmanager
def restored_barman(task: Verification) -> Iterator[RestoredBackup]:
    """Let Barman restore the newest backup, and read the log from its archive."""
    _refuse_without(task, "barman")
    task.row["programs"]["barman"] = _version(task.sandbox.run(["barman", "--version"]).out)
    with task.step("stage"):
        source = _barman_source(task)
        _configure_barman(task, source)
        spaces = _tablespaces(task, source)
    with task.step("restore"):
        _make_folders(task)
        _recover(task, source, spaces)
    _name_manifest(task, source)
    _write(task, TAKE_WAL, of_barman(f"{source.inside}/wals"))
    plan = StartPlan(
        COMMAND, source.shown, changed=_CHANGED, archive=LogArchive(task, _logs(task, source))
    )
    with started(task, plan) as restored:
        yield restored


def _recover(task: Verification, source: _Source, spaces: list[str]) -> None:
    """Let Barman restore the files. It is not asked for the log: it would fail where that has a gap.

    Raises: BadBackupError, NotTriedError.
    """
    options = [one for name in spaces for one in ("--tablespace", f"{name}:{TABLESPACES}/{name}")]
    said = task.sandbox.run(
        [
            "barman",
            "-q",
            "-c",
            _BARMAN,
            "recover",
            "--get-wal",
            *options,
            source.name,
            source.label,
            DATA,
        ],
        source.shown,
        {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    if said.status:
        errors = [line for line in said.err.splitlines() if line.startswith("ERROR")]
        if not errors:  # but one of Barman's own
            own = [line for line in said.err.splitlines() if line.startswith("EXCEPTION")]
            raise NotTriedError(f"barman recover: {last_line(own[0] if own else said.err)}")
        raise BadBackupError(f"barman recover: {last_line(errors[0])}")


def _refuse_without(task: Verification, program: str) -> None:
    if task.host.which(program) is None:
        raise NotTriedError(f"{program} is not installed", f"apt-get install --yes {program}")


def _only(names: list[str], task: Verification) -> str:
    """Return the stanza or server: the declared one, or the only one there is.

    Raises: NotTriedError.
    """
    declared = task.wanted.get("stanza") or ""
    name = declared if declared in names else names[0] if len(names) == 1 else ""
    if names == [""]:
        name = os.path.basename(task.wanted["repository"].rstrip("/"))
    if not _SAFE.match(name):
        raise NotTriedError(f"stanza or server: found {len(names)}; expected one with a plain name")
    return name


def _label(task: Verification) -> str:
    label = task.repository.snapshots[0].name if task.repository else ""
    if not _SAFE.match(label):
        raise NotTriedError("the backup has no plain name")
    return label


def _pgbackrest_source(task: Verification) -> _Source:
    """Show the repository, or copy what belongs to the newest backup."""
    place = task.wanted["repository"]
    name, label = _only(find_stanza(place, task.host), task), _label(task)
    folder = os.path.join(place, "backup", name)
    archive = os.path.join(place, "archive", name)
    info = os.path.join(folder, "backup.info")
    if not task.host.exists(info):
        info += ".copy"
    current = parse_info(task.host.read_bytes(info, INFO_BYTES)).get("backup:current", {})
    wanted = [label, *(current.get(label, {}).get("backup-reference") or [])]
    names = [*(one for one in ("backup.info", "backup.info.copy")), *wanted]
    parts = [os.path.join("backup", name, one) for one in names] + [os.path.join("archive", name)]
    inside, shown = _shown(task, place, parts)
    return _Source(name, label, inside, shown, archive)


def _barman_source(task: Verification) -> _Source:
    place, label = task.wanted["repository"], _label(task)
    names = find_servers(place, task.host)
    name = _only(names, task)
    top = place if names == [""] else os.path.join(place, name)
    parts = [os.path.join("base", label), "wals", "identity.json", "meta"]
    inside, shown = _shown(task, top, parts)
    if shown:
        inside = _linked(task, top)
    return _Source(name, label, inside, shown, os.path.join(top, "wals"))


def _linked(task: Verification, top: str) -> str:
    """Make a folder that leads to what is shown. Barman writes into the list of the log, and takes what has come in."""
    task.scratch.folder(COPY)
    task.scratch.folder(f"{COPY}/wals")
    logs = [f"wals/{one}" for one in task.host.names(os.path.join(top, "wals")) if one != _LIST]
    for name in ("base", "identity.json", "meta", *logs):
        if task.host.exists(os.path.join(top, name)):
            place = os.path.join(task.scratch.work, COPY, name)
            os.symlink(os.path.join(INSIDE, name), place)
    if task.host.exists(os.path.join(top, "wals", _LIST)):
        task.copied(os.path.join(top, "wals", _LIST), f"{COPY}/wals/{_LIST}")
    return f"/scratch/{COPY}"


def _shown(task: Verification, top: str, parts: list[str]) -> tuple[str, list[tuple[str, str]]]:
    """Show a repository where everybody may read it; else copy the parts of it that are needed."""
    there = [one for one in parts if task.host.exists(os.path.join(top, one))]
    above = {""} | {os.path.dirname(one) for one in there}
    above |= {os.path.dirname(one) for one in above}
    if all(os.stat(os.path.join(top, one)).st_mode & 0o005 == 0o005 for one in above) and all(
        task.everybody_reads(os.path.join(top, one)) for one in there
    ):
        return INSIDE, [(task.host.realpath(top), INSIDE)]
    for part in there:
        place, made = "", COPY
        for each in [COPY, *os.path.dirname(part).split("/")]:
            place = os.path.join(place, each) if each else place
            if not os.path.isdir(os.path.join(task.scratch.work, place)):
                task.scratch.folder(place)
            made = place
        task.copied(os.path.join(top, part), os.path.join(made, os.path.basename(part)))
    return f"/scratch/{COPY}", []


def _write(task: Verification, inside: str, text: str) -> None:
    with open(task.outside(inside), "x", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)


def _configure_pgbackrest(task: Verification, source: _Source) -> None:
    for name in ("lock", "log", "spool"):
        task.scratch.folder(name)
    lines = [
        "[global]",
        f"repo1-path={source.inside}",
        "lock-path=/scratch/lock",
        "log-path=/scratch/log",
    ]
    lines += ["spool-path=/scratch/spool", "log-level-file=off", "log-level-console=error"]
    lines += ["log-timestamp=n", f"[{source.name}]", f"pg1-path={DATA}", ""]
    _write(task, _PGBACKREST, "\n".join(lines))


def _pgbackrest(source: _Source) -> list[str]:
    return ["pgbackrest", f"--config={_PGBACKREST}", f"--stanza={source.name}"]


def _configure_barman(task: Verification, source: _Source) -> None:
    task.scratch.folder("lock")
    lines = [
        "[barman]",
        "barman_home=/scratch",
        "barman_user=restore",
        "log_file=/scratch/barman.log",
    ]
    lines += ["barman_lock_directory=/scratch/lock", f"[{source.name}]", "description=a restore"]
    lines += [
        "conninfo=host=/scratch/nowhere",
        "backup_method=rsync",
        "ssh_command=false",
        "archiver=on",
    ]
    lines += ["backup_options=concurrent_backup", f"backup_directory={source.inside}", ""]
    _write(task, _BARMAN, "\n".join(lines))


def _make_folders(task: Verification) -> None:
    for inside in (DATA, TABLESPACES):
        task.scratch.folder(os.path.basename(inside))


def _verify(task: Verification, source: _Source) -> None:
    """Let pgBackRest read all of the backup and of the archive. Its status says nothing: it is 0 also for an error.

    Raises: BadBackupError, NotTriedError.
    """
    said = task.sandbox.run(
        [*_pgbackrest(source), "--output=text", "--verbose", "verify"], source.shown
    )
    version = task.sandbox.run(["pgbackrest", "version"]).out
    task.row["programs"]["pgbackrest"] = _version(version)
    if said.status == _OPTION_UNKNOWN:
        task.note("pgbackrest verify of this version does not say what it found: it was not run")
        return
    if said.status:
        raise NotTriedError(f"pgbackrest verify: {_of_pgbackrest(said.err or said.out)}")
    why = verdict(said.out, source.label)
    if why:
        raise BadBackupError(f"pgbackrest verify: {why}")
    task.row.update(proof="checksums", unproved="")


def verdict(text: str, label: str) -> str:
    """Return why what pgBackRest's verify reports is not good for the backup of that label; empty if it is good."""
    status = _STATUS.search(text)
    backups = {name: (state, int(count)) for name, state, count in _BACKUP.findall(text)}
    if status is None:
        return "it reports nothing"
    state, count = backups.get(label, ("not looked at", 0))
    indented = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    reasons = [line[:100] for line in indented if not _NO_REASON.match(line)][:1]
    if state != "valid" or not count:
        return ": ".join([f"backup {label} is {state}", *reasons])
    if status.group(1) != "ok":
        return ": ".join([f"status {status.group(1)}", *reasons])
    return ""


def _version(text: str) -> str:
    match = re.search(r"\d+(?:\.\d+)+", text)
    return match.group(0) if match else ""


def _of_pgbackrest(text: str) -> str:
    """Return the first error that pgBackRest tells of."""
    errors = [one for one in text.splitlines() if "ERROR:" in one]
    return last_line(errors[0].partition("ERROR:")[2] if errors else text)


def _tablespaces(task: Verification, source: _Source) -> list[str]:
    """Return the names of the tablespaces of a backup of Barman."""
    for path in (f"base/{source.label}/backup.info", f"meta/{source.label}-backup.info"):
        outside = os.path.join(os.path.dirname(source.archive), path)
        if task.host.exists(outside):
            text = task.host.read(outside, INFO_BYTES)
            line = re.search(r"(?m)^tablespaces=(.*)$", text)
            names = re.findall(r"\('((?:[^'\\]|\\.)*)', \d+, ", line.group(1)) if line else []
            if not all(map(_SAFE.match, names)):
                raise NotTriedError("a tablespace has a name that Barman cannot be given")
            return names
    return []


def _name_manifest(task: Verification, source: _Source) -> None:
    """Give the manifest its name again: Barman restores it under another one."""
    data = task.outside(DATA)
    with contextlib.suppress(FileNotFoundError):
        os.rename(os.path.join(data, f"{MANIFEST}.{source.label}"), os.path.join(data, MANIFEST))


def _logs(task: Verification, source: _Source) -> list[str]:
    """Return the folders of the archived log: pgBackRest has one for each history of a server."""
    if os.path.basename(source.archive) == "wals":
        return [source.archive]
    return [os.path.join(source.archive, one) for one in task.host.names(source.archive)]
