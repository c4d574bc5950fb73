"""Pages out of templates, and the words that they use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse

from upkeep.judging.check import load as load_checks
from upkeep.model import text
from upkeep.model.verdicts import Status
from upkeep.rules import targets
from upkeep.rules.actions import Action
from upkeep.rules.alerts.model import EVENT_WORDS
from upkeep.rules.alerts.severities import severity_word
from upkeep.rules.lacking import LACKS
from upkeep.rules.sentences import doubt, names_subject, title_of, trouble_of, what_of
from upkeep.rules.trouble_groups import Order, grouped, in_order
from upkeep.services.reviews import MOST_TEXT
from upkeep.store.page_queries import UNKNOWN_RANK
from upkeep.view import html, incidents, reviews
from upkeep.view.cells import fitted
from upkeep.view.reviews import status_of, without
from upkeep.web.routing import Ask

STATIC = {
    "report.css": ("upkeep.view", "report.css", "text/css"),
    "page.css": ("upkeep.web", "static/page.css", "text/css"),
    "live.js": ("upkeep.web", "static/live.js", "text/javascript"),
    "drafts.js": ("upkeep.web", "static/drafts.js", "text/javascript"),
    "icon.svg": ("upkeep.web", "static/icon.svg", "image/svg+xml"),
}
# Path, name, and who sees it.
HOSTS_LINKED = 5
"""At most this many hosts of one trouble are named with it."""
NAVIGATION = (
    ("/", "Today", Action.LOOK),
    ("/alerts", "Alerts", Action.LOOK),
    ("/incidents", "Incidents", Action.LOOK),
    ("/reviews", "Reviews", Action.LOOK),
    ("/runs", "Runs", Action.LOOK),
    ("/findings", "Findings", Action.LOOK),
    ("/schedule", "Schedule", Action.LOOK),
    ("/users", "Users", Action.LOOK_AT_USERS),
    ("/acts", "Audit log", Action.LOOK_AT_ACTS),
)


SECTIONS = {
    "/baselines": "/findings",
    "/completion": "/reviews",
    "/oncall": "/alerts",
    "/requests": "/runs",
    "/restores": "/runs",
    "/waivers": "/findings",
}
"""Under which entry of the navigation the other pages are."""


def page(ask: Ask, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the page that the template makes of the values."""
    session = ask.session
    shown = {
        "now": ask.now,
        "user": session.user if session else None,
        "may": lambda words: ask.may(Action(words)),
        "form_token": session.form_token if session else "",
        "navigation": [(path, name) for path, name, action in NAVIGATION if ask.may(action)],
        "here": _section(ask.url),
        "folder": ask.setting.folder or ask.setting.site,
        "refused": status >= 400,
        "sent_to": ask.url.partition("?")[0] if ask.form else "",
        "typed": partial(_typed, ask),
        "site": Path(ask.setting.site).name,
        "printed_by": _printed_by(ask),
        "address": _address(ask),
        "zone": ask.zone,
    }
    made = _environment().get_template(template).render(shown | values)
    return HTMLResponse(fitted(made), status)


def sentence(said: Exception) -> str:
    """Return what is wrong as a sentence of its own."""
    text_of = str(said)
    return text_of[:1].upper() + text_of[1:]


def _printed_by(ask: Ask) -> str:
    """Return who prints a page, as people know them: `Ann Lee (ann)`."""
    if ask.session is None:
        return ""
    person = ask.schedule.people.get(ask.session.user.person)
    return f"{person.name} ({ask.user})" if person else ask.user


def _address(ask: Ask) -> str:
    """Return where the page stands: on paper, a link is a path below it."""
    host = ask.headers.get("host", "")
    return f"{'https' if ask.setting.secure else 'http'}://{host}" if host else ""


def _section(url: str) -> str:
    """Return the entry of the navigation under which a page is."""
    first = "/" + url.lstrip("/").partition("?")[0].partition("/")[0]
    return SECTIONS.get(first, first)


def _typed(ask: Ask, action: str, name: str, default: object = "") -> str:
    """Return what was typed into a field of the form that was sent there; the default in every other form."""
    return (
        ask.form.get(name, "") if action == ask.url.partition("?")[0] and ask.form else str(default)
    )


def go_to(path: str) -> RedirectResponse:
    """Return the answer to a form: see there."""
    return RedirectResponse(path, status_code=303)


def link(path: str, **query: Any) -> str:
    """Return a path with those of the query that say something."""
    said = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(said)}" if said else path


def warm_up() -> None:
    """Read what every page needs before the first one is asked for."""
    load_checks()
    made = _environment()
    for name in made.list_templates():
        made.get_template(name)


@cache
def static(name: str) -> tuple[bytes, str]:
    """Return a file of the page with its type.

    Raises: KeyError if there is none of that name.
    """
    package, path, kind = STATIC[name]
    return resources.files(package).joinpath(path).read_bytes(), kind


@cache
def _environment() -> Environment:
    made = html.environment(PackageLoader("upkeep.web", "templates"))
    made.filters |= {
        "short": _short,
        "said": _said,
        "exact": text.exact,
        "as_of": text.as_of,
        "counted": text.counted,
        "thousands": text.thousands,
        "title_of": title_of,
        "trouble_of": trouble_of,
        "what_of": what_of,
        "path": lambda part: quote(str(part), safe=""),
        "age": text.age,
        "without": without,
        "target_words": reviews.target_words,
        "unseen_words": reviews.unseen_words,
        "size": text.size,
        "moment": lambda said, zone: text.exact(datetime.fromisoformat(said), zone),
        "lines": escape,  # of an excerpt, whose lines are harmless each
    }
    made.globals |= {
        "STATUS_FAIL": Status.FAIL,
        "doubt": doubt,
        "names_subject": names_subject,
        "groups_of_rows": lambda rows: grouped(sorted(rows, key=_row_order), reviews.told_of),
        "HOSTS_LINKED": HOSTS_LINKED,
        "SIGNS": text.SIGNS,
        "EVENT_WORDS": EVENT_WORDS,
        "when": _when,
        "lasting": _lasting,
        "took": _took,
        "number": reviews.number_words,
        "REVIEW_COUNTS": reviews.COUNTS,
        "NUMBERS": reviews.NUMBERS,
        "NOT_MEASURED": reviews.NOT_MEASURED,
        "MISSING": reviews.MISSING,
        "LACKS": LACKS,
        "MOST_TEXT": MOST_TEXT,
        "signers_head": reviews.signers_head,
        "severity_word": severity_word,
        "incident_view": incidents,
        "stands_words": reviews.stands_words,
        "target_state": targets.state_of,
        "link": link,
        "sign": text.status_sign,
        "sign_of_row": lambda one: text.status_sign(*status_of(one)),
        "kind_of_row": lambda one: text.status_kind(*status_of(one)),
        "kind": text.status_kind,
        "state_sign": lambda state: " ".join(
            filter(None, (_STATES.get(state, ("", ""))[1], state))
        ),
        "state_kind": lambda state: _STATES.get(state, ("", ""))[0],
        "run_sign": _run_sign,
        "run_kind": lambda run: _RUN_SIGNS.get(run.status, ("warn", ""))[0],
    }
    return made


_RUN_SIGNS = {
    "running": ("running", "▸"),
    "done": ("pass", "✓"),
    "partial": ("unknown", "?"),
    "interrupted": ("warn", "▲"),
    "failed": ("fail", "✗"),
    "crashed": ("fail", "✗"),
}


_STATES = {
    "due": ("", "→"),
    "claimed": ("running", "▸"),
    "running": ("running", "▸"),
    "done": ("pass", "✓"),
    "partial": ("unknown", "?"),
    "failed": ("fail", "✗"),
    "missed": ("warn", "▲"),
    "skipped": ("", "-"),
}


def _row_order(one: Mapping[str, Any]) -> Order:
    """Return what sorts the rows of a review's evidence; those that are unknown come between high and medium."""
    _status, severity = status_of(one)
    rank = severity.rank if severity else UNKNOWN_RANK
    return in_order(rank, one["check"], one["host"], one["subject"])


def _run_sign(run: Any) -> str:
    return f"{_RUN_SIGNS.get(run.status, ('', '▲'))[1]} {run.status}"


def _short(said: str, *limit: int) -> Markup:
    """Return other people's text, cut, harmless, and with its numbers and units together."""
    return escape(text.unbroken(text.safe(said, *limit)))


def _said(said: str, *limit: int) -> Markup:
    """Return what a person wrote, with its lines; `.said` shows them as lines, a table puts them into one."""
    return Markup("\n").join(_short(line, *limit) for line in said.split("\n"))


@pass_context
def _when(page: Context, then: datetime | None, now: datetime, *, exactly: bool = False) -> Markup:
    """Return a time as people say it, with the exact one, of the site's zone, beside it; on paper the exact one."""
    if then is None:
        return Markup("")
    exact = text.exact(then, page["zone"])
    said = exact if exactly else Markup("<span>{}</span>").format(text.ago(then, now))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(then.isoformat(), exact, said)


@pass_context
def _lasting(page: Context, since: datetime, now: datetime) -> Markup:
    """Return how long something lasts, with when it began beside it; on paper the beginning."""
    said = text.age(max((now - since).total_seconds(), 0))
    exact = text.exact(since, page["zone"])
    made = Markup('<time datetime="{}" title="{} (since {})"><span>{}</span></time>')
    return made.format(since.isoformat(), said, exact, said)


def _took(began: datetime, ended: datetime | None, now: datetime) -> str:
    return text.duration(max(((ended or now) - began) / timedelta(seconds=1), 0))
