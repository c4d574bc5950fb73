"""Limits of reboot_pending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.reboot_pending import Limits, judge
from upkeep.model.verdicts import Measure, Severity, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def reboot(**data: object) -> Observation:
    return Observation("reboot", {"running_kernel": "6.1.0-28-amd64", "packages": [], **data})


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (reboot(), passed("no reboot pending, running 6.1.0-28-amd64")),
        (
            reboot(newer_kernel="6.1.0-29-amd64", newer_kernel_at=ago(14 + 1 / 86400)),
            failed(
                Severity.HIGH,
                "reboot pending: kernel 6.1.0-29-amd64 is installed, running 6.1.0-28-amd64; for 14 d, at most 14 d",
                Measure("pending", 14.0, "d"),
            ),
        ),
        (
            reboot(newer_kernel="6.1.0-29-amd64", newer_kernel_at=ago(14)),
            failed(
                Severity.LOW,
                "reboot pending: kernel 6.1.0-29-amd64 is installed, running 6.1.0-28-amd64; for 14 d, at most 14 d",
                Measure("pending", 14.0, "d"),
            ),
        ),
        (
            reboot(flag_at=ago(14.1), packages=["dbus"]),
            failed(
                Severity.HIGH,
                "reboot pending: asked for by dbus, running 6.1.0-28-amd64; for 14 d, at most 14 d",
                Measure("pending", 14.1, "d"),
            ),
        ),
        (
            reboot(packages=["glibc"]),
            failed(Severity.MEDIUM, "reboot pending: asked for by glibc, running 6.1.0-28-amd64"),
        ),
        (
            reboot(kernel_replaced_at="yesterday"),
            failed(
                Severity.MEDIUM,
                "reboot pending: the kernel's package was replaced, running 6.1.0-28-amd64",
            ),
        ),
        (
            reboot(flag_at=ago(0)),
            failed(
                Severity.LOW,
                "reboot pending: a package asks for it, running 6.1.0-28-amd64; for 0 d, at most 14 d",
                Measure("pending", 0.0, "d"),
            ),
        ),
        (
            reboot(flag_at=ago(-3)),
            failed(
                Severity.LOW,
                "reboot pending: a package asks for it, running 6.1.0-28-amd64; for 0 d, at most 14 d",
                Measure("pending", 0.0, "d"),
            ),
        ),
        # The oldest of what speaks for it counts; a time without a zone is none.
        (
            reboot(flag_at=ago(1), newer_kernel="7", newer_kernel_at=ago(20)),
            failed(
                Severity.HIGH,
                "reboot pending: kernel 7 is installed; a package asks for it, running 6.1.0-28-amd64; "
                "for 20 d, at most 14 d",
                Measure("pending", 20.0, "d"),
            ),
        ),
        (
            reboot(flag_at="2026-01-01T00:00:00"),
            failed(
                Severity.MEDIUM,
                "reboot pending: a package asks for it, running 6.1.0-28-amd64",
            ),
        ),
        (
            reboot(kernel_replaced_at=ago(15), packages=["dbus", "glibc"]),
            failed(
                Severity.HIGH,
                "reboot pending: the kernel's package was replaced; asked for by dbus, glibc, "
                "running 6.1.0-28-amd64; for 15 d, at most 14 d",
                Measure("pending", 15.0, "d"),
            ),
        ),
        (reboot(packages=None), unknown("no list of packages was given")),
        (reboot(packages="dbus"), unknown("no list of packages was given")),
        (reboot(running_kernel=None), unknown("no running kernel was given")),
    ],
)
def test_reasons(seen: Observation, verdict: object) -> None:
    assert judge(seen, Limits(), NOW) == verdict
