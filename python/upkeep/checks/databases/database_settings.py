"""The server is set so that it loses no data.

Some settings make a server faster, or let it start with damaged files, and lose data for it. Checks those, for the
server and for single roles and databases, whether it talks over the network without TLS, and whether a changed setting
waits for a restart.

Where the account or the database that is asked has a value of its own, the server's is read in its files: that needs
SELECT of `pg_file_settings`, and without it, the server's is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    SettingState,
)
from upkeep.checks.databases._sessions import identifier, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed

OFF = ("off", "false", "no", "0")
ON = ("on", "true", "yes", "1")
LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
WRONG = {
    "fsync": (Severity.CRITICAL, OFF, "on", "a crash of the host can destroy all data"),
    "zero_damaged_pages": (Severity.HIGH, ON, "off", "rows of damaged pages are lost"),
    "ignore_checksum_failure": (Severity.HIGH, ON, "off", "damaged pages are used"),
    "ignore_invalid_pages": (Severity.HIGH, ON, "off", "recovery leaves out damaged pages"),
    "ignore_system_indexes": (Severity.MEDIUM, ON, "off", "it is meant for repair alone"),
    "full_page_writes": (Severity.HIGH, OFF, "on", "a crash of the host can tear pages"),
    "synchronous_commit": (Severity.MEDIUM, OFF, "on", "a crash loses transactions that were committed"),
    "data_checksums": (Severity.LOW, OFF, "on", "nobody notices if the disk changes data"),
}  # fmt: skip
"""By setting: how bad, wrong values, the right one, and the harm."""
AT_START = ("data_checksums", "ignore_invalid_pages", "ignore_system_indexes")
"""Which ALTER SYSTEM and a reload do not change."""


@dataclass(frozen=True)
class Limits:
    """What the site accepts.

    ignore: names of settings that are not judged, such as `data_checksums`; `pending_restart` stands for waiting ones.
    """

    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """A setting that is wrong, and how it is put right; no remedy means the check's own."""

    severity: Severity
    text: str
    remedy: str = ""


@of_topic("settings")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge all settings; the worst comes first."""
    rows = [one for one in seen.settings or () if one.name not in limits.ignore]
    finders: tuple[Callable[[Sequence[SettingState]], list[Fault]], ...] = (_lossy, _plain)
    faults = [fault for find in finders for fault in find(rows)]
    if "pending_restart" not in limits.ignore:
        faults += _pending(rows)
    measure = Measure("wrong", len(faults))
    if faults:
        faults.sort(key=lambda one: one.severity.rank)
        text = "; ".join(one.text for one in faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        return failed(faults[0].severity, text + more, measure, remedy=faults[0].remedy)
    left_out = f"; not judged: {', '.join(sorted(limits.ignore))}" if limits.ignore else ""
    return passed(f"no setting that loses data, expected none{left_out}", measure)


def _lossy(rows: Sequence[SettingState]) -> list[Fault]:
    """Return settings that lose data."""
    faults = []
    for one in rows:
        severity, wrong, right, harm = WRONG.get(one.name, (Severity.LOW, (), "", ""))
        if one.value.lower() in wrong:
            text = f"{one.name} is {short(one.value, 20)}{_place(one)}, expected {right}: {harm}"
            faults.append(Fault(severity, text, _set(one, right)))
    return faults


def _plain(rows: Sequence[SettingState]) -> list[Fault]:
    """Return the fault of a server that listens on the network without TLS."""
    values = {one.name: one.value for one in rows if not (one.role or one.database)}
    addresses = [one.strip() for one in values.get("listen_addresses", "").split(",")]
    if values.get("ssl") != "off" or all(one in LOOPBACK for one in addresses):
        return []
    listens = short(", ".join(addresses), 80)
    text = f"ssl is off, expected on, as it listens on {listens}: data and passwords are sent in the clear"
    remedy = "decide: give it a certificate and set ssl to on, or listen on loopback alone"
    return [Fault(Severity.MEDIUM, text, remedy)]


def _pending(rows: Sequence[SettingState]) -> list[Fault]:
    """Return the fault of settings that were changed and wait for a restart."""
    names = sorted({short(one.name, 60) for one in rows if one.pending_restart})
    if not names:
        return []
    named = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    text = f"{named} was changed and waits for a restart, expected none that waits"
    return [Fault(Severity.LOW, text, "decide: restart the server in the next maintenance window")]


def _place(one: SettingState) -> str:
    """Return for whom it is set, if that is not the server."""
    kinds = (("role", one.role), ("database", one.database))
    said = " in ".join(f"{kind} {short(name, 63)}" for kind, name in kinds if name)
    return f" for {said}" if said else ""


def _set(one: SettingState, value: str) -> str:
    """Return how to set it, if that needs no restart."""
    words = f"decide: set it to {value}, unless the site accepts the loss; then list it in `ignore`"
    if one.role or one.database:
        role = "ALL" if one.role == "ALL" else identifier(one.role)
        of = f"ROLE {role}" if one.role else f"DATABASE {identifier(one.database)}"
        of += f" IN DATABASE {identifier(one.database)}" if one.role and one.database else ""
        return psql(words, f"ALTER {of} RESET {one.name}")
    if one.name == "data_checksums":
        return "decide: stop the server in a maintenance window and run pg_checksums --enable"
    if one.name in AT_START:
        return f"decide: set {one.name} to {value} and restart the server"
    return psql(words, f"ALTER SYSTEM SET {one.name} = {value}", "select pg_reload_conf()")


CHECK = Check(
    title="The server is set so that it loses no data",
    trouble="Settings that lose data",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why="With such a setting, a crash of the host or a damaged page loses what was committed.",
    cannot_see="What a session sets for itself. Caches of disks that say they have written and have not.",
    limits=Limits(),
    judge=judge,
    measures={"wrong": MeasureKind.STATE},
    source="PostgreSQL, Server Configuration: Write Ahead Log, Developer Options, Connections and Authentication",
    remedy="decide: set it so that nothing is lost, unless the site accepts the loss",
    controls=("45 CFR 164.312(c)(1)", "45 CFR 164.312(e)(1)"),
    absence={"databases": gone()},
)
