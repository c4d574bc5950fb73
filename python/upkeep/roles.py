"""What somebody may do: each role may all that the ones before it may."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """Ordered by `rank`, never compared as text."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """1 for who may least."""
        return list(Role).index(self) + 1

    def may(self, least: Role) -> bool:
        """Say if this role may do what needs at least that one."""
        return self.rank >= least.rank
