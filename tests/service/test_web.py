"""The page over real HTTP: who may what, forms from elsewhere, sessions, guessing, what it says and in which words."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import time_machine
from alert_samples import site as alert_site
from service.copies import Copies
from service.page import PASSWORD, Visitor, add_users, ask, served
from sqlalchemy import func, select, text, update
from store_samples import answer, begun, result

from upkeep.model import clock, occurrence
from upkeep.model.answer import Due, Observed, Outcome
from upkeep.model.errors import StoreError
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.actions import RULES
from upkeep.rules.blindness import look_of
from upkeep.services import passwords
from upkeep.services.alerts.alerter import Alerter
from upkeep.site.schedule_file import Schedule, load_schedule
from upkeep.store import (
    Store,
    acts,
    alerts,
    blind,
    doubts,
    findings,
    occurrences,
    open_store,
    own_troubles,
    run_requests,
    runs,
    sessions,
    tables,
    users,
)
from upkeep.store.answers import add_host
from upkeep.view.json import schema
from upkeep.view.upcoming import Coming
from upkeep.web.app import HEADERS, ROUTES
from upkeep.web.routing import Route, Setting

NOW = datetime.now(UTC)
SITE = "/srv/site"
SCHEDULE = Schedule.model_validate(
    {"procedures": {"daily": {"title": "Daily procedure", "rule": "daily 03:00"}}}
)
HOSTILE = "<script>document.title='owned'</script>{{ 7 * 7 }}\x1b[31m\u202e"


def fill(store: Store) -> None:
    """A run of two hosts; one of them in need, with a text that would like to be more."""
    with store.begin() as db:
        number = runs.start(db, begun(started_at=NOW))
        bad = result(Severity.HIGH, host="db1", check="backup_fresh", message=f"31 h old {HOSTILE}")
        add_host(db, number, answer(bad, result(host="db1"), host="db1", raw=HOSTILE))
        add_host(
            db,
            number,
            answer(result(host="web1"), result(Status.UNKNOWN, subject="/x"), host="web1"),
        )
        runs.finish(db, number, "partial", "1 of 2 hosts not checked", NOW + timedelta(minutes=2))


@pytest.fixture
def visitor(setting: Setting) -> Iterator[Callable[[str], Visitor]]:
    """Return a function that gives a visitor who has signed in as that user, or as nobody."""
    opened = []

    def visit(name: str = "") -> Visitor:
        one = Visitor(where)
        opened.append(one)
        if name:
            assert one.sign_in(name).status_code == 303
        return one

    with served(setting) as where:
        yield visit
        for one in opened:
            one.close()


@pytest.fixture
def one_store(sqlite_url: str) -> Iterator[Store]:
    """A store on SQLite, where the database makes no difference."""
    opened = open_store(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def filled(copies: Any) -> Copies[None]:
    """A store with users, a run and its alerts."""

    def make(store: Store) -> None:
        add_users(store, NOW)
        fill(store)
        Alerter(store, alert_site()).step(NOW + timedelta(minutes=3))

    made: Copies[None] = copies(make)
    return made


@pytest.fixture
def setting(filled: Copies[None]) -> Iterator[Setting]:
    """The page of a copy of that, on SQLite."""
    with filled.copy("sqlite") as (_nothing, store):
        yield Setting(
            store,
            SITE,
            lambda: SCHEDULE,
            Coming(lambda: SCHEDULE, None),
            metrics=lambda _now, _openmetrics: b"# EOF\n",
            metrics_token="t0ken",
        )


# --- who may what ----------------------------------------------------------------------------------------------------
EXAMPLES = {
    "name": "spare", "sha256": "0" * 64, "host:path": "db1", "id:int": "1", "id": "1", "token": "none",
}  # fmt: skip
# Of which there is none in these tests.
ABSENT = {
    "/runs/{id:int}/report",
    "/requests/{id:int}",
    "/api/requests/{id:int}",
    "/evidence/{sha256}",
    "/reviews/{id:int}",
    "/reviews/{id:int}/files/{sha256}",
    "/api/reviews/{id:int}",
    "/waivers/{id:int}",
    "/incidents/{id:int}",
    "/incidents/{id:int}/told.csv",
    "/api/incidents/{id:int}",
    "/baselines/series",
    "/restores/{id:int}",
    "/api/restores/{id:int}",
}
# Also open to who has not signed in.
OPEN = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/static/{name}"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/outside/{id:int}/{token}"),
}
# Which of them each role may not, written out: a slip in the table of routes shows here.
FOR_ADMINS = {
    ("GET", "/users"), ("POST", "/users"), ("GET", "/users/{name}"), ("POST", "/users/{name}/role"),
    ("POST", "/users/{name}/off"), ("POST", "/users/{name}/on"), ("POST", "/users/{name}/password"),
}  # fmt: skip
FOR_APPROVERS = {
    ("GET", "/acts"), ("GET", "/api/acts"),
    ("POST", "/reviews/{id:int}/sign"), ("POST", "/reviews/{id:int}/hand-over"), ("POST", "/reviews/{id:int}/renew"),
    ("POST", "/waivers/{id:int}/approve"), ("POST", "/silences/{id:int}/approve"), ("POST", "/baselines/series"),
    ("POST", "/incidents/{id:int}/close"), ("POST", "/incidents/{id:int}/share"), ("POST", "/incidents/{id:int}/unshare"),
}  # fmt: skip
FOR_OPERATORS = {
    ("GET", "/runs/{id:int}/restart"), ("POST", "/runs/{id:int}/restart"), ("POST", "/api/runs/{id:int}/restart"),
    ("POST", "/alerts/{id:int}/acknowledge"), ("POST", "/api/alerts/{id:int}/acknowledge"), ("POST", "/alerts/{id:int}/unacknowledge"),
    ("POST", "/api/alerts/{id:int}/unacknowledge"), ("POST", "/silences"),
    ("POST", "/silences/{id:int}/end"), ("POST", "/oncall"), ("POST", "/oncall/{id:int}/end"),
    ("GET", "/waivers/new"), ("POST", "/waivers/new"), ("POST", "/waivers/{id:int}/revoke"),
    ("GET", "/incidents/new"), ("POST", "/incidents/new"), ("POST", "/incidents/{id:int}/act"), ("POST", "/incidents/{id:int}/step"),
    ("POST", "/incidents/{id:int}/note"), ("POST", "/incidents/{id:int}/assign"),
    ("POST", "/incidents/{id:int}/advance"), ("POST", "/incidents/{id:int}/hand-over"),
    ("POST", "/incidents/{id:int}/told"), ("POST", "/incidents/{id:int}/follow-up"),
}  # fmt: skip


def path_of(route: Route) -> str:
    return re.sub(r"\{(.*?)\}", lambda found: EXAMPLES[found[1]], route.path)


LADDER = (Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN)
FOR_AUDITORS_TOO = {("GET", "/acts"), ("GET", "/api/acts")}


def who_may(route: Route) -> set[Role | None]:
    """Return the roles that may, and None if who has not signed in may too."""
    key = (route.method, route.path)
    if key in OPEN:
        return {None, *Role}
    above = [(FOR_ADMINS, 3), (FOR_APPROVERS, 2), (FOR_OPERATORS, 1)]
    least = next((number for some, number in above if key in some), 0)
    beside = {Role.AUDITOR} if least == 0 or key in FOR_AUDITORS_TOO else set()
    return {*LADDER[least:], *beside}


def test_the_table_says_what_this_test_says() -> None:
    def said(route: Route) -> set[Role | None]:
        rule = RULES[route.action]
        return {*rule.roles} if rule.signed_in else {None, *rule.roles}

    assert {(one.method, one.path): said(one) for one in ROUTES} == {
        (one.method, one.path): who_may(one) for one in ROUTES
    }
    assert {
        (one.method, one.path) for one in ROUTES
    } >= FOR_ADMINS | FOR_APPROVERS | FOR_OPERATORS | OPEN


def test_every_route_as_nobody_and_as_each_role(setting: Setting, visitor: Any) -> None:
    visitors = {None: visitor()} | {role: visitor(role.value) for role in Role}
    tokens = {role: one.token() for role, one in visitors.items() if role}
    wrong = []
    # Signing out and changing passwords last: they end sessions.
    for route in sorted(
        ROUTES, key=lambda one: "password" in one.path or "out" in one.path or "off" in one.path
    ):
        for role, one in visitors.items():
            if route.path == "/sign-out" and role is not None:
                continue
            with_token = {"form_token": tokens[role]} if role else {}
            asked = (
                one.post(path_of(route), role="viewer", **with_token)
                if route.method == "POST"
                else one.get(path_of(route))
            )
            allowed = who_may(route)
            if None in allowed:
                right = asked.status_code != 403
            elif role is None:
                right = asked.status_code == 401
            elif role not in allowed:
                right = asked.status_code == 403
            else:
                right = asked.status_code not in (401, 403) or route.path == "/me/password"
            right = right and asked.status_code < 500
            if not right:
                wrong.append((route.method, route.path, role, asked.status_code))
            for name, value in HEADERS.items():
                if name not in ("Content-Security-Policy", "Cache-Control"):
                    assert asked.headers[name] == value
            assert "frame-ancestors 'none'" in asked.headers["Content-Security-Policy"]
            if not route.path.startswith("/static/"):
                assert asked.headers["Cache-Control"] == "no-store"
    assert wrong == []


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/runs/99", "/api/nothing", "/.git/config", "/static/../app.py"]
)
def test_who_has_not_signed_in_learns_nothing_of_what_there_is(visitor: Any, path: str) -> None:
    asked = visitor().get(path)

    assert asked.status_code == 401 or (path.startswith("/static/") and asked.status_code == 404)
    assert "db1" not in asked.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_do_nothing(visitor: Any, method: str) -> None:
    one = visitor()
    assert one.client.request(method, "/runs/1/restart").status_code in (401, 403, 405)


def test_a_refused_act_is_written_down(setting: Setting, visitor: Any) -> None:
    viewer = visitor("viewer")

    assert viewer.act("/runs/1/restart").status_code == 403

    with setting.store.read() as db:
        newest = acts.recent(db, 1)[0]
        assert run_requests.waiting(db) == []
    assert (newest.who, newest.what, newest.target, newest.outcome, newest.way) == (
        "viewer", "restart run", "/runs/1/restart", acts.REFUSED, "web",
    )  # fmt: skip
    assert newest.address == "127.0.0.1"
    assert newest.detail == "needs the role operator"


def test_acts_cannot_be_changed_or_removed(store: Store) -> None:
    with store.begin() as db:
        acts.record(db, acts.Act(NOW, "alice", "sign in"))
    for statement in ("UPDATE act SET who = 'bob'", "DELETE FROM act"):
        with pytest.raises(StoreError), store.begin() as db:
            db.execute(text(statement))
    with store.read() as db:
        assert [one.who for one in acts.recent(db, 9)] == ["alice"]


# --- forms from elsewhere --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_form_of_another_site_is_refused(
    setting: Setting, visitor: Any, headers: dict[str, str]
) -> None:
    one = visitor("admin")

    for path in ("/runs/1/restart", "/users/viewer/off", "/sign-in"):
        asked = one.post(path, headers, form_token=one.token(), name="admin", password=PASSWORD)
        assert asked.status_code == 403
    with setting.store.read() as db:
        assert run_requests.waiting(db) == []
        found = users.get(db, "viewer")
    assert found
    assert found.disabled_at is None


def test_a_form_without_its_token_or_with_anothers_is_refused(visitor: Any) -> None:
    admin, operator = visitor("admin"), visitor("operator")

    for token in ("", "x", "é", operator.token()):
        assert admin.post("/runs/1/restart", form_token=token).status_code == 403
    assert admin.post("/runs/1/restart", form_token=admin.token()).status_code == 303


def test_a_form_that_is_too_large_is_refused(visitor: Any) -> None:
    one = visitor()
    assert one.post("/sign-in", name="x" * 100_000).status_code == 413


@pytest.mark.parametrize(
    ("to", "where"),
    [
        ("/runs/1?hosts=3", "/runs/1?hosts=3"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_here(visitor: Any, to: str, where: str) -> None:
    asked = visitor().post("/sign-in", name="viewer", password=PASSWORD, to=to)

    assert asked.headers["location"] == where


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/", "Today"),
        ("/runs/1?hosts=3", "Runs"),
        ("/waivers/new", "Findings"),
        ("/completion", "Reviews"),
        ("/restores", "Runs"),
        ("/oncall", "Alerts"),
        ("/me", None),
        ("/nothing//runs", None),
        ("/runs.x", None),
    ],
)
def test_the_navigation_says_where_one_is(visitor: Any, path: str, section: str | None) -> None:
    text = visitor("approver").get(path).text

    found = re.findall(r'<a href="([^"]*)" aria-current="page">([^<]*)</a>', text)
    assert [name for _path, name in found] == ([section] if section else [])


def test_another_site_of_the_same_store_is_not_seen(one_store: Store) -> None:
    add_users(one_store, NOW)
    with one_store.begin() as db:
        for number, site in enumerate((SITE, "/srv/other")):
            run = runs.start(db, begun(started_at=NOW, site=site, title=f"Procedure {number}"))
            bad = result(Severity.HIGH, host=f"host{number}", message=f"trouble {number}")
            add_host(db, run, answer(bad, host=f"host{number}"))
            if number:
                runs.start(db, begun(started_at=NOW, site=site, title="Running 1"))
            runs.finish(db, run, "partial", f"cause {number}", NOW)
    with served(Setting(one_store, SITE, lambda: SCHEDULE, Coming(lambda: SCHEDULE, None))) as url:
        one = Visitor(url)
        one.sign_in("viewer")
        for path, own, other in (
            ("/", "trouble 0", ("trouble 1", "Running 1", "host1")),
            ("/runs", "Procedure 0", ("Procedure 1", "Running 1")),
            ("/findings", "trouble 0", ("trouble 1",)),
            ("/api/findings", "trouble 0", ("trouble 1",)),
        ):
            text = one.get(path).text
            assert own in text, path
            assert [word for word in other if word in text] == [], path
        one.close()


def test_exact_times_are_those_of_the_sites_zone(one_store: Store) -> None:
    add_users(one_store, NOW)
    at = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    with one_store.begin() as db:
        runs.finish(db, runs.start(db, begun(started_at=at)), "done", "", at)
    summer = SCHEDULE.model_copy(update={"time_zone": "America/New_York"})
    with served(Setting(one_store, SITE, lambda: summer, Coming(lambda: summer, None))) as url:
        one = Visitor(url)
        one.sign_in("viewer")
        assert 'title="2026-07-01 08:00:00 -04:00"' in one.get("/runs").text
        one.close()


# --- sessions --------------------------------------------------------------------------------------------------------
def test_the_cookie_is_out_of_reach_and_new_at_each_sign_in(visitor: Any) -> None:
    one = visitor()
    one.client.cookies.set("upkeep", "chosen-by-somebody-else")

    asked = one.sign_in("viewer")

    cookie = asked.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "chosen-by-somebody-else" not in cookie
    again = one.sign_in("viewer").headers["set-cookie"]
    assert again.split(";")[0] != cookie.split(";")[0]


def test_over_tls_the_cookie_never_goes_without(one_store: Store) -> None:
    add_users(one_store, NOW)
    with served(Setting(one_store, SITE, secure=True)) as where:
        one = Visitor(where)
        asked = one.sign_in("viewer")
        one.close()

    assert asked.headers["set-cookie"].startswith("__Host-upkeep=")
    assert "; Secure" in asked.headers["set-cookie"]
    assert "Domain" not in asked.headers["set-cookie"]
    assert asked.headers["strict-transport-security"] == "max-age=31536000"


def test_the_store_has_no_token_that_a_browser_could_send(setting: Setting, visitor: Any) -> None:
    one = visitor("viewer")
    token = one.client.cookies["upkeep"]

    with setting.store.read() as db:
        rows = [str(row) for row in db.execute(text("SELECT * FROM session"))]

    assert rows
    assert not any(token in row for row in rows)


def test_only_where_nobody_can_sign_in_it_is_said_how_to_add_the_first(
    visitor: Any, one_store: Store
) -> None:
    first = "upkeep user add admin --role admin"
    assert first not in visitor().get("/sign-in").text

    with served(Setting(one_store)) as url:
        assert first in ask(f"{url}/sign-in").text


def test_signing_out_ends_the_session(visitor: Any) -> None:
    one = visitor("viewer")
    token = one.client.cookies["upkeep"]
    assert one.act("/sign-out").status_code == 303

    assert one.get("/").status_code == 401
    assert ask(f"{one.url}/", cookies={"upkeep": token}).status_code == 401


def test_who_is_turned_off_is_out_at_once(visitor: Any) -> None:
    admin, viewer = visitor("admin"), visitor("viewer")
    assert viewer.get("/").status_code == 200

    assert admin.act("/users/viewer/off").status_code == 303

    assert viewer.get("/").status_code == 401
    assert viewer.sign_in("viewer").status_code == 401


def test_the_last_admin_stays(visitor: Any) -> None:
    admin = visitor("admin")

    assert admin.act("/users/admin/off").status_code == 409
    assert admin.act("/users/admin/role", role="viewer").status_code == 409
    assert admin.act("/users/viewer/role", role="admin").status_code == 303
    assert admin.act("/users/admin/role", role="viewer").status_code == 303
    assert admin.get("/users").status_code == 403


def test_another_password_ends_all_sessions(visitor: Any) -> None:
    one, other = visitor("operator"), visitor("operator")
    new = "another horse battery"

    assert one.act("/me/password", old="wrong", new=new, again=new).status_code == 403
    assert one.act("/me/password", old=PASSWORD, new="short", again="short").status_code == 422
    assert one.act("/me/password", old=PASSWORD, new=new, again=new).status_code == 303

    assert one.get("/").status_code == other.get("/").status_code == 401
    assert one.sign_in("operator").status_code == 401
    assert one.sign_in("operator", new).status_code == 303


def test_a_session_ends_when_nobody_is_there_and_after_a_working_day(one_store: Store) -> None:
    with one_store.begin() as db:
        users.add(db, "alice", Role.VIEWER, "x", NOW)
        user = users.get(db, "alice")
        assert user
        token = sessions.begin(db, user, NOW, "127.0.0.1")
        assert sessions.find(db, token, NOW + sessions.IDLE - timedelta(seconds=1))
        assert sessions.find(db, token, NOW + sessions.IDLE) is None
        for hour in range(12):
            sessions.touch(db, token, NOW + timedelta(hours=hour))
        assert sessions.find(db, token, NOW + sessions.ABSOLUTE - timedelta(seconds=1))
        assert sessions.find(db, token, NOW + sessions.ABSOLUTE) is None


def test_a_page_that_looks_again_by_itself_keeps_nobody_signed_in(
    setting: Setting, visitor: Any
) -> None:
    one = visitor("viewer")

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=40)):
        assert one.get("/", **{"Upkeep-Again": "1"}).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=61)):
        assert one.get("/").status_code == 401


# --- guessing --------------------------------------------------------------------------------------------------------
def test_guessing_is_slowed_down_and_the_right_password_waits_too(visitor: Any) -> None:
    one = visitor()
    said = [one.sign_in("viewer", f"guess number {number}").status_code for number in range(5)]

    assert said[:4] == [401] * 4
    assert said[4] == 429
    asked = one.sign_in("viewer")
    assert asked.status_code == 429
    assert int(asked.headers["retry-after"]) >= 1


def test_the_waits_grow_to_their_limits(store: Store) -> None:
    at, waits = NOW, []
    with store.begin() as db:
        for _number in range(14):
            assert sessions.try_password(db, "alice", "192.0.2.7", at) == 0
            until = db.execute(select(func.max(tables.sign_in_attempt.c.next_at))).scalar_one()
            waits.append(round((until - at).total_seconds()))
            at = until
        # The account alone, from another address; the address alone, with another account.
        other = sessions.try_password(
            db, "alice", "192.0.2.8", at - timedelta(seconds=waits[-1] - 1)
        )
        same = sessions.try_password(db, "bob", "192.0.2.7", at - timedelta(seconds=1))

    assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert round(other) == 59
    assert round(same) == 1


def test_many_guesses_at_once_count_each(store: Store) -> None:
    looked: list[float] = []

    def guess() -> None:
        with store.begin() as db:
            looked.append(sessions.try_password(db, "alice", "192.0.2.7", NOW))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sum(wait == 0 for wait in looked) == sessions.FREE_FAILURES + 1


def test_who_is_not_there_is_told_the_same_after_the_same_work(
    monkeypatch: pytest.MonkeyPatch, visitor: Any
) -> None:
    one = visitor()
    verified = []
    real = passwords._hasher

    class Counting:
        def hash(self, password: str) -> str:
            return real.hash(password)

        def verify(self, kept: str, password: str) -> bool:
            verified.append(kept)
            return real.verify(kept, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    there = one.sign_in("viewer", "wrong password")
    not_there = one.sign_in("nobody-of-that-name", "wrong password")

    assert len(verified) == 2
    assert (there.status_code, not_there.status_code) == (401, 401)
    assert there.text.replace("viewer", "X") == not_there.text.replace("nobody-of-that-name", "X")


@pytest.mark.parametrize(
    ("password", "taken"),
    [("elevenchars", False), ("twelve chars", True), ("a" * 30, False), ("alice likes it", False), ("x y z w v u" * 20, False)],
)  # fmt: skip
def test_which_passwords_are_taken(password: str, taken: bool) -> None:
    assert (passwords.problem_of(password, "alice") == "") == taken


# --- what it says ----------------------------------------------------------------------------------------------------
def test_one_cause_on_many_hosts_is_one_line_and_leaves_room_for_others(
    setting: Setting, visitor: Any
) -> None:
    """On Today, where only some lines stand; on the page of findings, and on that of the alert."""
    store = setting.store
    with store.begin() as db:
        number = runs.start(db, begun(started_at=NOW + timedelta(hours=1)))
        for one in range(30):
            text = f"ssh: connect to host 192.0.2.{one} port 22: No route to host"
            at = NOW + timedelta(hours=1)
            add_host(db, number, Observed(f"away{one:02}", Outcome.UNREACHABLE, at, text))
        last = result(Severity.LOW, host="web9", check="swap_used", minutes=60)
        add_host(db, number, answer(last, host="web9", minutes=60))
        runs.finish(db, number, "done", "", NOW + timedelta(hours=1, minutes=1))
    Alerter(store, alert_site()).step(NOW + timedelta(hours=1, minutes=3))
    viewer = visitor("viewer")

    for path in ("/", "/findings"):
        page = viewer.get(path).text
        assert page.count("Connection failure</a>") == 1
        assert "<b>30 hosts</b>" in page
        assert "such as ssh: connect to host 192.0.2." in page
        assert "High swap usage</a>" in page
    assert "and 25 more" in viewer.get("/findings").text
    with store.read() as db:
        (alert,) = [
            one for one in alerts.open_alerts(db, SITE) if one.check_id == "host_unreachable"
        ]
    page = viewer.get(f"/alerts/{alert.id}").text
    assert page.count("Connection failure</a>") == 1
    assert "<b>30 hosts</b>" in page


def test_a_run_and_its_host_say_which_results_are_doubted(setting: Setting, visitor: Any) -> None:
    with setting.store.begin() as db:
        doubts.mark(db, SITE, "backup_fresh", None)
    viewer = visitor("viewer")
    said = "1 result of backup_fresh proves nothing: the check passed its known-bad input."

    for path in ("/runs/1", "/runs/1/hosts/db1"):
        page = viewer.get(path).text
        assert said in page
        assert page.count("▲ doubted") == 1
    assert "prove" not in viewer.get("/runs/1/hosts/web1").text
    assert "the check passed its known-bad input then" in viewer.get("/findings/1").text


def test_today_says_how_it_stands(visitor: Any) -> None:
    page = visitor("viewer").get("/").text

    assert "<h1>1 of 2 hosts needs you</h1>" in page
    assert "Overdue backup" in page
    assert "✗ fail high" in page


def test_today_is_not_well_where_nothing_could_be_seen(store: Store) -> None:
    add_users(store, NOW)
    given = [result(Status.UNKNOWN, host=host, check="failed_logins") for host in ("web1", "web2")]
    hosts = [
        replace(answer(one, host=one.host), due=(Due("failed_logins", 0, {}),), asked=("*",))
        for one in given
    ]
    with store.begin() as db:
        number = runs.start(db, begun(started_at=NOW))
        db.execute(  # they have seen something before
            tables.watched.insert(),
            [
                {
                    "site": SITE,
                    "host": one.host,
                    "check_id": "failed_logins",
                    "since": NOW - timedelta(days=1),
                }
                for one in hosts
            ],
        )
        for one in hosts:
            add_host(db, number, one)
        blind.settle(db, number, SITE, filter(None, map(look_of, hosts)), None, NOW)
        assert findings.open_ones(db, site=SITE) == []
    with served(Setting(store, SITE, lambda: SCHEDULE, Coming(lambda: SCHEDULE, None))) as where:
        one = Visitor(where)
        one.sign_in("viewer")
        page, api = one.get("/").text, one.get("/api/today").json()
        one.client.close()

    assert "<h1>2 of 2 hosts need you</h1>" in page
    assert "Cannot be checked" in page
    assert "No open findings" not in page
    assert (api["hosts_in_need"], api["blind_checks"]) == (2, 2)
    assert api["sentence"].startswith("2 of 2 hosts need you: ")


def test_today_says_what_is_wrong_with_upkeep_itself(store: Store) -> None:
    """A host that is well hides no run that failed."""
    add_users(store, NOW)
    with store.begin() as db:
        number = runs.start(db, begun(started_at=NOW))
        for host in ("web1", "web2"):
            add_host(db, number, answer(result(Status.PASS, host=host), host=host))
        own_troubles.tell(
            db, SITE, own_troubles.of("run_failed", "daily"), NOW, Severity.HIGH, "no host matches"
        )
    with served(Setting(store, SITE, lambda: SCHEDULE, Coming(lambda: SCHEDULE, None))) as where:
        one = Visitor(where)
        one.sign_in("viewer")
        page = one.get("/").text
        one.client.close()

    assert "<h1>All 2 hosts are well; 1 problem with Upkeep itself</h1>" in page


def test_what_a_host_says_is_text(visitor: Any) -> None:
    one = visitor("viewer")
    for path in ("/", "/runs/1", "/runs/1/hosts/db1", "/findings", "/findings/1"):
        page = one.get(path).text
        assert "&lt;script&gt;" in page, path
        assert "<script>document" not in page
        assert "{{ 7 * 7 }}" in page
        assert "\x1b" not in page
        assert "\u202e" not in page


def test_a_source_is_named_where_hosts_are(visitor: Any, setting: Setting) -> None:
    bad = result(Severity.HIGH, check="register_changed", subject="people.yml")
    with setting.store.begin() as db:
        number = runs.start(db, begun(started_at=NOW))
        given = answer(bad, host="register/people")
        add_host(db, number, replace(given, seen_from="control"))
        runs.finish(db, number, "done", "", NOW)
    one = visitor("viewer")

    run, today = one.get(f"/runs/{number}").text, one.get("/").text
    where = re.search(r'href="(/runs/\d+/hosts/register[^"]+)"', run)
    assert where
    page = one.get(where[1]).text

    assert "<h1><bdi>register/people</bdi>: 1 result did not pass</h1>" in page
    assert ", from control" in page
    assert "of 3 hosts and sources need you" in today
    assert "register/people" in one.get("/findings?host=register%2Fpeople").text
    assert one.get(f"/api/runs/{number}").json()["counts"]["sources"] == 1


def test_evidence_is_plain_text_and_nothing_else(visitor: Any) -> None:
    one = visitor("viewer")
    where = re.search(r"/evidence/[0-9a-f]{64}", one.get("/findings/1").text)
    assert where

    asked = one.get(where[0])

    assert asked.headers["content-type"] == "text/plain; charset=utf-8"
    assert asked.headers["content-security-policy"].startswith("sandbox")
    assert asked.content.decode() == HOSTILE


def test_documents_are_those_of_the_command(visitor: Any) -> None:
    one = visitor("viewer")
    for path, name in (
        ("/api/runs", "runs"),
        ("/api/runs/1", "run"),
        ("/api/findings", "findings"),
    ):
        jsonschema.validate(one.get(path).json(), schema(name))
    for path, name in (("/api/today", "today"),):
        jsonschema.validate(one.get(path).json(), schema(name))


def test_every_page_on_both_databases_and_lists_go_on_where_they_ended(store: Store) -> None:
    add_users(store, NOW)
    fill(store)
    Alerter(store, alert_site()).step(NOW + timedelta(minutes=3))
    with store.begin() as db:
        number = runs.start(db, begun(started_at=NOW))
        bad = [result(list(Severity)[at % 5], host="web9", subject=f"/{at}") for at in range(120)]
        add_host(db, number, answer(*bad, host="web9", minutes=5))
    with served(Setting(store, SITE, lambda: SCHEDULE, Coming(lambda: SCHEDULE, None))) as where:
        one = Visitor(where)
        assert one.sign_in("admin").status_code == 303
        told = {
            route.path: one.get(path_of(route)).status_code
            for route in ROUTES
            if route.method == "GET" and not route.is_open
        }
        seen: list[Any] = []
        path = "/api/findings"
        while path:
            asked = one.get(path)
            seen += asked.json()["findings"]
            following = re.match(r"<(.*)>", asked.headers.get("link", ""))
            path = f"/api/findings{following[1]}" if following else ""
        one.close()

    assert {path for path, status in told.items() if status != 200} == ABSENT
    assert len({found["id"] for found in seen}) == len(seen) == 121
    ranks = [Severity(found["severity"]).rank for found in seen]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    "query",
    [
        "?after=x",
        "?after=1,2,3",
        "?severity=x",
        "?before=-1",
        "?before=99999999999999",
        "?status=%00",
    ],
)
def test_a_query_that_makes_no_sense_breaks_nothing(visitor: Any, query: str) -> None:
    one = visitor("viewer")
    for path in ("/findings", "/runs", "/acts"):
        assert one.get(path + query).status_code in (200, 403)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/99999999999999999999",
        "/findings/4294967296",
        "/requests/4294967296",
        "/runs/1/hosts/%00",
    ],
)
def test_what_is_not_there_is_404(visitor: Any, path: str) -> None:
    assert visitor("viewer").get(path).status_code == 404


def test_a_run_is_asked_for_once_more(setting: Setting, visitor: Any) -> None:
    one = visitor("operator")

    asked = one.act("/runs/1/restart")

    assert asked.headers["location"] == "/requests/1"
    assert "Waiting for a driver" in one.get("/requests/1").text
    with setting.store.read() as db:
        (request,) = run_requests.waiting(db, SITE)
        done = acts.recent(db, 1)[0]
    assert (request.procedure, request.asked_by, request.restart_of) == ("daily", "operator", 1)
    assert (done.who, done.what, done.target, done.outcome) == (
        "operator",
        "restart run",
        "1",
        "done",
    )


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("w" * 3_999 + "…", "longer than what is kept"),
        ("all,@/srv/hosts", "may say something else now"),
    ],
    ids=["cut", "file"],
)
def test_a_limit_that_may_name_other_hosts_now_is_not_used_again(
    setting: Setting, visitor: Any, limit: str, said: str
) -> None:
    with setting.store.begin() as db:
        db.execute(update(tables.run).where(tables.run.c.id == 1).values(host_limit=limit))
    one = visitor("operator")

    assert said in one.get("/runs/1/restart").text
    assert one.act("/runs/1/restart").status_code == 409
    with setting.store.read() as db:
        assert run_requests.waiting(db, SITE) == []


def test_metrics_are_for_who_has_the_token_or_signed_in(visitor: Any) -> None:
    nobody = visitor()

    assert nobody.get("/metrics").status_code == 401
    assert nobody.get("/metrics", Authorization="Bearer wrong").status_code == 401
    assert nobody.get("/metrics", Authorization="Bearer t0ken").text == "# EOF\n"
    assert visitor("viewer").get("/metrics").status_code == 200


def test_health_says_what_stands_still_and_no_more(one_store: Store) -> None:
    for health, status in (
        ({"scheduler": True}, 200),
        ({"scheduler": True, "alerter": False}, 503),
    ):
        with served(Setting(one_store, SITE, health=lambda health=health: health)) as where:
            asked = ask(f"{where}/healthz")
        assert asked.status_code == status
        assert asked.json() == {
            "ok": status == 200,
            "stands_still": [] if status == 200 else ["alerter"],
        }


def test_a_store_that_is_gone_is_said_in_one_line(one_store: Store) -> None:
    with served(Setting(one_store, SITE)) as where:
        Path(one_store.place).write_bytes(b"no database any more" * 500)
        one_store.close()
        asked = ask(f"{where}/healthz")
        page = ask(f"{where}/", cookies={"upkeep": "x" * 43})

    assert asked.json() == {"ok": False, "stands_still": ["store"]}
    assert page.status_code == 503
    assert json.dumps("Traceback") not in page.text


# --- the schedule ----------------------------------------------------------------------------------------------------
def test_the_schedule_says_what_comes_and_what_became_of_what_was_due(one_store: Store) -> None:
    add_users(one_store, NOW)
    at = clock.now() - timedelta(hours=1)
    astral = load_schedule(Path(__file__).parents[2] / "inventory" / "astral" / "schedule.yml")
    missed = occurrence.NewOccurrence(
        SITE, "daily-health", at, at, at, None, state="missed", cause="<b>no driver</b> was there"
    )
    with one_store.begin() as db:
        occurrences.make(db, [missed])
    with served(Setting(one_store, SITE, lambda: astral)) as where:
        one = Visitor(where)
        one.sign_in("viewer")
        text = one.get("/schedule").text
        one.close()

    assert "1 of the last 1 occurrence not done" in text
    assert "&lt;b&gt;no driver&lt;/b&gt; was there" in text
    assert "every 2 minutes" in text
    assert "Web Vitals" in text  # what it lacks stands there
