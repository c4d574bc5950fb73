"""A run while it goes on: a moving display on a terminal, a line per host in a pipe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from upkeep.model.answer import Observed, Outcome
from upkeep.model.text import counted, duration, pad
from upkeep.model.verdicts import Result
from upkeep.view.model import HostInRun, RunSummary, RunTally
from upkeep.view.result import print_result
from upkeep.view.screen import Screen
from upkeep.view.troubles import Troubles

HOSTS_SHOWN_SINGLY = 8
REFRESH_PER_SECOND = 4
SHOWN_LINES = 60

_SPINNER = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")


class RunView:
    """Shows a run while it goes on, and its result when it ends.

    out: for the result, and in a pipe for the hosts that are done; errors: for the moving display.
    quiet: nothing on out, as with `--json`.
    The driver calls the methods from any thread; as a context manager it takes the progress away on an exception.
    """

    def __init__(
        self,
        out: Screen,
        errors: Screen,
        *,
        site: str = "",
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = RunTally()
        self._out = out
        self._site = site
        self._quiet = quiet
        self._clock = clock
        self._troubles = Troubles(site)
        self._lock = threading.RLock()
        self._in_work: dict[str, float] = {}
        self._answered: set[str] = set()
        self._done = 0
        self._hosts = 0
        self._procedure = ""
        self._started = clock()
        self._only_host = ""
        # Plain lines in a pipe and a moving display on one terminal would write over each other.
        self._shown_on = errors
        if not quiet and not (errors.live and out.live):
            self._shown_on = out
        self._live = (
            Live(
                self,
                console=self._shown_on.console,
                transient=True,
                refresh_per_second=REFRESH_PER_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            if self._shown_on.live
            else None
        )

    def __enter__(self) -> RunView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def started(self, procedure: str, hosts: int) -> None:
        """Show that a procedure begins, and on how many hosts."""
        self._procedure, self._hosts, self._started = procedure, hosts, self._clock()
        if self._live:
            self._live.start()

    def job_did(self, host: str, task: str, kind: str, text: str) -> None:
        """Show what a job changed, would change, or failed at; with its diff where there is one."""
        screen = self._shown_on
        self.stop()
        screen.line(f"{screen.text(host, 300)}: {kind}: {screen.text(task, 300)}")
        for line in text.splitlines()[:SHOWN_LINES]:
            screen.line(f"    {screen.text(line, 500)}")
        screen.flush()
        if self._live:
            self._live.start()

    def expects(self, hosts: int) -> None:
        """Show of how many hosts: known when they are listed, or the first has answered.

        A playbook may have several plays, each with hosts of its own: the largest number holds.
        """
        self._hosts = max(self._hosts, hosts)

    def host_began(self, name: str) -> None:
        """Show that a host is in work."""
        with self._lock:
            self._in_work[name] = self._clock()

    def host_done(self, observed: Observed) -> None:
        """Show that a host is done; keep what did not pass."""
        host = HostInRun.of(observed)
        with self._lock:
            self._in_work.pop(observed.host, None)
            # A host may answer again: after a job it is looked at once more, as proof.
            self._answered.add(observed.looker)
            self._done = len(self._answered)
            self._only_host = observed.host
            self.tally.add(observed)
            self._troubles.add_host(host)
            self._troubles.add_results(observed.results)
            if self._live is None:
                self._shown_on.line(host_line(self._shown_on, host, observed.results))
                self._shown_on.flush()

    def finished(self, summary: RunSummary, report: Path | str = "") -> None:
        """Take the progress away and print the result. report: where the full report lies."""
        self.stop()
        if self._quiet:
            return
        print_result(
            self._out,
            summary,
            self._troubles,
            report=str(report),
            only_host=self._only_host if self._done == 1 else "",
        )

    def stop(self) -> None:
        """Take the progress away."""
        if self._live:
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the progress as it is now: a line per host in work, or one line for all."""
        with self._lock:
            in_work = list(self._in_work.items())
            needing, done = self.tally.hosts_in_need, self._done
        yield from self._progress(in_work, needing, done, self._clock())

    def _progress(
        self, in_work: list[tuple[str, float]], needing: int, done: int, now: float
    ) -> list[Text]:
        screen = self._shown_on
        frames = _SPINNER[0 if screen.unicode else 1]
        frame = frames[int(now * REFRESH_PER_SECOND) % len(frames)]
        spent = f"{max(0, int(now - self._started))} s"
        # How many there are is known when they are listed, or the first has answered.
        hosts = max(self._hosts, done)
        parts = [f"{done} of {counted(hosts, 'host')} done"] if hosts else ["starting"]
        if needing:
            parts.append(f"{needing} {'needs' if needing == 1 else 'need'} you")
        singly = 0 < len(in_work) <= min(HOSTS_SHOWN_SINGLY, screen.height - 4)
        if in_work and not singly:
            parts.append(f"{len(in_work)} in work")
        parts.append(spent)
        head = f"{frame} {screen.text(self._procedure)}: {screen.dot.join(parts)}"
        lines = [head]
        if singly:
            widest = max(cell_len(screen.text(name, 200)) for name, _ in in_work)
            room = min(widest, screen.width - 12)
            for name, began in in_work:
                took = f"{max(0, int(now - began))} s"
                lines.append(f"  {pad(screen.cut(name, room), room)}  {took:>6}")
        return [
            Text(screen.cut(line, screen.width - 1), no_wrap=True, overflow="crop")
            for line in lines
        ]


def host_line(screen: Screen, host: HostInRun, results: Sequence[Result]) -> str:
    """Return the one plain line of a host that is done."""
    name = screen.text(host.name, 300)
    took = f" in {duration(host.seconds)}" if host.seconds else ""
    if host.outcome is not Outcome.OK:
        why = f": {screen.text(host.message, 500)}" if host.message else ""
        return f"{name}: {host.outcome.value.replace('_', ' ')}{took}{why}"
    tally = RunTally()
    tally.add_results(results)
    counts = tally.counts()
    return (
        f"{name}: checked{took}: {counts.passed} pass, {counts.failing} fail, {counts.unknown} unknown"
        + (f", {counts.nothing} with nothing to judge" if counts.nothing else "")
    )
