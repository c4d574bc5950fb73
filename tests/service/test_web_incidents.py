"""Incidents on the page: opened, worked through and closed; by keyboard and on a phone; and what outsiders see."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import validate
from reviewed_site import PASSWORD, Reviewed, write_site
from service.browser import first_screen
from service.copies import Copies
from service.page import Visitor, ask, served
from service.test_web_browser import violations
from service.test_web_reviews import said_on, sign_in, tab_to
from store_samples import know_hosts

from upkeep.model import clock
from upkeep.model.isolation import IsolationSaid, ObstacleSaid
from upkeep.model.roles import Role
from upkeep.rules.incidents import Acted, Incident
from upkeep.services import incidents as services
from upkeep.services.acts import By
from upkeep.store import Store, acts, incidents, run_requests
from upkeep.view.json import schema
from upkeep.view.upcoming import Coming
from upkeep.web.routing import Setting

SCHEDULE: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "procedures": {
        "plain": {"title": "Plain", "rule": "daily 03:00", "owner": "ops"},
        "audit": {
            "title": "Audit",
            "rule": "daily 05:00",
            "owner": "ops",
            "reviews": [{"id": "drills", "title": "Drills", "incidents": "drills"}],
        },
    },
    "people": {"ann": {"name": "Ann"}, "bob": {"name": "Bob"}},
    "teams": {"ops": {"title": "Operations", "members": ["ann", "bob"]}},
    "incidents": {"drill_hosts": ["lab1"]},
}
PHONE = {"width": 360, "height": 780}
HOSTILE = "</p><script>alert(1)</script>{{ 7 * 7 }} logins on web1"
FORM = {"kind": "security", "severity": "1", "title": HOSTILE, "hosts": "web1"}
NOW = datetime(2027, 1, 5, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def empty(copies: Any, tmp_path_factory: pytest.TempPathFactory) -> Copies[Reviewed]:
    """A site with a user of each role."""

    def fill(store: Store) -> Reviewed:
        folder = tmp_path_factory.mktemp("incidents")
        made = Reviewed(write_site(folder / "site", folder / "signing", SCHEDULE), store, NOW)
        made.user("ann", "ann", Role.OPERATOR)
        made.user("bob", "bob", Role.APPROVER)
        made.user("vic", "", Role.VIEWER)
        return made

    filled: Copies[Reviewed] = copies(fill)
    return filled


@pytest.fixture
def site(empty: Copies[Reviewed], monkeypatch: pytest.MonkeyPatch) -> Iterator[Reviewed]:
    with empty.copy("sqlite") as (kept, store):
        made = kept.on(store)
        monkeypatch.setattr(clock, "now", lambda: made.now)
        yield made


@pytest.fixture
def where(site: Reviewed) -> Iterator[str]:
    plan = site.site.schedule
    setting = Setting(
        site.store, site.site.key, lambda: plan, Coming(lambda: plan, site.site.folder),
        installation=lambda: site.installation,
    )  # fmt: skip
    with served(setting) as url:
        yield url


@pytest.fixture
def visit(where: str) -> Iterator[Any]:
    """Return a function that gives a visitor who has signed in as that user."""
    opened = []

    def sign_in_as(name: str) -> Visitor:
        one = Visitor(where)
        opened.append(one)
        assert one.sign_in(name, PASSWORD).status_code == 303
        return one

    yield sign_in_as
    for one in opened:
        one.close()


def the_incident(site: Reviewed, number: int = 1) -> Incident:
    with site.store.read() as db:
        return incidents.load(db, number)


def done(answer: Any) -> None:
    assert answer.status_code == 303, said_on(answer)


def test_from_the_opening_to_the_end(site: Reviewed, visit: Any) -> None:
    ann, bob = visit("ann"), visit("bob")
    done(ann.act("/incidents/new", **FORM, seen_ago="10 min"))
    page = said_on(ann.get("/incidents/1"))
    assert "15 min 00 s left" in page
    assert "by ann: after 10 min 00 s" in page
    assert "<script>alert" not in page
    assert "49 logins" not in page

    done(ann.act("/incidents/1/assign", post="commander", to="ann"))
    for step in ("command", "isolate", "forensics"):
        done(ann.act("/incidents/1/step", step=step, text="seen to"))
    done(ann.act("/incidents/1/advance"))
    site.now += timedelta(minutes=70)
    ann, bob = visit("ann"), visit("bob")  # nobody was there for longer than a session lasts
    assert "overdue for 10 min" in said_on(ann.get("/incidents/1"))
    done(ann.act("/incidents/1/step", step="scope", how="skip", text="not known yet"))
    done(ann.act("/incidents/1/hand-over", to="bob", summary="web1 is isolated"))
    done(ann.act("/incidents/1/told", whom="clinic", way="telephone", what="what happened"))
    done(ann.act("/incidents/1/follow-up", text="new keys", owner="ops", due="2027-02-01"))
    done(ann.act("/incidents/1/follow-up", done="1"))

    refused = bob.act("/incidents/1/close", lesson="look each day", password=PASSWORD)
    assert refused.status_code == 422
    assert "It is still open: 9 steps left" in said_on(refused)
    assert "look each day" in refused.text
    wrong = bob.act("/incidents/1/close", lesson="x", unfinished="y", password="another")
    assert wrong.status_code == 422
    done(
        bob.act(
            "/incidents/1/close",
            lesson="look each day",
            unfinished="a rehearsal",
            password=PASSWORD,
        )
    )

    closed = the_incident(site)
    assert closed.closed is not None
    assert (closed.closed.lesson, closed.closed_by, closed.commander) == (
        "look each day", "bob", "bob",
    )  # fmt: skip
    assert closed.closed.authenticated == "password on the page, from 127.0.0.1"
    document = ann.get("/api/incidents/1").json()
    validate(document, schema("incident"))
    validate(ann.get("/api/incidents?all=1").json(), schema("incidents"))
    told = ann.get("/incidents/1/told.csv")
    assert told.headers["content-disposition"] == 'attachment; filename="incident-1-told.csv"'
    assert '"clinic","what happened","telephone","ann"' in told.text


def test_today_leads_with_what_is_open(visit: Any) -> None:
    ann = visit("ann")
    assert "Open incidents" not in ann.get("/").text
    done(ann.act("/incidents/new", **FORM, drill="yes"))

    page = said_on(ann.get("/"))
    assert page.index("Open incidents") < page.index(
        "Needs attention" if "Needs attention" in page else "</main>"
    )
    assert "Drill: " in page
    assert ann.get("/api/today").json()["incidents"] == [1]


def test_a_viewer_who_starts_something_is_refused_and_that_is_written_down(
    site: Reviewed, visit: Any
) -> None:
    done(visit("ann").act("/incidents/new", **FORM))
    vic = visit("vic")

    for path in ("step", "close", "share", "act"):
        assert vic.act(f"/incidents/1/{path}", act="isolate", hosts="web1").status_code == 403

    with site.store.read() as db:
        newest = acts.recent(db, 1)[0]
    assert (newest.who, newest.what, newest.target, newest.outcome) == (
        "vic", "contain incident", "/incidents/1/act", acts.REFUSED,
    )  # fmt: skip
    page = vic.get("/incidents/1").text
    assert "<form" not in re.sub(r'<form method="post" action="/sign-out">', "", page)


def test_an_act_on_hosts_is_asked_for_with_their_names_repeated(site: Reviewed, visit: Any) -> None:
    ann = visit("ann")
    with site.store.begin() as db:
        know_hosts(db, site.site.key, "web1", "web2")
    done(ann.act("/incidents/new", **FORM))
    for form, said in (
        ({"act": "wipe", "hosts": "web1"}, "choose what to do"),
        ({"act": "isolate", "hosts": " "}, "name the hosts"),
        ({"act": "isolate", "hosts": "web1, web2", "confirm": "web1"}, "repeat the names"),
        ({"act": "isolate", "hosts": "*", "confirm": "*"}, "no run has seen '*'"),
        (
            {"act": "isolate", "hosts": "web1 webb2", "confirm": "webb2 web1"},
            "no run has seen 'webb2'; did you mean 'web2'",
        ),
        ({"act": "isolate", "hosts": "all", "confirm": "all"}, "no run has seen 'all'"),
        (
            {"act": "isolate", "hosts": "controller", "confirm": "controller"},
            "no run has seen 'controller'",
        ),
        ({"act": "release", "hosts": "web9"}, "no run has seen 'web9'"),
    ):
        refused = ann.act("/incidents/1/act", **form)
        assert refused.status_code == 422
        assert said in html.unescape(said_on(refused))

    asked = ann.act("/incidents/1/act", act="isolate", hosts="web2, web1", confirm="web1 web2")

    assert asked.headers["location"] == "/requests/1"
    with site.store.read() as db:
        (found,) = run_requests.waiting(db)
    assert (found.procedure, found.host_limit, found.incident_id, found.asked_by) == (
        "incident isolate", "web1,web2", 1, "ann",
    )  # fmt: skip


def test_a_review_shows_the_drills_since_the_last_one(site: Reviewed, visit: Any) -> None:
    ann = visit("ann")
    done(ann.act("/incidents/new", **{**FORM, "drill": "yes"}))
    site.go(NOW + timedelta(hours=4))
    ann = visit("ann")

    page = ann.get("/reviews/1")

    assert "drill 1, security: " in said_on(page)
    assert "first act of a person after 0.0 s; open still" in said_on(page)
    assert "left open: " in said_on(page)
    assert "no drill has really done anything on a drill host" in said_on(page)
    assert "<script>alert" not in page.text
    validate(ann.get("/api/reviews/1").json(), schema("review"))


def test_what_hosts_say_of_their_isolation_is_on_the_page_and_harmless(
    site: Reviewed, visit: Any
) -> None:
    ann = visit("ann")
    done(ann.act("/incidents/new", **FORM))
    refused = IsolationSaid("none", obstacles=(ObstacleSaid("router", HOSTILE),))
    to = services.Recording(site.store, site.site, site.installation, "site")
    for said in (
        Acted("isolate", ("web1", "web2"), "begun"),
        Acted("isolate", ("web1",), "refused", 3, "not isolated", refused),
    ):
        services.enter(to, 1, said, By(site.users["ann"]), site.now)

    page = ann.get("/incidents/1")

    assert "not isolated: it refuses, and nothing was changed" in said_on(page)
    assert "upkeep incident isolate 1 --hosts web1 --even-if router --yes-isolate web1" in said_on(
        page
    )
    assert "how it ended is not recorded" in said_on(page)
    assert "<script>alert" not in page.text
    assert "49 logins" not in page.text
    validate(ann.get("/api/incidents/1").json(), schema("incident"))
    figure = said_on(ann.get("/completion?month=2027-01"))
    assert "2027-01 so far: slowest response 0.0 s; 1 of 1 security incident" in figure


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("step", {"step": "comand"}, "there is no step"),
        ("note", {"text": " "}, "a note needs a text"),
        ("assign", {"post": "king", "to": "ann"}, "choose a post: commander or scribe"),
        ("advance", {}, "3 steps of the phase response left"),
        ("follow-up", {"text": "x", "owner": "ops", "due": "soon"}, "until when: expected a date"),
        ("follow-up", {"done": "7"}, "has no follow-up 7"),
        ("follow-up", {"done": "x"}, "there is no such follow-up"),
        ("told", {"whom": "x"}, "who was notified needs: what, way"),
    ],
)
def test_what_cannot_be_is_said_on_the_page(
    visit: Any, path: str, form: dict[str, str], said: str
) -> None:
    ann = visit("ann")
    done(ann.act("/incidents/new", **FORM))

    refused = ann.act(f"/incidents/1/{path}", **form)

    assert refused.status_code == 422
    assert said.replace("there is no step", "has no step") in said_on(refused).replace("&#39;", "'")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "theft"}, "choose the kind of incident"),
        ({"severity": "0"}, "choose a severity from 1 to 4"),
        ({"title": " "}, "an incident needs a title"),
        ({"seen_ago": "an hour"}, "an hour is not a duration"),
    ],
)
def test_an_opening_that_cannot_be_is_said_with_what_was_typed(
    visit: Any, form: dict[str, str], said: str
) -> None:
    refused = visit("ann").act("/incidents/new", **(FORM | {"hosts": "web1"} | form))

    assert refused.status_code == 422
    assert said in said_on(refused)
    assert 'value="web1"' in refused.text


# --- outsiders -------------------------------------------------------------------------------------------------------
def outside(text: str) -> str:
    found = re.search(r"/outside/1/[\w-]+", text)
    assert found
    return found[0]


def test_an_outsider_sees_how_it_stands_and_no_host_until_the_link_ends(
    site: Reviewed, visit: Any, where: str
) -> None:
    ann, bob = visit("ann"), visit("bob")
    done(ann.act("/incidents/new", **FORM))
    done(ann.act("/incidents/1/note", text="web1 has a strange key"))
    path = outside(bob.act("/incidents/1/share", whom="regulator", lasts="1 d").text)

    seen = ask(where + path)
    assert seen.status_code == 200
    assert "Immediate response" in seen.text
    for secret in ("web1", "logins", "strange", "ann", "<form"):
        assert secret not in seen.text, secret
    token = path.rpartition("/")[2]
    assert token not in bob.get("/incidents/1").text
    with site.store.read() as db:
        assert token not in str(acts.recent(db, 20))
    assert token not in str(the_incident(site).entries)
    assert ask(where + path[:-1]).status_code == 404
    assert ask(where + path.replace("/1/", "/2/")).status_code == 404

    site.now += timedelta(days=1)
    assert ask(where + path).status_code == 404


def test_a_link_with_names_shows_them_and_ends_when_it_is_revoked(visit: Any, where: str) -> None:
    bob = visit("bob")
    done(bob.act("/incidents/new", **FORM))
    made = bob.act("/incidents/1/share", whom="our insurer", lasts="1 d", full="yes")
    path = outside(made.text)
    assert "web1" in ask(where + path).text

    done(bob.act("/incidents/1/unshare", link="1"))

    assert ask(where + path).status_code == 404
    long = bob.act("/incidents/1/share", whom="x", lasts="1000 w")
    assert "a link may hold for at most 30 days" in said_on(long)


# --- in a browser ----------------------------------------------------------------------------------------------------
def test_an_incident_is_opened_worked_through_and_closed_by_keyboard(
    browser: Any, where: str, site: Reviewed
) -> None:
    page = browser.new_page(viewport=PHONE)
    try:
        sign_in(page, where, "bob")
        page.goto(where + "/incidents")
        tab_to(page, "Open an incident")
        page.keyboard.press("Enter")
        page.wait_for_url("**/incidents/new")
        tab_to(page, "title")
        page.keyboard.type("Strange logins")
        tab_to(page, "Open it")
        page.keyboard.press("Enter")
        page.wait_for_url("**/incidents/1")
        assert "15 min 00 s left" in page.locator("#stand").inner_text().replace(
            "\u202f", " "
        ).replace("\xa0", " ")
        assert violations(page) == []
        assert "phase 1 of 4" in first_screen(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"]
        for number in (2, 3, 4):
            tab_to(page, "Done")
            page.keyboard.press("Enter")
            page.wait_for_selector(f"#record tr:nth-child({number})")
        tab_to(page, "Begin the next phase")
        page.keyboard.press("Enter")
        page.wait_for_selector("#stand:has-text('phase 2 of 4')")
        tab_to(page, "Close this incident")
        page.keyboard.press("Enter")
        tab_to(page, "lesson")
        page.keyboard.type("Look at logins each day")
        tab_to(page, "unfinished")
        page.keyboard.type("a rehearsal")
        tab_to(page, "password")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#stand:has-text('Closed')")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.goto(where + "/incidents?all=1")
        assert violations(page) == []
    finally:
        page.close()
    assert the_incident(site).closed_at is not None


def test_the_clock_goes_on_while_somebody_writes(browser: Any, where: str, site: Reviewed) -> None:
    page = browser.new_page()
    try:
        sign_in(page, where, "bob")
        page.goto(where + "/incidents/new")
        page.fill("[name=title]", "Strange logins")
        page.click("button:has-text('Open it')")
        page.wait_for_selector("#note textarea")
        page.fill("#note textarea", "two accounts")
        site.now += timedelta(minutes=20)
        page.wait_for_selector(".clock:has-text('overdue for')")
        assert page.input_value("#note textarea") == "two accounts"
    finally:
        page.close()
