from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupContent,
    BackupManifest,
    BackupSeen,
    BackupTaken,
)
from upkeep.checks.backups.backup_manifest import Limits, judge
from upkeep.model.verdicts import Severity, Verdict, failed, nothing_to_judge, passed, unknown

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def seen(form: str = "file", **data: Any) -> BackupSeen:
    return BackupSeen(NOW, ["/b/*"], 1, newest=BackupTaken("/b/a", form), **data)


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("match", passed("/b/a matches /b/SHA256SUMS (sha256)")),
        ("mismatch", failed(Severity.CRITICAL, "/b/a does not match /b/SHA256SUMS (sha256)")),
        ("not listed", failed(Severity.MEDIUM, "/b/a is not in /b/SHA256SUMS")),
        ("unread", unknown("/b/SHA256SUMS: no time")),
    ],
)
def test_comparison(state: str, verdict: Verdict) -> None:
    manifest = BackupManifest("/b/SHA256SUMS", "sha256", state, "no time")

    found = judge(seen(manifest=manifest), Limits(), NOW)
    assert (found and replace(found, remedy="")) == verdict


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (
            BackupSeen(NOW, ["/b/*"], 0),
            unknown("there is no backup to compare", remedy="fix what backup_fresh says first"),
        ),
        (seen("snapshot"), None),
        (seen("folder"), None),
        (seen(read=False), nothing_to_judge("not compared: the site says `read: false`")),
    ],
    ids=["no backup", "a repository", "a folder", "not to be read"],
)
def test_where_nothing_was_compared(data: BackupSeen, verdict: Verdict | None) -> None:
    assert judge(data, Limits(required=True), NOW) == verdict


def test_a_checksum_is_missed_only_where_it_is_required() -> None:
    read = seen(content=BackupContent("whole"))

    assert judge(read, Limits(), NOW) is None
    assert judge(read, Limits(required=True), NOW) == failed(
        Severity.MEDIUM, "there is no checksum file for /b/a"
    )
