"""Waivers and baselines on the page: asked for from a finding, approved by somebody else, accepted with a password."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import validate
from reviewed_site import PASSWORD, Reviewed, write_site
from service.browser import first_screen
from service.copies import Copies
from service.page import Visitor, served
from service.test_web_browser import violations
from service.test_web_reviews import said_on, sign_in, tab_to
from store_samples import result

from upkeep.model import clock
from upkeep.model.roles import Role
from upkeep.model.verdicts import Measure, Severity
from upkeep.rules.waivers import WaiverState
from upkeep.store import Store, acts, baselines, findings, records, waivers
from upkeep.view.json import schema
from upkeep.view.upcoming import Coming
from upkeep.web.routing import Setting

SCHEDULE: dict[str, Any] = {
    "procedures": {"plain": {"title": "Plain", "rule": "daily 03:00", "owner": "ops"}},
    "people": {"ann": {"name": "Ann"}, "bob": {"name": "Bob"}},
    "teams": {"ops": {"title": "Operations", "members": ["ann", "bob"]}},
}
REASON = "</p><script>alert(1)</script>{{ 7 * 7 }} moves in July"
FORM = {
    "check": "disk_space", "host": "web1", "subject": "/", "severity": "medium", "lasts": "30 d",
    "reason": REASON,
}  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def january(copies: Any, tmp_path_factory: pytest.TempPathFactory) -> Copies[Reviewed]:
    """A site whose web1 has failed daily for a month, of severity medium, its disk a little fuller each day."""

    def fill(store: Store) -> Reviewed:
        folder = tmp_path_factory.mktemp("january")
        written = write_site(folder / "site", folder / "signing", SCHEDULE)
        made = Reviewed(written, store, at("2027-01-01 12:00"))
        made.user("ann", "ann", Role.OPERATOR)
        made.user("anna", "ann", Role.APPROVER)
        made.user("bob", "bob", Role.APPROVER)
        made.user("vic", "", Role.VIEWER)
        for day in range(2, 30):
            measures = (Measure("used", 70.0 + day % 3, "%"),)
            made.results["web1"] = [result(Severity.MEDIUM, measures=measures)]
            made.go(at(f"2027-01-{day:02} 12:00"))
        return made

    filled: Copies[Reviewed] = copies(fill)
    return filled


@pytest.fixture
def site(january: Copies[Reviewed], monkeypatch: pytest.MonkeyPatch) -> Iterator[Reviewed]:
    """A copy of that month, by whose clock the page goes too."""
    with january.copy("sqlite") as (kept, store):
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


def the_waiver(site: Reviewed) -> Any:
    with site.store.read() as db:
        return waivers.get(db, site.site.key, 1)


def test_from_a_finding_to_a_waiver_that_somebody_else_approves(site: Reviewed, visit: Any) -> None:
    ann, bob = visit("ann"), visit("bob")
    assert "/waivers/new?finding=1" in ann.get("/findings/1").text
    form = ann.get("/waivers/new?finding=1").text
    assert 'value="disk_space"' in form
    assert "<option selected>medium" in form.replace(' value="medium"', "")

    assert "<option selected>medium" in form
    # Nothing is accepted that nobody has chosen.
    assert '<select name="severity" required><option value="">' in ann.get("/waivers/new").text
    asked = ann.act("/waivers/new", **FORM)

    assert asked.headers["location"] == "/waivers/1"
    assert the_waiver(site).state(site.now) is WaiverState.REQUESTED
    told = said_on(ann.get("/waivers/1"))
    assert html.escape(REASON, quote=False) in told
    assert "<script>alert" not in told
    assert "you cannot: to approve waivers you need the role approver" in told
    assert "1 waiver to approve" in said_on(bob.get("/waivers"))

    assert bob.act("/waivers/1/approve").headers["location"] == "/waivers/1"

    assert the_waiver(site).approved_by == "bob"
    assert "It still fails; nobody is notified." in said_on(bob.get("/findings/1"))
    assert "of which waived" in said_on(bob.get("/findings"))
    assert "/findings/1" in bob.get("/findings?waived=yes").text
    assert "/findings/1" not in bob.get("/findings?waived=no").text
    assert "Needs attention" not in bob.get("/").text
    assert "Findings covered" in bob.get("/waivers/1").text
    with site.store.read() as db:
        done = [(one.who, one.what, one.way) for one in acts.recent(db, 4) if "waiver" in one.what]
    assert done == [("bob", "approve waiver", "web"), ("ann", "request waiver", "web")]


def test_nobody_approves_their_own_not_as_another_user_either(site: Reviewed, visit: Any) -> None:
    visit("ann").act("/waivers/new", **FORM)
    anna = visit("anna")

    asked = anna.act("/waivers/1/approve")

    assert asked.status_code == 422
    assert "the person who asked for a waiver may not approve it" in asked.text
    assert "you cannot: " in anna.get("/waivers/1").text
    assert the_waiver(site).approved_at is None
    assert visit("ann").act("/waivers/1/approve").status_code == 403


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"check": ""}, "a waiver without a check would cover too much"),
        ({"check": "disk_spice"}, "there is no check &#39;disk_spice&#39;"),
        ({"host": "*", "subject": "*"}, "would disable the check"),
        ({"severity": "all"}, "choose the severity"),
        ({"lasts": "91 d"}, "may last at most 90 days"),
        ({"lasts": "soon"}, "soon is not a duration"),
        ({"reason": " "}, "a waiver needs a reason"),
    ],
)
def test_what_cannot_be_asked_for_says_why_and_keeps_what_was_typed(
    site: Reviewed, visit: Any, form: dict[str, str], said: str
) -> None:
    asked = visit("ann").act("/waivers/new", **{**FORM, **form})

    assert asked.status_code == 422
    assert "Nothing was asked for: " in asked.text
    assert said in said_on(asked)
    if form.get("reason") != " ":
        assert html.escape(REASON, quote=False) in asked.text
    assert the_waiver(site) is None


def test_it_is_ended_for_a_reason_and_its_finding_comes_back(site: Reviewed, visit: Any) -> None:
    ann = visit("ann")
    ann.act("/waivers/new", **FORM)
    visit("bob").act("/waivers/1/approve")

    assert "evoking a waiver needs a reason" in ann.act("/waivers/1/revoke", reason="").text
    assert ann.act("/waivers/1/revoke", reason="mended").status_code == 303

    assert "Needs attention" in ann.get("/").text
    assert "Revoked by" in ann.get("/waivers/1").text
    assert "Waiver 1" in ann.get("/waivers/1").text
    assert "/waivers/1" not in ann.get("/waivers").text
    assert "/waivers/1" in ann.get("/waivers?all=1").text
    assert visit("vic").get("/waivers/2").status_code == 404


def test_programs_get_the_commands_document(site: Reviewed, visit: Any) -> None:
    visit("ann").act("/waivers/new", **FORM)
    visit("bob").act("/waivers/1/approve")
    document = visit("vic").get("/api/waivers").json()

    validate(document, schema("waivers"))
    assert [(one["id"], one["covers"]) for one in document["waivers"]] == [(1, 1)]
    findings_ = visit("vic").get("/api/findings").json()
    validate(findings_, schema("findings"))


# --- baselines -------------------------------------------------------------------------------------------------------
SERIES = "/baselines/series?check=disk_space&host=web1&subject=%2F&measure=used"


def hidden(page: str) -> dict[str, str]:
    """Return what a form of the page sends beside what is typed."""
    found = {}
    for line in page.splitlines():
        if line.startswith('<input type="hidden" name="') and "form_token" not in line:
            name, value = line.split('name="')[1].split('" value="')
            found[name] = html.unescape(value.split('"')[0])
    return found


def test_a_baseline_is_accepted_as_it_was_shown(site: Reviewed, visit: Any) -> None:
    bob = visit("bob")
    shown = bob.get(SERIES).text
    assert "Proposed, lower is better: median 71" in said_on(bob.get(SERIES))

    form = hidden(shown) | {"reason": "the new disk", "password": PASSWORD}
    wrong = bob.act("/baselines/series", **form | {"password": "wrong horse battery"})
    stale = bob.act("/baselines/series", **form | {"shown": "0" * 64})
    done = bob.act("/baselines/series", **form)

    assert "Nothing was accepted: wrong password for bob" in wrong.text
    assert "the proposal has changed since it was shown" in stale.text
    assert done.status_code == 303
    with site.store.read() as db:
        (one,) = baselines.of_site(db, site.site.key)
        assert len(list(records.chain(db))) == 1
    assert (one.level.median, one.accepted_by, one.reason) == (71.0, "bob", "the new disk")
    assert "the new disk" in bob.get(done.headers["location"]).text
    assert "as the baseline of 71" in said_on(bob.get("/baselines"))
    assert "Nothing to propose" in bob.get(SERIES).text


def test_who_may_not_accept_sees_the_proposal_and_no_form(site: Reviewed, visit: Any) -> None:
    ann = visit("ann")

    assert "Proposed" in ann.get(SERIES).text
    assert "password" not in ann.get(SERIES).text
    assert ann.act("/baselines/series", check="x", host="y", measure="z").status_code == 403
    assert ann.get("/baselines/series?check=x").status_code == 422
    assert ann.get(SERIES + "&better=much").status_code == 422
    assert "nothing was measured" in ann.get(SERIES.replace("web1", "web9")).text


# --- in a browser ----------------------------------------------------------------------------------------------------
def test_asked_for_and_approved_by_keyboard_alone(browser: Any, where: str, site: Reviewed) -> None:
    page = browser.new_page()
    sign_in(page, where, "ann")
    page.goto(f"{where}/findings/1")
    tab_to(page, "Ask for a waiver")
    page.keyboard.press("Enter")
    page.wait_for_url("**/waivers/new?finding=1")
    tab_to(page, "reason")
    page.keyboard.type("moves in July")
    tab_to(page, "Ask for the waiver")
    page.keyboard.press("Enter")
    page.wait_for_url("**/waivers/1")
    page.context.clear_cookies()
    sign_in(page, where, "bob")
    page.goto(f"{where}/waivers")
    tab_to(page, "1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/waivers/1")
    tab_to(page, "Approve")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=in force")

    with site.store.read() as db:
        assert findings.waived_by(db, site.site.key) == {1: 1}
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_these_pages(browser: Any, where: str, visit: Any, scheme: str) -> None:
    visit("ann").act("/waivers/new", **FORM)
    bob = visit("bob")
    bob.act("/baselines/series", **hidden(bob.get(SERIES).text), reason="so", password=PASSWORD)
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    sign_in(page, where, "bob")
    found = {}
    for path in ("/waivers", "/waivers/1", "/waivers/new", "/baselines", SERIES):
        page.goto(where + path)
        found[path] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        if path == "/waivers/1":
            said = first_screen(page)
    assert {path: one for path, one in found.items() if one} == {}
    for word in ("Waiver 1", "Status", "Covers", "Asked by ann", "Ends", "Next approve"):
        assert word in said
    context.close()


def test_an_ended_waiver_covers_nothing_on_the_page(site: Reviewed, visit: Any) -> None:
    visit("ann").act("/waivers/new", **FORM)
    visit("bob").act("/waivers/1/approve")
    site.now += timedelta(days=31)

    vic = visit("vic")

    assert "It still fails" not in vic.get("/findings/1").text
    assert "expired" in vic.get("/waivers/1").text
