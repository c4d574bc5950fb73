"""Each account of MariaDB needs a password, or is an account of the host.

An account without a password lets in whoever knows its name; one without a name lets in anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    OpenAccount,
)
from upkeep.checks.databases._sessions import ignored, listed, literal, mariadb
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed

HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Limits:
    """Accounts that may be so.

    ignore: patterns of accounts that are not judged, such as `monitor@localhost`.
    """

    ignore: tuple[str, ...] = ()


@of_topic("open_accounts")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge accounts that need no password."""
    rows = [one for one in seen.open_accounts or () if not ignored(_name(one), limits.ignore)]
    measure = Measure("accounts", len(rows))
    if not rows:
        return passed(
            "each account needs a password, or is one of the host; expected: each", measure
        )
    remote = [one for one in rows if one.host not in HERE]
    worst = (remote or rows)[0]
    said = listed(
        [
            f"{short(_name(one), 80)}"
            for one in [*remote, *(one for one in rows if one not in remote)]
        ]
    )
    text = f"{said} {'needs' if len(rows) == 1 else 'need'} no password; expected: each does"
    return failed(
        Severity.CRITICAL if remote else Severity.HIGH, text, measure, remedy=_close(worst)
    )


def _name(one: OpenAccount) -> str:
    return f"{one.name or '(anybody)'}@{one.host}"


def _close(one: OpenAccount) -> str:
    account = "@".join(literal(part.replace("\\", "\\\\")) for part in (one.name, one.host))
    if not one.name:
        return mariadb("decide: remove the account without a name", f"DROP USER {account}")
    words = "decide: give it a password, or lock it, if nobody uses it"
    return mariadb(words, f"ALTER USER {account} ACCOUNT LOCK")


CHECK = Check(
    title="Accounts of MariaDB need a password",
    trouble="Account without a password",
    why="Whoever reaches the server reads and changes all that the account may.",
    cannot_see="Passwords that are easy to guess. Accounts of plugins that are not known here.",
    measures={"accounts": MeasureKind.STATE},
    source="MySQLTuner: accounts without password, anonymous accounts; MariaDB, mysql.global_priv",
    remedy="decide: give the account a password, or remove it",
    controls=("45 CFR 164.312(d)",),
    limits=Limits(),
    judge=judge,
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    absence={"databases": gone()},
)
