"""What people read of acts on hosts: what would be done, what was done, and how the hosts stand."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from upkeep.model.answer import Outcome
from upkeep.model.isolation import HostAct, IsolationSaid, ObstacleSaid
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.incident_acts import SilentPart, ended
from upkeep.rules.incidents import Acted, Author, Incident, IncidentEntry, Opened, Phase, fold
from upkeep.store.answers import Latest
from upkeep.view.incident_acts import ActShown, host_lines, print_ends, print_preview
from upkeep.view.screen import Screen

T0 = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
ANN = Author("ann", "ann")
BERLIN = ZoneInfo("Europe/Berlin")
SHOWN = ActShown("isolate", 1, "web", ["a", "b"], site="site")
FREE = HostAct(
    "a", IsolationSaid("none", kept=("10.0.0.1 tcp 22",), left_number=2, left=("x", "y"))
)
ROUTER = ObstacleSaid("router", "it forwards", "isolate those behind it")
FIRM = ObstacleSaid("no_nft", "nft: no such program", "apt-get install nftables", firm=True)
PASTED = "upkeep incident isolate 1 --hosts"


def against(*those: ObstacleSaid) -> HostAct:
    return HostAct("b", IsolationSaid("none", obstacles=those), "not isolated")


@pytest.mark.parametrize(
    ("other", "status", "says", "last"),
    [
        (replace(FREE, host="b"), 0, "b  would be isolated", f"  {PASTED} web --yes-isolate a,b -i site"),
        (
            against(ROUTER), 2, "isolate those behind it; --even-if router overrides it",
            f"  {PASTED} web --even-if router --yes-isolate a,b -i site",
        ),
        (
            against(ROUTER, FIRM), 2, "apt-get install nftables; nothing overrides it",
            "Nothing was changed. Put right first what nothing overrides.",
        ),
        (
            HostAct("b", IsolationSaid("confirmed", kept=("10.0.0.1 tcp 22",))), 0, "b  is isolated already",
            f"  {PASTED} web --yes-isolate a,b -i site",
        ),
        (
            SilentPart(Outcome.UNREACHABLE, "no route"), 3, "b  could not be looked at: no route",
            f"  {PASTED} web --yes-isolate a,b -i site",
        ),
    ],
    ids=["nothing", "one that can be overridden", "one that cannot", "isolated already", "not reached"],
)  # fmt: skip
def test_a_look_shows_what_stays_what_is_cut_and_what_stands_against_it(
    other: HostAct | SilentPart, status: int, says: str, last: str
) -> None:
    out = io.StringIO()

    assert print_preview(Screen(out), SHOWN, {"a": FREE, "b": other}) == status

    lines = out.getvalue().splitlines()
    assert lines[1:3] == [
        "    stays: 10.0.0.1 tcp 22",
        "    would be cut: 2 open connections: x, y",
    ]
    assert any(says in line for line in lines)
    assert lines[-1] == last


@pytest.mark.parametrize(
    ("heard", "status", "says"),
    [
        (HostAct("a", IsolationSaid("confirmed", proofs_held=2)), 0, "a  isolated"),
        (against(ROUTER), 2, f"{PASTED} a --even-if router --yes-isolate a -i site  # though that stands against it"),
        (against(ROUTER, FIRM), 2, "no_nft: nft: no such program"),
        (HostAct("a", IsolationSaid("loaded"), "late"), 2, "upkeep check isolation -i site --limit a  # see how it stands"),
        (HostAct("a", IsolationSaid("confirmed", leaks=("TCP",)), "x"), 2, "what is forbidden gets through: TCP"),
        (SilentPart(Outcome.UNREACHABLE, "no route"), 3, "a  not reached, or lost: if it is isolated, it releases itself"),
    ],
    ids=["done", "refused", "refused for good", "not confirmed", "not tight", "unreachable"],
)  # fmt: skip
def test_each_end_has_its_next_step_and_exit_status(
    heard: HostAct | SilentPart, status: int, says: str
) -> None:
    out = io.StringIO()

    assert print_ends(Screen(out), SHOWN, [ended("isolate", "a", heard, 7)]) == status

    assert says in out.getvalue()
    assert ("--even-if" in out.getvalue()) == (heard == against(ROUTER))


def incident(*acts: Acted) -> Incident:
    opened = Opened("security", "x", 1, "", T0, (Phase("one", "One", 900.0),))
    entries = [IncidentEntry(T0, ANN, opened, 1)]
    entries += [
        IncidentEntry(T0 + timedelta(minutes=n), ANN, one, n) for n, one in enumerate(acts, 1)
    ]
    return fold(1, entries)


def look(minutes: float, status: Status) -> Latest:
    at = T0 + timedelta(minutes=minutes)
    severity = Severity.HIGH if status is Status.FAIL else None
    return Latest("a", "isolation", "isolation", status, severity, "what was seen", at, 9)


DONE = Acted("isolate", ("a",), "done", 7, "", IsolationSaid("confirmed", proofs_held=2))


@pytest.mark.parametrize(
    ("acts", "seen", "kind", "told"),
    [
        ((DONE,), None, "pass", False),
        ((DONE,), look(0.5, Status.FAIL), "pass", False),
        ((DONE,), look(5, Status.FAIL), "fail", True),
        ((DONE,), look(5, Status.PASS), "pass", True),
        ((Acted("isolate", ("a",), "begun"),), None, "unknown", False),
        ((Acted("isolate", ("a",), "begun"),), look(5, Status.FAIL), "fail", True),
        ((Acted("isolate", ("a",), "begun"),), look(5, Status.PASS), "pass", True),
        ((ended("isolate", "a", against(ROUTER), 7),), look(5, Status.PASS), "fail", True),
    ],
    ids=["done", "seen before", "seen to fail", "seen to pass", "begun", "begun, and failed", "begun, and seen", "refused"],
)  # fmt: skip
def test_how_a_host_stands_by_the_record_and_by_the_look_after_it(
    acts: tuple[Acted, ...], seen: Latest | None, kind: str, told: bool
) -> None:
    looks = {"a": seen} if seen else {}

    (line,) = host_lines(incident(*acts), looks, BERLIN, T0 + timedelta(minutes=9), "site")

    assert line.kind == kind
    assert any("what was seen" in one for one in line.details) == told
    assert bool(line.step) == (acts != (DONE,))


def test_what_is_printed_is_told_as_whoever_asked() -> None:
    as_ollie = replace(SHOWN, as_user="ollie")

    pasted = as_ollie.again(confirmed=True)

    assert pasted.endswith("isolate 1 --hosts web --yes-isolate a,b --as ollie -i site")
