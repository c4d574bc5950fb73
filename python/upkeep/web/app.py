"""The application: one gate that every route stands behind, and the table of them all.

Who has not signed in gets 401 everywhere, also where there is nothing; so nobody learns what there is. A form counts
only if it comes from our own page: by where the browser says it comes from, and by a token that only the page has.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Way

from upkeep import clock
from upkeep.errors import StoreError, UpkeepError
from upkeep.roles import Role
from upkeep.store import acts, sessions
from upkeep.web import alerts, api, auth, duty, html, own, pages, people
from upkeep.web.html import page
from upkeep.web.routing import GET, POST, Ask, PageError, Route, Setting

BODY_BYTES = 64 * 1024
FORM_TOKEN = "form_token"  # noqa: S105 - the name of a field
THREADS = 20
# Each password that is looked at takes 64 MiB and a core for a moment.
PASSWORDS_AT_ONCE = 2

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

ROUTES: tuple[Route, ...] = (
    *own.ROUTES,
    *auth.ROUTES,
    *pages.ROUTES,
    *duty.ROUTES,
    *alerts.ROUTES,
    *people.ROUTES,
    *api.ROUTES,
)


def make_app(setting: Setting) -> Starlette:
    """Return the application."""
    html.warm_up()
    gate = Gate(setting)
    ways = [Way(one.path, gate.behind(one), methods=[one.method]) for one in ROUTES]
    ways.append(
        Way("/{path:path}", gate.behind(_NOTHING), methods=["GET", "POST", "PUT", "DELETE"])
    )
    return Starlette(routes=ways)


def _nothing(ask: Ask) -> Response:
    raise PageError(404, "There is no such page.", remedy="Begin at Today.")


_NOTHING = Route(GET, "/{path:path}", Role.VIEWER, _nothing)


class Gate:
    """Lets through who may, and nothing else."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.threads = CapacityLimiter(THREADS)
        self.passwords = CapacityLimiter(PASSWORDS_AT_ONCE)

    def behind(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers for the route."""

        async def answer(request: Request) -> Response:
            body = await _body(request)
            limiter = (
                self.passwords
                if "password" in route.what or route.what == "sign in"
                else self.threads
            )
            call = partial(self._answer, route, request, body)
            response = await to_thread.run_sync(call, limiter=limiter)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if self.setting.secure:
                response.headers.update(SECURE_HEADERS)
            return response

        return answer

    def _answer(self, route: Route, request: Request, body: bytes | None) -> Response:
        now = clock.now()
        ask = _ask(self.setting, request, body, now)
        try:
            ask = self._with_session(ask)
            self._refuse(route, ask, request, too_large=body is None)
            return route.answer(ask)
        except PageError as problem:
            return _problem(route, ask, problem)
        except StoreError as exc:
            return _problem(route, ask, PageError(503, str(exc), remedy=exc.remedy))
        except UpkeepError as exc:
            return _problem(route, ask, PageError(409, str(exc), remedy=exc.remedy))
        except Exception:
            logging.getLogger(__name__).exception("%s %s", route.method, route.path)
            why = "This is a fault of Upkeep; its log says more."
            return _problem(route, ask, PageError(500, "That did not work.", remedy=why))

    def _with_session(self, ask: Ask) -> Ask:
        """Return what was asked with who asks."""
        token = ask.cookies.get(auth.cookie_name(secure=self.setting.secure), "")
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

    def _refuse(self, route: Route, ask: Ask, request: Request, *, too_large: bool) -> None:
        """Raise PageError if the route is not for who asks, or the form is not from our page."""
        acts_here = request.method not in (GET, "HEAD")
        if acts_here and not _from_here(request):
            self._record(route, ask, "from another site")
            raise PageError(403, "This form came from another site.")
        if route.least is not None:
            if ask.session is None:
                raise PageError(401, "Sign in first.")
            if not ask.may(route.least):
                self._record(route, ask, f"needs the role {route.least.value}")
                role = ask.session.user.role.value
                message = f"This needs the role {route.least.value}; yours is {role}."
                raise PageError(403, message, remedy="An admin can give you another role.")
            given = ask.form.get(FORM_TOKEN) or ask.headers.get("upkeep-form-token", "")
            if acts_here and not hmac.compare_digest(
                given.encode(), ask.session.form_token.encode()
            ):
                self._record(route, ask, "without the form's token")
                message = "This form is not from the page that you have open now."
                raise PageError(
                    403, message, remedy="Go back, load the page again, and send it again."
                )
        if too_large:
            raise PageError(413, f"The form is larger than {BODY_BYTES // 1024} KiB.")

    def _record(self, route: Route, ask: Ask, why: str) -> None:
        """Write down a refusal of somebody who is known; the others are many, and told by the sign-in's rows."""
        if ask.session is None:
            return
        with self.setting.store.begin() as db:
            acts.record(db, ask.act(route.what or "look", ask.url, acts.REFUSED, why))


async def _body(request: Request) -> bytes | None:
    """Return what was sent; None if it is too much."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            return None
    return body


def _ask(setting: Setting, request: Request, body: bytes | None, now: Any) -> Ask:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form: dict[str, str] = {}
    if body and kind == "application/x-www-form-urlencoded":
        text = body.decode("utf-8", "replace")
        form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=None))
    query = request.url.query
    return Ask(
        setting=setting,
        now=now,
        path=request.path_params,
        query=dict(request.query_params),
        form=form,
        headers=request.headers,
        cookies=request.cookies,
        address=request.client.host if request.client else "",
        url=request.url.path + (f"?{query}" if query else ""),
        session=None,
    )


def _from_here(request: Request) -> bool:
    """Say if a form is from our own page, by what browsers say and pages cannot change.

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
        answer = auth.sign_in_form(ask, status=401, to=ask.url)
    else:
        answer = page(
            ask, "problem.html", status=problem.status, message=str(problem), remedy=problem.remedy
        )
    if problem.status == 401:
        answer.headers["WWW-Authenticate"] = 'Session realm="Upkeep"'
    return answer


__all__ = ["GET", "POST", "ROUTES", "make_app"]
