"""Restored backups on the page: how each set stands, each verification, and how long restores took."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import validate
from service.copies import Copies
from service.page import PASSWORD, Visitor, add_users, served
from service.test_store_restores import FIRST, add, ledger, ledger_row
from service.test_web_browser import violations
from store_samples import NOW, SITE

from upkeep.store import Store, restores
from upkeep.view.json import schema
from upkeep.web import restores as pages
from upkeep.web.routing import Setting

MARKUP = "</td><script>alert(1)</script>{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def filled(copies: Any) -> Copies[None]:
    """A store with users and the ledgers of two hosts."""

    def make(store: Store) -> None:
        add_users(store, NOW)
        running = {"backup": MARKUP, "step": "restore", "began_at": NOW.isoformat(), "share": 0.4}
        bad = ledger_row(
            6,
            outcome="failed",
            step="restore",
            why=MARKUP,
            backup=MARKUP,
            counts={MARKUP: 7},
            assertions=[{"name": MARKUP, "state": "failed", "found": "3", "expected": "4"}],
        )
        rows = [ledger_row(5, restore_seconds=500.0), *(ledger_row(4 - day) for day in range(4))]
        add(store, ledger(bad, *rows), ledger(host="web2", of="files", running=running))
        late = NOW + timedelta(minutes=5)
        older = [ledger_row(day) for day in range(29, -1, -1)]
        add(store, ledger(*older, host="web3", minutes=5), minutes=(late - NOW).seconds / 60)

    made: Copies[None] = copies(make)
    return made


@pytest.fixture
def where(filled: Copies[None]) -> Iterator[str]:
    with filled.copy("sqlite") as (_nothing, store), served(Setting(store, SITE)) as url:
        yield url


@pytest.fixture
def viewer(where: str) -> Iterator[Visitor]:
    one = Visitor(where)
    one.sign_in("viewer")
    yield one
    one.close()


def test_each_set_stands_there_with_what_runs(viewer: Visitor) -> None:
    said = viewer.get("/restores").text

    assert "3 of 3 sets of backups need attention" in said
    assert "Running on <bdi>web2</bdi>" in said
    assert "40\xa0%" in said
    assert "✗ fail critical" in said
    assert "✗ failed" in said
    assert "8 min 20 s" in said
    assert "<script>alert" not in said
    assert "49" not in said.partition("alert(1)")[2][:40]


def test_a_set_is_looked_at_alone(viewer: Visitor) -> None:
    said = viewer.get("/restores?host=web1&set=shop").text

    assert "web2" not in said
    assert said.count('href="/restores/') == 6
    assert viewer.get("/restores?host=nobody").text.count('href="/restores/') == 0


def test_older_rows_are_on_the_next_page(viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROWS", 30)
    first = viewer.get("/restores")
    more = viewer.get("/api/restores")
    link = more.headers["Link"].partition(">")[0].lstrip("<")
    last = viewer.get(f"/api/restores{link}").json()

    assert 'rel="next">Older verifications' in first.text
    assert len(more.json()["restores"]) == 30
    assert more.json()["more"] is True
    assert (len(last["restores"]), last["more"]) == (6, False)


def test_a_row_has_a_page_with_how_long_it_took_before(viewer: Visitor) -> None:
    newest = viewer.get("/api/restores?host=web1").json()["restores"]
    slow, bad = newest[1], newest[0]

    said = viewer.get(f"/restores/{slow['number']}").text
    assert "The newest restore took 8 min 20 s, 198 % of the median of the 4 before it" in said
    assert "restored in" not in said
    told = viewer.get(f"/restores/{bad['number']}").text
    assert "&lt;script&gt;alert(1)" in told
    assert "<script>alert" not in told
    assert "Assertions" in told
    assert viewer.get("/restores/99999").status_code == 404
    assert viewer.get("/restores/99999999999").status_code == 404


def test_the_documents_are_those_of_the_command(viewer: Visitor) -> None:
    listed = viewer.get("/api/restores").json()
    one = viewer.get(f"/api/restores/{listed['restores'][0]['number']}").json()

    validate(listed, schema("restores"))
    validate(one, schema("restore"))
    assert one["restore"] == listed["restores"][0]


def test_without_any_set_the_page_says_how_to_begin(copies: Any) -> None:
    empty: Copies[None] = copies(lambda store: add_users(store, NOW))
    with empty.copy("sqlite") as (_nothing, store), served(Setting(store, SITE)) as url:
        one = Visitor(url)
        one.sign_in("viewer")
        said = one.get("/restores").text
        one.close()

    assert "No backup is verified by a restore" in said
    assert "astral.upkeep.backup_verify" in said


@pytest.mark.parametrize("path", ["/restores", "/restores/2"])
def test_the_pages_pass_an_accessibility_checker(path: str, where: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{where}/sign-in?to={path}")
    page.fill("input[name=name]", "viewer")
    page.fill("input[name=password]", PASSWORD)
    page.click("button")

    assert violations(page) == []
    page.close()


def test_the_trend_needs_three_earlier_ones() -> None:
    def kept(day: int) -> restores.KeptRestore:
        at = FIRST + timedelta(days=day)
        return restores.KeptRestore(
            day, "web1", "shop", f"row{day}", 1, at, at, at, "restored", "", at, 100.0 + day,
            None, "all", "none", {},
        )  # fmt: skip

    assert pages.trend_words([kept(day) for day in range(3)]) == ""
    assert pages.trend_words([kept(0), kept(0), kept(0), kept(50)]) == (
        "The newest restore took 2 min 30 s, 150 % of the median of the 3 before it, 1 min 40 s."
    )
