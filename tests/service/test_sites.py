"""A site is known by its id, wherever its folder lies; two folders are two sites."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from renamer import renamer
from sqlalchemy import insert, select
from store_samples import NOW, answer, begun, result

from upkeep.model.errors import UsageError
from upkeep.model.verdicts import Severity, Status
from upkeep.services import sites as acting
from upkeep.services.sites import Renamer
from upkeep.site.site import Identity
from upkeep.store import Store, answers, drivers, findings, runs, sites, tables

HIGH = Severity.HIGH
Folder = Callable[..., Identity]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return what makes a folder with an id."""

    def make(name: str = "site", site_id: str = "bakery") -> Identity:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        (path / "upkeep.toml").write_text(f'id = "{site_id}"\n' if site_id else "")
        return Identity(site_id, str(path))

    return make


@pytest.fixture
def by(tmp_path: Path) -> Renamer:
    return renamer(tmp_path / "state")


def looked(store: Store, site: str, *results: object, minutes: float = 0) -> int:
    """Return the run of a site that saw these results."""
    with store.begin() as db:
        number = runs.start(db, begun(minutes, site=site))
        answers.add_hosts(db, number, [answer(*results, minutes=minutes)])  # type: ignore[arg-type]
        runs.finish(db, number, "done", "", NOW + timedelta(minutes=minutes + 1))
    return number


def folder_in(store: Store, site: str = "bakery") -> str:
    with store.read() as db:
        return sites.folder_of(db, site)


# --- who acts --------------------------------------------------------------------------------------------------------
def test_the_first_folder_that_acts_has_the_id(store: Store, folder: Folder) -> None:
    site = folder()
    acting.claim(store, site, NOW)
    acting.claim(store, site, NOW)

    assert folder_in(store) == site.folder
    with store.read() as db:
        assert sites.ids(db) == {"bakery"}


def test_a_copy_is_refused_and_told_how_to_be_a_site_of_its_own(
    store: Store, folder: Folder
) -> None:
    site, copy = folder(), folder("copy")
    acting.claim(store, site, NOW)

    with pytest.raises(UsageError, match="each folder needs an id of its own") as found:
        acting.claim(store, copy, NOW)
    assert site.folder in str(found.value)
    assert found.value.remedy == f'id = "bakery-2"  # as a line of {copy.folder}/upkeep.toml'
    assert folder_in(store) == site.folder
    acting.claim(store, folder("copy", "bakery-2"), NOW)


def test_a_folder_that_was_moved_goes_on(store: Store, folder: Folder) -> None:
    site = folder()
    acting.claim(store, site, NOW)
    moved = Path(site.folder).rename(Path(site.folder).with_name("moved"))
    acting.claim(store, Identity("bakery", str(moved)), NOW)

    assert folder_in(store) == str(moved)
    shutil.copytree(moved, site.folder)  # and whoever comes to the old place is the copy
    with pytest.raises(UsageError, match="each folder needs an id of its own"):
        acting.claim(store, site, NOW)


def test_an_old_folder_with_another_id_is_no_rival(store: Store, folder: Folder) -> None:
    acting.claim(store, folder(), NOW)
    folder("site", "bakery-staging")
    acting.claim(store, folder("new"), NOW)

    assert folder_in(store).endswith("/new")


def test_a_folder_that_cannot_be_read_may_be_a_rival(store: Store, folder: Folder) -> None:
    site = folder()
    acting.claim(store, site, NOW)
    (Path(site.folder) / "upkeep.toml").write_text("id = [")

    with pytest.raises(UsageError, match="each folder needs an id of its own"):
        acting.claim(store, folder("copy"), NOW)


def test_a_link_to_the_folder_is_the_same_folder(
    store: Store, folder: Folder, tmp_path: Path
) -> None:
    site, link = folder(), tmp_path / "link"
    link.symlink_to(site.folder)
    acting.claim(store, site, NOW)
    acting.claim(store, Identity("bakery", str(link)), NOW)

    assert folder_in(store) == site.folder


def test_a_link_that_leads_to_a_newer_folder_is_still_the_link(
    store: Store, folder: Folder, tmp_path: Path
) -> None:
    """As where each release has a folder, and a link leads to the newest."""
    link = tmp_path / "current"
    link.symlink_to(folder("release-1").folder)
    acting.claim(store, Identity("bakery", str(link)), NOW)
    link.unlink()
    link.symlink_to(folder("release-2").folder)
    acting.claim(store, Identity("bakery", str(link)), NOW)

    assert folder_in(store) == str(link)


def elsewhere(store: Store, site: str, revision: str, *, driver: bool, minutes: float = 0) -> None:
    """Have another machine act as the site."""
    with store.begin() as db:
        at = drivers.database_time(db, NOW) - timedelta(minutes=minutes)
        row = {"site_id": site, "machine": "far", "folder": "/srv/x", "revision": revision}
        db.execute(insert(tables.site_folder).values(**row, seen_at=at))
        if driver:
            there = drivers.Driver("d1", site, revision, "far", 7, 1.0, "boot")
            drivers.seen(db, there, NOW)
            drivers.activate(db, site, revision, "tests", NOW)


def test_another_text_than_that_of_the_drivers_elsewhere_may_not_act(
    store: Store, folder: Folder
) -> None:
    site = folder()
    elsewhere(store, "bakery", "theirs", driver=True)

    with pytest.raises(UsageError, match="the driver on far has read") as found:
        acting.claim(store, site, NOW, "mine")
    assert 'id = "bakery-2"' in found.value.remedy
    with store.read() as db:
        assert [one.machine for one in sites.folders(db, "bakery")] == ["far"]
    acting.claim(store, site, NOW, "theirs")
    assert folder_in(store) == site.folder


@pytest.mark.parametrize("runs_on", ["mine", "theirs"])
def test_a_machine_whose_own_driver_runs_the_site_may_edit_it(
    store: Store, folder: Folder, runs_on: str
) -> None:
    elsewhere(store, "bakery", "theirs", driver=True)
    with store.begin() as db:
        mine = drivers.Driver("d2", "bakery", "mine", sites.machine(), 8, 1.0, "boot")
        drivers.seen(db, mine, NOW)
        drivers.activate(db, "bakery", runs_on, "tests", NOW)

    if runs_on == "mine":
        acting.claim(store, folder(), NOW, "as edited a moment ago")
    else:
        with pytest.raises(UsageError, match="the driver on far has read"):
            acting.claim(store, folder(), NOW, "mine")


@pytest.mark.parametrize(
    ("revision", "minutes", "told"),
    [("theirs", 9, ["far"]), ("theirs", 11, []), ("mine", 1, []), ("", 1, [])],
)
def test_who_has_acted_lately_on_another_text_elsewhere_is_told(
    store: Store, folder: Folder, revision: str, minutes: float, told: list[str]
) -> None:
    elsewhere(store, "bakery", revision, driver=False, minutes=minutes)
    acting.claim(store, folder(), NOW, "mine")

    with store.read() as db:
        found = acting.apart(db, "bakery", "mine", NOW)
    assert [one.machine for one in found] == told


def test_who_does_not_say_its_text_is_not_taken_to_have_the_one_of_before(
    store: Store, folder: Folder
) -> None:
    site = folder()
    acting.claim(store, site, NOW, "mine")
    acting.Holder(store, site).hold(NOW)

    with store.read() as db:
        assert [one.revision for one in sites.folders(db, "bakery")] == [""]


# --- what it is called -----------------------------------------------------------------------------------------------
def test_a_new_id_of_a_folder_with_a_history_is_to_be_said_first(
    store: Store, folder: Folder, by: Renamer
) -> None:
    site = folder()
    looked(store, site.folder, result())

    with pytest.raises(UsageError, match="the database knows this folder as") as found:
        acting.claim(store, site, NOW)
    assert f"upkeep db sites rename {site.folder} bakery" in found.value.remedy
    acting.rename(store, site.folder, "bakery", by, NOW)
    acting.claim(store, site, NOW)
    assert folder_in(store) == site.folder


def test_another_id_than_before_is_to_be_said_first(
    store: Store, folder: Folder, by: Renamer
) -> None:
    acting.claim(store, folder(), NOW)

    with pytest.raises(UsageError, match="'bakery'") as found:
        acting.claim(store, folder("site", "baker"), NOW)
    assert "upkeep db sites rename bakery baker" in found.value.remedy
    acting.rename(store, "bakery", "baker", by, NOW)
    acting.claim(store, folder("site", "baker"), NOW)
    with store.read() as db:
        assert sites.ids(db) == {"baker"}


@pytest.mark.parametrize("site_id", ["", "bakery"])
def test_a_name_that_the_site_had_before_is_refused(
    store: Store, folder: Folder, site_id: str, by: Renamer
) -> None:
    site = folder("site", site_id)
    looked(store, site.key, result())
    acting.rename(store, site.key, "bread", by, NOW)

    with pytest.raises(UsageError, match="'bread'") as found:
        acting.claim(store, site, NOW)
    assert found.value.remedy == f'id = "bread"  # as a line of {site.folder}/upkeep.toml'


def test_a_folder_that_has_lost_its_id_is_refused(store: Store, folder: Folder) -> None:
    acting.claim(store, folder(), NOW)

    with pytest.raises(UsageError, match="says no id"):
        acting.claim(store, folder("site", ""), NOW)


def test_a_site_without_an_id_goes_on_by_its_path(store: Store, folder: Folder) -> None:
    site = folder("site", "")
    looked(store, site.folder, result())
    acting.claim(store, site, NOW)

    with store.read() as db:
        assert sites.folders(db, site.folder) == []
        assert sites.folder_of(db, site.folder) == site.folder


def test_a_driver_that_lives_keeps_its_site_its_name(
    store: Store, folder: Folder, by: Renamer
) -> None:
    site = folder("site", "")
    looked(store, site.folder, result())
    with store.begin() as db:
        drivers.seen(db, drivers.Driver("d", site.folder, "r", "far", 7, 1.0, "b"), NOW)

    with pytest.raises(UsageError, match="a driver on far, process 7 works for it"):
        acting.rename(store, site.folder, "bakery", by, NOW)
    with store.begin() as db:
        drivers.goodbye(db, "d")
        number = runs.start(db, begun(site=site.folder))
    with pytest.raises(UsageError, match=f"run {number} on controller works for it"):
        acting.rename(store, site.folder, "bakery", by, NOW)
    with store.read() as db:
        assert sites.names(db) == {site.folder}


def test_a_name_that_is_none_or_somebody_elses_is_refused(
    store: Store, folder: Folder, by: Renamer
) -> None:
    acting.claim(store, folder(), NOW)
    acting.claim(store, folder("b", "bread"), NOW)

    with pytest.raises(UsageError, match="expected a name of lower-case letters"):
        acting.rename(store, "bakery", "Bakery!", by, NOW)
    with pytest.raises(UsageError, match="there is a site 'bread' already") as found:
        acting.rename(store, "bakery", "bread", by, NOW)
    assert "db sites join bakery bread" in found.value.remedy
    with pytest.raises(UsageError, match="did you mean 'bakery'"):
        acting.rename(store, "bakey", "cake", by, NOW)


# --- one history out of two ------------------------------------------------------------------------------------------
def opened(store: Store, site: str) -> list[tuple[str, str, object, int]]:
    with store.read() as db:
        found = findings.open_ones(db, site=site)
    return [(one.host, one.subject, one.opened_at, one.count) for one in found]


def test_what_is_open_in_both_goes_on_since_the_earlier(store: Store, by: Renamer) -> None:
    looked(store, "/old", result(HIGH), result(HIGH, subject="/a"))
    looked(
        store, "/new", result(HIGH, minutes=60), result(HIGH, subject="/b", minutes=60), minutes=60
    )
    acting.join(store, "/old", "/new", by, NOW)

    assert sorted(opened(store, "/new")) == [
        ("web1", "/", NOW, 2),
        ("web1", "/a", NOW, 1),
        ("web1", "/b", NOW + timedelta(hours=1), 1),
    ]
    with store.read() as db:
        assert sites.names(db) == {"/new"}
        assert len(runs.recent(db, 9, site="/new")) == 2
        values = answers.series(db, "/new", "disk_space", "web1", "/", "used", NOW - timedelta(1))
        assert len(values) == 2
        keys = list(db.execute(select(tables.finding.c.fingerprint)).scalars())
        latest = set(db.execute(select(tables.latest_result.c.fingerprint)).scalars())
    assert set(keys) == latest
    looked(store, "/new", result(Status.PASS, minutes=90), minutes=90)
    assert ("web1", "/", NOW, 2) not in opened(store, "/new")


def test_what_was_resolved_last_is_resolved(store: Store, by: Renamer) -> None:
    looked(store, "/old", result(HIGH, minutes=1), minutes=1)
    looked(store, "/new", result(HIGH), minutes=0)
    looked(store, "/new", result(Status.PASS, minutes=9), minutes=9)
    looked(store, "/old", result(Status.PASS, minutes=20), minutes=20)
    acting.join(store, "/old", "/new", by, NOW)

    assert opened(store, "/new") == []


def test_a_joined_site_is_found_by_both_names(store: Store, by: Renamer) -> None:
    looked(store, "/old", result())
    looked(store, "/new", result(minutes=1), minutes=1)
    acting.join(store, "/old", "/new", by, NOW)
    acting.rename(store, "/new", "bakery", by, NOW)

    with store.read() as db:
        assert sites.formerly(db, "bakery") == ["/new", "/old"]
        (listed,) = sites.everyone(db)
    assert (listed.name, listed.has_id, listed.runs) == ("bakery", True, 2)


def test_one_site_is_not_joined_with_itself(store: Store, by: Renamer) -> None:
    looked(store, "/old", result())

    with pytest.raises(UsageError, match="one site already"):
        acting.join(store, "/old", "/old", by, NOW)
