"""A changed key is told apart from a key that was never known, and from all else that keeps a host away."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.connection import host_key
from upkeep.checks.connection.host_key import Limits, judge
from upkeep.judging.canaries import SUFFIX
from upkeep.judging.check import CONNECTION, load
from upkeep.judging.entries import ParameterError, find
from upkeep.judging.judge import unseen
from upkeep.model.answer import Due, Outcome, Request
from upkeep.model.verdicts import Severity, Status, failed

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RECORDED = json.loads((Path(host_key.__file__).with_suffix(SUFFIX)).read_text())
CHANGED = RECORDED["observation"]["data"]["problem"]
CHANGED_KEY = failed(Severity.HIGH, "its key is not the known one; nothing was sent to the host")


@pytest.mark.parametrize(
    ("problem", "verdict"),
    [
        (CHANGED, CHANGED_KEY),
        ("No ED25519 host key is known for 10.91.1.10 and you have requested strict checking. Host key verification failed.", None),
        ("host key for 10.91.1.10 has changed and you have requested strict checking.", CHANGED_KEY),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", CHANGED_KEY),
        ("ssh: connect to host 10.91.1.10 port 22: No route to host", None),
        ("", None),
    ],
    ids=["changed", "never known", "strict", "warned", "away", "answered"],
)  # fmt: skip
def test_why_a_host_is_away(problem: str, verdict: object) -> None:
    assert judge(Observation(CONNECTION, {"problem": problem}), Limits(), NOW) == verdict


def test_it_stands_beside_the_unknown_verdicts_of_a_host_that_was_not_seen() -> None:
    due, requests = [Due("disk_space", 0, {})], [Request("file_systems", {})]

    observed = unseen("web1", Outcome.UNREACHABLE, CHANGED, due, requests, load(), NOW)

    found = [(one.check, one.subject, one.status) for one in observed.results]
    assert found == [("disk_space", "*", Status.UNKNOWN), ("host_key", CONNECTION, Status.FAIL)]


def test_no_site_asks_for_it() -> None:
    with pytest.raises(ParameterError, match="runs whenever a host is connected to"):
        find("host_key", load())
