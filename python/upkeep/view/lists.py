"""Lists on a terminal or in a pipe: runs, findings, checks, procedures, what doctor found, an error.

In a pipe each row is one line; a list of columns has tabs between them there, exact times and no heading. What is no
row, such as why there is none, goes to standard error.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Protocol

from rich.cells import cell_len

from upkeep.judging.check import CONNECTION, Check, Rule, SelfCheck
from upkeep.judging.documentation import Option, example
from upkeep.model.errors import ConfigurationError
from upkeep.model.remedies import SUBJECT, command
from upkeep.model.text import (
    ago,
    counted,
    duration,
    exact,
    natural,
    pad,
    thousands,
    wrap,
)
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.rules.sentences import title_of
from upkeep.view.model import Counts, HostInRun, ProcedureShown, RunSummary
from upkeep.view.result import print_stand
from upkeep.view.screen import STYLES, Piece, Screen
from upkeep.view.troubles import GAP, TroubleRow, Troubles, groups_for, print_doubts, print_rows

CONTROLLER = "controller"
PROSE_COLUMNS = 100
# With less, what gives goes below a subject that is wider; and then what does not give.
SUBJECT_COLUMNS = 60
LEAST_SUBJECT_COLUMNS = 30
MOST_LINES = 4
"""What gives is broken at blanks, and cut only if it is longer than this many lines."""


@dataclass(frozen=True)
class Column:
    """One column of a list. right: for numbers.

    subject: what the row is about; one column of a list, shown whole. When a line is too short for all, a column that
    drops is left out, and one that gives goes to a second line, below the subject.
    """

    name: str
    right: bool = False
    gives: bool = False
    drops: bool = False
    subject: bool = False


def print_columns(
    screen: Screen, columns: Sequence[Column], rows: Sequence[Sequence[Piece]]
) -> None:
    """Print rows below a heading, as wide as they are and as the screen allows.

    When a line is too short for all, columns make room for the subject, the last first: those that drop, those that
    give, then others, which go to the second line too. A subject that is still too long is broken at blanks.
    """
    cells = [[_cell(screen, piece) for piece in row] for row in rows]
    if not screen.live:
        for row in cells:
            screen.line("\t".join(text for text, _ in row))
        return
    layout = _Columns.fitting(columns, cells, screen.width)
    for line in layout.lines(screen, [(column.name, "dim") for column in columns]):
        screen.line(*line)
    for row in cells:
        for line in layout.lines(screen, row):
            screen.line(*line)


@dataclass(frozen=True)
class _Columns:
    """Where the columns of one list stand. above: on a row's first line; below: on its second."""

    columns: Sequence[Column]
    widths: Sequence[int]
    subject: int
    above: Sequence[int]
    below: Sequence[int]

    @classmethod
    def fitting(
        cls, columns: Sequence[Column], rows: Sequence[Sequence[tuple[str, str]]], width: int
    ) -> _Columns:
        widths = [
            max(cell_len(column.name), *(cell_len(row[index][0]) for row in rows))
            for index, column in enumerate(columns)
        ]
        order = range(len(columns))
        subject = next((i for i in order if columns[i].subject), 0)
        # A path is one word, and none is broken while there is a line that is long enough for it.
        longest = max(cell_len(word) for row in rows for word in row[subject][0].split(" "))
        movable = [i for i in reversed(order) if i not in (0, subject)]
        movable.sort(key=lambda index: (not columns[index].drops, not columns[index].gives))
        above = list(order)

        def room() -> int:
            return width - sum(widths[i] + len(GAP) for i in above if i != subject)

        while movable:
            next_one = columns[movable[0]]
            likely = next_one.gives or next_one.drops
            enough = max(SUBJECT_COLUMNS if likely else LEAST_SUBJECT_COLUMNS, longest)
            if room() >= min(widths[subject], enough):
                break
            above.remove(movable.pop(0))
        widths[subject] = max(min(widths[subject], room()), 8)
        below = [i for i in order if i not in above and not columns[i].drops]
        return cls(columns, widths, subject, above, below)

    def lines(self, screen: Screen, row: Sequence[tuple[str, str]]) -> Iterable[list[Piece]]:
        """Yield the lines of a row."""
        text, style = row[self.subject]
        first, *others = wrap(text, self.widths[self.subject])
        line: list[Piece] = []
        indent = at = 0
        for index in self.above:
            if index == self.subject:
                text, (_text, style), indent = first, row[index], at
            else:
                text, style = row[index]
            gap = GAP if line else ""
            line += [gap, (_fill(text, self.widths[index], self.columns[index].right), style)]
            at += self.widths[index] + len(GAP)
        yield line
        for text in others:
            yield [" " * indent, (text, row[self.subject][1])]
        yield from self._second(screen, row, indent)

    def _second(
        self, screen: Screen, row: Sequence[tuple[str, str]], indent: int
    ) -> Iterable[list[Piece]]:
        """Yield what stands below the subject. A dash stands for what is empty, but at the end."""
        told = [row[index] for index in self.below]
        while told and not told[-1][0]:
            told.pop()
        # Beside a subject that begins far to the right there would be no room.
        indent = min(indent, screen.width // 3)
        room = screen.width - indent
        line: list[Piece] = []
        used = 0
        for text, style in told:
            whole = screen.cut(text, room * MOST_LINES) or "-"
            for number, shown in enumerate(wrap(whole, room)):
                if line and (number or used + cell_len(screen.dot + shown) > room):
                    yield [" " * indent, *line]
                    line, used = [], 0
                if line:
                    line.append((screen.dot, "dim"))
                    used += cell_len(screen.dot)
                line.append((shown, style))
                used += cell_len(shown)
        if line:
            yield [" " * indent, *line]


def _cell(screen: Screen, piece: Piece) -> tuple[str, str]:
    text, style = (piece, "") if isinstance(piece, str) else piece
    return screen.text(text, 1_000), style


def _fill(text: str, width: int, right: bool) -> str:
    return " " * (width - cell_len(text)) + text if right else pad(text, width)


def print_run(
    screen: Screen,
    summary: RunSummary,
    hosts: Iterable[HostInRun],
    results: Sequence[Result],
    now: datetime,
    *,
    report: str = "",
    doubts: Mapping[str, int] | None = None,
) -> None:
    """Print a stored run: how it stands, all that did not pass, worst first, then all that passed.

    now: in the zone of the times shown. doubts: how many of its results are doubted, by check; also of those that are
    not given here.
    """
    troubles = Troubles(summary.place, keep=len(results) + sum(summary.hosts.values()) + 1)
    only_host = ""
    for host in hosts:
        troubles.add_host(host)
        only_host = host.name
    troubles.add_results(results)
    worst = troubles.worst()
    print_stand(screen, summary, worst, only_host)
    about = run_line(screen, summary, now)
    for line in wrap(about, screen.width) if screen.live else [about]:
        screen.line(line)
    print_doubts(screen, doubts or {})
    if worst:
        screen.line()
        groups = groups_for(screen, worst)
        site = summary.place
        print_rows(screen, [TroubleRow.of_group(one, site, name_all=True) for one in groups])
    passes = sorted(
        (result for result in results if result.status is Status.PASS),
        key=lambda result: (natural(result.host), result.check, natural(result.subject)),
    )
    if passes:
        screen.line()
        print_rows(
            screen,
            [
                TroubleRow(
                    "pass",
                    "pass, doubted" if result.doubted else "pass",
                    result.host,
                    result.check,
                    result.subject,
                    result.message,
                    noun=title_of(result.check),
                )
                for result in passes
            ],
        )
    if report:
        screen.line()
        screen.line(f"Full report: {screen.text(report)}")
    screen.flush()


def run_line(screen: Screen, run: RunSummary, now: datetime) -> str:
    """Return when a run was, in the zone of `now`, how long it took, by whom and with what."""
    parts = [
        f"Run {run.id}" if run.id is not None else "Run",
        screen.text(run.title or run.procedure, 80),
        f"{exact(run.started_at, now.tzinfo)} ({ago(run.started_at, now)})",
        run.status + (f" ({screen.text(run.cause, 300)})" if run.cause else ""),
    ]
    if run.ended_at:
        parts.append(f"took {duration((run.ended_at - run.started_at).total_seconds())}")
    if run.by:
        parts.append(screen.text(run.by, 200))
    if run.site:
        parts.append(f"site {screen.text(run.site, 200)}")
    if run.version:
        parts.append(f"upkeep {run.version}")
    return ", ".join(parts)


def print_runs(screen: Screen, runs: Sequence[RunSummary], now: datetime, site: str = "") -> None:
    """Print a list of runs as they come, with times in the zone of `now`."""
    if not runs:
        print_empty(screen, "No run yet", first_run(site))
        return
    columns = [
        Column("run", right=True),
        Column("procedure", subject=True),
        Column("when"),
        Column("took", right=True),
        Column("status"),
        Column("hosts", right=True),
        Column("results", gives=True),
    ]
    print_columns(screen, columns, [_run_cells(screen, run, now) for run in runs])
    screen.flush()


def first_run(site: str) -> str:
    """Return how to check for the first time; a site's procedures have names of their own."""
    if site:
        return f"see what can be run: {command('schedule', 'list', site=site)}"
    return f"first: {command('run', 'daily')}"


def _run_cells(screen: Screen, run: RunSummary, now: datetime) -> list[Piece]:
    took = duration((run.ended_at - run.started_at).total_seconds()) if run.ended_at else ""
    kind = "" if run.status in ("done", "running") else "unknown"
    hosts = thousands(sum(run.hosts.values()))
    when = ago(run.started_at, now) if screen.live else exact(run.started_at, now.tzinfo)
    return [
        str(run.id),
        run.procedure,
        when,
        took,
        (run.status, STYLES[kind]),
        hosts,
        counts_words(run.counts),
    ]


def counts_words(counts: Counts) -> str:
    """Return `1 critical, 2 medium, 3 unknown, 120 pass`."""
    parts = [
        f"{counts.failed[severity]} {severity.value}"
        for severity in Severity
        if counts.failed.get(severity)
    ]
    if counts.unknown:
        parts.append(f"{counts.unknown} unknown")
    if counts.nothing:
        parts.append(f"{counts.nothing} with nothing to judge")
    parts.append(f"{counts.passed} pass")
    return ", ".join(parts) + (f"; {counts.waived} waived" if counts.waived else "")


def print_checks(screen: Screen, checks: Mapping[str, Check]) -> None:
    """Print every check with its title."""
    if not checks:
        print_empty(screen, "No check is installed", "install the package again")
        return
    columns = [Column("check"), Column("what it holds", subject=True), Column("family", drops=True)]
    rows = [[check.id, check.title, check.family] for check in checks.values()]
    print_columns(screen, columns, rows)
    if screen.live:
        screen.line()
        screen.line(f"One with its limits: {command('explain', next(iter(checks)))}")
    screen.flush()


def print_check(
    screen: Screen, check: Check, options: Sequence[Option] = (), site: str = ""
) -> None:
    """Print a check's documentation: the rule, its limits and parameters, its source, the first step.

    options: the parameters of its gather. site: the one that was named, whose own it may be.
    """
    width = min(screen.width, PROSE_COLUMNS)
    _print_rule(screen, check, width)
    past = ""
    if check.history:
        days = "1 day" if check.history.days == 1 else f"{check.history.days:g} days"
        past = f"{days}, at most {counted(check.history.at_most, 'look')}"
    told = (
        ("Why", check.why),
        ("How far it looks back", past),
        ("What it cannot see", check.cannot_see),
    )
    for title, text in told:
        _print_prose(screen, title, text, width)
    _print_names(screen, "Limits", _limits(check.limits), width)
    parameters = [
        (
            one.name,
            "required" if one.required or one.name in check.needs else repr(one.default),
            _without_marks(one.description),
        )
        for one in options
    ]
    _print_names(screen, "Where to look", parameters, width)
    screen.line()
    screen.line(("Example", "bold"))
    for line in example(check).splitlines():
        screen.line(GAP, line)
    screen.line()
    _print_facts(screen, check, ("Looks at", check.gather))
    family = f"{check.family}, since {check.since}" if check.since else check.family
    if check.gather != CONNECTION:
        family += f"; all of them: `checks: {check.family}`"
    screen.line((pad("Family", 12), "bold"), family)
    screen.line()
    screen.line(f"Now: {command('check', check.id, site=site)}")
    screen.flush()


def print_self_check(screen: Screen, rule: SelfCheck) -> None:
    """Print the documentation of what Upkeep tells of itself: the rule, its source, the first step."""
    _print_rule(screen, rule, min(screen.width, PROSE_COLUMNS))
    screen.line()
    _print_facts(screen, rule, ("Told by", "Upkeep itself"))
    screen.flush()


def _print_rule(screen: Screen, rule: Rule, width: int) -> None:
    """Print what a rule says, in words."""
    screen.line((f"{rule.id}: {rule.title}", "bold"))
    for paragraph in rule.description.split("\n\n"):
        screen.line()
        for line in wrap(" ".join(paragraph.split()), width):
            screen.line(line)


def _print_prose(screen: Screen, title: str, text: str, width: int) -> None:
    """Print a title and sentences below it; nothing if there are none."""
    if text:
        screen.line()
        screen.line((title, "bold"))
        for line in wrap(text, width - len(GAP)):
            screen.line(GAP, line)


def _print_facts(screen: Screen, rule: Rule, first: tuple[str, str]) -> None:
    """Print what is known of a rule, a fact a line."""
    facts = [
        ("Trouble", rule.trouble),
        first,
        ("Source", rule.source),
        ("First step", rule.remedy.replace(SUBJECT, "SUBJECT")),
    ]
    if rule.controls:
        facts.append(("Controls", ", ".join(rule.controls)))
    for name, text in facts:
        screen.line((pad(name, 12), "bold"), " ".join(text.split()))


def _print_names(
    screen: Screen, title: str, named: Sequence[tuple[str, str, str]], width: int
) -> None:
    """Print name, default and meaning of each, under a title; nothing if there is none."""
    if not named:
        return
    screen.line()
    screen.line((title, "bold"))
    widest = min(max(len(f"{name} = {default}") for name, default, _ in named), width // 2)
    for name, default, meaning in named:
        label, lines = f"{name} = {default}", wrap(meaning, max(width - widest - 4, 24))
        if len(label) > widest:
            screen.line(GAP, label)
        else:
            screen.line(GAP, pad(label, widest), GAP, lines.pop(0) if lines else "")
        for line in lines:
            screen.line(GAP, " " * widest, GAP, line)


def _without_marks(text: str) -> str:
    """Return Ansible's documentation without its marks: C(x) is x."""
    return re.sub(r"\b[A-Z]\(([^)]*)\)", r"\1", text)


def _limits(params: Any) -> list[tuple[str, str, str]]:
    """Return name, default and meaning of each limit; the meanings stand in the dataclass's docstring."""
    if not is_dataclass(params):
        return []
    names = [field.name for field in fields(params)]
    meanings: dict[str, list[str]] = {}
    name = ""
    for line in textwrap.dedent(type(params).__doc__ or "").splitlines():
        start, colon, rest = line.strip().partition(":")
        if colon and start in names:
            name, line = start, rest
        if name:
            meanings.setdefault(name, []).append(line.strip())
    return [
        (name, repr(getattr(params, name)), " ".join(meanings.get(name, [])).strip())
        for name in names
    ]


def print_procedures(screen: Screen, procedures: Sequence[ProcedureShown], now: datetime) -> None:
    """Print a site's procedures; when each is due next, if it is scheduled."""
    if not procedures:
        print_empty(screen, "The site has no procedure", "write one into its schedule.yml")
        return
    scheduled = any(procedure.next_at for procedure in procedures)
    columns = [Column("procedure", subject=True), Column("title", gives=True)]
    columns.append(Column("hosts", gives=True))
    if scheduled:
        columns.append(Column("next"))
    columns.append(Column("owner", gives=True))
    rows: list[list[Piece]] = []
    for procedure in procedures:
        row: list[Piece] = [procedure.id, procedure.title, procedure.hosts]
        if scheduled:
            due = procedure.next_at
            row.append("" if due is None else ago(due, now) if screen.live else exact(due))
        rows.append([*row, procedure.owner])
    print_columns(screen, columns, rows)
    screen.flush()


class DoctorLine(Protocol):
    """What doctor found about one topic of one host."""

    @property
    def host(self) -> str:
        """Its name in the inventory."""

    @property
    def topic(self) -> str:
        """What was looked at."""

    @property
    def status(self) -> str:
        """One of ok, warn, fail, unknown."""

    @property
    def text(self) -> str:
        """What was found."""

    @property
    def remedy(self) -> str:
        """What to do; empty if nothing."""


def print_doctor(
    screen: Screen, lines: Sequence[DoctorLine], *, every: bool = False, quiet: bool = False
) -> None:
    """Print what doctor found: one sentence, then what is not ok, worst first.

    every: what is ok as well. quiet: not how much is ok.
    """
    order = {"fail": 0, "unknown": 1, "warn": 2, "ok": 3}
    # Stable: of a host, as found within a status.
    found = sorted(lines, key=lambda line: (order[line.status], natural(line.host)))
    wrong = [line for line in found if line.status != "ok"]
    hosts = {line.host for line in lines}
    stuck = {line.host for line in wrong if line.status != "warn"}
    if not hosts:
        print_empty(
            screen, "No host was checked", "see the pattern after --limit and the inventory"
        )
        return
    kind = "pass" if not wrong else "warn" if not stuck else "fail"
    before = ""
    if len(hosts) > 1:  # the machine that runs Upkeep is none of the inventory's hosts
        before = "controller is not ready; " if CONTROLLER in stuck else ""
        hosts, stuck = hosts - {CONTROLLER}, stuck - {CONTROLLER}
    ready = len(hosts) - len(stuck)
    if len(hosts) == 1:
        said = f"{screen.text(next(iter(hosts)), 80)} is {'not ready' if stuck else 'ready'}"
    elif not stuck:
        said = f"{'all' if before else 'All'} {thousands(len(hosts))} hosts are ready"
    else:
        verb = "is" if ready == 1 else "are"
        said = f"{thousands(ready)} of {thousands(len(hosts))} hosts {verb} ready"
    note = f", {counted(len(wrong), 'thing')} to look at" if wrong else ""
    screen.line((f"{before}{said}{note}.", f"bold {STYLES[kind]}"))
    shown = found if every else wrong
    if shown:
        screen.line()
        print_rows(screen, [_doctor_row(line) for line in shown])
    fine = len(found) - len(wrong)
    if fine and not every and not quiet:
        screen.line()
        screen.line((f"{screen.signs['pass']} {counted(fine, 'thing')} ok", STYLES["pass"]))
    screen.flush()


def _doctor_row(line: DoctorLine) -> TroubleRow:
    kind = "pass" if line.status == "ok" else line.status
    return TroubleRow(kind, line.status, line.host, line.topic, "", line.text, line.remedy)


def print_error(screen: Screen, error: BaseException) -> None:
    """Print an error: what and where, each problem of a configuration on its line; what to do."""
    said = str(error) or type(error).__name__
    for line in said.splitlines() if isinstance(error, ConfigurationError) else [said]:
        screen.line(("upkeep: ", "bold"), screen.text(line, 2_000))
    remedy = screen.text(getattr(error, "remedy", ""), 2_000)
    if remedy:
        screen.line(f"{screen.signs['next']} {remedy}")
    screen.flush()


def beside(screen: Screen) -> Screen:
    """Return where sentences go that stand beside rows: in a pipe not among them, but to standard error."""
    return screen if screen.live else Screen(sys.stderr)


def print_empty(screen: Screen, why: str, first: str) -> None:
    """Print why there is nothing, and what to do first."""
    screen = beside(screen)
    screen.line((f"{why}.", "bold"), f" {first[:1].upper()}{first[1:]}")
    screen.flush()
