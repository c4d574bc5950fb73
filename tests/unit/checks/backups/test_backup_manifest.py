from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.backups.backup_manifest import Limits, judge
from upkeep.model.verdicts import Severity, Verdict, failed, nothing_to_judge, passed, unknown

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def seen(manifest: dict[str, str] | None) -> Observation:
    newest = {"path": "/b/a", "bytes": 1}
    return Observation("shop", {"count": 1, "newest": newest, "manifest": manifest})


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
    manifest = {"path": "/b/SHA256SUMS", "algorithm": "sha256", "state": state, "why": "no time"}

    found = judge(seen(manifest), Limits(), NOW)
    assert (found and replace(found, remedy="")) == verdict


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (
            {"count": 0, "newest": None},
            unknown("there is no backup to compare", remedy="fix what backup_fresh says first"),
        ),
        ({"count": 1, "newest": {"path": "restic", "bytes": None}}, None),
        (
            {"count": 1, "newest": {"path": "/b/a", "bytes": 1}},
            nothing_to_judge("not compared: the site says `read: false`"),
        ),
        (
            {"count": 1, "newest": {"path": "/b/a", "bytes": 1}, "content": {"state": "unread"}},
            unknown(
                "not compared: the backup could not be read",
                remedy="fix what backup_readable says first",
            ),
        ),
    ],
    ids=["no backup", "a repository", "not to be read", "not read"],
)
def test_where_nothing_was_compared(data: dict[str, Any], verdict: Verdict | None) -> None:
    assert judge(Observation("shop", data), Limits(required=True), NOW) == verdict


def test_a_checksum_is_missed_only_where_it_is_required() -> None:
    assert judge(seen(None), Limits(), NOW) is None
    assert judge(seen(None), Limits(required=True), NOW) == failed(
        Severity.MEDIUM, "there is no checksum file for /b/a"
    )
