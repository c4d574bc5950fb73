"""Who acts on the command line: an account's user, whom `--as` names, or nobody; and whose a run is."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import warm
from cheap_passwords import PASSWORD, password_hash
from service.test_alert_commands import SCHEDULE, open_one
from service.test_alert_commands import site as site
from service.test_serve import stored
from sqlalchemy import select, update
from store_samples import answer, begun, result

from upkeep.model import clock
from upkeep.model.roles import Role
from upkeep.model.verdicts import Measure
from upkeep.rules.actions import Action, may, needed, words_of
from upkeep.services.actors import account
from upkeep.services.signing_key import load_installation
from upkeep.site.site import load_site
from upkeep.store import acts, review_records, reviews, run_requests, runs, sessions, tables, users
from upkeep.store.answers import add_hosts
from upkeep.system.account import own_name
from upkeep.view.json import schema

DECIDES: dict[Action, Sequence[str]] = {
    Action.ACKNOWLEDGE: ("ack", "1"),
    Action.SILENCE: (
        "silence", "add", "disk_space", "here", "--for", "1 h", "--reason", "moving files"
    ),
    Action.APPROVE_SILENCE: ("silence", "approve", "9"),
    Action.END_SILENCE: ("silence", "end", "9"),
    Action.ACCEPT_HOSTS: ("hosts", "accept"),
    Action.ACCEPT_CLOCK: ("doctor", "--accept-clock"),
    Action.OVERRIDE_ROTA: ("oncall", "set", "ops", "lee", "--to", "2099-01-01"),
    Action.END_OVERRIDE: ("oncall", "end", "9"),
    Action.RENEW_REVIEW: ("review", "renew", "1"),
    Action.HAND_OVER: ("review", "hand-over", "9", "lee", "--reason", "away"),
    Action.SIGN_REVIEW: ("sign", "1", "--verdict", "pass"),
    Action.REQUEST_WAIVER: (
        "waive", "request", "disk_space", "here", "/", "--severity", "high", "--reason", "x", "--for", "1 d"
    ),
    Action.APPROVE_WAIVER: ("waive", "approve", "9"),
    Action.REVOKE_WAIVER: ("waive", "revoke", "9", "--reason", "x"),
    Action.ACCEPT_BASELINE: (
        "baseline", "accept", "disk_space", "here", "/", "used", "--reason", "x"
    ),
    Action.ADD_USER: ("user", "add", "new"),
    Action.SET_ROLE: ("user", "role", "boss", "viewer"),
    Action.SET_PERSON: ("user", "person", "boss", "lee"),
    Action.SET_PASSWORD: ("user", "password", "boss"),
    Action.TURN_USER_OFF: ("user", "off", "boss"),
    Action.TURN_USER_ON: ("user", "on", "boss"),
}  # fmt: skip
LOOKS = [
    ("runs",), ("findings",), ("alerts",), ("silence", "list"), ("oncall",), ("hosts",), ("reviews",),
    ("waivers",), ("baselines",), ("user", "list"), ("review", "verify"), ("schedule", "list"), ("completion",),
]  # fmt: skip


def upkeep(site: Path, *arguments: str, given: str = "", **environ: str) -> Any:
    return warm.run([*arguments, "-i", str(site)], given=given, env=os.environ | environ)


def add(site: Path, name: str, role: Role, person: str = "", *, shared: bool = False) -> None:
    with closing(stored(site)) as store, store.begin() as db:
        users.add(db, name, role, password_hash(), clock.now(), person=person, shared=shared)


def newest(site: Path, count: int = 1) -> list[acts.Act]:
    with closing(stored(site)) as store, store.read() as db:
        return acts.recent(db, count)


@pytest.fixture
def staffed(site: Path) -> Path:
    """The site with an alert, a review, values to propose, an admin, and nobody whose account this is."""
    open_one(site)
    open_review(site)
    add(site, "boss", Role.ADMIN)
    return site


def open_review(site: Path) -> None:
    """Open a review that shows nothing, and let a series have so many values that they are normal."""
    now = clock.now()
    new = reviews.NewReview(
        site=str(site), procedure="look", item="disks", due_of=now, title="Disks", owner="ops",
        opened_at=now, due_at=now, remind_at=now, definition={"asks": "Look."},
    )  # fmt: skip
    key = load_installation(load_site(str(site)).settings).key
    with closing(stored(site)) as store:
        with store.begin() as db:
            review_records.open_one(db, key, new, now)
        for days in range(20, 0, -1):
            at = now - timedelta(days=days)
            one = result(host="here", measures=(Measure("used", 80.0, "%"),))
            with store.begin() as db:
                run_id = runs.start(db, begun(started_at=at, site=str(site)))
                given = answer(replace(one, observed_at=at), host="here")
                add_hosts(db, run_id, [replace(given, observed_at=at)])
                runs.finish(db, run_id, "done", "", at)


# --- who may ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("action", DECIDES, ids=lambda one: one.value)
def test_what_decides_takes_a_user_whose_role_reaches(staffed: Path, action: Action) -> None:
    nobody = upkeep(staffed, *DECIDES[action])
    act = newest(staffed)[0]
    add(staffed, "kim", Role.VIEWER, "kim")
    said = {}
    for role in Role:
        with closing(stored(staffed)) as store, store.begin() as db:
            users.set_role(db, "kim", role)
            users.turn_on(db, "boss")
        said[role] = upkeep(staffed, *DECIDES[action]).stderr

    assert nobody.returncode == 64
    assert (
        f"only users may {words_of(action)}, and the account {account()} is not a user"
        in nobody.stderr
    )
    assert "name one with --as" in nobody.stderr
    assert (act.what, act.who, act.account, act.outcome) == (action.value, "", account(), "refused")
    for role, words in said.items():
        refused = f"to {words_of(action)} you need the role {needed(action)}; kim is {role.value}"
        assert (refused in words) == (not may(role, action)), (role, words)


@pytest.mark.parametrize("role", [None, *Role], ids=lambda one: one.value if one else "nobody")
def test_looking_takes_no_user(staffed: Path, role: Role | None) -> None:
    if role:
        add(staffed, "kim", role, "kim")

    for words in LOOKS:
        done = upkeep(staffed, *words)
        assert done.returncode in (0, 1, 2), (words, done.stderr)
        assert "you need the role" not in done.stderr


def test_without_any_user_an_account_decides_and_signs_nothing(site: Path) -> None:
    open_one(site)
    open_review(site)

    acknowledged = upkeep(site, "alert", "ack", "1")
    signed = upkeep(site, "review", "sign", "1", "--verdict", "pass")

    assert acknowledged.returncode == 0, acknowledged.stderr
    assert (newest(site, 2)[1].who, newest(site, 2)[1].account) == ("", account())
    assert signed.returncode == 64
    assert (
        f"only users may sign reviews, and the account {account()} is not a user" in signed.stderr
    )


@pytest.mark.parametrize("arguments", [("ack", "1"), ("check", "disk_space")], ids=" ".join)
@pytest.mark.parametrize("name", ["kim", account()], ids=["by accounts", "by name"])
def test_a_user_who_is_turned_off_may_no_more_than_nobody(
    staffed: Path, name: str, arguments: Sequence[str]
) -> None:
    add(staffed, name, Role.ADMIN, "kim" if name == "kim" else "")
    with closing(stored(staffed)) as store, store.begin() as db:
        users.turn_off(db, name, clock.now())

    done = upkeep(staffed, *arguments)

    assert done.returncode == 64
    assert f"the account {account()} belongs to {name}, who is disabled" in done.stderr
    assert newest(staffed)[0].outcome == acts.REFUSED


@pytest.mark.parametrize("arguments", [("ack", "1"), ("check", "disk_space")], ids=" ".join)
def test_nobody_acts_with_an_account_of_several_people(
    staffed: Path, arguments: Sequence[str]
) -> None:
    people = SCHEDULE["people"] | {"lee": {"name": "Lee", "accounts": [account()]}}
    (staffed / "schedule.yml").write_text(json.dumps(SCHEDULE | {"people": people}))
    add(staffed, "kim", Role.OPERATOR, "kim")
    assert upkeep(staffed, *arguments).returncode != 64, "one of them is no user"
    add(staffed, "lee", Role.ADMIN, "lee")

    done = upkeep(staffed, *arguments)

    assert done.returncode == 64
    assert (
        f"the account {account()} belongs to several people in schedule.yml: kim and lee"
        in done.stderr
    )
    assert (
        upkeep(staffed, "alert", "ack", "1", "--as", "lee", given=f"{PASSWORD}\n").returncode == 0
    )


# --- as somebody -----------------------------------------------------------------------------------------------------
def test_a_password_on_standard_input_lets_one_act_as_somebody(staffed: Path) -> None:
    done = upkeep(staffed, "alert", "ack", "1", "--as", "Boss", given=f"{PASSWORD}\n")

    assert done.returncode == 0, done.stderr
    assert [(one.what, one.who, one.account, one.outcome) for one in newest(staffed, 2)] == [
        ("acknowledge alert", "boss", account(), "done"),
        ("act as", "boss", account(), "done"),
    ]
    (alert,) = json.loads(upkeep(staffed, "alert", "list", "--json").stdout)["alerts"]
    assert alert["acknowledged_by"] == "boss"


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("boss", "wrong\n", "wrong password for boss"),
        ("nobody", f"{PASSWORD}\n", "wrong password for nobody"),
        (
            "boss",
            "",
            "there is no terminal to ask for the password of boss, and standard input has none",
        ),
        (
            "boss",
            "\n",
            "there is no terminal to ask for the password of boss, and standard input has none",
        ),
        ("off", f"{PASSWORD}\n", "wrong password for off"),
    ],
    ids=["wrong", "no such user", "none", "an empty line", "disabled"],
)
def test_as_somebody_takes_their_password(staffed: Path, name: str, given: str, said: str) -> None:
    add(staffed, "off", Role.ADMIN)
    with closing(stored(staffed)) as store, store.begin() as db:
        users.turn_off(db, "off", clock.now())

    done = upkeep(staffed, "alert", "ack", "1", "--as", name, given=given)

    assert done.returncode == 64
    assert said in done.stderr
    (alert,) = json.loads(upkeep(staffed, "alert", "list", "--json").stdout)["alerts"]
    assert alert["status"] == "open"
    if given.strip():
        (act,) = newest(staffed)
        assert (act.what, act.account, act.outcome) == ("authenticate", account(), "refused")


def test_guessing_there_waits_too(staffed: Path) -> None:
    table = tables.sign_in_attempt
    for _try in range(sessions.FREE_FAILURES + 1):
        assert (
            upkeep(staffed, "alert", "ack", "1", "--as", "boss", given="wrong\n").returncode == 64
        )
    with closing(stored(staffed)) as store, store.begin() as db:
        for row in db.execute(select(table)).all():
            assert row.next_at > row.last_at
        # Two seconds, which a slow machine may have spent already.
        db.execute(update(table).values(next_at=clock.now() + timedelta(hours=1)))

    for given in ("wrong\n", f"{PASSWORD}\n"):
        assert (
            "too many attempts"
            in upkeep(staffed, "alert", "ack", "1", "--as", "boss", given=given).stderr
        )


def test_as_somebody_reaches_no_further_than_their_role(staffed: Path) -> None:
    add(staffed, "kim", Role.ADMIN, "kim")
    add(staffed, "eve", Role.AUDITOR)

    done = upkeep(staffed, "user", "disable", "boss", "--as", "eve", given=f"{PASSWORD}\n")

    assert done.returncode == 64
    assert "to disable users you need the role admin; eve is auditor" in done.stderr


def test_the_password_is_asked_for_on_a_terminal(staffed: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "upkeep.cli.main",
        "ack",
        "1",
        "--as",
        "boss",
        "-i",
        str(staffed),
    ]
    parent, terminal = pty.openpty()
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    said, asked = b"", False
    while True:
        try:
            said += os.read(parent, 10_000)
        except OSError:
            break
        if not asked and said.rstrip().endswith(b":"):
            os.write(parent, PASSWORD.encode() + b"\n")
            asked = True
    os.close(parent)

    assert process.wait() == 0, said
    assert b"Password of boss, to acknowledge alert: " in said
    assert PASSWORD.encode() not in said


def test_who_adds_a_user_hands_in_both_passwords(staffed: Path) -> None:
    words = ("user", "add", "new", "--role", "auditor", "--password-stdin", "--as", "boss")

    done = upkeep(staffed, *words, given=f"{PASSWORD}\nanother long one\n")
    acted = upkeep(staffed, "alert", "ack", "1", "--as", "new", given="another long one\n")

    assert (done.returncode, done.stderr) == (0, "new may sign in, as auditor\n")
    assert "to acknowledge alerts you need the role operator; new is auditor" in acted.stderr


# --- the first admin -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("add", "new", "--role", "admin", "--password-stdin"), 0),
        (("role", "kim", "admin"), 0),
        (("on", "gone"), 0),
        (("add", "new", "--role", "approver", "--password-stdin"), 64),
        (("role", "kim", "approver"), 64),
        (("person", "kim", "lee"), 64),
        (("password", "kim", "--password-stdin"), 64),
        (("off", "kim"), 64),
    ],
    ids=lambda one: " ".join(one[:3]) if isinstance(one, tuple) else str(one),
)
def test_without_an_admin_an_account_makes_one_and_does_nothing_else(
    site: Path, words: tuple[str, ...], status: int
) -> None:
    add(site, "kim", Role.OPERATOR)
    add(site, "gone", Role.ADMIN)
    with closing(stored(site)) as store, store.begin() as db:
        users.turn_off(db, "gone", clock.now())

    done = upkeep(site, "user", *words, given=f"{PASSWORD}\n")

    assert done.returncode == status, done.stderr


# --- whose a run is --------------------------------------------------------------------------------------------------
def runs_of(site: Path) -> list[dict[str, Any]]:
    listed = json.loads(upkeep(site, "run", "list", "--json").stdout)
    jsonschema.validate(listed, schema("runs"), jsonschema.Draft202012Validator)
    return [{key: one[key] for key in ("started_by", "asked_by")} for one in listed["runs"]]


def test_a_run_is_of_who_asked_for_it(staffed: Path) -> None:
    def asked_by(*words: str, given: str = "") -> str:
        done = upkeep(staffed, *words, given=given)
        assert done.returncode in (0, 1, 2, 3), done.stderr
        newest_one = runs_of(staffed)[0]
        assert newest_one["started_by"] == own_name()
        return str(newest_one["asked_by"])

    found = [
        asked_by("run", "look"),
        asked_by("check", "disk_space"),
        asked_by("run", "look", "--as", "boss", given=f"{PASSWORD}\n"),
    ]
    add(staffed, "kim", Role.AUDITOR, "kim")
    found.append(asked_by("run", "look"))

    assert found == [account(), account(), "boss", "kim"]
    with closing(stored(staffed)) as store, store.read() as db:
        (of_boss,) = db.execute(
            select(tables.run.c.id).where(tables.run.c.asked_by == "boss")
        ).scalars()
    shown = upkeep(staffed, "show", str(of_boss)).stdout
    assert f"asked for by boss, run by {own_name()}" in shown
    document = json.loads(upkeep(staffed, "show", str(of_boss), "--json").stdout)
    jsonschema.validate(document, schema("run"), jsonschema.Draft202012Validator)
    assert document["run"]["asked_by"] == "boss"


@pytest.mark.parametrize("check", [False, True], ids=["for real", "with --check"])
def test_a_job_on_hosts_is_no_viewers(staffed: Path, check: bool) -> None:
    plan = json.loads(json.dumps(SCHEDULE))
    plan["procedures"]["look"] |= {"changes_hosts": True}
    (staffed / "schedule.yml").write_text(json.dumps(plan))
    add(staffed, "kim", Role.AUDITOR, "kim")

    done = upkeep(staffed, "run", "look", *(["--check"] if check else []))

    refused = "to run what changes hosts you need the role operator; kim is auditor"
    assert (refused in done.stderr) == (not check), done.stderr


@pytest.mark.parametrize(
    "change", ["another procedure", "not taken", "taken already", "no such one"]
)
def test_a_request_is_taken_by_its_own_run_only(site: Path, change: str) -> None:
    with closing(stored(site)) as store, store.begin() as db:
        procedure = "other" if change == "another procedure" else "look"
        number = run_requests.ask(db, str(site), procedure, "ann", clock.now())
        if change != "not taken":
            run_requests.take(db, number, clock.now())
        if change == "taken already":
            run_requests.became(db, number, 5)

    done = upkeep(site, "run", "look", "--request", str(number + (change == "no such one")))

    assert done.returncode == 64
    assert "is not waiting for a run of look" in done.stderr
    assert runs_of(site) == []


def test_what_was_asked_for_on_the_page_is_of_who_asked(site: Path) -> None:
    with closing(stored(site)) as store, store.begin() as db:
        number = run_requests.ask(db, str(site), "look", "ann", clock.now())
        run_requests.take(db, number, clock.now())

    done = upkeep(site, "run", "look", "--request", str(number))

    assert done.returncode in (0, 1, 2, 3), done.stderr
    with closing(stored(site)) as store, store.read() as db:
        found = run_requests.get(db, number)
        assert found
        assert found.run_id
        run = runs.get(db, found.run_id)
    assert run
    assert (run.asked_by, run.started_by) == ("ann", own_name())
