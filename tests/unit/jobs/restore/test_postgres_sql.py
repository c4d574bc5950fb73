"""A dump in SQL is divided where it goes into another database, and what it asks of psql is taken out."""

from __future__ import annotations

from functools import partial

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_sql import (
    SqlSections,
    database_of,
    statements,
)

COPY = b"COPY public.a (id, name) FROM stdin;\n1\t\\N\n2\t\\\\!\n3\t'it;\"$$--\n\\.\n"
FUNCTION = (
    b"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $_$\n\\! not a command\nSELECT ';'\n$_$;\n"
)
QUOTES = b"INSERT INTO a VALUES (1, 'it''s \\! here\n\\connect there', E'\\'\\! \\\\');\nSELECT 1 AS \"\\!\";\n"
INSERTS = (
    b"INSERT INTO a VALUES (-1, 'it''s; \\! - /* --', NULL, 3/4);\n"
    b"INSERT INTO \"b;\" VALUES ('a\n;\\! b');\r\n"
    b"INSERT INTO a VALUES (E'\\'; \\! x');\nINSERT INTO a VALUES (1) -- \\! x\n;\n"
) * 300
COMMENTS = b"-- \\! in a line\n/* \\! in /* a */ comment\n\\! */ SELECT 2;\n"


def read(dump: bytes, size: int) -> tuple[list[tuple[str, bytes]], SqlSections]:
    """Return each section with its database, from a dump that comes in pieces of that size."""
    rest = [dump]

    def give(_wanted: int) -> bytes:
        piece, rest[0] = rest[0][:size], rest[0][size:]
        return piece

    sections, found = SqlSections(give), []
    while not sections.ended:
        database, take = sections.database, sections.section()
        found.append((database, b"".join(iter(partial(take, 0), b""))))
    return found, sections


@pytest.mark.parametrize("size", [1, 2, 7, 100, 300, 1 << 20])
@pytest.mark.parametrize(
    "text", [COPY, FUNCTION, QUOTES, COMMENTS, COPY * 40 + FUNCTION, INSERTS], ids=len
)
def test_what_is_no_command_passes_as_it_is(text: bytes, size: int) -> None:
    found, sections = read(text, size)

    assert (b"".join(data for _name, data in found), sections.asked) == (text, [])


@pytest.mark.parametrize("size", [1, 7, 300, 1 << 20])
def test_a_dump_of_all_is_divided_at_its_databases(size: int) -> None:
    dump = (
        b"CREATE ROLE a;\n\\restrict abc\n\\unrestrict abc\n\\connect template1\n"
        + COPY
        + b'\\connect "Shop 1"\n'
        + QUOTES
        + b"\\connect -reuse-previous=on \"dbname='it''s'\"\n"
        + FUNCTION
    )
    found, sections = read(dump, size)

    assert found == [
        ("", b"CREATE ROLE a;\n\n\n"),
        ("template1", b"\n" + COPY),
        ("Shop 1", b"\n" + QUOTES),
        ("it's", b"\n" + FUNCTION),
    ]
    assert sections.asked == []


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (b"\\! touch x", "\\!"),
        (b"\\i /etc/passwd", "\\i"),
        (b"\\copy a FROM PROGRAM 'id'", "\\copy"),
        (b"\\connect shop user host", "\\connect with a server"),
        (b'\\connect "host=live dbname=shop"', "\\connect with a server"),
        (b"\\connect postgresql://live/shop", "\\connect with a server"),
        (b"\\connect -reuse-previous=on \"dbname='a' host='live'\"", "\\connect with a server"),
        (b"\\c - - /run/postgresql", "\\c with a server"),
        (b"\\gexec", "\\gexec"),
        (b"\\\xff", "\\\ufffd"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_command_is_taken_out_and_told(command: bytes, asked: str, size: int) -> None:
    found, sections = read(b"SELECT 1;\n" + command + b"\nSELECT 2;\n", size)

    assert sections.asked == [asked]
    assert b"".join(data for _name, data in found) == b"SELECT 1;\n\nSELECT 2;\n"


def test_a_command_behind_an_insert_is_told() -> None:
    assert read(b"INSERT INTO a VALUES ('x');\nINSERT INTO a VALUES ('y') \\! id\n", 1 << 20)[
        1
    ].asked == ["\\!"]


def test_a_command_in_a_statement_and_at_the_end_is_told_too() -> None:
    assert read(b"SELECT 1 \\! id\n;\n\\! id", 5)[1].asked == ["\\!", "\\!"]


def test_what_is_dropped_before_anything_is_there_is_left_out() -> None:
    dump = (
        b"SET a = 1;\nALTER TABLE ONLY public.a DROP CONSTRAINT a_pkey;\nDROP TABLE public.a;\n"
        b"CREATE TABLE public.a (id int);\nDROP TABLE public.a;\n"
    )
    found, _sections = read(dump, 1 << 20)

    assert found == [("", b"SET a = 1;\nCREATE TABLE public.a (id int);\nDROP TABLE public.a;\n")]


def test_owners_are_left_out_and_listed() -> None:
    dump = b'CREATE TABLE a ();\nALTER TABLE a OWNER TO app;\nALTER TABLE b OWNER TO "It""s";\n'
    found, sections = read(dump, 3)

    assert (found, sections.owners) == ([("", b"CREATE TABLE a ();\n")], {"app", 'It"s'})


@pytest.mark.parametrize(
    ("command", "database"),
    [
        (b"\\connect shop", "shop"),
        (b"\\c shop\r", "shop"),
        (b'\\connect "a ""b"""', 'a "b"'),
        (b"\\connect -reuse-previous=on \"dbname='a\\\\b'\"", "a\\b"),
        (b"\\connect", ""),
        (b"\\connect -", ""),
        (b"\\connect a b", ""),
        (b"\\connected", ""),
    ],
)
def test_databases_are_named_as_pg_dumpall_names_them(command: bytes, database: str) -> None:
    assert database_of(command) == database


def test_statements_end_where_no_quote_is_open() -> None:
    text = b"-- a; b\nSET a = 'x;y';\nCREATE ROLE \"a;b\";\n\\restrict x;y\nDO $$;$$;\nALTER ROLE a"

    assert statements(text) == [
        b"SET a = 'x;y';",
        b'CREATE ROLE "a;b";',
        b"DO $$;$$;",
        b"ALTER ROLE a",
    ]
