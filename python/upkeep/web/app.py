"""The application: one gate that every route stands behind, and the table of them all.

Who has not signed in gets 401 everywhere, also where there is nothing; so nobody learns what there is. A form counts
only if it comes from our own page: by where the browser says it comes from, and by a token that only the page has.
"""

from __future__ import annotations

import hmac
import importlib
import logging
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Way

from upkeep import web
from upkeep.model import clock
from upkeep.model.errors import StoreError, UpkeepError
from upkeep.rules.actions import RULES, Action, Needs, needed
from upkeep.store import acts, sessions
from upkeep.web import forms, html, sign_in
from upkeep.web.forms import Body
from upkeep.web.html import page, sentence
from upkeep.web.probe import Probe
from upkeep.web.queues import BusyError, Queue
from upkeep.web.routing import GET, POST, Ask, PageError, Route, Setting
from upkeep.web.seldom import write_seldom

LOG = logging.getLogger(__name__)
FORM_TOKEN = "form_token"  # noqa: S105 - the name of a field
THREADS = 20
REFUSALS = (409, 422)
"""The statuses of what was sent and cannot be done: what was typed is shown again."""
# Each password that is looked at takes 64 MiB and a core for a moment. Those of strangers leave the most to the others.
STRANGERS_AT_ONCE = 1
KNOWN_AT_ONCE = 2
MOST_WAITING = 20
BUSY_SECONDS = 5
# Files are held in memory while they are looked at.
FILES_AT_ONCE = 2

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
SECURE_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}


def found_routes() -> tuple[Route, ...]:
    """Return the routes of all files in this folder; each has those of its noun in ROUTES."""
    found: dict[tuple[str, str], Route] = {}
    for one in pkgutil.iter_modules(web.__path__):
        module = importlib.import_module(f"{web.__name__}.{one.name}")
        for route in () if module.__name__ == __name__ else getattr(module, "ROUTES", ()):
            if found.setdefault((route.method, route.path), route) is not route:
                raise ImportError(f"{module.__name__}: {route.method} {route.path} is there twice")
    return tuple(found.values())


ROUTES = found_routes()


def make_app(setting: Setting) -> Starlette:
    """Return the application."""
    html.warm_up()
    write_seldom()
    gate = Gate(setting)
    ways = [Way(one.path, gate.behind(one), methods=[one.method]) for one in ROUTES]
    ways.append(
        Way("/{path:path}", gate.behind(_NOTHING), methods=["GET", "POST", "PUT", "DELETE"])
    )
    return Starlette(routes=ways)


def _nothing(ask: Ask) -> Response:
    raise PageError(404, "There is no such page.", remedy="Begin at Today.")


_NOTHING = Route(GET, "/{path:path}", Action.LOOK, _nothing)


class Gate:
    """Lets through who may, and nothing else."""

    def __init__(self, setting: Setting) -> None:
        self.probe = Probe(setting.store)
        self.setting = replace(
            setting, health=lambda: {**setting.health(), "store": self.probe.writable}
        )
        self.threads = CapacityLimiter(THREADS)
        self.strangers = Queue(STRANGERS_AT_ONCE, MOST_WAITING, MOST_WAITING // 4)
        # Many people may come from one address, such as an office's.
        self.known = Queue(KNOWN_AT_ONCE, 2 * MOST_WAITING, MOST_WAITING)
        self.files = CapacityLimiter(FILES_AT_ONCE)

    def behind(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers for the route."""

        async def answer(request: Request) -> Response:
            """Answer a request of the route; what went wrong is a page, too."""
            try:
                response = await self._response(route, request)
            except ClientDisconnect:
                LOG.warning("a client has broken off its request")
                response = Response(status_code=400)  # nobody gets it
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if self.setting.secure:
                response.headers.update(SECURE_HEADERS)
            return response

        return answer

    async def _response(self, route: Route, request: Request) -> Response:
        if route.files_bytes or (route.hashes and not route.is_open):
            # Who may not is told so before anything large is read, and before anybody waits for their turn.
            early = partial(self._guarded, route, request, Body(), self._early)
            response = await to_thread.run_sync(early, limiter=self.threads)
            if response.status_code >= 400:
                return response
        if not route.files_bytes:
            return await self._answered(route, request, forms.FORM_BYTES)
        async with self.files:
            return await self._answered(route, request, route.files_bytes)

    async def _answered(self, route: Route, request: Request, most_bytes: int) -> Response:
        body = await forms.read(request, most_bytes, files=route.files_bytes > 0)
        if route.probes:
            await self.probe.ask()
        call = partial(self._guarded, route, request, body, partial(self._answer, body))
        if body.late or body.too_large or body.wrong:  # no password is looked at
            response = await to_thread.run_sync(call, limiter=self.threads)
        else:
            response = await self._in_turn(route, request, call)
        if not body.whole:
            response.headers["Connection"] = "close"  # what still comes is read by nobody
        return response

    async def _in_turn(
        self, route: Route, request: Request, call: Callable[[], Response]
    ) -> Response:
        """Return the answer; where passwords are looked at, in the turn of who asks."""
        address = _address(request)
        try:
            if route.hashes and route.is_open:
                look = partial(self._standing, address)
                there = await to_thread.run_sync(look, limiter=self.threads)
                queue = self.known if there.known else self.strangers
                return await queue.run(call, there.network, there.failures)
            if route.hashes:
                return await self.known.run(call, sessions.network_of(address))
        except BusyError:
            return self._busy(route, request)
        return await to_thread.run_sync(call, limiter=self.threads)

    def _standing(self, address: str) -> sessions.SignInStanding:
        """Return what is known of an address; nothing, if the store does not say."""
        try:
            with self.setting.store.read() as db:
                return sessions.standing(db, address, clock.now())
        except StoreError:
            return sessions.SignInStanding(sessions.network_of(address))

    def _busy(self, route: Route, request: Request) -> Response:
        ask = _ask(self.setting, request, Body(), clock.now())
        why = "Too many try to sign in now."
        response = _problem(route, ask, PageError(503, why, remedy="Try again in some seconds."))
        response.headers["Retry-After"] = str(BUSY_SECONDS)
        return response

    def _guarded(
        self, route: Route, request: Request, body: Body, do: Callable[[Route, Ask], Response]
    ) -> Response:
        """Return the answer, or the page that says why there is none."""
        ask = _ask(self.setting, request, body, clock.now())
        try:
            ask = self._with_session(ask)
            self._refuse_foreign(route, ask, request)
            self._refuse(route, ask)
            return do(route, ask)
        except PageError as problem:
            return _problem(route, ask, problem)
        except StoreError as exc:
            return _problem(route, ask, PageError(503, str(exc), remedy=exc.remedy))
        except UpkeepError as exc:
            return _problem(route, ask, PageError(409, str(exc), remedy=exc.remedy))
        except Exception:
            LOG.exception("%s %s", route.method, route.path)
            why = "This is a fault of Upkeep; its log says more."
            return _problem(route, ask, PageError(500, "That did not work.", remedy=why))

    def _early(self, _route: Route, _ask: Ask) -> Response:
        return Response()

    def _answer(self, body: Body, route: Route, ask: Ask) -> Response:
        """Answer who may ask, if the form is from our page and could be read."""
        most = route.files_bytes or forms.FORM_BYTES
        if body.late:
            raise PageError(408, f"The form took longer than {body.late:.0f} s to arrive.")
        if body.too_large:
            shown = f"{most // 1_000_000} MB" if route.files_bytes else f"{most // 1024} KiB"
            raise PageError(413, f"The form is larger than {shown}.")
        if body.wrong:
            raise PageError(400, f"The form could not be read: {body.wrong[:200]}.")
        self._refuse_forged(route, ask)
        self._claim(route, ask)
        return route.answer(ask)

    def _claim(self, route: Route, ask: Ask) -> None:
        """Claim the site for what is about to be done to it; who looks or sees to their own session claims nothing."""
        if route.method == GET or RULES[route.action].needs in (Needs.NOTHING, Needs.MACHINE):
            return
        try:
            self.setting.claim(ask.now)
        except UpkeepError as exc:
            self._record(route, ask, str(exc))
            raise

    def _with_session(self, ask: Ask) -> Ask:
        """Return what was asked with who asks."""
        token = ask.cookies.get(sign_in.cookie_name(secure=self.setting.secure), "")
        if not token or len(token) > 100 or not token.isascii():
            return ask
        with self.setting.store.read() as db:
            session = sessions.find(db, token, ask.now)
        if session is None:
            return ask
        # A page that looks again by itself keeps nobody signed in.
        by_itself = "upkeep-again" in ask.headers
        if not by_itself and ask.now - session.seen_at >= sessions.SEEN_EACH:
            with self.setting.store.begin() as db:
                sessions.touch(db, token, ask.now)
        return Ask(**{**vars(ask), "session": session})

    def _refuse_foreign(self, route: Route, ask: Ask, request: Request) -> None:
        if request.method not in (GET, "HEAD") and not _from_here(request):
            self._record(route, ask, "from another site")
            raise PageError(403, "This form came from another site.")

    def _refuse(self, route: Route, ask: Ask) -> None:
        """Raise PageError if the route is not for who asks."""
        if route.is_open:
            return
        if ask.session is None:
            raise PageError(401, "Sign in first.")
        if not ask.may(route.action):
            least = needed(route.action)
            self._record(route, ask, f"needs the role {least}")
            role = ask.session.user.role.value
            message = f"This needs the role {least}; yours is {role}."
            raise PageError(403, message, remedy="An admin can give you another role.")

    def _refuse_forged(self, route: Route, ask: Ask) -> None:
        """Raise PageError if a form has not the token that only our page has."""
        if route.method == GET or route.is_open or ask.session is None:
            return
        given = ask.form.get(FORM_TOKEN) or ask.headers.get("upkeep-form-token", "")
        if not hmac.compare_digest(given.encode(), ask.session.form_token.encode()):
            self._record(route, ask, "without the form's token")
            message = "This form is not from the page that you have open now."
            raise PageError(403, message, remedy="Go back, load the page again, and send it again.")

    def _record(self, route: Route, ask: Ask, why: str) -> None:
        """Record a refusal of somebody who is known; the others are many, and told by the sign-in's rows."""
        if ask.session is None:
            return
        with self.setting.store.begin() as db:
            acts.record(db, ask.act(route.action.value, ask.url, acts.REFUSED, why))


def _ask(setting: Setting, request: Request, body: Body, now: datetime) -> Ask:
    query = request.url.query
    return Ask(
        setting=setting,
        now=now,
        path=request.path_params,
        query=dict(request.query_params),
        form=body.fields,
        files=body.files,
        headers=request.headers,
        cookies=request.cookies,
        address=_address(request),
        url=request.url.path + (f"?{query}" if query else ""),
        session=None,
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _from_here(request: Request) -> bool:
    """Return whether a form is from our own page, by what browsers say and pages cannot change.

    A program that is no browser says neither; it has no cookie that a page could make it send.
    """
    said = request.headers.get("sec-fetch-site")
    if said is not None and said not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    there = urlsplit(origin)
    return (there.scheme, there.netloc) == (request.url.scheme, request.headers.get("host"))


def _problem(route: Route, ask: Ask, problem: PageError) -> Response:
    """Return a problem as a page, or as JSON; who must sign in gets the form at once."""
    if route.is_api or ask.url.startswith("/api/"):
        error = {"version": 1, "error": str(problem), "remedy": problem.remedy}
        answer: Response = JSONResponse(error, problem.status)
    elif problem.status == 401:
        answer = sign_in.sign_in_form(ask, status=401, to=_page_of(route, ask))
    else:
        answer = _form_again(route, ask, problem) or page(
            ask,
            "problem.html",
            status=problem.status,
            message=sentence(problem),
            remedy=problem.remedy,
        )
    if problem.status == 401:
        answer.headers["WWW-Authenticate"] = 'Session realm="Upkeep"'
    return answer


def _form_again(route: Route, ask: Ask, problem: PageError) -> Response | None:
    """Return the page with the form that was refused, and why; None if there is none."""
    if route.again is None or problem.status not in REFUSALS:
        return None
    message = sentence(problem) + (f" Next: {problem.remedy}" if problem.remedy else "")
    try:
        return route.again(ask, message=message, status=problem.status)
    except (PageError, UpkeepError):
        return None


def _page_of(route: Route, ask: Ask) -> str:
    """Return the page that was asked for; of a form the one on which it stood."""
    if route.method == GET:
        return ask.url
    there = urlsplit(ask.headers.get("referer", ""))
    return f"{there.path}?{there.query}" if there.query else there.path


__all__ = ["GET", "POST", "ROUTES", "make_app"]
