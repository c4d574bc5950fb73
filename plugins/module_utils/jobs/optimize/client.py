# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that works on a database for us: it is asked to cancel when this process ends, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import resource
import signal
import subprocess
import tempfile
import time
from typing import Any, Dict, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    SYSTEM_PATH,
    Host,
    HostError,
    text_of,
)

_PR_SET_PDEATHSIG = 1
LIMIT_BYTES = 30_000_000
CANCEL_SECONDS = 15.0
"""How long a server may take to end a statement that was cancelled, before its client is killed."""


class Client:
    """A started program whose input is given, and whose output is kept in files that have no name."""

    def __init__(
        self,
        host: Host,
        command: List[str],
        *,
        environment: Dict[str, str],
        script: str,
        run_as: str = "",
    ) -> None:
        """run_as: the account of this system as which it runs.

        Raises: HostError without the program, or the account.
        """
        program = host.which(command[0])
        if program is None:
            raise HostError(f"{command[0]}: no such program")
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - open until `ended`
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
        with tempfile.TemporaryFile() as given:
            given.write(script.encode("utf-8", "surrogateescape"))
            given.seek(0)
            settings = {
                "PATH": os.environ.get("PATH", "") + ":" + SYSTEM_PATH,
                "HOME": os.environ.get("HOME", "/"),
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
            }
            account = _account(run_as)
            if account:
                settings["HOME"] = account[2]
            prepare = _Preparation(account)
            try:
                # No AnsibleModule is here: a statement of hours is watched, and cancelled in time.
                self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                    [program, *command[1:]],
                    stdin=given,
                    stdout=self._out,
                    stderr=self._err,
                    env={**settings, **environment},
                    preexec_fn=prepare,
                    close_fds=True,
                    cwd="/",
                )
            except (OSError, subprocess.SubprocessError) as exc:
                raise HostError(f"{program}: {getattr(exc, 'strerror', None) or exc}") from exc

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def cancel(self) -> None:
        """Let it cancel its statement, as Ctrl-C does at a terminal; kill it if that takes too long."""
        ends = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < ends:  # between two statements it has nothing to cancel
            with contextlib.suppress(OSError):
                self._process.send_signal(signal.SIGINT)
            if self.wait(1.0):
                return
        self._process.kill()
        self.wait(CANCEL_SECONDS)

    def ended(self) -> Tuple[int, str, str]:
        """Return its status, and what it printed."""
        said = []
        for stream in (self._out, self._err):
            stream.seek(0)
            said.append(text_of(stream.read(LIMIT_BYTES)))
            stream.close()
        return self._process.wait(), said[0], said[1]


class _Preparation:
    """What a child does before it becomes the program; all is looked up before the fork."""

    def __init__(self, account: Tuple[int, int, str, List[int]] | None) -> None:
        self._account = account
        self._libc = ctypes.CDLL(None)
        self._parent = os.getpid()

    def __call__(self) -> None:
        os.setpgrp()
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        if self._account:
            uid, gid, _home, groups = self._account
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        # A change of the account clears it, so it is the last. Source: prctl(2), PR_SET_PDEATHSIG.
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != self._parent:
            os._exit(130)


def _account(name: str) -> Tuple[int, int, str, List[int]] | None:
    """Return the numbers, home and groups of another account; None for our own.

    Raises: HostError without it, or without the right to become it.
    """
    if not name:
        return None
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise HostError(f"run_as: there is no account {name!r} on this host") from None
    if found.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise HostError(f"run_as: only root can run a program as {name!r}")
    groups = os.getgrouplist(name, found.pw_gid)
    return found.pw_uid, found.pw_gid, found.pw_dir, groups


def values_of(environment: Dict[str, Any]) -> Dict[str, str]:
    """Return the settings of an environment that have a value."""
    return {name: str(value) for name, value in environment.items() if value}
