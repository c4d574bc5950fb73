"""What is said of indexes and keys of each make, on real servers: also what must not be said."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from left_behind import remove_at_the_end
from patience import eventually
from service.majors import CLERK, MONITOR, MajorServer, own_server, shared_server
from service.test_database_objects_faults import MAJORS, failures, granted, judged, run
from service.test_databases_of_each_major import see

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_objects,
)
from upkeep.model.verdicts import Status, Unknown

ALIKE = """
CREATE TABLE t (a int PRIMARY KEY, b text, c int, d text COLLATE "C", UNIQUE (c));
CREATE INDEX pk_again ON t (a);
CREATE UNIQUE INDEX pk_unique ON t (a);
CREATE INDEX plain ON t (b);
CREATE INDEX plain_again ON t (b);
CREATE INDEX plain_third ON t (b);
CREATE INDEX patterns ON t (b text_pattern_ops);
CREATE INDEX other_order ON t (b DESC);
CREATE INDEX other_collation ON t (b COLLATE "C");
CREATE INDEX hashed ON t USING hash (b);
CREATE INDEX partial ON t (b) WHERE c > 0;
CREATE INDEX partial_again ON t (b)  WHERE  c  >  0;
CREATE INDEX partial_other ON t (b) WHERE c > 1;
CREATE INDEX lower ON t (lower(b));
CREATE INDEX lower_again ON t ( lower( b ) );
CREATE INDEX upper ON t (upper(b));
CREATE INDEX wide ON t (d, a, c);
CREATE INDEX begins_wide ON t (d, a);
CREATE INDEX begins_down ON t (d DESC, a);
CREATE INDEX second_of_wide ON t (a, c);
CREATE UNIQUE INDEX unique_prefix ON t (d);
CREATE INDEX covers ON t (d) INCLUDE (b);
CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE INDEX p_b ON p (b);
CREATE INDEX p_b_again ON p (b);
CREATE TABLE referred (k int NOT NULL);
CREATE UNIQUE INDEX referred_first ON referred (k);
CREATE UNIQUE INDEX referred_needed ON referred (k);
DROP INDEX referred_first;
CREATE TABLE refers (k int PRIMARY KEY REFERENCES referred (k));
CREATE UNIQUE INDEX referred_last ON referred (k);
CREATE TABLE late (a int, UNIQUE (a) DEFERRABLE, b int);
CREATE UNIQUE INDEX late_at_once ON late (a)
"""
SAME = {
    "pk_again": "t_pkey",
    "pk_unique": "t_pkey",
    "plain_again": "plain",
    "plain_third": "plain",
    "partial_again": "partial",
    "lower_again": "lower",
    "p_b_again": "p_b",
    "referred_last": "referred_needed",
}
PREFIX = {"begins_wide": "wide"}


@pytest.mark.parametrize("major", MAJORS)
def test_only_what_another_one_does_whole_is_needless(major: int) -> None:
    server = shared_server(major)
    name = server.fresh()
    run(server, name, [(one, False) for one in ALIKE.split(";")])

    (seen,) = see(database_objects, server.declared(name))

    rows = seen.data["duplicate_indexes"]
    told = {
        kind: {
            one["name"].removeprefix("public."): one["kept"].removeprefix("public.")
            for one in rows
            if one["kind"] == kind
        }
        for kind in ("same", "prefix")
    }
    assert told["same"] == SAME
    assert told["prefix"] == PREFIX


@pytest.mark.parametrize("major", [15, 18])  # before it, nulls are always distinct
def test_two_unique_indexes_that_differ_in_nulls_are_both_needed(major: int) -> None:
    server = shared_server(major)
    name = server.fresh()
    server.execute("CREATE TABLE t (a int)", name)
    server.execute("CREATE UNIQUE INDEX apart ON t (a)", name)
    server.execute("CREATE UNIQUE INDEX together ON t (a) NULLS NOT DISTINCT", name)

    (seen,) = see(database_objects, server.declared(name))

    assert seen.data["duplicate_indexes"] == []


KEYS = """
CREATE TABLE town (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE one (a int, b int, c int, FOREIGN KEY (a, b) REFERENCES town);
CREATE TABLE turned (LIKE one);
ALTER TABLE turned ADD FOREIGN KEY (a, b) REFERENCES town;
CREATE INDEX ON turned (b, a, c);
CREATE TABLE other (LIKE one);
ALTER TABLE other ADD FOREIGN KEY (a, b) REFERENCES town;
CREATE INDEX ON other (a, c, b);
CREATE TABLE partly (LIKE one);
ALTER TABLE partly ADD FOREIGN KEY (a, b) REFERENCES town;
CREATE INDEX ON partly (a, b) WHERE c > 0;
CREATE TABLE known (LIKE one);
ALTER TABLE known ADD FOREIGN KEY (a, b) REFERENCES town;
CREATE INDEX ON known (a, b) WHERE a IS NOT NULL;
CREATE TABLE hashed (a int, b int, c int REFERENCES third);
CREATE INDEX ON hashed USING hash (c);
CREATE TABLE split (a int, b int, c int REFERENCES third) PARTITION BY RANGE (a);
CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM (0) TO (1000000)
"""


@pytest.mark.parametrize("major", MAJORS)
def test_a_foreign_key_needs_an_index_that_begins_with_its_columns(major: int) -> None:
    server = shared_server(major)
    name = server.fresh()
    tables = ("one", "turned", "other", "partly", "known", "hashed", "split")
    filled = [f"INSERT INTO {one} SELECT i % 100, i % 7, null FROM generate_series(1, 2000) AS i" for one in tables]  # fmt: skip
    keys = ["CREATE TABLE third (id int PRIMARY KEY)", *KEYS.split(";")]
    towns = "INSERT INTO town SELECT a, b FROM generate_series(0, 99) AS a, generate_series(0, 6) AS b"  # fmt: skip
    run(server, name, [(one, False) for one in (*keys, towns, *filled, "ANALYZE")])

    (seen,) = see(database_objects, server.declared(name))

    bare = [(one["name"], one["columns"]) for one in seen.data["foreign_keys"]]
    assert sorted(bare) == [
        ("public.one", "a, b"),
        ("public.other", "a, b"),
        ("public.partly", "a, b"),
        ("public.split_1", "c"),
    ]
    assert {one["table_rows"] for one in seen.data["foreign_keys"]} == {2000}


@pytest.mark.parametrize("major", MAJORS)
def test_an_index_that_is_being_built_is_not_invalid(major: int) -> None:
    """It waits for an older transaction; meanwhile who may not see builds says so."""
    server = shared_server(major)
    name = server.fresh()
    run(server, name, [("CREATE TABLE t (a int)", False), ("CREATE TABLE other (a int)", False)])
    with server.connect(name) as old:
        old.execute("BEGIN")
        old.execute("INSERT INTO t VALUES (1)")
        building = threading.Thread(
            target=server.execute, args=("CREATE INDEX CONCURRENTLY slow ON t (a)", name)
        )
        building.start()
        try:
            eventually(
                lambda: (
                    server.execute("SELECT 1 FROM pg_index WHERE NOT indisvalid", name)
                    and server.execute("SELECT 1 FROM pg_stat_progress_create_index", name)
                )
            )
            (seen,) = see(database_objects, server.declared(name))
            (clerk,) = see(database_objects, server.declared(name, CLERK))
        finally:
            old.execute("ROLLBACK")
            building.join()
    (built,) = see(database_objects, server.declared(name))

    assert judged(seen, "database_invalid_indexes", {}).status is Status.PASS
    verdict = judged(clerk, "database_invalid_indexes", {})
    assert verdict.status is Status.UNKNOWN
    assert verdict.remedy.endswith("GRANT pg_read_all_stats TO upkeep_clerk")
    assert judged(built, "database_invalid_indexes", {}).status is Status.PASS


@pytest.mark.parametrize("major", MAJORS)
def test_the_index_of_a_partitioned_table_is_used_if_one_of_its_parts_is(major: int) -> None:
    server = shared_server(major)
    name = server.fresh()
    statements = """
CREATE TABLE p (a int, b int, c int) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100000) TO (200000);
INSERT INTO p SELECT i, i, i FROM generate_series(0, 199999) AS i;
CREATE INDEX p_b ON p (b);
CREATE INDEX p_c ON p (c);
ANALYZE;
SET enable_seqscan = off;
SELECT count(*) FROM p1 WHERE b = 7
"""
    run(server, name, [(one, False) for one in statements.split(";")])

    def unused() -> list[str]:
        (seen,) = see(database_objects, server.declared(name))
        return [one["name"] for one in seen.data["unused_indexes"]["indexes"]]

    eventually(lambda: unused() == ["public.p_c"], "that the use of one is counted")


@pytest.fixture
def standby() -> Iterator[MajorServer]:
    """A server that replays what it has of another one, and waits for more."""
    folder = Path(tempfile.mkdtemp(prefix="objects-", dir="/tmp"))
    folder.chmod(0o755)
    remove_at_the_end(folder)
    server = own_server(18, folder / "s")
    server.execute("CREATE UNLOGGED TABLE t (id serial PRIMARY KEY)")
    server.execute("CREATE TABLE kept (id serial PRIMARY KEY)")
    server.execute("INSERT INTO kept DEFAULT VALUES")
    granted(server, "postgres", MONITOR)
    server.stop("fast")
    (server.home / "data/standby.signal").touch()
    if server.account:
        shutil.chown(server.home / "data/standby.signal", server.account)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


def test_a_standby_is_judged_by_what_it_has_of_its_primary_alone(standby: MajorServer) -> None:
    (seen,) = see(database_objects, standby.declared())

    assert seen.data["in_recovery"] is True
    assert seen.data["unread"] == {}
    assert [one["name"] for one in seen.data["sequences"]] == ["public.kept_id_seq"]
    assert failures(seen) == {}
    for check in ("database_dead_rows", "database_statistics", "database_unused_indexes"):
        verdict = judged(seen, check, {})
        assert verdict.unknown is Unknown.NOTHING_TO_JUDGE
        assert verdict.message.startswith("a standby: its primary counts")


FILLED = """
CREATE TABLE flags (a bool, b bigint, c bool, d bigint, e bool, f bigint);
INSERT INTO flags SELECT true, i, false, i, true, i FROM generate_series(1, 120000) AS i;
CREATE TABLE mixed (id int, at timestamptz, ok bool, n numeric(10, 2), s text, u uuid, j jsonb, x smallint, z float8);
INSERT INTO mixed SELECT i, now(), i % 2 = 0, i / 7.0, 'name ' || i, md5(i::text)::uuid, '{"a": 1}', i % 100, i
  FROM generate_series(1, 120000) AS i;
CREATE TABLE sparse (id int, a text, b text, c int, d bigint, e timestamptz);
INSERT INTO sparse SELECT i, case when i % 10 = 0 then 'abc' end, case when i % 3 = 0 then md5(i::text) end,
  case when i % 2 = 0 then i end, null, null FROM generate_series(1, 250000) AS i;
CREATE TABLE logs (id bigserial, line text);
INSERT INTO logs (line) SELECT repeat(md5(i::text), 3 + i % 20) FROM generate_series(1, 40000) AS i;
CREATE TABLE chars (id int, c char(1), d char(20), e varchar(50));
INSERT INTO chars SELECT i, 'x', 'abc', 'def' || i FROM generate_series(1, 200000) AS i;
CREATE TABLE random (id uuid PRIMARY KEY, v int);
INSERT INTO random SELECT md5(i::text)::uuid, i FROM generate_series(1, 300000) AS i;
CREATE INDEX ON chars (d, e);
CREATE INDEX ON flags (a, b, c, d, e, f);
VACUUM ANALYZE
"""


@pytest.mark.thorough
@pytest.mark.parametrize("major", [13, 18])
def test_what_was_just_filled_has_no_bloat(major: int) -> None:
    """Tables are estimated to a tenth; a B-tree that is filled in random order is a fifth empty, which is no fault."""
    server = shared_server(major)
    name = server.fresh()
    run(server, name, [(one, False) for one in FILLED.split(";")])
    granted(server, name, MONITOR)

    (seen,) = see(database_objects, server.declared(name))

    def share(one: dict[str, Any]) -> float:
        return float(one["wasted_bytes"] / one["size_bytes"])

    assert seen.data["unseen"] == {}
    assert [one for one in seen.data["table_bloat"] if share(one) > 0.1] == []
    assert [one for one in seen.data["index_bloat"] if share(one) > 0.3] == []
