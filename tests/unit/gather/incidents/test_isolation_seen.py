"""What is seen of a host that is not isolated, or not any more. The rest needs a host: tests/service/."""

from __future__ import annotations

import json
from typing import Any

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.incidents.isolation import gather
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import DENIED, HostError

RUN = "/run/upkeep/isolation"
LAST = "/var/lib/upkeep/isolation/last.json"
BOOT = "/proc/sys/kernel/random/boot_id"
STATE = json.dumps({"phase": "confirmed", "by": "alice", "since": 1795828593, "until": 1795914993})
EVENTS = "1795828593 loaded by alice\n1795830000 releasing by bob\n1795830000 released by bob\n"
ENDED = {f"{RUN}/current": "one\n", f"{RUN}/one/state.json": STATE, f"{RUN}/one/events": EVENTS}


def seen(files: dict[str, str]) -> dict[str, Any]:
    (found,) = gather({}, RecordedHost(files={BOOT: "this-boot\n", **files}))
    assert found.subject == "isolation"
    assert found.error == ""
    return found.data


def test_a_host_that_was_never_isolated() -> None:
    found = seen({})

    assert (found["state"], found["left"]) == ("none", [])
    assert "before_boot" not in found


def test_a_host_that_somebody_has_released() -> None:
    found = seen(ENDED)

    assert found["state"] == "released"
    assert found["released_by"] == "by bob"
    assert found["released_at"] == "2026-11-28T01:40:00+00:00"
    assert found["until"] is None


@pytest.mark.parametrize(
    ("last", "before"),
    [
        (
            {"boot_id": "another", "by": "alice", "reboot": "released"},
            {"by": "alice", "reboot": "released"},
        ),
        ({"boot_id": "this-boot", "by": "alice", "reboot": "released"}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_reboot_that_has_released_it(last: Any, before: dict[str, str] | None) -> None:
    assert seen({LAST: json.dumps(last)}).get("before_boot") == before


class Closed(RecordedHost):
    """A host whose folder of root this account may not read."""

    def open(self, path: str, follow_links: bool = True) -> Any:
        raise HostError(f"{path}: permission denied", DENIED, path)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (Closed(), "permission denied"),
        (
            RecordedHost(files={f"{RUN}/current": "../../etc"}),
            "expected letters, digits and dashes",
        ),
        (RecordedHost(files={LAST: "half"}), "Expecting value"),
    ],
    ids=["not root", "no id", "half a file"],
)
def test_what_could_not_be_seen_is_unknown(host: RecordedHost, why: str) -> None:
    (found,) = gather({}, host)

    assert why in found.error
    assert "state" not in found.data
