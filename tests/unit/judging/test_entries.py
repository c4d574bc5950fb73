"""What a site may say of a check, and what it is told when it says something else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import Check, load
from upkeep.judging.entries import (
    ParameterError,
    find,
    make_limits,
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
    trouble="T",
    gather="access_log",
    since="0.1.0",
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
                "check host_key runs whenever a host is connected to; no site lists it",
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


def test_a_gathers_number_is_finite() -> None:
    # No age is over an RPO that is no number: it would always pass.
    with pytest.raises(ParameterError) as caught:
        validate(load()["backup_fresh"], {"sets": [{"name": "shop", "rpo_hours": math.nan}]})

    assert str(caught.value) == "check backup_fresh: sets has a number that is not finite"
    assert caught.value.key == "sets"


def test_a_gathers_parameters_have_their_defaults() -> None:
    found = validate(load()["site_errors"], {"window_seconds": "60"})

    assert found["window_seconds"] == 60
    assert set(found) == set(payload.gathers()["access_log"].ARGUMENTS)
