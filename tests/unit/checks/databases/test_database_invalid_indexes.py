"""Limits of database_invalid_indexes."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    InvalidIndex,
)
from upkeep.checks.databases.database_invalid_indexes import Limits, judge
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> InvalidIndex:
    return InvalidIndex(
        **{"name": "public.member_name", "table": "public.member", "size_bytes": 8192, **more}
    )


def verdict_of(*rows: InvalidIndex, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, invalid_indexes=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, Severity.MEDIUM),
        ({'size_bytes': 0}, Severity.MEDIUM),
        ({'is_ready': True}, Severity.MEDIUM),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_what_fixes_it() -> None:
    verdict = verdict_of(one())

    assert verdict.message == "public.member_name (8.0 KiB) of public.member is invalid; at most 0"
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'REINDEX INDEX CONCURRENTLY public.member_name'  # decide: or drop it; for a unique one, see first that no value is there twice"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("*.member_name",))

    assert verdict_of(one(), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "0 indexes are invalid, at most 0"


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(size_bytes=number)).status is Status.UNKNOWN


@pytest.mark.parametrize(
    "name", ["public.a_ccnew", "public.a_ccold", "public.a_ccnew1", 'public."A_ccnew"']
)
def test_what_a_stopped_reindex_has_left_is_dropped(name: str) -> None:
    assert f"'DROP INDEX CONCURRENTLY {name}'" in verdict_of(one(name=name)).remedy


def test_the_index_of_a_partitioned_table_lacks_some() -> None:
    verdict = verdict_of(one(is_partitioned=True, is_ready=True))

    assert "is invalid and is written all the same" in verdict.message
    assert verdict.remedy.startswith("decide: create the indexes that its partitions lack")


def test_three_are_named() -> None:
    rows = [one(name=f"public.i{number}") for number in range(5)]

    assert verdict_of(*rows).message.endswith(
        "public.i2 (8.0 KiB) of public.member is invalid; and 2 more; at most 0"
    )


def test_a_full_list_of_what_is_left_out_says_nothing_of_the_others() -> None:
    full = [one() for _number in range(50)]
    left_out = Limits(ignore=("*",))

    assert verdict_of(*full, limits=left_out).status is Status.UNKNOWN
    assert verdict_of(*full[:49], limits=left_out).message == (
        "0 indexes are invalid, at most 0; 49 left out"
    )
    assert "; and at least 47 more; at most 0" in verdict_of(*full).message


@pytest.mark.parametrize(
    ("subject", "begins"),
    [
        (
            "postgresql upkeep@127.0.0.1:5432/shop",
            "runuser -u postgres -- psql -d shop -c 'REINDEX ",
        ),
        ("postgresql localhost:5433/shop", "psql -U postgres -h localhost -p 5433 -d shop -c "),
        (
            "postgresql localhost:5432/host=x",
            "runuser -u postgres -- psql -d 'dbname='\"'\"'host=x'\"'\"'' -c ",
        ),
        ("postgresql /run/postgresql:5432/it's", "runuser -u postgres -- psql -d 'it'\"'\"'s' -c "),
        ("postgresql upkeep@[::1]:5432/shop", "runuser -u postgres -- psql -d shop -c "),
        (
            "postgresql upkeep@db1.example.org:5432/shop",
            "psql -U postgres -h db1.example.org -d shop -c ",
        ),
        (
            "postgresql upkeep@/srv/sockets:5433/shop",
            "runuser -u postgres -- psql -h /srv/sockets -p 5433 -d shop -c ",
        ),
    ],
)
def test_a_remedy_is_for_the_database_of_the_subject(subject: str, begins: str) -> None:
    seen = DatabaseObjects("postgresql", True, subject=subject, invalid_indexes=[one()])
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.remedy.startswith(begins)


@pytest.mark.parametrize("name", ["public.a\nb", 'public."' + "a" * 2000 + '"'])
def test_a_name_that_nobody_should_paste_is_not_in_a_command(name: str) -> None:
    assert verdict_of(one(name=name)).remedy.startswith("decide: or drop it")


def test_a_name_that_sql_can_write_in_another_way_is_in_a_command() -> None:
    said = shlex.split(command_of(verdict_of(one(name='public."a\n""b"')).remedy))[-1]

    assert said == r'REINDEX INDEX CONCURRENTLY public.U&"a\+00000A""b"'


def test_a_database_whose_name_cannot_be_pasted_is_to_be_found() -> None:
    about = "postgresql 127.0.0.1:5432/a\nb"
    verdict = judge(DatabaseObjects("postgresql", True, subject=about, invalid_indexes=[one()]), Limits(), NOW)  # fmt: skip

    assert verdict is not None
    assert verdict.remedy.startswith("decide: or drop it")
    assert verdict.remedy.endswith("cannot be pasted: see oid and datname in pg_database")


@pytest.mark.parametrize("place", ["127.0.0.1:5432", "127.0.0.1/shop"])
def test_a_subject_that_is_no_database_is_not_in_a_command(place: str) -> None:
    seen = DatabaseObjects(
        "postgresql", True, subject=f"postgresql {place}", invalid_indexes=[one()]
    )
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.remedy == ""
