"""What can be done with Upkeep, and which role may do it: the one table that the page and the command line ask.

Each route of the page and each command names its action. What is written down of an act is the action's own words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from upkeep.model.roles import Role


class Action(Enum):
    """What somebody does, in the words of the acts."""

    SIGN_IN = "sign in"
    LOOK_FROM_OUTSIDE = "look from outside"
    LOOK = "look"
    LOOK_AT_ACTS = "look at acts"
    LOOK_AT_USERS = "look at users"
    DOWNLOAD_FILE = "download file of review"
    SIGN_OUT = "sign out"
    CHANGE_PASSWORD = "change password"  # noqa: S105
    OBSERVE = "observe hosts"
    CHANGE_HOSTS = "change hosts"
    TEST_CHANNEL = "test channel"
    RESTART_RUN = "restart run"
    ACKNOWLEDGE = "acknowledge alert"
    UNACKNOWLEDGE = "withdraw acknowledgement"
    SILENCE = "silence"
    APPROVE_SILENCE = "approve silence"
    END_SILENCE = "end silence"
    OVERRIDE_ROTA = "override rota"
    END_OVERRIDE = "end override"
    ACCEPT_HOSTS = "accept absent hosts"
    ACCEPT_CLOCK = "accept clock"
    REQUEST_WAIVER = "request waiver"
    APPROVE_WAIVER = "approve waiver"
    REVOKE_WAIVER = "revoke waiver"
    RENEW_REVIEW = "renew review"
    SIGN_REVIEW = "sign review"
    HAND_OVER = "hand review over"
    HAND_OVER_ANY = "hand any review over"
    ACCEPT_BASELINE = "accept baseline"
    OPEN_INCIDENT = "open incident"
    WORK_ON_INCIDENT = "work on incident"
    CONTAIN_INCIDENT = "contain incident"
    SHARE_INCIDENT = "share incident"
    CLOSE_INCIDENT = "close incident"
    ADD_USER = "add user"
    SET_ROLE = "set role"
    SET_PERSON = "set person"
    SET_PASSWORD = "set password"  # noqa: S105
    TURN_USER_OFF = "turn user off"
    TURN_USER_ON = "turn user on"
    MAINTAIN = "maintain the installation"


class Needs(Enum):
    """What the command line needs to know of who does something.

    NOTHING: anybody who can read the database can look. ASKER: whoever it is, they are written down as who asked.
    USER: as soon as there are users, one whose role reaches. ALWAYS: one, also where there is none yet.
    MACHINE: nothing, and no role is looked at, for it is done to the database and its keys, not with them.
    """

    NOTHING = "nothing"
    ASKER = "asker"
    USER = "user"
    ALWAYS = "always"
    MACHINE = "machine"


@dataclass(frozen=True)
class Permission:
    """Who may.

    words: what people read behind "to" or "may", if not its own value. signed_in: on the page, it takes a session.
    """

    roles: frozenset[Role]
    needs: Needs
    words: str = ""
    signed_in: bool = True


_LADDER = (Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN)
_ALL = frozenset(Role)
_OPERATORS = frozenset({Role.OPERATOR, Role.APPROVER, Role.ADMIN})
_APPROVERS = frozenset({Role.APPROVER, Role.ADMIN})
_ADMINS = frozenset({Role.ADMIN})
_READERS_OF_ACTS = _APPROVERS | {Role.AUDITOR}
_NONE: frozenset[Role] = frozenset()

RULES = {
    Action.SIGN_IN: Permission(_ALL, Needs.NOTHING, signed_in=False),
    Action.LOOK_FROM_OUTSIDE: Permission(_ALL, Needs.NOTHING, signed_in=False),
    Action.LOOK: Permission(_ALL, Needs.NOTHING, "read"),
    Action.LOOK_AT_ACTS: Permission(_READERS_OF_ACTS, Needs.NOTHING, "read the audit log"),
    Action.LOOK_AT_USERS: Permission(_ADMINS, Needs.NOTHING, "list users"),
    Action.DOWNLOAD_FILE: Permission(_ALL, Needs.NOTHING, "download files of reviews"),
    Action.SIGN_OUT: Permission(_ALL, Needs.NOTHING),
    Action.CHANGE_PASSWORD: Permission(_ALL, Needs.NOTHING, "change the password"),
    Action.OBSERVE: Permission(_ALL, Needs.ASKER, "run checks"),
    Action.CHANGE_HOSTS: Permission(_OPERATORS, Needs.ASKER, "run what changes hosts"),
    Action.TEST_CHANNEL: Permission(_OPERATORS, Needs.ASKER, "test channels"),
    Action.RESTART_RUN: Permission(_OPERATORS, Needs.USER, "restart runs"),
    Action.ACKNOWLEDGE: Permission(_OPERATORS, Needs.USER, "acknowledge alerts"),
    Action.UNACKNOWLEDGE: Permission(_OPERATORS, Needs.USER, "withdraw acknowledgements"),
    Action.SILENCE: Permission(_OPERATORS, Needs.USER, "silence findings"),
    Action.APPROVE_SILENCE: Permission(_APPROVERS, Needs.USER, "approve silences"),
    Action.END_SILENCE: Permission(_OPERATORS, Needs.USER, "end silences"),
    Action.OVERRIDE_ROTA: Permission(_OPERATORS, Needs.USER, "change who is on call"),
    Action.END_OVERRIDE: Permission(_OPERATORS, Needs.USER, "end a change of who is on call"),
    Action.ACCEPT_HOSTS: Permission(_OPERATORS, Needs.USER, "accept that hosts were removed"),
    Action.ACCEPT_CLOCK: Permission(_OPERATORS, Needs.USER, "accept a step of the clock"),
    Action.REQUEST_WAIVER: Permission(_OPERATORS, Needs.ALWAYS, "request waivers"),
    Action.APPROVE_WAIVER: Permission(_APPROVERS, Needs.ALWAYS, "approve waivers"),
    Action.REVOKE_WAIVER: Permission(_OPERATORS, Needs.ALWAYS, "revoke waivers"),
    Action.RENEW_REVIEW: Permission(_APPROVERS, Needs.USER, "renew reviews"),
    Action.SIGN_REVIEW: Permission(_APPROVERS, Needs.ALWAYS, "sign reviews"),
    Action.HAND_OVER: Permission(_APPROVERS, Needs.ALWAYS, "hand over reviews"),
    Action.HAND_OVER_ANY: Permission(_ADMINS, Needs.ALWAYS, "hand over reviews of others"),
    Action.ACCEPT_BASELINE: Permission(_APPROVERS, Needs.ALWAYS, "accept baselines"),
    Action.OPEN_INCIDENT: Permission(_OPERATORS, Needs.USER, "open incidents"),
    Action.WORK_ON_INCIDENT: Permission(_OPERATORS, Needs.USER, "work on incidents"),
    Action.CONTAIN_INCIDENT: Permission(_OPERATORS, Needs.ALWAYS, "isolate and release hosts"),
    Action.SHARE_INCIDENT: Permission(_APPROVERS, Needs.ALWAYS, "share incidents with outsiders"),
    Action.CLOSE_INCIDENT: Permission(_APPROVERS, Needs.ALWAYS, "close incidents"),
    Action.ADD_USER: Permission(_ADMINS, Needs.USER, "add users"),
    Action.SET_ROLE: Permission(_ADMINS, Needs.USER, "set roles"),
    Action.SET_PERSON: Permission(_ADMINS, Needs.USER, "say which person a user is"),
    Action.SET_PASSWORD: Permission(_ADMINS, Needs.USER, "set passwords"),
    Action.TURN_USER_OFF: Permission(_ADMINS, Needs.USER, "disable users"),
    Action.TURN_USER_ON: Permission(_ADMINS, Needs.USER, "enable users"),
    Action.MAINTAIN: Permission(_NONE, Needs.MACHINE),
}
"""The table."""


def may(role: Role, action: Action) -> bool:
    """Return whether somebody of that role may do it."""
    return role in RULES[action].roles


def needed(action: Action) -> str:
    """Return which role it takes: the least of the ladder, and the auditor's where it stands beside a higher one."""
    roles = RULES[action].roles
    least = next(one for one in _LADDER if one in roles)
    beside = " or auditor" if least is not Role.VIEWER and Role.AUDITOR in roles else ""
    return least.value + beside


def words_of(action: Action) -> str:
    """Return what it is called where somebody reads that they may not: `to … you need the role`."""
    return RULES[action].words or action.value


def refusal(action: Action, name: str, role: Role) -> str:
    """Return why somebody may not do it; empty if they may."""
    if may(role, action):
        return ""
    return f"to {words_of(action)} you need the role {needed(action)}; {name} is {role.value}"
