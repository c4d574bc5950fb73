"""PostgreSQL of each major version, as a server of the tests' own: tools/install-test-servers has put it here.

A server of each version is shared by all tests of a run; each test has databases and roles of its own. Who changes what
holds for a whole server, or stops it, takes one of its own: `MajorServer(version, home)`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
import shared
from psycopg import sql

ADMINISTRATOR = "keeper"
PASSWORD = 'it\'s a "canary" # \\ secret'
MONITOR = "upkeep_monitor"
"""A member of pg_monitor, and of nothing else."""
CLERK = "upkeep_clerk"
"""An account without any right of its own."""
CACHES = (
    Path("/var/cache/upkeep-tests"),
    Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "upkeep-tests"),
)
MAJORS = (13, 14, 15, 16, 17, 18)
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "shared_preload_libraries": "pg_stat_statements",
    "track_io_timing": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
}


def programs(major: int) -> Path:
    """Return the folder of a version's programs; skip without it."""
    for cache in CACHES:
        for folder in sorted(cache.glob(f"postgresql-{major}.*")):
            if (folder / "ready").exists():
                return folder / "bin"
    pytest.skip(f"PostgreSQL {major} is not installed: tools/install-test-servers")


class MajorServer:
    """A server with TCP on loopback (SCRAM) and a socket (trust), and the accounts of above.

    settings: besides those of all. One whose folder is there already is one that another process has started.
    """

    def __init__(
        self,
        major: int,
        home: Path,
        settings: Mapping[str, str] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.major, self.home = major, home
        self.programs = programs(major)
        self.account = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        self.environment = environment
        if (home / "port").exists():
            self.port = int((home / "port").read_text())
            return
        home.mkdir(parents=True, exist_ok=True)
        if self.account:
            shutil.chown(home, self.account)
        self._run(
            "initdb",
            "-D",
            f"{home}/data",
            "-U",
            ADMINISTRATOR,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        )
        (home / "data/pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        own = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(home),
        }
        self.settings = {
            **SETTINGS,
            "password_encryption": "scram-sha-256",
            **own,
            **(settings or {}),
        }
        with (home / "data/postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self.settings.items())
        self.start()
        for role, right in ((MONITOR, " IN ROLE pg_monitor"), (CLERK, "")):
            self.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}" + right).format(
                    sql.Identifier(role), PASSWORD
                )
            )
        (home / "port").write_text(str(self.port))

    def start(self) -> None:
        self._run("pg_ctl", "-D", f"{self.home}/data", "-l", f"{self.home}/log", "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", f"{self.home}/data", "-m", mode, "-w", "stop")

    def postmaster(self) -> int:
        """Return the server's process."""
        return int((self.home / "data/postmaster.pid").read_text().split()[0])

    def connect(
        self, database: str = "postgres", user: str = ADMINISTRATOR
    ) -> psycopg.Connection[Any]:
        """Return a connection through the socket, without a transaction."""
        return psycopg.connect(
            host=str(self.home), port=self.port, user=user, dbname=database, autocommit=True
        )

    def execute(
        self, statement: Any, database: str = "postgres", user: str = ADMINISTRATOR
    ) -> list[Any]:
        """Run one statement and return its rows."""
        with self.connect(database, user) as db:
            cursor = db.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def fresh(self) -> str:
        """Make a database of a name that nobody else has."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def declared(
        self, database: str = "postgres", user: str = MONITOR, **more: Any
    ) -> dict[str, Any]:
        """Return how a site declares a database of it."""
        return {"kind": "postgresql", "address": "127.0.0.1", "port": self.port, "user": user, "password": PASSWORD,
                "name": database, "tls": False, "explain_as": None, **more}  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([str(self.programs / program), *arguments], user=self.account, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd="/")  # fmt: skip
        if done.returncode:
            log = self.home / "log"
            said = log.read_text()[-4000:] if log.exists() else ""
            pytest.fail(
                f"{program} of PostgreSQL {self.major} ended as {done.returncode}\n{re.sub(PASSWORD, '***', said)}"
            )


def shared_server(major: int) -> MajorServer:
    """Return the server of this version that all tests of a run share; started if none has needed it."""
    programs(major)
    with shared.alone(f"postgresql-{major}") as home:
        if home.exists() and not (home / "port").exists():
            shutil.rmtree(home)  # of who was killed while it made it
        return MajorServer(major, home, environment=shared.environment())


def own_server(major: int, folder: Path, **settings: str) -> MajorServer:
    """Return a server of the test's own, which must stop it; the folder is short, as a socket's path is."""
    left_behind.remove_at_the_end(folder)
    return MajorServer(major, folder, settings)
