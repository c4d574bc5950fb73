"""Templates are resolved by a site's variables alone, or stay as they are."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.site.templates import listed, resolved

SETS = [{"name": "shop", "paths": ["/a"]}]
VARIABLES: dict[str, Any] = {
    "sets": SETS,
    "again": "{{ sets }}",
    "hours": 24,
    "round": "{{ trip }}",
    "trip": "{{ round }}",
    "secret": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n61"},
    "unsafe": {"__ansible_unsafe": "{{ no template }}"},
}


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("plain", "plain"),
        ("{{ sets }}", SETS),
        ("{{ again }}", SETS),
        ("{{ sets + again }}", SETS * 2),
        ("{{ sets[0].name }}-{{ hours }}", "shop-24"),
        ({"sets": ["{{ sets[0] }}"]}, {"sets": SETS}),
        ("{{ [{'name': 'x'}] }}", [{"name": "x"}]),
        ("{% if hours > 12 %}long{% else %}short{% endif %}", "long"),
    ],
    ids=str,
)
def test_what_the_variables_give(value: Any, given: Any) -> None:
    assert resolved(value, VARIABLES) == given


@pytest.mark.parametrize(
    "value",
    [
        "{{ unknown }}",
        "{{ sets | combine({}) }}",
        "{{ lookup('env', 'HOME') }}",
        "{{ round }}",
        "{{ sets.nothing }}",
        "{{ [sets.nothing] }}",
        "{{ sets[7].name }}",
        "{{ hours / 0 }}",
        "{{ sets.append(1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ broken",
        "{{ secret }}",
    ],
)
def test_what_only_ansible_gives_stays(value: str) -> None:
    assert resolved(value, listed(VARIABLES)) == value
    assert VARIABLES["sets"] == SETS


def test_what_ansible_lists() -> None:
    assert listed([VARIABLES["secret"], VARIABLES["unsafe"]]) == [
        "{{ vaulted }}",
        "{{ no template }}",
    ]
