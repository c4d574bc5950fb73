"""Faults of a server, planted on real servers of two versions: each is found, and gone when it is undone."""

from __future__ import annotations

import importlib
import itertools
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
from patience import eventually
from service.majors import ADMINISTRATOR, MONITOR, MajorServer, own_server
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Status, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
OWN = {
    "archive_mode": "on",
    "archive_command": "while [ -e held ]; do sleep 0.1; done",
    "autovacuum_naptime": "1s",
    "max_prepared_transactions": "5",
    "autovacuum_freeze_max_age": "100000",
    "min_wal_size": "32MB",
}
CHECKS = (
    "database_archiver", "database_autovacuum", "database_cache", "database_checkpoints", "database_checksums",
    "database_locks", "database_logins", "database_prepared", "database_replication", "database_settings",
    "database_slots", "database_transactions", "database_wraparound",
)  # fmt: skip
ACCEPTED = {
    "database_settings": {"ignore": ("fsync", "full_page_writes", "data_checksums")},
    "database_logins": {"ignore": (ADMINISTRATOR,)},
}
"""The tests' servers are set so that they are fast."""


@dataclass(frozen=True)
class Fault:
    """A fault. steps: statements; `1> ` runs one in a session that stays, `1>> ` does not wait for it, `$ ` is a
    command of a shell in the data folder. undo: likewise, after those sessions have ended.
    check: that must fail with these limits and words.
    """

    name: str
    check: str
    words: str
    steps: tuple[str, ...]
    undo: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)


def setting(name: str, value: str, check: str, words: str) -> Fault:
    steps = (f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
    undo = (f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
    return Fault(f"{name} = {value}", check, words, steps, undo, dict(ACCEPTED.get(check, {})))


SWITCH = (
    "CREATE TABLE IF NOT EXISTS wal_made (id int)",
    "INSERT INTO wal_made VALUES (1)",
    "SELECT pg_switch_wal()",
)
FAULTS = (
    Fault(
        "a tree of locks",
        "database_locks",
        "at the root is keeper (session",
        ("CREATE TABLE orders (id int)", "1> BEGIN", "1> LOCK TABLE orders IN SHARE MODE", "2> BEGIN",
         "2>> LOCK TABLE orders", "3>> SELECT * FROM orders"),
        ("DROP TABLE orders",),
        {"medium_minutes": 0.001, "high_minutes": 60},
    ),
    Fault(
        "an idle transaction",
        "database_transactions",
        "has been idle in a transaction for",
        ("1> BEGIN", "1> SELECT txid_current()"),
        limits={"medium_idle_minutes": 0.001},
    ),
    Fault(
        "a long transaction",
        "database_transactions",
        "has been open for",
        ("1>> SELECT pg_sleep(3600)",),
        limits={"medium_minutes": 0.001},
    ),
    Fault(
        "a forgotten prepared transaction",
        "database_prepared",
        "forgotten-4711 of keeper in postgres has been prepared for",
        ("BEGIN", "SELECT txid_current()", "PREPARE TRANSACTION 'forgotten-4711'"),
        ("ROLLBACK PREPARED 'forgotten-4711'",),
        {"medium_minutes": 0.0001},
    ),
    Fault(
        "a forgotten prepared transaction whose name is free text",
        "database_prepared",
        "a transaction of keeper in postgres has been prepared for",
        ("BEGIN", "SELECT txid_current()", "PREPARE TRANSACTION 'it''s of 078-05-1120'"),
        ("ROLLBACK PREPARED 'it''s of 078-05-1120'",),
        {"medium_minutes": 0.0001},
    ),
    Fault(
        "a slot that nobody uses",
        "database_slots",
        "slot forgotten (physical) is not in use and keeps",
        ("SELECT pg_create_physical_replication_slot('forgotten', true)", *SWITCH, *SWITCH),
        ("SELECT pg_drop_replication_slot('forgotten')",),
        {"medium_unused_mib": 8},
    ),
    Fault(
        "a slot that has lost its WAL",
        "database_slots",
        "slot lost (physical) has lost what it kept",
        ("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()",
         "SELECT pg_create_physical_replication_slot('lost', true)", *SWITCH, *SWITCH, *SWITCH, "CHECKPOINT"),
        ("SELECT pg_drop_replication_slot('lost')", "ALTER SYSTEM RESET max_slot_wal_keep_size",
         "SELECT pg_reload_conf()"),
    ),
    Fault(
        "old rows that cannot be frozen",
        "database_wraparound",
        "transactions old and not frozen, at most 1.05 times the 100 000 from which autovacuum freezes",
        ("1> BEGIN ISOLATION LEVEL REPEATABLE READ", "1> SELECT txid_current()", "CREATE TABLE burnt (id int)",
         "DO $$ BEGIN FOR i IN 1..110000 LOOP BEGIN INSERT INTO burnt VALUES (1); EXCEPTION WHEN others THEN NULL;"
         " END; END LOOP; END $$"),
        ("DROP TABLE burnt", "VACUUM (FREEZE)"),
        {"medium_times": 1.05},
    ),
    setting("autovacuum", "off", "database_autovacuum", "autovacuum is off, expected on"),
    setting("track_counts", "off", "database_autovacuum", "track_counts is off, expected on"),
    Fault(
        "a failing archive_command",
        "database_archiver",
        "the newest attempt of 0000000",
        ("ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()", *SWITCH),
        ("ALTER SYSTEM RESET archive_command", "SELECT pg_reload_conf()", *SWITCH),
    ),
    Fault(
        "no archive_command",
        "database_archiver",
        "archive_mode is on, but archive_command is empty",
        ("ALTER SYSTEM SET archive_command = ''", "SELECT pg_reload_conf()"),
        ("ALTER SYSTEM RESET archive_command", "SELECT pg_reload_conf()", *SWITCH),
    ),
    Fault(
        "an archive_command that does not end",
        "database_archiver",
        "of WAL wait for the archive, at most 40 MiB",
        (*SWITCH, "$ touch held", *SWITCH, *SWITCH, *SWITCH),
        ("$ rm held", *SWITCH),
        {"medium_mib": 40},
    ),
    Fault(
        "many requested checkpoints",
        "database_checkpoints",
        "checkpoints were requested (",
        ("INSERT INTO wal_made VALUES (1)", "CHECKPOINT") * 20,
        ("SELECT pg_stat_reset_shared(name) FROM (VALUES ('bgwriter'), ('checkpointer')) AS v (name)"
         " WHERE name = 'bgwriter' OR current_setting('server_version_num')::int >= 170000",),
        {"least_hours": 0},
    ),
    Fault(
        "a table that does not fit into memory",
        "database_cache",
        "postgres found",
        ("SELECT pg_stat_reset()", "CREATE TABLE large AS SELECT i, repeat('x', 1000) FROM generate_series(1, 40000) i",
         *("SELECT count(*) FROM large",) * 5),
        ("DROP TABLE large", "SELECT pg_stat_reset()"),
        {"least_gib": 0.05},
    ),
    setting("zero_damaged_pages", "on", "database_settings", "zero_damaged_pages is on, expected off"),
    setting("ignore_checksum_failure", "on", "database_settings", "ignore_checksum_failure is on, expected off"),
    setting("synchronous_commit", "off", "database_settings", "synchronous_commit is off, expected on"),
    setting("max_connections", "41", "database_settings", "max_connections was changed and waits for a restart"),
    Fault(
        "fsync off",
        "database_settings",
        "fsync is off, expected on",
        (),
        ("ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()"),
        {"ignore": ("full_page_writes", "data_checksums")},
    ),
    Fault(
        "an account that does not wait for its commits",
        "database_settings",
        "synchronous_commit is off for role upkeep_clerk, expected on",
        ("ALTER ROLE upkeep_clerk SET synchronous_commit = off",),
        ("ALTER ROLE upkeep_clerk RESET synchronous_commit",),
        dict(ACCEPTED["database_settings"]),
    ),
    Fault(
        "commits that wait for nobody",
        "database_replication",
        "commits wait for nobody of synchronous_standby_names",
        ("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"),
        ("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"),
    ),
    Fault(
        "a network that gets in without a password",
        "database_logins",
        "host shop all 0.0.0.0, lets anybody on the network in without a password",
        ("$ echo 'host shop all 0.0.0.0/0 trust' >> pg_hba.conf",),
        ("$ sed -i '$ d' pg_hba.conf",),
        dict(ACCEPTED["database_logins"]),
    ),
    Fault(
        "a line of pg_hba.conf that cannot be read",
        "database_logins",
        "line 3 of pg_hba.conf cannot be read",
        ("$ echo 'host all all 192.0.2.0/24 nothing' >> pg_hba.conf",),
        ("$ sed -i '$ d' pg_hba.conf",),
        dict(ACCEPTED["database_logins"]),
    ),
    Fault(
        "passwords in the clear",
        "database_logins",
        "has passwords sent in the clear",
        ("$ echo 'host all all 192.0.2.0/24 password' >> pg_hba.conf",),
        ("$ sed -i '$ d' pg_hba.conf",),
        dict(ACCEPTED["database_logins"]),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="act", dir="/tmp"))
    left_behind.remove_at_the_end(made)
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module", params=[13, 18])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[MajorServer]:
    made = own_server(request.param, folder / str(request.param), **OWN)
    (made.home / "data/pg_hba.conf").write_text(
        f"local all {ADMINISTRATOR} trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    made.execute(f"GRANT SELECT ON pg_hba_file_rules TO {MONITOR}")
    made.execute(f"GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {MONITOR}")
    try:
        yield made
    finally:
        made.stop()


def see(server: MajorServer, **more: Any) -> Observation:
    params = {"databases": [server.declared(**more)], "discover": False, "timeout_seconds": 60}
    [seen] = database_activity.gather(params, Host())
    assert seen.data["connected"] is True, seen.data
    return seen


def judged(check: str, seen: Observation, limits: dict[str, Any] | None = None) -> Verdict:
    module = importlib.import_module(f"upkeep.checks.databases.{check}")
    verdict = verdict_of(module.CHECK, seen, module.Limits(**(limits or {})), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("of", ["DATABASE postgres", f"ROLE {MONITOR}", "ROLE ALL"])
def test_what_is_set_for_whom_asks_is_not_taken_for_the_servers(
    server: MajorServer, of: str
) -> None:
    limits = ACCEPTED["database_settings"]
    with planted(server, (f"ALTER {of} SET synchronous_commit = off",)):
        own = judged("database_settings", see(server), limits)
    with planted(server, (f"ALTER {of} SET synchronous_commit = on",)):
        hidden = judged("database_settings", see(server), limits)
        words = shlex.split(command_of(hidden.remedy))
        grants = [one for before, one in itertools.pairwise(words) if before == "-c"]
        assert grants, hidden.remedy
        with planted(server, tuple(grants)):
            seen = judged("database_settings", see(server), limits)
        with planted(server, setting("synchronous_commit", "off", "", "").steps):
            servers = eventually(
                lambda: (
                    one
                    if (one := judged("database_settings", see(server), limits)).status
                    is Status.FAIL
                    else None
                ),
                "the server's",
            )
    with planted(
        server,
        (
            f"ALTER {of} RESET synchronous_commit",
            *setting("synchronous_commit", "off", "", "").undo,
            f"REVOKE ALL ON pg_file_settings FROM {MONITOR}",
            f"REVOKE ALL ON FUNCTION pg_show_all_file_settings() FROM {MONITOR}",
        ),
    ):
        pass

    assert own.message.startswith("synchronous_commit is off for ")
    assert own.message.count("synchronous_commit") == 1
    assert f"ALTER {of} RESET synchronous_commit" in own.remedy
    assert hidden.status is Status.UNKNOWN
    assert hidden.message.startswith("1 that the account may not see is not judged")
    assert seen.status is Status.PASS
    assert servers.message.startswith("synchronous_commit is off, expected on")
    assert "ALTER SYSTEM SET synchronous_commit = on" in servers.remedy


NAMES = {
    "psql": "psql",
    "pgAdmin 4 - DB:shop": "pgAdmin 4 - DB:shop",
    "web@app-1.example/v2.3": "web@app-1.example/v2.3",
    "a" * 40: "a" * 40,
    "": "",
    "a" * 41: "",
    "patient 12345": "",
    "CANARYAPPN990070": "",
    "4711": "",
    "O'Hara": "",
    "psql\nCANARY": "",
    "Müller": "",
}
"""By the name that a client gives, what is told of it: PostgreSQL itself makes `?` of what is not ASCII."""


@pytest.mark.parametrize("given", NAMES, ids=range(len(NAMES)))
def test_of_the_name_that_a_client_gives_only_a_plain_one_is_told(
    server: MajorServer, given: str
) -> None:
    with closing(server.connect()) as other, closing(server.connect()) as third:
        other.execute("SELECT set_config('application_name', %s, false)", [given])
        third.execute("SELECT set_config('application_name', %s, false)", [given])
        other.execute("BEGIN")
        other.execute("CREATE TABLE named (id int)")
        other.execute("SELECT pg_advisory_lock(4711)")
        thread = threading.Thread(target=third.execute, args=["SELECT pg_advisory_lock(4711)"])
        thread.start()
        waits = f"SELECT 1 FROM pg_locks WHERE pid = {third.info.backend_pid} AND NOT granted"
        eventually(lambda: server.execute(waits), "that it waits")
        seen = see(server)
        other.execute("SELECT pg_advisory_unlock(4711)")
        thread.join()
        other.execute("ROLLBACK")

    locks = seen.data["locks"]
    told = {
        one["application"]
        for one in (*seen.data["transactions"], *locks["waiters"], *locks["holders"])
        if one["account"] == ADMINISTRATOR
    }
    assert told == {NAMES[given]}
    assert "CANARY" not in str(seen.data)


class Sessions:
    """Connections by name, and statements that are at work on them."""

    def __init__(self, server: MajorServer, stack: ExitStack) -> None:
        self.server, self.stack = server, stack
        self.open: dict[str, psycopg.Connection[Any]] = {}
        self.busy: list[threading.Thread] = []

    def run(self, step: str) -> None:
        """Run one step of a fault."""
        staying = re.match(r"(\d)>(>?) ", step)
        if step.startswith("$ "):
            subprocess.run(
                step[2:],
                shell=True,
                check=True,
                cwd=self.server.home / "data",
                user=self.server.account,
            )
        elif staying is None:
            self.of("").execute(step)
        elif staying.group(2):
            self.begin(self.of(staying.group(1)), step[staying.end() :])
        else:
            self.of(staying.group(1)).execute(step[staying.end() :])

    def of(self, name: str) -> psycopg.Connection[Any]:
        if name not in self.open:
            self.open[name] = self.stack.enter_context(closing(self.server.connect()))
        return self.open[name]

    def begin(self, session: psycopg.Connection[Any], statement: str) -> None:
        """Begin a statement; return when it is at work, or waits."""

        def work() -> None:
            with suppress(psycopg.Error):
                session.execute(statement)

        self.busy.append(threading.Thread(target=work, daemon=True))
        self.busy[-1].start()
        pid = session.info.backend_pid
        question = f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'"
        eventually(lambda: self.server.execute(question), "the statement")

    def end(self) -> None:
        for session in self.open.values():
            self.server.execute(f"SELECT pg_terminate_backend({session.info.backend_pid})")
        for thread in self.busy:
            thread.join()


@contextmanager
def planted(server: MajorServer, steps: tuple[str, ...]) -> Iterator[None]:
    """Run the steps; end their sessions afterwards."""
    with ExitStack() as stack:
        sessions = Sessions(server, stack)
        for step in steps:
            sessions.run(step)
        yield
        sessions.end()


def test_a_healthy_server_raises_no_alarm(server: MajorServer) -> None:
    load(server)

    seen = see(server)

    assert seen.data["unread"] == {}
    assert seen.data["unseen"] == {}
    verdicts = {check: judged(check, seen, ACCEPTED.get(check)) for check in CHECKS}
    failures = {name: one.message for name, one in verdicts.items() if one.status is Status.FAIL}
    assert failures == {}


def load(server: MajorServer) -> None:
    """Let pgbench write, if it is here."""
    program = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))), None)
    if program is None:
        return
    common = [program, "-h", server.home, "-p", str(server.port), "-U", ADMINISTRATOR, "postgres"]
    for options in (["-i", "-q", "-s", "1"], ["-n", "-c", "4", "-t", "100"]):
        subprocess.run([*common, *options], check=True, capture_output=True)


@pytest.mark.parametrize("fault", FAULTS, ids=[one.name for one in FAULTS])
def test_a_fault_is_found_and_its_end(server: MajorServer, fault: Fault) -> None:
    with planted(server, fault.steps):

        def found() -> Verdict | None:
            verdict = judged(fault.check, see(server), fault.limits)
            return verdict if verdict.status is Status.FAIL else None

        verdict = eventually(found, "the failure")
    with planted(server, fault.undo):
        pass

    assert fault.words in verdict.message
    eventually(
        lambda: judged(fault.check, see(server), fault.limits).status is not Status.FAIL, "its end"
    )
