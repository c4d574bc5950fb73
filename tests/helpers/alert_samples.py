"""A site with people, teams and channels, and what happens on its hosts."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from store_samples import SITE, answer, begun, result

from upkeep.model.answer import Due, Observed, Outcome, Request
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.site.schedule_file import Schedule
from upkeep.site.settings import Settings
from upkeep.site.site import Site
from upkeep.store import Store, runs
from upkeep.store.answers import add_hosts

DISKS = "file systems"
MONDAY = datetime(2030, 6, 3, 12, 0, tzinfo=UTC)
"""In business hours of the team."""

SCHEDULE: dict[str, Any] = {
    "procedures": {"daily": {"title": "Daily", "owner": "ops"}},
    "people": {
        "ada": {"name": "Ada", "channels": ["pager", "mail"]},
        "bob": {"name": "Bob", "channels": ["pager-b"]},
    },
    "teams": {
        "ops": {
            "title": "Operations",
            "members": ["ada", "bob"],
            "rota": [{"people": ["ada", "bob"], "from": "2020-01-06", "each": "1040 w"}],
            "fallback": "bob",
            "channels": ["chat"],
        }
    },
    "channels": {
        "pager": {"url_from": "UPKEEP_CHANNEL_PAGER", "local": True},
        "pager-b": {"url_from": "UPKEEP_CHANNEL_PAGER_B", "local": True},
        "mail": {"url_from": "UPKEEP_CHANNEL_MAIL", "phi": True, "local": True},
        "chat": {"url_from": "UPKEEP_CHANNEL_CHAT", "local": True},
    },
    "calendar": {
        "maintenance_windows": [
            {"title": "Sundays", "from": "2030-06-09 02:00", "to": "2030-06-09 04:00"},
            {"title": "Sundays", "from": "2030-06-16 02:00", "to": "2030-06-16 04:00"},
        ]
    },
    "alerts": {"team": "ops", "page": "https://upkeep.example.org/"},
}


def schedule(**changes: Any) -> Schedule:
    """The sample, with other top keys."""
    return Schedule.model_validate(copy.deepcopy(SCHEDULE) | changes)


def site(**changes: Any) -> Site:
    """A site whose runs are those of store_samples."""
    return Site(SITE, Path(SITE), Path(SITE), schedule(**changes), Settings(state=Path("/nowhere")))


def seen(
    *results: Result,
    host: str = "web1",
    at: datetime,
    checks: tuple[str, ...] = ("disk_space",),
    asked: tuple[str, ...] = ("*",),
    outcome: Outcome = Outcome.OK,
    whole: bool = True,
    uid: int | None = 0,
    asks: str = "/",
) -> Observed:
    """A host's answer to all that its groups ask for, with all file systems if it is whole."""
    given = answer(*results, host=host)
    disks = [replace(one, observation=replace(one.observation, of=DISKS)) for one in given.seen]
    return Observed(
        host=host,
        outcome=outcome,
        observed_at=at,
        message="no route to host" if outcome is Outcome.UNREACHABLE else "",
        requests=(Request("file_systems", {"mount_points": [asks]}),),
        due=tuple(Due(check, 0, {}) for check in checks),
        seen=tuple(disks) if outcome is Outcome.OK else (),
        results=tuple(replace(one, observed_at=at) for one in given.results)
        if outcome is Outcome.OK
        else (),
        asked=asked,
        uid=uid,
        whole=((0, DISKS),) if whole and outcome is Outcome.OK else (),
    )


def run(store: Store, at: datetime, *answers: Observed, ends: bool = True, **begin: Any) -> int:
    """A run of the daily procedure in which hosts gave that; return its number."""
    with store.begin() as db:
        number = runs.start(db, begun(started_at=at, **begin))
        add_hosts(db, number, answers)
        if ends:
            runs.finish(db, number, "done", "", at)
    return number


def full(severity: Severity | Status = Severity.HIGH, subject: str = "/", **other: Any) -> Result:
    """A file system that is full, or is not."""
    return result(severity, subject=subject, **other)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)
