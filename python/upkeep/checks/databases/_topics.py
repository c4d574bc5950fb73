"""What all checks of a server or a database share: whether their topic was read, and read whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import ENGINES
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    UnseenObjects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_plans_shape import (
    DatabasePlans,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
)
from upkeep.checks.databases._sessions import (
    STATEMENT_CHARACTERS,
    besides,
    identifier,
    mariadb,
    placed,
    psql,
)
from upkeep.judging.readings import short
from upkeep.model.remedies import after
from upkeep.model.verdicts import (
    Status,
    Unknown,
    Verdict,
    nothing_to_judge,
    passed,
    unknown,
)

Seen = DatabaseActivity | DatabaseObjects | DatabasePlans | DatabaseStatements
Judge = Callable[..., Verdict | None]
"""Of an observation, limits and the time, and of its history where the check has one."""


def of_topic(name: str, first: str = "") -> Callable[[Judge], Judge]:
    """Return a decorator: the judge is called with an observation that has this topic, which is a field of its shape.

    first: the check that says what to do if a setting of the server is why there is none.

    A topic that the kind of database does not have is not judged; one that could not be read is unknown. If the
    account may not see some of its objects, a pass becomes unknown, with the statement that lets it.
    """

    def decorated(judge: Judge) -> Judge:
        @wraps(judge)
        def judged(seen: Seen, limits: Any, now: datetime, *history: Any) -> Verdict | None:
            if getattr(seen, name) is None:
                verdict = _unread(seen, name, first)
            else:
                verdict = judge(seen, limits, now, *history)
                hidden = seen.unseen.get(name)
                if verdict is not None and hidden is not None:
                    # What is told if the verdict has none.
                    own = str(judge.__globals__["CHECK"].remedy)
                    verdict = _in_part(seen, verdict, hidden, own)
            if verdict is None:
                return None
            return replace(verdict, remedy=placed(verdict.remedy, seen.subject, seen.socket))

        return judged

    return decorated


def _unread(seen: Seen, name: str, first: str) -> Verdict | None:
    """Return why the topic is not there; None if the kind of database has none, even if it let nobody in."""
    engine = ENGINES.get(seen.kind)
    if engine is None:
        return unknown(f"a kind of database that is not known: {short(seen.kind, 40)}")
    if not any(name in topics for topics in engine.topics.values()):
        return None
    if not seen.connected:
        reason = short(seen.reason or "no connection", 200)
        return unknown(f"not checked: {reason}", remedy=after("database_connect"))
    if name in seen.not_offered:
        return nothing_to_judge(short(seen.not_offered[name], 200))
    if name in seen.unread:
        hidden = seen.unseen.get(name)
        why = short(seen.unread[name], 200)
        if first and hidden and hidden.why == "setting" and not getattr(seen, "slow_calls", None):
            return unknown(f"could not be read: {why}", remedy=after(first))
        remedy = let_see(hidden) if hidden else ""
        return unknown(f"could not be read: {why}", remedy=remedy)
    return unknown("was not observed")


def _in_part(seen: Seen, verdict: Verdict, hidden: UnseenObjects, own: str) -> Verdict:
    """Return the verdict on what was seen, if some was not: what passes so far is unknown.

    What fails, or could not be judged, says both what fixes it and what lets the rest be seen. own: the next step of
    the check.
    """
    count = hidden.objects
    which = "were left out to spare locks" if hidden.why else "the account may not see"
    said = f"{count or 'those'} that {which} {'is' if count == 1 else 'are'} not judged"
    let = let_see(hidden)
    if verdict.status is Status.PASS:
        return unknown(f"{said}; {verdict.message}", *verdict.measures, remedy=let)
    message = f"{verdict.message}; {said}"
    if not let or verdict.unknown is Unknown.NOTHING_TO_JUDGE:
        return replace(verdict, message=message)
    first = verdict.remedy or (own if verdict.status is Status.FAIL else "")
    other = placed(let, seen.subject, seen.socket)
    return replace(verdict, message=message, remedy=besides(first, other) if first else let)


def nothing_seen(seen: Seen, name: str, said: str) -> Verdict:
    """Return that there is nothing to judge; unknown, by `of_topic`, if the account may not see all of it."""
    return passed(said) if name in seen.unseen else nothing_to_judge(said)


def let_see(hidden: UnseenObjects) -> str:
    """Return what lets the account see what it may not; empty if nothing is known that does."""
    if hidden.why == "locks":
        return "decide: raise max_locks_per_transaction; the server must be restarted"
    if hidden.why == "refused":
        return (
            f"decide: correct the password or the address in explain_as, or let "
            f"{short(hidden.role, 80)} in by a line of pg_hba.conf"
        )
    if hidden.why == "setting":
        return f"decide: {short(hidden.grant, STATEMENT_CHARACTERS)}"
    if hidden.grant:
        return mariadb("decide: let the account see them", hidden.grant)
    statements = list(hidden.statements)
    role = identifier(short(hidden.role, 80)) if hidden.role else "the account"
    words = f"decide: let {role} see them"
    if hidden.setting:
        statements.append("SHOW shared_preload_libraries")
        line = short(hidden.setting, 120)
        words = f"decide: have its counters; postgresql.conf needs {line}, beside what it loads already, and a restart"
    if hidden.unnamed:
        words = f"{words}; then write {_named(role)} beside the database in the inventory"
    return psql(words, *statements, database=hidden.database) if statements else ""


def _named(role: str) -> str:
    """Return how the inventory names the role that reads; its password is in the vault."""
    return f'explain_as: {{user: {role}, password: "{{{{ vault_{role}_password }}}}"}}'
