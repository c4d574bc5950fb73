"""Rows of a restore ledger for tests, at a fixed time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreRow,
    RestoreSeen,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ledger_row(days: float = 1.0, outcome: str = "restored", **fields: Any) -> RestoreRow:
    """Return a verification that ended so many days ago, of a backup that was taken 2 h before it began."""
    ended = NOW - timedelta(days=days)
    began = ended - timedelta(minutes=6)
    known: dict[str, Any] = {
        "id": f"{ended:%Y%m%dT%H%M%S}Z-3f2a",
        "backup": "/b/shop.dump",
        "taken_at": began - timedelta(hours=2),
        "proof": "checksums",
    }
    return RestoreRow(began_at=began, ended_at=ended, outcome=outcome, **(known | fields))


def ledger_seen(*rows: RestoreRow, **fields: Any) -> RestoreSeen:
    """Return what is seen of a set with these rows, newest first, that is to be verified each month."""
    return RestoreSeen(at=NOW, subject="shop", rows=list(rows), **({"max_days": 31.0} | fields))
