"""A server of MariaDB that all tests of a run share; each has databases and accounts of its own.

Who changes what holds for the whole server does so in `alone()`, and puts it back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import shared
from patience import eventually

PASSWORD = 'it\'s a "canary" # \\ secret'
ADMINISTRATOR = "of-the-administrator"
MONITOR = "upkeep"
"""An account with the grants that the checks name, and no others."""
CLERK = "clerk"
"""An account without any right."""
GRANTS = ("PROCESS, REPLICA MONITOR, REFERENCES ON *.*", "SELECT ON mysql.global_priv")


class MariaServer:
    """A server with a socket and the accounts of above; its administrator has a password too.

    settings: as options of its command line. One whose folder is there already was started by another process.
    """

    def __init__(
        self, home: Path, *settings: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.home, self.settings = home, settings
        self.environment = environment
        self.account = "mysql" if os.geteuid() == 0 else None  # it refuses to run as root
        if not (home / "ready").exists():
            self._make()

    def _make(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if self.account:
            shutil.chown(self.home, self.account)
        self._run("mariadb-install-db", "--no-defaults", f"--datadir={self.home}/data", "--skip-test-db",
                  "--auth-root-authentication-method=normal")  # fmt: skip
        self.start()
        self.execute(f"SET PASSWORD = PASSWORD('{ADMINISTRATOR}')", password="")
        for host in self.execute("SELECT host FROM mysql.user WHERE user = 'root'").split():
            if host != "localhost":
                self.execute(f"DROP USER root@'{host}'")
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        for name in (MONITOR, CLERK):
            self.execute(f"CREATE USER {name}@localhost IDENTIFIED BY '{quoted}'")
        for grant in GRANTS:
            self.execute(f"GRANT {grant} TO {MONITOR}@localhost")
        (self.home / "ready").touch()

    def start(self) -> None:
        command = ["mariadbd", "--no-defaults", f"--datadir={self.home}/data", f"--socket={self.socket}",
                   f"--pid-file={self.home}/pid", "--skip-networking", "--innodb-buffer-pool-size=8M",
                   "--innodb-log-file-size=8M", "--innodb-flush-method=nosync", *self.settings]  # fmt: skip
        with (self.home / "log").open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", *command], user=self.account, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd="/", check=True,
            )  # fmt: skip
        eventually(lambda: Path(self.socket).exists(), "mariadbd")

    def stop(self) -> None:
        self.execute("SHUTDOWN")

    @property
    def socket(self) -> str:
        return f"{self.home}/sock"

    def client(self, database: str = "", password: str = ADMINISTRATOR) -> list[str]:
        """Return the command of the administrator's client."""
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", f"--password={password}",
                "--skip-column-names", "--unbuffered", f"--database={database}"]  # fmt: skip

    def execute(self, sql: str, database: str = "", password: str = ADMINISTRATOR) -> str:
        """Run statements that must succeed, and return what they print."""
        command = self.client(database, password)
        done = subprocess.run(command, input=sql, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def session(self, sql: str, database: str, *, waits: bool = False) -> Iterator[None]:
        """Keep a session open that has done this much; or that waits for another one, and has only begun."""
        command = self.client(database)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{sql};\nSELECT 'ready';\n".encode())
            process.stdin.flush()
            try:
                while not waits and process.stdout.readline() not in (b"ready\n", b""):
                    pass
                yield
            finally:
                process.kill()

    def fresh(self) -> str:
        """Make a database of a name that nobody else has."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def declared(self, database: str = "", user: str = MONITOR, **more: Any) -> dict[str, Any]:
        """Return how a site declares a database of it."""
        return {"kind": "mariadb", "address": self.socket, "port": None, "user": user, "password": PASSWORD,
                "name": database, "tls": False, "explain_as": None, **more}  # fmt: skip

    def alone(self) -> AbstractContextManager[Path]:
        """Let one test at a time change what holds for the whole server, or look at it."""
        return shared.alone("mariadb-alone")

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, user=self.account, stdin=subprocess.DEVNULL, capture_output=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr[-2000:]


def shared_maria() -> MariaServer:
    """Return the server that all tests of a run share; started if none has needed it."""
    for program in ("mariadbd", "mariadb-install-db", "mariadb"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"{program} is not installed")
    with shared.alone("mariadb") as home:
        if home.exists() and not (home / "ready").exists():
            shutil.rmtree(home)  # of who was killed while it made it
        return MariaServer(home, environment=shared.environment())
