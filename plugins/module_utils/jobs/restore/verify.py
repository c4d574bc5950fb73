# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a set's newest backup, judge what comes out, and write it down: one verification.

A kind of backup is a function that restores it and gives what came out (RestoredBackup) for as long as it is there;
`KINDS` says which is whose. All else is the same for each kind, and is here.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from datetime import datetime
from typing import Any, Callable, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import Budget
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._making import Writers
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._repositories import (
    snapshots,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._unopened import (
    BrokenRepositoryError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups.backups import (
    Set,
    newest_backup,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.assertions import (
    FAILED,
    UNKNOWN,
    judged,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    CancelledError,
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.figures import (
    COUNTED,
    proved_by_figures,
    shrunk,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.kind import kind_of
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.kinds import KINDS
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.live import (
    refuse_beside_live,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mistakes import (
    in_window,
    refuse_mistakes,
    refuse_useless,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.scratch import (
    DEFAULT,
    Scratch,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sealed import opened
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    NO_LIMIT,
    RestoredBackup,
    Verification,
    empty_row,
)

_WRONG_PASSWORD = re.compile("wrong password or no key found|passphrase supplied .* is incorrect")
_PASSWORD = re.compile(f"{_WRONG_PASSWORD.pattern}|empty password is not a password")
_DAMAGED = re.compile(r"Data integrity error: \w[\w ]*\w(?: \[segment \d+, offset \d+\])?")
"""What borg says of data that differs from its checksum."""
Afterwards = Callable[[RestoredBackup], None]


def verify(
    wanted: dict[str, Any],
    ledger: Ledger,
    host: Host,
    base: str = DEFAULT,
    afterwards: Afterwards | None = None,
) -> dict[str, Any]:
    """Verify one set and return the row that was written into the ledger, with the fields of RestoreRow.

    wanted: the set as declared, with its part `verify`. base: the scratch place. afterwards: is given what was
    restored, while it is there.

    Raises: NotTriedError if the ledger cannot be used.
    """
    now = host.now()
    row = empty_row(wanted["name"])
    row["id"] = time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime(now)) + os.urandom(3).hex()
    row["began_at"] = iso(now)
    with _ended_by_signals():
        try:
            refuse_mistakes(wanted["verify"])
            with Scratch(base) as scratch:
                _verify(Verification(wanted, row, ledger, scratch, host), afterwards)
        except RestoreError as exc:
            row.update(outcome=exc.outcome, why=str(exc)[:500], next_step=exc.next_step)
        finally:
            ledger.running(None)
        if row["outcome"] not in ("restored", "part"):
            row.update(covered="", proof="none")
        row["ended_at"] = iso(host.now())
        try:
            ledger.add(row)
        except OSError as exc:
            raise NotTriedError(f"ledger {ledger.folder}: {exc.strerror}") from exc
    return row


def _verify(task: Verification, afterwards: Afterwards | None) -> None:
    """Do all steps, and write into the row how they ended.

    Raises: RestoreError if there is no sandbox.
    """
    row = task.row
    try:
        _restore(task, afterwards)
        outcome = "part" if row["covered"] != "all" else "restored"
        row.update(outcome=outcome, step="done", why="")
    except RestoreError as exc:
        row.update(outcome=exc.outcome, step=exc.step or task.now_at)
        row.update(why=str(exc)[:500], next_step=exc.next_step)
    except HostError as exc:
        row.update(outcome="unknown", step=task.now_at, why=str(exc)[:500], next_step="")
    except Exception as exc:  # whatever else is raised costs its own set only
        why = f"{type(exc).__name__}: {getattr(exc, 'strerror', None) or 'not expected'}"
        row.update(outcome="unknown", step=task.now_at, why=why[:500], next_step="")
    if not task.sandbox.bounded:
        task.note("its memory was bounded for each process, not for all together")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the first signal that would end the process end the verification; the next ones wait until that is done."""
    asked = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def end(number: int, _frame: Any) -> None:
        for one in asked:
            signal.signal(one, signal.SIG_IGN)
        raise CancelledError(f"cancelled by {signal.Signals(number).name}")

    before = {number: signal.signal(number, end) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def plan(wanted: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return what a verification of the set would restore, without reading it to its end and without writing anything.

    Raises: HostError, RestoreError if it would not begin.
    """
    refuse_mistakes(wanted["verify"])
    if wanted["repository"]:
        return {"set": wanted["name"], "backup": wanted["repository"], "kind": "repository"}
    one = Set({**wanted, "read": False}, {}, Writers(host), host)
    one.find()
    newest, _said = newest_backup(one, Budget(60, NO_LIMIT))
    if newest is None:
        raise BadBackupError("there is no backup")
    kind = kind_of(newest, host)
    if kind != "encrypted":  # what is in it is not known yet
        refuse_useless(kind, False, wanted["verify"])
    size = newest.bytes or 0
    return {"set": wanted["name"], "backup": newest.path, "kind": kind, "bytes": size}


def _restore(task: Verification, afterwards: Afterwards | None) -> None:
    """Do all steps.

    Raises: RestoreError, HostError.
    """
    _refuse_now(task)
    with task.step("find"):
        kind = _find(task)
    task.row["kind"] = kind
    if kind not in KINDS:
        raise NotTriedError(f"{kind}: nothing here restores that")
    refuse_useless(kind, bool(task.decrypted), task.verify)
    refuse_beside_live(kind, task.verify, task.host)
    task.now_at = "restore"
    with KINDS[kind](task) as restored:
        try:
            _count(task, restored)
        finally:
            if afterwards is not None:
                afterwards(restored)  # also of what is judged to be bad: it may be all there is
        _judge(task, restored)


def _refuse_now(task: Verification) -> None:
    """Raise NotTriedError in the time in which backups are made."""
    window = task.verify["backup_window"]
    if window and in_window(window, task.host.now()):
        raise NotTriedError(
            f"it is {time.strftime('%H:%M', time.localtime(task.host.now()))}, in the backup window {window}: "
            "nothing is verified then"
        )


def _find(task: Verification) -> str:
    """Find the newest backup and read it to its end; return its kind."""
    wanted = task.wanted
    if wanted["repository"]:
        return _find_snapshot(task)
    one = Set({**wanted, "read": True}, {}, Writers(task.host), task.host)
    one.find()
    seconds = max(1.0, task.sandbox.ends - time.monotonic())
    newest, said = newest_backup(one, Budget(seconds, NO_LIMIT))
    if newest is None:
        making = f"; {one.making[0]['path']} is being made" if one.making else ""
        raise BadBackupError(f"there is no finished backup{making}")
    task.backup = newest
    task.row["backup"] = newest.path
    taken = newest.decided(task.host.now()).at
    task.row["taken_at"] = None if taken is None else iso(taken)
    if said is not None:
        if said["state"] == "broken":
            raise BadBackupError(f"it cannot be read: {said['why']}")
        if said["state"] == "partial":
            raise NotTriedError(f"it was not read to its end: {said['why']}")
        if said.get("hostile"):
            task.finding(f"members would be extracted elsewhere, such as {said['hostile'][0]}")
        if said.get("proof") == "all":
            task.row["proof"] = "checksums"
        task.row["unproved"] = said.get("unproved", "")
    kind = kind_of(newest, task.host)
    return opened(task) if kind == "encrypted" else kind


def _find_snapshot(task: Verification) -> str:
    """Find the newest finished snapshot of a repository; return what keeps it."""
    seconds = max(1.0, task.sandbox.ends - time.monotonic())
    try:
        task.repository = found = snapshots(task.wanted, task.host, seconds)
    except BrokenRepositoryError as exc:
        raise BadBackupError(
            f"{exc}", "decide: take that file from the repository's second copy"
        ) from exc
    except HostError as exc:
        declared = task.wanted.get("password") or task.wanted.get("password_file")
        if not declared and _PASSWORD.search(str(exc)):
            raise NotTriedError(
                "the repository is encrypted, and no password is declared for it",
                "decide: name the file with its password in the set's `password_file`",
            ) from exc
        if _WRONG_PASSWORD.search(str(exc)):
            raise BadBackupError(
                str(exc), "decide: the password that is declared does not open the repository"
            ) from exc
        damaged = _DAMAGED.search(str(exc))
        if damaged:
            raise BadBackupError(f"borg list: {damaged.group()}") from exc
        raise
    if not found.snapshots:
        raise BadBackupError("the repository has no finished snapshot")
    newest = found.snapshots[0]
    task.row["backup"], task.row["taken_at"] = newest.name, iso(newest.taken)
    return found.kind


def _count(task: Verification, restored: RestoredBackup) -> None:
    """Take down how much came out.

    Raises: BadBackupError, NotTriedError.
    """
    with task.step("count"):
        task.row["figures"], counts = restored.figures()
        if task.row["figures"].get("tables") and task.row["figures"].get("rows") == 0:
            raise BadBackupError("it holds the structure alone: none of its tables has a row")
        task.row["counts"] = dict(sorted(counts.items())[:COUNTED])


def _judge(task: Verification, restored: RestoredBackup) -> None:
    """Judge what came out.

    Raises: BadBackupError, NotTriedError.
    """
    row = task.row
    with task.step("check"):
        restored.check()
    with task.step("assert"):
        row["assertions"] = [
            judged(one, restored.ask, lambda pattern: _matches(restored, pattern), _taken(task))
            for one in task.verify["assertions"]
        ]
        _prove(task)


def _taken(task: Verification) -> float:
    """Return when the backup was taken: what is fresh in it is fresh beside that."""
    said = task.row.get("taken_at")
    return datetime.fromisoformat(said).timestamp() if said else task.host.now()


def _matches(restored: RestoredBackup, pattern: str) -> list[str]:
    """Return the restored files that match a pattern; none outside of what was restored.

    Raises: NotTriedError if files were not restored.
    """
    if not restored.root:
        raise NotTriedError("files were asked for, and the backup is of a database")
    top = os.path.realpath(restored.root)
    found = Host().glob(os.path.join(top, pattern.lstrip("/")))
    return [one for one in found if os.path.realpath(one).startswith(top + "/")]


def _prove(task: Verification) -> None:
    """Say how the content is proved, and fail if something in it is not as it should be.

    Raises: BadBackupError, NotTriedError.
    """
    row = task.row
    if row["findings"]:
        raise BadBackupError(
            f"{row['findings'][0]}", "decide: find out who put that into the backup"
        )
    failed = [one for one in row["assertions"] if one["state"] == FAILED]
    if failed:
        one = failed[0]
        raise BadBackupError(f"{one['name']}: found {one['found']}; expected {one['expected']}")
    unknown = [one for one in row["assertions"] if one["state"] == UNKNOWN]
    if unknown:
        raise NotTriedError(f"{unknown[0]['name']}: {unknown[0]['found']}")
    since = task.verify["compare_since"] or ""
    before = next(
        (
            one
            for one in task.ledger.rows(row["set"])
            if one["outcome"] == "restored" and str(one.get("ended_at")) >= since
        ),
        {},
    )
    whole = row["covered"] == "all"
    less = shrunk(row, before) if whole else []
    if less:
        raise BadBackupError(
            f"it has shrunk: {less[0]}",
            "decide: whether that was removed on purpose; then write "
            f"`compare_since: {row['began_at'][:10]}` under `verify` of the set",
        )
    if row["proof"] == "none" and row["assertions"]:
        row["proof"] = "assertions"
    elif row["proof"] == "none" and proved_by_figures(row, before):
        row["proof"] = "figures"
    if row["proof"] == "none" and not row["unproved"]:
        row["unproved"] = "its content, which has no checksum"
