"""The document that `--json` prints. Its shape is schemas/run.schema.json, its version stands in it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from importlib import resources
from typing import TYPE_CHECKING, Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import readable
from upkeep.judging.check import Check, Rule
from upkeep.judging.documentation import example, options_of
from upkeep.model.answer import Outcome, isolated_to_json, result_to_json
from upkeep.model.text import natural
from upkeep.model.verdicts import Result, Severity
from upkeep.view import exit_status
from upkeep.view.model import HostInRun, RunSummary

if TYPE_CHECKING:
    from upkeep.rules.alerts.model import Alert, Member
    from upkeep.rules.completion import Completion
    from upkeep.rules.reviews import ReviewStanding
    from upkeep.rules.waivers import Waiver
    from upkeep.store.findings import Finding
    from upkeep.store.review_evidence import Shown
    from upkeep.store.reviews import KeptReview

VERSION = 1
OF_THE_PROGRAM = ("judge", "shape", "limits", "parts", "measures", "absence", "rating")
"""What a rule has for the program alone."""


def check_document(check: Check) -> dict[str, Any]:
    """Return a check as JSON types: all that is documented of it."""
    return told_document(check) | {
        "limits": dataclasses.asdict(check.limits),
        "parameters": [dataclasses.asdict(one) for one in options_of(check.gather)],
        "example": example(check),
    }


def told_document(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON types, without what only a check has."""
    names = [one.name for one in dataclasses.fields(rule) if one.name not in OF_THE_PROGRAM]
    found = {name: getattr(rule, name) for name in names}
    if isinstance(rule, Check) and rule.history:
        found["history"] = dataclasses.asdict(rule.history)
    return found


def run_document(
    summary: RunSummary,
    hosts: Iterable[HostInRun],
    results: Iterable[Result],
    changes: Iterable[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return a run as JSON types. Host text is as the host gave it: who shows it makes it harmless."""
    document = {
        "version": VERSION,
        "run": {
            "id": summary.id,
            "procedure": summary.procedure,
            "title": summary.title,
            "site": summary.site,
            "status": summary.status,
            "cause": summary.cause,
            "started_at": summary.started_at.isoformat(),
            "ended_at": summary.ended_at.isoformat() if summary.ended_at else None,
            "started_by": summary.started_by,
            "asked_by": summary.asked_by,
            "upkeep_version": summary.version,
            "exit_status": exit_status.of_run(summary),
        },
        "counts": {
            "hosts": {outcome.value: summary.hosts.get(outcome, 0) for outcome in Outcome},
            "hosts_in_need": summary.hosts_in_need,
            "hosts_unjudged": summary.hosts_unjudged,
            "sources": summary.sources,
            "results": {
                "pass": summary.counts.passed,
                "unknown": summary.counts.unknown,
                "nothing_to_judge": summary.counts.nothing,
                "fail": {level.value: summary.counts.failed.get(level, 0) for level in Severity},
                "waived": summary.counts.waived,
            },
        },
        "hosts": [_host(host) for host in hosts],
        "results": [_result(result) for result in results],
        "changes": [dict(change) for change in changes],
    }
    made: dict[str, Any] = readable(document)
    return made


def finding_document(one: Finding) -> dict[str, Any]:
    """Return a finding as JSON types; without how it was seen."""
    values = dataclasses.asdict(one)
    for kept in ("seen_of", "seen_by", "seen_as", "cause"):  # by which absence.py and alerts go
        del values[kept]
    values["severity"] = one.severity.value
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def waiver_document(one: Waiver, covered: int, now: datetime) -> dict[str, Any]:
    """Return a waiver as JSON types. covered: how many open findings it covers."""
    values = dataclasses.asdict(one)
    scope = values.pop("scope")
    del values["site"]
    scope["severity"] = one.scope.severity.value
    values |= scope | {"state": one.state(now).value, "unused": one.unused(now), "covers": covered}
    made: dict[str, Any] = plain(values)
    return made


def alert_document(alert: Alert, members: Sequence[Member]) -> dict[str, Any]:
    """Return an alert with the findings in it, as JSON types; without what only the alerter keeps count of."""
    from upkeep.services.alerts.messages import headline

    values = dataclasses.asdict(alert)
    for own in ("site", "group_key", "round", "round_at", "round_why", "told_round"):
        del values[own]
    values["dedupe"] = alert.dedupe
    values["what"] = headline(alert, members)
    values["hosts"] = sorted({one.host for one in members}, key=natural)
    values["findings"] = [
        {
            "id": one.finding_id,
            "host": one.host,
            "check_id": one.check,
            "subject": one.subject,
            "severity": one.severity,
            "message": one.message,
            "remedy": one.remedy,
        }
        for one in members
    ]
    made: dict[str, Any] = plain(values)
    return made


def review_document(one: KeptReview, standing: ReviewStanding) -> dict[str, Any]:
    """Return a review as JSON types, with how it stands."""
    values = dataclasses.asdict(one)
    for own in ("site", "definition"):
        del values[own]
    values |= {
        "state": standing.state,
        "verdict": standing.verdict,
        "overdue": standing.overdue,
        "waits_for": standing.waits_for,
        "closed_at": standing.closed_at,
        "alone": standing.alone,
    }
    made: dict[str, Any] = plain(values)
    return made


def whole_review_document(shown: Shown) -> dict[str, Any]:
    """Return a review with all that belongs to it. evidence: what was collected, as it is kept."""
    return review_document(shown.review, shown.standing) | {
        "definition": shown.review.definition,
        "signatures": [plain(dataclasses.asdict(each)) for each in shown.signatures],
        "follow_up_reviews": [each.id for each in shown.follow_ups],
        "evidence": shown.evidence,
        "nothing_collected": shown.lacking.nothing,
        "lacking": list(shown.lacking.what),
        "opened_since": shown.opened_since,
    }


def completion_document(found: Completion) -> dict[str, Any]:
    """Return a month's completion as JSON types. Rates are shares from 0 to 1."""
    made: dict[str, Any] = plain(
        {
            "version": VERSION,
            "month": found.month,
            "begins": found.begins,
            "ends": found.ends,
            "final": found.is_final,
            "total": _share(found.total),
            "total_then": _share(found.total_then),
            "lacking": found.lacking,
            "teams": {team: _share(rate) for team, rate in found.teams.items()},
            "procedures": [
                dataclasses.asdict(row) | {"rate": _share(row.rate)} for row in found.rows
            ],
            "left_out": [dataclasses.asdict(one) for one in found.left_out],
            "skipped": [dataclasses.asdict(one) for one in found.skipped],
            "signed_alone": [dataclasses.asdict(one) for one in found.alone],
        }
    )
    return made


def plain(value: Any) -> Any:
    """Return a document with its times as text, in UTC, and its words for what they stand for."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def dumps(document: dict[str, Any]) -> str:
    """Return the document's text: ASCII only, so that no terminal takes anything in it for a command."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, indent=2)
    return text.replace("\x7f", "\\u007f")


def schema(name: str = "run") -> dict[str, Any]:
    """Return the JSON Schema of the document that a command prints; `run` for run, check, show and judge."""
    text = resources.files("upkeep").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _host(host: HostInRun) -> dict[str, Any]:
    return {
        "name": host.name,
        "outcome": host.outcome.value,
        "message": host.message,
        "observed_at": host.observed_at.isoformat() if host.observed_at else None,
        "seconds": _finite(host.seconds) or 0.0,
        "python": host.python,
        "clock_offset_seconds": _finite(host.clock_offset_seconds),
        "seen_from": host.seen_from,
        "isolated": isolated_to_json(host.isolated) if host.isolated else None,
    }


def _result(result: Result) -> dict[str, Any]:
    data = result_to_json(result)
    del data["observation"]  # an index into what is not in this document
    data["waiver"] = result.waiver
    data["doubted"] = result.doubted
    for measure in data["measures"]:
        measure["value"] = _finite(measure["value"])
    return data


def _share(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)


def _finite(number: float | None) -> float | None:
    """Return the number; None for infinity and anything that is not a number, as JSON has no word for them."""
    return number if number is not None and math.isfinite(number) else None
