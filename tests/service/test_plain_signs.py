"""In a locale without UTF-8, no command prints a byte that such a terminal does not show."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from store_samples import answer, begun, result

from upkeep.model import clock
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.waivers import WaiverScope
from upkeep.services.alerts.alerter import Alerter
from upkeep.site.init import write_site
from upkeep.site.site import load_site
from upkeep.store import open_store, runs, silences, waivers
from upkeep.store.answers import add_host
from upkeep.store.silences import NewSilence

LISTS = (
    "today", "run list", "show 1", "show 1 --all", "run judge 1", "check list", "plan daily", "explain web1",
    "explain disk_space", "finding list", "finding show 1", "alert list", "alert list --all", "alert show 1",
    "silence list", "review list", "waiver list", "baseline list", "occurrence list", "host list", "schedule list",
    "schedule next", "schedule lint", "schedule coverage", "schedule completion", "oncall list", "user list",
    "whoami", "db sites",
)  # fmt: skip
MISTAKES = (
    "show 77", "alert show 77", "explain disk_spac", "run dayly", "finding lst", "silence end 77",
    "silence add disk_spac web1 --reason x --for 2", "schedule completion --month x",
)  # fmt: skip
SIGNED = ("show 1", "finding list", "alert list", "alert show 1", "show 77", "run dayly")
"""These have signs or other letters where there are any."""
HELP = ("--help", "run --help", "host accept --help", "alert ack --help", "db restore --help")
DRIVER = """
import importlib, json, os, sys
import warm
for name in warm.LOADED:
    importlib.import_module(name)
from upkeep.cli import main as cli
from upkeep.judging.check import load
load()
for words in json.load(sys.stdin):
    if os.fork() == 0:
        sys.argv = ["upkeep", *words]
        os.dup2(1, 2)
        try:
            cli.main()
        except SystemExit:
            pass
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(0)
    os.wait()
    os.write(1, b"\\0")
"""
TEXT = "/srv/Größe/" + "long/" * 60


@pytest.fixture
def site(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with something in each list, and with hosts that use all letters."""
    folder = tmp_path / "site"
    write_site(folder)
    (folder / "inventory" / "hosts.yml").write_text(
        "all: {hosts: {web1: {ansible_connection: local}}}\n"
    )
    with (folder / "schedule.yml").open("a") as file:
        file.write(
            "\npeople: {ada: {name: Ada, channels: [mail]}}\n"
            "channels: {mail: {url_from: UPKEEP_CHANNEL_MAIL}}\n"
            "teams: {operations: {title: Operations, members: [ada], channels: [mail], fallback: ada}}\n"
        )
    monkeypatch.setenv("UPKEEP_DATABASE", sqlite_url)
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    known, now = load_site(str(folder)), clock.now()
    silence = NewSilence(
        check="disk_space", host="web1", severity=2, reason="moving…", by="ada",
        at=now, begins=now, ends=now + timedelta(hours=2),
    )  # fmt: skip
    found = [
        result(Severity.HIGH, subject=TEXT, message="93 % used, at most 90 % … " * 20),
        result(Severity.LOW, subject="/var", message="“quoted” · said"),
        result(Status.UNKNOWN, subject="/mnt"),
        result(Status.PASS, subject="/srv"),
    ]
    with contextlib.closing(open_store(sqlite_url)) as store:
        with store.begin() as db:
            number = runs.start(db, begun(site=known.key, started_at=now))
            add_host(db, number, answer(*found))
            runs.finish(db, number, "partial", "1 of 2 hosts not checked …", now)
        Alerter(store, known).step(now + timedelta(minutes=1))
        with store.begin() as db:
            silences.add(db, known.key, silence)
            scope = WaiverScope("disk_space", "web1", "/srv/*", Severity.HIGH)
            waivers.request(
                db, known.key, scope, "old…", now + timedelta(days=2), by="ada", now=now
            )
    return folder


def printed(locale: str, site: Path, commands: Sequence[str]) -> dict[str, bytes]:
    """What each command prints in a locale, by its words."""
    typed = {
        " ".join(words): [*words, *(() if "--help" in words else ("-i", str(site)))]
        for words in (one.split() for one in commands)
    }
    if "db sites" in typed:
        typed["db sites"] = ["db", "sites"]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "PYTHON", "LANG"))
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", DRIVER],
        input=json.dumps(list(typed.values())).encode(),
        env=kept | {"LC_ALL": locale, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )  # fmt: skip
    assert done.stderr == b""
    return dict(zip(typed, done.stdout.split(b"\0"), strict=False))


def test_every_list_and_message_is_ascii_where_the_locale_is(site: Path) -> None:
    plain = printed("C", site, (*LISTS, *MISTAKES, *HELP))
    whole = printed("C.UTF-8", site, SIGNED)

    assert {words: text for words, text in plain.items() if not text.isascii()} == {}
    # What has no plainer form is other people's text; the product's own has one.
    assert {words for words, text in plain.items() if b"\\u" in text} == set()
    assert [words for words, text in plain.items() if b"Traceback" in text or not text] == []
    # Else the lists had nothing to show.
    assert [words for words, text in whole.items() if text.isascii()] == []


@pytest.mark.parametrize("asked", [{"PYTHONIOENCODING": "utf-8"}, {"PYTHONUTF8": "1"}])
def test_who_asks_python_for_utf8_gets_it(asked: dict[str, str], site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "upkeep.cli.main", "finding", "list", "-i", str(site)],
        env=os.environ | {"LC_ALL": "C"} | asked,
        capture_output=True,
        check=False,
    )

    assert "Größe" in done.stdout.decode()
