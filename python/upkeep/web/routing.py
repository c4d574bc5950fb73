"""What a route is, what its function is given, and what it may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from starlette.datastructures import Headers
from starlette.responses import Response

from upkeep.rules.actions import RULES, Action, may
from upkeep.site.schedule_file import Schedule
from upkeep.store import Store, acts
from upkeep.store.sessions import PageSession

if TYPE_CHECKING:
    from upkeep.services.signing_key import Installation
    from upkeep.view.upcoming import Coming
    from upkeep.web.forms import Upload

GET, POST = "GET", "POST"
NO_SITE = "Nothing can be signed here: this page knows no site."


class PageError(Exception):
    """What was asked for cannot be done; shown as a page, or as JSON.

    status: of HTTP. remedy: what to do next.
    """

    def __init__(self, status: int, message: str, *, remedy: str = "", wait: float = 0) -> None:
        super().__init__(message)
        self.status = status
        self.remedy = remedy
        self.wait = wait


@dataclass(frozen=True)
class Setting:
    """What all routes know.

    schedule: the site's schedule as it is now; None where only the store is known. health: for each worker its name
    and whether it gets on. coming: what is due next. installation: gives the key that signs; None where nobody can
    sign. folder: of the site, for `-i`, if that is not what stands for it. claim: asked before anything is done to the
    site; raises if another folder acts as it. secure: whether browsers come by TLS. metrics: gives the text of
    /metrics at a time, as OpenMetrics or as classic text.
    """

    store: Store
    site: str = ""
    schedule: Callable[[], Schedule | None] = lambda: None
    coming: Coming | None = None
    reports: Path | None = None
    installation: Callable[[], Installation] | None = None
    health: Callable[[], Mapping[str, bool]] = dict
    secure: bool = False
    metrics: Callable[[datetime, bool], bytes] | None = None
    folder: str = ""
    claim: Callable[[datetime], None] = lambda _now: None
    metrics_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Ask:
    """A request that was let through. session: None only where anybody may ask."""

    setting: Setting
    now: datetime
    path: Mapping[str, Any]
    query: Mapping[str, str]
    form: Mapping[str, str]
    files: Sequence[Upload]
    headers: Headers
    cookies: Mapping[str, str]
    address: str
    url: str
    session: PageSession | None

    @property
    def store(self) -> Store:
        """The store."""
        return self.setting.store

    @property
    def user(self) -> str:
        """The name of who asks; empty if nobody has signed in."""
        return self.session.user.name if self.session else ""

    @property
    def schedule(self) -> Schedule:
        """The site's schedule; an empty one where only the store is known."""
        return self.setting.schedule() or Schedule.model_construct(procedures={})

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone, in which pages say exact times."""
        return ZoneInfo(self.schedule.time_zone)

    @property
    def installation(self) -> Installation:
        """The installation with its key, which signs what is done here.

        Raises: PageError where nothing can be signed.
        """
        if self.setting.installation is None:
            raise PageError(409, NO_SITE)
        return self.setting.installation()

    def may(self, action: Action) -> bool:
        """Return whether who asks may do that."""
        return self.session is not None and may(self.session.user.role, action)

    def act(
        self, what: str, target: str = "", outcome: str = acts.DONE, detail: str = ""
    ) -> acts.Act:
        """Return what is to be written down of what is done here."""
        return acts.Act(
            self.now, self.user, what, target, outcome, detail, acts.WEB, address=self.address
        )

    def number(self, name: str) -> int | None:
        """Return a number of the query; None if it is none, or too large for a database."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


@dataclass(frozen=True)
class Route:
    """A way to ask.

    action: what is done by it; who may is in the table of actions. files_bytes: how large a form with files may be,
    where it takes files. probes: whether the database is written to before it is answered. hashes: whether a password
    is looked at or kept, which takes so long that few are answered at once. again: returns the page with the form once
    more, with a message and the HTTP status, where what was sent is refused.
    """

    method: str
    path: str
    action: Action
    answer: Callable[[Ask], Response]
    files_bytes: int = 0
    probes: bool = False
    hashes: bool = False
    again: Callable[..., Response] | None = None

    @property
    def is_open(self) -> bool:
        """Whether anybody may, also who has not signed in."""
        return not RULES[self.action].signed_in

    @property
    def is_api(self) -> bool:
        """Whether a program asks, and is answered in JSON."""
        return self.path.startswith("/api/")
