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
PLAIN_SECONDS = 60.0
"""In a pipe a step's share is told no more often than that."""

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
        self._doing: dict[str, tuple[str, float | None]] = {}
        self._told: dict[str, tuple[str, float | None, float]] = {}
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
        parts = filter(
            None, [screen.text(host, 300), kind.replace("_", " "), screen.text(task, 300)]
        )
        screen.line(": ".join(parts))
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

    def progressed(self, host: str, step: str, share: float | None) -> None:
        """Show what a job does on a host: beside its name, or in a pipe as a line when the step changes."""
        with self._lock:
            if step:
                self._doing[host] = (step, share)
            else:
                self._doing.pop(host, None)
            if self._live is None and step and self._is_news(host, step, share):
                self._told[host] = (step, share, self._clock())
                screen = self._shown_on
                screen.line(f"{screen.text(host, 300)}: {screen.text(step_line(step, share), 500)}")
                screen.flush()

    def _is_news(self, host: str, step: str, share: float | None) -> bool:
        """Return whether it is worth a line: another step, or a minute later another share."""
        last, told, at = self._told.get(host, ("", None, 0.0))
        return step != last or (share != told and self._clock() - at >= PLAIN_SECONDS)

    def host_done(self, observed: Observed) -> None:
        """Show that a host is done; keep what did not pass."""
        host = HostInRun.of(observed)
        with self._lock:
            self._in_work.pop(observed.host, None)
            self._doing.pop(observed.host, None)
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
        spent = _spent(max(0.0, now - self._started))
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
            lines += self._host_lines(in_work, now)
        return [
            Text(screen.cut(line, screen.width - 1), no_wrap=True, overflow="crop")
            for line in lines
        ]

    def _host_lines(self, in_work: list[tuple[str, float]], now: float) -> list[str]:
        """Return a line for each host: its name, what a job does there if one does, and since when it is in work."""
        screen, doing = self._shown_on, self._doing.copy()
        widest = max(cell_len(screen.text(name, 200)) for name, _ in in_work)
        times = [_spent(max(0.0, now - began)) for _name, began in in_work]
        late = max(6, *map(len, times))
        room = min(widest, screen.width - late - 6)
        texts = [step_line(*doing[name]) if name in doing else "" for name, _ in in_work]
        # The name of a host comes first: what it does has what is left, and half a line at least.
        room = min(room, screen.width // 2) if any(texts) else room
        left = max(0, screen.width - 1 - room - late - 6)
        wide = min(left, max(cell_len(screen.text(text)) for text in texts))
        lines = []
        for (name, _), text, took in zip(in_work, texts, times, strict=True):
            did = f"  {pad(screen.cut(text, wide), wide)}" if wide else ""
            lines.append(f"  {pad(screen.cut(name, room), room)}{did}  {took:>{late}}")
        return lines


def step_line(step: str, share: float | None) -> str:
    """Return what a job does and how far it is: `restoring orders (2 of 7): restore, 40 %`."""
    return step if share is None else f"{step}, {int(share * 100)} %"


def _spent(seconds: float) -> str:
    """Return a time that goes on: in whole seconds, and from a minute on as any duration."""
    return duration(seconds) if seconds >= 60 else f"{int(seconds)} s"


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
