"""What a site's entries ask for: a check alone, a family, a list, a pattern; and what is told of a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from upkeep.checks import databases
from upkeep.judging.check import load
from upkeep.judging.entries import ParameterError
from upkeep.judging.examine import examine, examine_list
from upkeep.judging.wanted import WantedCheck, merge, of_entry, of_list

SETS = [{"name": "shop", "paths": ["/a"]}]
LATER = {**load(), "backup_size": replace(load()["backup_size"], since="0.2.0")}
"""As if backup_size had come with a later release."""


def sources(wanted: Iterable[WantedCheck]) -> list[Any]:
    return [one.source for one in wanted]


def asked(wanted: Iterable[WantedCheck]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    return {one.check.id: (one.params, one.limits) for one in wanted}


# --- families --------------------------------------------------------------------------------------------------------
BACKUPS = [
    "backup_fresh",
    "backup_manifest",
    "backup_readable",
    "backup_retention",
    "backup_second_copy",
    "backup_size",
]
DATABASES = sorted(path.stem for path in Path(databases.__file__).parent.glob("[!_]*.py"))
"""A family is a folder."""
RESTORES = [
    "backup_key_copy",
    "backup_recovery_point",
    "backup_restore_coverage",
    "backup_restore_time",
    "backup_restored",
]
"""Of another family, and called alike."""


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"checks": "backups", "sets": SETS}, BACKUPS),
        ({"checks": ["backups"], "sets": SETS}, BACKUPS),
        ({"checks": "backup_*", "sets": SETS}, sorted(BACKUPS + RESTORES)),
        ({"checks": "backup_[fm]*", "sets": SETS}, ["backup_fresh", "backup_manifest"]),
        ({"checks": ["backup_size", "backup_fresh"], "sets": SETS}, ["backup_size", "backup_fresh"]),
        ({"checks": ["backup_size", "backups"], "sets": SETS}, ["backup_size", *BACKUPS[:-1]]),
        ({"checks": "disk_space"}, ["disk_space"]),
        ({"checks": ["disk_*", "swap_used"]}, ["disk_inodes", "disk_space", "disk_space_trend", "swap_used"]),
        ({"checks": "backups", "sets": SETS, "without": "backup_size"}, BACKUPS[:-1]),
        ({"checks": "backups", "sets": SETS, "without": BACKUPS[1:]}, BACKUPS[:1]),
        ("databases", DATABASES),
        ("disk_*", ["disk_inodes", "disk_space", "disk_space_trend"]),
        ("disk_space", ["disk_space"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_family_a_list_and_a_pattern_are_checks(entry: Any, names: list[str]) -> None:
    wanted = of_entry(entry, load())

    assert [one.check.id for one in wanted] == names
    assert all(one.source is entry for one in wanted)


def test_a_parameter_goes_to_those_that_know_it() -> None:
    entry = {
        "checks": ["database_connect", "database_pool"],
        "databases": [{"kind": "redis"}],
        "high_seconds": 3,
    }

    assert asked(of_entry(entry, load())) == {
        "database_connect": ({"databases": [{"kind": "redis"}]}, {"high_seconds": 3}),
        "database_pool": ({"databases": [{"kind": "redis"}]}, {}),
    }


def test_limits_of_one_check_hold_over_those_of_all() -> None:
    entry = {
        "checks": ["disk_space", "disk_inodes"],
        "high_percent": 80,
        "limits": {"disk_space": {"high_percent": 85, "medium_percent": 75}},
    }
    space, inodes = of_entry(entry, load())

    assert space.limits == {"high_percent": 85, "medium_percent": 75}
    assert inodes.limits == {"high_percent": 80}
    assert space.ways == {
        "": (),
        "high_percent": ("limits", "disk_space", "high_percent"),
        "medium_percent": ("limits", "disk_space", "medium_percent"),
    }
    assert inodes.ways == {"": (), "high_percent": ("high_percent",)}


@pytest.mark.parametrize(
    ("alone", "size"),
    [
        ({"sets": SETS, "at_least_percent": 60}, {"at_least_percent": 60, "at_most_percent": 200}),
        ({"at_least_percent": 60}, {"at_least_percent": 60, "at_most_percent": 200}),
        ({"at_most_percent": 250}, {"at_most_percent": 250}),
        ({"sets": SETS}, {"at_most_percent": 200}),
    ],
    ids=["the same things", "no things", "the same limit", "no limit"],
)
@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
def test_an_entry_alone_refines_a_family_in_the_same_list(
    alone: dict[str, Any], size: dict[str, Any], first: bool
) -> None:
    family = {
        "checks": "backups",
        "sets": SETS,
        "limits": {"backup_size": {"at_most_percent": 200}},
    }
    single = {"check": "backup_size", **alone}
    found = asked(of_list([single, family] if first else [family, single], load()))

    assert list(found) == BACKUPS
    assert found["backup_size"] == ({"sets": SETS}, size)
    assert found["backup_fresh"] == ({"sets": SETS}, {})


@pytest.mark.parametrize(
    "alone",
    [
        {"check": "database_connect", "databases": [{"kind": "redis"}], "high_seconds": 3},
        "database_connect",
        {"check": "database_connect", "discover": False},
    ],
    ids=str,
)
def test_an_entry_alone_that_names_other_things_stands_beside_the_family(alone: Any) -> None:
    family = {"checks": "databases", "databases": [{"kind": "mariadb"}]}

    assert sources(of_list([family, alone], load())) == [*[family] * len(DATABASES), alone]


def test_a_refined_limit_knows_where_it_stands() -> None:
    entries = ["swap_used", {"check": "disk_space", "high_percent": 85}, "hosts"]
    found = {one.check.id: one for one in of_list(entries, load(), variable="upkeep_checks_a")}

    assert found["disk_space"].ways == {"": (2,), "high_percent": (1, "high_percent")}
    assert found["disk_space"].variable == "upkeep_checks_a"


def test_two_entries_that_refine_to_other_limits_are_an_error() -> None:
    entries = ["hosts", *({"check": "disk_space", "high_percent": one} for one in (80, 85))]

    with pytest.raises(ParameterError) as caught:
        of_list(entries, load())

    said = "check disk_space: two entries of this list refine high_percent: 80 and 85"
    assert str(caught.value) == said
    assert (caught.value.entry, caught.value.path) == (entries[2], (2, "high_percent"))


def test_an_entry_in_another_group_does_not_refine() -> None:
    variables = {
        "upkeep_checks_base": ["hosts"],
        "upkeep_checks_tills": [{"check": "disk_space", "high_percent": 85}],
    }

    with pytest.raises(ParameterError) as caught:
        merge(variables, load())

    said = "check disk_space of the same things, with different limits in upkeep_checks_base and upkeep_checks_tills"
    assert str(caught.value) == said
    assert caught.value.entry == variables["upkeep_checks_tills"][0]


def test_a_family_in_two_groups_counts_once() -> None:
    merged = merge({"upkeep_checks_a": ["databases"], "upkeep_checks_b": ["database_*"]}, load())

    assert sources(merged) == ["databases"] * len(DATABASES)


@pytest.mark.parametrize(
    ("entry", "version", "names"),
    [
        ("backup_*", "0.1.0", sorted(BACKUPS[:-1] + RESTORES)),
        ("backups", "0.1.0", BACKUPS[:-1]),
        ("backups", "0.1.9", BACKUPS[:-1]),
        ("backups", "0.2.0", BACKUPS),
        ("backups", "0.10.0", BACKUPS),
        ("backups", "1.0.0", BACKUPS),
        (["backup_size"], "0.1.0", ["backup_size"]),
        (["backups", "backup_size"], "0.1.0", BACKUPS),
    ],
)
def test_a_family_means_the_checks_of_the_release_that_is_chosen(
    entry: Any, version: str, names: list[str]
) -> None:
    wanted = of_entry({"checks": entry, "sets": SETS}, LATER, version)

    assert sorted(one.check.id for one in wanted) == names


def test_what_came_later_may_be_left_out_beforehand() -> None:
    entry = {"checks": "backups", "sets": SETS, "without": ["backup_size"]}

    for version in ("0.1.0", "0.2.0"):
        assert [one.check.id for one in of_entry(entry, LATER, version)] == BACKUPS[:-1]


WRONG: list[tuple[Any, tuple[str | int, ...], str]] = [
    ("backup", ("check",), "there is no check 'backup'; did you mean 'backups'?"),
    ({"checks": "backup", "sets": SETS}, ("checks",),
     "there is no check and no family 'backup'; did you mean 'backups'?"),
    ({"checks": ["disk_space", "backup_siez"]}, ("checks", 1),
     "there is no check and no family 'backup_siez'; did you mean 'backup_size'?"),
    ({"checks": "bakcup_*"}, ("checks",), "no check fits the pattern 'bakcup_*'"),
    ({"checks": "connection"}, ("checks",), "there is no check and no family 'connection'; did you mean 'database_connect'?"),
    ({"checks": "host_key"}, ("checks",),
     "check host_key runs whenever a host is connected to; no site lists it"),
    ({"checks": "host_*"}, ("checks",), "no check fits the pattern 'host_*'"),
    ({"checks": []}, ("checks",), "checks: found []; expected a family, or a list of checks"),
    ({"checks": {"a": 1}}, ("checks",), "checks: found {'a': 1}; expected a list of names"),
    ({"checks": [["hosts"]]}, ("checks",), "checks: found [['hosts']]; expected a list of names"),
    ({"checks": None}, ("checks",), "checks: found None; expected a list of names"),
    ({"checks": "hosts", "check": "disk_space"}, ("check",),
     "an entry with `check` and `checks`; expected one of them"),
    ({"check": "backups"}, ("check",), "'backups' is not a single check; expected `checks: backups`"),
    ({"check": "backup_*"}, ("check",), "'backup_*' is not a single check; expected `checks: backup_*`"),
    ({"checks": "backups", "stes": SETS}, ("stes",),
     "no check of backups has a parameter 'stes'; did you mean 'sets'?"),
    ({"checks": "backups", "sets": SETS, "withuot": []}, ("withuot",),
     "no check of backups has a parameter 'withuot'; did you mean 'without'?"),
    ({"checks": "backups", "sets": SETS, "without": ["backup_siez"]}, ("without", 0),
     "without: 'backup_siez' is not a check of backups; did you mean 'backup_size'?"),
    ({"checks": "backups", "sets": SETS, "without": BACKUPS}, ("checks",),
     "backups has no check: without leaves all of them out"),
    ({"checks": "backups", "sets": SETS, "without": 7}, ("without",),
     "without: found 7; expected a list of names"),
    ({"checks": "backups", "sets": SETS, "limits": {"backup_siez": {}}}, ("limits", "backup_siez"),
     "limits: 'backup_siez' is not a check of backups; did you mean 'backup_size'?"),
    ({"checks": "backups", "sets": SETS, "limits": {"backup_size": {"at_lest_percent": 5}}},
     ("limits", "backup_size", "at_lest_percent"),
     "check backup_size has no limit 'at_lest_percent'; did you mean 'at_least_percent'?"),
    ({"checks": "backups", "sets": SETS, "limits": {"backup_size": {"sets": []}}},
     ("limits", "backup_size", "sets"), "check backup_size has no limit 'sets'"),
    ({"checks": "backups", "sets": SETS, "limits": {"backup_size": 60}}, ("limits", "backup_size"),
     "limits: backup_size: found 60; expected a mapping of its limits"),
    ({"checks": "backups", "sets": SETS, "limits": [60]}, ("limits",),
     "limits: found [60]; expected a mapping of checks, each with its limits"),
    ({"checks": "backups", "sets": SETS, "limits": {"backup_size": {"at_least_percent": "most"}}},
     ("limits", "backup_size", "at_least_percent"),
     "check backup_size: at_least_percent: found 'most'; expected a number of percent"),
    ({"checks": "hosts", "medium_percent": "most"}, ("medium_percent",),
     "check disk_inodes: medium_percent: found 'most'; expected a number of percent"),
    ("backups", (),
     "check backup_fresh needs sets; set it, or leave the check out: without: [backup_fresh]"),
    ({"checks": "web", "urls": ["https://a.example"]}, (),
     "check external_service needs services; set it, or leave the check out: without: [external_service]"),
    ({"checks": "backups", "sets": [{"name": "x", "pahts": 1}]}, ("sets", 0, "pahts"),
     "check backup_fresh: sets has no key 'pahts'; did you mean 'paths'?"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "path", "said"), WRONG, ids=[said for _e, _p, said in WRONG])
def test_what_is_wrong_with_a_familys_entry_is_told_with_its_place(
    entry: Any, path: tuple[str | int, ...], said: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        examine(entry, load())

    assert (str(caught.value), caught.value.path) == (said, path)


def test_every_entry_of_a_list_that_is_wrong_is_told_at_once() -> None:
    entries = ["disk_spac", "hosts", {"checks": "databases", "dicsover": True}]

    assert [one.path for one in examine_list(entries, load())] == [(0, "check"), (2, "dicsover")]


def test_what_two_entries_of_a_list_cannot_mean_together_is_told() -> None:
    entries = ["hosts", *({"check": "disk_space", "high_percent": one} for one in (80, 85))]

    (found,) = examine_list(entries, load())

    assert found.path == (2, "high_percent")


@pytest.mark.parametrize(
    "entry",
    [
        {"checks": "{{ x }}", "pahts": 1},
        {"checks": ["hosts", "{{ x }}"]},
        {"checks": "backups", "without": "{{ x }}"},
        {"checks": "backups", "without": ["{{ x }}"], "stes": 1},
        {"checks": "backups", "sets": "{{ x }}"},
        {"checks": "backups", "sets": SETS, "limits": "{{ x }}"},
        {"checks": "backups", "sets": SETS, "limits": {"backup_size": {"at_least_percent": "{{ x }}"}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_template_in_a_familys_entry_is_taken_for_something_that_fits(entry: Any) -> None:
    examine(entry, load())


def test_what_only_ansible_resolves_is_left_out_where_it_is_asked_for() -> None:
    entries = ["{{ x }}", {"checks": "{{ x }}"}, "disk_space"]

    assert sources(of_list(entries, load(), skip_opaque=True)) == ["disk_space"]
    with pytest.raises(ParameterError, match=r"there is no check '\{\{ x \}\}'"):
        of_list(entries, load())


# --- lists of several groups ------------------------------------------------------------------------------------------
def test_the_lists_of_all_groups_are_merged_in_the_order_of_their_names() -> None:
    merged = merge(
        {"upkeep_checks_web": ["disk_space", "swap_used"], "upkeep_checks_base": ["swap_used"]},
        load(),
    )

    assert sources(merged) == ["swap_used", "disk_space"]


def test_groups_that_disagree_are_an_error_not_a_choice() -> None:
    first = next(iter(load()["disk_space"].limits.__dataclass_fields__))
    variables = {
        "upkeep_checks_a": [{"check": "disk_space", first: 1}],
        "upkeep_checks_b": [{"check": "disk_space", first: 2}],
    }

    with pytest.raises(ParameterError) as caught:
        merge(variables, load())

    expected = "check disk_space of the same things, with different limits in"
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

    with pytest.raises(ParameterError, match="of the same things, with different limits"):
        merge(variables, load())


def test_a_date_as_yaml_reads_it_is_compared_as_well() -> None:
    entries = [{"check": "site_errors", "paths": [day]} for day in (date(2026, 1, 2), date.max)]

    assert sources(merge({"upkeep_checks_a": [*entries, entries[0]]}, load())) == entries


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
        merge({"upkeep_checks_a": value}, load())

    assert caught.value.key == "upkeep_checks_a"


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

    assert sources(merge(variables, load())) == merged


def test_an_entry_that_is_wrong_is_told_with_its_variable_its_key_and_itself() -> None:
    entry = {"check": "site_errors", "pahts": ["/a"]}

    with pytest.raises(
        ParameterError, match=r"^upkeep_checks_a: check site_errors has no "
    ) as caught:
        merge({"upkeep_checks_a": ["disk_space", entry]}, load())

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


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {
                "checks": "hosts",
                "without": ["disk_space"],
                "limits": {"disk_space": {"high_percent": 9}},
            },
            "limits: without leaves 'disk_space' out",
        ),
        (
            {"checks": ["hosts", "logins"], "without": ["logins"]},
            "without: 'logins' is not a check of hosts, logins",
        ),
    ],
)
def test_what_is_a_word_of_its_own_is_taken_for_no_other(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError) as found:
        of_list([entry], load())
    assert str(found.value) == said
