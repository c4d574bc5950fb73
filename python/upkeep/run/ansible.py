"""Run a playbook in a process of its own and hear what it gives, as it comes.

The only importer of ansible_runner. What ansible-runner does not do is done here: stopping the work for real (its
own cancel and timeout leave Ansible's workers alive), ending with the driver, and keeping secrets off the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.astral.upkeep.plugins.module_utils.host import program
from upkeep.model.errors import RunError
from upkeep.run import events
from upkeep.run.events import Ears
from upkeep.run.progress import ENVIRONMENT, ProgressFolder
from upkeep.site.machines import Machine
from upkeep.system import child

EVENT_LIMIT_CHARACTERS = 64_000_000
"""Over MAX_EVENT_RES (700,000 by default) an event silently becomes empty; hosts' answers are bounded well below."""
POLL_SECONDS = 0.5
MARK = "AWX_ISOLATED_DATA_DIR"
"""What ansible-runner tells Ansible, and Ansible all that it starts: whose they are."""
CALLBACKS = Path(__file__).parent / "callback"
LIST_HOSTS = Path(__file__).parent / "list_hosts.py"
LAST_CHARACTERS = 500


@dataclass(frozen=True)
class Order:
    """What Ansible is to do.

    playbook: a collection's (`astral.upkeep.daily`) or an absolute path. variables: without secrets.
    workspace: an empty private folder, on a tmpfs where there is one; the caller removes it. answered, silent: hosts
    that go first, for they answered last time, and hosts that go last, in this order; new ones go between them.
    seconds: how long the run may take. only: by their exact names, the hosts of the limit that are worked on; None for
    all. whole: Ansible does not begin if a source of the inventory cannot be read.
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
    answered: Collection[str] = ()
    silent: Sequence[str] = ()
    seconds: float = 3600.0
    only: Collection[str] | None = None
    whole: bool = False


class RunListener(events.EventListener, Protocol):
    """Who is notified, and who may stop the work."""

    def stop(self) -> str:
        """Return why the work must stop now; an empty text to go on."""

    def progressed(self, host: str, step: str, share: float | None) -> None:
        """Show what a long job does on the host, and how far its step is; an empty step if it does nothing now."""


@dataclass(frozen=True)
class AnsibleEnd:
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


def run(order: Order, listener: RunListener) -> AnsibleEnd:
    """Run the order's playbook and return how it ended.

    Raises: RunError if it could not be started.
    """
    import ansible_runner  # half a second, and only runs need it
    import pexpect

    turns = {
        "answered": sorted(order.answered),
        "silent": list(order.silent),
        "seconds": order.seconds,
        "forks": order.forks,
        "only": None if order.only is None else sorted(order.only),
        "whole": order.whole,
    }
    (order.workspace / "turns.json").write_text(json.dumps(turns), encoding="utf-8")
    ears = Ears(listener, _artifacts(order.workspace, "job_events"))
    report = order.workspace / "keeper"
    report.unlink(missing_ok=True)  # of the work before, in the same run
    stopper = _Stopper(listener, report)
    watch = _ProgressWatch(stopper, ears, ProgressFolder(order.workspace / "progress"))
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
            cancel_callback=watch.check,
        )
    except (ansible_runner.exceptions.AnsibleRunnerException, OSError) as exc:
        raise RunError(f"ansible-runner cannot start {order.playbook}: {exc}") from exc
    runner.config.command = [*child.keep(str(report)), *runner.config.command]
    told = _environment(order, runner.config.env)
    callbacks = (told.get("ANSIBLE_CALLBACK_PLUGINS", ""), str(CALLBACKS))
    runner.config.env = {
        **told,
        "ANSIBLE_CALLBACK_PLUGINS": ":".join(filter(None, callbacks)),
        ENVIRONMENT: str(watch.folder.path),
    }
    with _umask(0o077), _heard_by(ears):
        try:
            # It ends its work with a wait of 5 s for the rest of the output; who takes in much needs longer.
            with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
                runner.run()
        finally:
            stopper.end_all()
    ears.sweep()
    if ears.error is not None:
        raise ears.error
    return AnsibleEnd(
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
    """Read Ansible's output in place of ansible-runner, whose own reader takes a host's text for events."""
    import ansible_runner.runner

    module = ansible_runner.runner
    before = module.OutputEventFilter
    module.OutputEventFilter = lambda *_args, **_options: ears.frames()
    try:
        yield
    finally:
        module.OutputEventFilter = before


@dataclass(frozen=True)
class Listing:
    """What a playbook would work on, by one reading of the inventory.

    hosts: in the plays' order. machines: where those lead of which the inventory says it. unread: the sources that
    Ansible could not read; there may be other hosts then, and these may be other than they seem.
    """

    hosts: Sequence[str]
    machines: Mapping[str, Machine] = field(default_factory=dict)
    unread: Sequence[str] = ()


def list_hosts(order: Order, stop: child.Stop) -> Listing:
    """Return the hosts that the order's playbook would work on.

    Only Ansible knows what its patterns match.
    Raises: RunError if it cannot say, or is stopped meanwhile.
    """
    answer, variables = order.workspace / "hosts.json", order.workspace / "variables.json"
    variables.write_text(json.dumps(dict(order.variables)), encoding="utf-8")
    variables.chmod(0o600)
    command = [*child.python(), str(LIST_HOSTS), str(answer), order.playbook, "--list-hosts"]
    command += ["-i", order.inventory, "-e", f"@{variables}"]
    command += ["--limit", order.limit] if order.limit else []
    # By this mark `end_leftovers` finds it, too.
    environment = _environment(order) | {MARK: str(_artifacts(order.workspace))}
    try:
        done = child.run(command, seconds=stop.left, environment=environment, stop=stop)
    except OSError as exc:
        raise RunError(f"ansible-playbook --list-hosts: {exc}") from exc
    known = _read(answer)
    if done.stopped:
        reads = known.get("reads")
        more = f": the inventory's {reads} had not answered" if reads else ""
        raise RunError(f"{done.stopped}{more}")
    if "hosts" not in known:
        said = " ".join(done.complaint.decode("utf-8", "replace").split())
        why = said[-LAST_CHARACTERS:] or f"status {done.status}"
        raise RunError(f"Ansible cannot list the hosts: {why}")
    places = {
        host: Machine(**{**one, "through": tuple(one["through"])})
        for host, one in known["hosts"].items()
        if one
    }
    return Listing(list(known["hosts"]), places, known["unread"])


def _read(answer: Path) -> dict[str, Any]:
    """Return what run/list_hosts.py has written down; empty if nothing."""
    try:
        known: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def hosts_of(order: Order) -> list[str]:
    """Return the names of the hosts for which Ansible has begun a play, worked on or not."""
    return _told_of_inventory(order, "hosts") or []


def other_hosts(order: Order) -> list[str]:
    """Return the hosts of Ansible's plays that were left out, as the order names others."""
    return _told_of_inventory(order, "others") or []


def unread_sources(order: Order) -> list[str] | None:
    """Return the sources of the inventory that Ansible could not read: it works on, without their hosts.

    None if it has begun no play: then it has read none, or nobody knows which.
    """
    return _told_of_inventory(order, "unread")


def _told_of_inventory(order: Order, what: str) -> list[str] | None:
    """Return what run/callback/upkeep_inventory.py has written down at the beginning of each play; None if nothing."""
    names: list[str] | None = None
    path = _artifacts(order.workspace, "inventory")
    # The last line may be cut off.
    with contextlib.suppress(OSError, ValueError), path.open(encoding="utf-8") as told:
        for line in told:
            names = [*(names or ()), *json.loads(line)[what]]
    return names if names is None else list(dict.fromkeys(names))


def end_leftovers(workspace: Path) -> int:
    """End what is left of a killed driver's run; return how many processes that were.

    Its keeper ends them at once. This is for those whose keeper was killed too.
    """
    return child.end_marked(MARK, str(_artifacts(workspace)))


def _artifacts(workspace: Path, *names: str) -> Path:
    return workspace.joinpath("artifacts", "run", *names)


def leftovers(workspace: Path, listener: events.EventListener) -> None:
    """Report the events that a killed driver had not taken in, oldest first; raise what the listener raises."""
    ears = Ears(listener, _artifacts(workspace, "job_events"))
    ears.sweep()
    if ears.error is not None:
        raise ears.error


class _Stopper:
    """Asks, several times a second, if the work must stop; then ends all of it."""

    def __init__(self, listener: RunListener, report: Path) -> None:
        self.listener = listener
        self.report = report
        self.reason = ""

    def check(self) -> bool:
        """Return whether ansible-runner must cancel, after all processes were ended: it only kills its own child."""
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


class _ProgressWatch:
    """Tells the listener, about twice a second, what jobs do."""

    def __init__(self, stopper: _Stopper, ears: Ears, folder: ProgressFolder) -> None:
        self.stopper = stopper
        self.ears = ears
        self.folder = folder
        self._next = 0.0

    def check(self) -> bool:
        """Look if it is time, and return what the stopper's check returns."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + POLL_SECONDS
            with contextlib.suppress(OSError):  # who shows it has lost a pipe; the end says so
                for one in self.folder.changes(self.ears.open):
                    self.stopper.listener.progressed(one.host, one.step, one.share)
        return self.stopper.check()


def _forget_command(status: Mapping[str, Any], runner_config: Any) -> None:
    """Remove the file in which ansible-runner writes down the whole environment, before anything runs."""
    if status.get("status") == "running":
        Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)


def _environment(order: Order, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of Ansible: the user's own settings stay, ours are what a run relies on."""
    inherited = os.environ if inherited is None else inherited
    collections = str(Path(program.__file__).parents[6])
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
