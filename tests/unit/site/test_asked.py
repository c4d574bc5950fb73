"""What a host asks for, as far as its variables alone say it."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.judging.entries import ParameterError
from upkeep.site.asked import asked_by

LOOKUP = "{{ lookup('env', 'X') }}"


@pytest.mark.parametrize(
    ("variables", "checks", "is_all"),
    [
        ({}, [], True),
        ({"upkeep_checks_a": ["disk_space"], "other": ["swap_used"]}, ["disk_space"], True),
        ({"upkeep_checks_a": "{{ b }}", "b": ["disk_*"]}, ["disk_inodes", "disk_space", "disk_space_trend"], True),
        ({"upkeep_checks_a": [LOOKUP, "disk_space"]}, ["disk_space"], False),
        ({"upkeep_checks_a": LOOKUP, "upkeep_checks_b": ["disk_space"]}, ["disk_space"], False),
        ({"upkeep_checks_a": [{"checks": "disk_*", "without": LOOKUP}]}, [], False),
        ({"upkeep_checks_a": [{"check": "disk_space", "high_percent": LOOKUP}]}, ["disk_space"], True),
        ({"upkeep_checks_a": "{{ [inventory_hostname] }}"}, ["swap_used"], True),
        ({"upkeep_checks_a": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256"}}, [], False),
    ],
)  # fmt: skip
def test_what_variables_alone_ask_for(
    variables: dict[str, Any], checks: list[str], is_all: bool
) -> None:
    asked = asked_by("swap_used", variables)

    assert [one.check.id for one in asked.wanted] == checks
    assert asked.is_all is is_all


@pytest.mark.parametrize(
    ("said", "jobs"),
    [
        (["log_rotation"], ("log_rotation",)),
        ("{{ ['log_rotation'] if inventory_hostname == 'web1' else [] }}", ("log_rotation",)),
        (LOOKUP, None),
        ([LOOKUP], None),
        ([], ()),
        ("log_rotation", ()),
    ],
)
def test_the_jobs_that_a_host_opts_in_to(said: Any, jobs: tuple[str, ...] | None) -> None:
    assert asked_by("web1", {"upkeep_jobs": said}).jobs == jobs
    assert asked_by("web1", {}).jobs == ()


def test_the_release_that_a_host_means() -> None:
    assert asked_by("web1", {}).release == "0.1.0"
    assert asked_by("web1", {"upkeep_family_version": "{{ v }}", "v": "0.0.9"}).release == "0.0.9"
    unknown = asked_by("web1", {"upkeep_family_version": LOOKUP})
    assert (unknown.release, unknown.is_all) == ("0.1.0", False)
    with pytest.raises(ParameterError, match=r"upkeep_family_version: found '99.0.0'"):
        asked_by("web1", {"upkeep_family_version": "99.0.0"})


@pytest.mark.parametrize("value", [{"a": 1}, 7, "disk_space"])
def test_a_list_that_is_none_is_told(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"upkeep_checks_a: .* found; expected a list"):
        asked_by("web1", {"upkeep_checks_a": value})
