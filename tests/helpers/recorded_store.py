"""A store that the program of an older revision wrote, and what that program showed of it.

It lies in service/recorded/store_<revision>; make.py there wrote it.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from service.postgres import Postgres, program

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked_value
from upkeep.rules.completion import COUNTS
from upkeep.rules.reviews import standing
from upkeep.services.signing_key import trusted_keys
from upkeep.services.verification import problems_of
from upkeep.site.schedule_file import Schedule
from upkeep.site.settings import Settings
from upkeep.store import (
    Store,
    acts,
    alerts,
    baselines,
    findings,
    occurrences,
    outbox,
    reviews,
    runs,
    silences,
    users,
    waivers,
)
from upkeep.store.answers import results_of
from upkeep.store.completion import completion

RECORDED = Path(__file__).parents[1] / "service" / "recorded"
SITE = "/srv/site"
MONTH = "2030-06"
BEGINS = datetime(2030, 5, 31, 12, tzinfo=UTC)
NOW = datetime(2030, 7, 2, 12, tzinfo=UTC)
"""When the record ends; the month is over then."""


class Recorded:
    """The store of a revision."""

    def __init__(self, revision: str) -> None:
        self.folder = RECORDED / f"store_{revision}"
        said = (self.folder / "schedule.json").read_text()
        self.schedule = Schedule.model_validate(json.loads(said))

    def on_sqlite(self, path: Path) -> str:
        """Write the recorded database into a file; return its URL."""
        path.touch(mode=0o600)
        with closing(sqlite3.connect(path)) as db:
            db.executescript(self._text("sqlite"))
        return f"sqlite:///{path}"

    def on_postgresql(self, server: Postgres) -> str:
        """Write the recorded database into a server; return its URL."""
        url = server.fresh()
        subprocess.run(
            [program("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", url],
            input=self._text("postgresql"),
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return url

    def _text(self, backend: str) -> str:
        return gzip.decompress((self.folder / f"{backend}.sql.gz").read_bytes()).decode()

    def trusted(self, backend: str) -> frozenset[str]:
        """Return the keys that signed."""
        return trusted_keys(Settings(state=self.folder / backend))

    def was_shown(self) -> dict[str, Any]:
        """Return what the program of that revision showed."""
        told: dict[str, Any] = json.loads((self.folder / "shown.json").read_text())
        return told


def shown(
    store: Store, schedule: Schedule, trusted: frozenset[str], site: str = SITE
) -> dict[str, Any]:
    """Return what this program shows of the store, as JSON types.

    URLs are told without their secrets, which later revisions do not keep.
    """
    with store.read() as db:
        told = {
            "findings": list(_findings(db, site)),
            "alerts": list(_alerts(db, site)),
            "silences": [
                [one.check_pattern, one.host_pattern, one.severity, one.reason, one.made_by, one.ends_at]
                for one in silences.lasting(db, site, BEGINS, planned=True)
            ],
            "waivers": [
                [one.id, one.state(NOW), one.scope.check_id, one.scope.host_pattern, one.scope.subject_glob,
                 one.scope.severity, one.reason, one.requested_by, one.approved_by, one.revoked_by, one.ends_at]
                for one in waivers.of_site(db, site, NOW, everything=True)
            ],
            "reviews": list(_reviews(db, site)),
            "signatures that do not hold": list(problems_of(db, trusted)),
            "completion": _completion(db, site, schedule),
            "runs": list(_runs(db, site)),
            "occurrences": [
                [one.id, one.schedule, one.kind, one.host, one.due_at, one.state, one.cause, one.run_id]
                for one in occurrences.between(db, site, BEGINS, NOW + timedelta(days=9))
            ],
            "debts": [[one.schedule, one.host, one.due_at, one.reason] for one in occurrences.debts(db, site)],
            "baselines": [
                [one.number, one.series.check, one.series.host, one.series.measure, one.level.median,
                 one.level.samples, one.better, one.accepted_by, one.reason]
                for one in baselines.of_site(db, site)
            ],
            "channels": [[one.channel, one.failures, one.failing_since] for one in outbox.channels(db, site)],
            "users": [[one.name, one.person, one.role, one.shared, one.disabled_at] for one in users.everyone(db)],
            "acts": [[one.at, one.who, one.way, one.what, one.target, one.outcome] for one in acts.recent(db, 500)],
        }  # fmt: skip
    return dict(_plain(told))


def _findings(db: Any, site: str) -> Iterator[list[Any]]:
    for one in sorted(findings.open_ones(db, True, site=site), key=lambda one: one.id):
        story = [[at, kind] for at, kind, _text in findings.history(db, one.id)]
        # The program of then told a scheme in small letters where it masked a URL.
        scheme, sign, rest = masked_value(one.subject).partition("://")
        subject = f"{scheme.lower()}{sign}{rest}" if sign else one.subject
        yield [
            one.id, one.host, one.check_id, subject, one.status, one.severity, one.opening, one.count,
            one.opened_at, one.last_seen_at, one.resolved_at, one.waiver_id, story,
        ]  # fmt: skip


def _alerts(db: Any, site: str) -> Iterator[list[Any]]:
    for one in sorted(alerts.recent(db, 500, site), key=lambda one: one.id):
        members = sorted(each.finding_id for each in alerts.members(db, [one.id], everything=True))
        sent = [
            [each.recipient, each.channel, each.kind, each.state, each.tries]
            for each in outbox.of_alert(db, one.id)
        ]
        yield [
            one.id, one.kind, one.check_id, one.team, one.severity, one.status, one.opened_at, one.round,
            one.acknowledged_by, one.acknowledged_until, one.note, one.silenced, one.returns, one.closed_at,
            one.closed_how, members, sent, [[each.at, each.kind, each.actor] for each in alerts.history(db, one.id)],
        ]  # fmt: skip


def _reviews(db: Any, site: str) -> Iterator[list[Any]]:
    found = reviews.between(db, site, BEGINS, NOW + timedelta(days=60))
    signed = reviews.signatures(db, (one.id for one in found))
    for one in found:
        said = [
            [each.number, each.who, each.verdict, each.note, each.corrects, each.evidence_sha256,
             [file.sha256 for file in each.attachments]]
            for each in signed[one.id]
        ]  # fmt: skip
        state = standing(one.asked, signed[one.id], NOW).state
        yield [
            one.id, one.procedure, one.item, one.title, one.owner, one.due_of, one.due_at, one.gap, one.run_id,
            state, one.closed_at, said,
        ]  # fmt: skip


def _completion(db: Any, site: str, schedule: Schedule) -> dict[str, Any]:
    found = completion(db, site, schedule, MONTH, NOW)
    names = ("procedure", "team", *COUNTS)
    rows = [
        {name: getattr(row, name) for name in names if getattr(row, name)} for row in found.rows
    ]
    return {
        "total": found.total,
        "pending": found.pending,
        "teams": dict(found.teams),
        "rows": rows,
    }


def _runs(db: Any, site: str) -> Iterator[list[Any]]:
    for one in sorted(runs.recent(db, 500, site=site), key=lambda one: one.id):
        hosts = [[each.host, each.outcome, each.message] for each in runs.hosts(db, one.id)]
        results = sorted(
            [each.host, each.check, each.status.value, each.severity.value if each.severity else ""]
            for each in results_of(db, one.id)
        )  # fmt: skip
        yield [
            one.id, one.procedure, one.status, one.cause, one.started_at, one.ended_at, hosts, results,
        ]  # fmt: skip


def _plain(value: Any) -> Any:
    """Return JSON types."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value
