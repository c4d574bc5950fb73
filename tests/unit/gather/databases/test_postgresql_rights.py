"""What an account lacks becomes statements of an administrator, whatever its name is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_rights import (
    Lack,
    let_in,
    merged,
    of_extension,
    quoted,
    reader_of,
    reads,
)

SETTING = "shared_preload_libraries = 'e'"


@pytest.mark.parametrize(
    ("known", "statements"),
    [
        ({"exists": False, "login": True, "connect": True}, ["CREATE ROLE r LOGIN", "\\password r"]),
        ({"exists": False, "login": True, "connect": False},
         ["CREATE ROLE r LOGIN", "\\password r", 'GRANT CONNECT ON DATABASE "The shop" TO r']),
        ({"exists": True, "login": False, "connect": True}, ["ALTER ROLE r LOGIN"]),
        ({"exists": True, "login": False, "connect": False},
         ["ALTER ROLE r LOGIN", 'GRANT CONNECT ON DATABASE "The shop" TO r']),
        ({"exists": True, "login": True, "connect": False}, ['GRANT CONNECT ON DATABASE "The shop" TO r']),
        ({"exists": True, "login": True, "connect": True}, []),
    ],
)  # fmt: skip
def test_a_role_is_let_in(known: dict[str, Any], statements: list[str]) -> None:
    assert let_in("r", known, "The shop") == statements


@pytest.mark.parametrize(
    ("hidden", "statements"),
    [
        ({}, []),
        ({"TABLES": []}, []),
        ({"TABLES": ["public"]}, ['GRANT SELECT ON ALL TABLES IN SCHEMA public TO "R"']),
        ({"SEQUENCES": ['"A b"', "public"]}, ['GRANT SELECT ON ALL SEQUENCES IN SCHEMA "A b", public TO "R"']),
        ({"TABLES": ["a"], "SEQUENCES": ["a"]},
         ['GRANT SELECT ON ALL SEQUENCES IN SCHEMA a TO "R"', 'GRANT SELECT ON ALL TABLES IN SCHEMA a TO "R"']),
        ({"TABLES": ['"a\nb"']}, [r'GRANT SELECT ON ALL TABLES IN SCHEMA U&"a\+00000Ab" TO "R"']),
    ],
)  # fmt: skip
def test_a_role_is_let_read(hidden: dict[str, list[str]], statements: list[str]) -> None:
    assert reads(hidden, "R") == statements


def test_of_many_schemas_the_first_are_named() -> None:
    (statement,) = reads({"TABLES": [f"schema_{number:04}" for number in range(1000)]}, "r")

    assert len(statement) < 1400
    assert "schema_0000, schema_0001" in statement
    assert statement.endswith(" more schemas */ TO r")


def test_the_schemas_of_all_topics_are_told_together() -> None:
    many = [{"TABLES": ["b"]}, {}, {"TABLES": ["a", "b"], "SEQUENCES": ["c"]}]

    assert merged(many) == {"TABLES": ["a", "b"], "SEQUENCES": ["c"]}


@pytest.mark.parametrize(
    ("extensions", "setting", "found"),
    [
        ({}, "", ("", 0, Lack("this database has no e", ("CREATE EXTENSION e",)))),
        ({}, SETTING, ("", 0, Lack("this database has no e", ("CREATE EXTENSION e",), SETTING))),
        ({"e": ["1.9", '"The counters"', "false"]}, "",
         ("", 0, Lack("the account may not use its schema", ('GRANT USAGE ON SCHEMA "The counters" TO upkeep',)))),
        ({"e": ["1.9", "public", "true"]}, "", ("public", 109, Lack())),
        ({"e": ["1.10", "public", "true"]}, "", ("public", 110, Lack())),
        ({"e": ["unpackaged", "public", "true"]}, "", ("public", 0, Lack())),
    ],
)  # fmt: skip
def test_an_extension_is_there_or_what_it_takes(
    extensions: dict[str, Any], setting: str, found: tuple[str, int, Lack]
) -> None:
    assert of_extension("e", extensions, "upkeep", setting) == found


@pytest.mark.parametrize(
    ("declared", "role"),
    [
        ({}, "upkeep_reader"),
        ({"explain_as": None}, "upkeep_reader"),
        ({"explain_as": {"user": "audit"}}, "audit"),
    ],
)
def test_who_reads_tables(declared: dict[str, Any], role: str) -> None:
    assert reader_of(declared) == role


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("upkeep", "upkeep"),
        ("Upkeep", '"Upkeep"'),
        ('a "b"', '"a ""b"""'),
        ("a\nb", r'U&"a\+00000Ab"'),
        ("a\\\nb", r'U&"a\\\+00000Ab"'),
    ],
)
def test_a_name_is_written_as_sql_takes_it(name: str, said: str) -> None:
    assert quoted(name) == said
