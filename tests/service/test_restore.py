"""What a restore makes of a database: our tables and guards, the backup's rows, nobody signed in, and what is said of it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import warm
from recorded_store import Recorded, shown
from service.conftest import on_postgresql
from service.postgres import Postgres, program
from service.test_backup import ACT, KEY, back_up, count, fill, lines_of, restore
from service.test_search_path import Shadowed
from service.test_store_of_before import changed
from sqlalchemy import Connection, func, insert, select, text
from store_samples import NOW, SITE

from upkeep.model.errors import StoreError, UsageError
from upkeep.model.roles import Role
from upkeep.store import (
    Store,
    acts,
    migrate,
    open_store,
    revisions,
    sessions,
    silences,
    tables,
    users,
)
from upkeep.store.engine import backup, engines, layout
from upkeep.store.silences import NewSilence

OLD = Recorded("0008")
HASH, OTHER_HASH = "$argon2id$one", "$argon2id$other"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "upkeep.backup"


@pytest.fixture(params=["sqlite", "postgresql"])
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A function that gives the URL of a database without anything in it."""
    made: list[str] = []

    def empty() -> str:
        if request.param == "sqlite":
            return f"sqlite:///{tmp_path}/{len(made)}/upkeep.db"
        server: Postgres = request.getfixturevalue("postgres")
        made.append(server.fresh())
        return made[-1]

    yield empty
    for one in made:
        request.getfixturevalue("postgres").drop(one)


def differences(url: str) -> list[str]:
    with closing(Store(*engines.connect(url))) as store, store.read() as db:
        return layout.differences(db, revisions()[-1])


def say(url: str, *statements: str) -> None:
    """Run statements as the database's owner does, past all of ours."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
            for one in statements:
                db.execute(one)
            db.commit()
        return
    with psycopg.connect(url, autocommit=True) as server:
        for one in statements:
            server.execute(one)


# --- the tables ------------------------------------------------------------------------------------------------------
@on_postgresql
def test_the_list_of_guards_is_what_the_migrations_make(store: Store) -> None:
    with store.read() as db:
        found = layout.postgresql_guards(db)

    assert found == layout.GUARDS.read_text().splitlines(), "write these lines into the list"


def test_what_the_migrations_make_is_ours(url: str) -> None:
    assert differences(url) == []


PLANTED = {
    "sqlite": {
        "no guards": (
            ["DROP TRIGGER act_no_delete", "DROP TRIGGER signature_no_update"],
            "missing: trigger act_no_delete of act",
        ),
        "a trigger": (
            [
                "CREATE TRIGGER evil AFTER INSERT ON session BEGIN UPDATE app_user SET role = 'admin'; END"
            ],
            "not ours: trigger evil of session",
        ),
        "a guard that guards nothing": (
            [
                "DROP TRIGGER act_no_delete",
                "CREATE TRIGGER act_no_delete BEFORE DELETE ON act BEGIN SELECT 1; END",
            ],
            "different from ours: trigger act_no_delete of act",
        ),
        "a view": (["CREATE VIEW evil AS SELECT 1"], "not ours: view evil"),
        "a table": (["CREATE TABLE evil (id)"], "not ours: table evil"),
        "an index": (
            ["CREATE UNIQUE INDEX evil ON run (status)"],
            "not ours: index evil of run",
        ),
        "a column": (
            ["ALTER TABLE app_user ADD COLUMN evil TEXT DEFAULT 'admin'"],
            "different from ours: table app_user",
        ),
    },
    "postgresql": {
        "no guards": (
            [
                "DROP TRIGGER act_only_added ON act",
                "DROP TRIGGER signature_only_added ON signature",
            ],
            "missing: CREATE TRIGGER act_only_added",
        ),
        "a guard that is off": (
            ["ALTER TABLE act DISABLE TRIGGER act_only_added"],
            "missing: CREATE TRIGGER act_only_added",
        ),
        "a trigger": (
            [
                "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN UPDATE app_user SET role = 'admin'; RETURN NEW; END $$",
                "CREATE TRIGGER evil AFTER INSERT ON session FOR EACH ROW EXECUTE FUNCTION evil()",
            ],
            "not ours: CREATE TRIGGER evil",
        ),
        "a guard that guards nothing": (
            [
                "CREATE OR REPLACE FUNCTION upkeep_only_added() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RETURN NEW; END $$"
            ],
            "not ours: function upkeep_only_added()",
        ),
        "a function": (
            ["CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT ''admin'''"],
            "not ours: function lower(character varying)",
        ),
        "a procedure": (
            ["CREATE PROCEDURE evil() LANGUAGE sql AS 'SELECT 1'"],
            "not ours: function evil()",
        ),
        "an aggregate": (
            ["CREATE AGGREGATE evil(int) (SFUNC = int4pl, STYPE = int)"],
            "not ours: function evil(integer)",
        ),
        "a view": (["CREATE VIEW evil AS SELECT 1 AS one"], "not ours: relation evil v"),
        "a materialized view": (
            ["CREATE MATERIALIZED VIEW evil AS SELECT name FROM app_user"],
            "not ours: relation evil m",
        ),
        "a table": (["CREATE TABLE evil (id int)"], "remove_table"),
        "a table of an odd name": (['CREATE TABLE "100%% ;--:x ""y""" (id int)'], "remove_table"),
        "a sequence": (["CREATE SEQUENCE evil"], "not ours: relation evil S"),
        "a rule": (
            ["CREATE RULE evil AS ON INSERT TO session DO ALSO UPDATE app_user SET role = 'admin'"],
            "not ours: relation session r rules",
        ),
        "a policy": (
            ["ALTER TABLE act ENABLE ROW LEVEL SECURITY"],
            "not ours: relation act r row security",
        ),
        "a default": (
            ["ALTER TABLE app_user ALTER COLUMN role SET DEFAULT 'admin'"],
            "not ours: default app_user.role",
        ),
        "a check": (
            ["ALTER TABLE app_user ADD CONSTRAINT evil CHECK (name <> 'ada')"],
            "not ours: constraint evil",
        ),
        "a domain": (["CREATE DOMAIN evil AS int"], "not ours: type evil d"),
        "a kind of values": (["CREATE TYPE evil AS ENUM ('a')"], "not ours: type evil e"),
        "an index": (["CREATE UNIQUE INDEX evil ON run (status)"], "remove_index"),
        "a column": (["ALTER TABLE app_user ADD COLUMN evil text"], "remove_column"),
    },
}
CASES = [(kind, what) for kind, cases in PLANTED.items() for what in cases]


@pytest.mark.parametrize(
    ("url", "what"), CASES, ids=[f"{kind}: {what}" for kind, what in CASES], indirect=["url"]
)
def test_all_that_is_planted_in_the_database_is_gone_and_ours_is_back(
    url: str, what: str, file: Path
) -> None:
    statements, told = PLANTED[url.partition(":")[0]][what]
    fill(url, 1)
    say(url, *statements)
    assert any(told in one for one in differences(url)), differences(url)

    made, odd = backup.back_up(url, file, NOW, KEY)  # its rows are as good as any
    restore(url, file)

    assert odd
    assert differences(url) == []
    assert count(url) == made.tables["run"] == 1
    with closing(open_store(url)) as store:
        with store.begin() as db:
            acts.record(db, ACT)
        with pytest.raises(StoreError, match="only added"), store.begin() as db:
            db.execute(text("DELETE FROM act"))


@on_postgresql
def test_what_cannot_be_removed_stops_the_restore(url: str, file: Path) -> None:
    """An operator in our schema is none of what is cleared; what is not ours is not left standing there unseen."""
    fill(url, 1)
    back_up(url, file)
    say(url, "CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)")
    fill(url, 1)

    with pytest.raises(StoreError, match=r"not ours: operator ===\(text,text\)") as caught:
        restore(url, file)

    assert caught.value.remedy.startswith("checked again: the old content is still there (")
    assert count(url) == 2


# --- the rows --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
@pytest.mark.parametrize("out_of", ["sqlite", "postgresql"])
def test_a_backup_of_an_older_revision_is_put_into_its_tables_and_brought_up_to_date(
    out_of: str, to: str, file: Path, tmp_path: Path, postgres: Postgres
) -> None:
    """The rows of all tables there are, in one kind of database and in the other."""
    url = OLD.on_sqlite(tmp_path / "old.db") if out_of == "sqlite" else OLD.on_postgresql(postgres)
    made = back_up(url, file)
    target = f"sqlite:///{tmp_path}/new/upkeep.db" if to == "sqlite" else postgres.fresh()

    restore(target, file, replace=False)

    assert made.schema == "0008"
    assert made.database == out_of
    assert differences(target) == []
    migrate(url)
    trusted = OLD.trusted(out_of)
    with closing(open_store(url)) as before, closing(open_store(target)) as after:
        was, now = shown(before, OLD.schedule, trusted), shown(after, OLD.schedule, trusted)
        for one in was, now:
            one.pop("acts", None)  # there is one more: the restore
        assert changed(was, now) == []
        with before.read() as one, after.read() as other:
            for table in tables.metadata.sorted_tables:
                if table.name not in ("act", "session", "sign_in_attempt"):
                    query = select(table).order_by(*table.primary_key)
                    assert other.execute(query).all() == one.execute(query).all(), table.name


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
def test_numbers_that_were_given_are_not_given_again(
    url: str, to: str, file: Path, tmp_path: Path, postgres: Postgres
) -> None:
    fill(url, 3)
    with closing(open_store(url)) as store, store.begin() as db:
        db.execute(tables.run.delete().where(tables.run.c.id > 1))  # as retention does
    back_up(url, file)
    target = f"sqlite:///{tmp_path}/new/upkeep.db" if to == "sqlite" else postgres.fresh()

    restore(target, file, replace=False)
    fill(target, 1)

    with closing(open_store(target)) as store, store.read() as db:
        assert db.execute(select(func.max(tables.run.c.id))).scalar() == 4


def test_a_table_that_was_emptied_goes_on_from_its_last_number(
    url: str, new: Callable[[], str], file: Path
) -> None:
    fill(url, 2)
    with closing(open_store(url)) as store, store.begin() as db:
        db.execute(tables.run.delete())
    back_up(url, file)
    target = new()

    restore(target, file, replace=False)
    fill(target, 1)

    with closing(open_store(target)) as store, store.read() as db:
        assert db.execute(select(tables.run.c.id)).scalars().all() == [3]


@on_postgresql
def test_a_value_that_cannot_be_kept_is_told_when_the_backup_is_made(
    sqlite_url: str, file: Path, url: str
) -> None:
    """SQLite takes any value in any column; a backup that nobody can restore would be none."""
    fill(sqlite_url, 1)
    say(sqlite_url, "UPDATE run SET driver_pid = 'x'")

    with pytest.raises(StoreError, match=r"the table 'run' cannot be kept: found 'x'"):
        back_up(sqlite_url, file)

    assert not file.exists()
    assert not backup.manifest_of(file).exists()


# --- who is signed in, and what went back ------------------------------------------------------------------------------
def test_sessions_stay_ended(url: str, file: Path) -> None:
    with closing(open_store(url)) as store:
        with store.begin() as db:
            users.add(db, "ada", Role.ADMIN, HASH, NOW)
            ada = users.get(db, "ada")
            assert ada
            token = sessions.begin(db, ada, NOW, "192.0.2.1")
            still = sessions.begin(db, ada, NOW, "192.0.2.1")
        made = back_up(url, file)
        with store.begin() as db:
            sessions.end(db, token)

    restore(url, file)

    assert "session" not in made.tables
    assert not [
        one for one in lines_of(file) if isinstance(one, dict) and one["table"] == "session"
    ]
    with closing(open_store(url)) as store, store.read() as db:
        assert users.get(db, "ada")
        assert [sessions.find(db, one, NOW) for one in (token, still)] == [None, None]


def test_what_went_back_is_listed(url: str, file: Path) -> None:
    later = NOW + timedelta(minutes=1)
    waived = {
        "site": SITE, "check_id": "disk_space", "host_pattern": "*", "subject_glob": "*", "severity": "high",
        "reason": "r", "requested_by": "ada", "requested_at": NOW, "ends_at": NOW + timedelta(days=9),
        "approved_by": "bob", "approved_at": NOW, "revoked_by": "", "revoked_why": "",
    }  # fmt: skip
    quiet = {
        "check": "*", "host": "*", "severity": 1, "reason": "r", "by": "ada",
        "at": NOW, "begins": NOW, "ends": NOW + timedelta(days=1),
    }  # fmt: skip
    with closing(open_store(url)) as store:
        with store.begin() as db:
            for name, role in {
                "ada": Role.ADMIN, "bob": Role.ADMIN, "eve": Role.OPERATOR, "max": Role.VIEWER, "zoe": Role.VIEWER,
            }.items():  # fmt: skip
                users.add(db, name, role, HASH, NOW)
            db.execute(insert(tables.waiver), [waived, waived])
            for _ in range(2):
                silences.add(db, SITE, NewSilence(**quiet))
        back_up(url, file)
        with store.begin() as db:
            users.set_role(db, "bob", Role.VIEWER)
            users.turn_off(db, "eve", later)
            users.set_password(db, "max", OTHER_HASH)
            users.add(db, "new", Role.OPERATOR, HASH, later)
            db.execute(tables.app_user.delete().where(tables.app_user.c.name == "zoe"))
            db.execute(
                tables.waiver.update()
                .where(tables.waiver.c.id == 2)
                .values(revoked_by="bob", revoked_at=later)
            )
            silences.end(db, 1, "bob", later)

    done = restore(url, file)

    assert done.back == [
        "user bob: is admin again; was viewer",
        "user eve: may sign in again; was disabled",
        "user max: has an older password again",
        "user new is gone; was operator",
        "user zoe exists again: may sign in, as viewer",
        "waiver 2 is in force again; it was revoked",
        "silence 1 is in force again; it was ended",
    ]


def test_a_restore_is_written_down(url: str, file: Path) -> None:
    back_up(url, file)

    restore(url, file)

    with closing(open_store(url)) as store, store.read() as db:
        (act,) = acts.recent(db, 9)
    assert (act.what, act.target, act.account) == ("restore backup", "upkeep.backup", "operator")


def test_of_an_empty_database_nothing_is_said_to_be_as_before(
    url: str, new: Callable[[], str], file: Path
) -> None:
    back_up(url, file)

    assert restore(new(), file, replace=False).back is None


# --- what is known ---------------------------------------------------------------------------------------------------
def test_a_server_that_goes_away_leaves_what_is_not_known(
    own_postgres: Postgres, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own_postgres.fresh()
    migrate(url)
    fill(url, 1)
    back_up(url, file)
    whole = backup._Filling.fill

    def stop(self: backup._Filling, db: Connection) -> None:
        whole(self, db)
        own_postgres.stop("immediate")

    monkeypatch.setattr(backup._Filling, "fill", stop)

    with pytest.raises(StoreError) as caught:
        restore(url, file)

    assert "still there" not in caught.value.remedy
    assert caught.value.remedy.startswith("what is in the database now is not known: ")
    own_postgres.start()
    assert count(url) == 1


# --- backups of an older program -------------------------------------------------------------------------------------
def test_a_backup_of_an_older_program_is_refused_with_what_to_do(url: str, file: Path) -> None:
    fill(url, 2)
    if url.startswith("sqlite"):
        shutil.copy(url.removeprefix("sqlite:///"), file)
    else:
        subprocess.run([program("pg_dump"), "-Fc", "-f", file, url], check=True)
    backup.manifest_of(file).write_text(
        '{"database": "x", "schema": "0008", "made_at": "x", "tables": {}, "bytes": 1, "sha256": "x"}'
    )

    with pytest.raises(StoreError, match="an older Upkeep wrote it: it is not signed") as caught:
        restore(url, file)

    assert "Backups of an older Upkeep" in caught.value.remedy
    docs = Path(__file__).parents[2] / "docs" / "install-service.md"
    assert "### Backups of an older Upkeep" in docs.read_text()
    assert count(url) == 2


def test_a_sqlite_file_of_an_older_program_is_read_as_data_and_what_is_planted_is_told(
    tmp_path: Path, file: Path
) -> None:
    """The way that the documentation gives: nothing of the file runs, and the rows are signed by us."""
    old = OLD.on_sqlite(tmp_path / "old.db")
    ran = "CREATE TRIGGER evil AFTER INSERT ON act BEGIN UPDATE app_user SET role = 'admin'; END"
    say(old, "DROP TRIGGER act_no_delete", ran)

    _made, odd = backup.back_up(old, file, NOW, KEY)
    target = f"sqlite:///{tmp_path}/new/upkeep.db"
    restore(target, file)

    assert odd == ["not ours: trigger evil of act", "missing: trigger act_no_delete of act"]
    assert differences(target) == []
    with closing(open_store(target)) as store, store.read() as db:
        assert {one.role for one in users.everyone(db)} > {Role.ADMIN}


# --- PostgreSQL's search_path -------------------------------------------------------------------------------------------
def test_backup_and_restore_go_to_our_schema_whatever_the_path_says(
    own_postgres: Postgres, file: Path
) -> None:
    with psycopg.connect(own_postgres.url("postgres"), autocommit=True) as db:
        db.execute("CREATE ROLE app LOGIN")
    shadowed = Shadowed(own_postgres)
    shadowed.say(
        "CREATE FUNCTION app.upkeep_only_added() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NEW; END $$",
        "CREATE TABLE app.bookmarks (url text)",
        "ALTER ROLE app SET search_path = app, public",
    )
    made = back_up(shadowed.url, file)
    restore(shadowed.url, file)

    assert made.tables["app_user"] == 1
    assert differences(shadowed.url) == []
    with psycopg.connect(shadowed.url) as db:
        query = "SELECT schemaname, count(*) FROM pg_tables WHERE schemaname IN ('app', 'public') GROUP BY 1"
        assert dict(db.execute(query).fetchall()) == {
            "app": 1,
            "public": len(tables.metadata.tables) + 1,
        }


def test_a_shadowed_table_stops_backup_and_restore(own_postgres: Postgres, file: Path) -> None:
    with psycopg.connect(own_postgres.url("postgres"), autocommit=True) as db:
        db.execute("CREATE ROLE app LOGIN")
    shadowed = Shadowed(own_postgres)
    back_up(shadowed.url, file)
    shadowed.plant()

    with pytest.raises(StoreError, match="'app_user' is in the schema 'app'"):
        back_up(shadowed.url, file.with_name("second"))
    with pytest.raises(StoreError, match="'app_user' is in the schema 'app'"):
        restore(shadowed.url, file)


# --- the command -------------------------------------------------------------------------------------------------------
def upkeep(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "UPKEEP_STATE": str(state), "HOME": str(state)}
    return warm.run(arguments, env=environ)


def test_the_command_says_whose_backup_it_is_and_takes_anothers_only_when_told(
    tmp_path: Path,
) -> None:
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "upkeep.backup"
    fill(f"sqlite:///{here}/upkeep.db", 2)

    made = upkeep("db", "backup", str(file), state=here)
    refused = upkeep("db", "restore", str(file), state=there)
    mark = made.stdout.strip().rpartition(" signed by ")[2]
    taken = upkeep("db", "restore", str(file), "--trust-key", mark, state=there)
    again = upkeep("db", "restore", str(file), "--replace", state=here)
    wrong = upkeep("db", "restore", str(file), "--trust-key", "SHA256:no", "--replace", state=here)
    empty = upkeep("db", "restore", str(file), "--trust-key", "", "--replace", state=here)

    assert made.returncode == 0, made.stderr
    assert (refused.returncode, refused.stdout) == (3, "")
    assert f"signed with a key that is not trusted here: {mark}" in refused.stderr
    assert f"upkeep db restore {file} --trust-key {mark}" in refused.stderr
    assert taken.returncode == 0, taken.stderr
    assert "What was there before was not read: compare the users: upkeep user list" in taken.stdout
    assert again.returncode == 0, again.stderr
    assert "No user is other than before." in again.stdout
    assert "All sessions have ended" in again.stdout
    assert count(f"sqlite:///{there}/upkeep.db") == 2
    assert wrong.returncode == empty.returncode == UsageError.exit_status
    assert "expected SHA256:" in wrong.stderr
