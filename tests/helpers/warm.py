"""The command as a process of its own, without loading it anew each time: it is forked from one that has loaded it.

Most of a second of each `upkeep …` goes into importing its libraries, and tests call it a thousand times. What is
forked has the arguments, variables, folder and three streams of the call, as a new process would; it ends as one, too.
Tests of how the program begins (its signals, its terminal, Python's own options) start it anew.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import command_runner
import left_behind
from patience import PATIENCE_SECONDS

KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", left_behind.MARK)
PAYLOAD = "ansible_collections.astral.upkeep.plugins.plugin_utils.payload"
LOADED = (
    "alembic.command",
    "ansible_runner",
    "pexpect",
    "pydantic.type_adapter",
    "upkeep.run.agent",
    "upkeep.cli.alerts",
    "upkeep.cli.main",
    "upkeep.cli.run",
    "upkeep.cli.runs",
    "upkeep.cli.occurrences",
    "upkeep.cli.reviews",
    "upkeep.cli.schedule",
    "upkeep.store",
    "upkeep.cli.users",
    "upkeep.view.lists",
    "upkeep.cli.waivers",
)

_servers: dict[int, _Server] = {}
_starting = threading.Lock()


class _Server:
    """The process that has loaded the command. What it prints itself is kept, to be told if it ends before its time."""

    def __init__(self) -> None:
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("")  # a name that the kernel chooses, in no folder
            listening.listen(16)
            self.address = listening.getsockname()
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(listening.fileno()), str(os.getpid())],
                pass_fds=[listening.fileno()],
                stderr=self.printed,
                start_new_session=True,
                # Not what a single test has set: the server is there for all of them.
                env={name: os.environ[name] for name in KEPT if name in os.environ},
            )

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.printed.close()

    def has_ended(self) -> bool:
        """Whether somebody has ended it, which is told: the kernel when memory is short, or a test of kills."""
        if self.process.poll() is None:
            return False
        self.printed.seek(0)
        print(
            f"the server of commands ended with {self.process.returncode}; a new one begins",
            self.printed.read().decode(errors="replace"),
            file=sys.stderr,
        )
        return True


def run(
    arguments: Sequence[str], *, env: Mapping[str, str] | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `upkeep ARGUMENTS` to its end. env: all of its variables, those of the tests if not said."""
    with contextlib.ExitStack() as stack:
        reads, says, complains = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        reads.write(given.encode())
        reads.seek(0)
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.settimeout(PATIENCE_SECONDS)
        server.connect(_server())
        socket.send_fds(server, [b"!"], [one.fileno() for one in (reads, says, complains)])
        call = {
            "arguments": list(arguments),
            "env": dict(os.environ if env is None else env),
            "folder": str(Path.cwd()),
        }
        server.sendall(json.dumps(call).encode())
        server.shutdown(socket.SHUT_WR)
        status = b"".join(iter(lambda: server.recv(100), b""))
        for one in (says, complains):
            one.seek(0)
        output, complaint = (one.read().decode() for one in (says, complains))
    return subprocess.CompletedProcess(["upkeep", *arguments], int(status), output, complaint)


def _server() -> bytes:
    """Return the address of this process's server, which ends with this process."""
    with _starting:
        if os.getpid() not in _servers or _servers[os.getpid()].has_ended():
            _servers[os.getpid()] = _Server()
        return _servers[os.getpid()].address


def end() -> None:
    """Stop this process's server."""
    if os.getpid() in _servers:
        _servers.pop(os.getpid()).end()


# --- the server ------------------------------------------------------------------------------------------------------
def main() -> None:
    """Take calls until who has started this one is gone. Single-threaded, as what forks must be."""
    for name in LOADED:
        importlib.import_module(name)
    command_runner.get_command(importlib.import_module("upkeep.cli.main").cli)
    importlib.import_module("upkeep.judging.check").load()
    importlib.import_module(PAYLOAD).gathers()
    importlib.metadata.version("upkeep")
    gc.freeze()  # so that what is forked does not copy what it shares
    listening = socket.socket(fileno=int(sys.argv[1]))
    listening.settimeout(1)
    while os.getppid() == int(sys.argv[2]):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        try:
            asked, _ = listening.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            os.setpgid(0, 0)  # a command that ends its own group does not end the server
            listening.close()
            asked.setblocking(True)
            _answer(asked)
        asked.close()


def _answer(asked: socket.socket) -> None:
    """Fork the command and say how it has ended; only the command itself returns from here."""
    _, streams, _, _ = socket.recv_fds(asked, 1, 3)
    call = json.loads(b"".join(iter(lambda: asked.recv(1 << 16), b"")))
    command = os.fork()
    if command:
        for one in streams:
            os.close(one)
        _, status = os.waitpid(command, 0)
        asked.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    asked.close()
    for number, one in enumerate(streams):
        os.dup2(one, number)
        os.close(one)
    _become(call["arguments"], call["env"], call["folder"])


def _become(arguments: list[str], env: dict[str, str], folder: str) -> NoReturn:
    """Be the command, as `python -m upkeep.cli.main` would be, and end as it does."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    sys.argv = ["upkeep", *arguments]
    from upkeep.cli import main as cli

    status = 1
    try:
        cli.main()
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        traceback.print_exc()
    # What Python does at its end, but for taking apart all that was loaded.
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for one in (sys.stdout, sys.stderr):
        one.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
