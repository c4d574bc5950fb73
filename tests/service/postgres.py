"""A private PostgreSQL server for tests: the program of this machine, on a Unix socket only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import left_behind
import psycopg
import pytest
import shared
from psycopg import sql

USER = "upkeep"


def program(name: str) -> str:
    """Return the program from PATH or from where Debian keeps it; skip without it, or fail in CI."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name) or shutil.which(name, path=":".join(map(str, folders)))
    if found is None:
        pytest.skip(f"{name} is neither on PATH nor Debian's")
    return found


class Postgres:
    """A server that can be stopped and started again.

    home: of one that is shared, which must then be there; None for a new one of one's own.
    """

    def __init__(self, encoding: str = "UTF8", home: Path | None = None) -> None:
        self.pg_ctl = program("pg_ctl")
        self.environment = None if home is None else shared.environment()
        if home is None:
            home = Path(tempfile.mkdtemp(prefix="upkeep-pg-"))
            left_behind.remove_at_the_end(home)
        self.home = home
        # The server refuses to run as root.
        self.account = "postgres" if os.geteuid() == 0 else None
        if (home / "data").exists():
            return
        if self.account:
            shutil.chown(self.home, self.account)
        arguments = ["-U", USER, "-A", "trust", "-E", encoding, "--locale=C", "--no-sync"]
        self._run([program("initdb"), "-D", f"{self.home}/data", *arguments])
        self.start()

    def start(self) -> None:
        # A few settings that cost durability only, which nothing here relies on.
        settings = (
            "-c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=100"
        )
        options = f"{settings} -c unix_socket_directories={self.home}"
        self._run([*self._control, "-l", f"{self.home}/log", "-w", "-o", options, "start"])

    def stop(self, mode: str = "fast") -> None:
        self._run([*self._control, "-m", mode, "-w", "stop"])

    def close(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@/{database}?host={self.home}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database and return its URL."""
        with psycopg.connect(
            f"host={self.home} user={USER} dbname=postgres", autocommit=True
        ) as db:
            copied = " STRATEGY FILE_COPY" if db.info.server_version >= 15_00_00 else ""
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}" + copied)
            db.execute(create.format(sql.Identifier(database), sql.Identifier(template)))
        return self.url(database)

    def fresh(self, template: str = "template1") -> str:
        """Make a database of a name that nobody else has, and return its URL."""
        return self.create(f"test_{uuid.uuid4().hex}", template)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected with it."""
        database = url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(
            f"host={self.home} user={USER} dbname=postgres", autocommit=True
        ) as db:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            db.execute(drop.format(sql.Identifier(database)))

    @property
    def _control(self) -> list[str]:
        return [self.pg_ctl, "-D", f"{self.home}/data"]

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command,
            user=self.account,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            cwd="/",
        )
        if done.returncode:
            log = self.home / "log"
            pytest.fail(
                f"{command} ended as {done.returncode}\n{log.read_text() if log.exists() else ''}"
            )
