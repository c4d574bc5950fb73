"""What restic and borg say: whose fault it is, who holds a lock, and that no name of a file is passed on."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import (
    borg_repository,
    restic,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.repository import (
    gone,
    refuse_odd_end,
)

PACK = "ce3a11772b446337d4d2c189a9837a1f71bd3d8ff299f19eea7eb7e3bb84eca4"
HERE = os.uname().nodename
FILE = "/srv/Befund von Erika Mustermann.pdf"


@pytest.mark.parametrize(
    ("err", "remote", "outcome", "words"),
    [
        ("Fatal: wrong password or no key found", False, "failed", "wrong password or no key"),
        ("Fatal: wrong password or no key found", True, "failed", "wrong password or no key"),
        (
            f"Pack ID does not match, want {PACK}, got 1d77\nFatal: repository contains errors",
            True,
            "failed",
            "Pack ID does not match, want ce3a1177; repository contains errors",
        ),
        (
            f"ignoring error for {FILE}: ciphertext verification failed\nFatal: There were 1 errors",
            False,
            "failed",
            "ciphertext verification failed; There were 1 errors",
        ),
        ("Fatal: LoadIndex returned errors", False, "failed", "LoadIndex returned errors"),
        ("Fatal: LoadIndex returned errors", True, "unknown", "LoadIndex returned errors"),
        (
            "dial tcp: i/o timeout\nFatal: repository contains errors",
            True,
            "unknown",
            "i/o timeout",
        ),
        ("open /repository/config: permission denied", False, "unknown", "permission denied"),
        (f"panic: {FILE}", False, "unknown", "status 1"),
    ],
)
def test_a_failure_of_restic_is_the_backups_where_nothing_else_can_be_it(
    err: str, remote: bool, outcome: str, words: str
) -> None:
    said = restic.failure("check", 1, err, remote)

    assert said.outcome == outcome
    assert str(said).startswith(f"restic check: {words}")
    assert "Mustermann" not in str(said)


@pytest.mark.parametrize(
    ("err", "remote", "outcome", "words"),
    [
        ("Data integrity error: Segment entry checksum mismatch [segment 2, offset 8]", True,
         "failed", "Data integrity error: Segment entry checksum mismatch "),
        (f"{FILE}: File has damaged (all-zero) chunks.", False, "failed", "damaged (all-zero) chunks"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/b/repository/data/0/6'", False,
         "failed", "No such file or directory"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/b/repository/data/0/6'", True,
         "unknown", "No such file or directory"),
        ("Connection closed by remote host", True, "unknown", "Connection closed by remote host"),
        (f"{FILE}: what is that", False, "unknown", "status 2"),
    ],
)  # fmt: skip
def test_a_failure_of_borg_is_the_backups_where_nothing_else_can_be_it(
    err: str, remote: bool, outcome: str, words: str
) -> None:
    said = borg_repository.failure("extract", 2, err, remote)

    assert said.outcome == outcome
    assert str(said) == f"borg extract: {words}"


@pytest.mark.parametrize(
    ("line", "harmless"),
    [
        (
            "when setting extended attribute trusted.x: [Errno 1] Operation not permitted: '<FD 6>'",
            True,
        ),
        (f"{FILE}: attrs: [Errno 1] Operation not permitted", True),
        (f"{FILE}: open: [Errno 1] Operation not permitted", False),
        (f"{FILE}: open: [Errno 13] Permission denied", False),
        (f"{FILE}: File has damaged (all-zero) chunks. Try running borg check --repair.", False),
        (f"{FILE}: Size inconsistency detected: size 9, chunks size 8", False),
        ("x: attrs: [Errno 1] Operation not permitted: File has damaged (all-zero) chunks.", False),
    ],
)
def test_a_warning_of_borg_is_harmless_only_if_it_is_of_no_data(line: str, harmless: bool) -> None:
    lines = [line, "", "Warning: The repository at location /a was previously located at /b"]

    assert borg_repository.of_warnings(lines) == ((1, []) if harmless else (0, [line]))


def test_a_check_of_borg_goes_on_from_the_segment_that_its_settings_name() -> None:
    settings = "[repository]\nversion = 1\nid = 12ab\n"
    later = borg_repository.with_position(settings, 17)

    assert borg_repository.position_of(settings) == 0
    assert borg_repository.position_of(later) == 17
    assert borg_repository.position_of(borg_repository.with_position(later, 30)) == 30
    assert borg_repository.with_position(later, 0) == settings


@pytest.mark.parametrize(
    ("host", "minutes", "is_gone"),
    [("another", 1, False), ("another", 31, True), (HERE, 31, True)],
    ids=["fresh", "not renewed", "of a process that is not there"],
)
def test_a_lock_of_restic_names_its_holder(host: str, minutes: int, is_gone: bool) -> None:
    now = 1_800_000_000.0
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 60 * minutes))
    text = f'{{"time": "{at}", "exclusive": false, "hostname": "{host}", "pid": 4194305}}'

    holder = restic.holder_of(text, HERE, now)

    assert (holder.host, holder.pid, holder.since) == (host, 4194305, now - 60 * minutes)
    assert holder.gone is is_gone


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"hostname": "a", "pid": "x", "time": "2026-11-27T00:00:00Z"}']
)
def test_a_lock_of_restic_that_is_not_understood_is_held(text: str) -> None:
    with pytest.raises(NotTriedError, match="a lock that is not understood"):
        restic.holder_of(text, HERE, 0.0)


def test_a_lock_of_borg_names_its_holder() -> None:
    held = borg_repository.holder_of("web@3281355014145.4194305-0", 5.0)

    assert (held.host, held.pid, held.gone) == ("web", 4194305, False)
    assert borg_repository.holder_of(f"{HERE}@3281355014145.4194305-0", 5.0).gone
    with pytest.raises(NotTriedError, match="a lock that is not understood"):
        borg_repository.holder_of("a lock", 5.0)


def test_a_number_that_another_process_has_got_since_does_not_hold_a_lock() -> None:
    now = time.time()

    assert not gone(True, os.getpid(), now)
    assert gone(True, os.getpid(), now - 10_000_000)
    assert not gone(False, os.getpid(), now - 10_000_000)


@pytest.mark.parametrize(
    ("status", "err", "refused"),
    [
        (1, "ciphertext verification failed", False),
        (1, "write: No space left on device", True),
        (-9, "", True),
        (127, "", True),
        (143, "", True),
        (0, "", False),
    ],
)
def test_an_end_that_is_no_fault_of_the_backup_is_unknown(
    status: int, err: str, refused: bool
) -> None:
    try:
        refuse_odd_end("restic", status, err)
    except NotTriedError:
        assert refused
    else:
        assert not refused
