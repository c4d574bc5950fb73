"""The product's own troubles: results on the host `controller`, that become findings and alert like any other."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from upkeep.checks.upkeep.forged_event import ID as FORGED_EVENT
from upkeep.checks.upkeep.hosts_absent import ID as HOSTS_ABSENT
from upkeep.checks.upkeep.inventory_source import ID as INVENTORY_SOURCE
from upkeep.checks.upkeep.isolation_unrecorded import ID as ISOLATION_UNRECORDED
from upkeep.checks.upkeep.occurrence_missed import ID as OCCURRENCE_MISSED
from upkeep.checks.upkeep.one_machine import ID as ONE_MACHINE
from upkeep.checks.upkeep.run_failed import ID as RUN_FAILED
from upkeep.judging.check import every
from upkeep.model import occurrence
from upkeep.model.occurrence import Debt, Occurrence
from upkeep.model.remedies import command, first
from upkeep.model.source import is_source
from upkeep.model.stored_text import fingerprint, name, told
from upkeep.model.verdicts import Severity, Status
from upkeep.store import findings, incidents, isolated_hosts, occurrences, runs, sites, tables
from upkeep.store.engine.statements import upsert
from upkeep.store.runs import Run

HOST = findings.OWN_HOST
NO_RUN = findings.NO_RUN
NAMED_HOSTS = 5
MANY_HOSTS = "many hosts"
"""In a host's place, where there are more than can be named; no host of Ansible's has a blank in its name."""


class OwnTrouble(NamedTuple):
    """What is said: which rule (judging.check.SelfCheck), of what, and the procedure that it is about.

    The procedure's owner hears of it.
    """

    check: str
    subject: str
    procedure: str = ""


def of(check: str, procedure: str, host: str = "") -> OwnTrouble:
    """Return the trouble with a procedure, or with a procedure on one host."""
    return OwnTrouble(check, findings.on_host(procedure, host) if host else procedure, procedure)


def tell(
    db: Connection,
    site: str,
    trouble: OwnTrouble,
    now: datetime,
    severity: Severity | None = None,
    message: str = "",
    remedy: str = "",
) -> None:
    """Record how it stands with one of our own checks: with a severity it fails, without it holds again."""
    key = fingerprint(name(site), trouble.check, HOST, name(trouble.subject))
    status = Status.FAIL if severity else Status.PASS
    row = {
        "fingerprint": key,
        "host": HOST,
        "check_id": trouble.check,
        "subject": name(trouble.subject),
        "status": status.value,
        "severity": severity.value if severity else None,
        "message": told(message),
        "observed_at": now,
        "run_id": NO_RUN,
    }
    # What is said last holds, also where the clock has gone back since.
    upsert(db, tables.latest_result, [{"site": name(site), **row}], ["fingerprint"])
    rank = severity.rank if severity else None
    remedy = remedy or (every()[trouble.check].remedy if severity else "")
    more = {"severity_rank": rank, "remedy": told(remedy), "procedure": name(trouble.procedure)}
    findings.move(db, NO_RUN, name(site), [row | more])


def tell_end(db: Connection, one: Occurrence, title: str, now: datetime) -> None:
    """Report how an occurrence ended; a good end resolves what was missed and failed before."""
    if one.state == occurrence.FAILED:
        begun = ("show", str(one.run_id)) if one.run_id else ("run", one.schedule)
        message = f"{title}, due {one.due_at:%Y-%m-%d %H:%M} UTC: {one.cause}"
        remedy = first(command(*begun, site=sites.folder_of(db, one.site)), "see why")
        tell(db, one.site, of(RUN_FAILED, one.schedule), now, Severity.HIGH, message, remedy)
    elif one.state in (occurrence.DONE, occurrence.PARTIAL):
        tell(db, one.site, of(RUN_FAILED, one.schedule), now)
        tell(db, one.site, of(OCCURRENCE_MISSED, one.schedule), now)


def tell_behind(
    db: Connection, those: Sequence[Debt], title: str, site_name: str, now: datetime
) -> None:
    """Report that hosts have not caught up with what they owed of a procedure: they were away, or had no turn.

    Each of a few is a finding; many are one, or a network that is down would be thousands.
    """
    oldest = min(those, key=lambda one: (one.due_at, one.host))
    due = f"{title}, due {oldest.due_at:%Y-%m-%d %H:%M} UTC"
    run = first(command("run", oldest.schedule, site=site_name), "catch up")

    def say(host: str, who: str, remedy: str) -> None:
        behind = of(OCCURRENCE_MISSED, oldest.schedule, host)
        message = f"{due}: {who} had not caught up when the next one was due"
        tell(db, oldest.site, behind, now, Severity.MEDIUM, message, remedy)

    if len(those) > NAMED_HOSTS:
        say(MANY_HOSTS, _counted([one.host for one in those]), run)
        return
    for one in those:
        say(one.host, one.host, f"{run} --limit {shlex.quote(one.host)}")


def _counted(hosts: Sequence[str]) -> str:
    some = ", ".join(sorted(hosts)[:NAMED_HOSTS])
    return f"{len(hosts)} hosts ({some}{', …' if len(hosts) > NAMED_HOSTS else ''})"


def tell_caught_up(db: Connection, run: Run, now: datetime) -> None:
    """Take back what is said of hosts that are behind with the run's procedure, where it has been executed."""
    behind = findings.own_subjects(db, run.site, OCCURRENCE_MISSED)
    if behind:
        for host in sorted(occurrences.executed_on(db, run.id)):
            caught_up = of(OCCURRENCE_MISSED, run.procedure, host)
            if caught_up.subject in behind:
                tell(db, run.site, caught_up, now)
        if findings.on_host(run.procedure, MANY_HOSTS) in behind:
            # Who is not in a run for all hosts, and not waited for, is not in the inventory any more.
            whole = not run.limit and run.status in ("done", "partial")
            whole = whole and not findings.own_subjects(db, run.site, INVENTORY_SOURCE)
            there = {one.host for one in runs.hosts(db, run.id)} | _waited_for(db, run)
            tell_no_more_behind(db, run.site, run.procedure, now, there if whole else None)


def _waited_for(db: Connection, run: Run) -> set[str]:
    table = tables.absent_host
    mine = (table.c.site == name(run.site), table.c.procedure == run.procedure)
    return set(db.execute(select(table.c.host).where(*mine)).scalars())


def tell_no_more_behind(
    db: Connection, site: str, procedure: str, now: datetime, there: Collection[str] | None = None
) -> None:
    """Take back that many hosts are behind, if none of them is any more. there: the only ones that count."""
    behind = occurrences.behind(db, site, procedure)
    if not (behind if there is None else behind.intersection(there)):
        tell(db, site, of(OCCURRENCE_MISSED, procedure, MANY_HOSTS), now)


def tell_forged(
    db: Connection, site: str, procedure: str, run_id: int, why: str, now: datetime
) -> None:
    """Report that a run refused events of which nobody knows the host; an empty text: that it refused none."""
    if why:
        message = f"run {run_id}: {why}"
        show = command("show", str(run_id), site=sites.folder_of(db, site))
        remedy = f"{show}  # look at what its hosts print, one by one: --limit"
        tell(db, site, of(FORGED_EVENT, procedure), now, Severity.HIGH, message, remedy)
    elif name(procedure) in findings.own_subjects(db, site, FORGED_EVENT):
        tell(db, site, of(FORGED_EVENT, procedure), now)


def tell_unread(
    db: Connection, site: str, sources: Sequence[str], run_id: int, now: datetime
) -> None:
    """Report which sources of the inventory a run could not read; of all others, that they can be read again."""
    for source in sources:
        message = f"run {run_id} continued without its hosts: Ansible cannot read {source}"
        remedy = f"ansible-inventory -i {shlex.quote(source)} --list"
        tell(db, site, OwnTrouble(INVENTORY_SOURCE, source), now, Severity.HIGH, message, remedy)
    unread = {name(one) for one in sources}
    for subject in findings.own_subjects(db, site, INVENTORY_SOURCE) - unread:
        tell(db, site, OwnTrouble(INVENTORY_SOURCE, subject), now)


def tell_absent(
    db: Connection, site: str, procedure: str, hosts: Sequence[str], known: int, now: datetime
) -> None:
    """Report hosts that have left the inventory and are too many to be let go; an empty list: of none."""
    if hosts:
        some = ", ".join(hosts[:NAMED_HOSTS]) + (", …" if len(hosts) > NAMED_HOSTS else "")
        single = len(hosts) == 1
        noun = "hosts and sources" if any(map(is_source, hosts)) else "hosts"
        one = "source" if is_source(hosts[0]) else "host"
        left = f"{len(hosts)} {one if single else noun}"
        who = f"{len(hosts)} of {known} {noun}" if known else left
        message = (
            f"{who} of {procedure} {'is' if single else 'are'} not in the inventory any more: {some};"
            f" what was found on {'it' if single else 'them'} stays open"
        )
        accept = command("host", "accept", site=sites.folder_of(db, site))
        remedy = f"{accept}  # if they were removed; else correct the inventory"
        tell(db, site, of(HOSTS_ABSENT, procedure), now, Severity.HIGH, message, remedy)
    elif name(procedure) in findings.own_subjects(db, site, HOSTS_ABSENT):
        tell(db, site, of(HOSTS_ABSENT, procedure), now)


def tell_isolations(db: Connection, site: str, now: datetime) -> None:
    """Report the hosts that say that they are isolated, and that no incident has isolated."""
    standing = isolated_hosts.now(db, site)
    told_before = findings.own_subjects(db, site, ISOLATION_UNRECORDED)
    if not standing and not told_before:
        return
    known = incidents.isolations(db, site)
    unknown = {host: one for host, one in standing.items() if (host, one.id) not in known}
    for host, one in unknown.items():
        message = (
            f"{host} says that it is isolated since {one.since:%Y-%m-%d %H:%M} UTC by {one.by}; no incident has"
            " isolated it"
        )
        tell(db, site, OwnTrouble(ISOLATION_UNRECORDED, host), now, Severity.HIGH, message)
    for host in told_before - unknown.keys():
        tell(db, site, OwnTrouble(ISOLATION_UNRECORDED, host), now)


def tell_twins(
    db: Connection, site: str, procedure: str, twins: Mapping[str, str], now: datetime
) -> None:
    """Report hosts that lead to the machine of another one, and so wait in a job; none: that there are none."""
    if twins:
        some = ", ".join(f"{one} is {other}" for one, other in list(twins.items())[:NAMED_HOSTS])
        some += ", …" if len(twins) > NAMED_HOSTS else ""
        are = "host is" if len(twins) == 1 else "hosts are"
        message = (
            f"{len(twins)} {are} the same machine as another host; jobs of {procedure} run on them one after the"
            f" other: {some}"
        )
        doctor = command("doctor", site=sites.folder_of(db, site))
        remedy = f"{doctor}  # lists them; let each machine have one name in the inventory"
        tell(db, site, of(ONE_MACHINE, procedure), now, Severity.MEDIUM, message, remedy)
    elif name(procedure) in findings.own_subjects(db, site, ONE_MACHINE):
        tell(db, site, of(ONE_MACHINE, procedure), now)
