"""Findings on a terminal or in a pipe: all of them, or one with its history and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from upkeep.model.answer import OWN_NAMES
from upkeep.model.remedies import command
from upkeep.model.text import (
    Natural,
    age,
    ago,
    counted,
    exact,
    natural,
    status_kind,
    status_words,
    wrap,
)
from upkeep.rules.sentences import names_subject, trouble_of
from upkeep.rules.trouble_groups import grouped
from upkeep.store.page_queries import FindingEvent
from upkeep.view.lists import Column, beside, first_run, print_columns, print_empty
from upkeep.view.model import FindingShown
from upkeep.view.report import Excerpt
from upkeep.view.screen import STYLES, Piece, Screen
from upkeep.view.troubles import TroubleRow, print_rows

# As many of a group's numbers as fit beside its story.
NUMBERS = 5


def print_findings(
    screen: Screen,
    findings: Sequence[FindingShown],
    now: datetime,
    *,
    last: str,
    site: str = "",
    checked: bool = True,
) -> None:
    """Print findings, worst and then oldest first; resolved ones last.

    last: the newest run's procedure, if any. checked: whether anything of any host was.
    """
    still = [finding for finding in findings if finding.resolved_at is None]
    gone = [finding for finding in findings if finding.resolved_at is not None]
    if not still and not (last and checked):
        reach = f"see what there is and can be reached: {command('doctor', site=site)}"
        print_empty(screen, "Nothing was checked yet", reach if last else first_run(site))
    elif not still:
        # What could not be seen is no finding either: nothing here says that all passed.
        words = last.split() if last.startswith("check ") else ["run", last]
        well, again = ("No open finding", "bold"), command(*words, site=site)
        told = beside(screen)
        told.line(well, f": nothing that was checked fails; check again: {again}")
        told.flush()
    else:
        hosts = len({finding.host for finding in still} - OWN_NAMES)
        on = f" on {counted(hosts, 'host')}" if hosts else ""
        waived = sum(bool(finding.waiver) for finding in still)
        apart = f"; {waived} of them waived" if waived else ""
        head = f"{counted(len(still), 'open finding')}{on}{apart}."
        told = beside(screen)
        told.line((head, "bold"))
        if screen.live:
            screen.line()
        told.flush()
        still.sort(key=_by_severity)
        _print_findings(screen, still, now, site)
    if gone:
        if screen.live:
            screen.line()
        gone.sort(key=lambda finding: finding.resolved_at or now, reverse=True)
        _print_findings(screen, gone, now, site)
    screen.flush()


def _by_severity(one: FindingShown) -> tuple[float, str, datetime, Natural, Natural]:
    """Return what sorts the worst first, and then the oldest."""
    rank = one.severity.rank if one.severity else 2.5
    return rank, one.check, one.opened_at, natural(one.host), natural(one.subject)


def _print_findings(
    screen: Screen, findings: Sequence[FindingShown], now: datetime, site: str
) -> None:
    """Print findings by their causes for people, or each by itself for a pipe."""
    if screen.live:
        groups = grouped(findings, FindingShown.tell)
        doctor = f"{command('doctor', site=site)}  # see why"
        rows = [
            _row(group.first, now, [one.id for one in group.things]).for_all(group, doctor)
            for group in groups
        ]
    else:
        rows = [_row(finding, now, [finding.id]) for finding in findings]
    print_rows(screen, rows)


def _row(finding: FindingShown, now: datetime, numbers: Sequence[int]) -> TroubleRow:
    """Return the row of a finding. numbers: of all that it stands for."""
    story = _story(finding)
    if finding.resolved_at is not None:
        was = status_words(finding.status, finding.severity)
        said = f"; {finding.message}" if finding.gone else f": {finding.message}"
        story.insert(0, f"{ago(finding.resolved_at, now)}; was {was}{said}")
        kind, words = ("unknown", "retired") if finding.retired else ("pass", "resolved")
        if finding.gone:
            kind, words = "unknown", "gone"
        remedy = ""
    else:
        since = age((now - finding.opened_at).total_seconds())
        story.insert(0, f"{finding.message}; open for {since}")
        if finding.waiver:
            story.append(finding.waiver)
        kind = status_kind(finding.status, finding.severity)
        words, remedy = status_words(finding.status, finding.severity), finding.remedy
        if finding.waiver:
            words += ", waived"
    story.append(_numbered(numbers))
    names, noun = (finding.host, finding.check, finding.subject), trouble_of(finding.check)
    return TroubleRow(kind, words, *names, ", ".join(story), remedy, noun=noun)


def _story(finding: FindingShown) -> list[str]:
    story = [f"in {counted(finding.count, 'run')}"]
    if finding.reopened:
        times = "once" if finding.reopened == 1 else f"{finding.reopened} times"
        story.append(f"came back {times}")
    return story


def _numbered(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"finding {numbers[0]}"
    more = f" and {len(numbers) - NUMBERS} more" if len(numbers) > NUMBERS else ""
    return f"findings {', '.join(map(str, numbers[:NUMBERS]))}{more}"


@dataclass(frozen=True)
class FindingRecord:
    """What is kept of a finding beside itself.

    alerts: those that it is in, each in a sentence. events: newest first. run_id: the newest run that saw it;
    None if that is no longer kept.
    """

    alerts: Sequence[str]
    events: Sequence[FindingEvent]
    run_id: int | None
    evidence: Excerpt | None


def print_finding(
    screen: Screen,
    finding: FindingShown,
    record: FindingRecord,
    now: datetime,
    site: str = "",
) -> None:
    """Print a finding: what, where, since when, how bad, who knows, the next step; then its history and evidence."""
    about = [screen.text(trouble_of(finding.check), 200), f" on {screen.text(finding.host, 200)}"]
    if names_subject(finding.check, finding.subject):
        about.append(f": {screen.text(finding.subject, 600)}")
    screen.line((f"Finding {finding.id}: {''.join(about)}", "bold"))
    kind = status_kind(finding.status, finding.severity)
    words = status_words(finding.status, finding.severity)
    if finding.resolved_at is not None:
        kind = "pass" if not (finding.retired or finding.gone) else "unknown"
        words = "retired" if finding.retired else "gone" if finding.gone else "resolved"
    message = wrap(screen.text(finding.message, 4_000), screen.width - 4)
    screen.line((f"{screen.signs[kind]} {words}", STYLES[kind]))
    for line in message:
        screen.line(f"  {line}")
    if finding.remedy and finding.resolved_at is None:
        screen.line(f"  {screen.signs['next']} {screen.text(finding.remedy, 1_000)}")
    screen.line()
    facts = [f"open since {exact(finding.opened_at, now.tzinfo)} ({ago(finding.opened_at, now)})"]
    if finding.resolved_at is not None:
        facts = [f"opened {exact(finding.opened_at, now.tzinfo)} ({ago(finding.opened_at, now)})"]
        facts.append(
            f"{words} {exact(finding.resolved_at, now.tzinfo)} ({ago(finding.resolved_at, now)})"
        )
    facts.append(
        f"last seen {exact(finding.last_seen_at, now.tzinfo)} ({ago(finding.last_seen_at, now)})"
    )
    facts += [", ".join(_story(finding))]
    if finding.waiver:
        facts.append(f"covered by {finding.waiver}: it still fails, and nobody is notified")
    elif finding.resolved_at is None:
        facts += record.alerts or ["no alert: nobody is notified"]
    facts.append(f"check {finding.check}; what it means: {command('explain', finding.check)}")
    if record.run_id is not None:
        facts.append(
            f"the newest run that saw it: {command('show', str(record.run_id), site=site)}"
        )
    for fact in facts:
        screen.line(screen.text(f"{fact[:1].upper()}{fact[1:]}.", 1_000))
    if record.events:
        screen.line()
        columns = [Column("when"), Column("event"), Column("run", right=True)]
        columns += [Column("message", subject=True)]
        cells: list[list[Piece]] = [
            [exact(one.at, now.tzinfo), _event(one), str(one.run_id or ""), one.message]
            for one in record.events
        ]
        print_columns(screen, columns, cells)
    if record.evidence is not None:
        screen.line()
        screen.line((f"Evidence, as the host reported it{record.evidence.note}:", "bold"))
        for line in record.evidence.text.splitlines():
            screen.line(f"  {screen.text(line, 4_000)}")
    screen.flush()


def _event(one: FindingEvent) -> str:
    return f"{one.kind} {one.severity.value}" if one.severity else one.kind
