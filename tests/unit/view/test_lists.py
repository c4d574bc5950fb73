from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import view_samples
from view_samples import NOW

from upkeep.judging.check import Check
from upkeep.model.answer import Outcome
from upkeep.model.errors import UsageError
from upkeep.model.verdicts import Result, Severity, Status, passed
from upkeep.rules.sentences import title_of
from upkeep.store.sites import ListedSite
from upkeep.view import findings, lists, sites
from upkeep.view.model import Counts, FindingShown, HostInRun, ProcedureShown, RunTally
from upkeep.view.screen import Screen

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
LATER = NOW + timedelta(hours=3)


class Stream(io.StringIO):
    encoding = "utf-8"

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal


@pytest.fixture(autouse=True)
def _eighty(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm")


def printed(function, *arguments, terminal=False, **options):
    stream = Stream(terminal)
    function(Screen(stream), *arguments, **options)
    return ESCAPES.sub("", stream.getvalue())


def finding(number, status=Status.FAIL, severity=Severity.HIGH, **changes):
    fields = {
        "id": number, "host": f"db{number}", "check": "disk", "subject": "/var", "status": status,
        "severity": severity, "message": "91 % used, at most 85 %", "opened_at": NOW - timedelta(days=9),
        "last_seen_at": NOW, "count": 9,
    }  # fmt: skip
    return FindingShown(**{**fields, **changes})


def test_findings_tell_their_story_worst_first_and_resolved_ones_last():
    found = [
        finding(1, severity=Severity.LOW),
        finding(2, resolved_at=NOW - timedelta(hours=2), count=1),
        finding(3, Status.UNKNOWN, None, message="permission denied"),
        finding(4, severity=Severity.CRITICAL, count=1, reopened=1, remedy="`df -h /var`"),
    ]

    assert printed(findings.print_findings, found, NOW, last="daily").splitlines() == [
        "db4: fail critical: disk /var: 91 % used, at most 85 %; open for 9 days, in 1 run, came back once, finding 4; "
        "next: `df -h /var`",
        "db3: unknown: disk /var: permission denied; open for 9 days, in 9 runs, finding 3",
        "db1: fail low: disk /var: 91 % used, at most 85 %; open for 9 days, in 9 runs, finding 1",
        "db2: resolved: disk /var: 2 h ago; was fail high: 91 % used, at most 85 %, in 1 run, finding 2",
    ]


AWAY = "ssh: connect to host 10.91.1.{} port 22: No route to host"


def test_findings_of_one_cause_are_one_row_that_names_its_hosts_on_a_terminal():
    away = {"check": "host_unreachable", "subject": "connection"}
    found = [
        finding(number, message=AWAY.format(number), remedy=f"doctor {number}", **away)
        for number in range(1, 6)
    ]

    assert printed(
        findings.print_findings, found, NOW, last="daily", site="a", terminal=True
    ).splitlines() == [
        "5 open findings on 5 hosts.",
        "",
        "✗ fail high  db1 and 4 more  Connection failure",
        "             such as ssh: connect to host 10.91.1.1 port 22: No route to host;",
        "             open for 9 days, in 9 runs, findings 1, 2, 3, 4, 5",
        "             also on db2, db3, db4, db5",
        "             → upkeep doctor -i a  # see why",
    ]
    ended = [replace(one, resolved_at=NOW) for one in found]
    text = printed(findings.print_findings, ended, NOW, last="daily", terminal=True)
    assert "db1 and 4 more" in text
    assert "doctor" not in text
    assert len(printed(findings.print_findings, found, NOW, last="daily").splitlines()) == 5


def test_a_stored_run_folds_hosts_on_a_terminal_and_says_which_results_are_doubted():
    hosts = [
        HostInRun(f"web{number}", Outcome.UNREACHABLE, AWAY.format(number)) for number in range(40)
    ]
    low = Result("db1", "disk_space", "/", Status.FAIL, Severity.HIGH, "93 %", doubted=True)
    blind = [
        Result("db1", check, "*", Status.UNKNOWN, None, "the journal is empty")
        for check in ("brute_force", "failed_logins", "password_spraying")
    ]
    fine = Result("db1", "swap_used", "swap", Status.PASS, None, "1 %", doubted=True)
    text = printed(
        lists.print_run,
        replace(
            view_samples.summary(RunTally()),
            hosts={Outcome.UNREACHABLE: 40, Outcome.OK: 1},
            hosts_in_need=41,
        ),
        [*hosts, HostInRun("db1", Outcome.OK)],
        [low, *blind, fine],
        LATER,
        terminal=True,
        doubts={"disk_space": 1, "swap_used": 2},
    )

    assert "▲ 1 result of disk_space proves nothing: the check passed its known-bad input" in text
    assert "▲ 2 results of swap_used prove nothing: the check passed its known-bad input" in text
    rows = [line.split("  ") for line in text.splitlines() if line[:1] in "✗?✓" and line]
    told = [[word.strip() for word in row if word.strip()] for row in rows]
    assert [row[:3] for row in told] == [
        ["✗ fail high, doubted", "db1", "Low disk space"],
        ["? unknown", "web0 and 39 more", "such as unreachable: ssh: connect to"],
        ["? unknown", "db1", "Password guessing and 2 more"],
        ["✓ pass, doubted", "db1", title_of("swap_used")[:24]],
    ]
    assert "web39" in text.replace("\n", " ")


def test_a_site_without_an_id_is_led_to_one_on_a_terminal():
    found = [ListedSite("/srv/Corner Shop", False, (), (), 3, NOW, 2)]

    text = printed(sites.print_sites, found, NOW, terminal=True)
    rename = "upkeep db sites rename '/srv/Corner Shop' corner-shop -i '/srv/Corner Shop'"
    said = f'write id = "corner-shop" into its upkeep.toml, stop `upkeep serve`, then: {rename}'

    assert said in text
    assert len(printed(sites.print_sites, found, NOW).splitlines()) == 1


def test_an_empty_list_says_why_and_what_to_do_first():
    for text in (
        printed(lists.print_runs, [], NOW, terminal=True),
        printed(findings.print_findings, [], NOW, last="", terminal=True),
        printed(findings.print_findings, [], NOW, last="daily", terminal=True),
        printed(lists.print_checks, {}, terminal=True),
        printed(lists.print_procedures, [], NOW, terminal=True),
        printed(lists.print_doctor, [], terminal=True),
    ):
        assert re.fullmatch(r"(No|Nothing|The) .+\n", text)
    assert "upkeep run daily\n" in printed(lists.print_runs, [], NOW, terminal=True)
    assert "upkeep schedule list -i mine\n" in printed(
        lists.print_runs, [], NOW, "mine", terminal=True
    )


def test_no_finding_is_not_said_to_be_a_pass():
    assert printed(findings.print_findings, [], NOW, last="", site="mine", terminal=True) == (
        "Nothing was checked yet. See what can be run: upkeep schedule list -i mine\n"
    )
    assert printed(
        findings.print_findings, [], NOW, last="nightly", site="mine", terminal=True
    ) == (
        "No open finding: nothing that was checked fails; check again: upkeep run nightly -i mine\n"
    )
    assert "upkeep check disk_space\n" in printed(
        findings.print_findings, [], NOW, last="check disk_space", terminal=True
    )


def test_runs_fit_the_screen():
    counts = Counts(71, 10, {Severity.CRITICAL: 4, Severity.HIGH: 5})
    run = view_samples.summary(RunTally(), procedure="weekly-access")
    found = printed(lists.print_runs, [replace(run, counts=counts)], LATER, terminal=True)

    assert [len(line) <= 80 for line in found.splitlines()] == [True] * 4
    assert found.splitlines()[3].endswith("4 critical, 5 high, 10 unknown, 71 pass")


def test_runs_stand_in_columns_on_a_terminal_and_with_tabs_in_a_pipe():
    tally = RunTally()
    for observed in view_samples.hosts(4, 2, unseen=1):
        tally.add(observed)
    runs = [view_samples.summary(tally, id=number) for number in (12, 9)]

    assert printed(lists.print_runs, runs, LATER, terminal=True).splitlines() == [
        "run  procedure  when      took  status   hosts  results",
        " 12  daily      3 h ago  8.4 s  partial      4  1 medium, 11 unknown, 28 pass",
        "  9  daily      3 h ago  8.4 s  partial      4  1 medium, 11 unknown, 28 pass",
    ]
    assert printed(lists.print_runs, runs[:1], LATER) == (
        "12\tdaily\t2026-11-23 03:12:40 UTC\t8.4 s\tpartial\t4\t1 medium, 11 unknown, 28 pass\n"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_a_stored_run_shows_all_of_it(terminal):
    tally, hosts, results = RunTally(), [], []
    for observed in view_samples.hosts(8, 3, unseen=1, hostile=True):
        tally.add(observed)
        hosts.append(HostInRun.of(observed))
        results += observed.results

    text = printed(
        lists.print_run, view_samples.summary(tally), hosts, results, LATER, terminal=terminal
    )

    assert "4 of 8 hosts need you" in text
    assert "Run 12, Daily procedure, 2026-11-23 03:12:40 UTC (3 h ago), partial, took 8.4 s" in text
    passes = "✓ pass" if terminal else ": pass: "
    assert text.count(passes) == tally.counts().passed
    assert text.count("unreachable: ssh: connect") == 2  # in the sentence and in its row
    assert all(line.isprintable() for line in text.split("\n"))


@dataclass(frozen=True)
class Limits:
    """Two limits.

    renew_days: days of validity left at which renewal is due; a third of a short lifetime,
        if that is less.
    names: host names.
    """

    renew_days: int = 30
    names: tuple[str, ...] = ()


CHECK = Check(
    title="Certificate is renewed in time", trouble="Expiring certificate", gather="certificates", since="0.1.0", limits=Limits(),
    judge=lambda *_: passed(""), source="RFC 5280, section 4.1.2.5", remedy="`certbot renew`",
    controls=("45 CFR 164.312(e)(1)",), id="certificate_expiry", family="certificates",
    why="An expired one stops every client.", cannot_see="What nobody names.",
    description="Certificates are renewed well before they expire.\n\nIt looks at\nwhat is left.",
)  # fmt: skip


def test_a_check_prints_its_documentation_with_its_limits():
    assert printed(lists.print_check, CHECK, terminal=True).splitlines() == [
        "certificate_expiry: Certificate is renewed in time",
        "",
        "Certificates are renewed well before they expire.",
        "",
        "It looks at what is left.",
        "",
        "Why",
        "  An expired one stops every client.",
        "",
        "What it cannot see",
        "  What nobody names.",
        "",
        "Limits",
        "  renew_days = 30  days of validity left at which renewal is due; a third of a",
        "                   short lifetime, if that is less.",
        "  names = ()       host names.",
        "",
        "Example",
        "  upkeep_checks_certificates:",
        "    - check: certificate_expiry",
        "      renew_days: 30",
        "",
        "Trouble     Expiring certificate",
        "Looks at    certificates",
        "Source      RFC 5280, section 4.1.2.5",
        "First step  `certbot renew`",
        "Controls    45 CFR 164.312(e)(1)",
        "Family      certificates, since 0.1.0; all of them: `checks: certificates`",
        "",
        "Now: upkeep check certificate_expiry",
    ]
    assert printed(lists.print_checks, {CHECK.id: CHECK}) == (
        "certificate_expiry\tCertificate is renewed in time\tcertificates\n"
    )


def test_procedures_have_their_next_time_only_if_scheduled():
    daily = ProcedureShown("daily", "Daily procedure", "all", "ops")
    weekly = ProcedureShown("weekly", "Weekly procedure", "web", "ops", NOW + timedelta(days=3))

    assert printed(lists.print_procedures, [daily], NOW) == "daily\tDaily procedure\tall\tops\n"
    assert "in 3 days" in printed(lists.print_procedures, [daily, weekly], NOW, terminal=True)


@dataclass(frozen=True)
class Line:
    host: str
    topic: str
    status: str
    text: str
    remedy: str = ""


def test_doctor_says_who_is_ready_then_what_is_not():
    found = [
        Line("web1", "login", "ok", "as deploy"),
        Line("web1", "clock", "warn", "12 s ahead, at most 2 s", "`timedatectl`"),
        Line("db1", "host key", "fail", "another than known", "`ssh-keygen -R db1`"),
    ]

    assert printed(lists.print_doctor, found).splitlines() == [
        "1 of 2 hosts is ready, 2 things to look at.",
        "",
        "db1: fail: host key: another than known; next: `ssh-keygen -R db1`",
        "web1: warn: clock: 12 s ahead, at most 2 s; next: `timedatectl`",
        "",
        "✓ 1 thing ok",
    ]
    assert "web1: ok: login: as deploy" in printed(lists.print_doctor, found, every=True)


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ({"controller": "ok"}, "controller is ready."),
        ({"controller": "ok", "web1": "ok"}, "web1 is ready."),
        ({"controller": "ok", "web1": "ok", "db1": "ok"}, "All 2 hosts are ready."),
        ({"controller": "ok", "web1": "fail", "db1": "fail"}, "0 of 2 hosts are ready, 2 things to look at."),
        ({"controller": "fail", "web1": "ok", "db1": "ok"}, "controller is not ready; all 2 hosts are ready, 1 thing to look at."),
    ],
)  # fmt: skip
def test_doctor_does_not_count_the_controller_among_the_hosts(statuses, said):
    found = [Line(host, "login", status, "") for host, status in statuses.items()]

    assert printed(lists.print_doctor, found).splitlines()[0] == said


def test_an_error_is_two_lines_at_most_whatever_is_in_it():
    error = UsageError(
        "no procedure 'dai\nly\x1b[31m'; there are: daily", remedy="upkeep schedule list"
    )

    assert printed(lists.print_error, error).splitlines() == [
        "upkeep: no procedure 'dai\\nly\\x1b[31m'; there are: daily",
        "→ upkeep schedule list",
    ]
    assert printed(lists.print_error, UsageError("x" * 10_000)).count("\n") == 1


def test_what_gives_goes_below_the_subject_broken_at_blanks_and_is_cut_after_some_lines():
    daily = ProcedureShown("daily", "A title that goes on " * 10, "web:" * 30, "ops@example.org")

    lines = printed(lists.print_procedures, [daily], NOW, terminal=True).splitlines()

    assert lines[:2] == ["procedure", "title · hosts · owner"]
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert " ".join(lines[3:6]).count("A title that goes on") == 10

    longer = ProcedureShown("daily", "A title that goes on " * 50, "web", "")
    lines = printed(lists.print_procedures, [longer], NOW, terminal=True).splitlines()

    assert len(lines) == 3 + lists.MOST_LINES + 1
    assert "…" in "".join(lines)
