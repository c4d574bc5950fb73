"""What absence means: to each check, and when it moves a finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import (
    DECLARED,
    SITE_SET,
    Absence,
    Check,
    Meaning,
    gone,
    load,
    resolves,
)
from upkeep.model.answer import Due, Observed, Outcome, Request, Seen, from_json, to_json
from upkeep.model.verdicts import Severity
from upkeep.rules.absence import (
    NOT_AMONG,
    CheckLook,
    asked_by,
    is_there,
    look_of,
    passed_over,
    unseen,
)
from upkeep.rules.findings import Finding, Sighting

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
KNOWN = Finding(
    1, "key", "s", "web1", "disk_space", "/srv", "open", Severity.HIGH, "full", "df", 1, 1, NOW, NOW,
    None, seen_of="file systems", seen_by="asked", seen_as=0,
)  # fmt: skip
LOOK = CheckLook("asked", 0, frozenset({"file systems"}))
OTHER = replace(LOOK, asked="other")
GONE = {"file systems": gone("is not mounted any more")}
LISTENERS = {"file systems": resolves()}
TWO = {"logs": gone(), "unrotated files": resolves("is not there any more")}

# To which checks it means what, by the set that a subject is of. What is not here is declared by the site, or is on
# every host: its absence ends nothing.
TABLE: dict[str, dict[str, str]] = {
    "certificate_left_behind": {"site": "gone"},
    "disk_space": {"file systems": "gone"},
    "disk_space_trend": {"file systems": "gone"},
    "disk_inodes": {"file systems": "gone"},
    "file_system_errors": {"file systems": "gone"},
    "certificate_chain": {"certificates": "gone"},
    "certificate_expiry": {"certificates": "gone"},
    "certificate_key": {"certificates": "gone"},
    "certificate_name": {"certificates": "gone"},
    "certificate_served": {"certificates": "gone"},
    "certificate_strength": {"certificates": "gone"},
    "database_connect": {"databases": "gone"},
    "database_archiver": {"databases": "gone"},
    "database_autovacuum": {"databases": "gone"},
    "database_cache": {"databases": "gone"},
    "database_checkpoints": {"databases": "gone"},
    "database_checksums": {"databases": "gone"},
    "database_constraints": {"databases": "gone"},
    "database_dead_rows": {"databases": "gone"},
    "database_duplicate_indexes": {"databases": "gone"},
    "database_foreign_keys": {"databases": "gone"},
    "database_freeze": {"databases": "gone"},
    "database_index_bloat": {"databases": "gone"},
    "database_invalid_indexes": {"databases": "gone"},
    "database_key_columns": {"databases": "gone"},
    "database_locks": {"databases": "gone"},
    "database_logins": {"databases": "gone"},
    "database_missing_indexes": {"databases": "gone"},
    "database_plans": {"databases": "gone"},
    "database_pooler": {"databases": "gone"},
    "database_prepared": {"databases": "gone"},
    "database_replication": {"databases": "gone"},
    "database_settings": {"databases": "gone"},
    "database_slots": {"databases": "gone"},
    "database_statistics": {"databases": "gone"},
    "database_table_bloat": {"databases": "gone"},
    "database_triggers": {"databases": "gone"},
    "database_unused_indexes": {"databases": "gone"},
    "database_wraparound": {"databases": "gone"},
    "database_aborted_connects": {"databases": "gone"},
    "database_auto_increment": {"databases": "gone"},
    "database_foreign_key_rows": {"databases": "gone"},
    "database_fragmentation": {"databases": "gone"},
    "database_free_pages": {"databases": "gone"},
    "database_integrity": {"databases": "gone"},
    "database_mariadb_settings": {"databases": "gone"},
    "database_memory": {"databases": "gone"},
    "database_new_statements": {"databases": "gone"},
    "database_passwords": {"databases": "gone"},
    "database_persistence": {"databases": "gone"},
    "database_purge": {"databases": "gone"},
    "database_slow_statements": {"databases": "gone"},
    "database_statement_regression": {"databases": "gone"},
    "database_temporary_tables": {"databases": "gone"},
    "database_unsafe_tables": {"databases": "gone"},
    "database_write_ahead_log": {"databases": "gone"},
    "database_pool": {"databases": "gone"},
    "database_sequences": {"databases": "gone"},
    "database_transactions": {"databases": "gone"},
    "brute_force": {"logs": "gone"},
    "failed_logins": {"logs": "gone"},
    "login_after_failures": {"logs": "gone"},
    "password_spraying": {"logs": "gone"},
    "response_time": {"logs": "gone"},
    "site_errors": {"logs": "gone"},
    "log_rotation": {"logs": "gone", "unrotated files": "resolves"},
    "swap_used": {"swap": "gone"},
}


def test_each_check_says_what_absence_means_and_it_is_as_written_down() -> None:
    said = {name: check.absence for name, check in load().items()}

    assert [name for name, absence in said.items() if absence is None] == []
    found = {
        name: {of: one.meaning.value for of, one in absence.items()}
        for name, absence in said.items()
        if absence
    }
    assert found == TABLE
    assert all(said[name] is DECLARED for name in said.keys() - TABLE.keys())


@pytest.mark.parametrize(
    "check", [one for one in load().values() if one.absence], ids=lambda c: c.id
)
def test_a_set_is_one_of_the_gathers(check: Check) -> None:
    module = payload.gathers()[check.gather]
    names = {value for value in vars(module).values() if isinstance(value, str)}
    names = {SITE_SET} if check.of_site else names

    assert set(check.absence or ()) <= names


@pytest.mark.parametrize(
    ("known", "look", "ends", "state", "told"),
    [
        (KNOWN, LOOK, GONE, "gone", [("gone", "is not mounted any more")]),
        (KNOWN, LOOK, LISTENERS, "resolved", [("resolved", "is not there any more")]),
        (KNOWN, LOOK, DECLARED, "open", []),
        (KNOWN, replace(LOOK, whole=frozenset()), GONE, "open", []),
        (KNOWN, replace(LOOK, whole=frozenset({"logs"})), GONE, "open", []),
        (KNOWN, OTHER, GONE, "retired", [("retired", NOT_AMONG)]),
        (KNOWN, OTHER, LISTENERS, "retired", [("retired", NOT_AMONG)]),
        (KNOWN, replace(OTHER, whole=frozenset()), GONE, "open", []),
        (KNOWN, replace(OTHER, uid=1000), GONE, "open", []),
        (replace(KNOWN, seen_of=""), OTHER, DECLARED, "retired", [("retired", NOT_AMONG)]),
        (replace(KNOWN, seen_of=""), replace(OTHER, answered=False), DECLARED, "open", []),
        (replace(KNOWN, seen_of=""), replace(OTHER, uid=None), DECLARED, "open", []),
        (replace(KNOWN, seen_of=None), OTHER, GONE, "retired", [("retired", NOT_AMONG)]),
        (replace(KNOWN, seen_of=None), replace(OTHER, whole=frozenset()), GONE, "open", []),
        (KNOWN, replace(LOOK, uid=1000), GONE, "open", []),
        (KNOWN, replace(LOOK, uid=None), GONE, "open", []),
        (replace(KNOWN, seen_of=""), LOOK, GONE, "open", []),
        (replace(KNOWN, seen_of="logs"), LOOK, GONE, "open", []),
        (replace(KNOWN, status="resolved"), LOOK, GONE, "resolved", []),
        (replace(KNOWN, status="gone"), LOOK, GONE, "gone", []),
    ],
    ids=[
        "gone",
        "resolved",
        "declared",
        "not whole",
        "another set is whole",
        "by other parameters, whole",
        "by other parameters it is no recovery either",
        "by other parameters, not whole",
        "by other parameters, as another user",
        "declared no more",
        "declared no more, and nothing could be seen",
        "declared no more, as nobody knows whom",
        "nobody knows of which set, by other parameters",
        "nobody knows of which set, by other parameters, not whole",
        "as another user",
        "as nobody knows whom",
        "of no set",
        "of a set that the check does not know",
        "resolved already",
        "gone already",
    ],
)
def test_an_answer_without_the_subject(
    known: Finding,
    look: CheckLook,
    ends: dict[str, Absence],
    state: str,
    told: list[tuple[str, str]],
) -> None:
    after, said = unseen(known, look, ends, NOW)

    assert after is not None
    assert after.status == state
    assert [(one.kind.value, one.message) for one in said] == told
    assert (after.resolved_at == NOW) == bool(told)


@pytest.mark.parametrize(
    ("whole", "ends", "state"),
    [
        ({"file systems"}, GONE, "gone"),
        ({"file systems"}, LISTENERS, "resolved"),
        ({"logs", "unrotated files"}, TWO, "gone"),
        ({"logs"}, TWO, "open"),
        (set(), GONE, "open"),
        ({"file systems"}, DECLARED, "open"),
    ],
    ids=["gone", "resolves", "either of two", "one of two is whole", "not whole", "declared"],
)
def test_a_finding_of_before_is_written_down_at_first_and_moved_then(
    whole: set[str], ends: dict[str, Absence], state: str
) -> None:
    old = replace(KNOWN, seen_of=None, seen_by="", seen_as=None)
    look = replace(LOOK, whole=frozenset(whole))

    first, told = unseen(old, look, ends, NOW)
    assert told == ()
    assert first == replace(old, seen_by="asked", seen_as=0)
    second, _told = unseen(first, look, ends, NOW)
    assert second is not None
    assert second.status == state


@pytest.mark.parametrize(
    ("look", "state"),
    [
        (LOOK, "retired"),
        (replace(LOOK, whole=frozenset()), "retired"),
        (replace(LOOK, asked="other"), "open"),
        (replace(LOOK, uid=1000), "open"),
    ],
    ids=["as before", "not all was seen", "by other parameters", "as another user"],
)
def test_what_is_there_and_not_judged(look: CheckLook, state: str) -> None:
    after, _told = passed_over(KNOWN, look, NOW)

    assert after is not None
    assert after.status == state


def observed(
    *requests: Request, whole: tuple[tuple[int, str], ...] = (), subject: str = "/srv"
) -> Observed:
    due = tuple(Due("disk_space", number, {}) for number in range(len(requests)))
    seen = (Seen(0, Observation(subject, {}, of="file systems")),)
    return Observed(
        "web1", Outcome.OK, NOW, requests=requests, due=due, seen=seen, uid=0, whole=whole
    )


A, B = Request("file_systems", {"ignore": ["/a"]}), Request("file_systems", {"ignore": ["/b"]})


def test_a_check_that_is_asked_for_twice_has_seen_what_both_have_seen_whole() -> None:
    both = observed(A, B, whole=((0, "file systems"), (1, "file systems")))
    one = observed(A, B, whole=((0, "file systems"),))

    assert look_of(both, "disk_space") == CheckLook(
        asked_by([B, A]), 0, frozenset({"file systems"})
    )
    assert look_of(one, "disk_space").whole == frozenset()
    assert look_of(observed(A), "disk_space").asked != asked_by([B])
    assert look_of(both, "swap_used").whole == frozenset()


def test_what_was_seen_whole_and_as_whom_travels() -> None:
    given = observed(A, whole=((0, "file systems"),))

    assert from_json(to_json(given), "web1") == given
    old = to_json(given)
    del old["uid"], old["whole"]
    assert from_json(old, "web1") == replace(given, uid=None, whole=())


@pytest.mark.parametrize(("subject", "expected"), [("/srv", True), ("/data", False)])
def test_what_is_there_is_not_absent(subject: str, expected: bool) -> None:
    assert is_there(KNOWN, observed(A, subject=subject), load()["disk_space"]) is expected


def test_absence_says_nothing_by_itself() -> None:
    assert (resolves().meaning, gone().meaning) == (Meaning.RESOLVES, Meaning.GONE)
    assert Sighting() == Sighting(None, "", None, "")
