"""`upkeep restore`: what a host's ledger said, as it is listed and shown; and what is taken out of a backup."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml
from jsonschema import validate
from service.test_store_restores import add, ledger, ledger_row
from store_samples import NOW, begun

from upkeep.cli.aliases import TOOK_WORDS
from upkeep.cli.lazy import Commands
from upkeep.store import open_store, runs
from upkeep.store.answers import add_hosts
from upkeep.view.json import schema

Command = Callable[..., Any]
HOSTILE = "\x1b]0;x\x07\u202e/b/1.dump"


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `upkeep restore …` on a site of two hosts whose ledgers were seen; return what it printed and its status."""
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    (folder / "schedule.yml").write_text(
        yaml.safe_dump({"time_zone": "Europe/Berlin", "procedures": {"daily": {"title": "Daily"}}})
    )
    local = {"ansible_connection": "local"}
    groups = {
        "hosts": {"web1": local, "web2": local},
        "children": {"backup": {"hosts": {"web1": {}}}},
    }
    (folder / "inventory" / "hosts.yml").write_text(yaml.safe_dump({"all": groups}))
    running = {"backup": "/b/9.dump", "step": "restore", "began_at": NOW.isoformat(), "share": 0.4}
    asserted = [{"name": "orders", "state": "failed", "found": "3", "expected": "at least 400"}]
    failed = ledger_row(
        2,
        outcome="failed",
        step="assert",
        why="orders: 3, at least 400",
        next_step="decide: make a new one",
        restore_seconds=None,
        backup=HOSTILE,
        assertions=asserted,
        counts={f"table{number}": number for number in range(30)},
        seconds={"restore": 252.0},
    )
    with closing(open_store(f"sqlite:///{tmp_path}/state/upkeep.db")) as store:
        with store.begin() as db:
            run_id = runs.start(db, begun(site=str(folder)))
            first = ledger(failed, ledger_row(1), running=running)
            add_hosts(db, run_id, [first, ledger(host="web2", of="files")])
        add(store, ledger(ledger_row(9)))  # of another site

    def run(*words: str) -> Any:
        environ = {**os.environ, "UPKEEP_STATE": str(tmp_path / "state")}
        environ |= {"UPKEEP_WORKSPACE": str(tmp_path / "work")}
        return warm.run(["restore", *words, "-i", str(folder)], env=environ)

    return run


def test_the_ledger_is_listed_newest_first_with_what_runs(command: Command) -> None:
    done = command("list")

    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [(row[0], row[2], row[3], row[4]) for row in rows] == [
        ("row2", "web1", "shop", "✗ failed"),
        ("row1", "web1", "shop", "✓ restored"),
    ]
    assert rows[1][1] == "2030-05-02 04:06:00 +02:00"
    assert rows[1][5:9] == ["4 min 11 s", "38.0 MiB/s", "all", "checksums"]
    assert rows[0][10] == "assert: orders: 3, at least 400"
    assert "running on web1: shop: restore of /b/9.dump, 40 %" in done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout


def test_the_list_is_of_a_host_or_a_set_and_as_long_as_asked(command: Command) -> None:
    assert "row1" in command("list", "--host", "web1", "--set", "shop").stdout
    for words in (("--host", "web2"), ("--set", "files")):
        none = command("list", *words)
        assert none.stdout == ""
        assert "upkeep run restore-verification" in none.stderr
    cut = command("list", "-n", "1")
    assert len(cut.stdout.splitlines()) == 1
    assert "there are older ones" in cut.stderr


def test_the_list_as_json_says_how_each_set_stands(command: Command) -> None:
    document = json.loads(command("list", "--json").stdout)

    validate(document, schema("restores"))
    assert [one["id"] for one in document["restores"]] == ["row2", "row1"]
    shop, files = sorted(document["sets"], key=lambda one: str(one["host"]))
    assert (shop["set"], shop["status"], shop["severity"]) == ("shop", "fail", "critical")
    assert shop["running"]["share"] == 0.4
    assert (files["set"], files["running"]) == ("files", None)
    assert document["restores"][0]["counts"]["table7"] == 7


@pytest.mark.parametrize("words", [("row2",), ("row2", "--host", "web1"), ("2",)], ids=" ".join)
def test_one_is_shown_by_its_id_or_number(words: tuple[str, ...], command: Command) -> None:
    said = command("show", *words).stdout

    assert said.startswith("✗ failed shop on web1, row2")
    for part in (
        "  why: assert: orders: 3, at least 400",
        "  next, as the host says: decide: make a new one",
        "  steps: restore 4 min 12 s",
        "orders\tfailed\t3\tat least 400",
        "table29\t29",
        "and 10 more; all with --json",
    ):
        assert part in said
    assert "\x1b" not in said


def test_one_is_shown_as_json(command: Command) -> None:
    document = json.loads(command("show", "row1", "--json").stdout)

    validate(document, schema("restore"))
    assert document["restore"]["restore_seconds"] == 251.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "row9"), "there is no restore row9"),
        (("show", "row2", "--host", "web2"), "there is no restore row2"),
        (("show", "99"), "there is no restore 99"),
        (("try", "shop", "--to", "/x"), "expected --table or --file, and not both"),
        (("try", "shop", "--to", "/x", "--table", "a", "--file", "b"), "--table or --file"),
        (("try", "shop", "--to", "x", "--table", "a"), "expected an absolute path on the host"),
        (("try", "shop", "--to", "/{{ x }}", "--table", "a"), "would take it for a template"),
        (("try", "shup", "--to", "/x", "--table", "a"), "no set 'shup' was seen on any host"),
        (("try", "shop", "--to", "/x", "--table", "a", "--host", "backup"), "it names web1"),
        (("try", "shop", "--to", "/x", "--table", "a", "--host", "web*"), "it names web1, web2"),
        (("try", "shop", "--to", "/x", "--table", "a", "--host", "web3"), "no host matches 'web3'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_or_cannot_be_done_is_said(
    words: tuple[str, ...], said: str, command: Command
) -> None:
    done = command(*words)

    assert done.returncode > 2
    assert said in done.stderr


def test_two_of_one_name_are_told_apart_by_their_host(tmp_path: Path, command: Command) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}/state/upkeep.db")) as store, store.begin() as db:
        run_id = runs.start(db, begun(9, site=str(tmp_path / "site")))
        add_hosts(db, run_id, [ledger(ledger_row(1), host="web2", minutes=9)])

    assert "name one, --host: web1, web2" in command("show", "row1").stderr
    assert "shop on web2" in command("show", "row1", "--host", "web2").stdout


def test_the_words_that_the_old_name_leaves_are_those_of_the_group() -> None:
    assert TOOK_WORDS["restore"] == set(Commands()["restore"].commands)


@pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("bwrap") and shutil.which("sqlite3")),
    reason="a sandbox needs root, bwrap and sqlite3",
)
def test_a_table_is_taken_out_of_the_newest_backup(tmp_path: Path) -> None:
    from service.test_backup_verify_role import RestoreSite

    site = RestoreSite(tmp_path)
    site.database("shop-2026-11-27.db")
    paths = [f"{tmp_path}/backups/shop-*.db"]
    site.sets = [{"name": "shop database", "paths": paths, "verify": {}}]
    site.write_inventory()
    environ = {
        **os.environ,
        "UPKEEP_STATE": str(tmp_path / "state"),
        "UPKEEP_WORKSPACE": str(tmp_path / "work"),
    }

    def restore(*words: str) -> Any:
        return warm.run(["restore", *words, "-i", str(tmp_path / "site")], env=environ)

    wanted = ("--table", "orders", "--to", f"{tmp_path}/rescue", "--host", "store1")
    done = restore("try", "shop database", *wanted)
    listed = json.loads(restore("list", "--json").stdout)

    taken = tmp_path / "rescue" / "orders.sql"
    assert (done.returncode, taken.read_text().count("INSERT INTO orders")) == (0, 500)
    assert f"{taken}: written" in done.stdout + done.stderr
    assert [(one["host"], one["outcome"]) for one in listed["restores"]] == [("store1", "restored")]
