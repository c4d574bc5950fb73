"""What somebody is: a role says what they may do; which role may do what is in actions.py."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """The first four are a ladder: each may all that the ones before it may. An auditor stands beside it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"
    AUDITOR = "auditor"
