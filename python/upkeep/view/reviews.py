"""Reviews on a terminal or in a pipe: what must be signed, and one with all that was collected for it.

The page says the same in the same words: what both name stands here once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import (
    age,
    ago,
    as_of,
    counted,
    exact,
    size,
    status_kind,
    status_words,
    who_ran,
)
from upkeep.model.verdicts import Severity, Status
from upkeep.rules import targets
from upkeep.rules.lacking import LACKS
from upkeep.rules.review_failures import NEEDS_NOTE
from upkeep.rules.review_failures import words_of as words_of_failures
from upkeep.rules.reviews import (
    UNSEEN,
    ReviewStanding,
    ReviewState,
    ReviewVerdict,
    name_of,
    title_of,
)
from upkeep.rules.sentences import trouble_of
from upkeep.rules.trouble_groups import Told, grouped
from upkeep.site.schedule_file import Schedule
from upkeep.store.review_evidence import Shown
from upkeep.store.reviews import KeptReview
from upkeep.view.incident_evidence import print_evidence_incidents
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen
from upkeep.view.troubles import TroubleRow, print_doubts, print_rows

KINDS = {
    ReviewState.OPEN: "",
    ReviewState.REMINDED: "warn",
    ReviewState.OVERDUE: "fail",
    ReviewState.AWAITING_SECOND: "warn",
    ReviewState.SIGNED: "pass",
    ReviewState.NOT_APPLICABLE: "pass",
    ReviewState.CORRECTED: "pass",
}
EVENTS = 10
BYTES = "By"
"""The unit of a number of bytes, in UCUM; people read `1.5 GiB`."""
NUMBERS = {"mean": "mean", "least": "lowest", "most": "highest", "first": "first", "last": "last"}
"""The numbers of a series, and what they are called."""
NOT_MEASURED = "not measured"
COUNTS = {
    ("now", "pass"): "passes now",
    ("now", "fail"): "fails",
    ("now", "unknown"): "unknown",
    ("since", "pass"): "passed in runs",
    ("since", "fail"): "failed",
    ("since", "unknown"): "unknown",
}
"""The numbers of a check: of its subjects now, and of the results of the procedure's runs since the last review."""
MISSING = "missing when signed"
EYES = {"required": ", two people", "alone_with_reason": ", two people, or one with a reason"}
TARGETS = {"met": "", "missed": STYLES["fail"], "unknown": STYLES["unknown"], "": ""}


def kind_of(standing: ReviewStanding) -> str:
    """Return which sign and colour a review has; empty for one that only waits."""
    if standing.overdue or standing.verdict is ReviewVerdict.FAIL:
        return "fail"
    return KINDS[standing.state]


def words_of(standing: ReviewStanding) -> str:
    """Return the review's state in a few words."""
    words = standing.state.value
    if standing.signed:
        words = f"signed by {standing.signed} of {standing.signed + len(standing.waits_for)}"
    if standing.overdue and standing.state is not ReviewState.OVERDUE:
        words = f"overdue, {words}"
    if standing.verdict and standing.verdict.value != words:
        words += f": {standing.verdict.value}"
    if standing.is_done and standing.alone:
        words += ", alone"
    return words


def asked_words(schedule: Schedule, one: KeptReview) -> str:
    """Return who must sign a review: teams or a person, and how many people."""
    owners = " + ".join(title_of(schedule, owner) for owner in signers_of(one))
    return owners + EYES.get(one.four_eyes, "")


def signers_head(found: Iterable[ReviewStanding]) -> str:
    """Return what the column of who must sign is called: some of a list may have been signed."""
    return "who signs" if any(one.is_done for one in found) else "to sign"


def waits_words(schedule: Schedule, standing: ReviewStanding) -> str:
    """Return who must sign still."""
    return " and ".join(title_of(schedule, one) for one in standing.waits_for)


def in_time_words(one: KeptReview, standing: ReviewStanding) -> tuple[str, str]:
    """Return whether a review that is done was signed in time, with its kind; empty while it is not done."""
    if standing.closed_at is None:
        return "", ""
    late = (standing.closed_at - one.due_at).total_seconds()
    return ("signed on time", "pass") if late <= 0 else (f"signed {age(late)} late", "warn")


def status_of(one: Mapping[str, Any]) -> tuple[Status, Severity | None]:
    """Return status and severity of a row of a review's evidence; a finding has no status: it fails."""
    level = one.get("severity")
    return Status(one.get("status", Status.FAIL.value)), Severity(level) if level else None


def without(found: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a review's evidence has not been told under another heading."""
    names = {(one["check"], one["host"], one["subject"]) for one in told["rows"]}
    rows = [
        one for one in found["rows"] if (one["check"], one["host"], one["subject"]) not in names
    ]
    return {"rows": rows, "left_out": found["left_out"]}


@dataclass(frozen=True)
class ReviewRow:
    """A review in a list. owners: who must sign, by title. kind: its sign and colour."""

    review: KeptReview
    standing: ReviewStanding
    owners: str
    kind: str
    words: str


def row_of(schedule: Schedule, one: KeptReview, standing: ReviewStanding) -> ReviewRow:
    """Return a review as a list shows it."""
    owners = " + ".join(title_of(schedule, owner) for owner in signers_of(one))
    return ReviewRow(one, standing, owners, kind_of(standing), words_of(standing))


def signers_of(one: KeptReview) -> tuple[str, ...]:
    """Return who must sign a review: ids of teams or people."""
    return one.parties or (one.owner,)


def print_reviews(
    screen: Screen,
    rows: Sequence[tuple[KeptReview, ReviewStanding]],
    titles: Mapping[str, str],
    zone: ZoneInfo,
    now: datetime,
    site: str,
) -> None:
    """Print reviews in one sentence, then each on a line."""
    if not rows:
        print_empty(
            screen,
            "Nothing to sign",
            f"signed ones: {command('review', 'list', '--all', site=site)}",
        )
        return
    late = sum(standing.overdue for _one, standing in rows)
    waiting = sum(not standing.is_done for _one, standing in rows)
    if screen.live and waiting:
        more = f", {late} overdue" if late else ""
        screen.line((f"{counted(waiting, 'review')} to sign{more}.", "bold"))
        screen.line()
    columns = [
        Column("review", right=True),
        Column("due"),
        Column(signers_head(standing for _one, standing in rows), gives=True),
        Column("item", gives=True),
        Column("title", subject=True),
        Column("status", gives=True),
    ]
    cells: list[list[Piece]] = []
    for one, standing in rows:
        kind = kind_of(standing)
        sign = f"{screen.signs[kind]} " if kind else ""
        owners = " + ".join(titles.get(each, each) for each in one.parties or (one.owner,))
        due = (
            f"{one.due_at.astimezone(zone):%a %Y-%m-%d %H:%M}"
            if screen.live
            else exact(one.due_at, zone)
        )
        stands = (f"{sign}{words_of(standing)}", STYLES[kind] if kind else "")
        cells.append([str(one.id), due, owners, one.item, one.title, stands])
    print_columns(screen, columns, cells)
    first = next((one for one, standing in rows if not standing.is_done), None)
    if first and screen.live:
        screen.line()
        screen.line(f"To show one: {command('review', 'show', str(first.id), site=site)}")
    screen.flush()


def print_review(
    screen: Screen, shown: Shown, schedule: Schedule, zone: ZoneInfo, now: datetime, site: str
) -> None:
    """Print one review: what is asked, how it stands, what was collected, who has signed."""
    one, standing = shown.review, shown.standing
    kind = kind_of(standing)
    screen.line((screen.text(f"Review {one.id}: {one.title}", 400), "bold"))
    sign = f"{screen.signs[kind]} " if kind else ""
    screen.line((f"{sign}{words_of(standing)}", STYLES[kind] if kind else ""))
    line = f"procedure: {one.procedure} {one.item}, for {exact(one.due_of, zone)}"
    screen.line(screen.text(line, 400))
    asked = f"{'to be signed' if standing.is_done else 'to sign'}: {asked_words(schedule, one)}"
    if standing.signed:
        asked += f"; still to sign: {waits_words(schedule, standing)}"
    screen.line(screen.text(asked, 400))
    in_time, kind = in_time_words(one, standing)
    if standing.closed_at:
        said: Piece = (f"{in_time}, {exact(standing.closed_at, zone)}", STYLES[kind])
        screen.line(f"due {exact(one.due_at, zone)}: ", said)
    else:
        screen.line(f"due {exact(one.due_at, zone)} ({ago(one.due_at, now)})")
    for label, text in (("asks", one.definition.get("asks", "")), ("gap", one.gap)):
        if text:
            screen.line((f"{label}: ", "bold"), screen.text(text, 1_000))
    for text in one.definition.get("lacks", ()):
        screen.line((f"{LACKS}: ", STYLES["warn"]), screen.text(text, 400))
    if shown.evidence:
        _print_evidence(screen, shown.evidence, zone, now)
        screen.line()
        screen.line((f"Evidence: {one.evidence_sha256}", "dim"))
    _print_signatures(screen, shown, schedule, zone)
    if not standing.is_done:
        print_before_signing(screen, shown, zone, now)
    if not standing.is_done and screen.live:
        screen.line()
        screen.line(
            f"To sign: {command('review', 'sign', str(one.id), '--verdict', 'pass', site=site)}"
        )
    screen.flush()


def print_before_signing(screen: Screen, shown: Shown, zone: ZoneInfo, now: datetime) -> None:
    """Print what somebody must know who signs now: how old the evidence is, what opened since, what is lacking."""
    screen.line()
    if shown.collected_at:
        screen.line(f"The evidence is {as_of(shown.collected_at, now, zone)}.")
    since = shown.opened_since
    count = len(since["rows"]) + since["left_out"]
    if count:
        words = f"{counted(count, 'finding')} opened since, or became worse"
        screen.line((f"{screen.signs['fail']} {words}", STYLES["fail"]))
        _print_rows(screen, since)
    if shown.failing:
        text = f"{NEEDS_NOTE}: {words_of_failures(shown.failing)}"
        screen.line((f"{screen.signs['warn']} ", STYLES["warn"]), screen.text(text, 1_000))
    if shown.lacking.nothing:
        text = f"Nothing was collected for it: {UNSEEN}."
        screen.line((f"{screen.signs['warn']} {text}", STYLES["warn"]))
        for one in shown.lacking.what:
            screen.line(screen.text(f"  {one}", 400))


def run_by(evidence: Mapping[str, Any]) -> str:
    """Return who wanted the run that collected for a review: a person, or the schedule."""
    run = evidence.get("run")
    if not run:
        return ""
    asked_by = run.get("asked_by", "")
    return who_ran(run.get("started_by", ""), asked_by) if asked_by else "scheduled"


def _print_evidence(
    screen: Screen, evidence: Mapping[str, Any], zone: ZoneInfo, now: datetime
) -> None:
    since, until = (datetime.fromisoformat(evidence[key]) for key in ("since", "until"))
    screen.line()
    times = f"from {exact(since, zone)} to {exact(until, zone)}"
    screen.line((f"Evidence {times}, {as_of(until, now, zone)}", "bold"))
    run = evidence["run"]
    if run:
        cause = f": {run['cause']}" if run["cause"] else ""
        by = run_by(evidence)
        who = f", {by}" if by else ""
        screen.line(screen.text(f"run {run['id']} {run['status']}{cause}{who}", 400))
    if evidence["checks"]:
        columns = [Column("check", subject=True)]
        columns += [Column(head, right=True) for head in COUNTS.values()]
        cells: list[list[Piece]] = [
            [one["check"], *(str(one[when][key]) for when, key in COUNTS)]
            for one in evidence["checks"]
        ]
        print_columns(screen, columns, cells)
        # Evidence of an older program does not say.
        counts = {one["check"]: one.get("doubted", 0) for one in evidence["checks"]}
        print_doubts(screen, {check: number for check, number in counts.items() if number})
    _print_measures(screen, evidence["measures"])
    print_evidence_incidents(screen, evidence.get("incidents"), zone)
    _print_troubles(screen, "Open findings", evidence["findings"])
    others = without(evidence["not_passing"], evidence["findings"])
    _print_troubles(screen, "Does not pass now, without a finding", others)
    _print_waivers(screen, evidence["waivers"], zone)
    _print_changes(screen, evidence["changed"], zone)
    _print_due_times(screen, evidence["occurrences"], zone)
    for link in evidence["links"]:
        screen.line(screen.text(f"{link['title']}: {link['url']}", 1_200))


def target_words(measure: Mapping[str, Any]) -> str:
    """Return what a measure of a review's evidence is held against: `at most 4, 99 % of the time`; empty: nothing."""
    limits = " and ".join(
        f"{words} {number_words(measure[key], measure['unit'])}"
        for key, words in (("at_most", "at most"), ("at_least", "at least"))
        if measure[key] is not None
    )
    if not limits or targets.is_by_mean(measure):
        return limits
    rules = {
        "within": f"{limits}, {measure['share'] or 0:g} % of the time",
        "worst": f"{limits}, always",
        "total": f"{limits} in all",
    }
    return rules[measure["rule"]]


def stands_words(measure: Mapping[str, Any], series: Mapping[str, Any]) -> str:
    """Return how a series stands to its target, with the figure that says so; empty if it has none."""
    state = targets.state_of(measure, series)
    if not state or targets.is_by_mean(measure):
        return f"{state} by its mean" if state else ""
    if series["figure"] is None:
        return state
    figures = {
        "within": f"{state}: {series['figure']:.4g} % of what was seen",
        "worst": f"{state}: {series['figure']:g} at worst",
        "total": f"{state}: {series['figure']:g} in all",
    }
    return figures[measure["rule"]]


def unseen_words(series: Mapping[str, Any]) -> str:
    """Return how much of its time nobody has seen of a series: `29 d (96.7 %)`."""
    if "unseen" not in series:
        return "not kept"
    if not series["unseen_seconds"]:
        return "0"
    return f"{age(series['unseen_seconds'])} ({100 * series['unseen']:.3g} %)"


def number_words(value: float | None, unit: str = "") -> str:
    """Return a number, an amount of bytes with its unit; a dash where there is none."""
    if value is None:
        return "-"
    return size(value) if unit == BYTES else f"{value:g}"


def _print_measures(screen: Screen, measures: Iterable[Mapping[str, Any]]) -> None:
    for one in measures:
        unit = f" {one['unit']}" if one["unit"] not in ("", "1", BYTES) else ""
        target = target_words(one)
        screen.line()
        title = f"{one['check']}: {one['name']}{unit}" + (f", {target}" if target else "")
        screen.line((screen.text(title, 200), "bold"))
        if not one["series"]:
            screen.line("no value in this period")
            continue
        columns = [Column("host"), Column("subject", subject=True)]
        columns += [Column(head, right=True) for head in NUMBERS.values()]
        columns += [Column(NOT_MEASURED, right=True), Column("target")]
        cells: list[list[Piece]] = [
            [
                row["host"],
                row["subject"],
                *(number_words(row[key], one["unit"]) for key in NUMBERS),
                unseen_words(row),
                (stands_words(one, row), TARGETS[targets.state_of(one, row)]),
            ]
            for row in one["series"]
        ]
        print_columns(screen, columns, cells)
        _print_left(screen, one["left_out"])


def _print_troubles(screen: Screen, title: str, found: Mapping[str, Any]) -> None:
    if not found["rows"]:
        return
    screen.line()
    screen.line((title, "bold"))
    _print_rows(screen, found)


def told_of(one: Mapping[str, Any]) -> Told:
    """Return by what a row of a review's evidence is put together with others."""
    status, severity = status_of(one)
    names = (one["host"], one["check"], one["subject"])
    return Told(*names, status, one["message"], apart=(severity, one.get("doubted", False)))


def _row(one: Mapping[str, Any]) -> TroubleRow:
    status, severity = status_of(one)
    words, kind = status_words(status, severity), status_kind(status, severity)
    words += ", doubted" if one.get("doubted") else ""
    names = (one["host"], one["check"], one["subject"])
    return TroubleRow(kind, words, *names, one["message"], noun=trouble_of(one["check"]))


def _print_rows(screen: Screen, found: Mapping[str, Any]) -> None:
    if screen.live:
        rows = [_row(one.first).for_all(one) for one in grouped(found["rows"], told_of)]
    else:
        rows = [_row(one) for one in found["rows"]]
    print_rows(screen, rows)
    _print_left(screen, found["left_out"])


def _print_changes(screen: Screen, found: Mapping[str, Any], zone: ZoneInfo) -> None:
    if not found["rows"]:
        return
    screen.line()
    screen.line(("What changed, newest first", "bold"))
    count = EVENTS if screen.live else len(found["rows"])
    columns = [Column("when"), Column("what"), Column("check"), Column("host")]
    columns += [Column("subject"), Column("message", subject=True)]
    cells: list[list[Piece]] = [
        [
            exact(datetime.fromisoformat(one["at"]), zone),
            *(one[key] for key in ("kind", "check", "host", "subject", "message")),
        ]
        for one in found["rows"][:count]
    ]
    print_columns(screen, columns, cells)
    _print_left(screen, found["left_out"] + len(found["rows"]) - len(cells))


def _print_waivers(screen: Screen, found: Iterable[Mapping[str, Any]], zone: ZoneInfo) -> None:
    for number, one in enumerate(found):
        if not number:
            screen.line()
            screen.line(("Waived", "bold"))
        until = exact(datetime.fromisoformat(one["ends_at"]), zone)
        scope = f"{one['check']} of {one['subject']} on {one['host']}, up to {one['severity']}"
        who = f"asked for by {one['requested_by']}, approved by {one['approved_by']}"
        text = f"waiver {one['id']}: {scope}, until {until}: {one['reason']} ({who})"
        screen.line(screen.text(text, 1_000))


def _print_due_times(screen: Screen, found: Mapping[str, Any], zone: ZoneInfo) -> None:
    if not found["rows"]:
        return
    screen.line()
    screen.line(("Due times, newest first", "bold"))
    count = EVENTS if screen.live else len(found["rows"])
    columns = [Column("due"), Column("kind"), Column("host", subject=True), Column("state")]
    columns.append(Column("why", gives=True))
    cells: list[list[Piece]] = [
        [
            exact(datetime.fromisoformat(one["due_at"]), zone),
            *(one[key] for key in ("kind", "host", "state", "cause")),
        ]
        for one in found["rows"][:count]
    ]
    print_columns(screen, columns, cells)
    _print_left(screen, found["left_out"] + len(found["rows"]) - len(cells))


def _print_left(screen: Screen, count: int) -> None:
    if count:
        screen.line((f"and {count} more", "dim"))


def _print_signatures(screen: Screen, shown: Shown, schedule: Schedule, zone: ZoneInfo) -> None:
    corrected = {one.corrects: one.number for one in shown.signatures}
    for one in shown.signatures:
        screen.line()
        party = f" for {title_of(schedule, one.party)}" if one.party else ""
        firm = f" on behalf of {one.on_behalf_of}" if one.on_behalf_of else ""
        says = f"Signed by {name_of(schedule, one)}{party}{firm}: {one.verdict.value}"
        fails = one.verdict is ReviewVerdict.FAIL
        screen.line((screen.text(says, 400), STYLES["fail"] if fails else "bold"))
        screen.line(screen.text(f"{exact(one.at, zone)}, {one.authenticated}", 400))
        screen.line(f"record {one.number}: {shown.hashes[one.number]}")
        if one.number in corrected:
            screen.line((f"corrected by record {corrected[one.number]}", STYLES["warn"]))
        if one.corrects:
            screen.line(f"corrects record {one.corrects}")
        for lacking in one.lacking:
            screen.line((f"{MISSING}: ", STYLES["warn"]), screen.text(lacking, 400))
        for label in ("reason", "alone", "note"):
            for row, line in enumerate(getattr(one, label).split("\n")):
                if line or row:
                    screen.line("  " if row else f"{label}: ", screen.text(line, 20_000))
        for file in one.attachments:
            what = f"attached: {file.name}, {size(file.size_bytes)}, {file.sha256[:12]}"
            screen.line(screen.text(what, 400))
        if one.evidence_sha256 != shown.review.evidence_sha256:
            screen.line(f"was shown other evidence: {one.evidence_sha256}")
    for follow_up in shown.follow_ups:
        screen.line()
        due = f"{title_of(schedule, follow_up.owner)}, due {exact(follow_up.due_at, zone)}"
        text = f"follow-up: review {follow_up.id}, {due}: {follow_up.title}"
        screen.line(screen.text(text, 1_200))
