"""What a site may say of a check, and what it is told when it says something else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import Check, load
from upkeep.judging.entries import (
    ParameterError,
    examine,
    find,
    make_limits,
    merge_entries,
    split,
    validate,
)
from upkeep.model.verdicts import passed


@dataclass(frozen=True)
class Limits:
    """For the types that limits have."""

    count: int = 1
    share_percent: float = 0.5
    strict: bool = True
    name: str = ""
    names: tuple[str, ...] = ()
    renew_days: int | None = None


CHECK = Check(
    title="t",
    gather="access_log",
    limits=Limits(),
    judge=lambda *_: passed(""),
    source="source",
    remedy="remedy",
    id="made_up",
)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, Limits()),
        ({"count": 3}, Limits(count=3)),
        ({"count": "3"}, Limits(count=3)),
        ({"share_percent": 2}, Limits(share_percent=2.0)),
        ({"strict": False, "name": 7}, Limits(strict=False, name="7")),
        ({"names": ["a", "b"]}, Limits(names=("a", "b"))),
        ({"renew_days": None}, Limits(renew_days=None)),
        ({"renew_days": 14}, Limits(renew_days=14)),
        ({"renew_days": "14"}, Limits(renew_days=14)),
        ({"count": 3.0}, Limits(count=3)),
        ({"share_percent": "2.5"}, Limits(share_percent=2.5)),
        ({"name": 2.5}, Limits(name="2.5")),
        ({"names": ("a", 7)}, Limits(names=("a", "7"))),
        ({"names": []}, Limits(names=())),
    ],
)
def test_limits_become_what_the_check_declares(limits: dict[str, Any], expected: Limits) -> None:
    assert make_limits(CHECK, limits) == expected


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"count": "three"}, "count: found 'three'; expected a number"),
        ({"count": 2.5}, "count: found 2.5; expected a whole number"),
        ({"count": True}, "count: found True; expected a number"),
        ({"share_percent": "5 %"}, "share_percent: found '5 %'; expected a number of percent"),
        ({"share_percent": math.nan}, "share_percent: found nan; expected a number of percent"),
        ({"share_percent": "inf"}, "share_percent: found 'inf'; expected a number of percent"),
        ({"count": math.inf}, "count: found inf; expected a number"),
        ({"renew_days": "soon"}, "renew_days: found 'soon'; expected a number of days"),
        ({"strict": "yes"}, "strict: found 'yes'; expected true or false"),
        ({"strict": 1}, "strict: found 1; expected true or false"),
        ({"names": "a"}, "names: found 'a'; expected a list"),
        ({"names": ["a", True]}, "names: found True; expected a text"),
        ({"names": [["a"]]}, "names: found ['a']; expected a text"),
        ({"name": None}, "name: found None; expected a text"),
        ({"name": True}, "name: found True; expected a text"),
        ({"count": None}, "count: found None; expected a number"),
        ({"count": [1]}, "count: found [1]; expected a number"),
        ({"count": 10**400}, f"count: found 1{'0' * 79}; expected a number"),
        ({"renew_days": 2.5}, "renew_days: found 2.5; expected a whole number"),
        ({"cuont": 3}, "check made_up has no limit 'cuont'; did you mean 'count'?"),
    ],
)
def test_another_limit_is_named_with_what_was_expected(
    limits: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        make_limits(CHECK, limits)

    assert str(caught.value) == message
    assert caught.value.key == next(iter(limits))


@pytest.mark.parametrize(
    ("entry", "message", "key"),
    [
        ("disk_spac", "there is no check 'disk_spac'; did you mean 'disk_space'?", "check"),
        ({"chek": "disk_space"}, "an entry without `check`; it has chek", ""),
        (
            ["disk_space"],
            "list ['disk_space']; expected a check's id, or a mapping with `check`",
            "",
        ),
        ({"check": None}, "there is no check None", "check"),
        (
            {"check": ["disk_space"]},
            "there is no check ['disk_space']; did you mean 'disk_space'?",
            "check",
        ),
        ({"check": {"a": {}}}, "there is no check {'a': {}}", "check"),
        ({}, "an entry without `check`; it has nothing", ""),
        (None, "NoneType None; expected a check's id, or a mapping with `check`", ""),
        (7, "int 7; expected a check's id, or a mapping with `check`", ""),
        *(
            (
                entry,
                "check host_key is due wherever a host is connected to; no site asks for it",
                "check",
            )
            for entry in ("host_key", {"check": "host_key"})
        ),
    ],
)
def test_an_entry_that_names_no_check_of_a_site(entry: Any, message: str, key: str) -> None:
    with pytest.raises(ParameterError) as caught:
        find(entry, load())

    assert (str(caught.value), caught.value.key) == (message, key)


def test_an_entry_is_taken_apart_into_parameters_and_limits() -> None:
    check = load()["site_errors"]

    limit = next(iter(check.limits.__dataclass_fields__))
    entry = {"check": "site_errors", "paths": ["/a"], limit: 5}

    assert split(check, entry) == ({"paths": ["/a"]}, {limit: 5})


def test_a_parameter_that_neither_has_is_named_with_the_nearest() -> None:
    with pytest.raises(ParameterError) as caught:
        split(load()["site_errors"], {"check": "site_errors", "pahts": ["/a"]})

    assert str(caught.value) == "check site_errors has no parameter 'pahts'; did you mean 'paths'?"


def test_a_limit_that_is_wrong_is_told_where_an_entry_is_taken_apart() -> None:
    with pytest.raises(ParameterError) as caught:
        split(load()["disk_space"], {"check": "disk_space", "medium_percent": "most"})

    assert caught.value.key == "medium_percent"


def test_gathers_parameters_follow_ansibles_rules() -> None:
    with pytest.raises(ParameterError) as caught:
        validate(load()["site_errors"], {"paths": ["/a"], "window_seconds": "five"})

    assert "window_seconds" in str(caught.value)
    assert caught.value.key == "window_seconds"


def test_the_lists_of_all_groups_are_merged_in_the_order_of_their_names() -> None:
    merged = merge_entries(
        {"upkeep_checks_web": ["disk_space", "swap_used"], "upkeep_checks_base": ["swap_used"]},
        load(),
    )

    assert merged == ["swap_used", "disk_space"]


def test_groups_that_disagree_are_an_error_not_a_choice() -> None:
    first = next(iter(load()["disk_space"].limits.__dataclass_fields__))
    variables = {
        "upkeep_checks_a": [{"check": "disk_space", first: 1}],
        "upkeep_checks_b": [{"check": "disk_space", first: 2}],
    }

    with pytest.raises(ParameterError) as caught:
        merge_entries(variables, load())

    expected = "check disk_space of the same things with other limits in"
    assert str(caught.value) == f"{expected} upkeep_checks_a and upkeep_checks_b"
    assert caught.value.entry == variables["upkeep_checks_b"][0]


def test_the_order_in_which_parameters_are_written_makes_no_other_things_of_them() -> None:
    limit = next(iter(load()["site_errors"].limits.__dataclass_fields__))
    variables = {
        "upkeep_checks_a": [
            {"check": "site_errors", "paths": ["/a"], "window_seconds": 60, limit: 5}
        ],
        "upkeep_checks_b": [
            {"check": "site_errors", "window_seconds": 60, "paths": ["/a"], limit: 6}
        ],
    }

    with pytest.raises(ParameterError, match="of the same things with other limits"):
        merge_entries(variables, load())


def test_a_date_as_yaml_reads_it_is_compared_as_well() -> None:
    entries = [{"check": "site_errors", "paths": [day]} for day in (date(2026, 1, 2), date.max)]

    assert merge_entries({"upkeep_checks_a": [*entries, entries[0]]}, load()) == entries


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("disk_space", "str"),
        ({"disk_space": {"medium_percent": 5}}, "dict"),
        (None, "NoneType"),
        (7, "int"),
    ],
)
def test_a_variable_that_is_no_list_is_named(value: Any, kind: str) -> None:
    with pytest.raises(
        ParameterError, match=f"^upkeep_checks_a: {kind} found; expected a list of checks$"
    ) as caught:
        merge_entries({"upkeep_checks_a": value}, load())

    assert caught.value.key == "upkeep_checks_a"


def test_a_gathers_number_is_finite() -> None:
    # No age is over an RPO that is no number: it would always pass.
    with pytest.raises(ParameterError) as caught:
        validate(load()["backup_fresh"], {"sets": [{"name": "shop", "rpo_hours": math.nan}]})

    assert str(caught.value) == "check backup_fresh: sets has a number that is not finite"
    assert caught.value.key == "sets"


@pytest.mark.parametrize(
    ("entries", "merged"),
    [
        ([["disk_space"], ["disk_space"]], ["disk_space"]),
        ([["disk_space"], [{"check": "disk_space"}]], ["disk_space"]),
        (
            [
                [{"check": "site_errors", "paths": ["/a"]}],
                [{"check": "site_errors", "paths": ["/b"]}],
            ],
            [{"check": "site_errors", "paths": ["/a"]}, {"check": "site_errors", "paths": ["/b"]}],
        ),
        ([[], ["disk_space"]], ["disk_space"]),
    ],
    ids=["twice", "in another form", "of other things", "an empty list"],
)
def test_what_is_asked_for_twice_counts_once(entries: list[Any], merged: list[Any]) -> None:
    variables = {f"upkeep_checks_{number}": asked for number, asked in enumerate(entries)}

    assert merge_entries(variables, load()) == merged


def test_an_entry_that_is_wrong_is_told_with_its_variable_its_key_and_itself() -> None:
    entry = {"check": "site_errors", "pahts": ["/a"]}

    with pytest.raises(
        ParameterError, match=r"^upkeep_checks_a: check site_errors has no "
    ) as caught:
        merge_entries({"upkeep_checks_a": ["disk_space", entry]}, load())

    assert (caught.value.key, caught.value.entry) == ("pahts", entry)


X = "{{ x }}"


@pytest.mark.parametrize(
    "entry",
    [
        X,
        {"check": X, "pahts": 1},
        {"check": "http_health", "urls": X, "tries": X},
        {"check": "http_health", "urls": [X, "https://a.example"], "json": {"status": X, X: X}},
        {"check": "backup_fresh", "sets": X},
        {"check": "backup_fresh", "sets": [X, {"name": X, "paths": X, "kind": X, "rpo_hours": X}]},
        {"check": "backup_fresh", "sets": [{"name": "x", "paths": [X], X: 1}]},
        {"check": "backup_fresh", "sets": "{% if a %}{{ b }}{% endif %}"},
        {"check": "certificate_expiry", "renew_days": X},
    ],
    ids=str,
)  # fmt: skip
def test_a_template_is_taken_for_something_that_fits(entry: Any) -> None:
    examine(entry, load())


@pytest.mark.parametrize(
    ("entry", "path", "said"),
    [
        ({"check": "http_health", "ulrs": X}, ("ulrs",),
         "check http_health has no parameter 'ulrs'; did you mean 'urls'?"),
        ({"check": "backup_fresh", "sets": [X, {"name": X, "pahts": X}]}, ("sets", 1, "pahts"),
         "check backup_fresh: sets has no key 'pahts'; did you mean 'paths'?"),
        ({"check": "backup_fresh", "sets": [{"name": "x", "paths": [X], "rpo_hour": 1}]}, ("sets", 0, "rpo_hour"),
         "check backup_fresh: sets has no key 'rpo_hour'; did you mean 'rpo_hours'?"),
        ({"check": "backup_fresh", "sets": [{"paths": X}]}, ("sets",),
         "check backup_fresh: missing required arguments: name found in sets"),
        ({"check": "backup_fresh", "sets": [{"name": X, "rpo_hours": "soon"}]}, ("sets",),
         "check backup_fresh: argument 'rpo_hours' is of type str found in 'sets'"),
        ({"check": "http_health", "urls": X, "tries": "few"}, ("tries",),
         "check http_health: argument 'tries' is of type str"),
        ({"check": "certificate_expiry", "files": X, "renew_days": "soon"}, ("renew_days",),
         "renew_days: found 'soon'; expected a number of days"),
    ],
    ids=["a parameter", "in a list with a template", "beside a list with one", "one that is missing",
         "another type within", "another type beside", "a limit beside"],
)  # fmt: skip
def test_what_is_wrong_around_a_template_is_found(
    entry: Any, path: tuple[str | int, ...], said: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        examine(entry, load())

    assert caught.value.path == path
    assert said in str(caught.value)


def test_a_gathers_parameters_have_their_defaults() -> None:
    found = validate(load()["site_errors"], {"window_seconds": "60"})

    assert found["window_seconds"] == 60
    assert set(found) == set(payload.gathers()["access_log"].ARGUMENTS)
