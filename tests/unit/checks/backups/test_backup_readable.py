from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupContent,
    BackupSeen,
    BackupTaken,
)
from upkeep.checks.backups.backup_readable import Limits, judge
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def seen(content: BackupContent | None, **more: Any) -> BackupSeen:
    return BackupSeen(NOW, ["/b/*"], 1, newest=BackupTaken("/b/a"), content=content, **more)


def content(state: str, why: str = "", **more: Any) -> BackupContent:
    return BackupContent(state, why, "gz, tar", **more)


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        (
            content("whole", members=3, proof="all"),
            passed(
                "/b/a is readable as gz, tar, 3 members; its checksums match", Measure("members", 3)
            ),
        ),
        (
            content("whole", proof="part", unproved="the table of contents"),
            passed(
                "/b/a is readable as gz, tar; its checksums match, but for the table of contents"
            ),
        ),
        (
            content("whole", unproved="no manifest"),
            passed("/b/a is readable as gz, tar; content not provable: no manifest"),
        ),
        (
            content("whole"),
            passed("/b/a is readable as gz, tar; content not provable: it has no checksum"),
        ),
        (
            content("broken", "the gz ends too early", seconds=0.5),
            failed(
                Severity.CRITICAL,
                "/b/a cannot be read: the gz ends too early",
                Measure("reading", 0.5, "s"),
            ),
        ),
        (
            content("whole", hostile=["../../etc/passwd"], proof="all"),
            failed(
                Severity.HIGH,
                "/b/a has members that would be extracted outside of the target folder, such as ../../etc/passwd",
            ),
        ),
        (content("partial", "no time"), unknown("/b/a: no time")),
        (content("unread", "no zstd"), unknown("/b/a: no zstd")),
        (content("encrypted", "encrypted"), unknown("/b/a: encrypted")),
        (content("listed", "only its list was read"), unknown("/b/a: only its list was read")),
        (content("what a later program says", "why"), unknown("/b/a: why")),
    ],
)
def test_reading(read: BackupContent, verdict: Verdict) -> None:
    assert judge(seen(read), Limits(), NOW) == verdict


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("encrypted", passed("/b/a: no key; its header is in order: gz, tar")),
        ("partial", unknown("/b/a: no key")),
        ("unread", unknown("/b/a: no key")),
        ("broken", failed(Severity.CRITICAL, "/b/a cannot be read: no key")),
    ],
)
def test_a_site_may_take_an_encrypted_file_by_its_header_and_no_other(
    state: str, verdict: Verdict
) -> None:
    read = content(state, "no key")

    assert judge(seen(read), Limits(encrypted_header=True), NOW) == verdict


def test_not_read_is_unknown_and_so_is_no_backup() -> None:
    said = nothing_to_judge("not read: the site says `read: false`")
    assert judge(seen(None, read=False), Limits(), NOW) == said
    assert judge(seen(None), Limits(), NOW) == unknown("/b/a was not read")
    assert judge(BackupSeen(NOW, ["/b/*"], 0), Limits(), NOW) == unknown(
        "there is no backup to read", remedy="fix what backup_fresh says first"
    )
