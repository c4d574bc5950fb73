"""Run a playbook in a process of its own and hear what it gives, as it comes.

The only importer of ansible_runner. What ansible-runner does not do is done here: stopping the work for real (its
own cancel and timeout leave Ansible's workers alive), ending with the driver, and keeping secrets off the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.astral.upkeep.plugins.module_utils import program
from upkeep import child
from upkeep.errors import RunError

EVENT_LIMIT_CHARACTERS = 64_000_000
"""Over MAX_EVENT_RES (700,000 by default) an event silently becomes empty; hosts' answers are bounded well below."""
LAST_LINES = 12
POLL_SECONDS = 0.5
CALLBACKS = Path(__file__).parent / "data" / "callback"
NO_HOSTS = "leaves us with no hosts to target"


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
    report = order.workspace / "keeper"
    stopper = _Stopper(listener, report)
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
    runner.config.command = [*child.keep(str(report)), *runner.config.command]
    told = _environment(order, runner.config.env)
    callbacks = (told.get("ANSIBLE_CALLBACK_PLUGINS", ""), str(CALLBACKS))
    runner.config.env = {**told, "ANSIBLE_CALLBACK_PLUGINS": ":".join(filter(None, callbacks))}
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


def list_hosts(order: Order, stop: child.Stop) -> list[str]:
    """Return the names of the hosts that the order's playbook would work on; empty if Ansible cannot say.

    Only Ansible knows what its patterns match. Raises RunError if it is stopped meanwhile.
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
        done = child.run(command, seconds=stop.left, environment=_environment(order), stop=stop)
    except OSError as exc:
        raise RunError(f"ansible-playbook --list-hosts: {exc}") from exc
    if done.stopped:
        raise RunError(done.stopped)
    if done.status:
        return []
    names = re.findall(r"^ {6}(\S.*)$", done.output.decode("utf-8", "replace"), re.MULTILINE)
    return list(dict.fromkeys(names))


def hosts_of(order: Order) -> list[str]:
    """Return the names of the hosts for which Ansible has begun a play, worked on or not."""
    names: list[str] = []
    with contextlib.suppress(OSError, ValueError):  # the last line may be cut off
        for line in _artifacts(order.workspace, "hosts").open(encoding="utf-8"):
            names += json.loads(line)
    return list(dict.fromkeys(names))


def end_leftovers(workspace: Path) -> int:
    """End what is left of a killed driver's run; return how many processes that were.

    Its keeper ends them at once. This is for those whose keeper was killed too.
    """
    return child.end_marked("AWX_ISOLATED_DATA_DIR", str(_artifacts(workspace)))


def _artifacts(workspace: Path, *names: str) -> Path:
    return workspace.joinpath("artifacts", "run", *names)


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
    """Asks, several times a second, if the work shall stop; then ends all of it."""

    def __init__(self, listener: Listener, report: Path) -> None:
        self.listener = listener
        self.report = report
        self.reason = ""

    def check(self) -> bool:
        """Say if ansible-runner shall cancel, after having ended all processes: it would only kill its own child."""
        self.reason = self.reason or self.listener.stop()
        if self.reason:
            self._end()
        return bool(self.reason)

    def end_all(self) -> None:
        """End every process of the run, once ansible-runner waits for none any more."""
        self._end()
        child.sweep()

    def _end(self) -> None:
        """End Ansible and all below it. The keeper, which ansible-runner has started, is left for it to reap."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            child.end_keeper(int(self.report.read_text(encoding="ascii").split()[0]))


def _forget_command(status: Mapping[str, Any], runner_config: Any) -> None:
    """Remove the file in which ansible-runner writes down the whole environment, before anything runs."""
    if status.get("status") == "running":
        Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)


def _environment(order: Order, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of Ansible: the user's own settings stay, ours are what a run relies on."""
    inherited = os.environ if inherited is None else inherited
    collections = str(Path(program.__file__).parents[5])
    other = inherited.get("ANSIBLE_COLLECTIONS_PATH", "")
    ours = {
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
    return child.told_environment(ours, inherited)


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
