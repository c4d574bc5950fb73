"""Run a playbook in a process of its own and hear what it gives, as it comes.

The only importer of ansible_runner. What ansible-runner does not do is done here: stopping the work for real (its
own cancel and timeout leave Ansible's workers alive), ending with the driver, and keeping secrets off the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from ansible_collections.astral.upkeep.plugins.module_utils import program
from upkeep import events
from upkeep.errors import RunError
from upkeep.events import Ears

EVENT_LIMIT_CHARACTERS = 64_000_000
"""Over MAX_EVENT_RES (700,000 by default) an event silently becomes empty; hosts' answers are bounded well below."""
LIST_SECONDS = 60
TERMINATE_SECONDS = 3.0
POLL_SECONDS = 1
SECRET_SETTINGS = ("UPKEEP_DATABASE", "UPKEEP_CHANNEL_", "UPKEEP_HEARTBEAT")
"""What no program of Ansible's is told: variables that begin so."""
GUARD = ("setpriv", "--pdeathsig", "TERM", "--")


@dataclass(frozen=True)
class Order:
    """What Ansible is to do.

    playbook: a collection's (`astral.upkeep.daily`) or an absolute path. variables: without secrets.
    workspace: an empty private folder, on a tmpfs where there is one; the caller removes it.
    """

    playbook: str
    inventory: str
    workspace: Path
    limit: str = ""
    check: bool = False
    diff: bool = False
    forks: int = 10
    timeout_seconds: float = 3600.0
    variables: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class Listener(events.Listener, Protocol):
    """Who is told, and who may stop the work."""

    def stop(self) -> str:
        """Say why the work shall stop now; an empty text to go on."""


@dataclass(frozen=True)
class Ended:
    """How Ansible ended.

    complete: it came to its own end, whatever it found. started: it began to work at all. no_hosts: no play has a host.
    stopped: why it was stopped. last_lines: what it said last outside of its tasks, for people only.
    open: hosts on which a task has begun and not ended, and its name. touched: hosts on which something else than
    `observe` has begun. silent: hosts that Ansible counts and of which it told nothing.
    """

    complete: bool
    status: int
    started: bool = False
    no_hosts: bool = False
    stopped: str = ""
    last_lines: tuple[str, ...] = ()
    open: Mapping[str, str] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


def run(order: Order, listener: Listener) -> Ended:
    """Run the order's playbook and return how it ended; raise RunError if it could not be started."""
    import ansible_runner  # half a second, and only runs need it

    ears = Ears(listener, _events_of(order.workspace))
    stopper = _Stopper(listener, time.monotonic() + order.timeout_seconds, order.timeout_seconds)
    try:
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(order.workspace),
            ident="run",
            playbook=order.playbook,
            inventory=order.inventory,
            limit=order.limit or None,
            cmdline=" ".join(["--check"] * order.check + ["--diff"] * order.diff) or None,
            extravars=dict(order.variables),
            settings={"pexpect_timeout": POLL_SECONDS, "suppress_output_file": True},
            quiet=True,
            status_handler=_forget_command,
            cancel_callback=stopper.check,
        )
    except (ansible_runner.exceptions.AnsibleRunnerException, OSError) as exc:
        raise RunError(f"ansible-runner cannot start {order.playbook}: {exc}") from exc
    if shutil.which(GUARD[0]):
        runner.config.command = [*GUARD, *runner.config.command]
    runner.config.env = _environment(runner.config.env, order)
    stopper.started(runner)
    with _umask(0o077), _heard_by(ears):
        try:
            runner.run()
        finally:
            stopper.end_all()
    ears.sweep()
    if ears.error is not None:
        raise ears.error
    return Ended(
        complete=ears.complete and not stopper.reason,
        status=runner.rc if runner.rc is not None else -1,
        started=ears.started,
        no_hosts=ears.no_hosts,
        stopped=stopper.reason,
        last_lines=tuple(ears.lines),
        open=dict(ears.open),
        touched=frozenset(ears.touched),
        silent=ears.silent,
    )


@contextlib.contextmanager
def _heard_by(ears: Ears) -> Iterator[None]:
    """Let Ansible's output be read by these ears: ansible-runner's own reader takes a host's text for events."""
    import ansible_runner.runner

    module = ansible_runner.runner
    before = module.OutputEventFilter
    module.OutputEventFilter = lambda *_args, **_options: ears.frames()
    try:
        yield
    finally:
        module.OutputEventFilter = before


def list_hosts(order: Order) -> list[str]:
    """Return the names of the hosts that the order's playbook would work on; empty if that cannot be found out.

    For runs that did not come to their end: only Ansible knows what its patterns match.
    """
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        order.playbook,
        "--list-hosts",
    ]
    variables = order.workspace / "variables.json"
    variables.write_text(json.dumps(dict(order.variables)), encoding="utf-8")
    variables.chmod(0o600)
    command += ["-i", order.inventory, "-e", f"@{variables}"]
    command += ["--limit", order.limit] if order.limit else []
    try:
        done = subprocess.run(
            command,
            env=_environment(os.environ, order),
            cwd=order.workspace,
            capture_output=True,
            text=True,
            timeout=LIST_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    names = re.findall(r"^ {6}(\S.*)$", done.stdout, re.MULTILINE)
    return list(dict.fromkeys(names))


def leftovers(workspace: Path, listener: events.Listener) -> None:
    """Tell of the events that a killed driver had not taken in, oldest first; raise what the listener raises."""
    ears = Ears(listener, _events_of(workspace))
    ears.sweep()
    if ears.error is not None:
        raise ears.error


def _events_of(workspace: Path) -> Path:
    """Return where Ansible's callback writes its events."""
    return workspace / "artifacts" / "run" / "job_events"


class _Stopper:
    """Asks, about every second, if the work shall stop; then ends all of it."""

    def __init__(self, listener: Listener, ends: float, timeout_seconds: float) -> None:
        self.listener = listener
        self.ends = ends
        self.timeout_seconds = timeout_seconds
        self.reason = ""
        self.known: dict[int, psutil.Process] = {}

    def started(self, runner: Any) -> None:
        """Remember whose children are ours: those that the driver has already are not."""
        self.before = {child.pid for child in psutil.Process().children()}

    def check(self) -> bool:
        """Say if ansible-runner shall cancel, after having ended all processes."""
        self._look()
        self.reason = self.reason or self.listener.stop()
        if not self.reason and time.monotonic() > self.ends:
            self.reason = f"not done after {self.timeout_seconds:g} s"
        if self.reason:
            self.end_all()
        return bool(self.reason)

    def _look(self) -> None:
        """Note all descendants: a worker whose parent has gone is no descendant any more."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process().children(recursive=True):
                if child.pid not in self.before:
                    self.known[child.pid] = child

    def end_all(self) -> None:
        """End every process of the run: ask, then kill.

        None is waited for by its number: Ansible itself is ansible-runner's to reap.
        """
        self._look()
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for process in self._alive():
                with contextlib.suppress(psutil.Error):
                    end(process)
            ends = time.monotonic() + TERMINATE_SECONDS
            while self._alive() and time.monotonic() < ends:
                time.sleep(0.02)

    def _alive(self) -> list[psutil.Process]:
        """Return what still runs; a zombie does not."""
        alive = []
        for process in self.known.values():
            with contextlib.suppress(psutil.Error):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
        return alive


def _forget_command(status: Mapping[str, Any], runner_config: Any) -> None:
    """Remove the file in which ansible-runner writes down the whole environment, before anything runs."""
    if status.get("status") == "running":
        Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)


def _environment(inherited: Mapping[str, str], order: Order) -> dict[str, str]:
    """Return the environment of Ansible: the user's own settings stay, ours are what a run relies on."""
    collections = str(Path(program.__file__).parents[5])
    other = inherited.get("ANSIBLE_COLLECTIONS_PATH", "")
    environment = {
        **inherited,
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]
        ),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(filter(None, [collections, other])),
        "ANSIBLE_FORKS": str(order.forks),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_CACHE_PLUGIN": "memory",
        "ANSIBLE_NOCOLOR": "1",
        # ansible-runner switches it off, for everybody.
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
        "MAX_EVENT_RES": str(EVENT_LIMIT_CHARACTERS),
        "UPKEEP_DRIVER": "1",
        **order.environment,
    }
    return {
        name: text for name, text in environment.items() if not name.startswith(SECRET_SETTINGS)
    }


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
