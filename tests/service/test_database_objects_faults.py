"""Faults planted in a database of PostgreSQL: each is found by its check, and gone from it when it is undone."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from patience import eventually
from psycopg import sql
from service.majors import (
    ADMINISTRATOR,
    CLERK,
    MONITOR,
    PASSWORD,
    MajorServer,
    own_server,
    shared_server,
)
from service.test_databases_of_each_major import see
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import postgresql
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_objects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.judging.entries import make_limits
from upkeep.model.remedies import command_of, words_of
from upkeep.model.verdicts import Status, Unknown, Verdict

CHECKS = sorted(
    f"database_{topic}" for topic in postgresql.ENGINE.topics["database_objects"]
)  # each check is called after its topic
MAJORS = [13, 18, *(pytest.param(major, marks=pytest.mark.thorough) for major in (14, 15, 16, 17))]


@dataclass(frozen=True)
class Fault:
    """What is wrong in a database. plant, undo: statements. check: which must fail, with all these words.

    limits: of the check, where the fault would otherwise take long to plant. may_fail: a statement ends with an error.
    """

    name: str
    plant: tuple[str, ...]
    check: str
    words: str
    undo: tuple[str, ...]
    limits: dict[str, Any] = field(default_factory=dict)
    may_fail: bool = False


FAULTS = (
    Fault(
        "a sequence of smallint near its end",
        ("CREATE SEQUENCE ticket AS smallint START 32000", "SELECT nextval('ticket')"),
        "database_sequences",
        "public.ticket (smallint) has given 97.7 % of its numbers, 767 are left",
        ("DROP SEQUENCE ticket",),
    ),
    Fault(
        "a column of integer with a sequence of bigint",
        (
            "CREATE TABLE visit (id int DEFAULT 0)",
            "CREATE SEQUENCE visit_id OWNED BY visit.id",
            "SELECT setval('visit_id', 2100000000)",
        ),
        "database_key_columns",
        "public.visit.id (integer) has used 97.8 % of its numbers by its sequence",
        ("DROP TABLE visit",),
    ),
    Fault(
        "a key of integer without a sequence near its end",
        (
            'CREATE TABLE "Badge" ("No" int PRIMARY KEY)',
            'INSERT INTO "Badge" SELECT 1990000000 + i FROM generate_series(1, 2000) AS i',
            'ANALYZE "Badge"',
        ),
        "database_key_columns",
        'public."Badge"."No" (integer) has used 92.7 % of its numbers by its statistics',
        ('DROP TABLE "Badge"',),
        {"ignore": ["public.sent.*"]},  # three are named, and it would be the fourth
    ),
    Fault(
        "a reference of integer to a key of bigint",
        (
            "CREATE TABLE parcel (id bigserial PRIMARY KEY)",
            "CREATE TABLE sent (parcel int REFERENCES parcel)",
            "SELECT setval('parcel_id_seq', 2147483650)",
        ),
        "database_key_columns",
        "public.sent.parcel (integer) has used 100.0 % of its numbers by the sequence of public.parcel.id, to which",
        ("DROP TABLE sent",),
    ),
    Fault(
        "a table and its index, mostly empty",
        (
            "CREATE TABLE visited (id int, said text)",
            "INSERT INTO visited SELECT i, md5(i::text) FROM generate_series(1, 150000) AS i",
            "CREATE INDEX visited_said ON visited (said, id)",
            "DELETE FROM visited WHERE id % 5 > 0",
            "VACUUM ANALYZE visited",
        ),
        "database_table_bloat",
        "public.visited has about 7.",
        ("VACUUM FULL visited", "ANALYZE visited"),
        {"medium_mib": 1.0},
    ),
    Fault(
        "an index, mostly empty",
        (),
        "database_index_bloat",
        "public.visited_said has about ",
        ("DROP INDEX visited_said",),
        {"medium_mib": 1.0},
    ),
    Fault(
        "dead rows, and autovacuum is off",
        (
            "CREATE TABLE basket (id int) WITH (autovacuum_enabled = off)",
            "INSERT INTO basket SELECT generate_series(1, 30000)",
            "ANALYZE basket",
            "DELETE FROM basket WHERE id > 5000",
        ),
        "database_dead_rows",
        "public.basket has 25 000 dead rows beside ",
        ("VACUUM ANALYZE basket", "ALTER TABLE basket RESET (autovacuum_enabled)"),
    ),
    Fault(
        "a table that was never analyzed",
        (
            "CREATE TABLE restored (id int) WITH (autovacuum_enabled = off)",
            "INSERT INTO restored SELECT generate_series(1, 20000)",
        ),
        "database_statistics",
        "public.restored of 20 000 rows was never analyzed, 20 000 have changed",
        ("ANALYZE restored",),
    ),
    Fault(
        "statistics of another time",
        (
            "CREATE TABLE grown (id int) WITH (autovacuum_enabled = off)",
            "INSERT INTO grown SELECT generate_series(1, 1000)",
            "ANALYZE grown",
            "INSERT INTO grown SELECT generate_series(1, 20000)",
        ),
        "database_statistics",
        "public.grown of 2",
        ("ANALYZE grown",),
        {"ignore": ["public.restored", "public.old"]},
    ),
    Fault(
        "a table that is not frozen",
        (
            "CREATE TABLE old (id int) WITH (autovacuum_enabled = off, autovacuum_freeze_max_age = 100000)",
            "DO $$ BEGIN FOR i IN 1..10000 LOOP BEGIN INSERT INTO old VALUES (i);"
            " EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$",
        ),
        "database_freeze",
        "public.old is 1",
        ("VACUUM (FREEZE, ANALYZE) old",),
        {"medium_percent": 10.0},
    ),
    Fault(
        "an index that could not be built",
        (
            "CREATE TABLE member (name text)",
            "INSERT INTO member VALUES ('a'), ('a')",
            "CREATE UNIQUE INDEX CONCURRENTLY member_name ON member (name)",
        ),
        "database_invalid_indexes",
        "public.member_name (",
        ("DROP INDEX member_name", "DROP INDEX IF EXISTS member_name_ccnew"),
        may_fail=True,
    ),
    Fault(
        "two indexes of the same expression",
        (
            "CREATE TABLE client (id int PRIMARY KEY, name text, town text)",
            "INSERT INTO client SELECT i, i || ' name', i || ' town' FROM generate_series(1, 60000) AS i",
            "ANALYZE client",
            "CREATE INDEX client_lower ON client (lower(name)) WHERE town IS NOT NULL",
            "CREATE INDEX client_again ON client (lower(name))    WHERE town IS NOT NULL",
            "CREATE INDEX client_once ON client (upper(name)) WHERE town IS NOT NULL",
        ),
        "database_duplicate_indexes",
        "of public.client has the columns of public.client_lower; limit 1 MiB",
        ("DROP INDEX IF EXISTS client_again",),
    ),
    Fault(
        "an index that another one begins with",
        (
            "CREATE INDEX client_town ON client (town)",
            "CREATE INDEX client_both ON client (town, id)",
        ),
        "database_duplicate_indexes",
        "of public.client has the first columns of public.client_both",
        ("DROP INDEX IF EXISTS client_town",),
        {"prefix_mib": 1.0, "low_mib": 100.0},
    ),
    Fault(
        "an index that nobody uses",
        ("CREATE INDEX client_unused ON client ((id + 1))",),
        "database_unused_indexes",
        "public.client_unused (1.3 MiB) of public.client",
        ("DROP INDEX IF EXISTS client_unused, client_lower, client_once, client_both",),
        {
            "min_days": 0.0,
            "low_mib": 1.0,
            "ignore": ["public.visited*", "public.client_[!u]*", "public.split*"],
        },
    ),
    Fault(
        "a table that is read as a whole each time",
        (
            "CREATE TABLE report AS SELECT i, md5(i::text) AS said FROM generate_series(1, 60000) AS i",
            "ANALYZE report",
            *("SELECT count(*) FROM report WHERE said = 'x'" for _time in range(12)),
        ),
        "database_missing_indexes",
        "public.report (",
        ("DROP TABLE report",),
        {"min_scans": 10, "min_mib": 1.0},
    ),
    Fault(
        "a foreign key without an index",
        (
            "CREATE TABLE bill (id int PRIMARY KEY, client int CONSTRAINT of_client REFERENCES client)",
            "INSERT INTO bill SELECT i, i FROM generate_series(1, 20000) AS i",
            "ANALYZE bill",
        ),
        "database_foreign_keys",
        "public.bill (client), which refers to public.client, has no index, 20 000 rows",
        ("CREATE INDEX ON bill (client)",),
    ),
    Fault(
        "a constraint that was not validated",
        ("ALTER TABLE bill ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",),
        "database_constraints",
        "positive (check) of public.bill is not validated",
        ("ALTER TABLE bill VALIDATE CONSTRAINT positive",),
    ),
    Fault(
        "a domain's constraint that was not validated",
        (
            "CREATE DOMAIN price AS int",
            "ALTER DOMAIN price ADD CONSTRAINT above CHECK (VALUE > 0) NOT VALID",
        ),
        "database_constraints",
        "above (check) of public.price is not validated",
        ("ALTER DOMAIN price VALIDATE CONSTRAINT above",),
    ),
    Fault(
        "a trigger that is off",
        (
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER audit BEFORE INSERT ON member FOR EACH ROW EXECUTE FUNCTION noted()",
            "ALTER TABLE member DISABLE TRIGGER audit",
        ),
        "database_triggers",
        "trigger audit of public.member is off",
        ("ALTER TABLE member ENABLE TRIGGER audit",),
        {"ignore": ["of_client", "session*"]},
    ),
    Fault(
        "foreign keys that are off",
        ("ALTER TABLE bill DISABLE TRIGGER ALL",),
        "database_triggers",
        "foreign key of_client of public.bill is off",
        ("ALTER TABLE bill ENABLE TRIGGER ALL",),
    ),
    Fault(
        "a rule that is off",
        (
            "CREATE RULE kept AS ON DELETE TO member DO INSTEAD NOTHING",
            "ALTER TABLE member DISABLE RULE kept",
        ),
        "database_triggers",
        "rule kept of public.member is off",
        ("ALTER TABLE member ENABLE RULE kept",),
        {"ignore": ["of_client", "*audit", "heard", "session*"]},
    ),
    Fault(
        "an event trigger that is off",
        (
            "CREATE FUNCTION guarded() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END'",
            "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION guarded()",
            "ALTER EVENT TRIGGER guard DISABLE",
        ),
        "database_triggers",
        "event trigger guard is off",
        ("ALTER EVENT TRIGGER guard ENABLE",),
        {"ignore": ["of_client", "*audit", "heard", "session*"]},
    ),
    Fault(
        "a trigger that fires on replicas only",
        (
            "CREATE TABLE copied (id int)",
            "CREATE TRIGGER heard BEFORE INSERT ON copied FOR EACH ROW EXECUTE FUNCTION noted()",
            "ALTER TABLE copied ENABLE REPLICA TRIGGER heard",
        ),
        "database_triggers",
        "trigger heard of public.copied fires on replicas only",
        ("ALTER TABLE copied ENABLE TRIGGER heard",),
        {"ignore": ["of_client", "audit", "part_audit", "session*"]},
    ),
    Fault(
        "a trigger that is off in one partition",
        (
            "CREATE TABLE parted (id int) PARTITION BY RANGE (id)",
            "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
            "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20)",
            "CREATE TRIGGER part_audit AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION noted()",
            "ALTER TABLE parted_1 DISABLE TRIGGER part_audit",
        ),
        "database_triggers",
        "trigger part_audit of public.parted_1 is off",
        ("ALTER TABLE parted_1 ENABLE TRIGGER part_audit",),
        {"ignore": ["of_client", "audit", "heard", "session*"]},
    ),
    Fault(
        "a database whose sessions have no triggers",
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica',"
            " current_database()); END $$",
        ),
        "database_triggers",
        "all triggers and foreign keys are off for DATABASE test_",
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET session_replication_role',"
            " current_database()); END $$",
        ),
    ),
    Fault(
        "an account in a database whose sessions have no triggers",
        (
            "DO $$ BEGIN EXECUTE format('ALTER ROLE upkeep_clerk IN DATABASE %I SET"
            " session_replication_role = replica', current_database()); END $$",
        ),
        "database_triggers",
        "all triggers and foreign keys are off for ROLE upkeep_clerk IN DATABASE test_",
        (
            "DO $$ BEGIN EXECUTE format('ALTER ROLE upkeep_clerk IN DATABASE %I RESET"
            " session_replication_role', current_database()); END $$",
        ),
    ),
    Fault(
        "a sequence that has no number left",
        (
            "CREATE SEQUENCE steps INCREMENT 10000 MINVALUE 0 MAXVALUE 32767 START 30000",
            "SELECT nextval('steps')",
        ),
        "database_sequences",
        "fail public.steps (bigint) has given 91.6 % of its numbers, 0 are left",
        ("DROP SEQUENCE steps",),
    ),
    Fault(
        "a key whose type is a domain of integer",
        (
            "CREATE DOMAIN number AS int",
            "CREATE DOMAIN badge_number AS number",
            "CREATE SEQUENCE badge_numbers",
            "CREATE TABLE badges (id badge_number PRIMARY KEY DEFAULT nextval('badge_numbers'))",
            "SELECT setval('badge_numbers', 2147483000)",
        ),
        "database_key_columns",
        "public.badges.id (integer) has used 100.0 % of its numbers by its sequence",
        ("DROP TABLE badges",),
    ),
    Fault(
        "two indexes of a partitioned table",
        (
            "CREATE TABLE split (id int) PARTITION BY RANGE (id)",
            "CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM (0) TO (1000000)",
            "INSERT INTO split SELECT i FROM generate_series(1, 100000) AS i",
            "CREATE INDEX split_id ON split (id)",
            "CREATE INDEX split_again ON split (id)",
            "ANALYZE split",
        ),
        "database_duplicate_indexes",
        "public.split_again (2.2 MiB) of public.split has the columns of public.split_id",
        ("DROP INDEX IF EXISTS split_again, split_id",),
    ),
)


def judged(seen: Observation, check: str, limits: dict[str, Any]) -> Verdict:
    one = load()[check]
    verdict = verdict_of(one, seen, make_limits(one, limits), datetime.now(UTC))
    assert isinstance(verdict, Verdict)
    return verdict


def run(server: MajorServer, name: str, statements: list[tuple[str, bool]]) -> None:
    with server.connect(name) as db:
        for statement, may_fail in statements:
            try:
                db.execute(statement)
            except psycopg.Error:
                if not may_fail:
                    raise


def granted(server: MajorServer, name: str, account: str) -> None:
    for what in ("TABLES", "SEQUENCES"):
        server.execute(
            sql.SQL("GRANT SELECT ON ALL {} IN SCHEMA public TO {}").format(
                sql.SQL(what), sql.Identifier(account)
            ),
            name,
        )


@pytest.mark.parametrize("major", MAJORS)
def test_each_fault_is_found_and_gone_when_it_is_undone(major: int) -> None:
    server = shared_server(major)
    name = server.fresh()
    run(server, name, [(one, fault.may_fail) for fault in FAULTS for one in fault.plant])
    granted(server, name, MONITOR)

    def found() -> dict[str, str]:
        (seen,) = see(database_objects, server.declared(name))
        assert seen.data["unread"] == {}
        assert seen.data["unseen"] == {}
        return {
            one.name: said
            for one in FAULTS
            if one.words not in (said := told(seen, one)) or not said.startswith("fail")
        }

    # What tables have done is counted by and by.
    eventually(lambda: not found(), "that each fault is found")

    (seen,) = see(database_objects, server.declared(name))
    assert refused(server, name, {statement_of(seen, fault) for fault in FAULTS}) == {
        "REINDEX INDEX CONCURRENTLY public.member_name": "23505"  # a value is there twice
    }

    run(server, name, [(one, fault.may_fail) for fault in FAULTS for one in fault.undo])

    def left() -> dict[str, str]:
        (seen,) = see(database_objects, server.declared(name))
        return {one.name: said for one in FAULTS if (said := told(seen, one)).startswith("fail")}

    eventually(lambda: not left(), "that no fault is left")


def told(seen: Observation, fault: Fault) -> str:
    """Return status, message and remedy; all that is named, not the first three alone."""
    one = judged(seen, fault.check, fault.limits)
    return f"{one.status.value} {one.message}"


HEALTHY = (
    "CREATE TABLE artist (id serial PRIMARY KEY, name varchar(120) UNIQUE)",
    "CREATE TABLE album (id serial PRIMARY KEY, title text NOT NULL, artist int NOT NULL REFERENCES artist)",
    "CREATE TABLE track (id bigserial PRIMARY KEY, name text, album int REFERENCES album, price numeric(10, 2) CHECK (price >= 0))",
    "CREATE TABLE playlist (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)",
    "CREATE TABLE listed (playlist int REFERENCES playlist, track bigint REFERENCES track, PRIMARY KEY (playlist, track))",
    "CREATE INDEX ON album (artist)",
    "CREATE INDEX ON track (album)",
    "CREATE INDEX ON listed (track)",
    "CREATE VIEW cheap AS SELECT * FROM track WHERE price < 1",
    "CREATE MATERIALIZED VIEW counts AS SELECT artist, count(*) FROM album GROUP BY artist",
    "CREATE TABLE sold (at date NOT NULL, track bigint) PARTITION BY RANGE (at)",
    "CREATE TABLE sold_2026 PARTITION OF sold FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE INDEX ON sold (at)",
    "INSERT INTO artist (name) SELECT 'artist ' || i FROM generate_series(1, 275) AS i",
    "INSERT INTO album (title, artist) SELECT 'album ' || i, 1 + i % 275 FROM generate_series(1, 347) AS i",
    "INSERT INTO track (name, album, price) SELECT 'track ' || i, 1 + i % 347, 0.99 FROM generate_series(1, 3503) AS i",
    "INSERT INTO playlist (name) SELECT 'list ' || i FROM generate_series(1, 18) AS i",
    "INSERT INTO listed SELECT 1 + i % 18, 1 + i % 3503 FROM generate_series(1, 8715) AS i ON CONFLICT DO NOTHING",
    "CREATE TABLE session (id int PRIMARY KEY)",
    "INSERT INTO session SELECT DISTINCT ('x' || left(md5(i::text), 8))::bit(32)::int FROM generate_series(1, 3000) AS i",
    "ANALYZE session",
    "INSERT INTO sold SELECT DATE '2026-01-01' + i % 365, i FROM generate_series(1, 2240) AS i",
)
"""A shop of music, of the size of the example databases that everybody knows."""


def failures(seen: Observation) -> dict[str, str]:
    """Return what fails or is unknown by its defaults; that there is too little to judge is neither."""
    verdicts = {check: judged(seen, check, {}) for check in CHECKS}
    return {
        check: one.message
        for check, one in verdicts.items()
        if one.status is not Status.PASS and one.unknown is not Unknown.NOTHING_TO_JUDGE
    }


@pytest.mark.parametrize("major", MAJORS)
def test_a_healthy_database_raises_no_alarm(major: int) -> None:
    server = shared_server(major)
    name = server.fresh()
    (fresh,) = see(database_objects, server.declared(name))
    run(server, name, [(one, False) for one in HEALTHY])
    granted(server, name, MONITOR)
    (filled,) = see(database_objects, server.declared(name))

    assert failures(fresh) == {}
    assert failures(filled) == {}


@pytest.mark.parametrize("major", MAJORS)
def test_pgbench_under_load_raises_no_alarm(major: int) -> None:
    if shutil.which("pgbench") is None:
        pytest.skip("pgbench is not installed")
    server = shared_server(major)
    name = server.fresh()
    place = ["-h", str(server.home), "-p", str(server.port), "-U", "keeper", name]
    subprocess.run(["pgbench", "-i", "-q", "-s", "2", *place], check=True, capture_output=True)
    granted(server, name, MONITOR)
    load_ = subprocess.Popen(
        ["pgbench", "-c", "2", "-t", "1000", *place],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        (during,) = see(database_objects, server.declared(name))
    finally:
        ended = load_.wait()
    (after,) = see(database_objects, server.declared(name))

    assert ended == 0
    assert (during.data["unread"], after.data["unread"]) == ({}, {})
    assert failures(during) == {}
    assert failures(after) == {}


@pytest.mark.parametrize("major", MAJORS)
def test_what_the_account_may_not_see_is_unknown_until_it_is_granted(major: int) -> None:
    server = shared_server(major)
    name = server.fresh()
    run(
        server,
        name,
        [
            (one, False)
            for one in (
                'CREATE SCHEMA "The shop"',
                'CREATE SEQUENCE "The shop".ticket',
                "CREATE SEQUENCE ticket",
                "CREATE TABLE visited (id int PRIMARY KEY, said text)",
                "INSERT INTO visited SELECT i, md5(i::text) FROM generate_series(1, 150000) AS i",
                "CREATE INDEX visited_said ON visited (said, id)",
                "VACUUM ANALYZE visited",
            )
        ],
    )
    declared = server.declared(name, CLERK, explain_as={"user": MONITOR, "password": PASSWORD})
    (seen,) = see(database_objects, declared)
    blind = ["database_sequences", "database_key_columns", "database_table_bloat", "database_index_bloat"]  # fmt: skip
    verdicts = {check: judged(seen, check, {}) for check in blind}

    assert {check: one.status for check, one in verdicts.items()} == dict.fromkeys(
        blind, Status.UNKNOWN
    )
    (remedy,) = {one.remedy for one in verdicts.values()}  # the same for all, to be run once
    assert words_of(remedy) == "decide: let upkeep_monitor see them"
    assert set(failures(seen)) == set(blind)
    administer(server, remedy)
    (seen,) = see(database_objects, declared)

    assert failures(seen) == {}


def administer(server: MajorServer, remedy: str) -> None:
    """Run a next step as it is told; the tests' administrator has a name of his own, and types passwords.

    An account that is no member of pg_monitor does not know where the server's socket is.
    """
    server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ADMINISTRATOR), PASSWORD))  # fmt: skip
    words = shlex.split(command_of(remedy))
    if os.geteuid() != 0 and words[0] == "runuser":
        words = words[words.index("psql") :]
    words[words.index("psql") + 1 : words.index("-c")] += ["-U", ADMINISTRATOR]
    roles = [one.split()[1] for one in words if one.startswith("\\password ")]
    for role in roles:
        place = words.index(f"\\password {role}")
        del words[place - 1 : place + 1]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/", check=False, env=os.environ | {"PGPASSWORD": PASSWORD})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for role in roles:
        server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), PASSWORD))


VISITED = (
    "CREATE TABLE visited (id int PRIMARY KEY, said text)",
    "INSERT INTO visited SELECT i, md5(i::text) FROM generate_series(1, 150000) AS i",
    "CREATE INDEX visited_said ON visited (said, id)",
    "VACUUM ANALYZE visited",
)
REMEDY_OF_ALL = ("database_key_columns", "database_table_bloat", "database_index_bloat")


def test_a_second_role_is_made_as_it_is_told() -> None:
    """From nothing to all checks that see: each next step is run, and the look after it is for the one that follows."""
    with tempfile.TemporaryDirectory(prefix="objects-") as folder:
        Path(folder).chmod(0o755)
        server = own_server(18, Path(folder) / "s")
        try:
            run(server, "postgres", [(one, False) for one in VISITED])

            def step(role: str, password: str = PASSWORD) -> str:
                """Return the one next step of all checks that see nothing; empty if all see."""
                second = {"user": role, "password": password} if role else None
                (seen,) = see(database_objects, server.declared("postgres", CLERK, explain_as=second))  # fmt: skip
                assert set(failures(seen)) in (set(), {*REMEDY_OF_ALL}, {*REMEDY_OF_ALL, "database_sequences"})  # fmt: skip
                steps = {judged(seen, one, {}).remedy for one in failures(seen)}
                assert len(steps) < 2
                return steps.pop() if steps else ""

            made = step("")
            administer(server, made)
            named = step("")
            seen = step("upkeep_reader")

            let_in = step("audit")
            administer(server, let_in)
            granted = step("audit")
            administer(server, granted)
            wrong = step("audit", "wrong")
            server.execute("ALTER ROLE audit NOLOGIN")
            server.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
            server.execute(f"GRANT CONNECT ON DATABASE postgres TO {CLERK}")
            barred = step("audit")
            administer(server, barred)
            again = step("audit")
        finally:
            server.stop()

    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO upkeep_reader"
    assert [said_by(one) for one in (made, named, seen)] == [
        ["CREATE ROLE upkeep_reader LOGIN", "\\password upkeep_reader", grant],
        [grant],  # the site has not named it yet
        [],
    ]
    assert (
        words_of(made)
        == words_of(named)
        == (
            "decide: let upkeep_reader see them; then write explain_as: {user: upkeep_reader, password: "
            '"{{ vault_upkeep_reader_password }}"} beside the database in the inventory'
        )
    )
    assert [said_by(one) for one in (let_in, granted, wrong, barred, again)] == [
        ["CREATE ROLE audit LOGIN", "\\password audit"],
        ["GRANT SELECT ON ALL TABLES IN SCHEMA public TO audit"],
        [],
        ["ALTER ROLE audit LOGIN", "GRANT CONNECT ON DATABASE postgres TO audit"],
        [],
    ]
    assert wrong == (
        "decide: correct the password or the address in explain_as, or let audit in by a line of pg_hba.conf"
    )


def said_by(remedy: str) -> list[str]:
    """Return the statements of a next step."""
    words = shlex.split(command_of(remedy))
    return [words[place + 1] for place, one in enumerate(words) if one == "-c"]


@pytest.mark.parametrize("major", MAJORS)
def test_a_locked_table_is_not_waited_for_and_a_locked_sequence_costs_its_own_topics(
    major: int,
) -> None:
    server = shared_server(major)
    name = server.fresh()
    run(server, name, [(one, False) for one in HEALTHY])
    granted(server, name, MONITOR)
    with server.connect(name) as held:
        held.execute("BEGIN")
        held.execute(
            "LOCK TABLE artist, album, track, playlist, listed, sold IN ACCESS EXCLUSIVE MODE"
        )
        (tables,) = see(database_objects, server.declared(name))
        held.execute("ALTER SEQUENCE track_id_seq INCREMENT 2")
        (sequence,) = see(database_objects, server.declared(name))

    assert tables.data["unread"] == {}
    assert failures(tables) == {}
    assert sequence.data["unread"] == {"sequences": "waited for a lock (SQLSTATE 55P03)"}
    assert failures(sequence) == {
        "database_sequences": "could not be read: waited for a lock (SQLSTATE 55P03)"
    }


def test_more_sequences_than_the_server_has_locks_for_are_said(tmp_path: Path) -> None:
    """A quarter of its locks are taken; those of bigint are left out first, for they do not come to their end."""
    with tempfile.TemporaryDirectory(prefix="objects-") as folder:
        Path(folder).chmod(0o755)
        server = own_server(
            18, Path(folder) / "s", max_locks_per_transaction="10", max_connections="20"
        )
        try:
            with server.connect() as db:
                db.execute(
                    "DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE SEQUENCE a%s', i); EXECUTE format('CREATE SEQUENCE s%s AS int', i); END LOOP; END $$"
                )
            granted(server, "postgres", MONITOR)
            (seen,) = see(database_objects, server.declared())
        finally:
            server.stop()

    assert seen.data["unread"] == {}
    assert seen.data["unseen"]["sequences"] == {"objects": 10, "why": "locks"}
    verdict = judged(seen, "database_sequences", {})
    assert verdict.status is Status.UNKNOWN
    assert verdict.message.startswith("10 that were left out to spare locks are not judged")


def statement_of(seen: Observation, fault: Fault) -> str:
    """Return the statement that the verdict tells; empty if it tells words alone."""
    line = command_of(judged(seen, fault.check, fault.limits).remedy)
    return shlex.split(line)[-1] if line else ""


def refused(server: MajorServer, name: str, statements: set[str]) -> dict[str, str | None]:
    """Run what the remedies say; return what the server refuses, with the SQLSTATE."""
    errors = {}
    with server.connect(name) as db:
        for statement in sorted(statements - {""}):
            try:
                db.execute(statement)
            except psycopg.Error as exc:
                errors[statement] = exc.sqlstate
    return errors
