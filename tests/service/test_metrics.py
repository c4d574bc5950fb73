"""What monitoring reads, parsed by the library's own parser of OpenMetrics, on both databases."""

from __future__ import annotations

import builtins
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from store_samples import NOW, SITE, answer, begun, result

from upkeep.model.errors import ConfigurationError
from upkeep.model.verdicts import Severity, Status
from upkeep.serve import metrics
from upkeep.store import Store, runs, tables
from upkeep.store.answers import add_host
from upkeep.system.release import version

HOSTILE = 'x"} 1\nupkeep_results{site="forged"} 99\n\\" # EOF'


def samples(store: Store) -> dict[str, list[tuple[dict[str, str], float]]]:
    text = metrics.render(store, NOW + timedelta(minutes=10)).decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def add_run(store: Store, *, ended: bool = True, **other: Any) -> None:
    with store.begin() as db:
        run_id = runs.start(db, begun(**other))
        results = [
            result(Severity.HIGH, subject="/"),
            result(Severity.HIGH, subject="/var"),
            result(Status.PASS, subject="/srv"),
            result(Status.UNKNOWN, subject="/mnt"),
        ]
        add_host(db, run_id, answer(*results))
        if ended:
            runs.finish(db, run_id, "done", "", NOW + timedelta(seconds=90))


def test_an_empty_store_has_figures_too(store: Store) -> None:
    found = samples(store)

    assert found["upkeep_running_runs"] == [({}, 0.0)]
    assert found["upkeep_build_info"] == [({"version": version()}, 1.0)]
    assert "upkeep_results" not in found
    assert metrics.render(store, NOW).endswith(b"# EOF\n")


def test_results_findings_and_runs_are_counted(store: Store) -> None:
    add_run(store)
    add_run(store, ended=False, minutes=5, procedure="weekly")

    found = samples(store)

    assert found["upkeep_results"] == [
        ({"site": SITE, "status": "fail", "severity": "high"}, 2.0),
        ({"site": SITE, "status": "pass", "severity": ""}, 1.0),
        ({"site": SITE, "status": "unknown", "severity": ""}, 1.0),
    ]
    assert found["upkeep_open_findings"] == [({"site": SITE, "severity": "high"}, 2.0)]
    assert found["upkeep_running_runs"] == [({}, 1.0)]
    labels = {"site": SITE, "procedure": "daily"}
    assert found["upkeep_last_run_duration_seconds"] == [(labels, 90.0)]
    assert found["upkeep_last_run_status"] == [({**labels, "status": "done"}, 1.0)]
    ended = (NOW + timedelta(seconds=90)).timestamp()
    assert found["upkeep_last_run_end_timestamp_seconds"] == [(labels, ended)]


def test_a_hostile_name_forges_no_figure(store: Store) -> None:
    add_run(store, site=HOSTILE, procedure="daily")

    found = samples(store)

    assert {labels["site"] for labels, _value in found["upkeep_results"]} == {HOSTILE}
    assert sum(value for _labels, value in found["upkeep_results"]) == 4


def test_what_waits_has_its_age_where_there_is_such_a_table(store: Store) -> None:
    found = samples(store)

    for name, table in (
        ("upkeep_outbox_oldest_age_seconds", "outbox"),
        ("upkeep_occurrence_lag_seconds", "occurrence"),
    ):
        assert found[name] == [({}, 0.0)]
        if table in tables.metadata.tables:
            assert {"state", "due_at"} <= set(tables.metadata.tables[table].c.keys())


def test_without_the_package_it_is_told_what_to_install(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **other: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ModuleNotFoundError(name="prometheus_client")
        return imported(name, *rest, **other)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(ConfigurationError, match="prometheus_client is not installed"):
        metrics.render(store, NOW)
