"""Users, for admins; and the audit log, for those who approve."""

from __future__ import annotations

from starlette.responses import Response

from upkeep.model.roles import Role
from upkeep.rules.actions import Action
from upkeep.services import passwords
from upkeep.store import acts, clocks, users
from upkeep.web.html import go_to, link, page
from upkeep.web.routing import GET, POST, Ask, PageError, Route

ROWS = 100


def show_users(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show the users."""
    with ask.store.read() as db:
        everyone, sessions = users.everyone(db), users.sessions_of(db)
    return page(
        ask, "users.html", status=status, users=everyone, sessions=sessions, message=message,
        roles=list(Role), least=passwords.LEAST_CHARACTERS, form=ask.form,
    )  # fmt: skip


def add_user(ask: Ask) -> Response:
    """Add a user."""
    name = ask.form.get("name", "").strip().lower()
    password, role = ask.form.get("password", ""), _role(ask)
    problem = "" if users.NAME.fullmatch(name) else "a name is letters, digits and . _ @ -"
    problem = problem or passwords.problem_of(password, name)
    if problem:
        return show_users(ask, status=422, message=f"Nobody was added: {problem}.")
    kept = passwords.hashed(password)
    with ask.store.begin() as db:
        added = users.add(
            db, name, role, kept, ask.now, person=ask.form.get("person", "").strip(),
            shared="shared" in ask.form,
        )  # fmt: skip
        if added:
            acts.record(db, ask.act("add user", name, detail=f"role {role.value}"))
    if not added:
        return show_users(ask, status=409, message=f"Nobody was added: there is a user {name}.")
    return go_to(f"/users/{name}")


def show_user(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show one user, and what can be changed."""
    with ask.store.read() as db:
        found = _user(users.get(db, ask.path["name"]))
        sessions = users.sessions_of(db).get(found.id, 0)
    return page(
        ask, "user.html", status=status, found=found, sessions=sessions, roles=list(Role),
        message=message, least=passwords.LEAST_CHARACTERS,
    )  # fmt: skip


def set_role(ask: Ask) -> Response:
    """Give a user another role."""
    role = _role(ask)
    with ask.store.begin() as db:
        found = _user(users.get(db, ask.path["name"]))
        if found.role is Role.ADMIN and role is not Role.ADMIN:
            _keep_an_admin(users.other_admins(db, found.name))
        users.set_role(db, found.name, role)
        acts.record(
            db, ask.act("set role", found.name, detail=f"{found.role.value} to {role.value}")
        )
    return go_to(f"/users/{found.name}")


def turn_off(ask: Ask) -> Response:
    """Let a user sign in no more; their sessions end now."""
    with ask.store.begin() as db:
        found = _user(users.get(db, ask.path["name"]))
        if found.role is Role.ADMIN:
            _keep_an_admin(users.other_admins(db, found.name))
        users.turn_off(db, found.name, ask.now)
        acts.record(db, ask.act("turn user off", found.name))
    return go_to(f"/users/{found.name}")


def turn_on(ask: Ask) -> Response:
    """Let a user sign in again."""
    with ask.store.begin() as db:
        found = _user(users.get(db, ask.path["name"]))
        users.turn_on(db, found.name)
        acts.record(db, ask.act("turn user on", found.name))
    return go_to(f"/users/{found.name}")


def set_password(ask: Ask) -> Response:
    """Give a user another password; their sessions end now."""
    with ask.store.read() as db:
        found = _user(users.get(db, ask.path["name"]))
    problem = passwords.problem_of(ask.form.get("password", ""), found.name)
    if problem:
        return show_user(ask, status=422, message=f"Nothing changed: {problem}.")
    kept = passwords.hashed(ask.form["password"])
    with ask.store.begin() as db:
        users.set_password(db, found.name, kept)
        acts.record(db, ask.act("set password", found.name))
    return go_to(f"/users/{found.name}")


def show_acts(ask: Ask) -> Response:
    """Show the audit log, newest first."""
    with ask.store.read() as db:
        found = acts.recent(db, ROWS + 1, ask.number("before"))
        wrong = clocks.wrong_times(db)
    marks = {one.id: clocks.mark(wrong, "act", one.id, one.at) for one in found}
    older = link("", before=found[ROWS - 1].id) if len(found) > ROWS else ""
    return page(ask, "acts.html", acts=found[:ROWS], marks=marks, older=older)


def _user(found: users.User | None) -> users.User:
    if found is None:
        raise PageError(404, "There is no user of that name.")
    return found


def _role(ask: Ask) -> Role:
    try:
        return Role(ask.form.get("role", ""))
    except ValueError:
        raise PageError(422, "There is no such role.") from None


def _keep_an_admin(others: int) -> None:
    if not others:
        raise PageError(409, "This is the last admin.", remedy="Make somebody else admin first.")


ROUTES = (
    Route(GET, "/users", Action.LOOK_AT_USERS, show_users),
    Route(POST, "/users", Action.ADD_USER, add_user, hashes=True, again=show_users),
    Route(GET, "/users/{name}", Action.LOOK_AT_USERS, show_user),
    Route(POST, "/users/{name}/role", Action.SET_ROLE, set_role, again=show_user),
    Route(POST, "/users/{name}/off", Action.TURN_USER_OFF, turn_off, again=show_user),
    Route(POST, "/users/{name}/on", Action.TURN_USER_ON, turn_on),
    Route(POST, "/users/{name}/password", Action.SET_PASSWORD, set_password, hashes=True),
    Route(GET, "/acts", Action.LOOK_AT_ACTS, show_acts),
)
