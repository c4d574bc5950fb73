"""Faults of MariaDB, planted on a real server: each is found, and gone when it is undone."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from patience import eventually
from service.maria import CLERK, MariaServer, shared_maria
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import mariadb
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    database_objects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Status, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
GATHERS = {"database_activity": database_activity, "database_objects": database_objects}


@dataclass(frozen=True)
class MariaFault:
    """A fault. plant: statements in a database of its own; sessions: those that stay open, each with what it does.

    file: one that is overwritten, in the database's folder. undo: statements. check: that must fail, with these words
    and limits; `{name}` stands for the database.
    """

    name: str
    check: str
    words: str
    plant: str = ""
    sessions: tuple[str, ...] = ()
    file: str = ""
    undo: str = ""
    limits: dict[str, Any] = field(default_factory=dict)


def setting(name: str, value: str, good: str) -> MariaFault:
    return MariaFault(
        f"{name} = {value or 'empty'}",
        "database_mariadb_settings",
        f"{name} is {value.strip(chr(39)) or 'empty'}",
        f"SET GLOBAL {name} = {value or chr(39) * 2}",
        undo=f"SET GLOBAL {name} = {good}",
    )


VISITS = "CREATE TABLE visit (id int PRIMARY KEY, n int); INSERT INTO visit VALUES (1, 0), (2, 0)"
FAULTS = (
    MariaFault(
        "a key near the end of its type",
        "database_auto_increment",
        "{name}.ticket.id (tinyint(4)) has given 98.4 % of its numbers, 2 are left",
        "CREATE TABLE ticket (id tinyint AUTO_INCREMENT PRIMARY KEY); INSERT INTO ticket VALUES (125)",
        undo="ALTER TABLE ticket MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT",
    ),
    MariaFault(
        "the last number of the largest type",
        "database_auto_increment",
        "(bigint(20) unsigned) has given 100.0 %",
        "CREATE TABLE ticket (id bigint unsigned AUTO_INCREMENT PRIMARY KEY);"
        " INSERT INTO ticket VALUES (18446744073709551613)",
        undo="DROP TABLE ticket",
    ),
    MariaFault(
        "a table of MyISAM",
        "database_unsafe_tables",
        "a crash may damage or empty {name}.visit (MyISAM",
        f"{VISITS}; ALTER TABLE visit ENGINE = MyISAM",
        undo="ALTER TABLE visit ENGINE = InnoDB",
    ),
    MariaFault(
        "a table in memory",
        "database_unsafe_tables",
        "(MEMORY",
        f"{VISITS}; ALTER TABLE visit ENGINE = MEMORY",
        undo="DROP TABLE visit",
    ),
    MariaFault(
        "a table whose index was overwritten",
        "database_unsafe_tables",
        "the server cannot open {name}.visit",
        f"{VISITS}; ALTER TABLE visit ENGINE = MyISAM; FLUSH TABLES visit",
        file="visit.MYI",
        undo="DROP TABLE visit",
    ),
    MariaFault(
        "a table that was emptied",
        "database_fragmentation",
        "{name}.log (InnoDB) has",
        "CREATE TABLE log (id int PRIMARY KEY, said varchar(8000) CHARACTER SET latin1);"
        " INSERT INTO log SELECT seq, repeat('x', 8000) FROM seq_1_to_1500; DELETE FROM log",
        undo="OPTIMIZE TABLE log",
        limits={"low_mib": 4},
    ),
    MariaFault(
        "a session that is idle in a transaction",
        "database_transactions",
        "has been idle in a transaction",
        VISITS,
        ("BEGIN; UPDATE visit SET n = 1 WHERE id = 1",),
        limits={"medium_idle_minutes": 0.0},
    ),
    MariaFault(
        "a row that somebody waits for",
        "database_locks",
        "for X lock on `{name}`.`visit`; at the root is root (session",
        VISITS,
        ("BEGIN; UPDATE visit SET n = 1 WHERE id = 1", "UPDATE visit SET n = 2 WHERE id = 1"),
        limits={"medium_minutes": 0.001},
    ),
    MariaFault(
        "a change of a table that waits for a transaction",
        "database_locks",
        "for a lock of a table's definition",
        VISITS,
        ("BEGIN; SELECT * FROM visit", "ALTER TABLE visit ADD COLUMN m int"),
        limits={"medium_minutes": 0.001},
    ),
    MariaFault(
        "a server that is locked for a backup",
        "database_locks",
        "for the lock of a backup, or of FLUSH TABLES WITH READ LOCK",
        VISITS,
        ("FLUSH TABLES WITH READ LOCK", "UPDATE visit SET n = 2 WHERE id = 1"),
        limits={"medium_minutes": 0.001},
    ),
    MariaFault(
        "old rows that an open transaction keeps",
        "database_purge",
        "transactions are not purged",
        VISITS,
        (
            "START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT * FROM visit",
            "; ".join(f"UPDATE visit SET n = {number} WHERE id = 1" for number in range(700)),
        ),
        limits={"medium_transactions": 500},
    ),
    setting("innodb_flush_log_at_trx_commit", "2", "1"),
    setting("innodb_flush_log_at_trx_commit", "0", "1"),
    setting("foreign_key_checks", "OFF", "ON"),
    setting("unique_checks", "OFF", "ON"),
    setting("sql_mode", "", "DEFAULT"),
    MariaFault(
        "an account without a password",
        "database_passwords",
        "nobody_{name}@% needs no password",
        "CREATE USER nobody_{name}@'%'",
        undo="DROP USER nobody_{name}@'%'",
    ),
    MariaFault(
        "an account without a name",
        "database_passwords",
        "(anybody)@localhost needs no password",
        "CREATE USER ''@localhost IDENTIFIED BY 'x'",
        undo="DROP USER ''@localhost",
    ),
    MariaFault(
        "a second way in without a password",
        "database_passwords",
        "two_{name}@localhost needs no password",
        "CREATE USER two_{name}@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING ''",
        undo="DROP USER two_{name}@localhost",
    ),
    MariaFault(
        "a primary that is gone",
        "database_replication",
        "receives nothing from 127.0.0.1:1; expected: it follows",
        "CHANGE MASTER TO master_host = '127.0.0.1', master_port = 1; START SLAVE",
        undo="STOP SLAVE; RESET SLAVE ALL",
    ),
)


@pytest.fixture
def server() -> MariaServer:
    return shared_maria()


def see(gather: str, *declared: dict[str, Any], seconds: int = 30) -> list[Observation]:
    params = {
        "databases": list(declared),
        "discover": False,
        "timeout_seconds": seconds,
        "catalog_seconds": seconds,
    }
    return list(GATHERS[gather].gather(params, Host()))


def verdict(check: str, seen: Observation, limits: dict[str, Any] | None = None) -> Verdict | None:
    module = importlib.import_module(f"upkeep.checks.databases.{check}")
    found = verdict_of(module.CHECK, seen, module.Limits(**limits or {}), NOW)
    assert found is None or isinstance(found, Verdict)
    return found


def judged(check: str, declared: dict[str, Any], limits: dict[str, Any] | None = None) -> Verdict:
    [seen] = see(load()[check].gather, declared)
    assert seen.error == ""
    found = verdict(check, seen, limits)
    assert found is not None
    return found


@contextmanager
def planted(server: MariaServer, fault: MariaFault) -> Iterator[str]:
    """Plant it in a fresh database, and undo it."""
    name = server.fresh()
    with ExitStack() as open_ones:
        server.execute(fault.plant.replace("{name}", name), name)
        try:
            if fault.file:
                (server.home / "data" / name / fault.file).write_bytes(b"garbage")
            for number, sql in enumerate(fault.sessions):
                waits = number > 0
                open_ones.enter_context(server.session(sql, name, waits=waits))
            yield name
        finally:
            open_ones.close()
            server.execute(fault.undo.replace("{name}", name), name)


@pytest.mark.parametrize("fault", FAULTS, ids=[one.name for one in FAULTS])
def test_a_fault_is_found_and_gone_when_it_is_undone(
    server: MariaServer, fault: MariaFault
) -> None:
    def asked(name: str) -> Verdict:
        of = name if load()[fault.check].gather == "database_objects" else ""
        return judged(fault.check, server.declared(of), fault.limits)

    with server.alone():
        with planted(server, fault) as name:
            words = fault.words.replace("{name}", name)

            def failed() -> Verdict | None:
                found = asked(name)
                return found if found.status is Status.FAIL and words in found.message else None

            found = eventually(failed, fault.name)
        eventually(lambda: asked(name).status is Status.PASS, f"undone: {fault.name}")

    assert found is not None


@pytest.mark.parametrize(
    ("holder", "waiter", "state"),
    [
        ("FLUSH TABLES WITH READ LOCK", "UPDATE visit SET n = 2 WHERE id = 1", "idle"),
        ("BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT", "UPDATE visit SET n = n + 1 WHERE id = 1", "idle"),
        ("BEGIN; SELECT * FROM visit", "ALTER TABLE visit FORCE", "idle in transaction"),
    ],
)  # fmt: skip
def test_who_holds_a_lock_is_named_where_a_plugin_tells_it(
    server: MariaServer, holder: str, waiter: str, state: str
) -> None:
    """Without the plugin, nothing tells it; that is said, with how to install it."""
    name = server.fresh()
    limits = {"medium_minutes": 0.001}

    def failed() -> Verdict | None:
        found = judged("database_locks", server.declared(), limits)
        return found if found.status is Status.FAIL else None

    def waiting() -> Verdict:
        with server.session(f"{holder}; SELECT 1", name), server.session(waiter, name, waits=True):
            found = eventually(failed, "a session that waits")
        eventually(lambda: not failed(), "nobody waits")
        assert found is not None
        return found

    with server.alone():
        server.execute(VISITS, name)
        hidden = waiting()
        server.execute("INSTALL SONAME 'metadata_lock_info'")
        try:
            shown = waiting()
        finally:
            server.execute("UNINSTALL SONAME 'metadata_lock_info'")

    assert hidden.message.endswith(
        "1 session waits in all; who holds it is not visible without the plugin metadata_lock_info"
    )
    assert 'INSTALL SONAME "metadata_lock_info"' in hidden.remedy
    assert "at the root is root (session" in shown.message
    assert f"), {state} for" in shown.message
    assert shown.message.endswith("1 session waits behind it")
    assert "KILL" in shown.remedy


def test_a_remedy_is_run_as_it_stands(server: MariaServer) -> None:
    name = server.fresh()
    server.execute(
        "CREATE TABLE `odd``one` (id tinyint AUTO_INCREMENT PRIMARY KEY); INSERT INTO `odd``one` VALUES (125)",
        name,
    )

    before = judged("database_auto_increment", server.declared(name))
    statement = before.remedy.partition(" -e '")[2].partition("'  # ")[0]
    server.execute(statement)

    assert before.status is Status.FAIL
    assert judged("database_auto_increment", server.declared(name)).status is Status.PASS


def test_a_fresh_server_has_no_fault(server: MariaServer) -> None:
    name = server.fresh()
    server.execute(f"{VISITS}; UPDATE visit SET n = 1", name)

    with server.alone():
        seen = [
            *see("database_activity", server.declared()),
            *see("database_objects", server.declared(name)),
        ]

    said = {
        check: found
        for one in seen
        for check in load()
        if check.startswith("database_") and load()[check].gather in GATHERS
        if load()[check].gather
        == ("database_objects" if name in one.subject else "database_activity")
        if (found := verdict(check, one)) is not None
    }
    assert {
        check: found.message for check, found in said.items() if found.status is not Status.PASS
    } == {}
    assert len(said) == sum(len(mariadb.ENGINE.topics[one]) for one in GATHERS)


def test_an_account_without_rights_says_what_it_lacks(server: MariaServer) -> None:
    [activity] = see("database_activity", server.declared(user=CLERK))
    [objects] = see("database_objects", server.declared(user=CLERK))

    account = f"'{CLERK}'@'localhost'"
    for check, seen, grant in (
        ("database_transactions", activity, f"GRANT PROCESS ON *.* TO {account}"),
        ("database_locks", activity, f"GRANT PROCESS ON *.* TO {account}"),
        ("database_replication", activity, f"GRANT REPLICA MONITOR ON *.* TO {account}"),
        ("database_passwords", activity, f"GRANT SELECT ON mysql.global_priv TO {account}"),
        ("database_auto_increment", objects, f"GRANT REFERENCES ON *.* TO {account}"),
        ("database_unsafe_tables", objects, f"GRANT REFERENCES ON *.* TO {account}"),
    ):
        found = verdict(check, seen)
        assert found is not None
        assert found.status is Status.UNKNOWN
        assert grant in shlex.split(command_of(found.remedy))
    for check in ("database_mariadb_settings", "database_aborted_connects"):
        others = verdict(check, activity)
        assert others is not None
        assert others.status is not Status.UNKNOWN


def test_a_right_on_one_table_shows_no_other(server: MariaServer) -> None:
    name = server.fresh()
    server.execute(
        f"{VISITS}; CREATE TABLE other (id int) ENGINE = MyISAM; GRANT SELECT ON visit TO {CLERK}@localhost",
        name,
    )

    seen = judged("database_unsafe_tables", server.declared(name, CLERK))
    server.execute(
        f"GRANT REFERENCES ON {name}.* TO {CLERK}@localhost; INSERT INTO other VALUES (1)", name
    )
    granted = judged("database_unsafe_tables", server.declared(name, CLERK))

    assert seen.status is Status.UNKNOWN
    assert "those that the account may not see are not judged" in seen.message
    assert granted.status is Status.FAIL


def test_all_databases_of_a_server_are_looked_at(server: MariaServer) -> None:
    name = server.fresh()

    subjects = [one.subject for one in see("database_objects", server.declared())]

    assert any(one.endswith(f"/{name}") for one in subjects)
    assert not any(one.endswith(("/mysql", "/sys")) for one in subjects)


def test_a_locked_table_keeps_nobody_waiting(server: MariaServer) -> None:
    name = server.fresh()
    server.execute(VISITS, name)
    with server.session("LOCK TABLES visit WRITE", name):
        found = judged("database_auto_increment", server.declared(name))

    assert found.status is Status.PASS


def test_a_server_that_is_down_is_unknown() -> None:
    declared = {
        "kind": "mariadb",
        "address": "/nonexistent/sock",
        "name": "",
        "user": "x",
        "password": "canary-word",
    }

    [seen] = see("database_activity", declared)
    found = verdict("database_locks", seen)

    assert found is not None
    assert found.status is Status.UNKNOWN
    assert found.remedy == "fix what database_connect says first"
    assert "canary" not in repr(seen)


def test_each_failed_login_counts(server: MariaServer) -> None:
    with server.alone():
        before = judged("database_aborted_connects", server.declared())
        for _attempt in range(3):
            see("database_activity", server.declared(password="wrong"))
        after = judged(
            "database_aborted_connects",
            server.declared(),
            {"least_failures": 3, "medium_percent": 0.001},
        )

    assert after.status is Status.FAIL
    assert after.measures[0].value >= before.measures[0].value + 3


def test_temporary_tables_on_disk_are_counted(server: MariaServer) -> None:
    sql = "SELECT DISTINCT repeat('x', seq) FROM seq_1_to_200 ORDER BY 1"
    server.execute(sql, server.fresh())

    found = judged(
        "database_temporary_tables", server.declared(), {"low_per_hour": 1, "low_percent": 1}
    )

    assert found.status is Status.FAIL
    assert "temporary tables went to the disk" in found.message
