"""One table says which role may do what; every command names what it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from upkeep.cli.actions import MATTERS, actions_of
from upkeep.cli.main import cli
from upkeep.model.roles import Role
from upkeep.rules.actions import RULES, Action, Needs, may, needed, refusal

LOOKS = {
    "today", "whoami", "show", "explain", "plan", "run list", "run show", "run judge", "check list", "finding list", "finding show", "alert list", "alert show",
    "silence list", "review list", "review show", "review attachment", "review verify", "waiver list", "baseline list",
    "baseline propose", "occurrence list", "schedule list", "schedule next", "schedule simulate", "schedule lint",
    "schedule ics", "schedule coverage", "schedule completion", "user list", "oncall list", "host list", "db sites",
    "restore list", "restore show", "incident list", "incident status", "incident log",
    "incident responses",
}  # fmt: skip
MAINTAINS = {
    "init", "db backup", "db restore", "db upgrade", "db prune", "db sites rename", "db sites join", "serve",
}  # fmt: skip
DECIDES = {
    "run": {Action.OBSERVE, Action.CHANGE_HOSTS},
    "check": {Action.OBSERVE},
    "restore try": {Action.CHANGE_HOSTS},
    "doctor": {Action.LOOK, Action.ACCEPT_CLOCK},
    "user add": {Action.ADD_USER},
    "user disable": {Action.TURN_USER_OFF},
    "user enable": {Action.TURN_USER_ON},
    "user role": {Action.SET_ROLE},
    "user person": {Action.SET_PERSON},
    "user password": {Action.SET_PASSWORD},
    "alert test": {Action.TEST_CHANNEL},
    "alert ack": {Action.ACKNOWLEDGE},
    "alert unack": {Action.UNACKNOWLEDGE},
    "silence add": {Action.SILENCE},
    "silence approve": {Action.APPROVE_SILENCE},
    "silence end": {Action.END_SILENCE},
    "host accept": {Action.ACCEPT_HOSTS},
    "oncall set": {Action.OVERRIDE_ROTA},
    "oncall end": {Action.END_OVERRIDE},
    "review renew": {Action.RENEW_REVIEW},
    "review hand-over": {Action.HAND_OVER},
    "review sign": {Action.SIGN_REVIEW},
    "waiver ask": {Action.REQUEST_WAIVER},
    "waiver approve": {Action.APPROVE_WAIVER},
    "waiver revoke": {Action.REVOKE_WAIVER},
    "incident open": {Action.OPEN_INCIDENT},
    "incident note": {Action.WORK_ON_INCIDENT},
    "incident step": {Action.WORK_ON_INCIDENT},
    "incident assign": {Action.WORK_ON_INCIDENT},
    "incident advance": {Action.WORK_ON_INCIDENT},
    "incident hand-over": {Action.WORK_ON_INCIDENT},
    "incident told": {Action.LOOK, Action.WORK_ON_INCIDENT},
    "incident follow-up": {Action.WORK_ON_INCIDENT},
    "incident isolate": {Action.CONTAIN_INCIDENT},
    "incident release": {Action.CONTAIN_INCIDENT},
    "incident close": {Action.CLOSE_INCIDENT},
    "incident share": {Action.SHARE_INCIDENT},
    "incident unshare": {Action.SHARE_INCIDENT},
    "baseline accept": {Action.ACCEPT_BASELINE},
}
"""Written out: a slip in the names of the commands shows here."""


def commands() -> Iterator[tuple[str, set[Action], bool]]:
    """Yield each command with what it does, and whether it can be told as whom."""

    def walk(group: object, before: str) -> Iterator[tuple[str, set[Action], bool]]:
        for name, one in group.commands.items():  # type: ignore[attr-defined]
            words = f"{before} {name}".strip()
            does = set(actions_of(one.callback)) if one.callback else set()
            told = any("--as" in each.opts for each in one.params)
            if not isinstance(one, TyperGroup) or one.invoke_without_command:
                yield words, does, told
            if hasattr(one, "commands"):
                yield from walk(one, words)

    yield from walk(get_command(cli), "")


def test_every_command_names_what_it_does() -> None:
    expected = {name: {Action.LOOK} for name in LOOKS}
    expected |= {name: {Action.MAINTAIN} for name in MAINTAINS} | DECIDES

    assert {name: does for name, does, _told in commands()} == expected


def test_who_decides_or_asks_can_be_told() -> None:
    wrong = [
        name
        for name, does, told in commands()
        if told != any(RULES[one].needs in MATTERS for one in does)
    ]
    assert wrong == []


def test_the_table_has_every_action() -> None:
    assert set(RULES) == set(Action)


def test_an_auditor_reads_what_an_approver_reads_and_changes_nothing() -> None:
    reads = {
        Action.SIGN_IN, Action.LOOK_FROM_OUTSIDE, Action.LOOK, Action.LOOK_AT_ACTS, Action.DOWNLOAD_FILE,
        Action.OBSERVE,
    }  # fmt: skip
    own = {Action.SIGN_OUT, Action.CHANGE_PASSWORD}

    assert {one for one in Action if may(Role.AUDITOR, one)} == reads | own
    assert all(may(Role.APPROVER, one) for one in reads)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        (Role.VIEWER, Role.OPERATOR),
        (Role.OPERATOR, Role.APPROVER),
        (Role.APPROVER, Role.ADMIN),
        (Role.VIEWER, Role.AUDITOR),
    ],
)
def test_each_may_what_the_one_before_may(lower: Role, higher: Role) -> None:
    assert {one for one in Action if may(lower, one)} <= {one for one in Action if may(higher, one)}


@pytest.mark.parametrize(
    ("action", "role"),
    [
        (Action.LOOK, "viewer"),
        (Action.ACKNOWLEDGE, "operator"),
        (Action.LOOK_AT_ACTS, "approver or auditor"),
        (Action.SET_ROLE, "admin"),
    ],
)
def test_the_least_role_is_named(action: Action, role: str) -> None:
    assert needed(action) == role


def test_a_refusal_says_who_may_and_what_one_is() -> None:
    said = refusal(Action.APPROVE_WAIVER, "kim", Role.AUDITOR)

    assert said == "to approve waivers you need the role approver; kim is auditor"
    assert refusal(Action.APPROVE_WAIVER, "kim", Role.ADMIN) == ""


def test_what_is_done_to_the_machine_is_no_roles() -> None:
    of_machine = {one for one, rule in RULES.items() if rule.needs is Needs.MACHINE}
    assert of_machine == {one for one, rule in RULES.items() if not rule.roles}
