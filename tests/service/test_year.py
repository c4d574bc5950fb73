"""Astral's whole year by a clock that the test turns; each month's completion equals a table written by hand.

2027: two Fridays and six Mondays of reviews are holidays. web2 is down from 10 to 12 March. No driver is there on the
morning of Friday, 4 June. The performance team signs in time; the security team signs two of five reviews in time, one
a day late, and two never. web1 answers slowly from February to April, waived until the middle of April. Year's end is a
blackout.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest
from reviewed_site import Reviewed
from sqlalchemy import text
from store_samples import result
from without_words import take_words_away

from upkeep.model import occurrence
from upkeep.model.occurrence import NewOccurrence
from upkeep.model.verdicts import Severity, Status
from upkeep.rules import signatures
from upkeep.rules.completion import COUNTS, Completion
from upkeep.rules.reviews import FollowUp, ReviewState, ReviewVerdict
from upkeep.rules.reviews import standing as standing_of
from upkeep.rules.waivers import WaiverScope
from upkeep.schedule.due_times import due_times, timing_of
from upkeep.services import waivers as waiving
from upkeep.services.acts import By
from upkeep.services.reviews import Given
from upkeep.services.verification import problems_of
from upkeep.store import Store, files, findings, migrate, occurrences, open_store, records, reviews
from upkeep.store.completion import completion
from upkeep.store.reviews import KeptReview

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
ZONE = ZoneInfo("America/New_York")
MONTHS = [f"2027-{month:02}" for month in range(1, 13)]

# By hand, from a calendar of 2027. Each line: procedure, team, what, and its number in each month; what is not here is 0.
BY_HAND = """
                                                      jan   feb   mar   apr   may   jun   jul   aug   sep   oct   nov   dec
all-day                devsecops               done     22320 20160 22290 21600 22320 21525 22320 22320 21600 22320 21630 22320
all-day                devsecops               missed       .     .     .     .     .    75     .     .     .     .     .     .
daily-health           devsecops               done        31    28    28    30    31    30    31    31    30    31    30    31
daily-health           devsecops               partial      .     .     3     .     .     .     .     .     .     .     .     .
daily-database         database-administration done        31    28    28    30    31    30    31    31    30    31    30    31
daily-database         database-administration partial      .     .     3     .     .     .     .     .     .     .     .     .
daily-logs             devsecops               done        29    28    28    30    31    30    31    31    30    31    30    19
daily-logs             devsecops               partial      .     .     3     .     .     .     .     .     .     .     .     .
daily-logs             devsecops               left_out     2     .     .     .     .     .     .     .     .     .     .    12
daily-backups          database-administration done        31    28    28    30    31    30    31    31    30    31    30    31
daily-backups          database-administration partial      .     .     3     .     .     .     .     .     .     .     .     .
restore-verification   database-administration done         5     4     4     4     5     4     4     5     4     5     4     3
restore-verification   database-administration left_out     .     .     .     .     .     .     .     .     .     .     .     1
database-optimization  database-administration done         5     4     4     4     5     4     4     5     4     5     4     3
database-optimization  database-administration left_out     .     .     .     .     .     .     .     .     .     .     .     1
daily-security         security                done        31    28    28    30    31    30    31    31    30    31    30    31
daily-security         security                partial      .     .     3     .     .     .     .     .     .     .     .     .
weekly-performance     performance             done         4     4     5     4     5     4     4     5     4     4     5     4
weekly-performance     performance             signed      24    24    30    24    30    24    24    30    24    24    30    24
weekly-security        security                done         5     4     3     5     4     3     5     4     4     5     4     5
weekly-security        security                partial      .     .     1     .     .     .     .     .     .     .     .     .
weekly-security        security                late         5     4     4     5     4     5     5     4     4     5     4     5
weekly-security        security                signed      10     8     8    10     8     8    10     8     8    10     8    10
weekly-security        security                overdue     10     8     8    10     8     8    10     8     8    10     8    10
monthly-security       devsecops               done         1     1     1     1     1     1     1     1     1     1     1     1
monthly-security       devsecops               signed       6     6     6     6     6     6     6     6     6     6     6     6
monthly-performance    performance             done         1     1     1     1     1     1     1     1     1     1     1     1
monthly-performance    performance             signed       6     6     6     6     6     6     6     6     6     6     6     6
monthly-business       product                 done         1     1     1     1     1     1     1     1     1     1     1     1
monthly-business       product                 signed       6     6     6     6     5     6     6     6     6     6     6     6
monthly-business       product                 left_out     .     .     .     .     1     .     .     .     .     .     .     .
quarterly-compliance   compliance-and-legal    done         1     .     .     1     .     .     1     .     .     1     .     .
quarterly-compliance   compliance-and-legal    signed       6     .     .     6     .     .     6     .     .     6     .     .
quarterly-compliance   devsecops               signed       .     .     .     .     1     .     .     .     .     .     .     .
quarterly-upgrades     engineering-leadership  done         .     .     1     .     .     1     .     .     1     .     .     1
quarterly-upgrades     engineering-leadership  signed       .     .     6     .     .     6     .     .     6     .     .     6
yearly-security        security-assessment     done         1     .     .     .     .     .     .     .     .     .     .     .
yearly-security        security-assessment     signed       6     .     .     .     .     .     .     .     .     .     .     .
yearly-architecture    senior-engineering      done         .     .     .     .     .     .     1     .     .     .     .     .
yearly-architecture    senior-engineering      signed       .     .     .     .     .     .     6     .     .     .     .     .
schedule-review        devsecops               done         1     1     1     1     1     1     1     1     1     1     1     1
schedule-review        devsecops               signed       1     1     1     1     1     1     1     1     1     1     1     1
contacts-and-escalation devsecops              done         1     1     1     1     1     1     1     1     1     1     1     1
"""
# By hand: the average of January's seventeen procedures, none of which can hide another.
JANUARY = (
    6  # what is done daily, and all day
    + 1 + Fraction(15, 30)  # weekly
    + 1 + 1  # restores, optimization
    + 3  # monthly
    + 1 + 1  # quarterly, yearly
    + 1 + 1  # the schedule, the contacts
) / 17  # fmt: skip


def local(text_: str) -> datetime:
    return datetime.fromisoformat(text_).replace(tzinfo=ZONE).astimezone(UTC)


# From when on web1 answers slowly, and until when.
SLOW = {
    "01-31": [result(Severity.MEDIUM, check="response_time", message="p95 5 s, at most 4 s")],
    "04-30": [result(Status.PASS, check="response_time", message="p95 2 s")],
    "05-02": [],
}


class Year(Reviewed):
    """The site, and how its people are."""

    waivers: waiving.WaiverWorker

    SIGNERS: ClassVar = {
        "performance": ("performance-engineer",),
        "product": ("product-manager",),
        "devsecops": ("devsecops-lead", "platform-engineer"),
        "compliance-and-legal": ("compliance-officer", "legal-counsel"),
        "engineering-leadership": ("engineering-director",),
        "senior-engineering": ("engineering-director",),
        "security-assessment": ("external-assessor", "security-engineer"),
        "security": ("security-engineer",),
    }

    def afternoon(self) -> None:
        """Let people sign, an hour before their day ends, what is due today; the security team does as it does."""
        for review, standing in self.all_open():
            hours = self.calendars.hours(review.owner)
            if not hours.is_open(self.now):
                continue
            if review.owner == "security":
                if review.item in ("ws1", "ws2") or (review.item == "ws3" and standing.overdue):
                    self.sign_one(review)
            elif review.due_at - self.now <= timedelta(hours=1):
                self.sign_one(review)

    def all_open(self):  # type: ignore[no-untyped-def]
        from upkeep.services.reviews import waiting_ones

        with self.store.read() as db:
            return list(waiting_ones(db, self.site.key, self.now))

    def sign_one(self, review: KeptReview) -> None:
        """Let those sign who must."""
        month = f"{self.now.astimezone(ZONE):%Y-%m}"
        first, *others = self.SIGNERS[review.owner]
        if (review.item, month) == ("mb2", "2027-05"):
            self.sign(
                review.id, first, ReviewVerdict.NOT_APPLICABLE, reason="no feature was released"
            )
        elif (review.item, month) == ("s1", "2027-08"):
            self.sign(review.id, first, alone="the platform engineer is away")
        elif (review.item, month) == ("qc6", "2027-04"):
            follows = FollowUp("devsecops", date(2027, 5, 3), "try the call list again")
            self.sign(review.id, first, ReviewVerdict.FAIL, follow_ups=(follows,))
            self.sign(review.id, *others)
        elif review.owner == "security-assessment":
            report = Given(f"{review.item}.pdf", f"report on {review.title}".encode())
            self.sign(review.id, first, given=[report], on_behalf_of="Wren and Partners")
            self.sign(review.id, *others)
        else:
            self.sign(review.id, first)
            if review.four_eyes != "no" or review.parties:
                self.sign(review.id, *others)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """The year, lived through once. On SQLite: what it asks of the store is tried on both databases elsewhere."""
    tmp_path = tmp_path_factory.mktemp("year")
    url = f"sqlite:///{tmp_path}/upkeep.db"
    migrate(url)
    folder = tmp_path / "astral"
    shutil.copytree(ROOT / "inventory" / "astral", folder)
    with (folder / "upkeep.toml").open("a") as stream:
        stream.write(f'\nstate = "{tmp_path}/state"\n')
    store = open_store(url)
    site = Year(folder, store, local("2026-12-31 12:00"))
    site.away["web2"] = (local("2027-03-10 00:00"), local("2027-03-12 12:00"))
    site.down = [(local("2027-06-04 09:30"), local("2027-06-04 12:00"))]
    site.apart = {"all-day"}
    site.waivers = waiving.WaiverWorker(store, site)
    for person in site.site.schedule.people:
        site.user(person, person)
    all_day(site)
    day = datetime(2027, 1, 1, 16, 0)
    while day <= datetime(2028, 1, 10, 16, 0):
        site.go(day.replace(tzinfo=ZONE).astimezone(UTC))
        site.afternoon()
        site.waivers.step(site.now)
        slow = SLOW.get(f"{day:%m-%d}") if day.year == 2027 else None
        if slow is not None:
            site.results["web1"] = slow
        if day == datetime(2027, 2, 8, 16, 0):
            waive(site)
        if day == datetime(2027, 1, 6, 16, 0):
            correct(site)
        day += timedelta(days=1)
    yield site
    store.close()


def all_day(site: Year) -> None:
    """Let all day be looked at every two minutes: a quarter of a million occurrences, written down as they end."""
    timing = timing_of(site.site.schedule, "all-day")
    assert timing
    ((begins, ends),) = site.down
    key, rows = site.site.key, []  # the key is found out anew each time
    for due in due_times(timing, local("2026-12-31 23:59"), local("2027-12-31 23:59")):
        missed = begins <= due < ends
        state = occurrence.MISSED if missed else occurrence.DONE
        cause = "no driver was running" if missed else ""
        rows.append(NewOccurrence(key, "all-day", due, due, due, None, state=state, cause=cause))
    for start in range(0, len(rows), 20_000):
        with site.store.begin() as db:
            occurrences.make(db, rows[start : start + 20_000])


def correct(site: Year) -> None:
    """Correct what was signed on Monday."""
    monday = next(one for one, _standing in site.all() if one.item == "wp1")
    with site.store.read() as db:
        (signed,) = [
            one["number"] for one in records.of(db, "review", str(monday.id)) if not one["corrects"]
        ]
    note = "the figures were those of the week before"
    site.sign(monday.id, "performance-engineer", ReviewVerdict.FAIL, note=note, corrects=signed)


def waive(site: Year) -> None:
    """Let the performance engineer ask for a waiver until the middle of April, and the lead approve it."""
    scope = WaiverScope("response_time", "web1", "*", Severity.MEDIUM)
    asks, says = (By(site.users[one]) for one in ("performance-engineer", "devsecops-lead"))
    ends = local("2027-04-15 00:00")
    made = waiving.request(site.store, site.site, scope, "rewritten by April", ends, asks, site.now)
    waiving.approve(site.store, site.site, made.id, says, site.now)


def completed(site: Year, month: str) -> Completion:
    with site.store.read() as db:
        return completion(db, site.site.key, site.site.schedule, month, site.now)


def by_hand(month: str) -> dict[tuple[str, str], dict[str, int]]:
    """A month's column of the table."""
    heading, *lines = BY_HAND.strip().splitlines()
    index = heading.split().index(f"{date.fromisoformat(f'{month}-01'):%b}".lower())
    found: dict[tuple[str, str], dict[str, int]] = {}
    for line in lines:
        procedure, team, what, *numbers = line.split()
        assert len(numbers) == 12
        if numbers[index] != ".":
            found.setdefault((procedure, team), {})[what] = int(numbers[index])
    return found


@pytest.mark.parametrize("month", MONTHS)
def test_the_completion_of_a_month_is_what_is_reckoned_by_hand(year: Year, month: str) -> None:
    found = completed(year, month)

    rows = {
        (row.procedure, row.team): {
            name: getattr(row, name) for name in COUNTS if getattr(row, name)
        }
        for row in found.rows
    }
    assert rows == by_hand(month)
    assert found.pending == 0


def test_the_total_averages_procedures(year: Year) -> None:
    january = completed(year, "2027-01")

    assert january.total == pytest.approx(float(JANUARY))
    assert january.teams["security"] == pytest.approx(float((1 + Fraction(15, 30)) / 2))
    assert january.teams["performance"] == pytest.approx(1.0)


def test_what_is_left_out_and_who_signed_alone_is_listed(year: Year) -> None:
    def lines(month: str) -> list[str]:
        found = completed(year, month)
        return [
            f"{one.procedure} {one.what} {one.times} {one.first.astimezone(ZONE):%d}-{one.last.astimezone(ZONE):%d} {one.why}"
            for one in (*found.left_out, *found.alone)
        ]

    assert lines("2027-01") == ["daily-logs run 2 01-02 blackout: Year's end"]
    assert lines("2027-05") == [
        "monthly-business mb2: Feature adoption 1 17-17 not applicable: no feature was released"
    ]
    assert lines("2027-08") == [
        "schedule-review s1: Review of this schedule 1 25-25 the platform engineer is away"
    ]
    assert lines("2027-12") == [
        "daily-logs run 12 20-31 blackout: Year's end",
        "restore-verification run 1 26-26 blackout: Year's end",
        "database-optimization run 1 26-26 blackout: Year's end",
    ]
    assert lines("2027-06") == []


def test_due_times_of_the_year(year: Year) -> None:
    def due(item: str, month: int) -> list[str]:
        found = [one for one, _standing in year.all() if one.item == item]
        when = [(one.due_of.astimezone(ZONE), one.due_at.astimezone(ZONE)) for one in found]
        return [
            f"{end:%a %m-%d %H:%M}"
            for begins, end in when
            if (begins.year, begins.month) == (2027, month)
        ]

    assert due("ws1", 1)[0] == "Mon 01-04 17:00"  # the first of January is a holiday
    assert due("mb1", 1) == ["Tue 01-19 17:00"]  # so is the third Monday
    assert due("ys1", 1) == ["Mon 01-25 17:00"]  # day 14 is a Sunday
    assert due("ya1", 7) == ["Mon 07-19 17:00"]  # day 7 is a Sunday
    assert due("qu1", 12) == ["Mon 01-03 17:00"]  # its second day is a holiday
    assert due("ws1", 6)[0] == "Fri 06-04 17:00"  # it opened after the catch-up


def test_the_correction_stands_beside_what_it_corrects(year: Year) -> None:
    corrected = [
        (one, standing) for one, standing in year.all() if standing.state is ReviewState.CORRECTED
    ]

    assert [(one.item, standing.verdict) for one, standing in corrected] == [
        ("wp1", ReviewVerdict.FAIL)
    ]


def test_a_waiver_covers_a_failure_until_it_ends_and_reviewers_see_both(year: Year) -> None:
    shown = {}
    with year.store.read() as db:
        (found,) = [
            one
            for one in findings.open_ones(db, everything=True)
            if one.check_id == "response_time"
        ]
        history = [
            (f"{at.astimezone(ZONE):%m-%d}", kind)
            for at, kind, _text in findings.history(db, found.id)
        ]
        for one, _standing in year.all():
            if one.item == "wp1":
                evidence = json.loads(files.content_of(db, one.evidence_sha256) or b"")
                waived = [each["reason"] for each in evidence["waivers"]]
                fails = sum(each["now"]["fail"] for each in evidence["checks"])
                shown[f"{one.due_of.astimezone(ZONE):%m-%d}"] = (waived, fails)

    assert history == [
        ("02-01", "opened"), ("02-08", "waived"), ("04-15", "waiver_ended"), ("05-01", "resolved"),
    ]  # fmt: skip
    reason = ["rewritten by April"]
    assert shown["02-08"] == ([], 1)
    assert shown["02-15"] == shown["04-12"] == (reason, 1)  # what is waived still fails
    assert shown["04-19"] == shown["04-26"] == ([], 1)
    assert shown["05-03"] == ([], 0)


def test_the_years_chain_holds_and_openssh_says_so_too(year: Year, tmp_path: Path) -> None:
    trusted = year.installation.trusted
    with year.store.read() as db:
        assert list(problems_of(db, trusted)) == []
        kept = list(records.chain(db))
    chain = [one.signed for one in kept]
    # Signatures, by hand: 2027 brings 313 of WP with the correction, 159 of WS, 96 of MS, 72 of MP and of MB each, 48 of QC and 1
    # that follows, 24 of QU, 12 of YS, 6 of YA, 23 of S1. The days of 2028: 12 of WP, 3 of WS, 8 of MS, 6 of MP.
    assert sum(one.kind == "review" for one in kept) == 826 + 29
    # Openings, by hand, as nothing was handed over or collected again. 2027: 52 Mondays of 6 WP, 53 Fridays of 5 WS, 12
    # months of 6 MS, MP and MB each, 4 of 6 QC and 1 that follows, 4 of 6 QU, 6 of YS and of YA, 12 of S1. By 10 January
    # 2028, its second Monday: 12 of WP, 5 of WS, 6 of MS, of MP and of YS each.
    opened = 312 + 265 + 3 * 72 + 24 + 1 + 24 + 2 * 6 + 12 + (12 + 5 + 3 * 6)
    assert sum(one.kind == "review_terms" for one in kept) == opened == 866 + 35
    assert len(kept) == 826 + 29 + 866 + 35
    (tmp_path / "signers").write_text(signatures.allowed_signers(trusted))
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "upkeep", "-n", "record@upkeep"]
    for one in (*chain[:3], *chain[-3:]):
        (tmp_path / "sig").write_text(one.signature)
        subprocess.run(
            [*command, "-s", "sig"],
            input=one.text.encode(),
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )


def test_nothing_of_the_year_hangs_on_words(year: Year, tmp_path: Path) -> None:
    path = tmp_path / "upkeep.db"
    with closing(sqlite3.connect(year.site.folder.parent / "upkeep.db")) as db:
        db.execute("VACUUM INTO ?", (str(path),))
    path.chmod(0o600)
    months = [f"2027-{number:02}" for number in range(1, 13)]
    with closing(open_store(f"sqlite:///{path}")) as copy:
        was = [states(copy, year, month) for month in months]
        with copy.begin() as db:
            taken = take_words_away(db)
        now = [states(copy, year, month) for month in months]

    assert len(taken) > 100
    assert was == now


def states(store: Store, year: Year, month: str) -> list[object]:
    """Return what has become of a month's occurrences and reviews, and what holds of its findings."""
    with store.read() as db:
        done = completion(db, year.site.key, year.site.schedule, month, year.now)
        begins, ends = done.begins, done.ends
        kept = reviews.between(db, year.site.key, begins, ends)
        signed = reviews.signatures(db, (one.id for one in kept))
        open_ones = findings.open_ones(db, True, site=year.site.key)
    rows = [
        [one.procedure, one.team, one.rate, *(getattr(one, name) for name in COUNTS)]
        for one in done.rows
    ]
    lists = [
        [(one.procedure, one.team, one.times) for one in some]
        for some in (done.left_out, done.skipped, done.alone)
    ]
    standings = [(one.id, standing_of(one.asked, signed[one.id], year.now).state) for one in kept]
    troubles = [
        (one.id, one.status, one.severity, one.procedure, one.waiver_id) for one in open_ones
    ]
    return [done.total, rows, lists, standings, troubles]


def test_one_byte_of_the_year_that_is_changed_is_named(year: Year) -> None:
    said: list[str] = []
    with contextlib.suppress(_UndoneError), year.store.begin() as db:
        passed = (one.signed for one in records.chain(db) if '"verdict":"pass"' in one.signed.text)
        number = [one.number for one in passed][400]
        db.execute(text("DROP TRIGGER signature_no_update"))
        changed = "UPDATE signature SET text = replace(text, '\"pass\"', '\"pasS\"') WHERE number = :number"
        db.execute(text(changed), {"number": number})
        said += problems_of(db, year.installation.trusted)
        _undo()

    assert said == [
        f"record {number}: its content is not what was signed",
        f"record {number + 1}: the previous record is not the one that it was signed after",
    ]


class _UndoneError(Exception):
    """Undoes a transaction."""


def _undo() -> None:
    raise _UndoneError
