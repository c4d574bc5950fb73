"""Real daemons for tests, and a fresh store on each database."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shared
from service.browser import chromium
from service.copies import Copies, T
from service.postgres import Postgres
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine.default import DefaultDialect

from upkeep.store import Store, migrate, open_store

TEMPLATE = "upkeep_template"
on_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
"""For tests of what is above the store's statements: one database is enough, and those of the commands and of the page
have SQLite."""


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Let a statement that one engine has compiled serve all: each test opens its own, of the same two kinds."""
    kept: dict[Any, Any] = {}

    def create(*arguments: Any, **options: Any) -> Engine:
        engine = create_engine(*arguments, **options)
        engine.update_execution_options(compiled_cache=kept)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upkeep.store.engine.engines.create_engine", create)
        patch.setattr(DefaultDialect, "__eq__", lambda one, other: type(one) is type(other))
        patch.setattr(DefaultDialect, "__hash__", lambda one: hash(type(one)))
        yield


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """A server that all processes of the tests share; its database `upkeep_template` has the schema.

    Who stops it, or changes what holds for all of its databases, takes one of its own.
    """
    with shared.alone("postgres") as home:
        ready = home / "ready"
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)  # of who was killed while it made it
            home.mkdir()
        server = Postgres(home=home)
        if not ready.exists():
            migrate(server.create(TEMPLATE))
            ready.touch()
    return server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server of the test's own."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def _sqlite_template() -> Path:
    """A SQLite file with the schema: to copy it takes a hundredth of the time that the migrations take."""
    with shared.alone("sqlite") as folder:
        path, ready = folder / "upkeep.db", folder / "ready"
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            migrate(f"sqlite:///{path}")
            ready.touch()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """The URL of a fresh file with the schema."""
    path = tmp_path / "state" / "upkeep.db"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh database with the schema, on each of the two."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: Postgres = request.getfixturevalue("postgres")
    fresh = server.fresh(TEMPLATE)
    yield fresh
    server.drop(fresh)


@pytest.fixture(scope="module")
def copies(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Callable[[Store], T]], Copies[T]]:
    """Return a function that takes what fills a store, and gives copies of it."""
    folder = tmp_path_factory.mktemp("copies")

    def postgres() -> Postgres:
        found: Postgres = request.getfixturevalue("postgres")
        return found

    def fresh(kind: str) -> str:
        if kind == "postgresql":
            return postgres().fresh(TEMPLATE)
        path = folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), path)
        return f"sqlite:///{path}"

    return lambda fill: Copies(fill, fresh, postgres, folder)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store on each database."""
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Not for longer: while Playwright runs, nothing else in this thread may use asyncio."""
    with chromium() as running:
        yield running
