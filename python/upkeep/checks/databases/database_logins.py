"""Nobody gets in without a password, or with one that others can read.

Checks the lines of pg_hba.conf: `trust` lets anybody be any account, `password` sends the password in the clear,
`ident` believes the other host. Reading them needs a grant.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    LoginRule,
    LoginState,
)
from upkeep.checks.databases._sessions import psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed

LOCAL_NAMES = ("127.0.0.1", "::1", "localhost", "samehost")
WRITTEN = 3


@dataclass(frozen=True)
class Limits:
    """What the site accepts.

    ignore: patterns of accounts whose lines are not judged, such as `monitor*`; as pg_hba.conf has them.
    """

    ignore: tuple[str, ...] = ()


@of_topic("logins")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge each line; the worst comes first."""
    state = seen.logins or LoginState("")
    rules = [
        one
        for one in state.rules
        if one.broken or not any(fnmatchcase(one.accounts, pattern) for pattern in limits.ignore)
    ]
    found = [wrong for one in rules if (wrong := _wrong(one))]
    if state.password_encryption == "md5":  # noqa: S105 - no password
        found.append((Severity.LOW, "password_encryption is md5, expected scram-sha-256"))
    found.sort(key=lambda one: one[0].rank)
    measure = Measure("weak", len(found))
    if found:
        more = f"; and {len(found) - WRITTEN} more" if len(found) > WRITTEN else ""
        text = "; ".join(text for _severity, text in found[:WRITTEN])
        return failed(found[0][0], text + more, measure, remedy=_mend(found[0][0]))
    return passed("no line of pg_hba.conf lets anybody in without a safe method", measure)


def _wrong(one: LoginRule) -> tuple[Severity, str] | None:
    """Return how bad a line is and why; None if it is not."""
    if one.broken:
        return (
            Severity.HIGH,
            f"line {one.line} of pg_hba.conf cannot be read: it is not loaded again",
        )
    near = _is_local(one)
    said = f"line {one.line} of pg_hba.conf, {short(one.type, 20)} {short(one.databases, 40)} {short(one.accounts, 40)}"
    said = f"{said} {short(one.address, 60)}".rstrip()
    if one.method == "trust":
        severity = Severity.MEDIUM if near else Severity.CRITICAL
        who = "on this host" if near else "on the network"
        return severity, f"{said}, lets anybody {who} in without a password"
    if near:
        return None
    if one.method == "ident":
        return Severity.HIGH, f"{said}, believes what the other host says of its accounts"
    if one.method == "password" and one.type != "hostssl":
        return Severity.HIGH, f"{said}, has passwords sent in the clear"
    if one.method == "md5":
        return Severity.LOW, f"{said}, takes passwords that are stored as MD5"
    return None


def _is_local(one: LoginRule) -> bool:
    """Say whether only this host can come by a line."""
    if one.type == "local" or one.address in LOCAL_NAMES:
        return True
    try:
        mask = f"/{one.netmask}" if one.netmask and ":" not in one.netmask else ""
        if ":" in one.netmask:
            mask = f"/{bin(int(ipaddress.IPv6Address(one.netmask))).count('1')}"
        return ipaddress.ip_network(f"{one.address}{mask}", strict=False).is_loopback
    except ValueError:
        return False


def _mend(severity: Severity) -> str:
    """Return how to see the lines, with what to do."""
    if severity is Severity.LOW:
        return "decide: set password_encryption to scram-sha-256, have passwords set anew, then write scram-sha-256"
    return psql(
        "decide: write scram-sha-256 or peer there, then reload the server",
        "select line_number, type, database, user_name, address, auth_method, error from pg_hba_file_rules",
    )


CHECK = Check(
    title="Nobody gets in without a safe password",
    trouble="Weak database logins",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why="Whoever reaches the server can read and change everything as any account.",
    cannot_see=(
        "Which accounts have no password, or one stored as MD5: pg_authid holds what passwords are "
        "checked with, and Upkeep does not ask to read it. Lines that the server has not loaded yet "
        "are judged as if it had."
    ),
    limits=Limits(),
    judge=judge,
    measures={"weak": MeasureKind.STATE},
    source="PostgreSQL, Client Authentication; CIS PostgreSQL Benchmark, 5 Connection and Login",
    remedy="decide: write scram-sha-256 or peer there, then reload the server",
    controls=("45 CFR 164.312(d)",),
    absence={"databases": gone()},
)
