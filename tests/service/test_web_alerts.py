"""Alerts on the page: what waits, who has it, what is quiet, who is called; also by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alert_samples import full, run, schedule, seen, site
from service.browser import PHONE, first_screen
from service.page import PASSWORD, Visitor, add_users, served
from service.test_web_browser import violations
from sqlalchemy import select

from upkeep.model.text import exact
from upkeep.model.verdicts import Severity, Status
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import Store, acts, alerts, open_store, silences, tables, users
from upkeep.view.upcoming import Coming
from upkeep.web.routing import Setting

NOW = datetime.now(UTC)
SITE = "/srv/site"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A store with an alert of severity 1 on two hosts, told to who is on call."""
    opened = open_store(sqlite_url)
    add_users(opened, NOW)
    alerter = Alerter(opened, site())
    before = NOW - timedelta(hours=2)
    run(
        opened, before, *(seen(full(Status.PASS), host=host, at=before) for host in ("web1", "db1"))
    )
    alerter.step(before)
    at = NOW - timedelta(hours=1)
    bad = full(Severity.CRITICAL, "/srv", message=f"99 % used {HOSTILE}")
    run(opened, at, *(seen(bad, host=host, at=at) for host in ("web1", "db1")))
    alerter.step(at)
    yield opened
    opened.close()


@pytest.fixture
def where(store: Store) -> Iterator[str]:
    plan = schedule()
    with served(Setting(store, SITE, lambda: plan, Coming(lambda: plan, None))) as url:
        yield url


@pytest.fixture
def operator(where: str) -> Iterator[Visitor]:
    one = Visitor(where)
    one.sign_in("operator")
    yield one
    one.close()


def the_alert(store: Store) -> Any:
    with store.read() as db:
        (one,) = alerts.open_alerts(db)
    return one


def test_what_nobody_has_comes_first(operator: Visitor) -> None:
    today, listed = operator.get("/").text, operator.get("/alerts").text

    assert today.index("Not acknowledged") < today.index("Needs attention")
    assert "1 alert not acknowledged" in listed
    assert "Low disk space on db1, web1, 2 findings" in listed
    assert "On call: Operations <b>Ada</b>" in listed


def test_an_alert_tells_what_is_wrong_who_was_told_and_what_to_do(operator: Visitor) -> None:
    told = operator.get("/alerts/1").text

    assert "critical</span> (severity 1)" in told
    assert "free space" in told
    assert "&lt;img src=x" in told
    assert "<img" not in told
    assert told.count('class="status ">waiting</td>') == 2
    assert operator.get("/alerts/99").status_code == 404


def test_acknowledging_says_who_until_when_and_is_written_down(
    store: Store, operator: Visitor
) -> None:
    before = datetime.now(UTC)
    asked = operator.act("/alerts/1/acknowledge", note="moving files", lasts="4 h")

    assert asked.headers["location"] == "/alerts/1"
    one = the_alert(store)
    assert (one.status, one.acknowledged_by, one.note) == (
        "acknowledged",
        "operator",
        "moving files",
    )
    assert (
        timedelta(0) <= one.acknowledged_until - before - timedelta(hours=4) < timedelta(minutes=1)
    )
    with store.read() as db:
        act = acts.recent(db, 1)[0]
    assert (act.who, act.what, act.target, act.way) == (
        "operator",
        "acknowledge alert",
        "1",
        "web",
    )
    assert "Not acknowledged" not in operator.get("/").text
    assert "1 alert, all acknowledged or silenced" in operator.get("/alerts").text


@pytest.mark.parametrize("lasts", ["", "soon", "-1 h", "0 h", "9999 w", "1 fortnight"])
def test_a_time_that_is_none_is_refused(store: Store, operator: Visitor, lasts: str) -> None:
    asked = operator.act("/alerts/1/acknowledge", lasts=lasts)

    assert asked.status_code == 422
    assert the_alert(store).status == "open"


@pytest.mark.parametrize(
    ("path", "form", "says"),
    [
        (
            "/alerts/1/acknowledge",
            {"lasts": "abc"},
            "For &#39;abc&#39;: expected a number with a unit",
        ),
        (
            "/alerts/1/acknowledge",
            {"lasts": ""},
            "For: the field is empty; expected a time such as",
        ),
        (
            "/alerts/1/acknowledge",
            {"lasts": "8 d"},
            "An acknowledgement ends at most 7 days from now.",
        ),
        (
            "/alerts/1/acknowledge",
            {"lasts": "9999 w"},
            "For &#39;9999 w&#39;: expected at most 1 w.",
        ),
        ("/silences", {"lasts": "30 d"}, "A silence ends at most 7 days from now."),
        ("/silences", {"reason": ""}, "A silence needs a reason."),
        ("/silences", {"host": "web3"}, "No host &#39;web3&#39; was ever checked"),
        ("/silences", {"host": " ".join(map(str, range(21)))}, "21 hosts; at most 20 at once."),
        ("/silences", {"check": "disk_spac"}, "There is no check &#39;disk_spac&#39;"),
        ("/oncall", {"ends": "2020-01-01T10:00"}, "An override "),
        ("/oncall", {"ends": "later"}, "Ends: &#39;later&#39; is not a date with a time."),
    ],
)
def test_a_refused_form_comes_back_with_why_and_what_was_typed(
    operator: Visitor, path: str, form: dict[str, str], says: str
) -> None:
    forms = {
        "/alerts/1/acknowledge": {"note": "typed before", "lasts": "2 h"},
        "/silences": {
            "check": "disk_space", "host": "web1", "severity": "3", "lasts": "2 h",
            "reason": "typed before", "alert": "1",
        },
        "/oncall": {"team": "ops", "person": "bob", "ends": ""},
    }  # fmt: skip
    asked = operator.act(path, **forms[path] | form)

    assert asked.status_code in (409, 422)
    whole = asked.text.replace("\xa0", " ")
    begin = whole.index(f'action="{path}"')
    its_form = whole[begin : whole.index("</form>", begin)]
    assert says in its_form
    for name, value in (forms[path] | form).items():
        if name not in ("alert", "severity", "team", "person"):
            assert f'name="{name}" value="{value}"' in its_form, its_form
    assert ('<option value="3" selected>' in its_form) is (path == "/silences")
    assert ('<option value="bob" selected>' in its_form) is (path == "/oncall")


def test_a_silence_of_an_alert_covers_all_its_hosts_at_once_or_none(
    store: Store, operator: Visitor
) -> None:
    form = {"check": "disk_space", "severity": "1", "lasts": "2 h", "reason": "x", "alert": "1"}
    assert 'name="host" value="db1, web1"' in operator.get("/alerts/1").text

    assert operator.act("/silences", **form, host="db1, web3").status_code == 409
    with store.begin() as db:
        assert silences.lasting(db, SITE, datetime.now(UTC)) == []
        users.set_person(db, "operator", "ada")
    assert operator.act("/silences", **form, host="db1, web1").status_code == 303

    with store.read() as db:
        made = silences.lasting(db, SITE, datetime.now(UTC), planned=True)
        act = acts.recent(db, 1)[0]
    assert {(one.check_pattern, one.host_pattern) for one in made} == {
        ("disk_space", "db1"), ("disk_space", "web1"),
    }  # fmt: skip
    assert act.target == "disk_space on db1, disk_space on web1"


def test_programs_get_the_same_as_the_commands_document(store: Store, operator: Visitor) -> None:
    (listed,) = operator.get("/api/alerts").json()["alerts"]
    taken = operator.act("/api/alerts/1/acknowledge", lasts="1 h").json()["alert"]

    assert (listed["id"], listed["hosts"], listed["severity"]) == (1, ["db1", "web1"], 1)
    assert (taken["status"], taken["acknowledged_by"]) == ("acknowledged", "operator")


def test_a_silence_is_made_from_an_alert_and_ended(store: Store, operator: Visitor) -> None:
    form = {"check": "disk_space", "host": "web*", "severity": "1", "lasts": "2 h"}

    without = operator.act("/silences", **form, reason=" ")
    made = operator.act("/silences", **form, reason="moving files")

    assert (without.status_code, made.status_code) == (409, 303)
    assert "A silence needs a reason" in without.text
    assert "operator: moving files" in operator.get("/alerts").text
    assert operator.act("/silences/1/end").status_code == 303
    with store.read() as db:
        assert silences.lasting(db, SITE, datetime.now(UTC)) == []
    assert operator.act("/silences/1/end").status_code == 404


def test_an_acknowledgement_is_undone_and_people_are_notified_again(
    store: Store, operator: Visitor
) -> None:
    operator.act("/alerts/1/acknowledge", lasts="4 h", note="on it")
    acknowledged = the_alert(store)
    assert "Undo acknowledgement" in operator.get("/alerts/1").text

    assert operator.act("/alerts/1/unacknowledge").headers["location"] == "/alerts/1"

    one = the_alert(store)
    assert (one.status, one.acknowledged_until) == ("open", None)
    assert (one.acknowledged_by, one.acknowledged_at, one.note) == ("", None, "")
    page = operator.get("/alerts/1").text
    assert "acknowledgement withdrawn</td>" in page
    assert page.count("on it") == 1  # in the history only
    until = exact(acknowledged.acknowledged_until, ZoneInfo(schedule().time_zone), seconds=False)
    assert f"until {until}: on it" in re.sub("<[^>]*>", "", page).replace("\xa0", " ")
    (listed,) = operator.get("/api/alerts").json()["alerts"]
    assert (listed["acknowledged_by"], listed["acknowledged_at"]) == ("", None)
    assert (one.round, one.round_why) == (acknowledged.round + 1, "withdrawn")
    with store.read() as db:
        act = acts.recent(db, 1)[0]
        event = alerts.history(db, 1)[-1]
    assert (act.who, act.what, act.target) == ("operator", "withdraw acknowledgement", "1")
    assert (event.kind, event.actor, event.text) == (
        "withdrawn", "operator", "was acknowledged by operator",
    )  # fmt: skip
    before = len(bodies(store))
    Alerter(store, site()).step(datetime.now(UTC))
    told = bodies(store)[before:]
    assert len(told) == 2  # the team, and who is on call
    assert all(body.startswith("The acknowledgement was withdrawn, and it still") for body in told)
    again = operator.act("/api/alerts/1/unacknowledge")
    assert (again.status_code, again.json()["error"]) == (409, "alert 1 is not acknowledged.")


def test_a_silence_is_undone_on_the_page_of_the_alert(store: Store, operator: Visitor) -> None:
    form = {"check": "disk_space", "host": "web1", "severity": "1", "lasts": "2 h", "alert": "1"}

    made = operator.act("/silences", **form, reason="moving files")
    assert made.headers["location"] == "/alerts/1"
    assert "Undo silence 1" in operator.get("/alerts/1").text

    assert operator.act("/silences/1/end", alert="1").headers["location"] == "/alerts/1"
    assert "Undo silence" not in operator.get("/alerts/1").text


def bodies(store: Store) -> list[str]:
    """The texts of all messages."""
    table = tables.outbox
    with store.read() as db:
        query = select(table.c.body).where(table.c.state != "spare").order_by(table.c.id)
        return list(db.execute(query).scalars())


def everything(store: Store) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with store.read() as db:
        return {
            table.name: [tuple(row) for row in db.execute(select(table))]
            for table in tables.metadata.sorted_tables
        }


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_follows_every_link_of_a_message_changes_nothing(
    store: Store, where: str, operator: Visitor, method: str
) -> None:
    links = {one for body in bodies(store) for one in re.findall(r"https?://\S+", body)}
    paths = [one.removeprefix("https://upkeep.example.org") for one in links]
    assert paths == ["/alerts/1"]
    before = everything(store)

    scanner = Visitor(where)
    for visitor, status in ((scanner, 401), (operator, 200)):
        for path in paths:
            assert visitor.client.request(method, path).status_code == status
    scanner.close()

    assert everything(store) == before


def test_somebody_else_takes_the_calls_for_a_time(store: Store, operator: Visitor) -> None:
    until = (NOW + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")

    assert operator.act("/oncall", team="ops", person="nobody", ends=until).status_code == 422
    assert operator.act("/oncall", team="ops", person="bob", ends="later").status_code == 422
    assert operator.act("/oncall", team="ops", person="bob", ends=until).status_code == 303

    assert "On call: Operations <b>Bob</b>" in operator.get("/alerts").text
    there = operator.get("/oncall").text
    assert "set by operator" in there
    read = re.sub(r"(<[^>]*>|\s)+", " ", there)
    assert re.search(r" Bob \w{3} [0-9-]{10} \d\d:\d\d [^ ]+, then Ada ", read), read
    assert operator.act("/oncall/1/end").status_code == 303
    assert "On call: Operations <b>Ada</b>" in operator.get("/alerts").text


def test_an_alert_is_acknowledged_by_keyboard_alone(browser: Any, where: str, store: Store) -> None:
    page = browser.new_page()
    page.goto(where + "/")
    page.wait_for_function("document.activeElement.name === 'name'")
    page.keyboard.type("operator")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav")
    _tab_to(page, "Low disk space on db1, web1, 2 findings")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts/1")
    while page.evaluate("document.activeElement.name") != "note":
        page.keyboard.press("Tab")
    page.keyboard.type("on my way")
    _tab_to(page, "Acknowledge")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=acknowledged by operator, expires")

    assert the_alert(store).note == "on my way"
    page.close()


def test_from_a_message_to_the_acknowledgement_in_three_taps(
    browser: Any, where: str, store: Store
) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    (link,) = {one for body in bodies(store) for one in re.findall(r"https?://\S+", body)}
    page.goto(where + link.removeprefix("https://upkeep.example.org"))  # the first tap
    page.fill("[name=name]", "operator")
    page.fill("[name=password]", PASSWORD)
    page.tap("button:has-text('Sign in')")  # not counted: there was no session
    page.wait_for_selector("nav")
    assert page.url == f"{where}/alerts/1"

    fact = first_screen(page)
    assert fact.startswith(
        "Low disk space on db1, web1, 2 findings Severity ✗ critical (severity 1)"
    )
    for word in (
        "Where db1, web1",
        r"Open for \d+ (min|h)",  # an hour, and what this machine took since
        r"unacknowledged for \d+ (min|h)",
        "Next free space",
    ):
        assert re.search(word, fact), fact
    button = page.locator("button:has-text('Acknowledge')")
    assert button.bounding_box()["y"] + button.bounding_box()["height"] <= PHONE["height"]
    assert violations(page) == []

    button.tap()  # the second tap
    page.wait_for_selector("text=acknowledged by operator, expires")
    assert the_alert(store).acknowledged_by == "operator"
    assert violations(page) == []

    page.tap("button:has-text('Undo acknowledgement')")
    page.wait_for_selector("text=unacknowledged for")
    assert the_alert(store).status == "open"
    context.close()


def _tab_to(page: Any, text: str) -> None:
    for _press in range(200):
        if page.evaluate("document.activeElement.textContent").strip() == text:
            return
        page.keyboard.press("Tab")
    raise AssertionError(text)
