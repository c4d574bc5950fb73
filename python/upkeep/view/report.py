"""The report of a run: one HTML file that needs nothing else, reads well on a screen, and prints.

Host text is escaped by the template, made visible where it is not (control characters, bidirectional overrides), and
cut where it is long. The page has no script, and its policy allows none.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape

from upkeep.model.answer import Outcome
from upkeep.model.errors import UpkeepError
from upkeep.model.remedies import command
from upkeep.model.text import (
    SIGNS,
    counted,
    duration,
    exact,
    safe,
    safe_lines,
    status_kind,
    status_sign,
    thousands,
)
from upkeep.model.verdicts import Result, Status
from upkeep.rules.sentences import doubt, title_of, what_of
from upkeep.rules.trouble_groups import TroubleGroup, grouped
from upkeep.view import html
from upkeep.view.cells import breakable
from upkeep.view.model import HostInRun, RunSummary, Trouble
from upkeep.view.result import clauses, headline
from upkeep.view.screen import Letters
from upkeep.view.troubles import Troubles

# What a browser still scrolls through without a pause, and nobody reads to its end.
TROUBLES_SHOWN = 2_000
PASSES_SHOWN = 30_000
EVIDENCE_SHOWN = 200
EVIDENCE_LINES = 40
EVIDENCE_LINES_ON_PAPER = 3
# At most this many are shown unfolded, so that what did not pass can be looked over.
UNFOLDED = 3
EVIDENCE_CHARACTERS = 4_000
PASS_CHARACTERS = 300
CLAUSE_COLUMNS = 120

EvidenceText = Callable[[str], str]


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a piece of evidence. note: how much was left out, if anything."""

    text: str
    note: str

    @property
    def on_paper(self) -> str:
        """The first lines, which are printed."""
        return "".join(self.text.splitlines(keepends=True)[:EVIDENCE_LINES_ON_PAPER])

    @property
    def more(self) -> str:
        """The lines after those."""
        return self.text[len(self.on_paper) :]

    @property
    def more_lines(self) -> int:
        """How many these are."""
        return len(self.more.splitlines())


@dataclass
class _Group:
    """What did not pass and asks for the same: one check, or those that one thing blinds; one next step."""

    kind: str
    status: str
    title: str
    checks: tuple[str, ...]
    remedy: str
    controls: tuple[str, ...]
    causes: list[TroubleGroup[Trouble]] = field(default_factory=list)

    @property
    def times(self) -> int:
        """How often it did not pass."""
        return sum(len(one.things) for one in self.causes)


@dataclass
class _Host:
    name: str
    outcome: str
    unseen: bool
    facts: str
    need: int = 0
    worst: tuple[float, str] = (9, "pass")
    passed: int = 0
    passes: list[tuple[str, str, str]] = field(default_factory=list)
    nothing: list[tuple[str, str, str]] = field(default_factory=list)


def write_report(
    path: Path,
    summary: RunSummary,
    hosts: Iterable[HostInRun],
    results: Iterable[Result],
    *,
    evidence: EvidenceText | None = None,
    zone: tzinfo | None = None,
) -> None:
    """Write the report of a run to path, whole or not at all, readable by its owner only.

    evidence: the text behind a result, by its SHA-256; empty if there is none.
    zone: of the times shown; without it they stand in the zone that they have.
    Raises: UpkeepError.
    """
    pieces = render(summary, hosts, results, evidence=evidence, zone=zone)
    try:
        _write_whole(path, pieces)
    except OSError as exc:
        raise UpkeepError(
            f"report {path}: {exc.strerror or exc}",
            remedy=f"make room and write access in {path.parent}",
        ) from exc


def _write_whole(path: Path, pieces: Iterable[str]) -> None:
    # mkstemp makes it 0600 and follows no link; the rename puts it there in one step.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def render(
    summary: RunSummary,
    hosts: Iterable[HostInRun],
    results: Iterable[Result],
    *,
    evidence: EvidenceText | None = None,
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Yield the report's HTML, piece by piece. Arguments as in `write_report`."""
    letters = Letters()
    troubles = Troubles(summary.place, keep=TROUBLES_SHOWN)
    by_name = {}
    for host in hosts:
        troubles.add_host(host)
        by_name[host.name] = _host(host, zone)
    doubts: Counter[str] = Counter()
    passes_left_out = _take_in(_counting(results, doubts), by_name, troubles)
    worst = troubles.worst()
    only_host = next(iter(by_name)) if len(by_name) == 1 else ""
    style = _resource("report.css")
    left_out = troubles.count - len(worst)
    see = (
        command("show", str(summary.id), site=summary.place) if summary.id is not None else "--json"
    )
    context = {
        "run": summary,
        "style": Markup(style),  # noqa: S704 - ours, and to the letter, as its hash stands in the policy
        "style_hash": "sha256-"
        + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        "headline": headline(letters, summary, worst, only_host),
        "clauses": clauses(letters, summary, worst, columns=CLAUSE_COLUMNS),
        "title": f"{safe(summary.title or summary.procedure, 80)}, {_day(summary, zone)}: "
        + headline(letters, summary, worst, only_host),
        "counts": _counts(summary),
        "doubts": [doubt(check, number) for check, number in sorted(doubts.items())],
        "groups": _groups(worst, summary),
        "empty": _empty(summary),
        "evidence": _Evidence(evidence),
        "signs": SIGNS,
        "few": len(worst) <= UNFOLDED,
        "left_out": f"{thousands(left_out)} more did not pass; all of them: {see}"
        if left_out
        else "",
        "hosts": by_name.values(),
        "passes_left_out": f"{thousands(passes_left_out)} more passed or had nothing to judge; all of them: {see}"
        if passes_left_out
        else "",
        "about": _about(summary, zone),
    }
    template = _environment(zone).from_string(_resource("report.html.j2"))
    yield from template.generate(context)


def _day(summary: RunSummary, zone: tzinfo | None) -> str:
    return f"{summary.started_at.astimezone(zone or UTC):%Y-%m-%d}"


def _resource(name: str) -> str:
    return resources.files("upkeep.view").joinpath(name).read_text("utf-8")


def _environment(zone: tzinfo | None) -> Environment:
    environment = html.environment()
    environment.filters["counted"] = counted
    environment.filters["exact"] = lambda when: exact(when, zone)
    environment.filters["cell"] = lambda said: Markup(breakable(escape(said)))  # noqa: S704 - escaped
    environment.globals["EVIDENCE_LINES_ON_PAPER"] = EVIDENCE_LINES_ON_PAPER
    environment.filters["lines"] = escape  # of an excerpt, whose lines are harmless each
    return environment


def _host(host: HostInRun, zone: tzinfo | None) -> _Host:
    facts = []
    if host.observed_at:
        facts.append(f"checked {exact(host.observed_at, zone)}")
    if host.seconds:
        facts.append(f"took {duration(host.seconds)}")
    if host.seen_from:
        facts.append(f"from {safe(host.seen_from, 100)}")
    if host.python:
        facts.append(f"Python {safe(host.python, 40)}")
    if host.clock_offset_seconds is not None:
        offset = host.clock_offset_seconds
        facts.append(f"clock {abs(offset):.2f} s {'ahead' if offset > 0 else 'behind'}")
    if host.isolated:
        since = exact(host.isolated.since, zone)
        facts.append(f"isolated since {since} by {safe(host.isolated.by, 100)}")
    if host.message:
        facts.append(safe(host.message, 600))
    outcome = host.outcome.value.replace("_", " ")
    return _Host(host.name, outcome, host.unseen, ", ".join(facts))


def _take_in(
    results: Iterable[Result],
    by_name: dict[str, _Host],
    troubles: Troubles,
) -> int:
    """Sort results into troubles and others by host; return how many of the others there was no room for."""
    room = PASSES_SHOWN
    for result in results:
        host = by_name.setdefault(
            result.host, _Host(result.host, Outcome.OK.value, unseen=False, facts="")
        )
        if result.has_nothing_to_judge:
            room -= 1
            if room >= 0:
                host.nothing.append(_line(result))
            continue
        if result.status is not Status.PASS:
            host.need += 1
            kind = status_kind(result.status, result.severity)
            host.worst = min(host.worst, (Trouble.of(result).order[0], kind))
            troubles.add_results([result])
            continue
        host.passed += 1
        room -= 1
        if room >= 0:
            host.passes.append(_line(result))
    return max(0, -room)


def _counting(results: Iterable[Result], doubts: Counter[str]) -> Iterator[Result]:
    """Yield the results, and count by check those that are doubted."""
    for one in results:
        if one.doubted:
            doubts[one.check] += 1
        yield one


def _line(result: Result) -> tuple[str, str, str]:
    subject, message = (safe(one, PASS_CHARACTERS) for one in (result.subject, result.message))
    return title_of(result.check) + (" (doubted)" if result.doubted else ""), subject, message


def _groups(worst: Sequence[Trouble], summary: RunSummary) -> list[_Group]:
    """Return what did not pass, worst first: by check and next step, in each what has one cause together."""
    groups: dict[object, _Group] = {}
    for found in grouped(worst, Trouble.tell):
        one = found.first
        remedy = found.remedy if one.check else ""
        remedy = remedy or f"`{command('doctor', site=summary.place)}`"
        if len(found.hosts) == 1:
            remedy = one.remedy if one.check else remedy
        group = groups.setdefault(
            (one.order[0], found.checks, remedy),
            _Group(
                status_kind(one.status, one.severity),
                status_sign(one.status, one.severity),
                what_of(one.check, one.status) if one.check else "Host was not checked",
                found.checks if one.check else (),
                remedy,
                one.controls,
            ),
        )
        group.causes.append(found)
    return list(groups.values())


def _counts(summary: RunSummary) -> list[dict[str, str]]:
    counts = summary.counts
    hosts = sum(summary.hosts.values())
    said = [{"name": "hosts", "value": thousands(hosts), "kind": ""}]
    if summary.hosts_unseen:
        value = f"? {thousands(summary.hosts_unseen)}"
        said.append({"name": "hosts not checked", "value": value, "kind": "unknown"})
    for severity, number in sorted(counts.failed.items(), key=lambda item: item[0].rank):
        sign = status_sign(Status.FAIL, severity).split()[0]
        kind = status_kind(Status.FAIL, severity)
        value = f"{sign} {thousands(number)}"
        said.append({"name": f"failed, {severity.value}", "value": value, "kind": kind})
    if counts.waived:
        said.append({"name": "of which waived", "value": thousands(counts.waived), "kind": ""})
    if counts.unknown:
        value = f"? {thousands(counts.unknown)}"
        said.append({"name": "unknown", "value": value, "kind": "unknown"})
    if counts.nothing:
        said.append({"name": "nothing to judge", "value": thousands(counts.nothing), "kind": ""})
    said.append({"name": "passed", "value": f"✓ {thousands(counts.passed)}", "kind": "pass"})
    return said


def _empty(summary: RunSummary) -> str:
    if not summary.counts.total:
        return f"Nothing was checked. First: {command('doctor', site=summary.place)}"
    return (
        f"{counted(summary.counts.passed, 'result')} passed; nothing failed and nothing is unknown."
    )


def _about(summary: RunSummary, zone: tzinfo | None) -> list[tuple[str, str]]:
    run = f"{summary.id}, {summary.status}" if summary.id is not None else summary.status
    about = [
        ("Procedure", f"{safe(summary.title, 200)} ({safe(summary.procedure, 80)})"),
        ("Run", run + (f": {safe(summary.cause, 600)}" if summary.cause else "")),
        (
            "Site",
            safe(summary.site, 400) or "this machine, with the checks that come with the program",
        ),
        ("Started", exact(summary.started_at, zone)),
    ]
    if summary.ended_at:
        took = duration((summary.ended_at - summary.started_at).total_seconds())
        about.append(("Ended", f"{exact(summary.ended_at, zone)}, after {took}"))
    if summary.started_by:
        about.append(("Started by", safe(summary.started_by, 200)))
    if summary.asked_by:
        about.append(("Requested by", safe(summary.asked_by, 200)))
    if summary.version:
        about.append(("Program", f"Upkeep {safe(summary.version, 40)}"))
    about.append(
        (
            "How to read it",
            "Hosts report, the controller judges. Unknown means that a check could not be done; it is not a pass. "
            "Times are from the controller's clock. Text from hosts is shown as received: invisible characters "
            "are written as \\x1b or \\u202e, and long text is marked where it is cut.",
        )
    )
    return about


class _Evidence:
    """Gives excerpts of evidence for the worst troubles, as many as a page can bear."""

    def __init__(self, text_of: EvidenceText | None) -> None:
        self._text_of = text_of
        self._left = EVIDENCE_SHOWN

    def __call__(self, trouble: Trouble) -> Excerpt | None:
        if self._text_of is None or not trouble.evidence_sha256 or self._left == 0:
            return None
        text = self._text_of(trouble.evidence_sha256)
        if not text:
            return None
        self._left -= 1
        return excerpt(text)


def excerpt(text: str) -> Excerpt:
    """Return the beginning of a text, its lines harmless, and how much was left out."""
    # What is far beyond the cut is not even split into lines: it may be a hundred megabytes.
    lines = safe_lines(text[: 2 * EVIDENCE_CHARACTERS].rstrip("\n"), EVIDENCE_CHARACTERS)
    shown = "\n".join(lines[:EVIDENCE_LINES])
    whole = len(text) <= 2 * EVIDENCE_CHARACTERS and len(lines) <= EVIDENCE_LINES
    if whole and len(shown) <= EVIDENCE_CHARACTERS:
        return Excerpt(shown, "")
    shown = shown[:EVIDENCE_CHARACTERS]
    note = f", cut to the first {thousands(len(shown))} of {thousands(len(text))} characters"
    return Excerpt(shown, note)
