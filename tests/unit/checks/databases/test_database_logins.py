"""Limits of database_logins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    LoginRule,
    LoginState,
)
from upkeep.checks.databases.database_logins import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(
    *rules: LoginRule, encryption: str = "scram-sha-256", limits: Limits = LIMITS
) -> Verdict:
    verdict = judge(
        DatabaseActivity("postgresql", True, logins=LoginState(encryption, list(rules))),
        limits,
        NOW,
    )
    assert verdict is not None
    return verdict


NETWORK = ("0.0.0.0", "0.0.0.0")
LOOPBACK = ("127.0.0.0", "255.0.0.0")
LOOPBACK_6 = ("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
NETWORK_6 = ("2001:db8::", "ffff:ffff::")


def rule(method: str, place: tuple[str, str] = NETWORK, kind: str = "host") -> LoginRule:
    return LoginRule(7, kind, "all", "shop", *place, method)


@pytest.mark.parametrize(
    ("one", "severity"),
    [
        (rule("trust"), Severity.CRITICAL),
        (rule("trust", kind="hostssl"), Severity.CRITICAL),
        (rule("trust", NETWORK_6), Severity.CRITICAL),
        (rule("trust", ("all", "")), Severity.CRITICAL),
        (rule("trust", ("db.example", "")), Severity.CRITICAL),
        (rule("trust", ("", ""), "local"), Severity.MEDIUM),
        (rule("trust", LOOPBACK), Severity.MEDIUM),
        (rule("trust", LOOPBACK_6), Severity.MEDIUM),
        (rule("trust", ("127.0.0.1", "255.255.255.255")), Severity.MEDIUM),
        (rule("ident"), Severity.HIGH),
        (rule("ident", LOOPBACK), None),
        (rule("password"), Severity.HIGH),
        (rule("password", kind="hostssl"), None),
        (rule("password", LOOPBACK), None),
        (rule("md5"), Severity.LOW),
        (rule("md5", LOOPBACK), None),
        (rule("scram-sha-256"), None),
        (LoginRule(7, broken=True), Severity.HIGH),
    ],
)
def test_lines(one: LoginRule, severity: Severity | None) -> None:
    assert verdict_of(one).severity is severity


def test_passwords_stored_as_md5() -> None:
    assert verdict_of(encryption="md5").severity is Severity.LOW
    assert verdict_of().status is Status.PASS


def test_the_worst_line_comes_first() -> None:
    verdict = verdict_of(rule("md5"), rule("trust"), rule("ident"), rule("password"))

    assert verdict.severity is Severity.CRITICAL
    assert verdict.message.startswith(
        "line 7 of pg_hba.conf, host all shop 0.0.0.0, lets anybody on the network in without a password; "
    )
    assert verdict.message.endswith("; and 1 more")


def test_lines_of_accounts_can_be_left_out_but_not_broken_ones() -> None:
    limits = Limits(ignore=("sh*",))

    assert verdict_of(rule("trust"), limits=limits).status is Status.PASS
    broken = LoginRule(7, accounts="shop", broken=True)
    assert verdict_of(broken, limits=limits).severity is Severity.HIGH
