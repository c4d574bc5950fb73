"""Units of systemd run as they should: none has failed, none is started again and again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import figure, short
from upkeep.model.remedies import look, quote
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

NAMED = 5


@dataclass(frozen=True)
class Limits:
    """Which units matter; shell patterns of unit names.

    ignore_units: may fail without a finding.
    high_units: are severe when they fail; others are medium.
    """

    ignore_units: tuple[str, ...] = ()
    high_units: tuple[str, ...] = (
        "ssh*.service",
        "nginx*",
        "apache2*",
        "httpd*",
        "postgresql*",
        "mariadb*",
        "mysql*",
        "redis*",
        "auditd*",
        "cron*",
        "*backup*",
        "restic*",
        "borg*",
        "logrotate*",
        "*.mount",
    )


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge the units that the host listed."""
    units = seen.data.get("units")
    if not isinstance(units, list) or not all(isinstance(unit, dict) for unit in units):
        return unknown("no list of units was given")
    broken = [unit for unit in units if not _matches(unit, limits.ignore_units)]
    measure = Measure("failed units", len(broken))
    count = figure(seen.data, "count")
    if not broken and count is not None and count > len(units):
        return unknown(
            f"{count:.0f} units failed, only the first {len(units)} were reported", measure
        )
    if not broken and (unread := seen.data.get("unread")):
        text = f"{len(unread)} lines of systemctl list-units were not understood, such as {unread[0]!r}"
        return unknown(text, measure)
    if not broken:
        return passed("no unit has failed, at most 0", measure)
    high = [unit for unit in broken if _matches(unit, limits.high_units)]
    broken.sort(key=lambda unit: unit not in high)
    named = ", ".join(map(_describe, broken[:NAMED]))
    more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    text = f"{len(broken)} unit{'s' if len(broken) > 1 else ''} failed, at most 0"
    unit = quote(broken[0].get("unit", ""))
    return failed(
        Severity.HIGH if high else Severity.MEDIUM,
        f"{text}: {named}{more}",
        measure,
        remedy=_journal(unit) if unit else "",
    )


def _journal(unit: str) -> str:
    """Return how to see why a unit failed."""
    line = f"systemctl status --no-pager {unit}; journalctl --no-pager -n 50 -u {unit}"
    return look(line, "see why; when it is fixed: systemctl reset-failed")


def _matches(unit: dict[str, Any], patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(str(unit.get("unit", "")), pattern) for pattern in patterns)


def _describe(unit: dict[str, Any]) -> str:
    """Return name and reason: `nginx.service (exit-code 1)`."""
    name = short(unit.get("unit", "?"), 60)
    result = unit.get("result")
    if unit.get("sub") == "auto-restart":
        restarts = unit.get("restarts")
        return f"{name} (restarted {restarts} times)" if restarts else f"{name} (restarting)"
    if not result or result == "success":
        return name
    status = unit.get("exit_status")
    return f"{name} ({short(result, 30)}{f' {status}' if status else ''})"


CHECK = Check(
    title="No unit has failed",
    trouble="Failed unit",
    gather="systemd_units",
    since="0.1.0",
    why="A failed service is found before its users notice.",
    cannot_see=(
        "A service that runs but does not work. Services that systemd does not start, and "
        "units of users' own service managers."
    ),
    limits=Limits(),
    judge=judge,
    measures={"failed units": MeasureKind.STATE},
    source="systemctl(1), list-units; node_exporter's mixin, NodeSystemdServiceFailed",
    remedy="systemctl --failed --no-pager  # see which; when they are fixed: systemctl reset-failed",
    absence=DECLARED,
)
