"""Whatever stands in an event: it is taken in without an exception, and only the event's host has rows of it."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from store_samples import NOW, answer, begun, result

from upkeep.agent import _Intake
from upkeep.events import Ears
from upkeep.observed import Observed, to_json
from upkeep.store import Store, open_store, runs, tables
from upkeep.store.observed import add_host
from upkeep.store.texts import name
from upkeep.verdicts import Severity

OBSERVE = "astral.upkeep.observe"
OTHER = "db1"
TABLES = (tables.run_host, tables.report, tables.result, tables.latest_result, tables.finding)


class Nobody:
    """Shows nothing."""

    def host_began(self, name: str) -> None:
        """Show nothing."""

    def host_done(self, observed: Observed) -> None:
        """Show nothing."""

    def job_did(self, host: str, task: str, kind: str, text: str) -> None:
        """Show nothing."""

    def expects(self, hosts: int) -> None:
        """Show nothing."""


TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        OTHER,
        "controller",
        "ok",
        "fail",
        "high",
        "\ud800\x1b[2J\x00",
        "n" * 5_000,
        "9999-12-31T23:59:59+00:00",
    ]
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**400, 1e308, float("nan")])
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each place in a document."""
    yield path
    keys = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in keys:
        yield from places(inner, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return the document with another value in a place."""
    if not path:
        return value
    changed = copy.copy(document)
    changed[path[0]] = put(changed[path[0]], path[1:], value)
    return changed


GIVEN = to_json(answer(result(Severity.HIGH), result(subject="/srv")))
GIVEN["results"][1]["host"] = OTHER
PLACES = list(places(GIVEN))


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """What stands under `upkeep`: right but for up to three places, or anything."""
    document: Any = GIVEN
    for _time in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(PLACES))
        try:
            document = put(document, path, draw(ANYTHING))
        except (LookupError, TypeError):
            continue  # the place went with what stood above it
    return document


@st.composite
def event_data(draw: st.DrawFn) -> Any:
    """What the callback writes of a task: right but for what the host said, or anything."""
    if draw(st.integers(0, 9)) == 0:
        return draw(ANYTHING)
    data = {
        "host": draw(st.sampled_from(["web1", "web1", "web1", "web2"]) | ANYTHING),
        "task": draw(ANYTHING),
        "resolved_action": draw(
            st.sampled_from([OBSERVE, OBSERVE, OBSERVE, "other.module"]) | ANYTHING
        ),
        "res": {
            "upkeep": draw(documents()),
            "msg": draw(ANYTHING),
            "changed": draw(ANYTHING),
            "diff": draw(ANYTHING),
        },
    }
    return data | draw(st.dictionaries(TEXTS, ANYTHING, max_size=2))


KINDS = st.sampled_from(
    [
        "runner_on_ok",
        "runner_on_ok",
        "runner_on_ok",
        "runner_on_failed",
        "runner_on_unreachable",
        "runner_on_start",
        "runner_on_skipped",
        "playbook_on_stats",
        "warning",
    ]
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = open_store(f"sqlite:///{tmp_path_factory.mktemp('any')}/upkeep.db")
    yield made
    made.close()


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(kind=KINDS | TEXTS, data=event_data())
def test_any_event_is_taken_in_and_only_its_host_has_rows(
    store: Store, tmp_path_factory: pytest.TempPathFactory, kind: Any, data: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "events"
    folder.mkdir(exist_ok=True)
    with store.begin() as db:
        run_id = runs.start(db, begun())
        add_host(db, run_id, answer(result(Severity.CRITICAL), host=OTHER))
        known = rows(db, run_id)
    intake = _Intake(run_id, store, folder, Nobody())
    ears = Ears(intake, folder)
    number = str(uuid.uuid4())
    (folder / f"{number}-partial.json").write_text(
        json.dumps({"uuid": number, "event": kind, "event_data": data})
    )

    ears.hear(number)
    ears.hear(number)
    intake._write()

    assert ears.error is None
    assert not intake.trouble
    host = data.get("host") if isinstance(data, dict) else None
    with store.begin() as db:
        after = rows(db, run_id)
        assert {row for row in after if row[1] == OTHER} == known or host == OTHER
        allowed = {name(host, 255)} if isinstance(host, str) and host else set()
        assert {row[1] for row in after} <= {OTHER} | allowed - {"controller"}
        runs.finish(db, run_id, "done", "", NOW)
    assert intake.begun <= allowed


def rows(db: Any, run_id: int) -> set[tuple[Any, ...]]:
    """Return all that the run has said of hosts."""
    found = set()
    for table in TABLES:
        query = select(table)
        if "run_id" in table.c:
            query = query.where(table.c.run_id == run_id)
        else:
            query = query.where(table.c.host != "web1", table.c.host == OTHER)
        found |= {(table.name, row.host, str(row._mapping)) for row in db.execute(query)}
    return found
