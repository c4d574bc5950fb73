"""Limits of failed_units."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.failed_units import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def systemd(*units: object) -> Observation:
    return Observation("systemd", {"units": list(units), "count": len(units)})


MOTD = {"unit": "motd-news.service", "sub": "failed", "result": "exit-code", "exit_status": 1}
NGINX = {"unit": "nginx.service", "sub": "failed", "result": "oom-kill", "exit_status": 0}
FLAPPING = {"unit": "shop.service", "sub": "auto-restart", "result": "exit-code", "restarts": 41}


@pytest.mark.parametrize(
    ("units", "params", "verdict"),
    [
        ([], Limits(), passed("no unit has failed, at most 0", Measure("failed units", 0))),
        (
            [MOTD],
            Limits(),
            failed(
                Severity.MEDIUM,
                "1 unit failed, at most 0: motd-news.service (exit-code 1)",
                Measure("failed units", 1),
            ),
        ),
        (
            [MOTD, NGINX, FLAPPING],
            Limits(),
            failed(
                Severity.HIGH,
                "3 units failed, at most 0: nginx.service (oom-kill), motd-news.service (exit-code 1), "
                "shop.service (restarted 41 times)",
                Measure("failed units", 3),
            ),
        ),
        (
            [{**FLAPPING, "restarts": 0}, {**MOTD, "result": "success"}],
            Limits(),
            failed(
                Severity.MEDIUM,
                "2 units failed, at most 0: shop.service (restarting), motd-news.service",
                Measure("failed units", 2),
            ),
        ),
        (
            [MOTD],
            Limits(high_units=("motd*",)),
            failed(
                Severity.HIGH,
                "1 unit failed, at most 0: motd-news.service (exit-code 1)",
                Measure("failed units", 1),
            ),
        ),
        (
            [MOTD],
            Limits(ignore_units=("motd-*",)),
            passed("no unit has failed, at most 0", Measure("failed units", 0)),
        ),
    ],
)
def test_units(units: list[object], params: Limits, verdict: object) -> None:
    assert replace(judge(systemd(*units), params, NOW), remedy="") == verdict


def test_many_units_are_counted() -> None:
    verdict = judge(systemd(*[{"unit": f"u{n}.service"} for n in range(9)]), Limits(), NOW)

    assert verdict.message.endswith("u3.service, u4.service and 4 more")
    five = judge(systemd(*[{"unit": f"u{n}.service"} for n in range(5)]), Limits(), NOW)
    assert five.message.endswith(": u0.service, u1.service, u2.service, u3.service, u4.service")


@pytest.mark.parametrize("units", [None, "nginx.service", {"unit": "a"}, [None], [MOTD, "b"]])
def test_odd_data_is_unknown(units: object) -> None:
    assert judge(Observation("systemd", {"units": units}), Limits(), NOW) == unknown(
        "no list of units was given"
    )


def test_a_list_that_was_not_counted_is_whole() -> None:
    assert judge(Observation("systemd", {"units": []}), Limits(), NOW).status is Status.PASS


def test_units_beyond_those_that_were_told_do_not_pass() -> None:
    few = Observation("systemd", {"units": [MOTD], "count": 2})
    ignored = Limits(ignore_units=("motd-*",))

    assert judge(few, ignored, NOW) == unknown(
        "2 units failed, only the first 1 were reported", Measure("failed units", 0)
    )
    assert judge(few, Limits(), NOW).status is Status.FAIL


@pytest.mark.parametrize(
    ("unit", "severity"),
    [
        ("ssh.service", Severity.HIGH),
        ("sshd.service", Severity.HIGH),
        ("nginx.service", Severity.HIGH),
        ("apache2.service", Severity.HIGH),
        ("httpd.service", Severity.HIGH),
        ("postgresql@15-main.service", Severity.HIGH),
        ("mariadb.service", Severity.HIGH),
        ("mysql.service", Severity.HIGH),
        ("redis-server.service", Severity.HIGH),
        ("auditd.service", Severity.HIGH),
        ("cron.service", Severity.HIGH),
        ("crond.service", Severity.HIGH),
        ("nightly-backup.service", Severity.HIGH),
        ("restic.service", Severity.HIGH),
        ("borgmatic.timer", Severity.HIGH),
        ("logrotate.service", Severity.HIGH),
        ("srv-data.mount", Severity.HIGH),
        ("shop.service", Severity.MEDIUM),
        ("ssh.socket", Severity.MEDIUM),
    ],
)
def test_which_units_are_severe(unit: str, severity: Severity) -> None:
    assert judge(systemd({"unit": unit}), Limits(), NOW).severity is severity


@pytest.mark.parametrize(("units", "status"), [([], Status.UNKNOWN), ([MOTD], Status.FAIL)])
def test_lines_that_were_not_understood_turn_a_pass_only(
    units: list[object], status: Status
) -> None:
    data = {"units": units, "count": len(units), "unread": ["%PDF-1.7"]}

    verdict = judge(Observation("systemd", data), Limits(), NOW)

    assert verdict.status is status
    if status is Status.UNKNOWN:
        assert verdict.message == (
            "1 lines of systemctl list-units were not understood, such as '%PDF-1.7'"
        )
