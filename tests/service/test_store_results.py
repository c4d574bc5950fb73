"""What hosts gave is written down once, as it was, on either database."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, event, func, insert, select, text
from sqlalchemy.exc import OperationalError
from store_samples import NOW, SITE, answer, begun, result

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked
from upkeep.judging.judge import evidence_hash
from upkeep.model.answer import Observed, Outcome, Seen
from upkeep.model.errors import StoreError
from upkeep.model.verdicts import Measure, Severity, Status, Unknown
from upkeep.store import Store, findings, open_store, runs, tables
from upkeep.store.answers import (
    add_host,
    add_hosts,
    add_judgement,
    begin_judgement,
    evidence_of,
    latest,
    observed_in,
    results_of,
    series,
)

HIGH, LOW, CRITICAL = Severity.HIGH, Severity.LOW, Severity.CRITICAL
BLNS = json.loads((Path(__file__).parent / "recorded" / "blns.json").read_text())


def start(store: Store, minutes: float = 0) -> int:
    with store.begin() as db:
        return runs.start(db, begun(minutes))


def add(store: Store, run_id: int, *given: Observed) -> list[bool]:
    with store.begin() as db:
        return [add_host(db, run_id, one) for one in given]


def count(store: Store, table: Table) -> int:
    with store.read() as db:
        return int(db.execute(select(func.count()).select_from(table)).scalar_one())


def given(store: Store, run_id: int) -> list[Observed]:
    with store.read() as db:
        return list(observed_in(db, run_id))


# --- runs ------------------------------------------------------------------------------------------------------------
def test_a_run_is_read_as_it_was_written(store: Store) -> None:
    run_id = start(store)

    with store.read() as db:
        found = runs.get(db, run_id)
        assert runs.get(db, run_id + 1) is None

    assert found is not None
    assert {name: getattr(found, name) for name in vars(begun())} == vars(begun())
    assert (found.id, found.status, found.cause, found.ended_at) == (run_id, "running", "", None)


def test_a_run_ends_once(store: Store) -> None:
    run_id = start(store)
    with store.begin() as db:
        assert [one.id for one in runs.unfinished(db)] == [run_id]

        assert runs.finish(db, run_id, "done", "", NOW)
        assert not runs.finish(db, run_id, "crashed", "too late", NOW + timedelta(hours=1))

    with store.read() as db:
        ended = runs.get(db, run_id)
        assert runs.unfinished(db) == []
    assert ended is not None
    assert (ended.status, ended.cause, ended.ended_at) == ("done", "", NOW)


def test_the_newest_runs_come_first(store: Store) -> None:
    numbers = [start(store, minutes) for minutes in range(4)]

    with store.read() as db:
        assert [one.id for one in runs.recent(db, 3)] == numbers[:0:-1]


def test_a_run_with_texts_of_any_kind_begins(store: Store) -> None:
    odd = "a\x00b\udcff" + "x" * 9000
    with store.begin() as db:
        run_id = runs.start(
            db,
            begun(procedure=odd, title=odd, site=odd, limit=odd, started_by=odd, driver_host=odd),
        )
        found = runs.get(db, run_id)

    assert found is not None
    assert found.limit.startswith(r"a\x00b\udcffxxx")
    assert add(store, run_id, answer(result())) == [True]


# --- answers ---------------------------------------------------------------------------------------------------------
def test_an_answer_is_read_as_it_was_written(store: Store) -> None:
    run_id = start(store)
    one = answer(
        result(CRITICAL, subject="/var"),
        result(Status.UNKNOWN, subject="/nfs", measures=()),
        result(Status.UNKNOWN, subject="/quiet", unknown=Unknown.NOTHING_TO_JUDGE),
        result(subject="/"),
    )

    add(store, run_id, one)

    assert given(store, run_id) == [one]


def test_2_an_answer_that_is_handed_in_again_changes_nothing(store: Store) -> None:
    run_id = start(store)
    one = answer(result(HIGH), result(subject="/var"))
    before = add(store, run_id, one)
    everything = {table.name: count(store, table) for table in tables.metadata.sorted_tables}

    after = add(store, run_id, one)

    assert (before, after) == ([True], [False])
    assert everything == {
        table.name: count(store, table) for table in tables.metadata.sorted_tables
    }
    with store.read() as db:
        assert [one.count for one in findings.open_ones(db)] == [1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "the later one first"])
def test_of_two_answers_of_a_host_in_a_run_the_later_verdict_stands(
    store: Store, order: tuple[int, int]
) -> None:
    run_id = start(store)
    answers = [
        answer(result(HIGH), result(HIGH, subject="/var")),
        answer(result(Status.PASS, minutes=1, message="40 % used"), minutes=1),
    ]

    add(store, run_id, *[answers[index] for index in order])

    with store.read() as db:
        stands = [(one.subject, one.status.value) for one in results_of(db, run_id)]
        assert [one.subject for one in findings.open_ones(db)] == ["/var"]
        assert [(one.host, one.observed_at) for one in runs.hosts(db, run_id)] == [
            ("web1", NOW + timedelta(minutes=1))
        ]
    assert stands == [("/var", "fail"), ("/", "pass")]


def test_evidence_is_kept_once_and_to_the_byte(store: Store) -> None:
    run_id = start(store)
    raw = (bytes(range(256)) * 40).decode("utf-8", "surrogateescape")

    add(store, run_id, answer(result(), host="a", raw=raw), answer(result(), host="b", raw=raw))

    sha256 = evidence_hash(raw)
    with store.read() as db:
        assert evidence_of(db, sha256) == bytes(range(256)) * 40
        assert evidence_of(db, "0" * 64) is None
        kept = db.execute(select(func.length(tables.evidence.c.content))).scalars().all()
    assert len(kept) == 1
    assert kept[0] < 2000


def test_results_come_worst_first(store: Store) -> None:
    run_id = start(store)
    add(
        store,
        run_id,
        answer(
            result(subject="passed"),
            result(LOW, subject="low"),
            result(Status.UNKNOWN, subject="unknown"),
            result(CRITICAL, subject="critical"),
            result(Severity.INFO, subject="info"),
        ),
        answer(result(HIGH, subject="high"), host="db1"),
    )

    with store.read() as db:
        subjects = [one.subject for one in results_of(db, run_id)]
        assert [one.subject for one in results_of(db, run_id, "db1")] == ["high"]
    assert subjects == ["critical", "high", "low", "info", "unknown", "passed"]


def test_a_run_is_counted_by_the_database(store: Store) -> None:
    run_id = start(store)
    add(
        store,
        run_id,
        answer(result(HIGH), result(HIGH, subject="/var"), result(subject="/home"), host="a"),
        answer(result(Severity.INFO), host="b"),
        answer(result(Status.UNKNOWN), host="c"),
        answer(result(Status.UNKNOWN, unknown=Unknown.NOTHING_TO_JUDGE), host="e"),
        Observed("d", Outcome.UNREACHABLE, NOW, "no route to host"),
    )

    with store.read() as db:
        counted = runs.count(db, run_id)

    assert counted == runs.RunCounts(
        hosts={Outcome.OK: 4, Outcome.UNREACHABLE: 1},
        hosts_in_need=3,
        passed=1,
        unknown=1,
        nothing=1,
        hosts_unjudged=1,
        failed={HIGH: 2, Severity.INFO: 1},
    )


def test_a_measure_is_a_series_over_runs(store: Store) -> None:
    for minutes in (0, 1, 2):
        run_id = start(store, minutes)
        measured = (Measure("used", 90.0 + minutes, "%"),)
        add(store, run_id, answer(result(minutes=minutes, measures=measured), minutes=minutes))

    with store.read() as db:
        since = NOW + timedelta(minutes=1)
        points = series(db, SITE, "disk_space", "web1", "/", "used", since)

    assert points == [(since, 91.0), (NOW + timedelta(minutes=2), 92.0)]


def test_a_measure_that_is_no_number_costs_no_result(store: Store) -> None:
    run_id = start(store)
    odd = [math.nan, math.inf, 10**400, "many", None, True]
    measured = tuple(Measure(f"m{at}", value) for at, value in enumerate(odd))  # type: ignore[arg-type]

    add(store, run_id, answer(result(measures=measured)))

    with store.read() as db:
        assert [one.status for one in results_of(db, run_id)] == [Status.PASS]
        kept = db.execute(select(tables.measure.c.name, tables.measure.c.value)).all()
    assert [tuple(row) for row in kept] == [("m5", 1.0)]


# --- findings --------------------------------------------------------------------------------------------------------
def test_a_finding_has_a_life(store: Store) -> None:
    verdicts: list[Status | Severity] = [
        LOW,
        LOW,
        HIGH,
        Status.UNKNOWN,
        Status.PASS,
        Status.UNKNOWN,
        Status.PASS,
        HIGH,
    ]
    for minutes, verdict in enumerate(verdicts):
        run_id = start(store, minutes)
        add(store, run_id, answer(result(verdict, minutes=minutes), minutes=minutes))

    with store.read() as db:
        (finding,) = findings.open_ones(db, everything=True)
        history = findings.history(db, finding.id)
    assert (finding.status, finding.severity, finding.opening, finding.count) == (
        "open",
        HIGH,
        2,
        4,
    )
    assert (finding.opened_at, finding.last_seen_at) == (NOW + timedelta(minutes=7),) * 2
    assert finding.resolved_at is None
    assert [(kind, (at - NOW).seconds / 60) for at, kind, _message in history] == [
        ("opened", 0),
        ("severity", 2),
        ("resolved", 4),
        ("reopened", 7),
    ]


def test_an_unknown_opens_nothing(store: Store) -> None:
    add(store, start(store), answer(result(Status.UNKNOWN), result(subject="/var")))

    assert count(store, tables.finding) == 0


def test_a_finding_is_known_again_by_site_check_host_and_subject(store: Store) -> None:
    one, other = start(store), start(store, 1)
    with store.begin() as db:
        elsewhere = runs.start(db, begun(site="/srv/other"))
    add(store, one, answer(result(HIGH), result(HIGH, subject="/var")))
    add(store, other, answer(result(HIGH, minutes=1), minutes=1), answer(result(HIGH), host="db1"))
    add(store, elsewhere, answer(result(HIGH)))

    with store.read() as db:
        known = {(one.site, one.host, one.subject): one.count for one in findings.open_ones(db)}
        prints = {one.fingerprint for one in findings.open_ones(db)}
    assert known == {
        (SITE, "web1", "/"): 2,
        (SITE, "web1", "/var"): 1,
        (SITE, "db1", "/"): 1,
        ("/srv/other", "web1", "/"): 1,
    }
    assert len(prints) == 4


def test_the_worst_finding_comes_first(store: Store) -> None:
    add(
        store,
        start(store),
        answer(result(LOW, subject="l"), result(CRITICAL, subject="c"), result(HIGH, subject="h")),
    )
    add(store, start(store, 1), answer(result(subject="h", minutes=1), minutes=1))

    with store.read() as db:
        assert [one.subject for one in findings.open_ones(db)] == ["c", "l"]
        assert [one.subject for one in findings.open_ones(db, everything=True)] == ["c", "l", "h"]


def test_what_an_earlier_run_saw_moves_nothing_that_a_later_one_has_seen(store: Store) -> None:
    earlier, later = start(store), start(store, 60)
    add(store, later, answer(result(minutes=60), minutes=60))

    add(store, earlier, answer(result(HIGH)))  # had waited in a spool

    with store.read() as db:
        assert findings.open_ones(db) == []
        assert [(one.run_id, one.status) for one in latest(db, SITE)] == [(later, Status.PASS)]
        assert [one.status for one in results_of(db, earlier)] == [Status.FAIL]


def test_8_a_clock_that_was_far_ahead_does_not_stop_findings(store: Store) -> None:
    years = timedelta(days=365 * 68) / timedelta(minutes=1)
    add(store, start(store, years), answer(result(HIGH, minutes=years), minutes=years))

    add(store, start(store, 5), answer(result(minutes=5), minutes=5))

    with store.read() as db:
        assert findings.open_ones(db) == []
        assert [one.status for one in latest(db, SITE)] == [Status.PASS]


def test_two_runs_that_open_a_finding_at_once_open_it_once(store: Store) -> None:
    numbers = [start(store, minutes) for minutes in range(4)]
    subjects = [f"/{number}" for number in range(20)]

    def write(run_id: int) -> list[bool]:
        # In an order of each run's own: a lock taken crosswise would show.
        own = subjects if run_id % 2 else subjects[::-1]
        return add(store, run_id, answer(*[result(HIGH, subject=one) for one in own]))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, numbers)) == [[True]] * 4

    with store.read() as db:
        assert len(findings.open_ones(db)) == 20
        assert {one.run_id for one in latest(db, SITE)} == {numbers[-1]}


# --- judged again ----------------------------------------------------------------------------------------------------
def test_a_judgement_stands_beside_the_first(store: Store) -> None:
    run_id = start(store)
    first = answer(result(HIGH), result(subject="/var"))
    proof = answer(result(Status.PASS, minutes=1), minutes=1)
    add(store, run_id, first, proof)
    thought = [replace(first, results=(result(LOW),)), replace(proof, results=(result(minutes=1),))]

    for expected in (1, 2):
        with store.begin() as db:
            number = begin_judgement(db, run_id, NOW + timedelta(days=1))
            for one in thought:
                add_judgement(db, run_id, number, one)
        assert number == expected

    with store.read() as db:
        assert [(one.subject, one.status.value) for one in results_of(db, run_id)] == [
            ("/", "pass"),
            ("/var", "pass"),
        ]
        assert [one.status.value for one in results_of(db, run_id, judgement=2)] == ["pass"]
        assert findings.open_ones(db) == []
        judged = db.execute(select(tables.judgement.c.number, tables.judgement.c.judged_at)).all()
    assert [tuple(row) for row in judged] == [
        (1, NOW + timedelta(days=1)),
        (2, NOW + timedelta(days=1)),
    ]
    assert given(store, run_id)[0].seen == first.seen


def test_observations_may_be_judged_while_they_are_read(store: Store) -> None:
    run_id = start(store)
    add(store, run_id, *[answer(result(HIGH), host=f"h{number}") for number in range(5)])

    with store.begin() as db:
        number = begin_judgement(db, run_id, NOW)
        for one in observed_in(db, run_id):
            add_judgement(db, run_id, number, one)

    with store.read() as db:
        assert len(list(results_of(db, run_id, judgement=1))) == 5


# --- hostile texts ---------------------------------------------------------------------------------------------------
HOSTILE = [
    *BLNS,
    "\x00",
    "a\x00b",
    "\udcff\udc80",
    "\x1b]52;c;cm0gLXJm\x07",
    "{{ lookup('pipe', 'id') }}",
    "<script>alert(1)</script>",
    "line\nNov 23 sshd[1]: Accepted password for root",
    "'; DROP TABLE run; --",
    "x" * 100_000,
    "é" * 5_000,
]


def test_49_texts_of_any_kind_are_kept_and_told_apart(store: Store) -> None:
    run_id = start(store)
    subjects = list(dict.fromkeys(HOSTILE))
    one = answer(*[result(HIGH, subject=text, message=text) for text in subjects])
    seen = tuple(
        Seen(0, Observation(text, {"text": text, text: 1}, text), evidence_hash(text))
        if not any("\ud800" <= letter < "\udc80" for letter in text)
        else Seen(0, Observation(text, {"text": text}))
        for text in subjects
    )

    add(store, run_id, replace(one, seen=seen))

    (read,) = given(store, run_id)
    with store.read() as db:
        assert len(findings.open_ones(db)) == len(subjects)
    assert [other.observation.data["text"] for other in read.seen] == list(map(masked, subjects))
    assert [other.observation.raw for other in read.seen] == [
        other.observation.raw for other in seen
    ]
    assert len({other.subject for other in read.results}) == len(subjects)
    for other in read.results:
        assert not any(letter < " " and letter not in "\n\t" for letter in other.subject)
        assert len(other.subject) <= 4000
    harmless = {masked(text) for text in subjects if len(text) < 4000 and text.isprintable()}
    assert harmless <= {other.subject for other in read.results}


def test_a_hostile_subject_is_the_same_finding_when_it_is_read_and_judged_again(
    store: Store,
) -> None:
    run_id = start(store)
    add(store, run_id, *[answer(result(HIGH, subject=text)) for text in ["a\x00b" + "x" * 9000]])
    (read,) = given(store, run_id)

    add(store, start(store, 1), replace(read, observed_at=NOW + timedelta(minutes=1)))

    with store.read() as db:
        assert [one.count for one in findings.open_ones(db)] == [2]
        (subject,) = [one.subject for one in findings.open_ones(db)]
        assert len(series(db, SITE, "disk_space", "web1", subject, "used", NOW)) == 1


def test_50_data_nested_without_end_is_marked(store: Store) -> None:
    deep: dict[str, object] = {}
    for _ in range(200_000):
        deep = {"a": deep}
    one = answer(result())
    seen = (Seen(0, Observation("/", deep)), Seen(0, Observation("/var", {"number": math.nan})))

    run_id = start(store)
    add(store, run_id, replace(one, seen=seen))

    (read,) = given(store, run_id)
    assert read.seen[0].observation.data == {"upkeep": "nested too deeply to be kept"}
    assert math.isnan(read.seen[1].observation.data["number"])


def test_an_answer_that_the_database_refuses_costs_its_host_alone(store: Store) -> None:
    run_id = start(store)
    naive = replace(result(HIGH), observed_at=datetime(2030, 6, 1))

    added = add(
        store, run_id, answer(host="a"), answer(naive, host="b"), answer(result(), host="c")
    )

    assert added == [True, True, True]
    with store.read() as db:
        hosts = {one.host: (one.outcome.value, one.message) for one in runs.hosts(db, run_id)}
    assert hosts["a"] == hosts["c"] == ("ok", "")
    assert hosts["b"][0] == "failed"
    assert hosts["b"][1].startswith("its answer could not be stored: a time without a zone")


def test_an_answer_to_no_run_is_refused_in_one_line(store: Store) -> None:
    with pytest.raises(StoreError, match="there is no run 77"):
        add(store, 77, answer(result()))


def test_more_subjects_than_a_statement_has_parameters_fit(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(sqlite_url)

    @event.listens_for(store.engine, "checkout")
    def limit(connection: Any, *_rest: object) -> None:
        """Allow as few as an SQLite may be built with: those of the usual one are too many for a test."""
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2_000)

    monkeypatch.setattr(store.engine.dialect, "insertmanyvalues_max_parameters", 2_000)
    # Statements that other tests have compiled know the limit of their own engine.
    store.engine.update_execution_options(compiled_cache={})
    run_id = start(store)
    many = [result(HIGH, subject=f"/{number}", measures=()) for number in range(2_200)]

    add(store, run_id, answer(*many))

    with store.read() as db:
        assert runs.count(db, run_id).failed == {HIGH: 2_200}
        with pytest.raises(OperationalError, match="too many SQL variables"):
            db.exec_driver_sql(f"SELECT {', '.join('?' * 2_200)}", (0,) * 2_200)
    store.close()


# --- what queries lean on --------------------------------------------------------------------------------------------
def plans(store: Store, ask: Callable[[Connection], object]) -> list[str]:
    """How the database answers each query of ask."""
    explain = "EXPLAIN QUERY PLAN " if store.engine.dialect.name == "sqlite" else "EXPLAIN "
    asked = []

    def note(_db: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        asked.append((statement, parameters))

    with store.read() as db:
        db.execute(text("SELECT 1"))
        event.listen(store.engine, "before_cursor_execute", note)
        ask(db)
        event.remove(store.engine, "before_cursor_execute", note)
        return [
            "\n".join(
                str(tuple(row)) for row in db.exec_driver_sql(explain + statement, parameters)
            )
            for statement, parameters in asked
        ]


@pytest.fixture
def full_store(store: Store) -> Store:
    """A store with 30,000 results of 150 runs, ten hosts each."""
    with store.begin() as db:
        for number in range(150):
            runs.start(db, begun(number))
        reports = [
            {"run_id": number // 10 + 1, "host": f"h{number % 10}", "observed_at": NOW}
            for number in range(1_500)
        ]
        db.execute(
            insert(tables.report), [one | {"requests": "[]", "due": "[]"} for one in reports]
        )
        same = {"judgement": 0, "check_id": "c", "status": "pass", "message": "", "remedy": ""}
        same |= {"measures": "[]", "controls": "[]", "observed_at": NOW, "evidence_sha256": ""}
        rows = [
            {
                "run_id": number // 200 + 1,
                "report_id": number // 20 + 1,
                "host": f"h{number // 20 % 10}",
            }
            | {"fingerprint": str(number), "subject": f"s{number}", **same}
            for number in range(30_000)
        ]
        db.execute(insert(tables.result), rows)
        measured = [
            {"run_id": 1, "fingerprint": str(at % 100), "name": "m", "unit": "1", "value": 1.0}
            | {"observed_at": NOW + timedelta(minutes=at)}
            for at in range(10_000)
        ]
        db.execute(insert(tables.measure), measured)
        names = ("fingerprint", "check_id", "subject", "status", "message", "observed_at")
        newest = [
            {"site": SITE, "host": f"h{at % 1000}", "run_id": 1}
            | {name: row[name] for name in names}
            for at, row in enumerate(rows[:20_000])
        ]
        db.execute(insert(tables.latest_result), newest)
    with store.begin() as db:
        db.execute(text("ANALYZE"))
    return store


def test_what_a_page_asks_is_answered_by_indexes(full_store: Store) -> None:
    def ask(db: Connection) -> None:
        runs.count(db, 90)
        list(results_of(db, 90))
        list(results_of(db, 90, "h5"))
        list(latest(db, SITE, "h5"))
        series(db, SITE, "disk_space", "web1", "/", "used", NOW)

    for plan in plans(full_store, ask):
        lines = plan.splitlines()
        whole = [line for line in lines if "Seq Scan on" in line or "SCAN " in line]
        big = [line for line in whole if "result" in line or "measure" in line]
        assert big == [], plan


def test_an_answer_is_one_statement_per_table(store: Store) -> None:
    one = answer(*[result(HIGH, subject=f"/{number}") for number in range(20)])
    asked = []

    def note(_db: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    run_id = start(store)
    event.listen(store.engine, "before_cursor_execute", note)
    add(store, run_id, one)
    event.remove(store.engine, "before_cursor_execute", note)

    written = [statement.split()[2] for statement in asked if statement.startswith("INSERT")]
    results = ["latest_result", "measure", "observation", "report", "result", "run_host"]
    assert sorted(written) == ["evidence", "finding", "finding_event", *results, "watched"]


def test_answers_written_together_stand_as_if_written_one_by_one(store: Store) -> None:
    naive = replace(result(HIGH, host="b"), observed_at=datetime(2030, 6, 1))
    answers = [
        answer(result(HIGH, host="a"), host="a"),
        answer(naive, host="b"),  # the database refuses it
        answer(
            result(host="a", minutes=1), host="a", minutes=1
        ),  # a second answer of the same host
        answer(result(LOW, host="c"), host="c"),
    ]
    alone, together = start(store), start(store)

    add(store, alone, *answers)
    with store.begin() as db:
        add_hosts(db, together, answers)
        add_hosts(db, together, answers)  # handed in again

    assert given(store, together) == given(store, alone)
    with store.read() as db:
        assert list(results_of(db, together)) == list(results_of(db, alone))
        assert list(runs.hosts(db, together)) == list(runs.hosts(db, alone))


def test_what_three_hosts_gave_is_one_statement_per_table(store: Store) -> None:
    asked = []

    def note(_db: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    run_id = start(store)
    event.listen(store.engine, "before_cursor_execute", note)
    with store.begin() as db:
        add_hosts(
            db, run_id, [answer(result(HIGH, host=name), host=name) for name in ("a", "b", "c")]
        )
    event.remove(store.engine, "before_cursor_execute", note)

    written = [statement.split()[2] for statement in asked if statement.startswith("INSERT")]
    assert len(written) == len(set(written))
