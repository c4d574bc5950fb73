"""The page in Debian's Chromium: signing in, watching a run end, on small and large screens, for those who cannot see it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alert_samples import schedule as alert_schedule
from alert_samples import site as alert_site
from bench.pages import fill
from patience import PATIENCE_SECONDS, eventually
from service.browser import PHONE, first_screen
from service.copies import Copies
from service.page import PASSWORD, add_users, served

from upkeep.services.alerts.alerter import Alerter
from upkeep.store import Store, runs
from upkeep.view.upcoming import Coming
from upkeep.web.routing import Setting

NOW = datetime.now(UTC)
SCHEDULE = alert_schedule(procedures={
    "daily": {"title": "Daily procedure", "rule": "daily 03:00"},
    "look": {"title": "Look at this machine", "checks": ["disk_space"]},
})  # fmt: skip
PAGES = (
    "/", "/runs", "/runs/1", "/runs/1/hosts/web1", "/runs/1/restart", "/findings", "/findings?status=resolved",
    "/findings/1", "/schedule", "/alerts", "/alerts/1", "/oncall", "/users", "/users/viewer", "/acts", "/me", "/nothing",
)  # fmt: skip


@pytest.fixture(scope="module")
def filled(copies: Any) -> Copies[None]:
    """A store with users, and a run of 120 hosts."""

    def make(store: Store) -> None:
        add_users(store, NOW)
        fill(store, 120, 1, NOW)
        Alerter(store, alert_site()).step(NOW)

    made: Copies[None] = copies(make)
    return made


@pytest.fixture
def store(filled: Copies[None]) -> Iterator[Store]:
    """A copy of that."""
    with filled.copy("sqlite") as (_nothing, opened):
        yield opened


@pytest.fixture
def where(store: Store) -> Iterator[str]:
    """The page's URL."""
    with served(
        Setting(store, "/srv/site", lambda: SCHEDULE, Coming(lambda: SCHEDULE, None))
    ) as url:
        yield url


@pytest.fixture
def opened(browser: Any, where: str) -> Iterator[Any]:
    """Return a function that opens a browser and signs in; what it asks for and complains of is kept on the page."""
    contexts = []

    def sign_in(name: str = "admin", to: str = "/", **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.kept_requests, page.kept_messages = [], []
        page.on("request", lambda request: page.kept_requests.append(request.url))
        page.on("console", lambda message: page.kept_messages.append(message.text))
        page.on("pageerror", lambda error: page.kept_messages.append(str(error)))
        page.goto(where + to)
        page.fill("[name=name]", name)
        page.fill("[name=password]", PASSWORD)
        page.click("button:has-text('Sign in')")
        page.wait_for_selector("nav")
        page.kept_messages.clear()  # of the 401 that asked to sign in
        return page

    yield sign_in
    for context in contexts:
        context.close()


def axe() -> str:
    """Return the accessibility checker's source; skip without it."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    return Path(found.origin).with_name("axe.min.js").read_text("utf-8")


def violations(page: Any) -> list[tuple[str, str]]:
    """Return what the accessibility checker finds wrong with a page, each with where."""
    page.evaluate(axe())
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in page.evaluate("axe.run()")["violations"]
        if one["impact"] in ("serious", "critical", "moderate")
    ]


def test_who_signs_in_comes_to_where_they_wanted(opened: Any, where: str) -> None:
    page = opened("viewer", to="/findings?severity=low")

    assert page.url == f"{where}/findings?severity=low"
    page.click("text=Sign out")
    assert page.url == f"{where}/sign-in"
    page.goto(where + "/runs")
    assert page.locator("[name=password]").count() == 1


def test_what_is_written_survives_a_lost_session_and_a_refusal(opened: Any, where: str) -> None:
    def sign_in() -> None:
        page.fill("[name=password]", PASSWORD)
        page.click("button:has-text('Sign in')")
        page.wait_for_selector("nav")

    def written() -> list[str]:
        names = ("host", "lasts", "reason", "severity")
        return [page.input_value(f"[name={name}]") for name in names]

    asked = "/waivers/new"
    page = opened("operator", to=asked)
    empty = written()
    for name, text in (
        ("check", "disk_space"),
        ("host", "web1"),
        ("subject", "/"),
        ("lasts", "9 w"),
    ):
        page.fill(f"[name={name}]", text)
    page.fill("[name=reason]", "moves in July,\n<b>surely</b>")
    page.select_option("[name=severity]", "high")
    as_written = ["web1", "9 w", "moves in July,\n<b>surely</b>", "high"]

    page.context.clear_cookies()
    page.click("button:has-text('Ask')")
    page.wait_for_selector("[name=password]")
    page.fill("[name=name]", "operator")
    sign_in()
    assert page.url == where + asked
    assert written() == as_written
    assert page.locator("[role=status]").inner_text() == "What you typed here before was restored."

    page.fill("[name=lasts]", "900 w")
    page.click("button:has-text('Ask')")
    page.wait_for_selector("[role=alert]")
    page.goto(where + asked)
    assert written() == [as_written[0], "900 w", *as_written[2:]]

    page.fill("[name=lasts]", "9 w")
    page.click("button:has-text('Ask')")
    page.wait_for_url("**/waivers/1")
    page.goto(where + asked)
    assert written() == empty

    page.fill("[name=reason]", "of nobody else's business")
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in")
    assert page.evaluate("sessionStorage.length") == 0


def test_the_keyboard_is_enough(browser: Any, where: str) -> None:
    page = browser.new_page()
    page.goto(where + "/runs")
    page.wait_for_function("document.activeElement.name === 'name'")
    page.keyboard.type("operator")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav")
    page.goto(where + "/runs/1/restart")
    while page.evaluate("document.activeElement.textContent") != "Run again":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/1")

    assert "Waiting for a driver" in page.inner_text("main")
    page.close()


IN_DARK = (
    "/", "/runs/1", "/runs/1/hosts/web1", "/findings", "/findings/1", "/schedule", "/alerts/1", "/oncall", "/me",
)  # fmt: skip
"""One of each kind of page: colours are those of its parts."""


@pytest.mark.parametrize(
    ("width", "scheme", "pages"),
    [(390, "light", PAGES), (1440, "dark", IN_DARK)],
    ids=["390-light", "1440-dark"],
)
def test_pages_fit_the_screen_ask_nobody_else_and_pass_the_checker(
    opened: Any, where: str, width: int, scheme: str, pages: tuple[str, ...]
) -> None:
    page = opened(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wrong = []
    for path in pages:
        page.goto(where + path)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
        wrong += [(path, *one) for one in violations(page)]

    assert wrong == []
    assert {url.partition("/")[2].split("/")[1] for url in page.kept_requests} == {
        where.split("/")[2]
    }
    assert [one for one in page.kept_messages if "404" not in one] == []


FACTS = {
    "/": ("of 120 hosts",),
    "/alerts/1": ("✗ high (severity 2)", "Where app1", "Open for", "unacknowledged for", "Team ops", "Next"),
    "/findings/1": ("Severity", "Where", "Open for", "Alert", "Next see what takes the space"),
    "/runs/1": ("of 120 hosts", "Status ✓ done", "Procedure Daily procedure", "Started", "Next"),
    "/runs/1/hosts/app12": ("app12", "Outcome ok", "Checked", "Results 1 did not pass", "Next"),
}  # fmt: skip
"""What, where, since when, how bad, who has acknowledged, the next step: as far as a page has it."""


def test_the_first_screen_on_a_phone_is_the_fact_and_the_form_comes_after(
    opened: Any, where: str
) -> None:
    page = opened(viewport=PHONE)

    lacking = {}
    for path, words in FACTS.items():
        page.goto(where + path)
        said = first_screen(page)
        lacking[path] = [one for one in words if one not in said]

    assert lacking == {path: [] for path in FACTS}


WORDS_IN_PIECES = """cells => cells.flatMap(cell => {
  const text = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
  while (text.nextNode())
    for (const one of text.currentNode.data.matchAll(/[a-z]{3,20}/gi)) {
      const range = document.createRange();
      range.setStart(text.currentNode, one.index);
      range.setEnd(text.currentNode, one.index + one[0].length);
      if (range.getClientRects().length > 1) found.push(one[0]);
    }
  return found;
})"""


def test_on_a_narrow_screen_tables_keep_their_words_whole(opened: Any, where: str) -> None:
    page = opened(viewport={"width": 390, "height": 900})

    for path in ("/findings/1", "/alerts/1", "/acts", "/runs", "/schedule"):
        page.goto(where + path)
        assert page.eval_on_selector_all(".scroll th, .scroll td", WORDS_IN_PIECES) == [], path


OFF_SCREEN = """() => [...document.querySelectorAll("main td, main tbody th, nav a")].filter(
  one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth
).map(one => one.textContent)"""


def test_on_a_phone_nothing_of_a_table_is_off_the_screen(opened: Any, where: str) -> None:
    page = opened(viewport=PHONE)

    for path in ("/findings/1", "/alerts/1", "/acts", "/runs", "/runs/1", "/schedule", "/users"):
        page.goto(where + path)
        assert page.evaluate(OFF_SCREEN) == [], path
        cell = page.locator("main td[data-label]").first
        assert f'"{cell.get_attribute("data-label")}"' in cell.evaluate(
            "one => getComputedStyle(one, '::before').content"
        )


def test_a_list_comes_before_its_filter(opened: Any, where: str) -> None:
    page = opened(viewport=PHONE, to="/findings?severity=high")

    assert page.locator(".filter summary").inner_text() == "Filter: open, severity high"
    assert not page.locator(".filters").is_visible()
    assert page.locator(".troubles a").first.bounding_box()["y"] < PHONE["height"]
    page.click(".filter summary")
    page.fill("[name=host]", "app1")
    page.click("button:has-text('Show')")
    assert page.locator(".filter summary").inner_text() == "Filter: open, severity high, host app1"


def test_without_scripts_everything_can_be_read(opened: Any, where: str) -> None:
    page = opened(java_script_enabled=False)

    for path in PAGES[:-1]:
        page.goto(where + path)
        assert page.locator("h1").count() == 1
        assert page.inner_text("h1").strip()


def test_it_prints_without_its_navigation(opened: Any, where: str) -> None:
    page = opened(to="/runs/1")
    page.emulate_media(media="print")

    assert not page.locator(".side").is_visible()
    assert page.locator("h1").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF-")


def test_a_run_is_watched_to_its_end_without_touching_the_page(
    opened: Any, where: str, store: Store, tmp_path: Path
) -> None:
    site = _slow_site(tmp_path)
    page = opened("viewer", to="/")
    command = [sys.executable, "-m", "upkeep.cli.main", "run", "look", "-i", str(site)]
    environ = os.environ | {
        "UPKEEP_DATABASE": str(store.engine.url),
        "UPKEEP_STATE": str(tmp_path / "state"),
        "UPKEEP_WORKSPACE": str(tmp_path / "work"),
    }
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )

    def running() -> int | None:
        assert process.poll() is None, process.communicate()
        with store.read() as db:
            return next((one.id for one in runs.unfinished(db)), None)

    run = eventually(running, "a run")
    page.goto(f"{where}/runs/{run}")
    assert "running" in page.inner_text(".fact")
    assert page.inner_text("h1").startswith("Running; ")
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))

    (site / "go on").touch()
    # Looked at now and then: what Playwright waits for, it looks for in each frame, and so has each frame painted.
    eventually(page.locator(".fact .status:not(.running)").count, "the end of the run")

    process.communicate(timeout=PATIENCE_SECONDS)
    assert page.inner_text("h1") in ("here is well", "here needs you")
    assert page.locator("#hosts a", has_text="here").count() == 1
    assert loads == []
    assert page.kept_messages == []
    asked = len(page.kept_requests)
    page.wait_for_timeout(3_000)
    assert len(page.kept_requests) == asked  # what has ended is not asked for again


def _slow_site(tmp_path: Path) -> Path:
    """A site of this machine whose Python waits for a file, so that there is something to watch."""
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    slow = folder / "python"
    wait = f'while [ ! -e "{folder}/go on" ]; do sleep 0.1; done'
    slow.write_text(f'#!/bin/sh\n{wait}\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    host = {"ansible_connection": "local", "ansible_python_interpreter": str(slow)}
    tree = {"all": {"hosts": {"here": host}, "vars": {"upkeep_checks_all": ["disk_space"]}}}
    (folder / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (folder / "schedule.yml").write_text("procedures: {look: {title: Look at this machine}}\n")
    return folder
