"""Limits of database_mariadb_settings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
)
from upkeep.checks.databases.database_mariadb_settings import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

# As MariaDB 10.11 is set after its installation.
FRESH = {
    "bind_address": "127.0.0.1", "foreign_key_checks": "ON", "have_ssl": "DISABLED", "innodb_doublewrite": "ON",
    "innodb_checksum_algorithm": "full_crc32", "innodb_flush_log_at_trx_commit": "1", "innodb_force_recovery": "0",
    "log_bin": "OFF", "skip_grant_tables": "OFF", "skip_networking": "OFF", "sync_binlog": "0", "unique_checks": "ON",
    "sql_mode": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "severity", "said"),
    [
        ({}, None, "no setting loses data"),
        ({"skip_grant_tables": "ON"}, Severity.CRITICAL, "skip_grant_tables is ON: anybody is let in"),
        ({"innodb_force_recovery": "1"}, Severity.HIGH, "innodb_force_recovery is 1"),
        ({"innodb_doublewrite": "OFF"}, Severity.HIGH, "innodb_doublewrite is OFF"),
        ({"innodb_checksum_algorithm": "none"}, Severity.HIGH, "innodb_checksum_algorithm is none"),
        ({"innodb_flush_log_at_trx_commit": "2"}, Severity.MEDIUM, "a crash loses the last commits"),
        ({"innodb_flush_log_at_trx_commit": "3"}, None, "no setting loses data"),
        ({"foreign_key_checks": "OFF"}, Severity.MEDIUM, "foreign_key_checks is OFF"),
        ({"sql_mode": ""}, Severity.MEDIUM, "sql_mode is empty: values that do not fit are cut"),
        ({"log_bin": "ON"}, Severity.LOW, "sync_binlog is 0"),
        ({"bind_address": "*"}, Severity.LOW, "have_ssl is DISABLED"),
        ({"bind_address": "*", "skip_networking": "ON"}, None, "no setting loses data"),
        ({"log_bin": "ON", "innodb_doublewrite": "OFF"}, Severity.HIGH, "sync_binlog is 0"),
    ],
    ids=str,
)  # fmt: skip
def test_limits(changed: dict[str, str], severity: Severity | None, said: str) -> None:
    seen = DatabaseActivity("mariadb", True, mariadb_settings={**FRESH, **changed})
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity
    assert said in verdict.message
    if severity is not None and len(changed) == 1:
        left_out = judge(seen, Limits(ignore=(verdict.message.split()[0],)), NOW)
        assert left_out is not None
        assert left_out.status is Status.PASS


def test_no_settings_are_unknown() -> None:
    verdict = judge(DatabaseActivity("mariadb", True, mariadb_settings={}), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
