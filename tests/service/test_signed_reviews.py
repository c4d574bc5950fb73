"""Reviews on both databases: opened after their run, signed once, verified by OpenSSH, never changed."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import warm
from jsonschema import validate
from patience import PATIENCE_SECONDS
from reviewed_site import PASSWORD, Reviewed, write_site
from service.conftest import on_postgresql
from service.copies import Copies
from sqlalchemy import func, select, text
from store_samples import result

from upkeep.model import clock
from upkeep.model.errors import StoreError, UsageError
from upkeep.model.roles import Role
from upkeep.model.verdicts import Measure, Severity, Status, Unknown
from upkeep.rules import signatures
from upkeep.rules.reviews import FollowUp, ReviewState, ReviewVerdict
from upkeep.rules.waivers import WaiverScope
from upkeep.services import waivers
from upkeep.services.acts import By, Proved
from upkeep.services.record_export import export
from upkeep.services.reviews import MOST_FILE_BYTES, Given, Handing, file_name, hand_over, renew
from upkeep.services.signing_key import load_installation, trusted_keys
from upkeep.services.verification import problems_of
from upkeep.site.site import load_site
from upkeep.store import (
    Store,
    acts,
    files,
    findings,
    own_troubles,
    records,
    review_evidence,
    reviews,
    tables,
)
from upkeep.store.engine.retention import Policy, prune
from upkeep.view.json import schema

REVIEWS = [
    {
        "id": "fires",
        "title": "Fire extinguishers",
        "asks": "Read each gauge.",
        "shows": ["disk_space"],
        "measures": [{"check": "disk_space", "name": "used", "at_most": 80}],
        "links": [{"title": "The plan", "url": "https://plans.example.org/"}],
        "lacks": ["the pressure of each"],
    },
    {"id": "keys", "title": "Who has keys", "four_eyes": "required", "within": "3 d"},
    {"id": "till", "title": "The till", "four_eyes": "alone_with_reason"},
    {"id": "deeds", "title": "Deeds", "parties": ["legal", "compliance"]},
]
SCHEDULE: dict[str, Any] = {
    "procedures": {
        "audit": {
            "title": "Audit",
            "rule": "monday 09:00",
            "owner": "ops",
            "checks": ["disk_space"],
            "missed": "skip",
            "reviews": REVIEWS,
        },
        "plain": {"title": "Plain", "rule": "daily 03:00", "owner": "ops"},
    },
    "people": {name: {"name": name.title()} for name in ("ann", "bob", "cat", "dan")},
    "teams": {
        "ops": {"title": "Operations", "members": ["ann", "bob"]},
        "legal": {"title": "Legal", "members": ["cat"]},
        "compliance": {"title": "Compliance", "members": ["dan"]},
    },
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def begin(folder: Path, store: Store) -> Reviewed:
    written = write_site(folder / "site", folder / "signing state", SCHEDULE)
    made = Reviewed(written, store, at("2027-01-02 12:00"))
    for person in ("ann", "bob", "cat", "dan"):
        made.user(person, person)
    made.user("eve", "ann", Role.OPERATOR)
    made.user("night shift", "bob", Role.APPROVER, shared=True)
    return made


@pytest.fixture
def site(tmp_path: Path, store: Store) -> Reviewed:
    return begin(tmp_path, store)


@pytest.fixture(scope="module")
def monday(copies: Any, tmp_path_factory: pytest.TempPathFactory) -> Copies[Reviewed]:
    """The reviews of Monday, 4 January, have opened. All tests share the site's folder, so none changes it."""

    def fill(store: Store) -> Reviewed:
        made = begin(tmp_path_factory.mktemp("monday"), store)
        made.go(at("2027-01-04 10:00"))
        return made

    filled: Copies[Reviewed] = copies(fill)
    return filled


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, monday: Copies[Reviewed]) -> Iterator[Reviewed]:
    """A copy of that Monday, on each database."""
    with monday.copy(request.param) as (made, store):
        yield made.on(store)


opened_on_postgresql = pytest.mark.parametrize("opened", ["postgresql"], indirect=True)
opened_on_sqlite = pytest.mark.parametrize("opened", ["sqlite"], indirect=True)
"""For tests of what is above the store's statements: commands on SQLite, the others on PostgreSQL."""


def standings(site: Reviewed) -> dict[str, ReviewState]:
    return {review.item: standing.state for review, standing in site.all()}


# --- opening ---------------------------------------------------------------------------------------------------------
def test_reviews_open_once_after_their_run(opened: Reviewed) -> None:
    opened.reviews.step(opened.now)
    other = Reviewed(Path(opened.site.name), opened.store, opened.now)
    other.reviews.step(opened.now)

    found = [(one.item, one.due_at, one.gap, bool(one.run_id)) for one, _standing in opened.all()]
    assert found == [
        ("fires", at("2027-01-04 17:00"), "", True),
        ("keys", at("2027-01-06 17:00"), "", True),
        ("till", at("2027-01-04 17:00"), "", True),
        ("deeds", at("2027-01-04 17:00"), "", True),
    ]


@on_postgresql
def test_what_was_due_before_the_schedule_asked_opens_nothing(tmp_path: Path, store: Store) -> None:
    without = {
        **SCHEDULE,
        "procedures": {"audit": {**SCHEDULE["procedures"]["audit"], "reviews": []}},
    }
    folder = write_site(tmp_path / "site", tmp_path / "signing", without)
    site = Reviewed(folder, store, at("2027-01-02 12:00"))
    site.go(at("2027-01-05 12:00"))
    write_site(folder, tmp_path / "signing", SCHEDULE)
    site = Reviewed(folder, store, site.now)
    site.go(at("2027-01-10 12:00"))
    assert site.all() == []

    site.go(at("2027-01-11 12:00"))
    assert len(site.all()) == len(REVIEWS)


@on_postgresql
def test_a_mistake_in_the_schedule_while_the_run_goes_on_loses_no_review(site: Reviewed) -> None:
    site.apart.add("audit")
    site.go(at("2027-01-04 09:00"))
    site.occur("audit", at("2027-01-04 09:00"))
    path = Path(site.site.name) / "schedule.yml"
    problems: list[str] = []

    right = path.read_text()
    path.write_text(right.replace('"owner": "ops", "checks"', '"owner": "opps", "checks"'))
    site.site = load_site(site.site.name, problems)
    site.reviews.step(site.now)
    assert len(problems) == 1
    assert site.all() == []
    path.write_text(right)
    site.site = load_site(site.site.name, problems)
    site.reviews.step(site.now)

    assert [review.item for review, _standing in site.all()] == [one["id"] for one in REVIEWS]


@on_postgresql
def test_a_run_that_does_not_end_is_waited_for_as_long_as_it_may_take(site: Reviewed) -> None:
    from upkeep.schedule.decide import occurrences_of
    from upkeep.schedule.due_times import timing_of
    from upkeep.store import occurrences

    timing = timing_of(site.site.schedule, "audit")
    assert timing
    due = at("2027-01-04 09:00")
    procedure = site.site.schedule.procedures["audit"]
    made = occurrences_of(site.site.key, procedure, timing, site.calendars, site.now, due)
    with site.store.begin() as db:
        occurrences.make(db, made)
    site.reviews.step(due + timedelta(minutes=59))
    assert site.all() == []

    site.reviews.step(due + timedelta(minutes=60))
    gap = "the run that collects the evidence has not ended within 1 h"
    assert {review.gap for review, _standing in site.all()} == {gap}

    before = site.one("fires").evidence_sha256
    with site.store.begin() as db:
        found = occurrences.find(db, site.site.key, "audit", due)
        assert found
        site._run(db, found, due + timedelta(minutes=80))
    site.now = due + timedelta(minutes=90)
    site.sign(site.one("keys").id, "ann")
    site.reviews.step(site.now)
    assert (site.one("fires").gap, site.one("keys").gap) == ("", gap)
    assert site.one("fires").evidence_sha256 != before


@on_postgresql
def test_what_no_driver_ran_is_reviewed_all_the_same_and_says_so(site: Reviewed) -> None:
    site.down = [(at("2027-01-04 00:00"), at("2027-01-18 12:00"))]
    site.go(at("2027-01-04 08:00"))
    for monday in (4, 11, 18):
        site.occur("audit", at(f"2027-01-{monday:02} 09:00"))
    site.now = at("2027-01-18 18:00")
    site.reviews.step(site.now)

    # Of three that were missed, the last opens; who opens after hours has the next business day.
    found = [(one.item, one.due_of.day, one.due_at, one.gap) for one, _standing in site.all()]
    gap = "nothing was collected: no driver was running"
    assert found[0] == ("fires", 18, at("2027-01-19 17:00"), gap)
    assert len(found) == len(REVIEWS)


@opened_on_postgresql
def test_reminders_and_overdue_reviews_are_the_products_own_findings(opened: Reviewed) -> None:
    def told() -> list[tuple[str, str, str, str]]:
        with opened.store.read() as db:
            return [
                (one.check_id, one.subject, one.severity.value, one.message)
                for one in findings.open_ones(db)
                if one.host == own_troubles.HOST
            ]

    assert told() == []
    opened.reviews.step(at("2027-01-04 15:00"))
    soon = "3 reviews to sign by 2027-01-04 17:00 UTC: Fire extinguishers, The till, Deeds"
    assert told() == [("review_overdue", "audit", "low", soon)]
    opened.reviews.step(at("2027-01-04 17:01"))
    late = "3 reviews not signed, the first due by 2027-01-04 17:00 UTC: Fire extinguishers, The till, Deeds"
    assert told() == [("review_overdue", "audit", "medium", late)]
    opened.now = at("2027-01-04 18:00")
    opened.sign(opened.one("fires").id, "ann")
    opened.sign(opened.one("till").id, "ann", alone="bob is ill")
    opened.sign(opened.one("deeds").id, "cat")
    opened.sign(opened.one("deeds").id, "dan")
    opened.reviews.step(opened.now)
    assert told() == []


# --- targets ---------------------------------------------------------------------------------------------------------
USED = Measure("used", 70.0, "%")


def measured(site: Reviewed) -> list[dict[str, Any]]:
    """Return the series of the newest review's first measure, as they were kept."""
    with site.store.read() as db:
        content = files.content_of(db, site.one("fires").evidence_sha256)
    series: list[dict[str, Any]] = json.loads(content or b"")["measures"][0]["series"]
    return series


def test_a_target_is_not_met_by_what_was_never_seen(site: Reviewed) -> None:
    seen = {"web1": [result(measures=(USED,))], "web2": [result(measures=(USED,))]}
    site.results = seen
    site.go(at("2027-01-05 00:00"))
    # web1 answers on one day of the week; web2 answers always, and its disk is not understood on two of them.
    site.away = {"web1": (at("2027-01-05 12:00"), at("2027-01-11 00:00"))}
    site.go(at("2027-01-07 12:00"))
    for_nothing = result(Status.UNKNOWN, measures=(USED,), unknown=Unknown.CANNOT_SEE)
    site.results = {**seen, "web2": [for_nothing]}
    site.go(at("2027-01-10 00:00"))
    site.results = seen
    site.go(at("2027-01-11 12:00"))

    web1, web2 = measured(site)
    assert [one["meets"] for one in (web1, web2)] == [None, None]
    # From Tuesday 03:00 to Tuesday 03:00, of which two ends are looked at by the audit too.
    assert web1["seconds"] == web2["seconds"] == 7 * 86400
    assert (web1["unseen_seconds"], web2["unseen_seconds"]) == (5 * 86400, 2 * 86400)
    assert (web1["figure"], web1["mean"]) == (100.0, 70.0)

    made = site.sign(site.one("fires").id, "ann", note="looked")
    named = "disk_space: whether used meets its target is not known for / on web1: 71.4 % of the time was not observed"
    assert named in made.lacking
    with site.store.read() as db:
        (record,) = records.of(db, "review", str(site.one("fires").id))
    assert record["targets"] == [
        {
            "check": "disk_space", "name": "used", "rule": "within", "share": 99.0, "at_most": 80.0, "at_least": None,
            "met": 0, "missed": 0, "unknown": 2, "left_out": 0, "figure": 100.0, "unseen": 0.714286,
        }
    ]  # fmt: skip
    shown = upkeep(site, "review", "show", str(site.one("fires").id)).stdout
    assert "disk_space: used %, at most 80, 99 % of the time" in shown
    assert "5 days (71.4 %)" in shown
    assert "unknown: 100 % of what was seen" in shown
    as_json = json.loads(upkeep(site, "review", "show", str(site.one("fires").id), "--json").stdout)
    assert as_json["review"]["evidence"]["measures"][0]["series"] == [web1, web2]


def test_a_look_that_found_nothing_to_judge_is_no_gap(site: Reviewed) -> None:
    site.results = {"web1": [result(measures=(USED,))]}
    site.go(at("2027-01-05 00:00"))
    quiet = result(Status.UNKNOWN, measures=(), unknown=Unknown.NOTHING_TO_JUDGE)
    site.results = {"web1": [quiet]}
    site.go(at("2027-01-10 00:00"))
    site.results = {"web1": [result(measures=(USED,))]}
    site.go(at("2027-01-11 12:00"))

    (web1,) = measured(site)
    assert (web1["meets"], web1["unseen_seconds"], web1["count"]) == (True, 0, 3)


def test_a_subject_that_nobody_has_seen_in_this_time_is_listed(site: Reviewed) -> None:
    site.results = {"web1": [result(measures=(USED,))], "web2": [result(measures=(USED,))]}
    site.go(at("2027-01-04 12:00"))
    site.away = {"web1": (at("2027-01-04 12:00"), at("2027-01-12 00:00"))}
    site.go(at("2027-01-11 12:00"))

    web1, web2 = measured(site)
    assert (web1["host"], web1["meets"], web1["count"], web1["unseen"]) == ("web1", None, 0, 1.0)
    assert (web1["mean"], web1["first"], web1["figure"]) == (None, None, None)
    assert (web2["meets"], web2["unseen"]) == (True, 0)
    shown = upkeep(site, "review", "show", str(site.one("fires").id)).stdout
    told = [line.split() for line in shown.splitlines() if line.startswith("web1")]
    assert told == [["web1", "/", *"-----", "6", "days", "(100", "%)", "unknown"]]


def test_what_older_programs_kept_is_shown_as_it_was_reckoned(site: Reviewed) -> None:
    site.results = {"web1": [result(measures=(USED,))]}
    site.go(at("2027-01-11 12:00"))
    review = site.one("fires")
    with site.store.begin() as db:
        document = review_evidence.shown(db, review)
        measure = document["measures"][0]
        del measure["rule"], measure["share"]
        for one in measure["series"]:
            for key in ("figure", "unseen", "unseen_seconds", "seconds"):
                del one[key]
        sha256 = review_evidence.keep(db, document)
        reviews.set_evidence(db, review.id, sha256, review.gap, review.run_id)

    shown = upkeep(site, "review", "show", str(review.id)).stdout

    assert "disk_space: used %, at most 80\n" in shown
    assert "met by its mean" in shown


# --- the evidence ----------------------------------------------------------------------------------------------------
def test_a_reviewer_sees_what_was_collected_for_exactly_this(site: Reviewed) -> None:
    def used(value: float) -> Measure:
        return Measure("used", value, "%")

    site.results = {
        "web1": [result(measures=(used(70.0),))],
        "web2": [result(measures=(used(60.0),))],
    }
    site.go(at("2027-01-05 00:00"))
    full = result(Severity.HIGH, measures=(used(95.0),))
    other = result(Severity.LOW, check="swap_used", measures=())
    site.results = {"web1": [full, other], "web2": [result(measures=(used(62.0),))]}
    site.go(at("2027-01-11 12:00"))

    with site.store.read() as db:
        content = files.content_of(db, site.one("fires").evidence_sha256)
    assert content
    seen = json.loads(content)
    assert content.decode() == signatures.canonical(seen)
    assert (seen["since"], seen["until"]) == (
        "2027-01-04T09:15:00+00:00",
        "2027-01-11T09:15:00+00:00",
    )
    assert seen["lacks"] == ["the pressure of each"]
    assert seen["links"] == [{"title": "The plan", "url": "https://plans.example.org/"}]
    assert seen["run"]["status"] == "done"
    assert [one["state"] for one in seen["occurrences"]["rows"]] == ["done"]
    assert seen["checks"] == [
        {
            "check": "disk_space",
            "now": {"pass": 1, "fail": 1, "unknown": 0},
            "since": {"pass": 1, "fail": 1, "unknown": 0},
            "seen_at": "2027-01-11T09:01:00+00:00",
            "doubted": 0,
        }
    ]
    failing = [(one["host"], one["check"], one["severity"]) for one in seen["not_passing"]["rows"]]
    assert failing == [("web1", "disk_space", "high")]
    assert [one["kind"] for one in seen["changed"]["rows"]] == ["opened"]
    assert [one["message"] for one in seen["findings"]["rows"]] == [full.message]
    assert seen["waivers"] == []
    (measure,) = seen["measures"]
    series = [(one["host"], one["first"], one["last"], one["meets"]) for one in measure["series"]]
    assert (measure["unit"], measure["at_most"]) == ("%", 80)
    # A week of seven daily runs and the audit's own.
    assert series == [("web1", 95.0, 95.0, False), ("web2", 62.0, 62.0, True)]
    assert [one["count"] for one in measure["series"]] == [8, 8]
    assert next(value for value in measure["series"][0]["trend"] if value is not None) == 95.0


def test_evidence_is_bounded_and_says_what_is_left_out(site: Reviewed) -> None:
    many = [result(Severity.LOW, subject=f"/{number}") for number in range(250)]
    site.results = {"web1": many}
    site.go(at("2027-01-04 12:00"))

    with site.store.read() as db:
        seen = json.loads(files.content_of(db, site.one("fires").evidence_sha256) or b"")
    for name in ("not_passing", "findings", "changed"):
        assert (len(seen[name]["rows"]), seen[name]["left_out"]) == (100, 150)
    assert (len(seen["measures"][0]["series"]), seen["measures"][0]["left_out"]) == (40, 210)


@opened_on_postgresql
def test_evidence_that_was_renewed_must_be_looked_at_again(opened: Reviewed) -> None:
    review = opened.one("fires")
    opened.now += timedelta(minutes=5)
    renewed = renew(opened.store, opened.installation, review, opened.now, opened.site.schedule)
    assert renewed != review.evidence_sha256

    with pytest.raises(UsageError, match="has changed since it was shown"):
        opened.sign(review.id, "ann", evidence=review.evidence_sha256)
    assert opened.sign(review.id, "ann", evidence=renewed).evidence_sha256 == renewed


@opened_on_postgresql
def test_what_one_of_two_has_signed_for_is_not_collected_again(opened: Reviewed) -> None:
    review = opened.one("keys")
    opened.sign(review.id, "ann")

    opened.now += timedelta(minutes=5)
    with pytest.raises(UsageError, match="its evidence does not change any more"):
        renew(opened.store, opened.installation, review, opened.now, opened.site.schedule)
    words = ("review", "renew", str(review.id), "--as", "ann")
    said = upkeep(opened, *words, given=f"{PASSWORD}\n").stderr
    assert f"review {review.id} is signed: its evidence does not change any more" in said
    assert opened.one("keys").evidence_sha256 == review.evidence_sha256


# --- signing ---------------------------------------------------------------------------------------------------------
@opened_on_postgresql
def test_signing_closes_opens_what_follows_and_is_written_down(opened: Reviewed) -> None:
    review = opened.one("fires")
    follow_up = FollowUp("legal", date(2027, 1, 9), "ask the landlord")
    report = Given("../../etc/Report 1.pdf", b"%PDF-1.7 bytes")
    made = opened.sign(
        review.id, "ann", ReviewVerdict.FAIL, note="one gauge is red", follow_ups=(follow_up,), given=[report],
        on_behalf_of="Brandschutz Ltd",
    )  # fmt: skip

    with opened.store.read() as db:
        (record,) = records.of(db, "review", str(review.id))
        (act,) = acts.recent(db, 1)
        kept = files.content_of(db, made.attachments[0].sha256)
        follows = reviews.follow_ups_of(db, [made.number])
    assert record["review"]["item"] == "fires"
    assert record["authenticated"] == "password of a test"
    assert record["on_behalf_of"] == "Brandschutz Ltd"
    assert record["evidence_sha256"] == review.evidence_sha256
    assert record["attachments"] == [
        {"name": "Report 1.pdf", "sha256": made.attachments[0].sha256, "size_bytes": 14}
    ]
    assert kept == b"%PDF-1.7 bytes"
    assert (act.who, act.what, act.target, act.outcome) == (
        "ann",
        "sign review",
        f"review {review.id}",
        "done",
    )
    # A Saturday ends on Monday; it is signed like any other, by whom it was given to.
    assert [(one.owner, one.title, one.due_at) for one in follows] == [
        ("legal", "ask the landlord", at("2027-01-11 17:00"))
    ]
    with pytest.raises(UsageError, match="Ann is not a member of Legal"):
        opened.sign(follows[0].id, "ann")
    opened.sign(follows[0].id, "cat")
    assert standings(opened)["fires"] is ReviewState.SIGNED
    assert standings(opened)["fires follow-up 5.1"] is ReviewState.SIGNED


@opened_on_postgresql
@pytest.mark.parametrize(
    ("item", "user", "said"),
    [
        ("fires", "eve", "to sign reviews you need the role approver; eve is operator"),
        ("fires", "night shift", "night shift is a shared account: its signature would not say who signed"),
        ("fires", "cat", "Cat is not a member of Operations"),
        ("deeds", "ann", "Ann is not a member of Legal or Compliance"),
    ],
)  # fmt: skip
def test_who_may_not_sign_is_refused_and_that_is_written_down(
    opened: Reviewed, item: str, user: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        opened.sign(opened.one(item).id, user, given=[Given("a", b"kept by nobody")])

    with opened.store.read() as db:
        (act,) = acts.recent(db, 1)
        assert (act.who, act.outcome, act.detail) == (user, "refused", said)
        assert records.of(db, "review") == []
        assert files.content_of(db, signatures.digest("kept by nobody")) is None


@opened_on_postgresql
def test_four_eyes_are_those_of_two_people(opened: Reviewed) -> None:
    keys, till = opened.one("keys").id, opened.one("till").id
    opened.sign(keys, "ann")
    with pytest.raises(UsageError, match="another person must sign next"):
        opened.sign(keys, "ann")
    assert standings(opened)["keys"] is ReviewState.AWAITING_SECOND
    opened.sign(keys, "bob")
    opened.sign(till, "ann", alone="bob is ill")

    by_item = {review.item: (review, standing) for review, standing in opened.all()}
    assert by_item["keys"][1].state is ReviewState.SIGNED
    assert by_item["till"][1].alone == "bob is ill"
    assert by_item["till"][0].closed_at == opened.now


NOTHING = "nothing was collected for it: pass needs a note of what you checked, or a file"


@pytest.mark.parametrize("item", ["fires", "keys", "till", "deeds"])
def test_who_passes_what_no_machine_has_seen_says_what_they_saw(
    opened: Reviewed, item: str
) -> None:
    user, second = ("cat", "dan") if item == "deeds" else ("ann", "bob")
    review = opened.one(item).id
    for more in ({}, {"note": " - "}, {"note": "", "given": [Given("empty.pdf", b"")]}):
        with pytest.raises(UsageError, match=NOTHING):
            opened.sign(review, user, **{"note": "", **more})
    with opened.store.read() as db:
        assert [one.detail for one in acts.recent(db, 3)] == [NOTHING] * 3
    opened.sign(review, user, note="", given=[Given("list.txt", b"all of it")])

    # The first one's file is not what the second has seen.
    if item in ("keys", "deeds", "till"):
        with pytest.raises(UsageError, match=NOTHING):
            opened.sign(review, second, note="")
        opened.sign(review, second, note="the list is right")
    with opened.store.read() as db:
        records_ = records.of(db, "review", str(review))
    lacking = ["disk_space: neither passed nor failed since 2026-12-28T09:00:00+00:00",
               "disk_space: no value of used since 2026-12-28T09:00:00+00:00"]  # fmt: skip
    named = ["not collected by any check yet: the pressure of each", *lacking]
    expected = named if item == "fires" else ["it shows no check and no measure"]
    assert [one["lacking"] for one in records_] == [expected] * len(records_)
    assert opened.one(item).closed_at


def test_what_a_machine_has_seen_is_passed_without_a_word(site: Reviewed) -> None:
    site.results = {"web1": [result(measures=(Measure("used", 70.0, "%"),))]}
    site.go(at("2027-01-04 10:00"))

    made = site.sign(site.one("fires").id, "ann", note="")

    # The site is two days old: nobody has seen the five before, so a target of the week is neither met nor missed.
    unseen = "71.4 % of the time was not observed"
    assert made.lacking == (
        "not collected by any check yet: the pressure of each",
        f"disk_space: whether used meets its target is not known for / on web1: {unseen}",
    )


def test_a_due_time_that_was_missed_is_not_passed_by_what_others_saw(site: Reviewed) -> None:
    site.results = {"web1": [result(measures=(Measure("used", 70.0, "%"),))]}
    site.go(at("2027-01-04 08:00"))
    site.down = [(at("2027-01-04 08:30"), at("2027-01-04 12:00"))]
    site.occur("audit", at("2027-01-04 09:00"))
    site.now = at("2027-01-04 12:30")
    site.reviews.step(site.now)

    review = site.one("fires")
    assert review.gap == "nothing was collected: no driver was running"
    with pytest.raises(UsageError, match=NOTHING):
        site.sign(review.id, "ann", note="")
    made = site.sign(review.id, "ann", note="looked at each gauge by hand")
    assert made.lacking[0] == review.gap


def test_what_opened_since_the_evidence_is_told_and_what_was_shown_is_not(site: Reviewed) -> None:
    old = result(Severity.LOW, subject="/old")
    worse = result(Severity.LOW, subject="/worse")
    back = result(Severity.HIGH, subject="/back")
    site.results = {"web1": [old, worse, back, result(subject="/new")]}
    site.go(at("2027-01-04 10:00"))
    review = site.one("fires")

    def since() -> list[tuple[str, str]]:
        with site.store.read() as db:
            shown = review_evidence.look(db, review, site.now)
        return [(one["subject"], one["severity"]) for one in shown.opened_since["rows"]]

    assert since() == []
    site.results = {"web1": [old, result(Severity.CRITICAL, subject="/worse"), result(subject="/back"),
                             result(Severity.MEDIUM, subject="/new"),
                             result(Severity.HIGH, check="swap_used", measures=())]}  # fmt: skip
    site.go(at("2027-01-05 04:00"))
    assert since() == [("/worse", "critical"), ("/new", "medium")]
    site.results = {"web1": [old, worse, back, result(subject="/new")]}
    site.go(at("2027-01-06 04:00"))
    assert since() == [("/back", "high")]
    renewed = renew(site.store, site.installation, review, site.now, site.site.schedule)
    review = site.one("fires")
    assert (since(), review.evidence_sha256) == ([], renewed)


def test_two_who_sign_at_once_come_one_after_the_other(opened: Reviewed) -> None:
    deeds, fires = opened.one("deeds").id, opened.one("fires").id

    def one(given: tuple[int, str]) -> str:
        try:
            opened.sign(*given)
        except UsageError as exc:
            return str(exc)
        return "signed"

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(one, [(deeds, "cat"), (deeds, "dan"), (fires, "ann"), (fires, "bob")]))

    assert sorted(said) == [
        "signed",
        "signed",
        "signed",
        "the review is already signed; a correction must name the old signature",
    ]
    with opened.store.read() as db:
        assert [one.signed.number for one in records.chain(db)] == [1, 2, 3, 4, 5, 6, 7]
        assert list(problems_of(db, opened.installation.trusted)) == []


@opened_on_postgresql
def test_a_correction_names_the_old_one_which_stays(opened: Reviewed) -> None:
    review = opened.one("fires").id
    opened.sign(review, "ann")
    opened.sign(review, "bob", ReviewVerdict.FAIL, note="it was the wrong gauge", corrects=5)

    found = {review.item: standing for review, standing in opened.all()}["fires"]
    assert (found.state, found.verdict) == (ReviewState.CORRECTED, ReviewVerdict.FAIL)
    with opened.store.read() as db:
        assert [one.verdict for one in reviews.signatures_of(db, review)] == [
            ReviewVerdict.PASS,
            ReviewVerdict.FAIL,
        ]


@opened_on_postgresql
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"on_behalf_of": "Firm"}, "the report of Firm must be attached"),
        ({"given": [Given("a", b"")] * 11}, "11 files; at most 10"),
        ({"given": [Given("big.zip", b"0" * (MOST_FILE_BYTES + 1))]}, "big.zip: 20.0 MB; at most 20 MB"),
        ({"follow_ups": (FollowUp("nobody", date(2027, 2, 1), "x"),)}, "no team and no person 'nobody'"),
        ({"follow_ups": (FollowUp("ops", date(2027, 2, 1), "x"),) * 21}, "21 follow-ups; at most 20"),
        ({"follow_ups": (FollowUp("ops", date(2026, 2, 1), "x"),)}, "must be due between today and ten years from now; found 2026-02-01"),
        ({"follow_ups": (FollowUp("ops", date(9999, 12, 31), "x"),)}, "ten years from now; found 9999-12-31"),
    ],
)  # fmt: skip
def test_what_is_handed_in_is_bounded(opened: Reviewed, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        opened.sign(opened.one("fires").id, "ann", **more)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\report.pdf", "report.pdf"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\x00b\n\x1b[2J\u202egpj.exe", "a_b_2J_gpj.exe"),
        ("x" * 500 + ".html", "x" * 145 + ".html"),
        ('"><script>.html', "_script_.html"),
        ("Prüfbericht (2027).pdf", "Prüfbericht (2027).pdf"),
    ],
)  # fmt: skip
def test_a_files_name_is_harmless(given: str, kept: str) -> None:
    assert file_name(given) == kept


@opened_on_postgresql
def test_a_review_is_handed_over_with_its_end(opened: Reviewed) -> None:

    review = opened.one("fires")
    by, other = (Proved(opened.users[name], authenticated="password") for name in ("ann", "cat"))
    with pytest.raises(UsageError, match="Cat is not a member of Operations"):
        hand_over(
            opened.signing,
            opened.site.schedule,
            review.id,
            Handing("cat", "mine"),
            other,
            opened.now,
        )
    hand_over(
        opened.signing,
        opened.site.schedule,
        review.id,
        Handing("legal", "we rent"),
        by,
        opened.now,
    )

    with pytest.raises(UsageError, match="Ann is not a member of Legal"):
        opened.sign(review.id, "ann")
    opened.sign(review.id, "cat")
    assert opened.one("fires").due_at == review.due_at
    with opened.store.read() as db:
        assert "from ops to legal: we rent" in [one.detail for one in acts.recent(db, 5)]
    with pytest.raises(UsageError, match="is signed"):
        hand_over(
            opened.signing,
            opened.site.schedule,
            review.id,
            Handing("ops", "back"),
            by,
            opened.now,
        )


# --- what is never changed -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE signature SET text = 'x'",
        "DELETE FROM signature",
        "UPDATE kept_file SET content = ''",
        "DELETE FROM kept_file",
        "DELETE FROM review",
        "UPDATE review SET due_at = '2030-01-01 00:00:00'",
        "UPDATE review SET id = id + 1000",
    ],
)
def test_the_database_refuses_to_change_what_was_signed(opened: Reviewed, statement: str) -> None:
    opened.sign(opened.one("fires").id, "ann")

    with pytest.raises(StoreError, match="rows are only added"), opened.store.begin() as db:
        db.execute(text(statement))


@pytest.mark.parametrize("table", ["act", "signature", "kept_file", "review"])
def test_the_database_refuses_to_replace_or_empty_what_is_kept(
    opened: Reviewed, table: str
) -> None:
    opened.sign(opened.one("fires").id, "ann")
    if opened.store.engine.dialect.name == "postgresql":
        with pytest.raises(StoreError, match="rows are only added"), opened.store.begin() as db:
            db.execute(text(f"TRUNCATE {table}"))
        return
    values = {"signature": "text = 'x'", "kept_file": "content = 'x'", "review": "title = 'x'"}
    columns = ", ".join(one.name for one in tables.metadata.tables[table].columns)
    name, _is, value = values.get(table, "account = 'x'").partition(" = ")
    forged = columns.replace(f", {name}", f", {value}")

    with contextlib.suppress(StoreError), opened.store.begin() as db:
        db.execute(text(f"INSERT OR REPLACE INTO {table} SELECT {forged} FROM {table}"))

    with opened.store.read() as db:
        assert not db.execute(text(f"SELECT count(*) FROM {table} WHERE {name} = {value}")).scalar()


def forced(store: Store, *statements: str) -> None:
    """Do what only the database's owner can: its triggers are off."""
    with store.begin() as db:
        if db.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for table in ("signature", "kept_file"):
                for what in ("update", "delete"):
                    db.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{what}"))
        for statement in statements:
            db.execute(text(statement))


@opened_on_postgresql
def test_openssh_verifies_the_chain_and_one_changed_byte_is_named(
    opened: Reviewed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for item, user in (("fires", "ann"), ("deeds", "cat"), ("deeds", "dan")):
        opened.sign(opened.one(item).id, user, note="Zoë says: all well")
    trusted = trusted_keys(opened.site.settings)
    with opened.store.read() as db:
        export(db, tmp_path / "out", [one.signed for one in records.chain(db)], trusted)

    def openssh(number: int) -> str:
        command = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "upkeep"]
        command += ["-n", "record@upkeep", "-s", f"records/{number}.json.sig"]
        with (tmp_path / "out" / "records" / f"{number}.json").open("rb") as record:
            done = subprocess.run(
                command, stdin=record, cwd=tmp_path / "out", capture_output=True, text=True
            )
        return (done.stdout or done.stderr).splitlines()[0]

    good = 'Good "record@upkeep" signature for upkeep with ED25519 key'
    assert all(openssh(number).startswith(good) for number in (1, 5, 7))
    with opened.store.read() as db:
        assert list(problems_of(db, trusted)) == []

    path = tmp_path / "out" / "records" / "6.json"
    path.write_bytes(path.read_bytes().replace(b'"verdict":"pass"', b'"verdict":"pasS"'))
    assert openssh(6) == "Could not verify signature."
    forced(
        opened.store,
        "UPDATE signature SET text = replace(text, 'verdict\":\"pass', 'verdict\":\"pasS') WHERE number = 6",
    )
    with opened.store.read() as db:
        assert list(problems_of(db, trusted)) == [
            "record 6: its content is not what was signed",
            "record 7: the previous record is not the one that it was signed after",
        ]


@on_postgresql
def test_a_second_installation_is_trusted_when_its_key_is(tmp_path: Path, site: Reviewed) -> None:
    from upkeep.site.settings import Settings

    opened = site
    opened.go(at("2027-01-04 10:00"))
    other = load_installation(Settings(state=tmp_path / "other"))
    opened.sign(opened.one("fires").id, "ann")
    mine, opened.installation = opened.installation, other
    opened.sign(opened.one("till").id, "ann", alone="ill")

    with opened.store.read() as db:
        said = list(problems_of(db, mine.trusted))
        assert said == ["record 6: signed with a key that is not this installation's"]
    with mine.signers.open("a") as stream:
        stream.write("# the other machine\n" + other.signers.read_text())
    with opened.store.read() as db:
        assert list(problems_of(db, load_installation(opened.site.settings).trusted)) == []


def test_what_was_signed_outlives_whatever_retention_says(opened: Reviewed) -> None:
    review = opened.one("fires")
    opened.sign(review.id, "ann", given=[Given("a.txt", b"proof")])
    kept = (tables.signature, tables.review, tables.kept_file, tables.act)

    def counts() -> list[int]:
        with opened.store.read() as db:
            every = [db.execute(select(func.count()).select_from(one)).scalar_one() for one in kept]
            return [
                *every,
                len(reviews.occurrences_after(db, review.site, "audit", at("2027-01-01 00:00"))),
            ]

    before = counts()
    gone = prune(opened.store, Policy(1, 1, 1, 1), opened.now + timedelta(days=6 * 366))

    assert gone.runs
    assert gone.occurrences
    assert counts() == before
    with opened.store.read() as db:
        assert list(problems_of(db, opened.installation.trusted)) == []


# --- the commands ----------------------------------------------------------------------------------------------------
def environment(site: Reviewed) -> dict[str, str]:
    url = site.store.engine.url.render_as_string(hide_password=False)
    return os.environ | {"UPKEEP_DATABASE": url}


def upkeep(site: Reviewed, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environ = environment(site)
    return warm.run([*arguments, "-i", site.site.name], env=environ, given=given)


def on_a_terminal(site: Reviewed, typed: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, and type something when it asks; return status and what was shown."""
    command = [sys.executable, "-m", "upkeep.cli.main", *arguments, "-i", site.site.name]
    parent, terminal = pty.openpty()
    environ = environment(site) | {"TERM": "dumb"}
    process = subprocess.Popen(
        command, env=environ, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    said = b""
    until = time.monotonic() + PATIENCE_SECONDS
    asked = False
    while time.monotonic() < until:
        try:
            said += os.read(parent, 10_000)
        except OSError:
            break
        if not asked and said.rstrip().endswith(b":") and b"Password of" in said:
            os.write(parent, typed.encode() + b"\n")
            asked = True
    os.close(parent)
    return process.wait(PATIENCE_SECONDS), said.decode().replace("\r\n", "\n")


@opened_on_sqlite
def test_a_review_is_found_looked_at_signed_and_verified_on_the_command_line(
    opened: Reviewed, tmp_path: Path
) -> None:
    listed = upkeep(opened, "review", "list", "--team", "legal", "--json")
    validate(json.loads(listed.stdout), schema("reviews"))
    (one,) = json.loads(listed.stdout)["reviews"]
    assert (one["item"], one["waits_for"]) == ("deeds", ["legal", "compliance"])
    number = str(opened.one("fires").id)
    shown = upkeep(opened, "review", "show", number)
    assert shown.returncode == 0, shown.stderr
    assert "not collected by any check yet: the pressure of each" in shown.stdout
    report = tmp_path / "report.html"
    report.write_text("<script>alert(1)</script>")

    command = (
        "sign",
        number,
        "--verdict",
        "fail",
        "--note",
        "red",
        "--attach",
        str(report),
        "--user",
        "ann",
    )
    command += ("--follow-up", f"ops {date.today() + timedelta(days=30)} fill it up")
    status, said = on_a_terminal(opened, PASSWORD, *command)
    assert status == 0, said
    before = said[: said.index("Password of")]
    assert "The evidence is as of 2027-01-04 09:15, in " in before
    assert "Nothing was collected for it: pass needs a note of what you checked" in before
    assert "  disk_space: no value of used since 2026-12-28" in before
    assert f"review {number} signed by Ann (ann): fail, record 5" in said
    assert "Operations: fill it up" in said
    assert PASSWORD not in said
    whole = json.loads(upkeep(opened, "review", "show", number, "--json").stdout)
    validate(whole, schema("review"))
    document = whole["review"]
    (signature,) = document["signatures"]
    assert signature["authenticated"].startswith("password on the terminal of ")
    assert document["evidence"]["review"]["item"] == "fires"
    sha256 = signature["attachments"][0]["sha256"]
    saved = tmp_path / "saved"
    assert (
        upkeep(opened, "review", "attachment", number, sha256[:8], "--out", str(saved)).returncode
        == 0
    )
    assert saved.read_text() == report.read_text()

    verified = upkeep(opened, "review", "verify")
    assert verified.stdout.startswith("6 records hold; the last is number 6, hash ")
    forced(opened.store, "UPDATE signature SET text = replace(text, '\"red\"', '\"reD\"')")
    verified = upkeep(opened, "review", "verify")
    assert (verified.returncode, verified.stdout) == (
        2,
        "✗ record 5: its content is not what was signed\n"
        "✗ record 6: the previous record is not the one that it was signed after\n",
    )


@on_postgresql
def test_on_the_command_line_a_reviewer_sees_findings_waivers_and_due_times_too(
    site: Reviewed,
) -> None:
    site.results = {"web1": [result(Severity.HIGH)]}
    site.go(at("2027-01-04 03:30"))  # the daily run finds it
    scope = WaiverScope("disk_space", "web1", "/", Severity.HIGH)
    asker, approver = (By(site.users[name]) for name in ("ann", "bob"))
    until = site.now + timedelta(days=30)
    made = waivers.request(site.store, site.site, scope, "moves in July", until, asker, site.now)
    waivers.approve(site.store, site.site, made.id, approver, site.now)
    site.go(at("2027-01-04 10:00"))

    shown = upkeep(site, "review", "show", str(site.one("fires").id)).stdout

    assert "Open findings\n" in shown
    assert "without a finding" not in shown
    assert "waiver 1: disk_space of / on web1, up to high, until 2027-02-03" in shown
    assert "moves in July (asked for by ann, approved by bob)" in shown
    assert "Due times, newest first\n2027-01-04 09:00:00 UTC\tdue\t\tdone" in shown
    assert "opened since" not in shown

    site.results["web2"] = [result(Severity.CRITICAL, host="web2")]
    site.go(at("2027-01-05 04:00"))
    number = str(site.one("fires").id)
    shown = upkeep(site, "review", "show", number).stdout
    assert "The evidence is as of 2027-01-04 09:15, in " in shown
    assert "1 finding opened since, or became worse\n" in shown
    assert shown.index("opened since") < shown.rindex("web2")
    status, said = on_a_terminal(
        site, PASSWORD, "sign", number, "--verdict", "pass", "--user", "ann"
    )
    assert (status, said.count("pass needs a note that explains what fails: ")) == (64, 2), said
    explained = ("--verdict", "pass", "--note", "a bigger disk comes in July", "--user", "ann")
    status, said = on_a_terminal(site, PASSWORD, "sign", number, *explained)
    assert status == 0, said
    assert said.index("1 finding opened since") < said.index("web2") < said.index("Password of")


@opened_on_sqlite
def test_a_month_is_printed_for_people_programs_and_spreadsheets(opened: Reviewed) -> None:
    opened.sign(opened.one("till").id, "ann", alone="bob is ill")

    found = json.loads(
        upkeep(opened, "schedule", "completion", "--month", "2027-01", "--json").stdout
    )
    validate(found, schema("completion"))
    # How the three other reviews count depends on when this test is run.
    (audit, plain) = found["procedures"]
    assert (audit["done"], audit["partial"], audit["signed"]) == (1, 0, 1)
    assert (found["lacking"], found["total_then"]) == (1, None)
    assert (plain["done"], plain["rate"]) == (2, 1.0)
    assert [one["why"] for one in found["signed_alone"]] == ["bob is ill"]
    rows = list(
        csv.reader(
            upkeep(
                opened, "schedule", "completion", "--month", "2027-01", "--csv"
            ).stdout.splitlines()
        )
    )
    assert [row[:4] for row in rows[1:]] == [
        ["2027-01", "audit", "Audit", "ops"],
        ["2027-01", "plain", "Plain", "ops"],
    ]
    lines = upkeep(opened, "schedule", "completion", "--month", "2027-01").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines if "\t" in line] == ["audit", "plain"]
    # Commands go by the clock of this machine, for which that month may not be over.
    assert lines[0].split(":")[0] in ("2027-01 so far", "2027-01")
    assert lines[-2:] == [
        "Signed by one person alone",
        "audit, till: The till, 2027-01-04: bob is ill",
    ]
    wrong = upkeep(opened, "schedule", "completion", "--month", "January")
    assert (wrong.returncode, "'January' is not a month, use YYYY-MM" in wrong.stderr) == (64, True)


@on_postgresql
def test_a_month_in_which_nothing_counts_says_so(site: Reviewed) -> None:
    empty = upkeep(site, "schedule", "completion", "--month", "2026-10")
    listed = f"upkeep schedule list -i {site.site.name}"
    assert (empty.stdout, empty.stderr) == (
        "",
        f"Nothing was due in 2026-10. What is due: {listed}\n",
    )

    with site.store.begin() as db:
        review = reviews.NewReview(
            site.site.key, "audit", "till follow-up 1.1", site.now, "Count it", "ops", site.now,
            clock.now() + timedelta(minutes=5), site.now, parent=1,
        )  # fmt: skip
        reviews.open_one(db, review)
    month = (clock.now() + timedelta(minutes=5)).strftime("%Y-%m")
    said = upkeep(site, "schedule", "completion", "--month", month).stdout
    gap = "1 item of the schedule has no check yet; `lacks` in schedule.yml says which."
    first, second, third = said.splitlines()[:3]
    assert first.startswith(f"{month} so far: nothing that was due counts yet.")
    assert second == gap
    assert third.endswith(" not due yet: the month is not final.")


@opened_on_sqlite
def test_a_wrong_password_signs_nothing(opened: Reviewed) -> None:
    number = str(opened.one("fires").id)

    status, said = on_a_terminal(
        opened, "wrong", "sign", number, "--verdict", "pass", "--user", "ann"
    )

    assert status == 64
    assert "wrong password for ann" in said
    with opened.store.read() as db:
        (act,) = acts.recent(db, 1)
        assert (act.who, act.what, act.outcome, act.detail) == (
            "ann",
            "authenticate",
            "refused",
            "wrong password",
        )
        assert records.of(db, "review") == []


@opened_on_sqlite
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--verdict", "maybe"), "there is no verdict 'maybe'"),
        (("--verdict", "pass", "--user", "ann"), "no terminal to ask for a password"),
        (("--verdict", "pass"), "is not a user"),
        (("--verdict", "pass", "--follow-up", "ops soon"), "expected an owner, a day and a text"),
        (("--verdict", "pass", "--attach", "/nonexistent"), "/nonexistent: no such file"),
        (("--verdict", "pass", "--attach", "/tmp"), "/tmp: is a directory"),
        (("--verdict", "pass", "--attach", "/dev/zero"), "/dev/zero: more than 20 MB"),
        (("--verdict", "pass", "--evidence", "abc"), "the evidence has changed since it was shown"),
    ],
)
def test_wrong_usage_is_named(opened: Reviewed, arguments: tuple[str, ...], said: str) -> None:
    done = upkeep(opened, "review", "sign", str(opened.one("fires").id), *arguments)

    assert done.returncode == 64
    assert said in done.stderr


@opened_on_sqlite
def test_reviews_that_are_not_there(opened: Reviewed) -> None:
    for number in ("999", str(2**63)):
        said = upkeep(opened, "review", "show", number).stderr
        assert f"there is no review {number}" in said
    said = upkeep(opened, "review", "list", "--team", "oops").stderr
    assert "there is no team 'oops'; did you mean 'ops'?" in said


@opened_on_sqlite
def test_the_reviews_of_another_site_in_the_database_are_not_there(
    opened: Reviewed, tmp_path: Path
) -> None:
    folder = write_site(tmp_path / "other", tmp_path / "other state", SCHEDULE)
    other = Reviewed(folder, opened.store, opened.now)
    number = str(opened.one("fires").id)
    there_is_none = f"there is no review {number}"

    signing = ("sign", number, "--verdict", "pass", "--user", "ann")
    assert there_is_none in upkeep(other, *signing).stderr
    for command in (("show", number), ("renew", number), ("attachment", number, "a", "--out", "a")):
        assert there_is_none in upkeep(other, "review", *command).stderr
    other.users = opened.users
    with pytest.raises(UsageError, match=there_is_none):
        other.sign(int(number), "ann")
    with opened.store.read() as db:
        assert records.of(db, "review") == []
