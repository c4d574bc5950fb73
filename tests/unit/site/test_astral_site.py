"""The whole maintenance schedule of Astral Core as a site: every row is somebody's, and nothing pretends."""

from __future__ import annotations

import inspect
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from dateutil.rrule import rrulestr

from upkeep.cli.product import CommandsAndPages
from upkeep.judging.check import load as load_checks
from upkeep.judging.wanted import of_list
from upkeep.rules.coverage import CoverageState, coverage
from upkeep.services import requirement_lint
from upkeep.site.fields import UNITS
from upkeep.site.site import Site, load_site

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "inventory" / "astral"

# By hand, from the schedule: rows, team, duration, first days of 2027 on which it is due. None: the schedule is silent.
SCHEDULE: dict[str, tuple[str, str, str | None, tuple[str, ...]]] = {
    "all-day": ("D1 D2 D3 D4 D6", "devsecops", None, ()),
    "daily-health": ("D7 D8 D9", "devsecops", None, ("2027-01-01", "2027-01-02")),
    "daily-database": ("", "database-administration", None, ("2027-01-01", "2027-01-02")),
    "daily-logs": ("D10", "devsecops", None, ("2027-01-01", "2027-01-02")),
    "daily-backups": ("D11", "database-administration", None, ("2027-01-01", "2027-01-02")),
    "restore-verification": ("", "database-administration", "6 h", ("2027-01-03", "2027-01-10")),
    "database-optimization": ("", "database-administration", "2 h", ("2027-01-03", "2027-01-10")),
    "daily-security": ("D12", "security", None, ("2027-01-01", "2027-01-02")),
    "weekly-performance": ("WP1 WP2 WP3 WP4 WP5 WP6", "performance", "30 min", ("2027-01-04", "2027-01-11")),
    "weekly-security": ("WS1 WS2 WS3 WS4 WS5 WS7", "security", "45 min", ("2027-01-01", "2027-01-08")),
    "monthly-security": ("MS1 MS2 MS3 MS4 MS5 MS6 MS7", "devsecops", "2 h", ("2027-01-04", "2027-02-01")),
    "monthly-performance": ("MP1 MP2 MP3 MP4 MP5 MP6", "performance", "3 h", ("2027-01-11", "2027-02-08")),
    "monthly-business": ("MB1 MB2 MB3 MB4 MB5 MB6", "product", "1 h", ("2027-01-18", "2027-02-15")),
    "quarterly-compliance": ("QC1 QC2 QC3 QC4 QC5 QC6", "compliance-and-legal", "1 d", ("2027-01-12", "2027-04-13", "2027-07-13", "2027-10-12")),
    "quarterly-upgrades": ("QU1 QU2 QU3 QU4 QU5 QU6", "engineering-leadership", "2 d", ("2027-03-30", "2027-06-29", "2027-09-29", "2027-12-30")),
    "yearly-security": ("YS1 YS2 YS3 YS4 YS5 YS6", "security-assessment", "2 w", ("2027-01-11", "2028-01-10")),
    "yearly-architecture": ("YA1 YA2 YA3 YA4 YA5 YA6", "senior-engineering", "1 w", ("2027-07-12", "2028-07-10")),
    "schedule-review": ("S1", "devsecops", None, ("2027-01-27", "2027-02-24")),
    "contacts-and-escalation": ("C1 C2", "devsecops", None, ("2027-01-27", "2027-02-24")),
}  # fmt: skip
# Every row of the schedule, by hand: the beginning of its id, and how many there are.
ROWS = {
    "D": 12, "WP": 6, "WS": 7, "MS": 7, "MP": 6, "MB": 6, "QC": 6, "QU": 6, "YS": 6, "YA": 6,
    "IS": 4, "IP": 3, "S": 1, "V": 3, "T": 2, "C": 2, "K": 7,
}  # fmt: skip
# Rows that nothing does anything for yet: no procedure may say that it covers them.
NOT_COVERED = {"D5", "WS6", "V1", "V2", "V3", "K3", "K6"}
# Rows that what exists today carries out whole, with a signature where one is due.
WHOLE = {"D1", "D2", "D3", "D4", "D6", "D7", "D8", "D9", "D10", "D11"}
WHOLE |= {
    "WP3",
    "MP2",
    "MS5",
    "QU3",
    "QU6",
    "YA5",
    "YS1",
    "YS2",
    "YS3",
    "YS4",
    "YS5",
    "YS6",
    "S1",
    "K2",
    "QC6",
}


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(str(FOLDER))


def asked_for() -> set[str]:
    """The ids that the groups ask for."""
    ids = set()
    for path in (FOLDER / "inventory" / "group_vars").glob("*.yml"):
        for name, entries in yaml.safe_load(path.read_text()).items():
            if name.startswith("upkeep_checks_"):
                ids |= {one.check.id for one in of_list(entries, load_checks())}
    return ids


def test_the_procedures_are_the_schedules_and_no_others(site: Site) -> None:
    assert list(site.schedule.procedures) == list(SCHEDULE)


@pytest.mark.parametrize("name", SCHEDULE)
def test_a_procedure_has_its_rows_its_team_and_its_duration(site: Site, name: str) -> None:
    procedure = site.schedule.procedures[name]
    rows, team, duration, _days = SCHEDULE[name]

    assert list(procedure.covers) == rows.split()
    assert procedure.owner == team
    assert procedure.title
    assert site.schedule.teams[team].members
    if duration:
        number, unit = duration.split()
        assert procedure.duration == float(number) * UNITS[unit]


@pytest.mark.parametrize("name", [name for name, row in SCHEDULE.items() if row[3]])
def test_a_procedure_is_due_on_the_schedules_days(site: Site, name: str) -> None:
    # Far enough back that an INTERVAL would show, and with the library, not with our own calendar.
    rule = rrulestr(site.schedule.procedures[name].rule or "", dtstart=datetime(2025, 1, 1))
    days = SCHEDULE[name][3]

    due = rule.between(datetime(2027, 1, 1), datetime(2029, 1, 1), inc=True)

    assert tuple(f"{one:%Y-%m-%d}" for one in due[: len(days)]) == days


def test_all_day_is_every_two_minutes(site: Site) -> None:
    rule = rrulestr(site.schedule.procedures["all-day"].rule or "", dtstart=datetime(2027, 1, 1))

    assert rule[1] - rule[0] == timedelta(minutes=2)


def test_every_row_of_the_schedule_is_a_requirement_and_no_other(site: Site) -> None:
    ids = [f"{kind}{number}" for kind, count in ROWS.items() for number in range(1, count + 1)]

    assert sorted(site.schedule.requirements) == sorted(ids)
    assert len(ids) == 90


def test_every_row_says_what_covers_it_or_what_is_missing(site: Site) -> None:
    rows = {row.id: row for row in coverage(site.schedule)}

    assert {row.id for row in rows.values() if row.state is CoverageState.COVERED} == WHOLE
    assert {row.id for row in rows.values() if not row.by} == NOT_COVERED
    for row in rows.values():
        assert row.title
        assert row.heading
        assert row.by or row.lacks
        assert all(len(text) > 5 for text in row.lacks)


def test_no_row_is_carried_out_by_two_procedures(site: Site) -> None:
    rows = [row for one in site.schedule.procedures.values() for row in one.covers]

    assert len(rows) == len(set(rows)) == 69
    assert not set(rows) & NOT_COVERED


def test_lint_has_no_remark_on_the_requirements(site: Site) -> None:
    assert requirement_lint.lint(site.schedule, CommandsAndPages()) == []


def sentences(text: str) -> list[str]:
    return [one.strip() for one in re.findall(r"[^.?]+(?:\.\d[^.?]*)*[.?]", text)]


def test_every_review_asks_a_question_of_its_own(site: Site) -> None:
    reviews = [one for each in site.schedule.procedures.values() for one in each.reviews]
    asked = [one for review in reviews for one in sentences(review.asks)]

    assert len(reviews) == 54
    assert len(asked) == len(set(asked)) > len(reviews)
    for review in reviews:
        assert "?" in review.asks, review.id
        assert review.asks.endswith((".", "?")), review.id


def test_every_row_that_people_sign_off_is_a_review(site: Site) -> None:
    signed = {
        "WP": 6,
        "WS": 5,
        "MS": 6,
        "MP": 6,
        "MB": 6,
        "QC": 6,
        "QU": 6,
        "YS": 6,
        "YA": 6,
        "S": 1,
    }
    rows = [f"{kind}{number}" for kind, count in signed.items() for number in range(1, count + 1)]
    by_row = {}
    for procedure in site.schedule.procedures.values():
        for review in procedure.reviews:
            assert set(review.covers) <= set(procedure.covers)
            assert set(review.shows) <= set(procedure.checks or ())
            assert {one.check for one in review.measures} <= set(review.shows)
            by_row |= dict.fromkeys(review.covers, review)

    assert list(by_row) == rows
    assert {by_row[f"QC{number}"].parties for number in range(1, 7)} == {("compliance", "legal")}


def test_a_measure_that_a_review_wants_is_one_that_its_check_gives(site: Site) -> None:
    for procedure in site.schedule.procedures.values():
        for measure in (one for review in procedure.reviews for one in review.measures):
            source = inspect.getsource(sys.modules[load_checks()[measure.check].judge.__module__])
            assert f'Measure("{measure.name}"' in source


def test_every_check_that_is_due_is_asked_for_and_the_other_way_round(site: Site) -> None:
    due = {check for one in site.schedule.procedures.values() for check in one.checks or ()}

    assert due == asked_for()
    assert due <= set(load_checks())


def test_only_the_clean_up_of_logs_restores_and_optimization_change_hosts(site: Site) -> None:
    procedures = site.schedule.procedures

    assert [name for name, one in procedures.items() if one.changes] == [
        "daily-logs",
        "restore-verification",
        "database-optimization",
    ]
    assert [name for name, one in procedures.items() if one.is_owed] == [
        "daily-logs",
        "daily-backups",
        "restore-verification",
        "database-optimization",
    ]


def test_the_five_contacts_say_what_they_own(site: Site) -> None:
    contacts = list(site.schedule.people.values())[:5]

    assert [one.role.split(":")[0] for one in contacts] == [
        "DevSecOps lead",
        "Security engineer",
        "Performance engineer",
        "Database administrator",
        "Compliance officer",
    ]
    assert all(one.channels and one.role.split(": ")[1] for one in contacts)


def test_escalation_is_the_schedules(site: Site) -> None:
    policy = site.schedule.alerts.policy

    assert {severity: (step.begins, step.within) for severity, step in policy.items()} == {
        1: ("at once", 15 * 60),
        2: ("business hours", 2 * 3600),
        3: ("next business day", 86400),
        4: ("maintenance window", 7 * 86400),
    }
    assert site.schedule.teams["on-call"].fallback


def test_what_nobody_is_called_for_in_vain(site: Site) -> None:
    used = {name for one in site.schedule.people.values() for name in one.channels}
    used |= {name for one in site.schedule.teams.values() for name in one.channels}

    assert used == set(site.schedule.channels)
    assert [name for name, one in site.schedule.channels.items() if one.phi] == ["mail-security"]


def test_a_choice_of_ours_is_marked() -> None:
    text = (FOLDER / "schedule.yml").read_text()
    procedures = text.split("calendar:")[0]
    silent = [name for name, row in SCHEDULE.items() if row[2] is None]

    for name in silent:
        block = procedures.split(f"\n  {name}:")[1].split("\n\n")[0]
        assert re.search(r"duration: .* # ours", block), name
    for line in re.findall(r"(?:.*\n)\s+rule: FREQ=.*BYHOUR.*", procedures):
        assert "ours" in line, line


def test_no_code_knows_the_site() -> None:
    """The collection's own name apart, and what a check names as its source."""
    words = re.compile(r"astral(?![./]upkeep)|devsecops|probe1")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "python" / "upkeep").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]

    assert found == []
