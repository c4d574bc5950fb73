"""What the account may not see: what lets it, as lines that can be pasted, also beside what a check says of the rest."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pasted import problems
from verdicts import of_canary, verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import postgresql
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.canaries import canary_of
from upkeep.judging.check import load
from upkeep.model.remedies import command_of, words_of
from upkeep.model.verdicts import Status, Verdict

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
CHECKS = {
    f"database_{'slow_' if topic.name == 'statements' and gather != 'database_objects' else ''}{topic.name}": topic.name
    for gather, topics in postgresql.BY_GATHER.items()
    for topic in topics
}
"""A check of each topic of PostgreSQL, and the topic."""
GRANT = {"objects": 3, "statements": ["GRANT SELECT ON x TO y"], "database": "shop", "role": "y"}
EXPLAIN_AS = 'explain_as: {user: upkeep_reader, password: "{{ vault_upkeep_reader_password }}"}'


def told(hidden: dict[str, Any], **more: Any) -> Verdict:
    """Return what a check says that has seen nothing bad, and not all."""
    check = load()["database_table_bloat"]
    data = {"kind": "postgresql", "connected": True, "table_bloat": {}, "unseen": {"table_bloat": hidden}, **more}  # fmt: skip
    about = Observation("postgresql upkeep@127.0.0.1:5432/shop", data)
    verdict: Verdict | None = verdict_of(check, about, check.limits, NOW)
    assert verdict is not None
    assert problems(verdict.remedy) == []
    return verdict


@pytest.mark.parametrize(
    ("hidden", "statements", "words"),
    [
        ({"statements": ["GRANT x TO upkeep"]}, ["GRANT x TO upkeep"], "decide: let the account see them"),
        ({"statements": ["GRANT x TO r"], "role": "r"}, ["GRANT x TO r"], "decide: let r see them"),
        ({"statements": ["GRANT x TO r", "GRANT y TO r"], "role": 'R "2"'}, ["GRANT x TO r", "GRANT y TO r"],
         'decide: let "R ""2""" see them'),
        ({"statements": ["CREATE ROLE upkeep_reader LOGIN", "\\password upkeep_reader", "GRANT x TO upkeep_reader"],
          "role": "upkeep_reader", "unnamed": True},
         ["CREATE ROLE upkeep_reader LOGIN", "\\password upkeep_reader", "GRANT x TO upkeep_reader"],
         f"decide: let upkeep_reader see them; then write {EXPLAIN_AS} beside the database in the inventory"),
        ({"statements": ["CREATE EXTENSION e"], "setting": "s = 'e'"},
         ["CREATE EXTENSION e", "SHOW shared_preload_libraries"],
         "decide: have its counters; postgresql.conf needs s = 'e', beside what it loads already, and a restart"),
        ({"setting": "s = 'e'"}, ["SHOW shared_preload_libraries"],
         "decide: have its counters; postgresql.conf needs s = 'e', beside what it loads already, and a restart"),
    ],
    ids=["account", "second role", "its name in quotes", "no second role", "no extension", "not loaded"],
)  # fmt: skip
@pytest.mark.parametrize("database", ["", "shop", "a b"])
def test_what_lets_it_be_seen_can_be_pasted(
    hidden: dict[str, Any], statements: list[str], words: str, database: str
) -> None:
    verdict = told({"objects": 3, "database": database, **hidden})

    place = ["-d", database] if database else []
    given = [part for one in statements for part in ("-c", one)]
    assert verdict.status is Status.UNKNOWN
    assert shlex.split(command_of(verdict.remedy)) == ["runuser", "-u", "postgres", "--", "psql", *place, *given]  # fmt: skip
    assert words_of(verdict.remedy) == words


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("locks", "decide: raise max_locks_per_transaction; the server must be restarted"),
        ("refused", "decide: correct the password or the address in explain_as, or let reader in by a line of pg_hba.conf"),
    ],
)  # fmt: skip
def test_what_no_statement_mends_is_said_in_words(why: str, words: str) -> None:
    assert told({"objects": 3, "why": why, "role": "reader"}).remedy == words


def test_what_is_not_known_to_mend_it_is_left_to_the_next_step_of_all() -> None:
    check = load()["database_table_bloat"]
    data = {"kind": "postgresql", "connected": True, "table_bloat": {}, "unseen": {"table_bloat": {"objects": 3}}}  # fmt: skip
    about = Observation("postgresql upkeep@127.0.0.1:5432/shop", data)

    verdict = verdict_of(check, about, check.limits, NOW)
    assert (verdict.status, verdict.remedy) == (Status.UNKNOWN, "")


def test_a_topic_that_was_not_read_at_all_says_the_same() -> None:
    read, not_read = told(GRANT), told(GRANT, table_bloat=None, unread={"table_bloat": "permission denied"})  # fmt: skip

    assert not_read.message == "could not be read: permission denied"
    assert not_read.remedy == read.remedy


@pytest.mark.parametrize("name", CHECKS)
def test_a_failure_hides_no_grant_that_is_missing(name: str) -> None:
    """Both are told: what mends what fails, by the check itself or by its verdict, and what lets the rest be seen."""
    check = load()[name]
    canary = canary_of(check)
    assert canary is not None
    data = {**canary.observation.data, "unseen": {CHECKS[name]: GRANT}}
    before = of_canary(check, canary)
    after = of_canary(check, replace(canary, observation=replace(canary.observation, data=data)))

    assert before is not None
    assert after is not None
    assert after.status is Status.FAIL
    assert after.message == f"{before.message}; 3 that the account may not see are not judged"
    let = "besides, let y see them: runuser -u postgres -- psql -d shop -c 'GRANT SELECT ON x TO y'"
    assert after.remedy == f"{before.remedy or check.remedy}; {let}"
    assert problems(after.remedy) == []
