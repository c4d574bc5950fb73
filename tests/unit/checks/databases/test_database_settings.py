"""Limits of database_settings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    SettingState,
)
from upkeep.checks.databases.database_settings import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(*rows: SettingState, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, settings=list(rows)), limits, NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("fsync", "off", Severity.CRITICAL),
        ("fsync", "on", None),
        ("full_page_writes", "off", Severity.HIGH),
        ("synchronous_commit", "off", Severity.MEDIUM),
        ("synchronous_commit", "local", None),
        ("synchronous_commit", "remote_apply", None),
        ("zero_damaged_pages", "on", Severity.HIGH),
        ("zero_damaged_pages", "TRUE", Severity.HIGH),
        ("zero_damaged_pages", "off", None),
        ("ignore_checksum_failure", "on", Severity.HIGH),
        ("ignore_invalid_pages", "on", Severity.HIGH),
        ("ignore_system_indexes", "on", Severity.MEDIUM),
        ("data_checksums", "off", Severity.LOW),
        ("another", "off", None),
    ],
)
def test_values(name: str, value: str, severity: Severity | None) -> None:
    assert verdict_of(SettingState(name, value)).severity is severity
    assert (
        verdict_of(SettingState(name, value), limits=Limits(ignore=(name,))).status is Status.PASS
    )


@pytest.mark.parametrize(
    ("ssl", "addresses", "severity"),
    [
        ("off", "localhost", None),
        ("off", "127.0.0.1, ::1", None),
        ("off", "", None),
        ("off", "*", Severity.MEDIUM),
        ("off", "localhost,192.0.2.7", Severity.MEDIUM),
        ("on", "*", None),
    ],
)
def test_a_server_on_the_network_needs_tls(
    ssl: str, addresses: str, severity: Severity | None
) -> None:
    verdict = verdict_of(SettingState("ssl", ssl), SettingState("listen_addresses", addresses))

    assert verdict.severity is severity


def test_the_worst_comes_first_with_how_to_set_it() -> None:
    verdict = verdict_of(
        SettingState("data_checksums", "off"),
        SettingState("work_mem", pending_restart=True),
        SettingState("fsync", "off"),
    )

    assert verdict.severity is Severity.CRITICAL
    assert verdict.message == (
        "fsync is off, expected on: a crash of the host can destroy all data; "
        "data_checksums is off, expected on: nobody notices if the disk changes data; "
        "work_mem was changed and waits for a restart, expected none that waits"
    )
    assert verdict.remedy.startswith(
        "runuser -u postgres -- psql -c 'ALTER SYSTEM SET fsync = on' -c 'select pg_reload_conf()'  # decide: "
    )


@pytest.mark.parametrize(
    ("role", "database", "place", "remedy"),
    [
        ("shop", "", "role shop", "ALTER ROLE shop RESET synchronous_commit"),
        ("ALL", "", "role ALL", "ALTER ROLE ALL RESET synchronous_commit"),
        ("", "or ders", "database or ders", 'ALTER DATABASE "or ders" RESET synchronous_commit'),
        ("shop", "orders", "role shop in database orders",
         "ALTER ROLE shop IN DATABASE orders RESET synchronous_commit"),
    ],
)  # fmt: skip
def test_a_setting_of_a_role_or_database_is_not_the_servers(
    role: str, database: str, place: str, remedy: str
) -> None:
    one = SettingState("synchronous_commit", "off", role=role, database=database)

    verdict = verdict_of(one)

    assert verdict.message.startswith(f"synchronous_commit is off for {place}, expected on")
    assert verdict.remedy.startswith(f"runuser -u postgres -- psql -c '{remedy}'  # decide: ")


def test_what_waits_for_a_restart_can_be_left_out() -> None:
    waiting = SettingState("work_mem", pending_restart=True)

    assert verdict_of(waiting).severity is Severity.LOW
    assert verdict_of(waiting, limits=Limits(ignore=("pending_restart",))).status is Status.PASS
