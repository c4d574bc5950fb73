"""How a run stands: one sentence, what did not pass, what passed, where the rest is, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from upkeep.model.answer import SITE_HOST, Outcome
from upkeep.model.remedies import command
from upkeep.model.text import counted, thousands, wrap
from upkeep.model.verdicts import Status
from upkeep.rules.sentences import names_subject, title_of, trouble_of, what_of
from upkeep.rules.trouble_groups import TroubleGroup, grouped
from upkeep.view.model import RESTORE_TRY, RunSummary, Trouble
from upkeep.view.screen import STYLES, Letters, Piece, Screen
from upkeep.view.troubles import TroubleRow, Troubles, groups_for, print_doubts, print_rows

NAMED_IN_SENTENCE = 3
CLAUSE_COLUMNS = 60


def print_result(
    screen: Screen,
    summary: RunSummary,
    troubles: Troubles,
    *,
    report: str = "",
    only_host: str = "",
    doubts: Mapping[str, int] | None = None,
    quiet: bool = False,
) -> None:
    """Print how a run stands: one sentence, what did not pass, what passed, where the rest is, what next.

    doubts: how many of its results are doubted, by check. quiet: without what comes after what did not pass.
    """
    worst = troubles.worst()
    said = _next(screen, summary, worst)
    if doubts and not worst:
        findings = command("finding", "list", site=summary.place)
        said = f"see which check proves nothing: {findings}"
    after = [] if quiet else _footer(screen, summary, troubles.nothing, report, said)
    taken = print_stand(screen, summary, worst, only_host)
    taken += print_doubts(screen, doubts or {})
    if worst:
        screen.line()
        # Also on the screen: blank lines, the line of what is left out, and the prompt.
        taken += sum(screen.rows(line) for line in after) + 5
        groups = groups_for(screen, worst)
        rows = [TroubleRow.of_group(group, summary.place) for group in groups]
        shown = groups[: print_rows(screen, rows, max(screen.height - taken, 6))]
        rest = _rest(
            screen, summary, troubles, [trouble for group in shown for trouble in group.things]
        )
        if rest:
            screen.line(*rest)
    if not quiet:
        screen.line()
    for line in after:
        screen.line(*line)
    screen.flush()


def print_stand(
    screen: Screen, summary: RunSummary, worst: Sequence[Trouble], only_host: str = ""
) -> int:
    """Print the one sentence that says how a run stands; return the number of lines."""
    sentence = stand(screen, summary, worst, only_host)
    lines = wrap(sentence, screen.width) if screen.live else [sentence]
    if screen.terminal:
        screen.line()
    for line in lines:
        screen.line((line, f"bold {STYLES[_kind(summary, worst)]}"))
    return len(lines) + 1


def _kind(summary: RunSummary, worst: Sequence[Trouble]) -> str:
    if worst and worst[0].status is Status.FAIL:
        return "fail" if worst[0].order[0] < 2 else "warn"
    if worst or summary.status != "done" or not summary.counts.total:
        return "unknown"
    return "pass"


def stand(
    letters: Letters, summary: RunSummary, worst: Sequence[Trouble], only_host: str = ""
) -> str:
    """Return the one sentence that says how a run stands."""
    said = headline(letters, summary, worst, only_host)
    names = clauses(letters, summary, worst)
    return as_sentence(letters, f"{said}: {names}" if names else said)


def as_sentence(letters: Letters, said: str) -> str:
    """Return words with a full stop; what was cut ends with its own dots."""
    return said if said.endswith(letters.signs["more"]) else f"{said}."


def headline(
    letters: Letters, summary: RunSummary, worst: Sequence[Trouble], only_host: str = ""
) -> str:
    """Return how a run stands, without what is wrong and without a full stop."""
    return _preface(letters, summary) + _state(letters, summary, worst, only_host)


def _preface(letters: Letters, summary: RunSummary) -> str:
    number = sum(summary.hosts.values())
    done = f"{thousands(number)} {summary.noun}" if number != 1 else "1 host"
    cause = letters.text(summary.cause, 300)
    if summary.status == "interrupted":
        return f"Interrupted after {done}. "
    if summary.status in ("failed", "crashed"):
        return f"The run {summary.status}: {cause}. " if cause else f"The run {summary.status}. "
    return ""


def _state(letters: Letters, summary: RunSummary, worst: Sequence[Trouble], only_host: str) -> str:
    hosts = sum(summary.hosts.values())
    counts = summary.counts
    if not hosts or (not counts.total and not worst):
        why = letters.text(summary.cause, 300) if summary.status in ("done", "partial") else ""
        return "Nothing was checked" + (f": {why}" if why else "")
    if summary.site_in_need:
        rest = _of_hosts(letters, summary, worst, only_host)
        return f"The site as a whole needs you; {rest[:1].lower()}{rest[1:]}"
    return _of_hosts(letters, summary, worst, only_host)


def _of_hosts(
    letters: Letters, summary: RunSummary, worst: Sequence[Trouble], only_host: str
) -> str:
    """Return how a run stands that has looked at something, but for what is of the site as a whole."""
    hosts, counts, need = sum(summary.hosts.values()), summary.counts, summary.hosts_in_need
    if counts.total and counts.total == counts.nothing and not need:
        return "There was nothing to judge" + _own(summary)
    if summary.status != "done" and not need:
        why = letters.text(summary.cause, 300) if summary.status == "partial" else ""
        said = "No check failed that needs you" if counts.failing else "No check failed"
        return said + _to_know(summary) + (f"; not all was done: {why}" if why else "")
    if hosts == 1:
        name = letters.text(only_host or (worst[0].host if worst else ""), 300) or "The host"
        said = f"{name} needs you" if need else f"{name} is well" + _to_know(summary)
        return said + _own(summary)
    if need:
        verb = "needs" if need == 1 else "need"
        return f"{thousands(need)} of {thousands(hosts)} {summary.noun} {verb} you" + _own(summary)
    skipped = summary.hosts.get(Outcome.SKIPPED, 0)
    apart = [f"{thousands(skipped)} skipped"] if skipped else []
    if summary.hosts_unjudged:
        apart.append(f"nothing to judge on {thousands(summary.hosts_unjudged)}")
    well = hosts - skipped - summary.hosts_unjudged
    said = f"{thousands(well)} of {thousands(hosts)} {summary.noun} are well, {', '.join(apart)}"
    if not apart:
        said = f"All {thousands(hosts)} {summary.noun} are well"
    return said + _to_know(summary) + _own(summary)


def _to_know(summary: RunSummary) -> str:
    failing = summary.counts.failing - summary.own - summary.site_failing
    return f", {counted(failing, 'thing')} to know" if failing > 0 else ""


def _own(summary: RunSummary) -> str:
    return f"; {counted(summary.own, 'problem')} with Upkeep itself" if summary.own else ""


def leading(summary: RunSummary, worst: Sequence[Trouble]) -> list[TroubleGroup[Trouble]]:
    """Return what the sentence names: the worst of the first few hosts, or of the one host."""
    found: list[TroubleGroup[Trouble]] = []
    named: set[str] = set()
    for group in grouped(worst, Trouble.tell, hosts_at=2):
        if sum(summary.hosts.values()) > 1 and named.issuperset(group.hosts):
            continue
        if len(found) == NAMED_IN_SENTENCE:
            break
        named.update(group.hosts)
        found.append(group)
    return found


def clauses(
    letters: Letters, summary: RunSummary, worst: Sequence[Trouble], columns: int = CLAUSE_COLUMNS
) -> str:
    """Return the worst of the first few hosts, or of the one host, in a few words each."""
    if not summary.hosts_in_need and not summary.site_in_need:
        return ""
    with_host = sum(summary.hosts.values()) > 1
    said: list[str] = []
    named: set[str] = set()
    told = 0
    for group in leading(summary, worst):
        named.update(group.hosts)
        told += len(group.things)
        more = f" and {thousands(len(group.hosts) - 1)} more" if len(group.hosts) > 1 else ""
        who = f"{letters.text(group.first.host, 300)}{more}: " if with_host else ""
        said.append(who + _clause(letters, group.first, columns))
    left = summary.hosts_in_need - len(named - {SITE_HOST}) if with_host else len(worst) - told
    if left > 0:
        said.append(f"and {thousands(left)} {'others' if left > 1 else 'other'}")
    return "; ".join(said)


def _clause(letters: Letters, trouble: Trouble, columns: int) -> str:
    """Return `Overdue backup, shop: 31 h old, at most 24 h`: the message's first part, cut after a word."""
    part, *cut = wrap(letters.text(trouble.message, 300).split("; ")[0], columns)
    message = part.rstrip(",;:") + letters.signs["more"] if cut else part
    if not trouble.check:
        return message
    named = names_subject(trouble.check, trouble.subject)
    subject = f", {letters.cut(trouble.subject, 34)}" if named else ""
    return f"{letters.text(what_of(trouble.check, trouble.status), 60)}{subject}: {message}"


def _rest(
    screen: Screen, summary: RunSummary, troubles: Troubles, shown: Sequence[Trouble]
) -> list[Piece]:
    """Return the line that says what there was no room for; nothing if there was room for all."""
    if len(shown) == troubles.count:
        return []
    left = Counter(troubles.by_check)
    left.subtract(trouble.check for trouble in shown)
    most = [
        f"{n} {screen.text(trouble_of(check), 60)}"
        for check, n in left.most_common()
        if check and n > 0
    ]
    names = ", ".join(most[:3])
    more = f"{screen.signs['more']} and {thousands(troubles.count - len(shown))} more"
    if names:
        others = len(most) - 3
        more += f": {names}" + (f" and {counted(others, 'other trouble')}" if others > 0 else "")
    see = (
        command("show", str(summary.id), site=summary.place) if summary.id is not None else "--json"
    )
    return [(more, "bold"), f"; all: {see}"]


def _footer(
    screen: Screen, summary: RunSummary, nothing: Sequence[Trouble], report: str, step: str
) -> list[list[Piece]]:
    lines: list[list[Piece]] = []
    if summary.counts.waived:
        of = counted(summary.counts.failing, "failure")
        see = command("waiver", "list", site=summary.place)
        lines.append([f"{thousands(summary.counts.waived)} of {of} waived; see: {see}"])
    if summary.counts.passed:
        sign, style = screen.status(Status.PASS)
        passed = f"{sign[0]} {counted(summary.counts.passed, 'result')} passed"
        see = (
            f"; see: {command('show', str(summary.id), '--all', site=summary.place)}"
            if summary.id is not None
            else ""
        )
        lines.append([(passed, style), see])
    if summary.counts.nothing:
        lines.append([_nothing(screen, summary, nothing)])
    if report:
        lines.append([f"Full report: {screen.text(report)}"])
    lines.append([f"Next: {step}"])
    return lines


def _nothing(screen: Screen, summary: RunSummary, some: Sequence[Trouble]) -> str:
    """Return the line that tells of what had nothing to judge, with an example."""
    said = f"{counted(summary.counts.nothing, 'result')} had nothing to judge"
    if not some:
        return said
    first = some[0]
    named = (
        f", {screen.cut(first.subject, 40)}" if names_subject(first.check, first.subject) else ""
    )
    what = screen.text(title_of(first.check), 80) + named
    return f"{said}, such as {what} on {screen.text(first.host, 300)}: {screen.text(first.message, 200)}"


def _next(screen: Screen, summary: RunSummary, worst: Sequence[Trouble]) -> str:
    """Return what to do next."""
    if summary.procedure == RESTORE_TRY and not worst:
        return "see what it has shown: " + command("restore", "list", site=summary.place)
    options = [word for one in summary.given for word in ("-p", one)]
    # A single check's run is called `check ID`; that is no procedure.
    alone = summary.procedure.startswith("check ")
    words = summary.procedure.split() if alone else ["run", summary.procedure]
    again = command(*words, *options, site=summary.place)
    if not worst:
        if summary.status == "done" and summary.counts.total:
            return "nothing needs you; once more with: " + again
        if not summary.hosts:
            return "see what there is and can be reached: " + command("doctor", site=summary.place)
        if alone and set(summary.hosts) == {Outcome.SKIPPED}:
            see = command("explain", words[-1], site=summary.place)
            return f"add it to a list upkeep_checks_* of the inventory; see how: {see}"
        return "run it again: " + again
    first = worst[0]
    if not first.check:
        return screen.text(first.remedy, 500)
    look = command("check", first.check, *options, site=summary.place, limit=first.host)
    return "fix the first line, then check again: " + screen.text(look, 500)
