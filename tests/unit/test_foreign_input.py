"""No check passes on what is no input of its own: another family's, another program's, or no text at all.

Checks and gathers are found, so that a new one falls under this by itself.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from foreign import CONTENTS, THINGS, ForeignHost, declared, lacks, make, places
from judged import judged_all

from ansible_collections.astral.upkeep.plugins.module_utils.host import children
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import load
from upkeep.model.verdicts import Result, Status

RECORDED = Path(__file__).parent / "recorded"
CASES: dict[str, dict[str, Any]] = yaml.safe_load((RECORDED / "cases/cases.yml").read_text("utf-8"))
NOW = calendar.timegm((2026, 11, 23, 8, 30, 0))


@dataclass(frozen=True)
class Input:
    """One input. of: the gathers that it is for; source: where it is recorded, or nothing if it is made."""

    name: str
    of: frozenset[str] = frozenset()
    source: Path | None = None
    clock: float = NOW


def inputs() -> Iterator[Input]:
    """Give every recorded input, and what is made here."""
    for folder in sorted((*RECORDED.glob("*/"), *RECORDED.glob("*/*/"))):
        if folder.name in {*payload.gathers(), "schedule"}:
            for path in _files(folder):
                yield Input(path.name, frozenset({folder.name}), path)
    for name, case in CASES.items():
        checks = [one["entry"]["check"] for one in case.get("entries", ())]
        gathers = frozenset(load()[check].gather for check in checks)
        clock = case["at"].timestamp() if "at" in case else NOW
        for path in _files(RECORDED / "cases" / name):
            yield Input(f"{name}/{path.name}", gathers, path, clock)
    for name in (*CONTENTS, *THINGS):
        yield Input(name)


def _files(folder: Path) -> list[Path]:
    """Return the inputs in a folder, without what is said of them."""
    said = ("EXPECTED.txt", "SOURCE.txt")
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in said]


INPUTS = [*inputs()]
READS_LOGS = ("access_log", "auth_log")
SHARE = 4


def given(gather: str) -> Iterator[tuple[int, Input]]:
    """Give the gather's inputs with their numbers: all that are made, and those of others that are recorded.

    Most of what is recorded are logs: a gather that reads none has a share of them, each gather another one.
    """
    turn = sorted(payload.gathers()).index(gather)
    for number, one in enumerate(INPUTS):
        mine = one.source is None or gather in READS_LOGS or (number + turn) % SHARE == 0
        if mine and gather not in one.of:
            yield number, one


@dataclass(frozen=True)
class Told:
    """What came of one way to ask for an input. reached: what the gather was given of it."""

    where: str
    reached: frozenset[str]
    results: tuple[Result, ...]
    blank: bool


# Their programs print nothing where there is nothing to say.
SAY_NOTHING = ("failed_units", "security_updates")
# What a check goes by is not in the input, or the input is one of its own. The first are patterns of fnmatch.
OWN = (
    (
        "backup_fresh",
        "*",
        "*",
        "a backup may have any content; whether it can be read is backup_readable's",
    ),
    ("backup_size", "*", "*", "as above"),
    (
        "feed_age",
        "*",
        "*",
        "a feed may have any content: that it is there, new and of its size is all they say",
    ),
    ("feed_size", "*", "*", "as above"),
    *(
        (check, name, "*", "a mapping of names, each with fields, is what it is for")
        for check in ("register_changed", "register_readable")
        for name in ("an error in JSON", "run-limit-file/*.yml", "ssh-noisy/hosts.yml")
    ),
    ("clock_synchronized", "*", "time", "the host's own clock"),
    ("isolation", "a link to nowhere", "*", "a host that was never isolated has no file of it"),
    ("deleted_open_files", "*", "*", "links of /proc, which have no content"),
    ("out_of_memory_kills", "auth-epoch/auth.log", "*", "a journal, as journalctl prints it"),
    *(
        ("backup_readable", name, "*", "archives are what it is for")
        for name in ("gzip", "bzip2", "xz", "a document in a zip", "a tar")
    ),
    ("log_retention", "a folder*", "*", "folders are what it is for"),
    *(
        (check, name, "*", "syslog of programs that let nobody in, as an auth.log in a quiet hour")
        for check in ("brute_force", "failed_logins", "login_after_failures", "password_spraying")
        for name in (
            "journal.txt",
            "acc-syslog-prefix/access.log",
            "the log of cron",
            "the log of Postfix",
            "the log of a firewall",
        )
    ),
)


def own(result: Result, one: Input, *, blank: bool) -> bool:
    """Say if the check may pass here."""
    if blank and result.check in SAY_NOTHING:
        return True
    found = (result.check, one.name, result.subject)
    return any(all(map(fnmatchcase, found, patterns)) for *patterns, _why in OWN)


def quicken(gather: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be waited for, and the kernel not speak for itself."""
    module = payload.gathers()[gather]
    # The store of a hundred certificates would be read for each connection.
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    family = module.__name__.rpartition(".")[0]
    for name, loaded in list(sys.modules.items()):  # a family's gathers may share what asks
        asks = getattr(loaded, "side_by_side", None) is children.side_by_side
        if asks and name.startswith(family):
            monkeypatch.setattr(loaded, "side_by_side", one_by_one)
    if hasattr(module, "GROWTH_SECONDS"):
        monkeypatch.setattr(module, "GROWTH_SECONDS", 0.0)
    for who_may_write in ("refuse_foreign", "refuse_writable"):
        if hasattr(module, who_may_write):  # whose a file is, is not in its content
            monkeypatch.setattr(module, who_may_write, lambda *_given: None)
    if hasattr(module, "host_timex"):
        monkeypatch.setattr(module, "host_timex", refuse)


def one_by_one(
    calls: dict[str, Callable[[], Any]], timeout_seconds: float, bounds: object = None
) -> dict[str, children.Answer]:
    """Answer as side_by_side does, without a process for each call."""
    answers = {}
    for name, call in calls.items():
        try:
            answers[name] = children.Answer(call())
        except Exception as exc:  # as there
            answers[name] = children.Answer(error=str(exc))
    return answers


def refuse() -> bytes:
    raise HostError("adjtimex: not on this host")


def place(one: Input, path: Path) -> bool:
    """Put the input at path, an hour old; say if this machine can."""
    if one.source is None:
        try:
            make(one.name, path, one.clock)
        except OSError:
            return False
        return True
    shutil.copyfile(one.source, path)
    os.utime(path, (one.clock - 3600, one.clock - 3600))
    return True


def told(gather: str, one: Input, path: Path, wheres: Iterable[str]) -> Iterator[Told]:
    """Give what the gather's checks say of this input, in each way in which it can be declared and asked for."""
    module = payload.gathers()[gather]
    for where in wheres:
        for params in declared(module.ARGUMENTS, where, beside=one.source is None):
            for lacking in lacks(getattr(module, "TOOLS", ())):
                host = ForeignHost(path, one.clock, lacking)
                with contextlib.closing(host):
                    results = judged_all(gather, params, host)
                blank = not host.content.strip()
                yield Told(where, frozenset(host.reached), tuple(results), blank)


def ways_in(gather: str, folder: Path) -> list[str]:
    """Return the places through which the gather asks for something: always a file, a server only where it connects."""
    path = folder / "noise"
    noise = Input("noise")
    place(noise, path)
    _file, *servers = places(str(path))
    found = {one.where for one in told(gather, noise, path, servers) if "connection" in one.reached}
    return ["", *(where for where in servers if where in found)]


@pytest.mark.parametrize("gather", sorted(payload.gathers()))
def test_no_check_passes_on_foreign_input(
    gather: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken(gather, monkeypatch)
    reached: set[str] = set()
    passed = []
    ways = ways_in(gather, tmp_path)
    for number, one in given(gather):
        path = tmp_path / str(number)
        if not place(one, path):
            continue
        # What servers say is tried with what is made here: to ask them takes its time.
        wheres = [where or str(path) for where in ways if not (where and one.source)]
        for seen in told(gather, one, path, wheres):
            reached |= seen.reached
            passed += [
                f"{result.check} on {one.name}, {result.subject}: {result.message}"
                for result in seen.results
                if result.status is Status.PASS and not own(result, one, blank=seen.blank)
            ]

    assert reached, "nothing of the input was asked for, so nothing was tried"
    assert passed == []
