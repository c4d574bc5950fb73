"""The commands and the page of a site with an id: what they are called, what they print, and who is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import warm
from alert_samples import MONDAY, site
from service.conftest import on_postgresql
from service.page import PASSWORD, Visitor, add_users, served
from sqlalchemy import insert, select

from upkeep.model.errors import ConfigurationError, UsageError
from upkeep.serve.metrics import render
from upkeep.serve.scheduler import SPREADS_WITHIN, Scheduler
from upkeep.services import sites as acting
from upkeep.site.settings import load_settings
from upkeep.site.site import Identity, load_site
from upkeep.store import Store, drivers, findings, open_store, runs, sites, tables
from upkeep.view.upcoming import Coming
from upkeep.web.routing import Setting

ALWAYS = {"medium_percent": 0.1, "medium_gib": 1e9, "high_percent": 0.1, "high_gib": 1e9}
"""So a disk always fails."""


def upkeep(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return warm.run(words, env={**os.environ, "COLUMNS": "300", **environ})


def made(folder: Path, toml: str = 'id = "bakery"\n') -> Path:
    """A site of this machine, whose check finds the disk full."""
    (folder / "inventory").mkdir(parents=True)
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {"upkeep_checks_all": [{"check": "disk_space", **ALWAYS}]}
    tree = {"all": {"hosts": {"here": host}, "vars": variables}}
    (folder / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    daily = {"title": "Daily", "rule": "FREQ=DAILY;BYHOUR=3"}
    (folder / "schedule.yml").write_text(json.dumps({"procedures": {"daily": daily}}))
    state = folder.parent
    (folder / "upkeep.toml").write_text(
        f'{toml}state = "{state}/state"\nworkspace = "{state}/work"\n'
    )
    return folder


# --- commands --------------------------------------------------------------------------------------------------------
def test_a_site_goes_on_when_its_folder_is_moved_and_says_where_it_is(tmp_path: Path) -> None:
    folder = made(tmp_path / "site")
    first = upkeep("run", "daily", "-i", str(folder))
    moved = folder.rename(tmp_path / "moved")
    second = upkeep("run", "daily", "-i", str(moved))

    assert f"-i {folder}" in first.stdout
    assert f"-i {moved}" in second.stdout
    assert str(folder) not in second.stdout
    listed = json.loads(upkeep("run", "list", "-i", str(moved), "--json").stdout)["runs"]
    assert [one["site"] for one in listed] == ["bakery", "bakery"]
    (found, *_) = json.loads(upkeep("finding", "list", "-i", str(moved), "--json").stdout)[
        "findings"
    ]
    assert found["count"] == 2
    report = (tmp_path / "state" / "reports").glob("*.html")
    assert "bakery" in max(report).read_text()
    shown = upkeep("db", "sites", "-i", str(moved)).stdout
    assert "bakery" in shown
    assert f"{moved} on " in shown
    (one,) = json.loads(upkeep("db", "sites", "-i", str(moved), "--json").stdout)["sites"]
    assert (one["name"], one["has_id"], one["runs"]) == ("bakery", True, 2)
    with closing(open_store(f"sqlite:///{tmp_path}/state/upkeep.db")) as store:
        text = render(store, datetime.now(UTC), openmetrics=True).decode()
    assert 'site="bakery"' in text
    assert str(folder) not in text
    assert str(moved) not in text


def test_a_copy_may_look_and_do_nothing(tmp_path: Path) -> None:
    folder = made(tmp_path / "site")
    upkeep("run", "daily", "-i", str(folder))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)

    assert upkeep("run", "list", "-i", str(copy)).returncode == 0
    for words in (
        ("run", "daily"),
        ("check", "disk_space"),
        ("silence", "add", "disk_space", "here", "--for", "1 h", "--reason", "x"),
        ("doctor", "--accept-clock"),
        ("serve", "--listen", "127.0.0.1:0"),
    ):
        refused = upkeep(*words, "-i", str(copy))
        assert refused.returncode == 64, words
        assert "each folder needs an id of its own" in refused.stderr
        assert 'id = "bakery-2"' in refused.stderr
    assert len(json.loads(upkeep("run", "list", "-i", str(folder), "--json").stdout)["runs"]) == 1
    document = json.loads(upkeep("doctor", "-i", str(copy), "--json").stdout)
    (line,) = [one for one in document["lines"] if one["topic"] == "site"]
    assert (line["status"], "each folder needs an id of its own" in line["text"]) == ("fail", True)
    text = (copy / "upkeep.toml").read_text().replace('"bakery"', '"bakery-2"')
    (copy / "upkeep.toml").write_text(text)
    assert upkeep("run", "daily", "-i", str(copy)).returncode == 2
    assert len(json.loads(upkeep("run", "list", "-i", str(copy), "--json").stdout)["runs"]) == 1


def test_an_old_site_is_led_to_its_id(tmp_path: Path) -> None:
    folder = made(tmp_path / "site", "")
    upkeep("run", "daily", "-i", str(folder))
    listed = upkeep("db", "sites", "-i", str(folder)).stdout
    assert listed.startswith(f"{folder}\t1\t")
    assert len(listed.splitlines()) == 1  # how to give it an id is for people
    text = (folder / "upkeep.toml").read_text()
    (folder / "upkeep.toml").write_text(f'id = "bakery"\n{text}')
    remedy = f"upkeep db sites rename {folder} bakery -i {folder}"
    for words in (
        ("runs",),
        ("findings",),
        ("run", "daily"),
        ("alerts",),
        ("waivers",),
        ("serve",),
    ):
        refused = upkeep(*words, "-i", str(folder))
        assert refused.returncode == 64, words
        assert remedy in refused.stderr
    lines = json.loads(upkeep("doctor", "-i", str(folder), "--json").stdout)["lines"]
    (line,) = [one for one in lines if one["topic"] == "site"]
    assert (line["status"], line["remedy"].startswith(remedy)) == ("fail", True)

    done = upkeep(*remedy.split()[1:])
    assert (done.returncode, done.stderr) == (0, f"{folder} is bakery now\n")
    upkeep("run", "daily", "-i", str(folder))
    (found, *_) = json.loads(upkeep("finding", "list", "-i", str(folder), "--json").stdout)[
        "findings"
    ]
    assert found["count"] == 2
    again = upkeep(*remedy.split()[1:])
    assert again.returncode == 0


def test_two_sites_are_joined(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", ""), made(tmp_path / "b", "")
    for one in (first, second):
        upkeep("run", "daily", "-i", str(one))
    done = upkeep("db", "sites", "join", str(first), str(second), "-i", str(second))

    assert done.stderr == f"{first} is {second} now\n"
    assert len(json.loads(upkeep("run", "list", "-i", str(second), "--json").stdout)["runs"]) == 2
    refused = upkeep("run", "list", "-i", str(first))
    assert refused.returncode == 64
    assert upkeep("review", "verify", "-i", str(second)).returncode == 0


def test_init_gives_an_id_that_the_database_does_not_have(tmp_path: Path) -> None:
    environ = {"UPKEEP_STATE": str(tmp_path / "state"), "UPKEEP_WORKSPACE": str(tmp_path / "work")}
    first, second = tmp_path / "a" / "My Site", tmp_path / "b" / "my-site"
    said = upkeep("init", str(first), **environ)
    assert "'my-site'" in said.stdout
    assert not (tmp_path / "state").exists()
    site = load_site(str(first))
    with closing(open_store(f"sqlite:///{tmp_path}/state/upkeep.db")) as store:
        acting.claim(store, site.identity, datetime.now(UTC))
    upkeep("init", str(second), **environ)

    assert (site.key, load_site(str(second)).key) == ("my-site", "my-site-2")


# --- settings --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("wrong", ["", "Bakery", "-x", "a_b", "/srv/site", "a" * 64, "ä"])
def test_an_id_is_readable(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "upkeep.toml").write_text(f'# one\nid = "{wrong}"\n')

    with pytest.raises(
        ConfigurationError, match=r"upkeep.toml:2: id: found .*; expected at most 63"
    ):
        load_settings(tmp_path, {})


def test_no_variable_gives_an_id(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"UPKEEP_ID: a site's id stands in its upkeep.toml"
    ):
        load_settings(tmp_path, {"UPKEEP_ID": "bakery"})


def test_an_id_is_the_folders_not_that_of_what_is_in_it(tmp_path: Path) -> None:
    folder = made(tmp_path / "site")

    assert (load_site(str(folder)).key, load_site(str(folder)).title) == ("bakery", "bakery")
    hosts = folder / "inventory" / "hosts.yml"
    assert load_site(str(hosts)).key == str(hosts)
    (folder / "hosts.yml").write_text("all: {hosts: {a: {}}}\n")
    assert load_site(str(folder / "hosts.yml")).key == str(folder / "hosts.yml")


# --- the page --------------------------------------------------------------------------------------------------------
@pytest.fixture
def page(store: Store, tmp_path: Path) -> Iterator[str]:
    """The page of a copy."""
    add_users(store, MONDAY)
    for name in ("site", "copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "upkeep.toml").write_text('id = "bakery"\n')
    acting.claim(store, Identity("bakery", str(tmp_path / "site")), MONDAY)
    holder = acting.Holder(store, Identity("bakery", str(tmp_path / "copy")))
    plan = site().schedule
    setting = Setting(
        store, "bakery", lambda: plan, Coming(lambda: plan, None),
        folder=str(tmp_path / "copy"), claim=holder.hold,
    )  # fmt: skip
    with served(setting) as url:
        yield url


@on_postgresql
def test_the_page_of_a_copy_shows_and_does_nothing(store: Store, page: str, tmp_path: Path) -> None:
    visitor = Visitor(page)
    assert visitor.sign_in("admin", PASSWORD).status_code == 303
    looked = visitor.get("/")
    done = visitor.act(
        "/silences", check="disk_space", host="web1", severity="2", reason="x", lasts="1 h"
    )
    out = visitor.act("/sign-out")
    visitor.close()

    assert f"upkeep run daily -i {tmp_path}/copy" in looked.text
    assert (done.status_code, out.status_code) == (409, 303)
    assert "each folder needs an id of its own" in done.text
    with store.read() as db:
        assert db.execute(select(tables.silence)).all() == []
        said = list(db.execute(select(tables.act.c.what, tables.act.c.outcome)))
    assert ("silence", "refused") in [tuple(one) for one in said]


# --- drivers ---------------------------------------------------------------------------------------------------------
def revisions(store: Store) -> list[str]:
    with store.read() as db:
        return list(db.execute(select(tables.site_revision.c.hash)).scalars())


def far(store: Store, revision: str, now: datetime) -> None:
    """Have another machine act as the site."""
    with store.begin() as db:
        at = drivers.database_time(db, now)
        row = {"site_id": "bakery", "machine": "far", "folder": "/srv/x", "revision": revision}
        db.execute(tables.site_folder.delete())
        db.execute(insert(tables.site_folder).values(**row, seen_at=at))


def test_who_acts_elsewhere_on_another_text_is_a_finding_until_it_does_not(
    store: Store, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    driver = Scheduler(str(made(tmp_path / "site")), store)
    driver.step(now)

    def told(revision: str, at: datetime) -> list[tuple[str, str, str]]:
        far(store, revision, at)
        driver.seen_until = 0
        driver.step(at)
        with store.read() as db:
            found = findings.open_ones(db, site="bakery")
        return [(one.check_id, one.subject, one.severity.value) for one in found]

    assert told("another", now + timedelta(seconds=20)) == []
    later = now + timedelta(seconds=25) + SPREADS_WITHIN
    assert told("another", later) == [("site_revision", "far", "high")]
    assert told(driver.revision, later + timedelta(seconds=20)) == []
    driver.stop(0)


def test_a_driver_goes_on_with_the_id_that_it_began_with(store: Store, tmp_path: Path) -> None:
    folder = made(tmp_path / "site")
    driver = Scheduler(str(folder), store)
    now = datetime.now(UTC)
    driver.step(now)
    for name in ("upkeep.toml", "schedule.yml"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("bakery", "bread").replace("Daily", "Each day"))
    driver.reread_at = 0
    driver.step(now + timedelta(seconds=10))

    assert (driver.site.key, driver.site.schedule.procedures["daily"].title) == ("bakery", "Daily")
    with store.read() as db:
        (found,) = findings.open_ones(db, site="bakery")
    assert "its id is now 'bread'" in found.message
    driver.stop(0)


def test_a_driver_whose_folder_was_taken_over_stands_still(store: Store, tmp_path: Path) -> None:
    """It was moved while it ran, and the new place has a driver of its own."""
    folder = made(tmp_path / "site")
    now = datetime.now(UTC)
    holder = acting.Holder(store, Identity("bakery", str(folder)))
    holder.hold(now)
    moved = folder.rename(tmp_path / "moved")
    acting.claim(store, Identity("bakery", str(moved)), now)
    holder._until = 0

    with pytest.raises(UsageError, match="each folder needs an id of its own"):
        holder.hold(now)
    with store.read() as db:
        assert sites.folder_of(db, "bakery") == str(moved)
        assert runs.recent(db, 1) == []


def test_what_is_looked_at_once_is_not_written_each_time(store: Store, tmp_path: Path) -> None:
    holder = acting.Holder(store, Identity("bakery", str(made(tmp_path / "site"))))
    now = datetime.now(UTC)
    holder.hold(now)
    holder.hold(now + timedelta(hours=1))

    with store.read() as db:
        (kept,) = sites.folders(db, "bakery")
    assert kept.seen_at < now + timedelta(minutes=5)


def test_doctor_says_what_the_site_is_called_and_who_else_acts_as_it(tmp_path: Path) -> None:
    folder = made(tmp_path / "site")

    def lines() -> list[tuple[str, str]]:
        document = json.loads(upkeep("doctor", "-i", str(folder), "--json").stdout)
        return [(one["status"], one["text"]) for one in document["lines"] if one["topic"] == "site"]

    well = ("ok", "known as 'bakery', wherever its folder lies")
    assert lines() == [well]
    with closing(open_store(f"sqlite:///{tmp_path}/state/upkeep.db")) as store:
        far(store, "another", datetime.now(UTC))
    first, (status, said) = lines()
    assert first == well
    assert status == "warn"
    assert said.startswith("/srv/x on far also acts as 'bakery', with different files")
    (folder / "upkeep.toml").write_text((folder / "upkeep.toml").read_text().replace("bakery", "b"))
    with closing(open_store(f"sqlite:///{tmp_path}/state/upkeep.db")) as store:
        acting.claim(store, Identity("b", str(folder)), datetime.now(UTC))
    text = (folder / "upkeep.toml").read_text().replace('id = "b"\n', "")
    (folder / "upkeep.toml").write_text(text)
    assert lines() == [
        ("fail", f"{folder}: upkeep.toml says no id; the database knows this site as 'b'")
    ]
