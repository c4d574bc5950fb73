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
from upkeep.checks.databases._sessions import placed
from upkeep.judging.readings import short
from upkeep.model.remedies import after
from upkeep.model.verdicts import Status, Verdict, nothing_to_judge, unknown

Seen = DatabaseActivity | DatabaseObjects | DatabasePlans | DatabaseStatements
GRANT_CHARACTERS = 1400
"""A statement is shown whole, so that it can be run: the gather has cut its list of schemas to fewer."""
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
                return _unread(seen, name, first)
            verdict = judge(seen, limits, now, *history)
            if verdict is None:
                return None
            verdict = replace(verdict, remedy=placed(verdict.remedy, seen.subject))
            hidden = seen.unseen.get(name)
            return verdict if hidden is None else _in_part(verdict, hidden)

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
        return unknown(f"could not be read: {why}", remedy=_let(hidden) if hidden else "")
    return unknown("was not observed")


def _in_part(verdict: Verdict, hidden: UnseenObjects) -> Verdict:
    """Return the verdict on what was seen, if some was not: what passes so far is unknown."""
    count = hidden.objects
    which = "were left out to spare locks" if hidden.why else "the account may not see"
    said = f"{count or 'those'} that {which} {'is' if count == 1 else 'are'} not judged"
    if verdict.status is not Status.PASS:
        return replace(verdict, message=f"{verdict.message}; {said}")
    return unknown(f"{said}; {verdict.message}", *verdict.measures, remedy=_let(hidden))


def _let(hidden: UnseenObjects) -> str:
    """Return the statement that lets the account see what it may not."""
    grant = short(hidden.grant, GRANT_CHARACTERS)
    if hidden.why:
        said = "raise max_locks_per_transaction; the server must be restarted"
        return f"decide: {said if hidden.why == 'locks' else grant}"
    return f"decide: let the account see them: {grant}" if grant else ""
