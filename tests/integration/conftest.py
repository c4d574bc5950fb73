"""The lab, and the command as its users type it."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import warm
from lab import hosts
from lab.certificates import Authority
from lab.fleet import Fleet, Host
from lab.site import write_site

COMMAND = [sys.executable, "-m", "upkeep.cli.main"]


def need_root() -> None:
    if os.geteuid() != 0 or not Path("/usr/sbin/sshd").exists():
        pytest.skip("the lab needs root, sshd and ip")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def fleet(authority: Authority) -> Iterator[Fleet]:
    """The hosts, for the whole session; a test that changes one puts it back."""
    need_root()
    issued = authority.issue("app.lab.example")
    made = [
        Host("web1", hosts.web(issued.certificate, issued.key, authority.pem)),
        Host("db1", hosts.database),
        Host("backup1", hosts.backup),
        Host("plain1", hosts.plain),
        Host("plain2", hosts.plain),
        Host("nopython", hosts.no_python),
        Host("readonly", hosts.read_only),
    ]
    with Fleet(made) as up:
        yield up


class Upkeep:
    """The command on one site."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.workspace = site / "work"
        self.environ = {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "PYTHONPATH")
                if name in os.environ
            },
            "LC_ALL": "C.UTF-8",
            "UPKEEP_WORKSPACE": str(self.workspace),
        }

    def __call__(
        self, *arguments: str, status: int | None = None, site: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `upkeep ARGUMENTS -i SITE`; check its exit status."""
        done = warm.run([*arguments, *self._where(site=site)], env=self.environ)
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    def command(self, *arguments: str, site: bool = True) -> list[str]:
        return [*COMMAND, *arguments, *self._where(site=site)]

    def _where(self, *, site: bool = True) -> list[str]:
        return ["-i", str(self.site)] if site else []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command and do not wait."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self(*arguments, "--json")
        assert done.stdout, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def last_run(self) -> dict[str, Any]:
        run: dict[str, Any] = self.json("run", "list")["runs"][0]
        return run


Sites = Callable[..., Upkeep]


def _variables(host: str, checks: list[Any], seconds: int | None) -> dict[str, Any]:
    limit = {} if seconds is None else {"upkeep_host_timeout_seconds": seconds}
    return {f"upkeep_checks_{host}": checks, **limit}


def make_site(
    folder: Path,
    fleet: Fleet,
    wanted: dict[str, list[Any]],
    *,
    host_seconds: dict[str, int] | None = None,
    **settings: Any,
) -> Upkeep:
    """Make a site of hosts and what each is checked for. host_seconds: the time of those that are to be given up."""
    seconds = host_seconds or {}
    groups = {
        f"only_{host}": {"hosts": {host: {}}, "vars": _variables(host, checks, seconds.get(host))}
        for host, checks in wanted.items()
    }
    return Upkeep(write_site(folder / "site", fleet, groups, settings=settings))


@pytest.fixture
def site(fleet: Fleet, tmp_path: Path) -> Sites:
    """Return a maker of sites: site({"web1": [checks], …}, **settings)."""
    return functools.partial(make_site, tmp_path, fleet)
