"""Nothing of the data in a statement is left in its shape, wherever the text is cut."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import NotReadError
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import (
    _mariadb_statements,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import (
    MYSQL,
    POSTGRESQL,
    SHAPE_LIMIT_CHARACTERS,
    shape_of,
)

SECRET = "Qzxwvk"


def doubled(text: str) -> str:
    return text.replace("'", "''")


def backslashed(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def in_dollars(text: str) -> str:
    return text.replace("$", "")


PG_LITERALS: dict[str, Callable[[str], str]] = {
    "string": lambda text: f"'{doubled(text)}'",
    "string as of a server without standard strings": lambda text: f"'{backslashed(text)}'",
    "escape string": lambda text: f"E'{backslashed(text)}'",
    "national string": lambda text: f"N'{doubled(text)}'",
    "unicode string": lambda text: f"U&'{doubled(text)}'",
    "typed string": lambda text: f"date'{doubled(text)}'",
    "dollars": lambda text: f"$${in_dollars(text)}$$",
    "dollars with a tag": lambda text: f"$tag${in_dollars(text)}$tag$",
    "name of a column": lambda text: '"' + text.replace('"', '""') + '"',
    "comment": lambda text: f"1 /* {text.replace('/', '').replace('*', '')} */",
    "nested comment": lambda text: (
        f"1 /* /* {text.replace('/', '').replace('*', '')} */ {SECRET} */"
    ),
    "line comment": lambda text: "1 -- " + text.replace("\n", "") + "\n",
}
MYSQL_LITERALS: dict[str, Callable[[str], str]] = {
    "string": lambda text: f"'{backslashed(text)}'",
    "string without backslash escapes": lambda text: f"'{doubled(text)}'",
    "double quotes": lambda text: '"' + text.replace("\\", "\\\\").replace('"', '""') + '"',
    "character set": lambda text: f"_utf8mb4'{backslashed(text)}'",
    "hash comment": lambda text: "1 # " + text.replace("\n", "") + "\n",
    "line comment": lambda text: "1 -- " + text.replace("\n", "") + "\n",
    "no comment": lambda text: f"1--'{backslashed(text)}'",
    "comment": lambda text: f"1 /* {text.replace('/', '')} */",
    "executable comment": lambda text: f"1 /*!50000 + '{backslashed(text)}' */",
    "executable comment of MariaDB": lambda text: f"1 /*M!100100 + '{backslashed(text)}' */",
}
STATEMENTS = (
    "SELECT * FROM person WHERE name = {0} AND city IN ({0}, {0}) LIMIT 5",
    "SELECT {0}, {0} AS x FROM person",
    "INSERT INTO person (name, city) VALUES ({0}, {0}), ({0}, 2) ON CONFLICT DO NOTHING",
    "UPDATE person SET name = {0} WHERE id = 5",
    "DELETE FROM person WHERE name LIKE {0}",
    "MERGE INTO person USING other ON name = {0} WHEN MATCHED THEN UPDATE SET name = {0}",
    "WITH x AS (SELECT {0}) SELECT * FROM x WHERE name <> {0}",
    "SELEC {0} FROM person",
    "DO {0}",
    "CALL store({0}, {0})",
    "EXECUTE store({0})",
    "SET application_name = {0}",
    "SELECT 1; ALTER ROLE shop PASSWORD {0}",
    "ALTER ROLE shop PASSWORD {0}",
    "CREATE USER shop IDENTIFIED BY {0}",
    "COPY person (name) FROM stdin;\n" + SECRET + "\t{0}\n\\.",
    "COPY (SELECT {0}) TO PROGRAM {0}",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS {0}",
    "CREATE SUBSCRIPTION s CONNECTION {0} PUBLICATION p",
    "COMMENT ON TABLE person IS {0}",
    "NOTIFY news, {0}",
    "PREPARE p AS SELECT {0}",
    "EXPLAIN SELECT {0}",
    "{0}",
)
PIECES = [SECRET, "'", '"', "\\", "$", "*", "/", "--", "\n", " ", ";", "#", "`", "(", ",", "\u2019"]
PAYLOADS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map(
    lambda pieces: SECRET + "".join(pieces)
)


def held(shape: str) -> bool:
    """Return whether no part of the secret is in it."""
    return not re.search("Qz|zx|xw|wv|vk", shape) and len(shape) <= SHAPE_LIMIT_CHARACTERS


@pytest.mark.parametrize(
    ("dialect", "literals"), [(POSTGRESQL, PG_LITERALS), (MYSQL, MYSQL_LITERALS)], ids=["pg", "my"]
)
@given(payload=PAYLOADS, data=st.data())
def test_no_secret_comes_out(
    dialect: str,
    literals: dict[str, Callable[[str], str]],
    payload: str,
    data: st.DataObject,
) -> None:
    literal = literals[data.draw(st.sampled_from(sorted(literals)))](payload)
    text = data.draw(st.sampled_from(STATEMENTS)).format(literal)
    end = data.draw(st.integers(0, len(text)))

    assert held(shape_of(text, dialect)), text
    assert held(shape_of(text[:end], dialect)), text[:end]


@pytest.mark.parametrize("dialect", [POSTGRESQL, MYSQL])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_each_kind_of_literal_in_each_kind_of_statement(dialect: str, statement: str) -> None:
    for make in (PG_LITERALS if dialect == POSTGRESQL else MYSQL_LITERALS).values():
        for secret in (SECRET, f"{SECRET} {SECRET}", f"{SECRET}'s", f"a\\{SECRET}", f"\\'{SECRET}"):
            text = statement.format(make(secret))
            assert held(shape_of(text, dialect)), text


@given(st.text(max_size=200), st.sampled_from([POSTGRESQL, MYSQL]))
def test_any_text_has_a_shape(text: str, dialect: str) -> None:
    for verb in ("", "SELECT ", "ALTER ROLE "):
        assert len(shape_of(verb + text, dialect)) <= SHAPE_LIMIT_CHARACTERS


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("select * from t where a = 'Anna' and b in (1, 2, 3) -- hi\n limit 5", "select * from t where a = ? and b in (?, ...) limit ?"),
        ("SELECT $1 FROM x WHERE id = ANY($3::int[]) AND c = d.b", "SELECT $1 FROM x WHERE id = ANY($3::int[]) AND c = d.b"),
        ("SELECT a FROM x WHERE id IN ($1, $2, $3)", "SELECT a FROM x WHERE id IN (?, ...)"),
        ("INSERT INTO t(a,b) VALUES (1,'x'), (2,'y'), (3, 'z') RETURNING id", "INSERT INTO t(a,b) VALUES (?, ...), ... RETURNING id"),
        ('select "t"."b" from "t" where "x" = "Anna"', 'select "t"."b" from "t" where ? = ?'),
        ("select\n\t1e-5, 0xFF,  1_000, .5", "select ?, ?, ?, ?"),
        ("select 'a'\n 'b' from t", "select ? from t"),
        ("select a->>'b' from t where active is true", "select a->>? from t where active is ?"),
        ("(select 1) union (select 2)", "(select ?) union (select ?)"),
        ("select 1; drop table t", "select ?"),
        ("; select 1", "select ?"),
    ],
)  # fmt: skip
def test_shapes(text: str, shape: str) -> None:
    assert shape_of(text) == shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("select 'Anna Schm", "select..."),
        ("select 'O'Brien', 'Anna'", "select ?..."),
        ("select \u2018Anna Maria Schmidt\u2019", "select..."),
        ("select * from t where name = Anna and id = 5", "select * from t where name = ? and id = ?"),
        ("insert into t values (Anna, lower(name), default)", "insert into t values (?, lower(?), default)"),
        ("select t.patient_123456789 from t", "select t.? from t"),
        ("select * from visits_20261127", "select * from visits_20261127"),
        (r"select 'a\' , 'Anna'", "select..."),
        ("select $1$x", "select..."),
        ("select \x00 Anna", "select..."),
    ],
)  # fmt: skip
def test_what_may_be_data_is_dropped(text: str, shape: str) -> None:
    assert shape_of(text) == shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("SELECT `a`.`b` , `c` FROM `t` WHERE `c` = ? AND `d` IN (...)", "SELECT `a`.`b` , `c` FROM `t` WHERE `c` = ? AND `d` IN (...)"),
        ("select \"Anna\" from t # Anna\n where y = 0xAB and z = x'41'", "select ? from t where y = ? and z = ?"),
        ("select 1 --'x\n Anna' from t", "select ? --? from t"),
        ("select /*!40001 SQL_NO_CACHE */ * from t", "select * from t"),
        ("select /*! 'x */ Anna */ from t", "select..."),
    ],
)  # fmt: skip
def test_shapes_of_mysql(text: str, shape: str) -> None:
    assert shape_of(text, MYSQL) == shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("ALTER ROLE upkeep PASSWORD 'x'", "ALTER ROLE upkeep"),
        ("create table if not exists shop.person (name text default 'x')", "CREATE TABLE shop.person"),
        ("CREATE UNIQUE INDEX CONCURRENTLY person_name ON person (name)", "CREATE INDEX person_name"),
        ("COPY person FROM stdin", "COPY person"),
        ("DO $$ begin perform 'x'; end $$", "DO"),
        ("CALL pay('x')", "CALL pay"),
        ("SET search_path = x", "SET search_path"),
        ("SET PASSWORD FOR 'shop'@'%' = 'x'", "SET PASSWORD"),
        ("GRANT SELECT ON person TO shop", "GRANT"),
        ("LOAD DATA INFILE 'x' INTO TABLE t", "LOAD"),
        ("hello Anna", "?"),
        ("", "?"),
        ("'Anna'", "?"),
    ],
)  # fmt: skip
def test_of_others_the_command_and_its_object_stay(text: str, shape: str) -> None:
    assert shape_of(text) == shape


def test_a_server_of_mariadb_that_counts_no_statements_says_so() -> None:
    with pytest.raises(NotReadError, match=r"^performance_schema is off$"):
        _mariadb_statements.made({"is_on": 0})


def test_a_long_text_is_cut_and_read_in_no_time() -> None:
    texts = [
        "select " + "a, " * 100_000,
        "select '" + "''" * 100_000,
        "select " + "/*" * 100_000,
        "select " + "$a" * 100_000,
        "select " + "(" * 100_000,
        "select " + "?, " * 9_000,
    ]
    began = time.process_time()

    shapes = [shape_of(text, dialect) for text in texts for dialect in (POSTGRESQL, MYSQL)]

    assert time.process_time() - began < 10
    assert all(shape.endswith("...") and len(shape) <= SHAPE_LIMIT_CHARACTERS for shape in shapes)
