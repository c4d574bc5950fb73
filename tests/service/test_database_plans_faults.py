"""Plans of the worst statements: which lack an index, what is not told of them, and what planning leaves behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from patience import eventually
from psycopg import sql
from service import majors
from service.majors import CLERK, MONITOR, PASSWORD, MajorServer, own_server, shared_server
from service.test_database_standbys import standby_of
from service.test_databases_through_pools import MODES, UNTOUCHED, pooled
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    ask_all,
    statements_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_plan import (
    HelpfulIndex,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_plans import (
    Statement,
    Trial,
    planning,
    trying,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_plans import (
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.judging.entries import make_limits
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Severity, Status, Verdict

SECRET = "Qzxwvk"
SOME_MAJORS = [13, 18, *(pytest.param(one, marks=pytest.mark.thorough) for one in (14, 15, 16, 17))]
FORGET = (
    "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()"
)
CHECK = "database_plans"
READER = {"user": CLERK, "password": PASSWORD}
TABLES = (
    "CREATE TABLE customer (id int PRIMARY KEY, email varchar(60) UNIQUE)",
    "INSERT INTO customer SELECT g, 'c' || g FROM generate_series(1, 20000) AS g",
    "CREATE TABLE orders (id int PRIMARY KEY, customer int, state varchar(10), said text)",
    "INSERT INTO orders SELECT g, g % 20000, 's' || g % 21, repeat('x', 100) FROM generate_series(1, 100000) AS g",
    "ANALYZE customer, orders",
)


@dataclass(frozen=True)
class SlowStatement:
    """What lacks an index. statement: is run often. column: of `orders`, which must be named."""

    name: str
    statement: str
    check: str
    column: str


FAULTS = (
    SlowStatement("a statement that looks for a column without an index", "SELECT * FROM orders WHERE customer = 7 AND state = 's7'", CHECK, "customer"),
    SlowStatement("a join that reads a whole table for a few rows", "SELECT count(*) FROM customer AS c JOIN orders AS o ON o.customer = c.id WHERE c.email = 'c7'", CHECK, "customer"),
    SlowStatement("an update that looks for a column without an index", "UPDATE orders SET said = 'y' WHERE customer = 7", CHECK, "customer"),
    SlowStatement("a job that locks the next row", "SELECT id FROM orders WHERE customer = -1 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1", CHECK, "customer"),
)  # fmt: skip


@pytest.fixture(params=["psycopg", "psql"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "psql":
        monkeypatch.setitem(sys.modules, "psycopg", None)  # its import raises ImportError
    return str(request.param)


def see(declared: dict[str, Any], seconds: int = 60) -> Observation:
    params = {
        "databases": [declared],
        "discover": False,
        "timeout_seconds": 60,
        "plan_seconds": seconds,
    }
    [seen] = gather(params, Host())
    assert seen.error == ""
    return seen


def judged(seen: Observation, **limits: Any) -> Verdict:
    check = load()[CHECK]
    verdict = verdict_of(check, seen, make_limits(check, limits), datetime.now(UTC))
    assert isinstance(verdict, Verdict)
    return verdict


def made(server: MajorServer, *statements: str) -> str:
    """Make a database with the extension, in which the second role may read all that the statements make."""
    name = server.fresh()
    with server.connect(name) as db:
        db.execute("CREATE EXTENSION pg_stat_statements")
        for one in statements:
            db.execute(sql.SQL(one))
        db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {CLERK}")
    return name


def often(server: MajorServer, name: str, *statements: str, times: int = 25) -> None:
    with server.connect(name) as db:
        for _time in range(times):
            for one in statements:
                db.execute(sql.SQL(one))


@pytest.mark.parametrize("major", SOME_MAJORS)
def test_each_fault_is_found_and_its_remedy_ends_it(major: int) -> None:
    server = shared_server(major)
    name = made(server, *TABLES)
    declared = server.declared(name, explain_as=READER)
    for fault in FAULTS:
        server.execute(FORGET, name)
        often(server, name, fault.statement)
        found = judged(see(declared))
        remedy = re.search(r"CREATE INDEX CONCURRENTLY [^']*", command_of(found.remedy))
        assert remedy is not None
        server.execute(remedy.group(), name)
        after = judged(see(declared))
        server.execute("DROP INDEX orders_customer_idx", name)

        assert (found.status, found.severity) == (Status.FAIL, Severity.MEDIUM)
        assert f"it lacks an index on {fault.column}: supported by statistics only" in found.message
        assert re.search(r"rows\) as a whole for [1-9] rows?; ", found.message)
        assert remedy.group() == f"CREATE INDEX CONCURRENTLY ON public.orders ({fault.column})"
        assert (after.status, fault.name) == (Status.PASS, fault.name)


@pytest.mark.parametrize("major", [13, 18])
def test_both_clients_see_the_same(major: int, way: str) -> None:
    server = shared_server(major)
    name = made(server, *TABLES)
    often(server, name, FAULTS[0].statement, "SELECT * FROM orders WHERE id = 7")

    seen = see(server.declared(name, explain_as=READER)).data

    [one] = [each for each in seen["plans"]["worst"] if "customer = $1" in each["shape"]]
    [other] = [each for each in seen["plans"]["worst"] if each["shape"].endswith("id = $1")]
    assert one["nodes"][-1]["kind"] == "Seq Scan"
    assert one["nodes"][-1]["condition"] == (
        "((orders.customer = $1) AND ((orders.state)::text = $2))"
    )
    assert one["indexes"] == [
        {"table": "public.orders", "columns": "customer", "rows": 100000, "kept": 1, "partitioned": False, "cost": None,
         "size_bytes": one["indexes"][0]["size_bytes"]}
    ]  # fmt: skip
    assert [(node["kind"], node["index"]) for node in other["nodes"]] == [
        ("Index Scan", "orders_pkey")
    ]
    assert seen["plans"]["imagines"] == ""


@pytest.mark.parametrize("major", [13, 18])
def test_no_literal_of_a_plan_leaves_the_host(major: int) -> None:
    server = shared_server(major)
    name = made(
        server,
        "CREATE TABLE person (id int PRIMARY KEY, name text, born date)",
        f"INSERT INTO person SELECT g, '{SECRET}' || g, '2000-01-01' FROM generate_series(1, 60000) AS g",
        f"CREATE INDEX partly ON person (id) WHERE name <> '{SECRET}'",
        f"CREATE VIEW known AS SELECT *, '{SECRET}' AS said FROM person WHERE name <> '{SECRET}' AND born > '1987-06-05'",
        f"CREATE FUNCTION word() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $${SECRET}$$::text'",
        "ANALYZE person",
    )
    often(
        server, name, "SELECT * FROM known WHERE id = 5 AND name = word()",
        "SELECT count(*) FROM person AS a JOIN known AS b ON a.name = b.said || 'x' WHERE a.name LIKE 'Qzx%'",
        f"SELECT * FROM person WHERE name IN ('{SECRET}', 'b') OR born < '1987-06-05'",
    )  # fmt: skip

    seen = see(server.declared(name, explain_as=READER))

    text = json.dumps([seen.data, seen.raw])
    conditions = [node["condition"] for one in seen.data["plans"]["worst"] for node in one["nodes"]]
    assert SECRET.lower() not in text.lower()
    assert "1987" not in text
    assert any("person.name = ?::text" in one for one in conditions), conditions
    assert all(one["why"] == "" for one in seen.data["plans"]["worst"] if one["calls"] == 25)


@pytest.mark.parametrize("major", SOME_MAJORS)
def test_a_second_statement_is_not_run(major: int) -> None:
    """Our reader lets no such text through; the server and the transaction are the second guard."""
    server = shared_server(major)
    name = made(server, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1)")
    texts = (
        "SELECT 1 FROM kept; DROP TABLE kept",
        "SELECT 1 FROM kept; SET TRANSACTION READ WRITE; DELETE FROM kept",
        "SELECT 1 FROM kept; COMMIT; DELETE FROM kept; BEGIN",
        "ANALYZE DELETE FROM kept",
        "DELETE FROM kept",
    )
    own = server.declared(name, majors.ADMINISTRATOR, address=str(server.home), password="")
    asked = planning([Statement(one, "public", "", {}) for one in texts], 60.0)

    reply = ask_all(Host(), own, {"plans": asked}, 60.0).by_name["plans"]

    states = [one["state"] for one in reply.value["plans"]]
    assert len(states) == len(texts)
    assert "00000" not in states[:4]
    assert server.execute("SELECT id FROM kept", name) == [(1,)]


@pytest.mark.parametrize("major", [13, 15, 18])
def test_what_a_function_does_while_it_is_planned_is_undone(major: int) -> None:
    server = shared_server(major)
    name = made(
        server,
        "CREATE TABLE person (id int PRIMARY KEY)",
        """CREATE FUNCTION sly() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ begin
            if current_setting('transaction_read_only') = 'off' then return 1; end if;
            perform pg_notify('sly', 'heard'), set_config('search_path', 'sly', false),
                set_config('upkeep.asked', 'sly', false), set_config('statement_timeout', '1', false);
            return 1; end $$""",
    )
    often(server, name, "SELECT * FROM person WHERE id = sly()")
    worst = see(server.declared(name, explain_as=READER)).data["plans"]["worst"]
    with server.connect(name, MONITOR) as heard, server.connect(name) as db:
        heard.execute("LISTEN sly")
        asked = planning(
            [Statement("SELECT * FROM person WHERE id = sly()", "public", "", {})] * 2, 60.0
        )
        cursor = db.execute(";".join(statements_of(asked, 60.0)))
        while cursor.nextset():
            pass
        [(plans,)] = cursor.fetchall()
        notices = list(heard.notifies(timeout=0.2))
        left = [
            db.execute(f"SHOW {one}").fetchone() for one in ("search_path", "statement_timeout")
        ]
        prepared = db.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()

    assert [one["why"] for one in worst if "sly()" in one["shape"]] == [""]
    assert [one["state"] for one in plans["plans"]] == ["00000", "00000"]
    assert (notices, left, prepared) == ([], [('"$user", public',), ("0",)], (0,))


@pytest.mark.parametrize("major", [13, 18])
def test_a_plan_that_takes_too_long_costs_only_what_comes_after_it(major: int, way: str) -> None:
    server = shared_server(major)
    name = made(server, "CREATE TABLE person (id int PRIMARY KEY)")
    with server.connect(name) as db:
        db.execute("CREATE FUNCTION slow() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ begin"
                   f" if session_user = '{CLERK}' then perform pg_sleep(600); end if; return 1; end $$")  # fmt: skip
        for _time in range(25):
            db.execute("SELECT * FROM person WHERE id = slow()")
    often(server, name, "SELECT * FROM person WHERE id = 1")

    seen = see(server.declared(name, explain_as=READER), seconds=4)

    worst = seen.data["plans"]["worst"]
    [slow] = [one for one in worst if "slow()" in one["shape"]]
    assert slow["why"] == "there was no time left to plan it (SQLSTATE 57014)"
    assert judged(seen, low_load_percent=0.0).status is Status.UNKNOWN


def test_what_was_prepared_is_removed_when_planning_is_cancelled() -> None:
    server = shared_server(13)
    name = made(server, "CREATE TABLE person (id int PRIMARY KEY)")
    with server.connect(name) as db:
        db.execute(
            "CREATE FUNCTION slow() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(600)'"
        )
        asked = planning(
            [Statement("SELECT * FROM person WHERE id = slow() AND id > $1", "public", "", {})], 60
        )
        cursor = db.execute(";".join(statements_of(asked, 1.0)))
        while cursor.nextset():
            pass
        [(plans,)] = cursor.fetchall()
        prepared = db.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()

    assert [one["state"] for one in plans["plans"]] == ["57014"]
    assert prepared == (0,)


@pytest.mark.parametrize("major", [13, 18])
def test_tables_are_those_of_the_account_that_runs_the_statement(major: int) -> None:
    server = shared_server(major)
    name = made(server, *TABLES)
    role = f"seller_{name[-6:]}"
    with server.connect(name) as db:
        db.execute(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA shop AUTHORIZATION {role}; GRANT USAGE ON SCHEMA shop TO {CLERK}")  # fmt: skip
        db.execute(f"ALTER ROLE {role} SET search_path = shop")
        db.execute("CREATE TABLE shop.orders AS SELECT g AS id, g % 30000 AS buyer, repeat('x', 100) AS said FROM generate_series(1, 100000) AS g")  # fmt: skip
        db.execute(f"ANALYZE shop.orders; ALTER TABLE shop.orders OWNER TO {role}; GRANT SELECT ON shop.orders TO {CLERK}")  # fmt: skip
    try:
        with server.connect(name, role) as db:
            for _time in range(25):
                db.execute("SELECT * FROM orders WHERE buyer = 7")

        found = judged(see(server.declared(name, explain_as=READER)))
    finally:
        server.execute(f"DROP OWNED BY {role}", name)
        server.execute(f"DROP ROLE {role}")

    assert (found.status, "reads shop.orders (" in found.message) == (Status.FAIL, True)
    assert "it lacks an index on buyer:" in found.message


@pytest.mark.parametrize("major", [13, 18])
def test_what_the_role_may_not_read_is_unknown_until_it_is_granted(major: int) -> None:
    server = shared_server(major)
    name = made(server, "CREATE SCHEMA shop", "CREATE TABLE shop.visit (id int PRIMARY KEY)")
    often(server, name, "SELECT * FROM shop.visit WHERE id = 7")
    declared = server.declared(name, explain_as=READER)

    blind = judged(see(declared), low_load_percent=0.0)
    alone = judged(see(server.declared(name)), low_load_percent=0.0)
    grant = f"GRANT USAGE ON SCHEMA shop TO {CLERK}; GRANT SELECT ON ALL TABLES IN SCHEMA shop TO {CLERK}"
    server.execute(grant, name)
    seen = judged(see(declared), low_load_percent=0.0)

    assert blind.status is Status.UNKNOWN
    assert "the role may not read what it reads (SQLSTATE 42501)" in blind.message
    assert all(one in blind.remedy for one in grant.split("; "))
    assert "TO upkeep_reader" in alone.remedy
    assert "then write explain_as: {user: upkeep_reader" in alone.remedy
    assert seen.status is Status.PASS


def test_who_may_not_see_statements_and_a_database_without_the_extension_are_unknown() -> None:
    server = shared_server(18)
    name = made(server, *TABLES)
    often(server, name, FAULTS[0].statement)

    hidden = judged(see(server.declared(name, CLERK)))
    without = judged(see(server.declared(server.fresh())))
    wrong = judged(see(server.declared(name, explain_as={**READER, "password": "wrong"})))

    assert hidden.status is Status.UNKNOWN
    assert "that the account may not see are not judged" in hidden.message
    assert f"GRANT pg_read_all_stats TO {CLERK}" in hidden.remedy
    assert (without.status, "CREATE EXTENSION pg_stat_statements" in without.remedy) == (
        Status.UNKNOWN,
        True,
    )
    assert (wrong.status, "the role of explain_as was refused" in wrong.message) == (
        Status.UNKNOWN,
        True,
    )


@pytest.mark.parametrize("major", [13, 18])
def test_partitions_are_one_table(major: int) -> None:
    server = shared_server(major)
    name = made(
        server,
        "CREATE TABLE visit (at date, who int, said text) PARTITION BY RANGE (at)",
        *(f"CREATE TABLE visit_{y} PARTITION OF visit FOR VALUES FROM ('{y}-01-01') TO ('{y + 1}-01-01')" for y in (2024, 2025)),
        "INSERT INTO visit SELECT '2024-01-01'::date + g % 600, g % 20000, repeat('x', 100) FROM generate_series(1, 100000) AS g",
        "ANALYZE visit",
    )  # fmt: skip
    often(server, name, "SELECT * FROM visit WHERE who = 7")

    found = judged(see(server.declared(name, explain_as=READER)))

    assert found.status is Status.FAIL
    assert "reads public.visit (" in found.message
    assert "100 000 rows" in found.message
    assert "CREATE INDEX ON public.visit (who)" in command_of(found.remedy)


@pytest.mark.parametrize("major", [13, 18])
def test_pgbench_and_statements_that_should_read_all_raise_no_alarm(major: int) -> None:
    if shutil.which("pgbench") is None:
        pytest.skip("pgbench is not installed")
    server = shared_server(major)
    name = made(server, *TABLES, "CREATE INDEX ON orders (customer)", "ANALYZE orders")
    place = ["-h", str(server.home), "-p", str(server.port), "-U", majors.ADMINISTRATOR, name]
    subprocess.run(["pgbench", "-i", "-q", "-s", "2", *place], check=True, capture_output=True)
    subprocess.run(["pgbench", "-c", "2", "-t", "200", *place], check=True, capture_output=True)
    server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {CLERK}", name)
    often(
        server, name, "SELECT count(*) FROM orders", "SELECT state, count(*) FROM orders GROUP BY 1",
        "SELECT * FROM orders WHERE state = 's7'", "SELECT * FROM orders WHERE id::numeric = 7.0",
        "SELECT count(*) FROM orders AS o JOIN customer AS c ON o.customer = c.id",
        *(one.statement for one in FAULTS),
    )  # fmt: skip

    found = judged(see(server.declared(name, explain_as=READER)))

    assert (found.status, found.message) == (Status.PASS, found.message)


@pytest.mark.parametrize("major", [13, 18])
def test_plans_through_a_pool_leave_nothing_for_the_next_client(major: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pool", dir="/tmp"))
    folder.chmod(0o755)
    server = own_server(major, folder / "pg")
    try:
        server.execute("CREATE EXTENSION pg_stat_statements")
        for one in TABLES:
            server.execute(one)
        server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}")
        often(server, "postgres", FAULTS[0].statement)
        with pooled(server) as pool:
            for mode in MODES:
                found = judged(see(pool.declared(mode)))
                assert (mode, found.status) == (mode, Status.FAIL)
                assert pool.next_client(mode)[1:] == UNTOUCHED
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def with_hypopg(monkeypatch: pytest.MonkeyPatch) -> Iterator[MajorServer]:
    """Yield a server of Debian's version, for which its hypopg is built."""
    controls = sorted(Path("/usr/share/postgresql").glob("*/extension/hypopg.control"))
    if not controls:
        pytest.skip("hypopg is not installed")
    major = int(controls[-1].parts[4])
    folder = Path(tempfile.mkdtemp(prefix="upkeep-hypopg-"))
    folder.chmod(0o755)
    monkeypatch.setattr(majors, "programs", lambda one: Path(f"/usr/lib/postgresql/{one}/bin"))
    server = own_server(major, folder / "server")
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def test_an_index_is_tried_in_theory_where_hypopg_is(with_hypopg: MajorServer, way: str) -> None:
    server = with_hypopg
    name = made(server, *TABLES, "CREATE SCHEMA tools", "CREATE EXTENSION hypopg SCHEMA tools")
    server.execute(f"GRANT USAGE ON SCHEMA tools TO {CLERK}", name)
    declared = server.declared(name, explain_as=READER)
    often(server, name, *(one.statement for one in FAULTS))
    found = judged(see(declared))
    server.execute(FORGET, name)
    often(server, name, "SELECT * FROM orders WHERE state = 's7'")
    useless = see(declared)

    assert found.status is Status.FAIL
    assert re.search(
        r"its cost falls from \d+ to \d+ by one that was tried in theory", found.message
    )
    [one] = [each for each in useless.data["plans"]["worst"] if each["indexes"]]
    assert one["indexes"][0]["columns"] == "state"
    assert one["indexes"][0]["cost"] > one["cost"] / 2
    assert judged(useless, max_kept_percent=10).status is Status.PASS


def test_no_index_that_was_imagined_is_left_in_the_session(with_hypopg: MajorServer) -> None:
    server = with_hypopg
    name = made(server, *TABLES, "CREATE EXTENSION hypopg")
    fine = HelpfulIndex("public.orders", "customer", 1.0, 1, 1.0, partitioned=False)
    wrong = HelpfulIndex("public.orders", "nothing", 1.0, 1, 1.0, partitioned=False)
    statements = [
        Statement("SELECT * FROM orders WHERE customer = $1", "public", "", {}),
        Statement("SELECT * FROM nowhere", "public", "", {}),
        Statement("SELECT * FROM orders WHERE customer = slow()", "public", "", {}),
    ]
    with server.connect(name) as db:
        db.execute(
            "CREATE FUNCTION slow() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(600)'"
        )
        db.execute(
            "SELECT hypopg_create_index('CREATE INDEX ON orders (said)')"
        )  # another client's
        trials = [Trial(0, fine), Trial(0, wrong), Trial(1, fine), Trial(2, fine)]
        cursor = db.execute(";".join(statements_of(trying(statements, trials, "public", 60), 2.0)))
        while cursor.nextset():
            pass
        [(plans,)] = cursor.fetchall()
        left = db.execute("SELECT index_name FROM hypopg_list_indexes").fetchall()

    states = [one["state"] for one in plans["plans"]]
    assert (states[0], states[-1], len(states)) == ("00000", "57014", 4)
    assert [name for (name,) in left if "said" not in name] == []
    assert len(left) == 1


def test_plans_are_asked_on_a_standby_and_indexes_tried_there(with_hypopg: MajorServer) -> None:
    server = with_hypopg
    name = made(server, *TABLES, "CREATE EXTENSION hypopg")
    standby = standby_of(server, server.home.parent / "standby")
    try:
        often(server, name, FAULTS[0].statement)
        reader = {**READER, "address": str(standby.home)}
        declared = server.declared(name, explain_as=reader)
        followed = "SELECT pg_last_wal_replay_lsn() IS NOT NULL"
        eventually(lambda: standby.execute(followed, name) == [(True,)], "the standby")
        found = judged(see(declared))
        missed = judged(see(server.declared(name, explain_as={**reader, "address": "/nowhere"})))
    finally:
        standby.stop()

    assert found.status is Status.FAIL
    assert "by one that was tried in theory (hypopg)" in found.message
    assert (missed.status, "explain_as was refused" in missed.message) == (Status.UNKNOWN, True)
