"""A site that gets an id goes on: nothing begins anew, nobody is told again, and what was signed holds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_samples import MONDAY, full, run, seen
from alert_samples import site as sample
from recorded_store import NOW, SITE, Recorded, shown
from renamer import TRUSTED, renamer
from sqlalchemy import select, update

from upkeep.model.errors import StoreError, UsageError
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.waivers import WaiverScope
from upkeep.serve.scheduler import Scheduler
from upkeep.services import sites as acting
from upkeep.services.alerts.alerter import Alerter
from upkeep.services.sites import Renamer
from upkeep.services.verification import problems_of
from upkeep.site.site import Site, load_site
from upkeep.store import (
    Store,
    alerts,
    baselines,
    findings,
    migrate,
    occurrences,
    open_store,
    runs,
    silences,
    sites,
    tables,
    waivers,
)
from upkeep.store.silences import NewSilence
from upkeep.store.site_moves import _past_the_guard

RECORDED = Recorded("0008")


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, frozenset[str]]]:
    """A month of an older program, upgraded, on each database; and the keys that signed."""
    if request.param == "sqlite":
        url = RECORDED.on_sqlite(tmp_path / "upkeep.db")
    else:
        url = RECORDED.on_postgresql(request.getfixturevalue("postgres"))
    migrate(url)
    with contextlib.closing(open_store(url)) as store:
        with store.begin() as db:  # one was left without an end
            for one in runs.unfinished(db):
                runs.finish(db, one.id, "crashed", "", NOW)
        yield store, RECORDED.trusted(request.param) | TRUSTED


@pytest.fixture
def by(tmp_path: Path) -> Renamer:
    return renamer(tmp_path / "state")


def named_somewhere(store: Store, site: str) -> list[str]:
    """The tables in which the site's name stands."""
    with store.read() as db:
        return [
            one.name
            for one in sites.tables_of_sites()
            if db.execute(select(one.c.site).where(one.c.site == site).limit(1)).first()
        ]


def test_a_month_is_shown_as_it_was_under_the_new_name(
    old: tuple[Store, frozenset[str]], by: Renamer
) -> None:
    store, trusted = old
    before = shown(store, RECORDED.schedule, trusted)
    acting.rename(store, SITE, "bakery", by, NOW)
    after = shown(store, RECORDED.schedule, trusted, "bakery")

    (act,) = [one for one in after["acts"] if one not in before["acts"]]
    assert act[3:] == ["maintain the installation", f"site {SITE} is now bakery", "done"]
    after["acts"].remove(act)
    assert before == after
    for what in (
        "findings",
        "alerts",
        "silences",
        "waivers",
        "reviews",
        "occurrences",
        "baselines",
        "debts",
    ):
        assert len(before[what]) > 0, what
    assert before["signatures that do not hold"] == []
    assert named_somewhere(store, SITE) == []


def test_and_back(old: tuple[Store, frozenset[str]], by: Renamer) -> None:
    store, trusted = old
    before = shown(store, RECORDED.schedule, trusted)
    acting.rename(store, SITE, "bakery", by, NOW)
    acting.rename(store, "bakery", "bread", by, NOW)
    after = shown(store, RECORDED.schedule, trusted, "bread")

    assert before | {"acts": []} == after | {"acts": []}
    with store.read() as db:
        assert sites.formerly(db, "bread") == [SITE, "bakery"]
        assert sites.ids(db) == {"bread"}


def test_what_was_asked_for_is_as_fixed_as_before(
    old: tuple[Store, frozenset[str]], by: Renamer
) -> None:
    store, _trusted = old
    acting.rename(store, SITE, "bakery", by, NOW)

    for table in (tables.review, tables.waiver):
        with pytest.raises(StoreError, match="only added"), store.begin() as db:
            db.execute(update(table).values(site="another"))


def test_a_baseline_is_the_newest_that_was_signed_by_either_name(
    old: tuple[Store, frozenset[str]], by: Renamer
) -> None:
    store, _trusted = old
    with store.read() as db:
        (before, *_) = baselines.of_site(db, SITE)
    acting.rename(store, SITE, "bakery", by, NOW)

    with store.read() as db:
        series = replace(before.series, site="bakery")
        assert baselines.of_series(db, series) == replace(before, series=series)
        values = baselines.newest_value(db, series, NOW)
        (text_kept,) = db.execute(
            select(tables.signature.c.text).where(tables.signature.c.number == before.number)
        ).scalars()
    assert values is not None
    assert json.loads(text_kept)["site"] == SITE


def test_a_history_of_a_month_becomes_another_sites(
    old: tuple[Store, frozenset[str]], by: Renamer
) -> None:
    store, trusted = old
    before = shown(store, RECORDED.schedule, trusted)
    run(store, NOW, seen(full(Severity.HIGH), at=NOW), site="bakery")
    with store.begin() as db:
        sites.add_id(db, "bakery", NOW)
    acting.join(store, SITE, "bakery", by, NOW)
    after = shown(store, RECORDED.schedule, trusted, "bakery")

    assert named_somewhere(store, SITE) == []
    for what in ("reviews", "waivers", "baselines", "silences", "occurrences"):
        assert after[what] == before[what]
    assert len(after["runs"]) == len(before["runs"]) + 1


def test_two_histories_with_one_review_stay_two(
    old: tuple[Store, frozenset[str]], by: Renamer
) -> None:
    store, _trusted = old
    with store.begin() as db:
        row = dict(db.execute(select(tables.review).limit(1)).mappings().one())
        del row["id"]
        db.execute(tables.review.insert().values(row | {"site": "bakery"}))
        sites.add_id(db, "bakery", NOW)

    with pytest.raises(UsageError, match="both have a review for the same due time"):
        acting.join(store, SITE, "bakery", by, NOW)


# --- alerts ----------------------------------------------------------------------------------------------------------
def with_id(folder: Path) -> Site:
    folder.mkdir(exist_ok=True)
    one = sample()
    settings = one.settings.model_copy(update={"id": "bakery"})
    return replace(one, name=str(folder), settings=settings)


def told(store: Store) -> list[tuple[str, str, str]]:
    table = tables.outbox
    with store.read() as db:
        rows = db.execute(select(table).where(table.c.state != "spare").order_by(table.c.id))
        return [(row.kind, row.title, row.dedupe) for row in rows]


def test_an_alert_goes_on_and_its_receivers_know_it(
    store: Store, tmp_path: Path, by: Renamer
) -> None:
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    alerter = Alerter(store, sample())
    for host in ("web1", "web2"):
        run(store, MONDAY - hour, seen(full(Status.PASS), at=MONDAY - hour, host=host))
    alerter.step(MONDAY - hour)
    run(store, MONDAY, seen(full(Severity.HIGH), at=MONDAY))
    alerter.step(MONDAY)
    before = told(store)
    acting.rename(store, SITE, "bakery", by, MONDAY)
    after = Alerter(store, with_id(tmp_path / "site"))
    for count in (1, 2):
        later = MONDAY + count * minute
        run(store, later, seen(full(Severity.HIGH), at=later), site="bakery")
        after.step(later)
    assert before
    assert told(store) == before

    with store.read() as db:
        (alert,) = alerts.open_alerts(db, "bakery")
    later = MONDAY + 3 * minute
    run(store, later, seen(full(Severity.HIGH), at=later, host="web2"), site="bakery")
    after.step(later)
    with store.read() as db:
        assert [one.id for one in alerts.open_alerts(db, "bakery")] == [alert.id]
    for count, host in ((4, "web1"), (5, "web2")):
        later = MONDAY + count * minute
        run(store, later, seen(full(Status.PASS), at=later, host=host), site="bakery")
    for count in range(6, 120):
        after.step(MONDAY + count * minute)
    recovered = [one for one in told(store) if one[0] == "recovery"]
    assert {one[2] for one in recovered} == {before[0][2]}
    with store.read() as db:
        assert alerts.open_alerts(db, "bakery") == []


# --- what is due -----------------------------------------------------------------------------------------------------
class Never:
    """A run that is begun and nothing else."""

    def ended(self) -> int | None:
        return None

    def ask(self) -> None: ...
    def end(self) -> None: ...
    def close(self) -> None: ...


def due(store: Store, site: str, now: datetime) -> list[tuple[str, str, str]]:
    with store.read() as db:
        found = occurrences.between(db, site, now - timedelta(9), now + timedelta(9))
    return sorted((f"{one.due_at:%d %H:%M}", one.kind, one.state) for one in found)


def test_what_was_due_meanwhile_is_due_and_what_was_before_is_not_again(
    store: Store, tmp_path: Path, by: Renamer
) -> None:
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    (folder / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}}}\n")
    daily = {"title": "Daily", "rule": "FREQ=DAILY;BYHOUR=3"}
    (folder / "schedule.yml").write_text(json.dumps({"procedures": {"daily": daily}}))

    def driver(now: datetime) -> Scheduler:
        made = Scheduler(str(folder), store, lambda *_: Never())  # type: ignore[arg-type,return-value]
        made.step(now)
        return made

    def stopped(one: Scheduler) -> None:
        one.children.clear()
        one.stop(0)

    begins = datetime(2099, 6, 10, 2, tzinfo=UTC)
    first = driver(begins)
    first.step(begins + timedelta(hours=1))
    assert due(store, str(folder), begins) == [("10 03:00", "due", "claimed")]
    stopped(first)
    with store.begin() as db:
        db.execute(update(tables.occurrence).values(state="done", driver_id=""))
    (folder / "upkeep.toml").write_text('id = "bakery"\n')
    site = load_site(str(folder))
    with pytest.raises(UsageError, match="knows this folder as"):
        acting.claim_read(store, site, begins)
    acting.rename(store, str(folder), "bakery", by, begins)
    second = driver(begins + timedelta(days=1, minutes=70))

    assert second.key == "bakery"
    assert due(store, "bakery", begins) == [
        ("10 03:00", "due", "done"),
        ("11 03:00", "catch_up", "claimed"),
        ("11 03:00", "due", "missed"),
    ]
    stopped(second)


# --- what covers, and what was signed --------------------------------------------------------------------------------
def test_waivers_and_silences_go_on_covering(store: Store, tmp_path: Path, by: Renamer) -> None:
    minute, ends = timedelta(minutes=1), MONDAY + timedelta(days=9)
    scope = WaiverScope("disk_space", "web1", "/", Severity.HIGH)
    quiet = NewSilence(
        check="swap_used", host="web1", severity=2, reason="x", by="ada", at=MONDAY, begins=MONDAY, ends=ends
    )  # fmt: skip
    with store.begin() as db:
        number = waivers.request(db, SITE, scope, "grows", ends, by="ada", now=MONDAY)
        waivers.approve(db, number, by="bob", now=MONDAY)
        silences.add(db, SITE, quiet)
    checks = ("disk_space", "swap_used")
    well = [full(Status.PASS, check=one) for one in checks]
    run(store, MONDAY, seen(*well, at=MONDAY, checks=checks))
    Alerter(store, sample()).step(MONDAY)
    acting.rename(store, SITE, "bakery", by, MONDAY)
    alerter, later = Alerter(store, with_id(tmp_path / "site")), MONDAY + minute
    alerter.step(MONDAY)
    wrong = [full(Severity.HIGH, check=one) for one in checks]
    run(store, later, seen(*wrong, at=later, checks=checks), site="bakery")
    alerter.step(later)

    with store.read() as db:
        covered = {one.check_id: one.waiver_id for one in findings.open_ones(db, site="bakery")}
        (alert,) = alerts.open_alerts(db, "bakery")
    assert covered == {"disk_space": number, "swap_used": None}
    assert (alert.check_id, alert.silenced) == ("swap_used", True)
    assert told(store) == []


def test_one_alert_goes_on_for_what_failed_in_both(
    store: Store, tmp_path: Path, by: Renamer
) -> None:
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    second = with_id(tmp_path / "site")
    for one in (sample(), second):
        alerter = Alerter(store, one)
        run(store, MONDAY - hour, seen(full(Status.PASS), at=MONDAY - hour), site=one.key)
        alerter.step(MONDAY - hour)
        run(store, MONDAY, seen(full(Severity.HIGH), at=MONDAY), site=one.key)
        alerter.step(MONDAY)
    with store.read() as db:
        (kept,) = alerts.open_alerts(db, "bakery")
        (other,) = alerts.open_alerts(db, SITE)
    before = told(store)
    acting.join(store, SITE, "bakery", by, MONDAY + minute)
    alerter, later = Alerter(store, second), MONDAY + 2 * minute
    run(store, later, seen(full(Severity.HIGH), at=later), site="bakery")
    alerter.step(later)

    with store.read() as db:
        assert [one.id for one in alerts.open_alerts(db)] == [kept.id]
        ended = alerts.get(db, other.id)
    assert ended is not None
    assert ended.closed_how == "moved"
    assert told(store) == before


def test_a_name_that_nobody_has_signed_explains_nothing(
    old: tuple[Store, frozenset[str]],
) -> None:
    """As of somebody who can write the database, and moves a site's reviews out of sight."""
    store, trusted = old
    with store.begin() as db:
        _past_the_guard(db, "review", update(tables.review).values(site="nowhere"))
        row = {"name": SITE, "now_name": "nowhere", "renamed_at": NOW}
        db.execute(tables.site_name.insert().values(row))

    with store.read() as db:
        said = list(problems_of(db, trusted))
    assert any("its site is 'nowhere'; the record has '/srv/site'" in one for one in said)
