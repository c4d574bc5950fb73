"""The controller tries ports that an isolation has closed; what a host says of that is never believed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils.outside import add_tries, reached

HERE = "127.0.0.1"


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """A port that answers, and one that refuses."""
    with socket.create_server((HERE, 0)) as one, socket.socket() as other:
        other.bind((HERE, 0))
        yield one.getsockname()[1], other.getsockname()[1]


def test_ports_that_answer_are_told_from_others(ports: tuple[int, int]) -> None:
    answers, refuses = ports

    assert reached(HERE, [refuses, answers]) == [answers]
    assert reached("::1", [answers]) == []
    assert reached("no such host.invalid", [answers]) == []
    assert reached(HERE, []) == []


def tried(ports: Any, address: str = HERE, **more: Any) -> dict[str, Any]:
    """What stands in the observation of an isolated host once the controller has tried."""
    data = {"state": "confirmed", "ports": ports, **more}
    answer = {"answers": [{"observations": [{"subject": "isolation", "data": data}]}]}
    add_tries(answer, ["isolation"], address)
    return {name: data[name] for name in ("tried_ports", "open_ports")}


def test_what_the_controller_finds_takes_the_place_of_what_the_host_says(
    ports: tuple[int, int],
) -> None:
    answers, refuses = ports

    forged = {"tried_ports": [1], "open_ports": []}
    assert tried([answers, refuses], **forged) == {
        "tried_ports": [answers, refuses],
        "open_ports": [answers],
    }
    for nothing in ({"ports": [answers], "address": ""}, {"ports": [answers], "state": "none"}):
        assert tried(**{**forged, "open_ports": [9], **nothing}) == {
            "tried_ports": [],
            "open_ports": [],
        }


@pytest.mark.parametrize("said", [None, "80", [True, "80", -1, 65536, 2**80, [80]]])
def test_what_is_no_port_is_not_tried(said: Any) -> None:
    assert tried(said) == {"tried_ports": [], "open_ports": []}


@pytest.mark.parametrize(
    "answer",
    [None, [], {"answers": 3}, {"answers": [3]}, {"answers": [{"observations": [3, {"data": 3}]}]}],
)
def test_what_has_another_shape_is_left_as_it_is(answer: Any) -> None:
    before = repr(answer)

    add_tries(answer, ["isolation"], HERE)

    assert repr(answer) == before
