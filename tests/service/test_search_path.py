"""PostgreSQL looks a bare name up along a path that roles and databases may set: ours is our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from service.postgres import Postgres
from sqlalchemy import text
from store_samples import NOW

from upkeep.model.errors import StoreError
from upkeep.model.roles import Role
from upkeep.store import Store, migrate, open_store, users
from upkeep.store.engine import engines

HASH = "$argon2id$nobody"


class Shadowed:
    """A database whose tables stand in `public`, and a role `app` that owns a schema of its own name in it.

    template: a database that is all that already.
    """

    def __init__(self, server: Postgres, template: str = "") -> None:
        self.server = server
        admin = server.fresh(template or "template1")
        self.database = admin.partition("?")[0].rpartition("/")[2]
        self.admin, self.url = admin, server.url(self.database, "app")
        if not template:
            self._fill()

    def _fill(self) -> None:
        self.say("GRANT CREATE, USAGE ON SCHEMA public TO app")
        migrate(self.url)
        with closing(open_store(self.url)) as store, store.begin() as db:
            users.add(db, "ada", Role.ADMIN, HASH, NOW)
        self.say("CREATE SCHEMA app AUTHORIZATION app")

    def say(self, *statements: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as db:
            for one in statements:
                db.execute(one)

    def plant(self, schema: str = "app") -> None:
        """Let a table of users stand in another schema; in it, mallory is an admin."""
        self.say(
            f"CREATE TABLE {schema}.app_user (LIKE public.app_user INCLUDING ALL)",
            f"INSERT INTO {schema}.app_user (name, person, role, password_hash, shared, created_at)"
            f" VALUES ('mallory', '', 'admin', '{HASH}', false, now())",
            f"GRANT ALL ON SCHEMA {schema} TO app",
            f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO app",
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this module's own, for roles hold for all of its databases."""
    one = Postgres()
    with psycopg.connect(one.url("postgres"), autocommit=True) as db:
        db.execute("CREATE ROLE app LOGIN")
        db.execute("CREATE ROLE mallory LOGIN")
    yield one
    one.close()


@pytest.fixture(scope="module")
def template(server: Postgres) -> str:
    return Shadowed(server).database


@pytest.fixture
def shadowed(server: Postgres, template: str) -> Iterator[Shadowed]:
    made = Shadowed(server, template)
    yield made
    made.say("ALTER ROLE app RESET ALL")


def names(url: str) -> list[str]:
    """The users that a connection of ours sees, whatever is refused when a store is opened."""
    with closing(Store(*engines.connect(url))) as store, store.read() as db:
        return [one.name for one in users.everyone(db)]


PATHS = {
    "by the default": "",
    "by the role": "ALTER ROLE app SET search_path = app, public",
    "by the database": "ALTER DATABASE {} SET search_path = app, public",
    "by the role, before the catalog": "ALTER ROLE app SET search_path = app, pg_catalog, public",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_schema_of_the_roles_own_name_shadows_no_users(shadowed: Shadowed, path: str) -> None:
    shadowed.plant()
    if path:
        shadowed.say(path.format(shadowed.database))
    with psycopg.connect(shadowed.url) as db:  # as PostgreSQL itself looks it up
        assert db.execute("SELECT name FROM app_user").fetchall() == [("mallory",)]

    assert names(shadowed.url) == ["ada"]


def test_the_path_of_the_url_is_not_believed_either(shadowed: Shadowed) -> None:
    shadowed.plant()

    assert names(f"{shadowed.url}&options=-csearch_path%3Dapp") == ["ada"]


def test_a_path_that_was_changed_in_the_session_holds_for_no_other_transaction(
    shadowed: Shadowed,
) -> None:
    """As a pooler does, which hands each transaction to another session."""
    shadowed.plant()
    with closing(Store(*engines.connect(shadowed.url))) as store:
        with store.begin() as db:
            db.execute(text("SET SESSION search_path = app, public"))
        with store.read() as db:
            assert [one.name for one in users.everyone(db)] == ["ada"]


@pytest.mark.parametrize("kind", ["table", "view", "materialized view", "partitioned table"])
def test_what_has_the_name_of_a_table_in_another_schema_is_refused_with_what_to_do(
    shadowed: Shadowed, kind: str
) -> None:
    made = {
        "table": "TABLE app.session (id int)",
        "view": "VIEW app.session AS SELECT * FROM public.session",
        "materialized view": "MATERIALIZED VIEW app.session AS SELECT 1 AS one",
        "partitioned table": "TABLE app.session (id int) PARTITION BY RANGE (id)",
    }
    shadowed.say(
        f"CREATE {made[kind]}",
        f"ALTER {kind.removeprefix('partitioned ')} app.session OWNER TO mallory",
    )

    for does in (open_store, migrate):
        with pytest.raises(StoreError) as caught:
            does(shadowed.url)

        assert "'session' is in the schema 'app' (of 'mallory')" in str(caught.value)
        assert "expected it in 'public' only" in str(caught.value)
        assert 'ALTER TABLE "app"."session" SET SCHEMA public' in caught.value.remedy


def test_tables_that_all_stand_elsewhere_are_refused_and_none_are_made(
    server: Postgres,
) -> None:
    """As an older program made them, where the role had a schema of its own."""
    url = server.fresh()
    migrate(url)
    with psycopg.connect(url) as db:
        db.execute("ALTER SCHEMA public RENAME TO upkeep")
        db.execute("CREATE SCHEMA public")
        db.commit()

    for does in (open_store, migrate):
        with pytest.raises(StoreError, match="is in the schema 'upkeep'"):
            does(url)

    with psycopg.connect(url) as db:
        db.execute("DROP SCHEMA public")
        db.execute("ALTER SCHEMA upkeep RENAME TO public")
        db.commit()
    open_store(url).close()


def test_tables_of_other_names_in_other_schemas_are_not_ours_to_judge(shadowed: Shadowed) -> None:
    shadowed.say("CREATE TABLE app.bookmarks (url text)")
    with psycopg.connect(shadowed.url) as other:
        other.execute("CREATE TEMPORARY TABLE app_user (name text)")  # another session's own
        other.commit()

        open_store(shadowed.url).close()
