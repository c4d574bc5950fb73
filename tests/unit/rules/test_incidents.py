"""Incidents as the fold of their entries: clocks, hand-overs, drills, and what may be entered when."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from upkeep.judging.check import SelfCheck, every
from upkeep.model.errors import UsageError
from upkeep.model.isolation import IsolationSaid
from upkeep.model.roles import Role
from upkeep.rules.incident_chain import IncidentRow, KnownIncidents, against, follow
from upkeep.rules.incident_kinds import CHECKS, DRILLS, MARK, OF_INCIDENTS, kind_of, procedure_of
from upkeep.rules.incidents import (
    MACHINE,
    NAMES,
    Acknowledged,
    Acted,
    Advanced,
    AlertJoined,
    AskedStep,
    Assigned,
    Author,
    Closed,
    FollowUpAdded,
    FollowUpDone,
    HandedOver,
    Incident,
    IncidentEntry,
    KnownNames,
    LinkMade,
    LinkRevoked,
    Noted,
    Opened,
    Phase,
    Said,
    StepDone,
    StepSkipped,
    ToldPerson,
    entry_of,
    fold,
    isolations,
    record_of,
    refuse,
    refuse_opening,
    rehearsed,
)
from upkeep.rules.waivers import Who

BERLIN = ZoneInfo("Europe/Berlin")
T0 = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
ANN, BOB = Author("ann", "ann"), Author("bob", "bob")
PHASES = (
    Phase(
        "response",
        "Immediate response",
        900.0,
        (
            AskedStep("isolate", "Isolate", act="isolate"),
            AskedStep("log", "Log", "upkeep show {incident}"),
        ),
    ),
    Phase("assessment", "Assessment", 3600.0, (AskedStep("scope", "Scope"),)),
    Phase("recovery", "Recovery", 86400.0, (AskedStep("release", "Release", act="release"),)),
)
OPENED = Opened("security", "Strange logins", 1, "web1", T0, PHASES)
DRILL = replace(OPENED, drill=True, drill_hosts=("lab1", "lab2"))
KNOWN = KnownNames(("ann", "bob"), ("ann", "bob", "security"), date(2026, 6, 1))
APPROVER = Who("ann", Role.APPROVER, "ann")


def minutes(count: float) -> datetime:
    return T0 + timedelta(minutes=count)


def incident(*said: Said | tuple[float, Author, Said], opened: Opened = OPENED) -> Incident:
    """The incident that these entries make: each a minute after the one before it, by ann, if nothing else is said."""
    entries = [IncidentEntry(T0, ANN, opened, 1)]
    for number, one in enumerate(said, 2):
        at, by, what = one if isinstance(one, tuple) else (number - 1.0, ANN, one)
        entries.append(IncidentEntry(minutes(at), by, what, number))
    return fold(7, entries)


# --- records ---------------------------------------------------------------------------------------------------------
EVERY: tuple[Said, ...] = (
    OPENED,
    DRILL,
    AlertJoined(3, "Logins on web1", T0),
    Acknowledged(4, "mine"),
    Assigned("scribe", "bob"),
    Noted("two accounts"),
    StepDone("log"),
    StepSkipped("log", "no need"),
    Advanced("assessment"),
    HandedOver("bob", "web1 is isolated"),
    Acted("isolate", ("web1",), "done", 12, "confirmed"),
    ToldPerson("clinic", "what happened", "telephone", T0, None),
    FollowUpAdded("new keys", "security", date(2026, 7, 1)),
    FollowUpDone(1, "done"),
    LinkMade("regulator", "0" * 64, minutes(60), full=True),
    LinkRevoked(1),
    Closed("look at logins each day", "", "password"),
)


def test_every_kind_of_entry_is_tried() -> None:
    assert {type(one) for one in EVERY} == set(NAMES)


@pytest.mark.parametrize("said", EVERY, ids=lambda one: NAMES[type(one)])
@pytest.mark.parametrize("by", [ANN, MACHINE], ids=["a person", "the machine"])
def test_an_entry_is_read_as_it_was_written(said: Said, by: Author) -> None:
    entry = IncidentEntry(T0, by, said, 9)

    record = json.loads(json.dumps(record_of(entry, "site")))

    assert entry_of({**record, "number": 9}) == entry


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [IncidentEntry(T0, ANN, Noted("x"))],
        [IncidentEntry(T0, ANN, OPENED), IncidentEntry(T0, ANN, OPENED)],
    ],
    ids=["none", "no opening", "two openings"],
)
def test_entries_that_make_no_incident_are_refused(entries: list[IncidentEntry]) -> None:
    with pytest.raises(ValueError, match="incident 7"):
        fold(7, entries)


# --- the fold --------------------------------------------------------------------------------------------------------
def test_entries_add_up_to_how_it_stands() -> None:
    found = incident(
        Assigned("commander", "ann"),
        Assigned("scribe", "bob"),
        Acted("isolate", ("web1",), "done", 12),
        StepSkipped("log", "no space"),
        Advanced("assessment"),
        HandedOver("bob", "web1 is isolated"),
        FollowUpAdded("new keys", "security", date(2026, 7, 1)),
    )

    assert (found.commander, found.scribe) == ("bob", "bob")
    assert {one: state.how for one, state in found.steps.items()} == {
        "isolate": "done",
        "log": "skipped",
    }
    assert found.steps["isolate"].text == "isolate on web1"
    assert found.current.id == "assessment"
    assert found.next_step() == AskedStep("scope", "Scope")
    assert [step.id for step in found.open_steps()] == ["scope", "release"]
    assert [(one.number, one.done_at) for one in found.follow_ups] == [(1, None)]
    assert found.owed == 1


STATES = {("isolate", "done"): "confirmed", ("isolate", "refused"): "none", ("release", "done"): "released"}  # fmt: skip


def _act(act: str, *hosts: str, how: str = "done") -> Acted:
    return Acted(
        act, hosts, how, 1, "", IsolationSaid(STATES.get((act, how), "confirmed"), id="3f")
    )


@pytest.mark.parametrize(
    ("said", "done"),
    [
        ([_act("release", "web1")], True),  # of a host that was not isolated by it
        ([_act("isolate", "web1"), _act("release", "web1")], True),
        ([_act("isolate", "web1", "web2"), _act("release", "web1")], False),
        ([_act("isolate", "web1", "web2"), _act("release", "web1"), _act("release", "web2")], True),
        ([_act("release", "web2"), _act("isolate", "web1")], False),
        ([_act("isolate", "web1"), _act("release", "web1"), _act("isolate", "web1")], False),
        ([_act("isolate", "web1"), _act("release", "web1"), _act("isolate", "web2", how="refused")], True),
        ([_act("isolate", "web1"), _act("release", "web1", how="failed")], False),
        ([StepDone("release", "by hand"), _act("isolate", "web1")], True),  # a person's word stays
        ([StepSkipped("release", "not ours"), _act("isolate", "web1")], True),
    ],
)  # fmt: skip
def test_a_release_is_done_while_nothing_is_isolated(said: list[Said], done: bool) -> None:
    assert ("release" in incident(*said).steps) is done


@pytest.mark.parametrize(
    ("state", "how", "hosts"),
    [
        ("confirmed", "done", {"web1"}),
        ("confirmed", "not tight", {"web1"}),
        ("loaded", "not confirmed", set()),  # it releases itself
        ("none", "refused", set()),
        ("none", "unreachable", set()),
    ],
)
def test_what_an_incident_has_isolated_is_what_was_confirmed(
    state: str, how: str, hosts: set[str]
) -> None:
    said = Acted("isolate", ("web1",), how, 1, "", IsolationSaid(state, id="3f"))

    assert set(isolations(incident(said), confirmed=True)) == hosts


def test_an_act_that_did_not_succeed_does_no_step() -> None:
    found = incident(Acted("isolate", ("web1",), "failed", 12))

    assert found.steps == {}
    assert found.next_step() == PHASES[0].steps[0]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (PHASES[0].steps[0], "upkeep incident isolate 7 --hosts web1"),
        (PHASES[0].steps[1], "upkeep show 7"),
        (PHASES[1].steps[0], ""),
    ],
    ids=["an act", "a command with the number", "a person"],
)
def test_a_step_has_the_command_that_does_it(step: AskedStep, said: str) -> None:
    assert incident().command_of(step) == said


# --- clocks ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "now", "late"),
    [
        ((), 15, []),
        ((), 15.1, [0]),
        ((), 61, [0, 1]),
        ((StepSkipped("isolate", "x"), StepDone("log"), Advanced("assessment")), 61, [1]),
        ((Closed("x", "y"),), 5000, []),
    ],
    ids=["at its end", "just after it", "two", "advanced in time", "closed"],
)
def test_a_phase_is_overdue_after_its_time(
    said: tuple[Said, ...], now: float, late: list[int]
) -> None:
    assert incident(*said).overdue(minutes(now)) == late


@pytest.mark.parametrize(
    ("local", "ends"),
    [
        (datetime(2026, 3, 29, 1, 50, tzinfo=BERLIN), "03:05 CEST"),  # 02:00 is skipped
        (datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN), "02:05 CET"),  # 02:00 comes again
        (datetime(2026, 10, 25, 2, 50, fold=1, tzinfo=BERLIN), "03:05 CET"),
    ],
    ids=["into summer", "into winter", "in the hour that comes again"],
)
def test_a_clock_takes_as_long_while_the_time_of_day_changes(local: datetime, ends: str) -> None:
    opened_at = local.astimezone(UTC)
    found = fold(7, [IncidentEntry(opened_at, ANN, replace(OPENED, seen_at=opened_at))])

    assert found.deadline(0) - opened_at == timedelta(minutes=15)
    assert found.deadline(0).astimezone(BERLIN).strftime("%H:%M %Z") == ends


def test_a_hand_over_moves_no_clock() -> None:
    before, after = incident(Assigned("commander", "ann")), incident(HandedOver("bob", "so it is"))

    assert [after.deadline(one) for one in range(3)] == [before.deadline(one) for one in range(3)]
    assert after.commander == "bob"


def test_a_phase_that_ended_late_stays_late() -> None:
    found = incident((20, ANN, Advanced("assessment")))

    assert found.was_late(0, minutes(500))
    assert not found.was_late(1, minutes(30))
    assert found.ended_at(0) == minutes(20)


@pytest.mark.parametrize(
    ("opened_by", "seen", "said", "response"),
    [
        (ANN, 0, (), 0.0),
        (ANN, -10, (), 10.0),
        (MACHINE, 0, (), None),
        (MACHINE, 0, ((9, MACHINE, ToldPerson("ann", "x", "mail", T0, 1)),), None),
        (MACHINE, 0, ((9, ANN, Acknowledged(1)),), 9.0),
        (MACHINE, 0, ((1, MACHINE, AlertJoined(3, "x", minutes(-4))), (9, ANN, Noted("x"))), 13.0),
        (Author(account="root"), 0, (), 0.0),
    ],
    ids=[
        "a person opens it",
        "who had seen it before",
        "the machine opens it",
        "the machine has told people",
        "somebody acknowledges",
        "from the first transition",
        "an account that is nobody's",
    ],
)
def test_the_response_is_from_what_was_seen_to_the_first_act_of_a_person(
    opened_by: Author, seen: float, said: tuple[Any, ...], response: float | None
) -> None:
    entries = [IncidentEntry(T0, opened_by, replace(OPENED, seen_at=minutes(seen)))]
    entries += [IncidentEntry(minutes(at), by, what) for at, by, what in said]

    found = fold(7, entries).response

    assert (found.total_seconds() / 60 if found is not None else None) == response


# --- drills ----------------------------------------------------------------------------------------------------------
def test_a_drill_has_done_only_what_was_done_on_its_hosts() -> None:
    found = incident(
        Acted("isolate", ("lab1",), "done", 3),
        Acted("isolate", ("lab2",), "failed", 4),
        StepDone("log"),
        StepSkipped("scope", "later"),
        opened=DRILL,
    )

    assert [(one.step.id, one.word, one.really_on) for one in rehearsed(found)] == [
        ("isolate", "done", ("lab1",)),
        ("log", "talked through", ()),
        ("scope", "skipped", ()),
        ("release", "left open", ()),
    ]


def test_an_act_that_a_person_only_confirms_in_a_drill_was_talked_through() -> None:
    found = incident(StepDone("isolate"), opened=DRILL)

    assert rehearsed(found)[0].word == "talked through"


def test_everything_of_a_drill_says_so() -> None:
    checks = {one: every()[one] for one in OF_INCIDENTS}

    assert {one for one, check in checks.items() if check.trouble.startswith(MARK)} == DRILLS
    assert all(isinstance(check, SelfCheck) and not check.harmless for check in checks.values())
    assert incident(opened=DRILL).name == "drill 7"


def test_a_kind_stands_in_a_procedures_place() -> None:
    assert [kind_of(procedure_of(kind)) for kind in CHECKS] == list(CHECKS)
    assert kind_of("daily") == ""


# --- what may be entered ---------------------------------------------------------------------------------------------
CLOSED = Closed("lesson", "why")


@pytest.mark.parametrize(
    ("before", "said", "why"),
    [
        ((), Noted(" "), "a note needs a text"),
        ((), Assigned("scribe", "bop"), "there is no person 'bop'; did you mean 'bob'?"),
        ((), StepDone("scop"), "incident 7 has no step 'scop'; did you mean 'scope'?"),
        ((StepDone("log"),), StepDone("log"), "the step log is done already, by ann"),
        ((), StepSkipped("log", ""), "skipping the step log needs a reason"),
        (
            (),
            StepDone("isolate"),
            "the step isolate is done by: upkeep incident isolate 7 --hosts web1; if it was done in another way, "
            "say how in a note",
        ),
        (
            (),
            Advanced("assessment"),
            "2 steps of the phase response left: isolate, log; confirm or skip each",
        ),
        ((), Advanced("recovery"), "the phase after response is assessment, not recovery"),
        (
            (Advanced("assessment"), Advanced("recovery")),
            Advanced("recovery"),
            "Recovery is the last phase of incident 7; close it",
        ),
        ((), HandedOver("bob", ""), "handing over needs a summary: how it stands, and what is next"),
        (
            (Assigned("commander", "bob"),),
            HandedOver("bob", "so"),
            "bob has the command already",
        ),
        ((), ToldPerson("clinic", "", " ", T0), "who was notified needs: what, way"),
        ((), ToldPerson("clinic", "a", "b", minutes(90)), "nobody was notified later than now"),
        ((), FollowUpAdded("", "ann", date(2026, 7, 1)), "a follow-up needs a text: what is to be done"),
        (
            (),
            FollowUpAdded("a", "ann", date(2026, 5, 31)),
            "a follow-up must be due between today and ten years from now; found 2026-05-31",
        ),
        (
            (),
            FollowUpAdded("a", "anne", date(2026, 7, 1)),
            "there is no team and no person 'anne'; did you mean 'ann'?",
        ),
        ((), FollowUpDone(1), "incident 7 has no follow-up 1"),
        (
            (FollowUpAdded("a", "ann", date(2026, 7, 1)), FollowUpDone(1)),
            FollowUpDone(1),
            "follow-up 1 is done already, by ann",
        ),
        ((), LinkMade(" ", "0", minutes(90)), "a link needs the name of who gets it"),
        ((), LinkMade("x", "0", minutes(90_000)), "a link may hold for at most 30 days"),
        ((), LinkRevoked(2), "incident 7 has no link 2"),
        (
            (LinkMade("x", "0", minutes(90)), LinkRevoked(1)),
            LinkRevoked(1),
            "link 1 is revoked already",
        ),
        ((), Closed(""), "closing needs the lesson: what was learned, and what should be otherwise"),
        (
            (),
            Closed("all"),
            "4 steps left: isolate, log, scope, release; confirm or skip each, or say why they stay open",
        ),
        ((CLOSED,), StepDone("log"), "incident 7 is closed since 2026-06-01 02:01 UTC"),
        ((CLOSED,), CLOSED, "incident 7 is closed since 2026-06-01 02:01 UTC"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(before: tuple[Said, ...], said: Said, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse(incident(*before), said, APPROVER, minutes(60), KNOWN)

    assert str(caught.value) == why
    assert caught.value.remedy == "upkeep incident status 7"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ((), Noted("x")),
        ((), StepDone("release", "by hand at the switch")),
        ((StepDone("log"), StepSkipped("isolate", "x")), Advanced("assessment")),
        ((), Closed("all", "a false alarm")),
        ((CLOSED,), Noted("what came later")),
        ((CLOSED,), FollowUpAdded("a", "security", date(2026, 6, 1))),
        ((CLOSED,), ToldPerson("clinic", "what", "letter", T0)),
        ((CLOSED,), LinkMade("regulator", "0", minutes(90))),
    ],
)
def test_what_may_be_entered_is(before: tuple[Said, ...], said: Said) -> None:
    refuse(incident(*before), said, APPROVER, minutes(60), KNOWN)


@pytest.mark.parametrize(
    ("who", "said", "why"),
    [
        (Who("eve", Role.VIEWER), Noted("x"), "to work on incidents you need the role operator; eve is viewer"),
        (
            Who("eve", Role.VIEWER),
            Acted("isolate", ("web1",), "done"),
            "to isolate and release hosts you need the role operator; eve is viewer",
        ),
        (Who("ann", Role.OPERATOR), CLOSED, "to close incidents you need the role approver; ann is operator"),
        (
            Who("ops", Role.APPROVER, shared=True),
            CLOSED,
            "ops is shared by several people; to close incidents you need a user of your own",
        ),
        (
            Who("ann", Role.OPERATOR),
            LinkMade("x", "0", minutes(90)),
            "to share incidents with outsiders you need the role approver; ann is operator",
        ),
        (Who("ann", Role.ADMIN, off=True), Noted("x"), "ann is disabled"),
    ],
)  # fmt: skip
def test_who_may_not_is_told_why(who: Who, said: Said, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse(incident(), said, who, minutes(60), KNOWN)

    assert str(caught.value) == why


def test_a_drill_changes_its_hosts_alone() -> None:
    drill = incident(opened=DRILL)
    refuse(drill, Acted("isolate", ("lab2",), "done"), APPROVER, minutes(1), KNOWN)

    with pytest.raises(UsageError) as caught:
        refuse(drill, Acted("isolate", ("lab1", "web1"), "done"), APPROVER, minutes(1), KNOWN)

    assert str(caught.value) == (
        "drill 7 is a drill: it may change its drill hosts alone (lab1, lab2), not web1; talk the step through, "
        "and confirm it"
    )


@pytest.mark.parametrize(
    ("opened", "why"),
    [
        (OPENED, ""),
        (
            replace(OPENED, title="  "),
            "an incident needs a title: what has happened, in a few words",
        ),
        (
            replace(OPENED, seen_at=minutes(1)),
            "it cannot have been seen later than now; found 2026-06-01 02:01 UTC",
        ),
    ],
)
def test_an_opening_says_what_and_since_when(opened: Opened, why: str) -> None:
    assert refuse_opening(opened, Who("ann", Role.OPERATOR), T0) == why


# --- rows and records ------------------------------------------------------------------------------------------------
ROW = IncidentRow(7, "site", "security", False, T0, None, 0)


AFTER_IT = [("release", "begun"), ("release", "done"), ("isolate", "done"), ("isolate", "refused")]
"""Acts that may be entered after the closing: no release is refused, nor the end of what had begun."""


def known(*said: Said, site: str = "site") -> tuple[KnownIncidents, list[str]]:
    found = KnownIncidents()
    problems = [
        one
        for number, each in enumerate(said, 1)
        for one in follow(found, "7", site, IncidentEntry(T0, ANN, each, number))
    ]
    return found, problems


@pytest.mark.parametrize(
    ("said", "rows", "problems"),
    [
        ((OPENED, Noted("x")), [ROW], []),
        ((OPENED, CLOSED, Noted("x")), [replace(ROW, closed_at=T0)], []),
        ((Noted("x"),), [ROW], ["record 1: no record before it opens incident 7", "incident 7: no record opens it"]),
        ((OPENED, OPENED), [ROW], ["record 2: it opens incident 7 again, after record 1"]),
        (
            (OPENED, CLOSED, StepDone("log")),
            [replace(ROW, closed_at=T0)],
            ["record 3: it is entered into incident 7, which was closed before"],
        ),
        *(((OPENED, CLOSED, Acted(act, ("web1",), how)), [replace(ROW, closed_at=T0)], []) for act, how in AFTER_IT),
        (
            (OPENED, CLOSED, Acted("isolate", ("web1",), "begun")),
            [replace(ROW, closed_at=T0)],
            ["record 3: it is entered into incident 7, which was closed before"],
        ),
        ((OPENED,), [], ["incident 7: it does not exist any more, but record 1 names it"]),
        ((), [ROW], ["incident 7: no record opens it"]),
        ((OPENED,), [replace(ROW, drill=True)], ["incident 7: its mark as a drill is True; by its records it is False"]),
        (
            (OPENED, CLOSED),
            [ROW],
            ["incident 7: its closing is not there; by its records it is 2026-06-01T02:00:00+00:00"],
        ),
        ((OPENED,), [replace(ROW, site="x")], ["incident 7: its site is x; by its records it is site"]),
    ],
)  # fmt: skip
def test_rows_and_records_are_compared_in_both_directions(
    said: tuple[Said, ...], rows: list[IncidentRow], problems: list[str]
) -> None:
    found, said_wrong = known(*said)

    assert [*said_wrong, *against(found, rows)] == problems


def test_a_site_that_was_renamed_is_the_same_site() -> None:
    found, _ = known(OPENED)
    found.rename({"was": "site", "now": "new"})

    assert list(against(found, [replace(ROW, site="new")])) == []
