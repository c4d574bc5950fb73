"""What alerts are made of, as plain data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upkeep.judging.check import load
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.trouble_groups import Order, Told, in_order

OPEN, ACKNOWLEDGED, CLOSED = "open", "acknowledged", "closed"
INCIDENT, FIRST, UPGRADE, JUDGED = "incident", "first", "upgrade", "judged"
RECOVERED, UNWATCHED, REJUDGED = "recovered", "no longer watched", "judged again"
ACCEPTED = "waived"
AWAY = "gone"
EXPIRED, WITHDRAWN = "lapsed", "withdrawn"
"""Why a round begins: an acknowledgement has expired, or somebody has withdrawn it."""
UNACKNOWLEDGED: dict[str, Any] = {
    "status": OPEN,
    "acknowledged_by": "",
    "acknowledged_at": None,
    "acknowledged_until": None,
    "note": "",
}
"""What becomes of an alert whose acknowledgement ends: it is not acknowledged any more. Its history says who had."""
EVENT_WORDS = {
    EXPIRED: "acknowledgement expired",
    WITHDRAWN: "acknowledgement withdrawn",
    "given": "given to another team",
    "raised": "got worse",
    "settles": "passes again",
    "told news": "notified of new causes",
}
"""What an event of an alert's history is called, for people; of the others the kind says it."""
MANY = "*"
"""The cause of an alert for all causes of a check that came after the first few."""


def key_of(*names: str) -> str:
    """Return the names as one, of one length, which tells nothing."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


@dataclass(frozen=True)
class AlertTransition:
    """A change of a finding. kind: one of `upkeep.store.findings`: opened, resolved, retired, waived, ….

    first: its check had never been answered on that host before; upgraded: not by this version of the program;
    judgement: it was judged again, and the how manyth time; procedure: what the run was of. named_cause: what is wrong,
    as the check names it; empty where that is the subject.
    """

    event_id: int
    finding_id: int
    kind: str
    at: datetime
    host: str
    check: str
    subject: str
    severity: Severity | None
    message: str
    run_id: int
    procedure: str
    first: bool = False
    judgement: int = 0
    upgraded: bool = False
    named_cause: str = ""

    @property
    def cause(self) -> str:
        """What is wrong: as the check names it, else the subject."""
        return self.named_cause or self.subject


@dataclass(frozen=True)
class Member:
    """A finding in an alert.

    severity: 1 to 4, as the site maps it; since: when it opened. named_cause: as of a
    transition; how: it left.
    """

    alert_id: int
    finding_id: int
    host: str
    check: str
    subject: str
    severity: int
    message: str
    remedy: str
    since: datetime
    named_cause: str = ""
    how: str = ""

    def tell(self) -> Told:
        """Return by what it is put together with others."""
        names = (self.host, self.check, self.subject)
        return Told(*names, Status.FAIL, self.message, self.remedy, self.severity)

    @property
    def order(self) -> tuple[Order, int]:
        """Worst first, then like to like."""
        return in_order(self.severity, self.check, self.host, self.subject), self.finding_id

    @property
    def cause_key(self) -> str:
        """The check and the cause, of one length.

        What cannot be looked at and what detects intruders has no cause that hosts share: its subject is a connection
        or a log that each host has. Where the check names no cause, another host is another one.
        """
        if self.named_cause:
            return key_of(self.check, self.named_cause)
        found = load().get(self.check)
        of_its_host = found is None or found.detects_intruders
        return key_of(self.check, self.subject, *([self.host] if of_its_host else []))


@dataclass(frozen=True)
class Group:
    """What belongs together: one check, cause and team; or what a first look, upgrade or judging again brought."""

    site: str
    kind: str
    check: str
    cause: str
    team: str

    @property
    def key(self) -> str:
        """The group's name for databases and receivers: of one length, and telling nothing."""
        return key_of(self.site, self.kind, self.check, self.cause, self.team)


@dataclass(frozen=True)
class Alert:
    """One opening of a group.

    severity: 1 to 4, of the worst finding in it now; worst: the worst that people were told of, or will be.
    round: 1 at first; another begins when it rises, comes back while it settles, or an acknowledgement expires, and
    people are told anew. told_round: the last of which somebody was told. returns: how often it came back.
    settles_at: all is resolved, and if nothing comes back until then, that is told. news: how many messages have told
    new causes that joined; news_at: when the last one did.
    """

    id: int
    site: str
    group_key: str
    opening: int
    kind: str
    check_id: str
    cause: str
    team: str
    severity: int
    worst: int
    status: str
    opened_at: datetime
    round: int
    round_at: datetime
    round_why: str
    told_round: int = 0
    told_at: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    acknowledged_until: datetime | None = None
    note: str = ""
    silenced: bool = False
    returns: int = 0
    settles_at: datetime | None = None
    closed_at: datetime | None = None
    closed_how: str = ""
    news: int = 0
    news_at: datetime | None = None

    @property
    def group(self) -> Group:
        """The group that it is an opening of; its site or check may have been renamed since."""
        return Group(self.site, self.kind, self.check_id, self.cause, self.team)

    @property
    def dedupe(self) -> str:
        """What receivers know it by: the group and the number of its opening."""
        return f"{self.group_key[:24]}-{self.opening}"


@dataclass(frozen=True)
class Past:
    """What came before: how often the group was opened, and how often recently."""

    openings: int = 0
    recent: int = 0
