"""Lists on terminals of several widths: the subject is whole, no line is too long."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import view_samples
from rich.cells import cell_len
from view_samples import NOW

from upkeep.model.text import encodable, natural
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.rules.alerts.model import Alert, Member
from upkeep.rules.reviews import ReviewStanding, ReviewState
from upkeep.rules.silences import Silence
from upkeep.rules.waivers import Waiver, WaiverScope
from upkeep.view import alerts, lists, reviews, waivers
from upkeep.view.model import Counts, RunTally, Trouble
from upkeep.view.screen import Screen
from upkeep.view.troubles import TroubleRow, print_rows

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
ZONE = ZoneInfo("Europe/Berlin")
HOST = "application-server-17.frankfurt.example.org"
PATH = "/srv/data/customers/2026/11/exports/数据库/very-long-name-of-an-export-file.csv"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def printed(monkeypatch, width, function, *arguments, **options) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    function(Screen(stream), *arguments, **options)
    return ESCAPES.sub("", stream.getvalue()).splitlines()


def _alerts():
    alert = Alert(
        7, "s", "k", 1, "incident", "disk_space", "", "operations", 2, 2, "open", NOW, 1, NOW, "open"
    )  # fmt: skip
    members = [
        Member(7, n, f"web{n}.fra.example.org", "disk_space", "/", 2, "93 %", "", NOW)
        for n in (10, 2, 1)
    ]
    return (alerts.print_alerts, [(alert, members)], [], ZONE, NOW, "s"), (
        "Low disk space on web1.fra.example.org, web2.fra.example.org, web10.fra.example.org, 3 findings"
    )


def _reviews():
    title = "Read the access log of the patient portal and name who looked at whose record without a reason"
    one = SimpleNamespace(
        id=12, due_at=NOW, owner="ops", parties=("ops", "privacy"), item="access-log", title=title
    )
    rows = [(one, ReviewStanding(ReviewState.OVERDUE, overdue=True))]
    titles = {"ops": "Operations", "privacy": "Data protection officer"}
    return (reviews.print_reviews, rows, titles, ZONE, NOW, "s"), title


def _waivers():
    scope = WaiverScope("certificate_expiry", HOST, PATH, Severity.HIGH)
    one = Waiver(
        3, "s", scope, "the supplier renews it in May", "ada", NOW, NOW + timedelta(30), "bob", NOW
    )
    return (waivers.print_waivers, [one], {3: 2}, ZONE, NOW, "s"), PATH


def _silences():
    one = Silence(
        3, "s", "certificate_expiry", HOST, 2, "work on the rack", "ada", NOW, NOW, NOW + timedelta(hours=2), ""
    )  # fmt: skip
    return (alerts.print_silences, [one], ZONE, NOW, "s"), "certificate_expiry"


def _runs():
    counts = Counts(71, 10, {Severity.CRITICAL: 4, Severity.HIGH: 5})
    run = view_samples.summary(RunTally(), procedure="weekly-access-of-all-clinics")
    return (lists.print_runs, [replace(run, counts=counts)], NOW), "weekly-access-of-all-clinics"


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("listed", [_alerts, _reviews, _waivers, _silences, _runs])
def test_a_list_keeps_its_subject_whole_and_no_line_is_too_long(monkeypatch, listed, width):
    call, subject = listed()

    lines = printed(monkeypatch, width, *call)

    assert [line for line in lines if cell_len(line) > width] == []
    assert "…" not in "".join(lines)
    told = "".join("".join(lines).split())
    # A subject of several words may be broken at blanks; what stands beside its first line may come between.
    pieces = [subject] if " " not in subject else subject.split()
    assert [piece for piece in pieces if "".join(piece.split()) not in told] == []


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_row_of_what_did_not_pass_names_host_and_subject_whole(monkeypatch, width):
    long = Result(HOST, "certificate_expiry", PATH, Status.FAIL, Severity.HIGH, "expires in 6 days")
    short = Result("db1", "disk_space", "/", Status.FAIL, Severity.HIGH, "93 % used")

    rows = [TroubleRow.of(Trouble.of(one)) for one in (long, short)]
    lines = printed(monkeypatch, width, print_rows, rows)

    assert [line for line in lines if cell_len(line) > width] == []
    assert HOST in "".join(lines)
    assert PATH in "".join(line.strip() for line in lines)


def test_numbers_sort_as_people_do():
    names = ["web10", "web2", "web1", "db-2-10", "db-2-9", "7", "007", "web", "web2b", "9" * 5_000]

    assert sorted(names, key=natural) == [
        "007", "7", "9" * 5_000, "db-2-9", "db-2-10", "web", "web1", "web2", "web2b", "web10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a…b → ✗ ▲", "a...b -> x !"),
        ("2 · 3 – 4", "2 - 3 - 4"),  # noqa: RUF001
        ("Größe 数", "Gr\\xf6\\xdfe \\u6570"),
    ],
)
def test_what_an_encoding_lacks_is_written_plainer(text, shown):
    assert encodable(text, "ascii") == shown
    assert encodable(text, "utf-8") == text
