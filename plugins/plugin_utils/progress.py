# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show what a long job does while its module runs on a host.

The module writes it into a file (module_utils/jobs/progress.py). A thread reads that file on the host over a second
connection, and tells what is new: the driver, by a file in the run's private folder; without a driver, by a line that
Ansible displays. What a host says of it is data for people. Nothing is decided by it, and whatever goes wrong with it
ends the thread, not the job.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import json
import os
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ansible_collections.astral.upkeep.plugins.module_utils.jobs import progress
from ansible_collections.astral.upkeep.plugins.plugin_utils import transport
from ansible_collections.astral.upkeep.plugins.plugin_utils.second_connection import beside

ENVIRONMENT = "UPKEEP_PROGRESS"
"""The driver's folder for it."""
CONNECTIONS = ("local", "ssh")
"""Those of which a copy can work beside the first: each command is a process of its own."""
FIRST_SECONDS = 2.0
"""A job that ends before that is not asked: most restores of small sets do."""
PAUSE_SECONDS = 2.0
WAIT_SECONDS = (5.0, 60.0)
WAIT_SHARE = 0.1
"""The host is asked for a tenth of the time that the job has taken, within these bounds, unless its step changes: a
connection may be a login, and there should not be thousands."""
END_SECONDS, END_TRIES = 1.0, 4
PLAIN_SECONDS = 60.0
ANSWER_CHARACTERS = 8_192
VERBOSE = 3
"""From here on Ansible shows each command of a connection: a second one would confuse."""


@contextlib.contextmanager
def shown_progress(action: Any, variables: Mapping[str, Any], path: str) -> Iterator[None]:
    """Show what a module does for as long as it runs.

    action: of the module, whose connection is copied. path: of the file that the module writes on the host; `~` and
    variables in it are the host's.
    """
    watch = None
    with contextlib.suppress(Exception):  # a job without its progress is better than none
        if _can_be_shown(action):
            watch = _Watch(_beside(action), variables, path)
            watch.start()
    try:
        yield
    finally:
        if watch is not None:
            watch.stop()


def _can_be_shown(action: Any) -> bool:
    """Return whether there is something to show, and a second connection to see it by."""
    become, display = action._connection.become, Display()
    return (
        not action._task.check_mode
        and not action._task.async_val
        and action._connection.transport in CONNECTIONS
        and (become is None or become.pipelining)
        and display.verbosity < VERBOSE
    )


def _beside(action: Any) -> Any:
    """Return the action with a second connection."""
    other = beside(action)
    # With a terminal, the local connection gives no standard input to a program behind sudo.
    other._connection._options["pipelining"] = True
    return other


class _Watch:
    """The thread that looks, and where it says what it sees. It says nothing any more once `stop` has returned."""

    def __init__(self, action: Any, variables: Mapping[str, Any], path: str) -> None:
        self.action, self.path = action, path
        self.interpreter = _interpreter(action, variables)
        host = str(variables["inventory_hostname"])
        folder = os.environ.get(ENVIRONMENT, "")
        self.teller = _DriverTeller(host, Path(folder)) if folder else _PlainTeller(host)
        self.ended = threading.Event()
        # The queue of Ansible's workers has a lock that they all share. A worker that ends while a thread of its holds
        # that lock stops them all: so nothing is told while, or after, the thread is told to stop.
        self.telling = threading.Lock()
        # What Ansible keeps for each task is in the context of its thread.
        context = contextvars.copy_context()
        self.thread = threading.Thread(target=context.run, args=(self._work,), daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        with self.telling:
            self.ended.set()
            self.teller.end()
        with contextlib.suppress(Exception):
            for _time in range(END_TRIES):  # it may be about to start one
                self._end_command()
                self.thread.join(END_SECONDS / END_TRIES)

    def _end_command(self) -> None:
        """End what the thread has started: ssh, for the program on the host ends with it, or that program itself."""
        own = Path(f"/proc/self/task/{self.thread.native_id}/children")
        for pid in own.read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):  # behind sudo it is another's; it ends with the job
                os.kill(int(pid), signal.SIGTERM)

    def _work(self) -> None:
        with contextlib.suppress(BaseException):  # also what a connection plugin makes of its end
            self._look_until_it_ends()

    def _look_until_it_ends(self) -> None:
        started, known, first = time.monotonic(), None, FIRST_SECONDS
        while not self.ended.wait(first):
            least, most = WAIT_SECONDS
            seconds = min(most, max(least, (time.monotonic() - started) * WAIT_SHARE))
            known = self._ask(known, seconds)
            with self.telling:
                if not self.ended.is_set():
                    self.teller.tell(known)
            first = PAUSE_SECONDS

    def _ask(self, known: dict[str, Any] | None, seconds: float) -> dict[str, Any] | None:
        """Return what the job does; None if it does nothing that can be shown.

        Raises: ValueError if the host gives no answer; what the connection raises.
        """
        nonce = transport.new_nonce()
        source = Path(progress.__file__).read_text(encoding="utf-8")
        arguments = (nonce, self.path, known, seconds)
        call = f"import json\nmain(*json.loads({json.dumps(json.dumps(arguments))}))\n"
        script = transport.SCRIPT.format(candidates=self.interpreter)
        given = f"{nonce}\n{source}\n{call}".encode()
        said = self.action._low_level_execute_command(script, in_data=given, executable="/bin/sh")
        return answered(said.get("stdout") or "", nonce)


def _interpreter(action: Any, variables: Mapping[str, Any]) -> str:
    """Return what the host's shell tries as Python."""
    given = str(action._templar.template(variables.get("ansible_python_interpreter", "")) or "")
    return (
        transport.quoted(given) if given and not given.startswith("auto") else transport.CANDIDATES
    )


def answered(output: str, nonce: str) -> dict[str, Any] | None:
    """Return what a host said of its job, bounded and of the right types; None if it does nothing.

    Raises: ValueError if that is not what a host says.
    """
    start = f"\n{nonce} "
    begin = output.find(start)
    if begin < 0:
        raise ValueError("no answer")
    begin += len(start)
    line = output[begin : begin + ANSWER_CHARACTERS].partition("\n")[0]
    try:
        said = json.loads(line)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if said is None:
        return None
    shown = progress.shown_fields(said)
    if shown is None:
        raise ValueError("not what a job says")
    return shown


def _clean(text: str) -> str:
    """Return a text in one line, with a question mark for each character that cannot be seen or moves the others."""
    line = "".join(one if one.isprintable() or one.isspace() else "?" for one in text)
    return " ".join(line.split())


def step_text(shown: Mapping[str, Any]) -> str:
    """Return what a job does without how far it is: `restoring orders (2 of 7): restore`."""
    turn = f" ({shown['number']} of {shown['of']})" if shown["of"] > 1 else ""
    return f"{_clean(shown['title'])}{turn}: {_clean(shown['step'])}"


class _DriverTeller:
    """Tells the driver, which shows it: by one file for the host, in a folder that is the run's alone."""

    def __init__(self, host: str, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.path = folder / f"{hashlib.sha256(host.encode()).hexdigest()[:32]}.json"

    def tell(self, shown: dict[str, Any] | None) -> None:
        if shown is None:
            self.end()
            return
        said = {"host": self.host, "step": step_text(shown), "share": shown["share"]}
        number, path = tempfile.mkstemp(dir=self.folder, prefix=secrets.token_hex(4))
        with os.fdopen(number, "w", encoding="ascii") as stream:
            json.dump(said, stream)
        Path(path).replace(self.path)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()


class _PlainTeller:
    """Displays a line when the step changes, and once a minute if the share does."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.last, self.said, self.at = "", "", 0.0

    def tell(self, shown: dict[str, Any] | None) -> None:
        if shown is None:
            return
        step, now = step_text(shown), time.monotonic()
        share = "" if shown["share"] is None else f", {shown['share'] * 100:.0f} %"
        if step == self.last and (now - self.at < PLAIN_SECONDS or share == self.said):
            return
        self.last, self.said, self.at = step, share, now
        Display().display(f"{self.host}: {step}{share}")

    def end(self) -> None:
        """Say nothing: what the task returns is displayed now."""
