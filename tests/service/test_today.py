"""`upkeep today` and `upkeep whoami` as real processes: the answer first, what needs a person, who one is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from alert_samples import full, run, seen
from service import test_alert_commands as alert_commands
from service.test_alert_commands import document, open_one, upkeep
from service.test_serve import stored
from sqlalchemy import insert, select

from upkeep.model import clock
from upkeep.model.roles import Role
from upkeep.services.actors import account
from upkeep.store import tables, users, waivers
from upkeep.view.json import schema

site = alert_commands.site


def valid(found: Any, name: str) -> Any:
    jsonschema.validate(found, schema(name), jsonschema.Draft202012Validator)
    return found


def add(site: Path, name: str, role: Role, **more: Any) -> None:
    with closing(stored(site)) as store, store.begin() as db:
        users.add(db, name, role, "hash", clock.now(), **more)


def test_before_the_first_run_it_says_what_to_do(site: Path) -> None:
    done = upkeep(site, "today")

    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == "Nothing was checked."
    assert f"upkeep run look -i {site}" in done.stdout
    found = valid(document(site, "today"), "today")
    assert (found["hosts"], found["worst"], found["alerts"]) == (0, [], [])


def test_the_answer_comes_first_then_what_needs_a_person(site: Path) -> None:
    one = open_one(site)

    done = upkeep(site, "today")
    lines = done.stdout.splitlines()

    assert done.returncode == 2
    assert lines[0].startswith("here needs you: ")
    assert lines.index("Not acknowledged") < lines.index("Needs attention")
    assert f"alert show {one.id} -i {site}" in done.stdout
    assert "here: fail high: disk_space /: " in done.stdout
    found = valid(document(site, "today"), "today")
    assert (found["hosts_in_need"], found["alerts"]) == (1, [one.id])


def test_a_host_that_is_isolated_is_not_well(site: Path) -> None:
    assert upkeep(site, "run", "look").returncode in (0, 1, 2, 3)
    with closing(stored(site)) as store, store.begin() as db:
        key = db.execute(select(tables.run.c.site)).scalar_one()
        at = clock.now()
        row = {"isolation": "a-1", "since": at, "isolated_by": "alice", "seen_at": at}
        db.execute(insert(tables.isolated_host).values(site=key, host="here", **row))

    done = upkeep(site, "today")

    assert done.returncode in (2, 3)
    assert done.stdout.startswith("here needs you: ")
    lines = done.stdout.splitlines()
    assert lines[lines.index("Isolated") + 1].split("\t")[0] == "here"
    found = valid(document(site, "today"), "today")
    assert [one["host"] for one in found["isolated"]] == ["here"]
    assert found["hosts_in_need"] == 1


def test_where_no_host_was_checked_nothing_is_said_to_be_well(site: Path) -> None:
    (site / "inventory" / "hosts.yml").write_text("all: {hosts: {}}\n", encoding="utf-8")

    before = upkeep(site, "finding", "list")
    ran = upkeep(site, "run", "look")
    after, today = upkeep(site, "finding", "list"), upkeep(site, "today")

    assert [one.returncode for one in (before, ran, after, today)] == [3, 3, 3, 3]
    first = f"See what can be run: upkeep schedule list -i {site}"
    assert (before.stdout, before.stderr) == ("", f"Nothing was checked yet. {first}\n")
    reach = f"See what there is and can be reached: upkeep doctor -i {site}"
    assert (after.stdout, after.stderr) == ("", f"Nothing was checked yet. {reach}\n")
    assert today.stdout.splitlines()[:2] == ["Nothing was checked.", reach]
    assert "upkeep run look" not in today.stdout


def test_a_typing_error_in_a_limit_stores_no_run(site: Path) -> None:
    for words in (("run", "look"), ("check", "disk_space"), ("doctor",)):
        refused = upkeep(site, *words, "--limit", "hree")
        assert refused.returncode == 64
        assert "no host matches 'hree'; did you mean 'here'?" in refused.stderr

    assert upkeep(site, "run", "list").stdout == ""


def test_a_check_that_no_host_asks_for_says_how_to_ask_for_it(site: Path) -> None:
    done = upkeep(site, "check", "http_health")

    assert done.returncode == 3
    asks = "add it to a list upkeep_checks_* of the inventory; see how: upkeep explain http_health"
    assert done.stdout.splitlines()[-1] == f"Next: {asks} -i {site}"


def test_the_next_command_has_the_parameters_of_the_check(site: Path) -> None:
    done = upkeep(site, "check", "disk_space", "-p", "high_percent=99")

    assert f"upkeep check disk_space -p high_percent=99 -i {site}" in done.stdout.splitlines()[-1]


def test_like_findings_stand_together(site: Path) -> None:
    now = clock.now()
    with closing(stored(site)) as store:
        for number, (host, subjects) in enumerate([("web10", "/a /b"), ("web2", "/b /a")]):
            at = now + timedelta(seconds=number)
            bad = seen(*(full(subject=one) for one in subjects.split()), host=host, at=at)
            run(store, at, bad, site=str(site), procedure="look", title="Look at this machine")

    rows = [line.split(":")[:3] for line in upkeep(site, "today").stdout.splitlines()]

    assert [(row[0], row[2].split()[1]) for row in rows if row[1:2] == [" fail high"]] == [
        ("web2", "/a"), ("web2", "/b"), ("web10", "/a"), ("web10", "/b"),
    ]  # fmt: skip


def test_what_is_acknowledged_asks_nobody(site: Path) -> None:
    one = open_one(site)
    upkeep(site, "alert", "ack", str(one.id))

    done = upkeep(site, "today")

    assert done.returncode == 2
    assert "Not acknowledged" not in done.stdout
    assert document(site, "today")["alerts"] == []


def test_what_waits_for_an_approval_is_listed_until_it_is_approved(site: Path) -> None:
    add(site, "kim", Role.OPERATOR, person="kim")
    wide = upkeep(site, "silence", "add", "*", "*", "--for", "1 h", "--reason", "moving")
    asked = upkeep(
        site, "waiver", "ask", "disk_space", "here", "/", "--severity", "high", "--for", "9 d", "--reason", "moving"
    )  # fmt: skip
    assert (wide.returncode, asked.returncode) == (0, 0), wide.stderr + asked.stderr

    text = upkeep(site, "today").stdout
    waiting = valid(document(site, "today"), "today")["to_approve"]
    with closing(stored(site)) as store, store.begin() as db:
        waivers.approve(db, 1, "lee", clock.now())

    for words in (
        "To approve",
        "silence 1: * on *",
        "waiver 1: disk_space on here",
        f"Next: upkeep silence approve 1 -i {site}",
    ):
        assert words in text
    assert waiting == [{"kind": "silence", "id": 1}, {"kind": "waiver", "id": 1}]
    assert document(site, "today")["to_approve"] == [{"kind": "silence", "id": 1}]


def test_an_account_that_is_nobodys_is_told_how_to_be_somebody(site: Path) -> None:
    done = upkeep(site, "whoami")
    found = valid(document(site, "whoami"), "whoami")

    assert done.returncode == 0
    assert done.stdout.startswith(f"You are not a user of Upkeep: the account {account()} on ")
    assert "There is no user yet, so any account may do what is below.\nMay: read, " in done.stdout
    assert (found["user"], found["role"], found["barred"]) == (None, None, "")
    assert "acknowledge alert" in found["may"]
    assert {"action": "approve waiver", "role": "approver"} in found["may_not"]


def off(site: Path) -> None:
    with closing(stored(site)) as store, store.begin() as db:
        users.turn_off(db, "kim", clock.now())


@pytest.mark.parametrize(
    ("change", "user", "said"),
    [
        (
            lambda site: None,
            "kim",
            "You are the user kim, operator, the person kim of schedule.yml; by the account ",
        ),
        (off, None, "You act as nobody: the account "),
    ],
    ids=["a user", "disabled"],
)
def test_a_user_is_told_their_role_and_what_it_may(
    site: Path, change: Callable[[Path], None], user: str | None, said: str
) -> None:
    add(site, "kim", Role.OPERATOR, person="kim")
    change(site)

    done = upkeep(site, "whoami")
    found = valid(document(site, "whoami"), "whoami")

    assert done.returncode == 0
    assert done.stdout.startswith(said)
    assert (found["user"], found["account"]) == (user, account())
    assert ("acknowledge alert" in found["may"]) is (user is not None)
    assert {"action": "set role", "role": "admin"} in found["may_not"]
