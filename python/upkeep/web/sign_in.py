"""Signing in and out, and one's own password."""

from __future__ import annotations

import re

from starlette.responses import Response

from upkeep.model.errors import StoreError, UsageError
from upkeep.model.text import counted
from upkeep.rules.actions import Action
from upkeep.services import actors, passwords
from upkeep.services.acts import Proved
from upkeep.store import acts, sessions, users
from upkeep.web.html import go_to, page
from upkeep.web.routing import GET, POST, Ask, PageError, Route

# Ours only: a path, never another host's.
INSIDE = re.compile(r"/(?![/\\])[\w./?=&%~:@+-]*", re.ASCII)
WRONG = "Wrong name or password."


def cookie_name(*, secure: bool) -> str:
    """Return the cookie's name; with the prefix, browsers take it from this host over TLS only."""
    return "__Host-upkeep" if secure else "upkeep"


def sign_in_form(ask: Ask, *, status: int = 200, message: str = "", to: str = "") -> Response:
    """Return the form."""
    if ask.session:
        return go_to("/")
    return page(
        ask, "sign_in.html", status=status, message=message, to=_inside(to), name=_name(ask),
        nobody=_is_nobody_there(ask),
    )  # fmt: skip


def _is_nobody_there(ask: Ask) -> bool:
    """Return whether there is no user yet, so that nobody can sign in."""
    try:
        with ask.store.read() as db:
            return not users.everyone(db)
    except StoreError:
        return False


def show_sign_in(ask: Ask) -> Response:
    """Show the form."""
    return sign_in_form(ask, to=ask.query.get("to", ""))


def sign_in(ask: Ask) -> Response:
    """Begin a session, if name and password are right."""
    name, to = _name(ask), ask.form.get("to", "")
    with ask.store.begin() as db:
        wait = sessions.try_password(db, name, ask.address, ask.now)
    if wait > 0:
        message = f"Too many attempts. Try again in {counted(int(wait) + 1, 'second')}."
        answer = sign_in_form(ask, status=429, message=message, to=to)
        answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer
    with ask.store.read() as db:
        user = users.get(db, name)
    kept = user.password_hash if user and user.disabled_at is None else None
    right = passwords.is_right(ask.form.get("password", ""), kept)
    with ask.store.begin() as db:
        # Read again: the user may have been turned off while the password was looked at.
        user = users.get(db, name)
        if not right or user is None or user.disabled_at or user.password_hash != kept:
            # What is not the name of a user may be a password in the wrong field.
            why = actors.why_refused(user)
            sessions.record_refusal(db, ask.act("sign in", name if user else "", acts.REFUSED, why))
            return sign_in_form(ask, status=401, message=WRONG, to=to)
        sessions.password_was_right(db, name, ask.address, ask.now)
        old = ask.cookies.get(cookie_name(secure=ask.setting.secure))
        if old:
            sessions.end(db, old)
        token = sessions.begin(db, user, ask.now, ask.address)
        done = acts.Act(ask.now, user.name, "sign in", user.name, address=ask.address)
        acts.record(db, done)
    answer = go_to(_inside(to) or "/")
    answer.set_cookie(
        cookie_name(secure=ask.setting.secure),
        token,
        max_age=int(sessions.ABSOLUTE.total_seconds()),
        path="/",
        secure=ask.setting.secure,
        httponly=True,
        samesite="lax",
    )
    return answer


def sign_out(ask: Ask) -> Response:
    """End the session."""
    with ask.store.begin() as db:
        if ask.session:
            sessions.end(db, ask.session.token)
        acts.record(db, ask.act("sign out", ask.user))
    answer = go_to("/sign-in")
    secure = ask.setting.secure
    answer.delete_cookie(cookie_name(secure=secure), path="/", secure=secure, httponly=True)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'  # drafts.js keeps what is written
    return answer


def show_me(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show the user, and the form to change the password."""
    return page(
        ask, "me.html", status=status, message=message, least=passwords.LEAST_CHARACTERS,
        idle=sessions.IDLE, absolute=sessions.ABSOLUTE, session=ask.session,
    )  # fmt: skip


def change_password(ask: Ask) -> Response:
    """Set another password, which ends all sessions of the user."""
    if ask.session is None:
        raise PageError(401, "Sign in first")
    user = ask.session.user
    new = ask.form.get("new", "")
    with ask.store.begin() as db:
        wait = sessions.try_password(db, user.name, ask.address, ask.now)
    if wait > 0:
        return show_me(ask, status=429, message=f"Too many attempts. Wait {int(wait) + 1} s.")
    if not passwords.is_right(ask.form.get("old", ""), user.password_hash):
        with ask.store.begin() as db:
            acts.record(db, ask.act("change password", user.name, acts.REFUSED, "wrong password"))
        return show_me(ask, status=403, message="That is not your current password.")
    problem = passwords.problem_of(new, user.name)
    if not problem and new != ask.form.get("again", ""):
        problem = "the two new passwords differ"
    kept = "" if problem else passwords.hashed(new)
    with ask.store.begin() as db:
        sessions.password_was_right(db, user.name, ask.address, ask.now)
        if kept:
            users.set_password(db, user.name, kept)
            acts.record(db, ask.act("change password", user.name))
    if problem:
        return show_me(ask, status=422, message=f"Nothing changed: {problem}.")
    return go_to("/sign-in")


def _name(ask: Ask) -> str:
    return ask.form.get("name", "").strip().lower()[:100]


def _inside(path: str) -> str:
    return path if INSIDE.fullmatch(path) else ""


def proved(ask: Ask) -> Proved:
    """Return who asks, once their password was right.

    Raises: UsageError if it was not.
    """
    password = ask.form.get("password", "")
    if not password:
        raise UsageError("your password is missing")
    user = actors.prove(ask.store, ask.user, password, ask.now, address=ask.address, way=acts.WEB)
    return Proved(
        user,
        acts.WEB,
        address=ask.address,
        authenticated=f"password on the page, from {ask.address}",
    )


ROUTES = (
    Route(GET, "/sign-in", Action.SIGN_IN, show_sign_in),
    Route(POST, "/sign-in", Action.SIGN_IN, sign_in, hashes=True),
    Route(POST, "/sign-out", Action.SIGN_OUT, sign_out),
    Route(GET, "/me", Action.LOOK, show_me),
    Route(POST, "/me/password", Action.CHANGE_PASSWORD, change_password, hashes=True),
)
