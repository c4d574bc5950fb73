from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
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


def content(state: str, why: str = "", **more: Any) -> dict[str, Any]:
    return {"state": state, "why": why, "what": "tar.gz", **more}


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        (
            content("complete", members=3),
            passed("/b/a was read as tar.gz, 3 members", Measure("members", 3)),
        ),
        (content("complete"), passed("/b/a was read as tar.gz")),
        (
            content("broken", "CRC check failed", seconds=0.5),
            failed(
                Severity.CRITICAL,
                "/b/a cannot be read: CRC check failed",
                Measure("reading", 0.5, "s"),
            ),
        ),
        (
            content("complete", hostile=["../../etc/passwd"]),
            failed(
                Severity.HIGH,
                "/b/a has members that would be extracted outside of the target folder, such as ../../etc/passwd",
            ),
        ),
        (content("partial", "no time"), unknown("/b/a: no time")),
        (content("unread", "no zstd"), unknown("/b/a: no zstd")),
        (content("header", "encrypted"), unknown("/b/a: encrypted")),
    ],
)
def test_reading(read: dict[str, Any], verdict: Verdict) -> None:
    data = {"count": 1, "newest": {"path": "/b/a"}, "content": read}

    assert judge(Observation("shop", data), Limits(), NOW) == verdict


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("header", passed("/b/a: encrypted")),
        ("partial", unknown("/b/a: encrypted")),
        ("broken", failed(Severity.CRITICAL, "/b/a cannot be read: encrypted")),
    ],
)
def test_a_site_may_take_an_encrypted_file_by_its_first_bytes_and_no_other(
    state: str, verdict: Verdict
) -> None:
    data = {"count": 1, "newest": {"path": "/b/a"}, "content": content(state, "encrypted")}

    assert judge(Observation("shop", data), Limits(encrypted_header=True), NOW) == verdict


def test_not_read_is_unknown_and_so_is_no_backup() -> None:
    unread = Observation("shop", {"count": 1, "newest": {"path": "/b/a"}})

    assert judge(unread, Limits(), NOW) == nothing_to_judge("not read: the site says `read: false`")
    none = Observation("shop", {"count": 0, "newest": None})
    assert judge(none, Limits(), NOW) == unknown(
        "there is no backup to read", remedy="fix what backup_fresh says first"
    )
