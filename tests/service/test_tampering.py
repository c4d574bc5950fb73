"""What the database's owner changes of reviews and their records, without triggers, is named by `review verify`."""

from __future__ import annotations

import hashlib
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS
from reviewed_site import Reviewed
from service.copies import Copies
from service.test_signed_reviews import at, begin, upkeep
from sqlalchemy import insert, text
from store_samples import result

from upkeep.model.errors import StoreError, UsageError
from upkeep.model.verdicts import Severity
from upkeep.rules.reviews import FollowUp, Form, ReviewVerdict, Signer, record_of
from upkeep.serve.serve import make_steps
from upkeep.services import chain_end
from upkeep.services.acts import Proved
from upkeep.services.alerts.alerter import Alerter
from upkeep.services.chain_watch import ChainWatch
from upkeep.services.reviews import Given, Handing, hand_over, renew
from upkeep.services.signing_key import load_installation
from upkeep.services.verification import problems_of, remarks_of
from upkeep.site.schedule_file import Alerts
from upkeep.site.settings import Settings
from upkeep.store import Store, alerts, findings, records, reviews, tables
from upkeep.store.reviews import KeptReview

VERSION_1 = ("id", "site", "procedure", "item", "title", "owner", "due_of", "opened_at", "due_at", "gap")  # fmt: skip


def fill(site: Reviewed) -> None:
    """Reviews 1 to 4 open (records 1 to 4); 5 to 11 is what people and machines do then."""
    fires, keys, till, deeds = (site.one(item).id for item in ("fires", "keys", "till", "deeds"))
    site.sign(fires, "ann", given=[Given("gauges.txt", b"all full")])  # 5
    by = Proved(site.users["ann"], authenticated="password of a test")
    hand_over(site.signing, site.site.schedule, till,
              Handing("legal", "they count it"), by, site.now)  # 6  # fmt: skip
    site.now += timedelta(minutes=5)
    renew(site.store, site.installation, site.one("till"), site.now, site.site.schedule)  # 7
    site.sign(till, "cat", alone="nobody else counts")  # 8
    site.sign(keys, "ann")  # 9; it waits for a second
    site.sign(deeds, "cat")  # 10
    follow_up = FollowUp("ops", date(2027, 1, 9), "file them")
    site.sign(
        deeds, "dan", ReviewVerdict.FAIL, follow_ups=(follow_up,)
    )  # 11, and 12 opens review 5


@pytest.fixture(scope="module")
def filled(copies: Any, tmp_path_factory: pytest.TempPathFactory) -> Copies[Reviewed]:
    def make(store: Store) -> Reviewed:
        made = begin(tmp_path_factory.mktemp("tampering"), store)
        made.results = {"web1": [result(Severity.HIGH)]}
        made.go(at("2027-01-04 10:00"))
        fill(made)
        return made

    done: Copies[Reviewed] = copies(make)
    return done


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, filled: Copies[Reviewed]) -> Iterator[Reviewed]:
    with filled.copy(request.param) as (made, store):
        found = made.on(store)
        chain_end.note(found.installation.folder, store)  # the end of this copy
        yield found


on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


def forced(store: Store, *statements: str) -> None:
    """Do what only the database's owner can: there are no triggers any more."""
    with store.begin() as db:
        if db.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for name in (
                db.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
                .scalars()
                .all()
            ):
                db.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            assert db.execute(text(statement)).rowcount, statement


def review_of(site: Reviewed, number: int) -> KeptReview:
    with site.store.read() as db:
        found = reviews.get(db, site.site.key, number)
    assert found
    return found


def verified(site: Reviewed) -> list[str]:
    end = chain_end.noted(site.installation.folder, site.store)
    with site.store.read() as db:
        return list(problems_of(db, site.installation.trusted, end))


def noted(site: Reviewed) -> str:
    end = chain_end.noted(site.installation.folder, site.store)
    assert end
    return end.sha256


COLUMNS = (
    "id, site, procedure, item, due_of, title, owner, parties, four_eyes, definition, parent, occurrence_id, run_id,"
    " since, opened_at, due_at, remind_at, gap, evidence_sha256, closed_at"
)
FORGED = COLUMNS.replace("id, site", "99, site", 1).replace("item", "'forged'", 1)
ROW, RECORDS = "DELETE FROM review WHERE id = {0}", "DELETE FROM signature WHERE about = '{0}'"
NEWEST = "DELETE FROM signature WHERE number > {0}"
COPIED = "INSERT INTO signature SELECT {1}, kind, about, text, signature, key FROM signature WHERE number = {0}"
GONE = "it does not exist any more, but record {0} names it"
TAMPERINGS = {
    # What is removed.
    "a whole signed review": ([ROW.format(1), RECORDS.format(1)], "record 1 is missing"),
    "a whole review that one of two has signed": ([ROW.format(2), RECORDS.format(2)], "record 2 is missing"),
    "the whole newest review": ([ROW.format(5), RECORDS.format(5)], "record 12 is missing at the end: this installation has noted"),
    "all of every review": (["DELETE FROM review", "DELETE FROM signature"], "records 1 to 12 are missing at the end"),
    "only the row of a signed review": ([ROW.format(1)], f"review 1: {GONE.format(5)}"),
    "only the row of an open review": ([ROW.format(5)], f"review 5: {GONE.format(12)}"),
    "only its signature": (["DELETE FROM signature WHERE number = 5", "UPDATE review SET closed_at = NULL WHERE id = 1"], "record 5 is missing"),
    "records in the middle": (["DELETE FROM signature WHERE number BETWEEN 6 AND 8"], "record 6 to 8 is missing"),
    "the first record": (["DELETE FROM signature WHERE number = 1"], "record 1 is missing"),
    "the newest record": ([NEWEST.format(11)], "record 12 is missing at the end"),
    "the newest records, with all that they did": (
        [NEWEST.format(10), ROW.format(5), "UPDATE review SET closed_at = NULL WHERE id = 4"],
        "records 11 to 12 are missing at the end",
    ),
    "what was attached": (["DELETE FROM kept_file WHERE size_bytes = 8"], "record 5: the content that it names by the hash "),
    "all evidence": (["DELETE FROM kept_file"], "record 1: the content that it names by the hash "),
    # What a signed review asked.
    "its definition": (["UPDATE review SET definition = '{}' WHERE id = 1"], "review 1: its definition_sha256 is"),
    "four_eyes": (["UPDATE review SET four_eyes = 'required' WHERE id = 1"], "review 1: its four_eyes is 'required'; the record has 'no'"),
    "its due time": (["UPDATE review SET due_at = remind_at WHERE id = 1"], "review 1: its due_at is '2027-01-04T15:00:00+00:00'; the record has '2027-01-04T17"),
    "when it is reminded of": (["UPDATE review SET remind_at = due_at WHERE id = 1"], "review 1: its remind_at is"),
    "when it opened": (["UPDATE review SET opened_at = due_at WHERE id = 1"], "review 1: its opened_at is"),
    "when its procedure was due": (["UPDATE review SET due_of = due_at WHERE id = 1"], "review 1: its due_of is"),
    "since when it looks": (["UPDATE review SET since = due_of WHERE id = 1"], "review 1: its since is"),
    "its owner": (["UPDATE review SET owner = 'bob' WHERE id = 1"], "review 1: its owner is 'bob'; the record has 'ops'"),
    "its title": (["UPDATE review SET title = 'Nothing' WHERE id = 1"], "review 1: its title is 'Nothing'; the record has 'Fire"),
    "its procedure": (["UPDATE review SET procedure = 'plain' WHERE id = 1"], "review 1: its procedure is 'plain'"),
    "its item": (["UPDATE review SET item = 'taps' WHERE id = 1"], "review 1: its item is 'taps'"),
    "its parties": (["UPDATE review SET parties = '[]' WHERE id = 4"], "review 4: its parties is []; the record has ['legal', 'compliance']"),
    "its gap": (["UPDATE review SET gap = 'x' WHERE id = 1"], "review 1: its gap is 'x'; the record has ''"),
    "its run": (["UPDATE review SET run_id = 1 WHERE id = 1"], "review 1: its run_id is 1;"),
    "its occurrence": (["UPDATE review SET occurrence_id = NULL WHERE id = 1"], "review 1: its occurrence_id is None;"),
    "whose follow-up it is": (["UPDATE review SET parent = 5 WHERE id = 5"], "review 5: its parent is 5; the record has 11"),
    "its evidence": (["UPDATE review SET evidence_sha256 = (SELECT evidence_sha256 FROM review WHERE id = 2) WHERE id = 1"], "review 1: its evidence_sha256 is"),
    "its site": (["UPDATE review SET site = 'other' WHERE id = 1"], "review 1: its site is 'other'"),
    "that it is signed": (["UPDATE review SET closed_at = NULL WHERE id = 1"], "review 1: it is stored as open; by its signatures it is closed at 2"),
    "when it was signed": (["UPDATE review SET closed_at = opened_at WHERE id = 1"], "review 1: it is stored as closed at 2"),
    "what a file says": (["UPDATE kept_file SET content = (SELECT content FROM kept_file WHERE size_bytes <> 8 LIMIT 1) WHERE size_bytes = 8"],
                         "record 5: the content that it names by the hash "),
    # What is no review any more: the others are still compared.
    "its parties to no JSON": (["UPDATE review SET parties = '[x' WHERE id = 4"], "review 4: its row cannot be read"),
    "its parties to another shape": (["UPDATE review SET parties = '5' WHERE id = 4"], "review 4: its row cannot be read"),
    "its parties to nothing": (["UPDATE review SET parties = '' WHERE id = 2"], "review 2: its row cannot be read"),
    "its definition to no JSON": (["UPDATE review SET definition = '{\"a\"' WHERE id = 1"], "review 1: its row cannot be read"),
    "its definition to another shape": (["UPDATE review SET definition = 'null' WHERE id = 5"], "review 5: its row cannot be read"),
    # What an open review asks.
    "four_eyes of an open review": (["UPDATE review SET four_eyes = 'no' WHERE id = 2"], "review 2: its four_eyes is 'no'; the record has 'required'"),
    "the due time of an open review": (["UPDATE review SET due_at = remind_at WHERE id = 5"], "review 5: its due_at is"),
    "that an open review is signed": (["UPDATE review SET closed_at = due_at WHERE id = 2"], "review 2: it is stored as closed at"),
    # What is put in.
    "a review that nobody opened": ([f"INSERT INTO review ({COLUMNS}) SELECT {FORGED} FROM review WHERE id = 1"], "review 99: no record opens it"),
    "another number of a review": (["UPDATE review SET id = 77 WHERE id = 1"], "review 77: no record opens it"),
    "an old record once more": ([COPIED.format(5, 13)], "record 13: it was signed as record 5"),
    "an old record instead of another": (
        ["UPDATE signature SET text = (SELECT text FROM signature WHERE number = 5), signature ="
         " (SELECT signature FROM signature WHERE number = 5) WHERE number = 9"],
        "record 9: it was signed as record 5",
    ),
    "an old record in a gap": (["DELETE FROM signature WHERE number = 12", COPIED.format(1, 12)], "record 12: it was signed as record 1"),
    "a signature for another review": (["UPDATE signature SET about = '2' WHERE number = 5"], "record 5: it is stored under review 2, for which it was not signed"),
    "another kind of record": (["UPDATE signature SET kind = 'review_terms' WHERE number = 5"], "record 5: it is stored under review_terms 1, for which it was not"),
    "a byte of an opening": (["UPDATE signature SET text = replace(text, '\"ops\"', '\"opS\"') WHERE number = 1"], "record 1: its content is not what was signed"),
}  # fmt: skip


def test_all_holds_before_anybody_tampers_with_it(site: Reviewed) -> None:
    assert verified(site) == []
    with site.store.read() as db:
        assert [one.kind for one in records.chain(db)] == [
            *["review_terms"] * 4, "review", "review_terms", "review_terms", *["review"] * 4, "review_terms",
        ]  # fmt: skip
        assert list(remarks_of(db)) == []
        moves = [(one["what"], one["review"]["id"]) for one in records.of(db, "review_terms")]
        (handed,) = [one for one in records.of(db, "review_terms") if one["what"] == "handed_over"]
    assert moves == [*(("opened", number) for number in (1, 2, 3, 4)), ("handed_over", 3), ("collected", 3), ("opened", 5)]  # fmt: skip
    assert (handed["user"], handed["reason"], handed["review"]["owner"]) == ("ann", "they count it", "legal")  # fmt: skip


@pytest.mark.parametrize(("statements", "said"), TAMPERINGS.values(), ids=list(TAMPERINGS))
def test_what_is_changed_is_named(site: Reviewed, statements: list[str], said: str) -> None:
    forced(site.store, *statements)

    found = verified(site)
    assert any(one.startswith(said) for one in found), found


@on_sqlite
def test_a_row_that_cannot_be_read_hides_no_other(site: Reviewed) -> None:
    forced(
        site.store,
        "UPDATE review SET definition = '[' WHERE id = 1",
        "UPDATE review SET owner = 'bob' WHERE id = 2",
        ROW.format(3),
    )
    said = verified(site)
    assert [one.partition(":")[0] for one in said] == ["review 1", "review 2", "review 3"]
    with site.store.read() as db, pytest.raises(StoreError, match="review 1 cannot be read"):
        reviews.get(db, site.site.key, 1)


@on_sqlite
@pytest.mark.parametrize(
    "column", ["due_of", "opened_at", "due_at", "remind_at", "since", "closed_at"]
)
def test_a_time_that_is_none_is_named(site: Reviewed, column: str) -> None:
    forced(site.store, f"UPDATE review SET {column} = 'yesterday' WHERE id = 1")
    assert verified(site) == [
        "review 1: its row cannot be read; this program did not write it like this"
    ]


@on_sqlite
@pytest.mark.parametrize("value", ["'x' || content", "'gauges'", "7"])
def test_a_file_that_is_no_bytes_any_more_is_named(site: Reviewed, value: str) -> None:
    forced(site.store, f"UPDATE kept_file SET content = {value} WHERE size_bytes = 8")
    (said,) = verified(site)
    assert said.startswith("record 5: the content that it names by the hash ")


def test_the_command_names_it_too_and_a_chain_that_was_emptied_is_not_nothing(
    site: Reviewed,
) -> None:
    end = chain_end.noted(site.installation.folder, site.store)
    whole = upkeep(site, "review", "verify")
    assert (whole.returncode, whole.stdout) == (0, f"12 records hold; the last is number 12, hash {end.sha256 if end else ''}\n")  # fmt: skip
    forced(site.store, "DELETE FROM review", "DELETE FROM signature")

    emptied = upkeep(site, "review", "verify")
    assert emptied.returncode == 2
    assert "✗ records 1 to 12 are missing at the end: this installation has noted" in emptied.stdout
    assert "Nothing has been signed" not in emptied.stdout


def test_what_was_removed_at_the_end_is_still_missed_when_more_is_signed(site: Reviewed) -> None:
    removed = (
        NEWEST.format(10),
        ROW.format(5),
        "UPDATE review SET closed_at = NULL WHERE id = 4",
    )
    forced(site.store, *removed)
    site.sign(site.one("deeds").id, "dan")
    site.sign(site.one("keys").id, "bob")
    site.sign(site.one("fires").id, "ann", ReviewVerdict.FAIL, note="a gauge is red", corrects=5)

    (said,) = verified(site)
    with site.store.read() as db:
        assert len(list(records.chain(db))) == 13
    assert said.startswith(
        "record 12: this installation has noted a different record, with the hash "
    )


def test_nobody_signs_hands_over_or_renews_what_was_changed(site: Reviewed) -> None:
    keys = site.one("keys")
    forced(site.store, "UPDATE review SET four_eyes = 'no', due_at = opened_at WHERE id = 2")
    said = "review 2 was changed in the database: its due_at is "

    with pytest.raises(UsageError, match=said):
        site.sign(keys.id, "bob")
    forced(site.store, "UPDATE review SET title = 'x' WHERE id = 5")
    by = Proved(site.users["ann"], authenticated="password of a test")
    to = Handing("bob", "his")
    with pytest.raises(UsageError, match="review 5 was changed in the database: its title is 'x'"):
        hand_over(site.signing, site.site.schedule, 5, to, by, site.now)  # fmt: skip
    with pytest.raises(UsageError, match="review 5 was changed"):
        renew(site.store, site.installation, review_of(site, 5), site.now, site.site.schedule)


# --- what older programs wrote ---------------------------------------------------------------------------------------
def as_of_before(site: Reviewed) -> None:
    """Let the chain be what an older program wrote: one signature of version 1, and no machine's records."""
    fires = site.one("fires")
    with site.store.begin() as db:
        record = record_of(
            {key: fires.terms[key] for key in VERSION_1}, Form(ReviewVerdict.PASS), Signer("ann", "ann", site.users["ann"].role),
            at=site.now, authenticated="password", party="", attachments=(), evidence_sha256=fires.evidence_sha256,
            lacking=(),
        )  # fmt: skip
        del record["lacking"]
        records.append(db, site.installation.key, "review", str(fires.id), record | {"version": 1})
        reviews.set_closed(db, fires.id, site.now)


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, filled: Copies[Reviewed]) -> Iterator[Reviewed]:
    with filled.copy(request.param) as (made, store):
        found = made.on(store)
        # Reviews 1 to 4, of which one was signed.
        forced(store, "DELETE FROM signature", ROW.format(5), "UPDATE review SET closed_at = NULL")
        as_of_before(found)
        chain_end.note(found.installation.folder, store, restored=True)
        yield found


def remarks(site: Reviewed) -> list[str]:
    with site.store.read() as db:
        return list(remarks_of(db))


VERSION_1_SAID = (
    "1 signature of version 1: what the review asked, and four_eyes, are not part of them"
)


def test_what_an_older_program_signed_verifies_as_before_and_is_called_so(older: Reviewed) -> None:
    assert verified(older) == []
    assert remarks(older) == [
        VERSION_1_SAID,
        "4 reviews (1 to 4) opened before openings were recorded; not recorded yet",
    ]


def test_older_reviews_are_recorded_once_and_held_to_it(older: Reviewed) -> None:
    older.reviews = type(older.reviews)(older.store, older)
    older.reviews.step(older.now)
    older.reviews.step(older.now)
    older.sign(older.one("keys").id, "ann")
    older.sign(older.one("keys").id, "bob")
    older.go(at("2027-01-11 10:00"))

    assert verified(older) == []
    with older.store.read() as db:
        kinds = [one.kind for one in records.chain(db)]
    assert kinds == ["review", "reviews_listed", "review", "review", *["review_terms"] * 4]
    assert remarks(older) == [
        VERSION_1_SAID,
        "4 reviews (1 to 4) opened before openings were recorded; recorded as they stood then",
    ]
    forced(older.store, "UPDATE review SET four_eyes = 'no' WHERE id = 2", ROW.format(3))
    assert verified(older) == [
        "review 2: its four_eyes is 'no'; the record has 'required'",
        f"review 3: {GONE.format(2)}",
    ]


def test_who_signs_an_older_review_first_has_it_recorded_before(older: Reviewed) -> None:
    older.sign(older.one("keys").id, "ann")

    with older.store.read() as db:
        assert [one.kind for one in records.chain(db)] == ["review", "reviews_listed", "review"]
    assert verified(older) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE review SET owner = 'bob' WHERE id = 1", "review 1: its owner is 'bob'; the record has 'ops'"),
        ("UPDATE review SET evidence_sha256 = 'a' WHERE id = 1", "review 1: its evidence_sha256 is 'a'"),
        ("UPDATE review SET closed_at = NULL WHERE id = 1", "review 1: it is stored as open; by its signatures it is closed"),
        ("DELETE FROM review WHERE id = 1", "review 1: it does not exist any more, but record 1 names it"),
        ("DELETE FROM signature", "record 1 is missing at the end"),
    ],
    ids=["its owner", "its evidence", "that it is signed", "its row", "its signature"],
)  # fmt: skip
@pytest.mark.parametrize("is_listed", [False, True], ids=["before they are listed", "after"])
def test_version_1_is_verified_as_far_as_it_says_something(
    older: Reviewed, statement: str, said: str, is_listed: bool
) -> None:
    if is_listed:
        older.reviews = type(older.reviews)(older.store, older)
        older.reviews.step(older.now)
        said = said.replace("record 1 names", "record 2 names")
        said = said.replace("record 1 is missing", "records 1 to 2 are missing")
    forced(older.store, statement)

    found = verified(older)
    assert any(one.startswith(said) for one in found), found


def test_a_list_of_older_reviews_that_is_lost_is_named_and_nothing_else(older: Reviewed) -> None:
    older.reviews = type(older.reviews)(older.store, older)
    older.reviews.step(older.now)
    with older.store.read() as db:
        (listed,) = records.of(db, "reviews_listed")
    forced(older.store, f"DELETE FROM kept_file WHERE sha256 = '{listed['listed_sha256']}'")

    assert verified(older) == [
        f"record 2: the content that it names by the hash {listed['listed_sha256']} is missing"
    ]


# --- the end that is noted outside -----------------------------------------------------------------------------------
def test_each_record_is_noted_outside_of_the_database(site: Reviewed) -> None:
    def noted() -> int:
        end = chain_end.noted(site.installation.folder, site.store)
        return end.number if end else 0

    assert noted() == 12
    site.sign(site.one("keys").id, "bob")
    assert noted() == 13
    with pytest.raises(UsageError):
        site.sign(site.one("keys").id, "bob")
    assert noted() == 13
    site.go(at("2027-01-11 10:00"))
    assert noted() == 17


def test_a_second_driver_notes_its_own_end(site: Reviewed, tmp_path: Path) -> None:
    other = load_installation(Settings(state=tmp_path / "other"))
    assert chain_end.noted(other.folder, site.store) is None
    mine, site.installation = site.installation, other
    site.sign(site.one("keys").id, "bob")

    first, second = (chain_end.noted(one.folder, site.store) for one in (mine, other))
    assert first
    assert second
    assert (first.number, second.number) == (12, 13)


@on_sqlite
def test_an_end_that_cannot_be_read_is_an_error_and_signing_goes_on(site: Reviewed) -> None:
    (path,) = [
        one
        for one in (site.installation.folder / "ends").iterdir()
        if one == chain_end._path(site.installation.folder, site.store)
    ]
    was = path.read_text()
    path.write_text("nothing of ours")
    try:
        with pytest.raises(StoreError, match="found something other than the number and hash"):
            chain_end.noted(site.installation.folder, site.store)
        assert site.sign(site.one("keys").id, "bob").number == 13
        assert upkeep(site, "review", "verify").returncode not in (0, 2)
    finally:
        path.write_text(was)


@on_sqlite
def test_without_a_noted_end_the_command_says_what_it_cannot_know(
    site: Reviewed, tmp_path: Path
) -> None:
    chain_end._path(site.installation.folder, site.store).unlink()

    said = upkeep(site, "review", "verify").stdout
    assert said.startswith("12 records hold; ")
    assert "This installation has noted no end of them" in said


def test_what_was_restored_is_the_end_from_then_on(site: Reviewed) -> None:
    forced(site.store, NEWEST.format(11), ROW.format(5))
    assert verified(site)

    chain_end.note(site.installation.folder, site.store, restored=True)
    assert [one for one in verified(site) if "at the end" in one] == []


# --- who hears of it -------------------------------------------------------------------------------------------------
def watched(site: Reviewed, watch: ChainWatch, now: datetime) -> list[tuple[str, str, str, str]]:
    """Let a driver verify the chain; return its findings of it: severity, message, remedy, state."""
    ends = time.monotonic() + PATIENCE_SECONDS
    before = watch.verified_at
    watch.step(now)
    while watch.verified_at == before and time.monotonic() < ends:
        watch.step(now)
        time.sleep(0.01)
    assert watch.verified_at == now
    with site.store.read() as db:
        found = findings.open_ones(db, everything=True, site=site.site.key)
    return [
        (one.severity.value, one.message, one.remedy, one.status)
        for one in found
        if one.check_id == "record_chain"
    ]


def test_a_driver_tells_of_a_broken_chain_and_takes_it_back(site: Reviewed) -> None:
    watch, remedy = (
        ChainWatch(site.store, site),
        f"upkeep review verify -i {site.site.name}  # on the controller: see all problems",
    )
    assert watched(site, watch, site.now) == []
    schedule = site.site.schedule.model_copy(update={"alerts": Alerts()})
    alerter = Alerter(site.store, replace(site.site, schedule=schedule))
    alerter.step(site.now)

    forced(site.store, "UPDATE review SET title = 'x' WHERE id = 1")
    again = ChainWatch(site.store, site)  # a driver that starts looks at once
    later = site.now + timedelta(minutes=1)
    broken = "review 1: its title is 'x'; the record has 'Fire extinguishers'"
    assert watched(site, again, later) == [("high", broken, remedy, "open")]
    alerter.step(later)
    with site.store.read() as db:
        (alert,) = [one for one in alerts.open_alerts(db) if one.check_id == "record_chain"]
    assert (alert.severity, alert.team) == (2, "ops")

    # As long as it is broken, it is looked at each hour; and a day later by who has found it whole.
    forced(site.store, "UPDATE review SET title = 'Fire extinguishers' WHERE id = 1")
    again.step(later + timedelta(minutes=59))
    assert again.verified_at == later
    now = later + timedelta(hours=1)
    whole = "every record and review is unchanged since it was signed"
    assert watched(site, again, now) == [("high", broken, remedy, "resolved")]
    with site.store.read() as db:
        (one,) = [one for one in findings.open_ones(db, True) if one.check_id == "record_chain"]
        assert findings.history(db, one.id)[-1][1:] == ("resolved", whole)
    alerter.step(now)
    with site.store.read() as db:
        assert [one for one in alerts.open_alerts(db) if one.check_id == "record_chain"] == []

    again.step(now + timedelta(hours=23, minutes=59))
    assert again.verified_at == now
    forced(site.store, ROW.format(5), NEWEST.format(11))
    end = f"record 12 is missing at the end: this installation has noted the last record, with the hash {noted(site)}"
    assert watched(site, again, now + timedelta(days=1))[0][:2] == ("high", end)


@on_sqlite
def test_a_clock_that_goes_back_does_not_put_it_off(site: Reviewed) -> None:
    watch = ChainWatch(site.store, site)
    assert watched(site, watch, site.now + timedelta(days=400)) == []
    forced(site.store, "UPDATE review SET title = 'x' WHERE id = 1", ROW.format(5))

    ((_severity, message, _remedy, state),) = watched(site, watch, site.now)

    assert message == "review 1: its title is 'x'; the record has 'Fire extinguishers'; and 1 more"
    assert state == "open"


@on_sqlite
def test_what_cannot_be_verified_is_broken_or_tried_again(site: Reviewed) -> None:
    path = chain_end._path(site.installation.folder, site.store)
    was = path.read_text()
    path.write_text("nothing of ours")
    try:
        (told,) = watched(site, ChainWatch(site.store, site), site.now)
    finally:
        path.write_text(was)
    assert told[1] == f"{path}: found something other than the number and hash of a record"

    watch = ChainWatch(site.store, site)
    forced(site.store, "ALTER TABLE signature RENAME TO elsewhere")
    with pytest.raises(StoreError):  # the worker says it, and comes again
        watched(site, watch, site.now)
    forced(site.store, "ALTER TABLE elsewhere RENAME TO signature")
    assert watched(site, watch, site.now + timedelta(seconds=5))[0][3] == "resolved"


@on_sqlite
def test_a_driver_that_ends_does_not_wait_for_the_whole_chain(site: Reviewed) -> None:
    watch = ChainWatch(site.store, site)
    watch.step(site.now)
    watch.stop(PATIENCE_SECONDS)
    assert [one.name for one in threading.enumerate() if one.name == "verifying"] == []


def test_serve_verifies_the_chain(site: Reviewed) -> None:
    assert "records" in [one.name for one in make_steps(site.site.name, site.store)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM evidence", "is missing"),
        ("UPDATE evidence SET content = (SELECT content FROM evidence WHERE size_bytes = 5)", "is different"),
        ("UPDATE evidence SET content = X'00'", "is different"),
    ],
    ids=["removed", "another's", "nothing that was packed"],
)  # fmt: skip
def test_what_hosts_said_is_there_as_long_as_a_review_shows_it(
    site: Reviewed, statement: str, said: str
) -> None:
    raw = [b"df said this", b"other"]
    hashes = [hashlib.sha256(one).hexdigest() for one in raw]
    with site.store.begin() as db:
        for sha256, one in zip(hashes, raw, strict=True):
            values = {"sha256": sha256, "size_bytes": len(one), "content": zlib.compress(one)}
            db.execute(insert(tables.evidence).values(values))
        db.execute(insert(tables.named_evidence).values(sha256=hashes[0]))
    assert verified(site) == []
    if site.store.engine.dialect.name == "postgresql":
        statement = statement.replace("X'00'", "'\\x00'::bytea")
    forced(site.store, statement)

    assert verified(site) == [f"raw evidence {hashes[0]}: a review shows it, but it {said}"]
