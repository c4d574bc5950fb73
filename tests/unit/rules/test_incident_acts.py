"""How an act on hosts ended, by what its host said, and how the hosts stand by the record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from upkeep.model.answer import Outcome
from upkeep.model.errors import UsageError
from upkeep.model.isolation import HostAct, IsolationSaid, ObstacleSaid
from upkeep.rules.incident_acts import (
    BegunAct,
    HostStand,
    SilentPart,
    acted_words,
    ended,
    stands,
)
from upkeep.rules.incidents import (
    Acted,
    Author,
    Closed,
    Incident,
    IncidentEntry,
    KnownNames,
    Opened,
    Phase,
    fold,
    isolations,
    refuse,
)

T0 = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
ANN, BOB = Author("ann", "ann"), Author("bob", "bob")
ROUTER = ObstacleSaid("router", "it forwards between two networks", "isolate those behind it")
CONFIRMED = IsolationSaid(
    "confirmed",
    since=T0,
    until=T0 + timedelta(days=1),
    by="ann",
    kept=("10.0.0.1 tcp 22",),
    cut_sockets=1,
    proofs_held=4,
    snapshot_sha256="ab",
)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def heard(said: IsolationSaid, why: str = "") -> HostAct:
    return HostAct("web1", said, why)


@pytest.mark.parametrize(
    ("act", "one", "outcome", "detail"),
    [
        ("isolate", heard(CONFIRMED), "done", ""),
        ("isolate", heard(IsolationSaid("none", obstacles=(ROUTER,)), "no"), "refused", "no"),
        ("isolate", heard(IsolationSaid("loaded"), "no new connection"), "not confirmed", "no new connection"),
        ("isolate", heard(IsolationSaid("confirmed", leaks=("TCP: connected",)), "leaks"), "not tight", "leaks"),
        ("isolate", heard(IsolationSaid("none"), "no nft"), "failed", "no nft"),
        ("isolate", heard(IsolationSaid("loaded")), "failed", "the host says that it is loaded"),
        ("release", heard(IsolationSaid("released")), "done", ""),
        ("release", heard(IsolationSaid("none")), "done", "it was not isolated"),
        ("release", heard(CONFIRMED), "failed", "the host says that it is confirmed"),
        ("release", heard(IsolationSaid("none", obstacles=(ROUTER,)), "busy"), "failed", "busy"),
        ("isolate", SilentPart(Outcome.UNREACHABLE, "no route"), "unreachable", "no route"),
        ("isolate", SilentPart(Outcome.NOT_BEGUN, "it left"), "not begun", "it left"),
        ("isolate", SilentPart(Outcome.FAILED, "no answer"), "unknown", "no answer"),
        ("isolate", SilentPart(Outcome.OK), "unknown", "the host has said nothing of its isolation"),
        ("isolate", SilentPart(None, "interrupted"), "unknown", "interrupted"),
    ],
)  # fmt: skip
def test_an_act_is_done_only_where_the_host_says_so(
    act: str, one: HostAct | SilentPart, outcome: str, detail: str
) -> None:
    found = ended(act, "web1", one, 7)

    assert (found.act, found.hosts, found.run) == (act, ("web1",), 7)
    assert (found.outcome, found.detail) == (outcome, detail)
    assert found.found == (one.said if isinstance(one, HostAct) else None)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Acted("isolate", ("a", "b"), "begun"), "isolate on a, b: begun"),
        (
            ended("isolate", "web1", heard(CONFIRMED), 7),
            "isolate on web1 by run 7: done; isolated since 2026-06-01 02:00 UTC until 2026-06-02 02:00 UTC, by ann;"
            " stays: 10.0.0.1 tcp 22; cut: 1 open connection; what is forbidden fails, by 4 tries; snapshot, SHA-256 ab",
        ),
        (
            ended("isolate", "web1", heard(IsolationSaid("none", obstacles=(ROUTER,)), "long"), 7),
            "isolate on web1 by run 7: refused; router: it forwards between two networks",
        ),
        (
            ended("isolate", "web1", heard(IsolationSaid("loaded", unless_confirmed_at=T0), "late"), 7),
            "isolate on web1 by run 7: not confirmed; late; the host releases itself at 2026-06-01 02:00:00 UTC",
        ),
        (
            ended("release", "web1", heard(IsolationSaid("released", released_at=T0, released_by="by ann")), 7),
            "release on web1 by run 7: done; released 2026-06-01 02:00 UTC by ann",
        ),
        (
            ended("release", "web1", heard(IsolationSaid("released", released_at=T0, released_by="confirm-a50321")), 7),
            "release on web1 by run 7: done; released 2026-06-01 02:00 UTC by itself: nobody has confirmed its isolation in time",
        ),
        (Acted("isolate", ("web1",), "partial", 3, "as an older program wrote it"),
         "isolate on web1 by run 3: partial; as an older program wrote it"),
    ],
    ids=["begun", "done", "refused", "not confirmed", "released", "released itself", "older"],
)  # fmt: skip
def test_an_entry_is_told_in_one_line(said: Acted, words: str) -> None:
    assert acted_words(said) == words


def incident(*acts: tuple[float, Author, Acted]) -> Incident:
    opened = Opened("security", "x", 1, "", T0, (Phase("one", "One", 900.0),))
    entries = [IncidentEntry(T0, ANN, opened, 1)]
    entries += [IncidentEntry(at(minute), by, one, 2) for minute, by, one in acts]
    return fold(1, entries)


BEGUN = Acted("isolate", ("web1", "web2"), "begun")
DONE = Acted("isolate", ("web1",), "done", 1)
LOST = Acted("isolate", ("web1",), "unreachable", 1)


@pytest.mark.parametrize(
    ("acts", "found"),
    [
        (
            [(1, ANN, BEGUN), (2, ANN, DONE)],
            [
                HostStand("web1", DONE, at(2), "ann"),
                HostStand("web2", begun=(BegunAct("isolate", at(1), "ann"),)),
            ],
        ),
        (
            [(1, ANN, Acted("isolate", ("web1",), "begun")), (2, BOB, Acted("isolate", ("web1",), "begun")), (3, BOB, DONE)],
            # The host has said since how it stands.
            [HostStand("web1", DONE, at(3), "bob")],
        ),
        (
            [(1, ANN, Acted("isolate", ("web1",), "begun")), (2, BOB, Acted("isolate", ("web1",), "begun")), (3, BOB, LOST)],
            [HostStand("web1", LOST, at(3), "bob", (BegunAct("isolate", at(1), "ann"),))],
        ),
        (
            [(1, ANN, DONE), (2, ANN, Acted("release", ("web1",), "begun")), (3, BOB, Acted("release", ("web1",), "begun")),
             (4, BOB, Acted("release", ("web1",), "done"))],
            [HostStand("web1", Acted("release", ("web1",), "done"), at(4), "bob")],
        ),
        ([(1, ANN, DONE)], [HostStand("web1", DONE, at(1), "ann")]),
        ([], []),
    ],
    ids=["one without an end", "a later end settles it", "each ends their own", "also another's", "only an end", "nothing"],
)  # fmt: skip
def test_an_act_without_an_end_is_told_of_its_host(
    acts: list[tuple[float, Author, Acted]], found: list[HostStand]
) -> None:
    assert stands(incident(*acts)) == found


def isolated(id_: str, *hosts: str, state: str = "confirmed") -> Acted:
    return Acted("isolate", hosts, "done", 1, found=IsolationSaid(state, id=id_))


@pytest.mark.parametrize(
    ("acts", "standing"),
    [
        ([], {}),
        ([BEGUN], {}),
        ([BEGUN, isolated("a", "web1"), isolated("b", "web2")], {"web1": "a", "web2": "b"}),
        ([isolated("a", "web1", state="loaded")], {"web1": "a"}),
        ([isolated("a", "web1", state="none")], {}),
        ([isolated("", "web1")], {}),
        ([isolated("a", "web1"), Acted("release", ("web1",), "done")], {}),
        ([isolated("a", "web1"), Acted("release", ("web1",), "begun")], {"web1": "a"}),
        ([isolated("a", "web1"), Acted("release", ("web2",), "done")], {"web1": "a"}),
        ([isolated("a", "web1"), Acted("release", ("web1",), "done"), isolated("b", "web1")], {"web1": "b"}),
    ],
)  # fmt: skip
def test_which_isolations_stand_by_the_record(acts: list[Acted], standing: dict[str, str]) -> None:
    entries = [(number, ANN, one) for number, one in enumerate(acts)]

    assert isolations(incident(*entries)) == standing


def test_an_incident_does_not_close_over_an_isolated_host_without_a_word() -> None:
    open_one = incident((1, ANN, isolated("a", "web1", "web2")))
    released = incident(
        (1, ANN, isolated("a", "web1")), (2, ANN, Acted("release", ("web1",), "done"))
    )
    now = at(10)

    with pytest.raises(
        UsageError,
        match="web1, web2 are isolated by it: upkeep incident release 1 --hosts web1,web2",
    ):
        refuse(open_one, Closed("lesson"), None, now, KnownNames())
    refuse(open_one, Closed("lesson", "the host is rebuilt tomorrow"), None, now, KnownNames())
    refuse(released, Closed("lesson"), None, now, KnownNames())


def test_a_release_is_never_refused() -> None:
    closed = incident((1, ANN, isolated("a", "web1")), (2, ANN, Closed("lesson", "later")))

    refuse(closed, Acted("release", ("web1",), "begun"), None, at(10), KnownNames())
    with pytest.raises(UsageError, match="is closed since"):
        refuse(closed, Acted("isolate", ("web1",), "begun"), None, at(10), KnownNames())
