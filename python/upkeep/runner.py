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
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from ansible_collections.astral.upkeep.plugins.module_utils import program
from upkeep.errors import RunError

EVENT_LIMIT_CHARACTERS = 64_000_000
"""Over MAX_EVENT_RES (700,000 by default) an event silently becomes empty; hosts' answers are bounded well below."""
LAST_LINES = 12
LIST_SECONDS = 60
TERMINATE_SECONDS = 3.0
POLL_SECONDS = 1
NO_HOSTS = "leaves us with no hosts to target"
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


class Listener(Protocol):
    """Who is told. An exception of its methods ends the run."""

    def began(self, host: str) -> None:
        """Take note that work on the host begins."""

    def gave(self, host: str, upkeep: Mapping[str, Any]) -> None:
        """Take in observations and verdicts, in the shape of `observed.to_json`."""

    def lost(self, host: str, message: str) -> None:
        """Take note that a task that observes nothing could not reach the host."""

    def failed(self, host: str, task: str, message: str) -> None:
        """Take note that a task failed."""

    def changed(self, host: str, task: str, diff: str) -> None:
        """Take note that a task changed something, or would have in check mode."""

    def written(self) -> bool:
        """Say if all that was given is written down: until then its events stay on disk."""

    def stop(self) -> str:
        """Say why the work shall stop now; an empty text to go on."""


@dataclass(frozen=True)
class Ended:
    """How Ansible ended.

    complete: it came to its own end, whatever it found. no_hosts: the pattern or limit matched nothing.
    stopped: why it was stopped. last_lines: what it said last outside of events, for the cause.
    """

    complete: bool
    status: int
    no_hosts: bool = False
    stopped: str = ""
    last_lines: tuple[str, ...] = ()


def run(order: Order, listener: Listener) -> Ended:
    """Run the order's playbook and return how it ended; raise RunError if it could not be started."""
    import ansible_runner  # half a second, and only runs need it

    ears = _Ears(listener, order.workspace / "artifacts" / "run" / "job_events")
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
            event_handler=ears.hear,
            status_handler=_forget_command,
            cancel_callback=stopper.check,
        )
    except (ansible_runner.exceptions.AnsibleRunnerException, OSError) as exc:
        raise RunError(f"ansible-runner cannot start {order.playbook}: {exc}") from exc
    # What a handler has done with stays on disk until it has: after a crash, `leftovers` finds the rest.
    runner.remove_partials = False
    if shutil.which(GUARD[0]):
        runner.config.command = [*GUARD, *runner.config.command]
    runner.config.env = _environment(runner.config.env, order)
    stopper.started(runner)
    with _umask(0o077):
        try:
            runner.run()
        finally:
            stopper.end_all()
    if ears.error is not None:
        raise ears.error
    return Ended(
        complete=ears.complete and not stopper.reason,
        status=runner.rc if runner.rc is not None else -1,
        no_hosts=ears.no_hosts,
        stopped=stopper.reason,
        last_lines=tuple(ears.lines),
    )


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


def leftovers(workspace: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield host and `upkeep` of the events that a killed driver had not taken in, oldest first."""
    folder = workspace / "artifacts" / "run" / "job_events"
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*-partial.json"), key=lambda one: one.stat().st_mtime_ns):
        try:
            event = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # cut off by the crash: as good as not sent
        data = event.get("event_data") or {}
        result = data.get("res")
        if isinstance(result, dict) and isinstance(result.get("upkeep"), dict):
            yield str(data.get("host", "")), result["upkeep"]


class _Ears:
    """Turns ansible-runner's events into calls of the listener."""

    def __init__(self, listener: Listener, folder: Path) -> None:
        self.listener = listener
        self.folder = folder
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self.begun: set[str] = set()
        self.heard: list[Path] = []
        self.complete = False
        self.no_hosts = False
        self.error: Exception | None = None

    def hear(self, event: dict[str, Any]) -> bool:
        """Take the event in; forget its file once what it gave is written down.

        An exception in here would abort ansible-runner.
        """
        try:
            if self.error is None:
                self._take(event)
        except Exception as exc:  # raised again when ansible-runner has come down
            self.error = exc
        if "uuid" in event:
            self.heard.append(self.folder / f"{event['uuid']}-partial.json")
        if self.error is None and self.listener.written():
            for path in self.heard:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            self.heard.clear()
        return False

    def _take(self, event: dict[str, Any]) -> None:
        kind, data = event.get("event", ""), event.get("event_data") or {}
        host, result = str(data.get("host", "")), data.get("res") or {}
        if kind == "runner_on_start":
            if host not in self.begun:
                self.begun.add(host)
                self.listener.began(host)
        elif kind in ("runner_on_ok", "runner_on_failed", "runner_on_unreachable"):
            self._task_done(
                kind, host, str(data.get("task", "")), result, bool(data.get("ignore_errors"))
            )
        elif kind == "playbook_on_no_hosts_matched":
            self.no_hosts = True
        elif kind == "playbook_on_stats":
            self.complete = True
        elif kind in ("verbose", "error", "warning"):
            text = " ".join(str(event.get("stdout", "")).split())
            self.no_hosts = self.no_hosts or NO_HOSTS in text
            if text:
                self.lines.append(text[:500])

    def _task_done(
        self, kind: str, host: str, task: str, result: dict[str, Any], ignored: bool
    ) -> None:
        if isinstance(result.get("upkeep"), dict):
            self.listener.gave(host, result["upkeep"])
        elif kind == "runner_on_unreachable":
            self.listener.lost(host, str(result.get("msg", "")))
        elif kind == "runner_on_failed" and not ignored:
            self.listener.failed(host, task, str(result.get("msg", "")))
        elif result.get("changed"):
            self.listener.changed(host, task, _diff_text(result.get("diff")))


def _diff_text(diff: Any) -> str:
    """Return what a task's `diff` says, as text."""
    parts = diff if isinstance(diff, list) else [diff]
    texts = [
        str(part.get("prepared") or part.get("after") or "")
        for part in parts
        if isinstance(part, dict)
    ]
    return "\n".join(text for text in texts if text)


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
