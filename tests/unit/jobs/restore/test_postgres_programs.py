"""The version of PostgreSQL that restores a backup is the lowest that can; none is told with what is needed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    PostgresPrograms,
    at_least,
    exactly,
    restricted_psql,
)


class Installed(Host):
    """A host with these versions, each in Debian's place."""

    def __init__(self, *versions: str) -> None:
        self.versions = {f"/usr/lib/postgresql/{one}/bin": one for one in versions}

    def glob(self, pattern: str, limit: int = 10_000) -> list[str]:
        return list(self.versions) if pattern == "/usr/lib/postgresql/*/bin" else []

    def exists(self, path: str) -> bool:
        return True

    def run(self, command: list[str], *_arguments: Any, **_options: Any) -> Any:
        version = self.versions[command[0].rpartition("/")[0]]
        return SimpleNamespace(out=f"x (PostgreSQL) {version} (Debian {version}-1)\n", status=0)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [((13, 4), "15.18"), ((15, 20), "15.18"), ((16,), "17.6"), ((9, 4, 1), "9.6.24")],
)
def test_the_lowest_version_that_can_is_taken(wanted: tuple[int, ...], found: str) -> None:
    assert at_least(wanted, Installed("17.6", "9.6.24", "15.18")).words == found


def test_a_base_backup_needs_its_own_version() -> None:
    host = Installed("17.6", "15.18")

    assert exactly((15,), host).words == "15.18"
    with pytest.raises(NotTriedError, match="PostgreSQL 16 and no other") as told:
        exactly((16,), host)
    assert told.value.next_step.startswith(
        "apt-get install --yes --no-install-recommends postgresql-16"
    )


def test_an_old_psql_gives_way_to_a_newer_one_or_nothing_is_run() -> None:
    old = PostgresPrograms("/usr/lib/postgresql/15.13/bin", (15, 13))

    assert restricted_psql(old, Installed("15.13", "17.6")).words == "17.6"
    with pytest.raises(NotTriedError, match="restricted mode"):
        restricted_psql(old, Installed("15.13", "14.19"))


def test_programs_below_usr_are_in_sight_and_others_are_shown() -> None:
    assert PostgresPrograms("/usr/lib/postgresql/15/bin", (15,)).shown() == []
    assert cast(Any, PostgresPrograms("/opt/nowhere/bin", (15,))).shown() == []
