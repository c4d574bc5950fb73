"""The store's schema: what opens, what does not and what is said of it, and what queries lean on."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from service.postgres import Postgres
from sqlalchemy import inspect, text

from upkeep.model.errors import ConfigurationError, StoreError
from upkeep.store import MIGRATIONS, Store, migrate, open_store, runs, tables
from upkeep.store.engine import engines

NEWEST = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def problem(url: str) -> tuple[str, str]:
    """The message and remedy of opening it."""
    with pytest.raises((StoreError, ConfigurationError)) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.remedy


def test_the_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    with store.read() as db:
        context = MigrationContext.configure(db, opts={"compare_type": True})

        assert compare_metadata(context, tables.metadata) == []


def test_a_sqlite_file_is_made_at_first_use_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state" / "upkeep.db"
    before = os.umask(0)
    try:
        open_store(f"sqlite:///{path}").close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    script = "import sys; from upkeep.store import open_store; open_store(sys.argv[1])"
    url = f"sqlite:///{tmp_path}/state/upkeep.db"
    started = [
        subprocess.Popen([sys.executable, "-c", script, url], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    assert [one.communicate()[1] for one in started] == [""] * 4


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "upkeep.db"

    assert problem(f"sqlite:///{path}") == (
        f"{path.parent}: file exists",
        "set UPKEEP_STATE to a folder that can be written",
    )


def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but somebody's notes " * 99)

    assert problem(f"sqlite:///{path}") == (
        f"{path}: not a database",
        "move the file away, or set UPKEEP_DATABASE",
    )
    assert path.read_text().startswith("not a database, but")


def test_another_programs_database_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "places.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (url)")
    db.close()

    message, remedy = problem(f"sqlite:///{path}")

    assert message == f"{path}: holds another program's tables, such as 'bookmarks'"
    assert remedy == "give Upkeep a database of its own (UPKEEP_DATABASE)"
    with pytest.raises(StoreError):
        migrate(f"sqlite:///{path}")
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    db.close()


def test_a_database_newer_than_the_program_is_left_alone(url: str, store: Store) -> None:
    with store.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    message, remedy = problem(url)

    assert message == f"{store.place}: its version is 9999, newer than this program's {NEWEST}"
    assert remedy == "install the newer Upkeep that wrote it"
    with pytest.raises(StoreError, match="newer than this program's"):
        migrate(url)


def test_a_server_without_the_schema_asks_for_the_upgrade(postgres: Postgres) -> None:
    url = postgres.fresh()

    message, remedy = problem(url)

    assert message.endswith(f": its version is none; this program needs {NEWEST}")
    assert remedy == "upkeep db upgrade"
    assert migrate(url) == NEWEST
    open_store(url).close()


def test_two_upgrades_at_once_are_one_after_the_other(postgres: Postgres) -> None:
    url = postgres.fresh()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(migrate, [url, url])) == [NEWEST, NEWEST]


def test_a_server_that_is_away_is_named_without_the_password(tmp_path: Path) -> None:
    message, remedy = problem(
        f"postgresql://upkeep:s3cret@/upkeep?host={tmp_path}&sslpassword=s3cret"
    )

    assert "connection is bad" in message or "No such file or directory" in message
    assert message.startswith(f"PostgreSQL database upkeep on {tmp_path}: ")
    assert "s3cret" not in message + remedy
    assert remedy.startswith("check that the server runs")


def test_a_wrong_password_is_named_without_the_password(own_postgres: Postgres) -> None:
    rules = own_postgres.home / "data" / "pg_hba.conf"
    before = rules.read_text()
    try:
        rules.write_text("local all other scram-sha-256\n" + before)
        url = own_postgres.fresh()
        with contextlib.closing(Store(*engines.connect(url))) as admin, admin.begin() as db:
            db.execute(text("CREATE ROLE other LOGIN PASSWORD 'right'"))
            db.execute(text("SELECT pg_reload_conf()"))
        wrong = url.replace("upkeep@", "other:wr0ng@")

        message, remedy = problem(wrong)
    finally:
        rules.write_text(before)

    assert 'password authentication failed for user "other"' in message
    assert "wr0ng" not in message + remedy
    assert "UPKEEP_DATABASE" in remedy


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("upkeep.db", "no database URL"),
        ("postgresql://u:s3cret@host:port/x", "no database URL"),
        ("mysql://u:s3cret@host/x", "'mysql' is not supported"),
        ("sqlite://", "SQLite needs a file"),
    ],
)
def test_a_url_that_names_no_database_of_ours(url: str, message: str) -> None:
    said, _remedy = problem(url)

    assert message in said
    assert "expected sqlite:////path/file.db or postgresql://<user>@host/name" in said
    assert "s3cret" not in said


def test_a_database_that_is_not_utf8_is_refused() -> None:
    server = Postgres(encoding="SQL_ASCII")
    try:
        message, remedy = problem(server.create("ascii"))
    finally:
        server.close()

    assert message.endswith(": its encoding is SQL_ASCII; expected UTF8")
    assert remedy.startswith("createdb")


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from sqlalchemy import Engine, event
    from upkeep.store import migrate

    left = int(sys.argv[2])

    @event.listens_for(Engine, "after_cursor_execute")
    def count(_connection, _cursor, statement, *_rest):
        global left
        left -= statement.lstrip().startswith(("CREATE", "INSERT", "UPDATE"))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate(sys.argv[1])
    """
)


@pytest.mark.parametrize("statements", [1, 9, 21])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_28_a_migration_killed_halfway_leaves_the_old_schema(
    backend: str, statements: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lite = backend == "sqlite"
    url = f"sqlite:///{tmp_path}/upkeep.db" if lite else request.getfixturevalue("postgres").fresh()

    killed = subprocess.run([sys.executable, "-c", KILLED, url, str(statements)])

    assert killed.returncode == -signal.SIGKILL
    with contextlib.closing(Store(*engines.connect(url))) as store, store.read() as db:
        assert inspect(db).get_table_names() == []
    assert migrate(url) == NEWEST
    open_store(url).close()


def test_tables_that_are_not_those_of_their_revision_are_named_with_what_to_do(url: str) -> None:
    with contextlib.closing(open_store(url)) as store:
        with store.begin() as db:
            db.execute(text("ALTER TABLE run RENAME COLUMN observations_kept TO kept"))
        with pytest.raises(StoreError) as caught, store.read() as db:
            runs.recent(db, 1)
    assert "observations_kept" in str(caught.value)
    assert caught.value.remedy.startswith("its tables are not those of its revision: restore it")
