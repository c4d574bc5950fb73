"""Whatever stands in an event: it is taken in without an exception, and only the event's host has rows of it."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import oldest
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from store_samples import answer, begun, result

from upkeep.model import clock
from upkeep.model.answer import OWN_HOST, Observed, to_json
from upkeep.model.stored_text import name
from upkeep.model.verdicts import Severity
from upkeep.run.agent import _Intake
from upkeep.run.events import Ears
from upkeep.store import Store, open_store, runs, tables
from upkeep.store.answers import add_host
from upkeep.system import child

OBSERVE = "astral.upkeep.observe"
OTHER = "db1"
NEVER = child.Stop()
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

    def progressed(self, host: str, step: str, share: float | None) -> None:
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


@dataclass
class World:
    """A run in which another host has answered already."""

    store: Store
    folder: Path
    run_id: int
    known: list[str]
    named: set[str]

    def of_the_other(self) -> list[str]:
        """Return all that the store says of the other host."""
        with self.store.read() as db:
            found = [
                str(row._mapping)
                for table in TABLES
                for row in db.execute(select(table).where(table.c.host == OTHER))
            ]
        return sorted(found)

    def hosts(self) -> set[str]:
        """Return the hosts of which the store says anything."""
        with self.store.read() as db:
            return {host for table in TABLES for host in db.execute(select(table.c.host)).scalars()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("any")
    store = open_store(f"sqlite:///{folder}/upkeep.db")
    with store.begin() as db:
        run_id = runs.start(db, begun())
        add_host(db, run_id, answer(result(Severity.CRITICAL), host=OTHER))
    made = World(store, folder, run_id, [], {OTHER})
    made.known = made.of_the_other()
    yield made
    store.close()


@pytest.mark.timeout(3600)
@settings(max_examples=oldest.examples(120), deadline=None, suppress_health_check=list(HealthCheck))
@given(kind=KINDS | TEXTS, data=event_data())
def test_any_event_is_taken_in_and_only_its_host_has_rows(
    world: World, kind: Any, data: Any
) -> None:
    intake = _Intake(world.run_id, "", world.store, world.folder, Nobody(), NEVER, clock.now())
    ears = Ears(intake, world.folder)
    number = str(uuid.uuid4())
    content = {"uuid": number, "event": kind, "event_data": data}
    (world.folder / f"{number}-partial.json").write_text(json.dumps(content))

    ears.hear(number)
    ears.hear(number)
    intake._write()

    assert ears.error is None
    assert not intake.trouble
    host = data.get("host") if isinstance(data, dict) else None
    own = {name(host, 255)} if isinstance(host, str) and host else set()
    world.named |= own - {OWN_HOST}
    assert world.hosts() <= world.named
    assert intake.begun <= ({host} if isinstance(host, str) else set())
    if host == OTHER:
        world.known = world.of_the_other()
    assert world.of_the_other() == world.known
