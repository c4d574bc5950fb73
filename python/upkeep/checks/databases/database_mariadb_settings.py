"""MariaDB is set so that it loses no data.

Some settings make a server faster, and lose what was committed when it crashes; others let anybody in, or take values
that do not fit. Checks those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
)
from upkeep.checks.databases._sessions import listed, mariadb
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Settings that may be so.

    ignore: names of settings that are not judged, such as `sync_binlog`.
    """

    ignore: tuple[str, ...] = ()


Rule = tuple[Severity, frozenset[str], str, str]
"""How bad it is; the values that are bad; what to set, and what else happens."""
NO = frozenset({"OFF", "0"})
RULES: dict[str, Rule] = {
    "skip_grant_tables": (Severity.CRITICAL, frozenset({"ON", "1"}), "", "anybody is let in, with all rights"),
    "innodb_force_recovery": (Severity.HIGH, frozenset("123456"), "", "it is meant for repair alone"),
    "innodb_doublewrite": (Severity.HIGH, NO, "", "a page that is half written at a crash is lost"),
    "innodb_checksum_algorithm": (
        Severity.HIGH, frozenset({"none", "strict_none"}), "'full_crc32'", "damaged pages are not noticed",
    ),
    "innodb_flush_log_at_trx_commit": (Severity.MEDIUM, frozenset("02"), "1", "a crash loses the last commits"),
    "foreign_key_checks": (Severity.MEDIUM, NO, "ON", "rows may refer to rows that are not there"),
    "unique_checks": (Severity.MEDIUM, NO, "ON", "keys may be there twice"),
}  # fmt: skip
STRICT = ("STRICT_TRANS_TABLES", "STRICT_ALL_TABLES")


@of_topic("mariadb_settings")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the worst setting; all that are bad are named."""
    settings = seen.mariadb_settings or {}
    if "innodb_flush_log_at_trx_commit" not in settings:
        return unknown("the server did not tell its settings")
    bad = sorted(
        (one for one in _bad(settings) if one[0] not in limits.ignore),
        key=lambda one: one[1].rank,
    )
    measure = Measure("settings", len(bad))
    if not bad:
        return passed("no setting loses data; expected: none", measure)
    said = [
        f"{name} is {short(settings[name] or 'empty', 60)}: {harm}" for name, _severity, harm in bad
    ]
    name, severity, _harm = bad[0]
    return failed(severity, f"{listed(said)}; expected: none", measure, remedy=_set(name))


def _bad(settings: Mapping[str, str]) -> Iterator[tuple[str, Severity, str]]:
    """Yield name, severity and harm of the settings that are bad."""
    for name, (severity, values, _good, harm) in RULES.items():
        if settings.get(name) in values:
            yield name, severity, harm
    modes = settings.get("sql_mode")
    if modes is not None and not any(one in modes.split(",") for one in STRICT):
        yield "sql_mode", Severity.MEDIUM, "values that do not fit are cut, not refused"
    if settings.get("log_bin") == "ON" and settings.get("sync_binlog") == "0":
        yield (
            "sync_binlog",
            Severity.LOW,
            "a crash loses the end of the binary log, and replicas differ",
        )
    bound = settings.get("bind_address", "127.0.0.1") not in ("127.0.0.1", "::1", "localhost")
    if bound and settings.get("skip_networking") != "ON" and settings.get("have_ssl") == "DISABLED":
        yield "have_ssl", Severity.LOW, "passwords and data cross the network in the clear"


def _set(name: str) -> str:
    """Return how to set it; some are read at the start alone."""
    good = RULES[name][2] if name in RULES else {"sync_binlog": "1"}.get(name, "")
    if name == "sql_mode":
        statement = "SET GLOBAL sql_mode = concat_ws(',', @@global.sql_mode, 'STRICT_TRANS_TABLES')"
        return mariadb("decide: set it in the server's configuration too", statement)
    if not good:
        return f"decide: set {name} in the server's configuration, and start the server again"
    return mariadb(
        "decide: set it in the server's configuration too", f"SET GLOBAL {name} = {good}"
    )


CHECK = Check(
    title="MariaDB is set so that it loses no data",
    trouble="Setting that loses data",
    why="What was committed and told to a client is gone after a crash, or was never kept as it was given.",
    cannot_see="What a session sets for itself. Disks that lie about what they have written.",
    measures={"settings": MeasureKind.STATE},
    source="MariaDB, InnoDB System Variables and Server System Variables; MySQLTuner",
    remedy="decide: set it in the server's configuration",
    limits=Limits(),
    judge=judge,
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    absence={"databases": gone()},
)
