"""Pure: what a message says: what, since when, how bad, the first remedy, the link.

Subjects, accounts, values and evidence stand only in messages for channels that may carry them (`phi: true`). On the
others, and in each title, a message is made of the check's noun, hosts, severity, time and counts. What a host has said
is hostile: one line, without control characters, bounded, and calling nobody by accident.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from upkeep.checks.connection.host_unreachable import ID as HOST_UNREACHABLE
from upkeep.judging.check import load
from upkeep.model.remedies import SUBJECT, command, placed, words_of
from upkeep.model.text import ago, counted, exact, natural, safe
from upkeep.model.verdicts import Status
from upkeep.rules.alerts.model import (
    ACCEPTED,
    ACKNOWLEDGED,
    AWAY,
    EXPIRED,
    FIRST,
    JUDGED,
    RECOVERED,
    UNWATCHED,
    UPGRADE,
    WITHDRAWN,
    Alert,
    Member,
)
from upkeep.rules.alerts.severities import severity_word
from upkeep.rules.incident_kinds import DRILLS, MARK, OF_INCIDENTS, named_in
from upkeep.rules.sentences import full, hosts_in_words, open_, trouble_of
from upkeep.rules.trouble_groups import TroubleGroup, grouped

SHOWN_FINDINGS = 8
SHOWN_CAUSES = 5
SHOWN_ALERTS = 20
TEXT_CHARACTERS = 300
LINE_CHARACTERS = 4 * TEXT_CHARACTERS
WHY = {
    "raised": ("Got worse", "It got worse."),
    "came back": ("Came back", "It came back."),
    "joined": ("More has failed", "More has failed."),
    EXPIRED: ("Acknowledgement expired", "The acknowledgement has expired, and it still fails."),
    WITHDRAWN: (
        "Acknowledgement withdrawn",
        "The acknowledgement was withdrawn, and it still fails.",
    ),
    "given": ("New team", "Its former team is no longer in the schedule."),
    "still fails": ("Silence ended", "The silence has ended, and it still fails."),
}
"""Why people are notified of an alert that they may know: in its title, which a lock screen shows, and in its text."""
AGAIN = "Not acknowledged yet"
NOT_PASSED = {
    UNWATCHED: "It was not seen to pass: it is no longer checked.",
    AWAY: "It was not seen to pass: what failed is no longer there.",
    ACCEPTED: "It was not seen to pass: a waiver accepts it. It is told again when the waiver ends or it gets worse.",
}
_MENTION = re.compile(r"@(?=\w)|<(?=[!@#])")


@dataclass(frozen=True)
class Message:
    """A title and a text, plain."""

    title: str
    body: str


@dataclass(frozen=True)
class About:
    """What a message is about.

    site: its name for people; page: where the web page stands, if it is known. fresh: of the members, those whose
    cause is new in the alert. path: the site as `upkeep -i` takes it; without it a command means another site.
    """

    alert: Alert
    members: Sequence[Member]
    site: str
    page: str
    zone: str
    now: datetime
    fresh: Sequence[Member] = ()
    path: str = ""


def alert_message(
    about: About, *, phi: bool, answer_by: datetime | None = None, again: bool = False
) -> Message:
    """Return what is said while something is wrong.

    answer_by: by when somebody must acknowledge. again: a message of the same round was due before, and nobody has
    acknowledged since.
    """
    alert = about.alert
    why, sentence = (AGAIN, "") if again else WHY.get(alert.round_why, ("", ""))
    why += ": " if why else ""
    head = f"[{alert.severity}] {why}{_headline_since(about, about.members)}"
    deadline = _deadline(about, answer_by, again=again)
    lines = [deadline, _since(about)] if again else [sentence, _since(about), deadline]
    lines = [" ".join(filter(None, lines)), ""]
    lines += _findings(about.members, phi=phi)
    if about.fresh:
        lines += ["", f"{_new_causes(about)} since the last message, the worst first:"]
        lines += _worst_causes(about.fresh, phi=phi)
    remedy = _remedy(about, about.members, phi=phi)
    if remedy:
        lines += ["", f"First: {remedy}"]
    lines += ["", *_links(about)]
    if answer_by is not None:
        lines.append(f"Acknowledge: {_command(about, 'alert', 'ack', str(alert.id))}")
    return _marked(alert, Message(head, _body(lines, alert.dedupe)))


def _marked(alert: Alert, made: Message) -> Message:
    """Return a message, of a drill as one that says so first: in a lock screen's title, and in its text."""
    if alert.check_id not in DRILLS:
        return made
    title = made.title.replace(MARK, "", 1)  # the trouble's own, further behind
    return Message(f"{MARK}{title}", f"{MARK}this is an exercise.\n{made.body}")


def _deadline(about: About, answer_by: datetime | None, *, again: bool) -> str:
    """Return by when somebody must acknowledge, and, of a message that comes again, that nobody has."""
    if answer_by is None:
        return f"{AGAIN}." if again else ""
    when = exact(answer_by, ZoneInfo(about.zone), seconds=False)
    if not when.endswith("UTC"):
        when += f" ({about.zone})"
    if not again:
        late = answer_by < about.now
        return f"It should have been acknowledged by {when}." if late else f"Acknowledge by {when}."
    if answer_by <= about.now:
        return f"{AGAIN}; it should have been by {when}."
    return f"{AGAIN}; acknowledge by {when}."


def news_message(about: About, *, phi: bool) -> Message:
    """Return what is said of new causes that have joined an alert which people know."""
    alert = about.alert
    severity = min(one.severity for one in about.fresh)
    what = f"{_trouble(alert.check_id)} on {_hosts(about.fresh)}"
    head = f"[{severity}] {_new_causes(about)} in alert {alert.id}: {what}"
    lines = [f"The alert was open before. {_since(about)}"]
    if alert.status == ACKNOWLEDGED:
        by = (
            f"{_name(alert.acknowledged_by)} acknowledged the alert before these causes were found."
        )
        lines.append(by)
    lines += ["", *_worst_causes(about.fresh, phi=phi)]
    remedy = _remedy(about, about.fresh, phi=phi)
    if remedy:
        lines += ["", f"First: {remedy}"]
    return _marked(alert, Message(head, _body([*lines, "", *_links(about)], alert.dedupe)))


def _new_causes(about: About) -> str:
    return counted(len({one.cause_key for one in about.fresh}), "new cause")


def _worst_causes(fresh: Sequence[Member], *, phi: bool) -> list[str]:
    """Return a line for each of the worst causes, and how many more there are; without names where they may not go."""
    if not phi:
        return _findings(fresh, phi=False)
    causes: dict[str, list[Member]] = {}
    for one in sorted(fresh, key=lambda one: (one.severity, one.since, one.finding_id)):
        causes.setdefault(one.cause_key, []).append(one)
    lines = []
    for members in list(causes.values())[:SHOWN_CAUSES]:
        (line,) = _findings(members[:1], phi=True)
        hosts = len({one.host for one in members})
        lines.append(line + (f" (on {hosts} hosts)" if hosts > 1 else ""))
    more = len(causes) - SHOWN_CAUSES
    return lines + ([f"and {more} more"] if more > 0 else [])


def recovery_message(about: About, everything: Sequence[Member], *, phi: bool) -> Message:
    """Return what is said when it is over. everything: the findings that it was about."""
    alert = about.alert
    told = replace(about, members=everything, fresh=())
    word = alert.closed_how or RECOVERED
    lines = [
        f"{word.capitalize()}. {_since(told)}",
        "",
        "What failed:",
        *_findings(everything, phi=phi),
    ]
    away = [one for one in everything if one.how == AWAY]
    if away and len(away) < len(everything):
        lines += ["", _some_away(len(away), len(everything))]
    elif alert.closed_how in NOT_PASSED:
        lines += ["", NOT_PASSED[alert.closed_how]]
    lines += ["", *_links(told)]
    head = f"{word}: [{alert.worst}] {_headline_since(told, everything)}"
    return _marked(alert, Message(head, _body(lines, alert.dedupe)))


def _some_away(away: int, everything: int) -> str:
    """Return a sentence that some of what failed is gone, which is no recovery."""
    is_are = "is" if away == 1 else "are"
    was_were = "was" if away == 1 else "were"
    return f"{away} of {everything} {is_are} no longer there and {was_were} not seen to pass."


def digest_message(abouts: Sequence[About], *, phi: bool) -> Message:
    """Return one message on several alerts, as bad as the worst of them."""
    members = [one for about in abouts for one in about.members]
    hosts = len({one.host for one in members})
    worst = min(about.alert.severity for about in abouts)
    head = f"[{worst}] {counted(len(abouts), 'alert')} on {counted(hosts, 'host')}"
    lines = []
    for about in abouts[:SHOWN_ALERTS]:
        lines.append(f"{about.alert.id}: {headline(about.alert, about.members)}")
        if phi:
            lines += [f"  {line}" for line in _findings(about.members[:2], phi=True)]
        if about.page:
            lines += [f"  {line}" for line in _links(about)]
    if len(abouts) > SHOWN_ALERTS:
        lines.append(
            f"and {len(abouts) - SHOWN_ALERTS} more: {_command(abouts[0], 'alert', 'list')}"
        )
    page = abouts[0].page
    if page:
        lines += ["", f"{page.rstrip('/')}/alerts"]
    return Message(head, "\n".join(lines))


def judged_message(
    site: str, run_id: int, opened: int, resolved: int, *, page: str = "", path: str = ""
) -> Message:
    """Return what judging a run again has changed, as one digest. page, path: as those of `About`."""
    head = f"run {run_id} was judged again: {opened} now fail, {resolved} no longer fail"
    text = f"No host was checked again; checks or limits have changed. Site: {_name(site)}"
    here = f"{page.rstrip('/')}/runs/{run_id}" if page else _site_command(path, "show", str(run_id))
    return Message(head, f"{text}\n\n{here}")


def probe_message(channel: str, site: str, by: str) -> Message:
    """Return what `upkeep alert test` sends."""
    text = f"Asked for by {_name(by)}. If you can read this, the channel works. Site: {_name(site)}"
    return Message(f"test of channel {channel}", text)


def _trouble(check: str) -> str:
    return _name(trouble_of(check))


def _sentence(group: TroubleGroup[Member]) -> str:
    """Return what findings of one cause say, for a channel that may carry it."""
    one, hosts = group.first, hosts_in_words([_name(host) for host in group.hosts])
    texts = (hosts, harmless(one.subject), harmless(group.message))
    return harmless(full(one.check, Status.FAIL, *texts), LINE_CHARACTERS)


def harmless(text: str, limit: int = TEXT_CHARACTERS) -> str:
    """Return a host's text as one line that is harmless on a screen and mentions nobody in a chat."""
    return _MENTION.sub(lambda found: found.group() + " ", safe(text, limit))


def headline(alert: Alert, members: Sequence[Member]) -> str:
    """Return what the alert is about, in one line that any channel may carry."""
    hosts = _hosts(members)
    if alert.kind == FIRST:
        return f"New on {hosts}: {_counts(members)}"
    if alert.kind == UPGRADE:
        return f"New since the upgrade of Upkeep on {hosts}: {_counts(members)}"
    if alert.kind == JUDGED:
        return f"{alert.cause.split(',')[0]}: {_counts(members)}"
    return _open_sentence(alert.check_id, members)


def _headline_since(about: About, members: Sequence[Member]) -> str:
    """Return the headline and, where it is about one check, since when, to the minute."""
    if not about.alert.check_id:
        return headline(about.alert, members)
    opened = exact(about.alert.opened_at, ZoneInfo(about.zone), seconds=False)
    return f"{headline(about.alert, members)}, since {opened}"


def _open_sentence(check: str, members: Sequence[Member]) -> str:
    """Return what findings of a check say on any channel; of an incident, which one it is: its number is ours."""
    if check in OF_INCIDENTS:
        named = sorted({named_in(one.subject)[0] for one in members}, key=natural)
        return harmless(f"{trouble_of(check)}, {', '.join(named)}", LINE_CHARACTERS)
    return harmless(open_(check, _host_names(members), len(members)), LINE_CHARACTERS)


def _hosts(members: Sequence[Member]) -> str:
    return hosts_in_words(_host_names(members))


def _host_names(members: Sequence[Member]) -> list[str]:
    return [_name(one) for one in sorted({one.host for one in members}, key=natural)]


def _counts(members: Sequence[Member]) -> str:
    by_severity = Counter(one.severity for one in members)
    parts = [f"{by_severity[rank]} {severity_word(rank)}" for rank in sorted(by_severity)]
    return (
        f"{', '.join(parts)} {'finding' if len(members) == 1 else 'findings'}"
        if parts
        else "no findings"
    )


def _since(about: About) -> str:
    alert = about.alert
    when = exact(alert.opened_at, ZoneInfo(about.zone))
    site = f" Site: {_name(about.site)}." if about.site else ""
    severity = f"{severity_word(alert.severity).capitalize()} (severity {alert.severity})"
    return f"{severity}, since {when} ({ago(alert.opened_at, about.now)}).{site}"


def _findings(members: Sequence[Member], *, phi: bool) -> list[str]:
    """Return a line per cause, the worst first; or per check, with its hosts, where no more may be said."""
    members = sorted(members, key=lambda one: one.order)
    if not phi:
        found: dict[tuple[int, str], list[Member]] = {}
        for one in members:
            found.setdefault((one.severity, one.check), []).append(one)
        lines = [
            f"[{severity}] {_open_sentence(check, some)}"
            for (severity, check), some in found.items()
        ]
    else:
        lines = [
            f"[{one.first.severity}] {_sentence(one)}" for one in grouped(members, Member.tell)
        ]
    more = len(lines) - SHOWN_FINDINGS
    return lines[:SHOWN_FINDINGS] + ([f"and {more} more"] if more > 0 else [])


def _remedy(about: About, members: Sequence[Member], *, phi: bool) -> str:
    """Return the first step for the finding that is told first: its own, or its check's, which names no host."""
    if not members:
        return ""
    worst = min(members, key=lambda one: one.order)
    if phi and worst.remedy:
        return harmless(worst.remedy, 500)
    if worst.check in OF_INCIDENTS:
        return _command(about, "incident", "status", named_in(worst.subject)[1])
    found = load().get(worst.check)
    if found is None:
        unreachable = worst.check == HOST_UNREACHABLE
        return _command(about, "doctor") if unreachable else _command(about, "finding", "list")
    # What the check looked at is not said on every channel.
    return words_of(found.remedy) if SUBJECT in found.remedy else placed(found.remedy)


def _links(about: About) -> list[str]:
    if about.page:
        return [f"{about.page.rstrip('/')}/alerts/{about.alert.id}"]
    return [_command(about, "alert", "show", str(about.alert.id))]


def _command(about: About, *words: str) -> str:
    """Return a command about the site of the message, that can be pasted as it stands."""
    return _site_command(about.path, *words)


def _site_command(path: str, *words: str) -> str:
    return command(*words, site=path if path.isprintable() else "")


def _body(lines: Sequence[str], dedupe: str) -> str:
    return "\n".join([*lines, "", f"ref {dedupe}"])


def _name(text: str) -> str:
    return harmless(text, 120)
