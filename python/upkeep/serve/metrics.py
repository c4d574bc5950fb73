"""What monitoring reads: figures of the store, as OpenMetrics or as the classic text of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from upkeep.model.errors import ConfigurationError
from upkeep.store import Store
from upkeep.store.figures import Figures, figures
from upkeep.system.release import version

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


def render(store: Store, now: datetime, *, openmetrics: bool) -> bytes:
    """Return the figures as of now: as OpenMetrics 1.0.0, else as the classic text, version 0.0.4.

    Raises: ConfigurationError without the package for it.
    """
    try:
        from prometheus_client import CollectorRegistry, exposition
        from prometheus_client.openmetrics import exposition as openmetrics_exposition
        from prometheus_client.registry import Collector
    except ModuleNotFoundError as exc:
        message = f"metrics: the Python package {exc.name} is not installed"
        raise ConfigurationError(message, remedy="pip install 'upkeep[metrics]'") from exc
    with store.read() as db:
        seen = figures(db)

    class Now(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _families(seen, now)

    # One of its own: the library's usual one adds figures of this process, and keeps what it was once told.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Now())
    if openmetrics:
        return bytes(openmetrics_exposition.generate_latest(registry))  # type: ignore[no-untyped-call]
    return exposition.generate_latest(registry)


def _families(seen: Figures, now: datetime) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily as Gauge
    from prometheus_client.metrics_core import InfoMetricFamily

    yield InfoMetricFamily("upkeep_build", "Version of the program.", value={"version": version()})

    results = Gauge(
        "upkeep_results",
        "Newest results by status: pass, fail, unknown (could not be checked) or nothing_to_judge;"
        " severity is empty unless the status is fail.",
        labels=("site", "status", "severity"),
    )
    for labels, count in sorted(seen.results.items()):
        results.add_metric(labels, count)
    yield results

    findings = Gauge("upkeep_open_findings", "Open findings.", labels=("site", "severity"))
    for key, count in sorted(seen.findings.items()):
        findings.add_metric(key, count)
    yield findings

    yield Gauge("upkeep_running_runs", "Runs in progress.", value=seen.running)
    yield from _last_runs(seen)
    yield Gauge(
        "upkeep_outbox_oldest_age_seconds",
        "Time since the oldest unsent message should first have been sent; 0 if there is none.",
        value=_age_seconds(seen.oldest_unsent_at, now),
    )
    yield Gauge(
        "upkeep_occurrence_lag_seconds",
        "Time since the oldest occurrence that no driver has claimed was due; 0 if there is none.",
        value=_age_seconds(seen.oldest_due_at, now),
    )


def _last_runs(seen: Figures) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily as Gauge

    names = ("site", "procedure")
    ended = Gauge(
        "upkeep_last_run_end_timestamp_seconds",
        "Time at which the last run of a procedure ended.",
        labels=names,
    )
    lasted = Gauge(
        "upkeep_last_run_duration_seconds", "Duration of the last run of a procedure.", labels=names
    )
    status = Gauge(
        "upkeep_last_run_status",
        "1 for the status with which the last run of a procedure ended.",
        labels=(*names, "status"),
    )
    for run in seen.last_runs:
        labels = (run.site, run.procedure)
        ended.add_metric(labels, run.ended_at.timestamp())
        lasted.add_metric(labels, (run.ended_at - run.started_at).total_seconds())
        status.add_metric((*labels, run.status), 1)
    yield from (ended, lasted, status)


def _age_seconds(since: datetime | None, now: datetime) -> float:
    """Return how long ago that was; what is due later has no age."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0
