"""Removes what a site's retention no longer asks for, in the store and beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from upkeep.services.kept_files import remove_reports, remove_stray_reports
from upkeep.site.settings import Settings
from upkeep.store import Store
from upkeep.store.engine import retention


def prune(store: Store, settings: Settings, now: datetime) -> tuple[retention.Pruned, int]:
    """Remove what is older than the settings keep it; return what was removed, and how many reports."""
    removed = 0

    def forget(run_ids: Sequence[int]) -> None:
        nonlocal removed
        removed += remove_reports(settings.state, run_ids)

    policy = retention.Policy(
        settings.keep_runs_days,
        settings.keep_observations_days,
        settings.keep_measures_days,
        settings.keep_findings_days,
    )
    gone = retention.prune(store, policy, now, forget)
    return gone, removed + remove_stray_reports(store, settings.state, settings.keep_runs_days, now)
