"""Real daemons for tests, and a fresh store on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service.postgres import Postgres

from upkeep.store import Store, migrate, open_store


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private server; its database `upkeep_template` has the schema."""
    server = Postgres()
    try:
        migrate(server.create("upkeep_template"))
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database with the schema, on each of the two."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path}/state/upkeep.db"
        migrate(made)
        return made
    server = request.getfixturevalue("postgres")
    return str(server.fresh("upkeep_template"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store on each database."""
    opened = open_store(url)
    yield opened
    opened.close()
