"""`upkeep schedule`: what it prints, for people and for programs, and the calendar feed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import ics
import jsonschema
import pytest
import yaml
from command_runner import CliRunner
from dateutil.rrule import rrulestr

from upkeep.cli.lazy import Commands
from upkeep.cli.main import cli
from upkeep.model import clock
from upkeep.model.errors import ConfigurationError, UsageError
from upkeep.schedule.calendars import Calendars, calendars_of
from upkeep.schedule.due_times import due_times, timing_of
from upkeep.schedule.simulate import Collision, Gap, Planned, Stopped, Week, may_share, simulate
from upkeep.services.schedule_lint import VERBS, Remark, lint, reach, readings
from upkeep.services.site_lint import unset
from upkeep.site.schedule_file import Procedure, Schedule, load_schedule
from upkeep.site.site import EMBEDDED
from upkeep.site.yaml_file import load as load_yaml
from upkeep.view.calendar_feed import feed
from upkeep.view.json import schema

SITES = Path(__file__).parents[3] / "inventory"
NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)


def calendars(**schedule: object) -> Calendars:
    """Return the calendars of a schedule of two procedures, or of those given."""
    given = {
        "procedures": {
            "look": {"title": "Look", "rule": "daily 03:00", "duration": "1 h", "owner": "ops"},
            "change": {
                "title": "Change",
                "playbook": "astral.upkeep.daily",
                "rule": "monday 03:30",
                "duration": "2 h",
                "owner": "ops",
            },
        },
        **schedule,
    }
    return calendars_of(Schedule.model_validate(given), Path())


# --- a year ----------------------------------------------------------------------------------------------------------
def test_a_year():
    found = simulate(
        calendars(
            calendar={"blackouts": [{"title": "August", "from": "2027-08-01", "to": "2027-09-01"}]},
            people={"ann": {"name": "Ann"}},
            teams={
                "ops": {
                    "title": "Ops",
                    "rota": [{"from": "2027-01-04", "to": "2027-12-01", "people": ["ann"]}],
                    "fallback": "ann",
                }
            },
        ),
        2027,
    )
    assert found.planned == (Planned("look", 365, 365 * 3600), Planned("change", 52, 52 * 7200))
    assert found.collisions == (
        Collision("change", "look", "all", 52, datetime(2027, 1, 4, 3, 30, tzinfo=UTC)),
    )
    assert found.stopped == (
        Stopped("change", "August", 5, datetime(2027, 8, 2, 3, 30, tzinfo=UTC)),
    )
    assert found.weeks[0] == Week(date(2026, 12, 28), 3, 3 * 3600)
    assert found.weeks[1] == Week(date(2027, 1, 4), 8, 7 * 3600 + 7200)
    assert len(found.weeks) == 53
    assert found.gaps == (
        Gap("ops", datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)),
        Gap("ops", datetime(2027, 12, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("web", "web", True),
        ("all", "web", True),
        ("web", "all:!db", True),
        ("web:db", "db", True),
        ("web*", "web1", True),
        ("web,mail", "db:&linux", False),
        ("web", "db:!web", False),
        ("web", "db", False),
    ],
)
def test_which_patterns_may_share_a_host(one: str, other: str, may: bool) -> None:
    assert may_share(one, other) is may_share(other, one) is may


def test_a_procedure_that_runs_longer_than_its_period_collides_with_itself():
    often = {"often": {"title": "Often", "rule": "every 30 minutes", "duration": "31 min"}}
    (found,) = simulate(calendars(procedures=often), 2027).collisions
    assert (found.procedure, found.other, found.times) == ("often", "often", 2 * 24 * 365 - 1)


def test_other_hosts_do_not_collide():
    one = {"title": "One", "rule": "daily 03:00", "hosts": "web"}
    other = {"title": "Other", "rule": "daily 03:00", "hosts": "db"}
    assert simulate(calendars(procedures={"one": one, "other": other}), 2027).collisions == ()


@pytest.mark.parametrize("site", ["astral", "bakery"])
def test_a_year_of_a_real_schedule_takes_about_a_second(site):
    folder = SITES / site
    found = calendars_of(load_schedule(folder / "schedule.yml"), folder)
    begin = time.process_time()
    assert sum(week.runs for week in simulate(found, 2027).weeks) > 10_000
    # A second where nothing else runs; three say that it is no minute, on any machine.
    assert time.process_time() - begin < 3


# --- what cannot be meant --------------------------------------------------------------------------------------------
def test_remarks():
    procedures = {
        "fine": {"title": "Fine", "rule": "daily 03:00", "owner": "ops"},
        "hand": {"title": "By hand", "owner": "ops"},
        "orphan": {"title": "Orphan", "rule": "daily 03:00"},
        "never": {"title": "Never", "rule": "FREQ=DAILY;UNTIL=20260101", "owner": "ops"},
        "long": {"title": "Long", "rule": "hourly", "duration": "2 h", "owner": "ops"},
        "stopped": {
            "title": "Stopped",
            "playbook": "astral.upkeep.daily",
            "rule": "saturday 03:00",
            "owner": "ops",
        },
        "spread": {"title": "Spread", "rule": "hourly", "jitter": "1 h", "owner": "ops"},
    }
    found = lint(
        calendars(
            procedures=procedures,
            calendar={
                "blackouts": [{"title": "Weekend", "rule": "saturday 00:00", "duration": "2 d"}]
            },
            people={"ann": {"name": "Ann"}},
            teams={
                "ops": {
                    "title": "Ops",
                    "rota": [{"from": "2026-01-01", "to": "2027-01-01", "people": ["ann"]}],
                    "fallback": "ann",
                },
                "idle": {"title": "Idle"},
            },
        ),
        NOW,
    )
    assert [(one.about, one.kind) for one in found] == [
        ("procedure orphan", "no owner"),
        ("procedure never", "never due"),
        ("procedure long", "longer than its period"),
        ("procedure stopped", "always in a blackout"),
        ("procedure spread", "spread over its period"),
        ("team ops", "no channels"),
        ("team ops", "rota gap"),
    ]
    assert found[2] == Remark(
        "procedure long",
        "longer than its period",
        "may take 2 h and is due again after 1 h",
        "shorten its `duration`, or let it come less often",
    )
    assert found[6].text == "has nobody on call from 2027-01-01 to 2027-11-24"


PHONE = {"phone": {"url_from": "UPKEEP_CHANNEL_PHONE"}}
ANN = {"name": "Ann", "channels": ["phone"]}
BOB = {"name": "Bob"}
NO_CHANNELS = "has no channels, and nobody in it has; it owns "


def of_reach(**schedule: Any) -> list[tuple[str, str, str]]:
    procedures = schedule.pop("procedures", {"look": {"title": "Look", "owner": "ops"}})
    given = Schedule.model_validate({"procedures": procedures, "channels": PHONE, **schedule})
    return [(one.about, one.kind, one.text) for one in reach(given)]


@pytest.mark.parametrize(
    ("people", "team", "said"),
    [
        ({}, {"channels": ["phone"]}, []),
        ({"ann": ANN}, {"members": ["ann"]}, []),
        ({"ann": ANN, "bob": BOB}, {"members": ["ann", "bob"], "channels": ["phone"]}, []),
        ({}, {}, [("team ops", "no channels", f"{NO_CHANNELS}look")]),
        ({"bob": BOB}, {"members": ["bob"]}, [("team ops", "no channels", f"{NO_CHANNELS}look")]),
        ({"ann": ANN, "bob": BOB}, {"members": ["ann", "bob"]},
         [("team ops", "not reached", "calls bob, who cannot be reached: bob has no channels, and no team of theirs has any")]),
        ({"ann": ANN, "bob": BOB}, {"rota": [{"from": "2026-01-01", "people": ["ann", "bob"]}], "fallback": "ann"},
         [("team ops", "not reached", "calls bob, who cannot be reached: bob has no channels, and no team of theirs has any")]),
        ({"ann": ANN, "bob": BOB}, {"rota": [{"from": "2026-01-01", "people": ["ann"]}], "fallback": "bob", "channels": ["phone"]},
         [("team ops", "not reached", "calls bob, who cannot be reached: bob has no channels, and no team of theirs has any")]),
        ({"ann": ANN, "bob": BOB},
         {"rota": [{"from": "2026-01-01", "people": ["ann"]}], "fallback": "ann", "members": ["ann", "bob"]}, []),
    ],
    ids=["a channel of the team", "a channel of a member", "members by the team's", "none", "a member without",
         "one of two members", "one of the rota", "a fallback of another team", "who is never called"],
)  # fmt: skip
def test_who_is_reached(
    people: dict[str, Any], team: dict[str, Any], said: list[tuple[str, str, str]]
) -> None:
    assert of_reach(people=people, teams={"ops": {"title": "Ops", **team}}) == said


@pytest.mark.parametrize(
    ("alerts", "procedures", "teams"),
    [
        ({}, {"look": {"title": "Look", "owner": "b"}}, ["a", "b"]),
        ({"team": "b"}, {"look": {"title": "Look"}}, ["b"]),
        ({}, {"look": {"title": "Look"}}, ["a"]),
        ({"team": "c"}, {"look": {"title": "Look", "owner": "b"}}, ["b", "c"]),
    ],
    ids=["who is first", "who has what nobody owns", "who is first alone", "both"],
)
def test_the_teams_that_are_told_are_those_that_alerts_go_to(
    alerts: dict[str, Any], procedures: dict[str, Any], teams: list[str]
) -> None:
    there = {one: {"title": one} for one in "abc"}

    found = of_reach(alerts=alerts, procedures=procedures, teams=there)

    assert sorted(about for about, _kind, _text in found) == [f"team {one}" for one in teams]


def test_a_procedure_that_is_called_like_a_command_is_told_how_to_run_it(tmp_path: Path) -> None:
    given = Schedule.model_validate(
        {"procedures": {one: {"title": "Look", "owner": "ops"} for one in (*VERBS, "listing")}}
    )
    found = [
        (one.about, one.remedy)
        for one in lint(calendars_of(given, tmp_path), NOW)
        if one.kind == "name of a command"
    ]

    assert set(VERBS) == set(Commands("run"))
    assert found == [
        (f"procedure {one}", f"give it another id, or run it by: upkeep run -- {one}")
        for one in VERBS
    ]


def test_without_teams_nobody_is_told_and_no_owner_is_one() -> None:
    procedures = {
        "look": {"title": "Look", "owner": "Ops", "rule": "daily 03:00"},
        "tidy": {"title": "Tidy", "owner": "Ops", "reviews": [{"id": "a", "title": "A", "owner": "law"}]},
    }  # fmt: skip

    assert of_reach(procedures=procedures) == [
        ("alerts", "nobody is told", "no alert reaches anybody: the schedule has no `teams`"),
        ("owner Ops", "owner is no team", "owns look, tidy, and the schedule has no team of that name"),
        ("owner law", "owner is no team", "owns tidy a, and the schedule has no team of that name"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "appends"),
    [
        ("procedures:\n  look: {title: Look}", True),
        ("procedures:\n  look: {title: Look, owner: ops}\n", True),
        ("procedures:\n  look: {title: Look}\nchannels: {chat: {url_from: UPKEEP_CHANNEL_CHAT}}\n", True),
        ("procedures:\n  look: {title: Look, owner: DevSecOps}\n", False),
        ("procedures:\n  look: {title: Look}\nteams: {}\n", False),
        ('{"procedures": {"look": {"title": "Look"}}}\n', False),
    ],
    ids=["no line's end", "an owner", "a channel", "an owner that is no id", "an empty mapping", "JSON"],
)  # fmt: skip
def test_what_is_proposed_can_be_pasted(tmp_path: Path, text: str, appends: bool) -> None:
    path = tmp_path / "a site" / "schedule.yml"
    path.parent.mkdir()
    path.write_text(text)
    file = load_yaml(path)

    said = next(one for one in reach(load_schedule(path), file) if one.kind == "nobody is told")

    assert said.remedy.startswith("printf " if appends else "add `")
    if appends:
        subprocess.run(["sh", "-c", said.remedy], check=True)
        assert not list(reach(load_schedule(path)))


def test_what_this_program_brings_is_not_to_be_changed() -> None:
    for words in (["lint"], ["lint", "-i", "web1,db1,"]):
        assert f">> {EMBEDDED}" not in printed(*words, status=1)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("disk_space", None),
        ("log_*", None),
        ("host_unreachable", None),
        ("occurrence_missed", None),
        ("disk_spce", "check 'disk_spce' fits no check; did you mean 'disk_space'?"),
        ("dsk_*", "check 'dsk_*' fits no check; did you mean 'disk_space'?"),
    ],
)
def test_a_severity_rules_check(check: str, text: str | None) -> None:
    rules = {"severities": [{"check": check, "is": 2}]}

    found = [one for one in lint(calendars(alerts=rules), NOW) if one.kind == "no such check"]

    assert [one.text.replace("disk_inodes", "disk_space") for one in found] == (
        [text] if text else []
    )


@pytest.mark.parametrize(
    ("measure", "kind", "text"),
    [
        ("{check: disk_space, name: used}", "", ""),
        ("{check: disk_space, name: used, at_most: 80}", "", ""),
        ("{check: disk_space, name: used, at_least: 99}", "", ""),
        ("{check: disk_space, name: used, at_least: 99.9}", "rule not said",
         "lets 'used' of disk_space be below 99.9 for 1 % of the time"),
        ("{check: disk_space, name: used, at_least: 99.9, rule: within}", "", ""),
        ("{check: disk_space, name: used, at_least: 99.9, share: 99.9}", "", ""),
        ("{check: disk_space, name: usde, at_most: 80}", "no such measure",
         "shows 'usde' of disk_space, which the check does not measure; did you mean 'used'?"),
        ("{check: certificate_chain, name: left}", "no such measure",
         "shows 'left' of certificate_chain, which the check does not measure"),
        ("{check: disk_space, name: available, at_least: 5}", "rule not said",
         "requires 'available' of disk_space to meet its target always: one value outside fails it"),
        ("{check: disk_space, name: available, at_least: 5, rule: worst}", "", ""),
        ("{check: disk_space, name: available, at_least: 5, share: 90}", "", ""),
        ("{check: file_system_errors, name: errors, at_most: 0}", "rule not said",
         "compares with the target what 'errors' of file_system_errors counted from one review to the next"),
        ("{check: file_system_errors, name: errors, at_most: 0, rule: total}", "", ""),
        ("{check: disk_space, name: used, at_most: 80, rule: total}", "rule does not fit",
         "adds up 'used' of disk_space, which is a share, not a counter"),
        ("{check: response_time, name: request_time_p95, at_most: 4}", "never looked at",
         "shows 'request_time_p95' of response_time, but no procedure with a `rule` runs response_time: all of its time is unobserved"),
        ("{check: swap_used, name: used}", "never looked at",
         "shows 'used' of swap_used, but no procedure with a `rule` runs swap_used: all of its time is unobserved"),
    ],
)  # fmt: skip
def test_lint_says_what_a_target_means(measure: str, kind: str, text: str) -> None:
    review = {"id": "fires", "title": "Fires", "measures": [yaml.safe_load(measure)]}
    checks = ["disk_space", "file_system_errors"]
    procedures = {
        "audit": {"title": "A", "rule": "daily 03:00", "checks": checks, "reviews": [review]},
        "by-hand": {"title": "By hand", "checks": ["swap_used"]},
    }

    found = [
        one
        for one in lint(calendars(procedures=procedures), NOW)
        if one.about == "review audit fires"
    ]

    assert [(one.kind, one.text) for one in found] == ([(kind, text)] if kind else [])
    assert all(one.key == ("procedures", "audit", "reviews", 0, "measures", 0) for one in found)
    kinds = schema("schedule_lint")["properties"]["remarks"]["items"]["properties"]["kind"]["enum"]
    assert {one.kind for one in found} <= set(kinds)
    assert all(one.remedy for one in found)


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("{check: disk_space, name: used, rule: worst}", "at_most or at_least beside rule and share"),
        ("{check: disk_space, name: used, at_most: 8, rule: best}", "'within', 'worst' or 'total'"),
        ("{check: disk_space, name: used, at_most: 8, rule: worst, share: 9}", "share with the rule within; the rule is worst"),
        ("{check: disk_space, name: used, at_most: 8, share: 0}", "more than 0"),
        ("{check: disk_space, name: used, at_most: 8, share: 101}", "at most 100"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_meant_is_a_mistake(
    tmp_path: Path, measure: str, said: str
) -> None:
    path = tmp_path / "schedule.yml"
    path.write_text(
        "procedures:\n  audit:\n    title: A\n    rule: daily 03:00\n    reviews:\n"
        f"      - id: fires\n        title: Fires\n        measures:\n          - {measure}\n"
    )

    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load_schedule(path)


def test_each_remark_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "schedule.yml"
    path.write_text(
        "procedures:\n  look:\n    title: Look\n    rule: FREQ=DAILY;UNTIL=20260101\n    owner: Ops\n"
        "  often:\n    title: Often\n    rule: hourly\n    duration: 2 h\n    jitter: 1 h\n"
        "alerts:\n  severities:\n    - check: nothing_like_it\n      is: 1\n"
    )
    schedule = load_schedule(path)

    found = lint(calendars_of(schedule, tmp_path), NOW, load_yaml(path))

    assert [(one.kind, one.place.removeprefix(f"{path}:")) for one in found] == [
        ("never due", "4"),
        ("no owner", "6"),
        ("longer than its period", "9"),
        ("spread over its period", "10"),
        ("nobody is told", "11"),
        ("owner is no team", "5"),
        ("no such check", "13"),
    ]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"UPKEEP_CHANNEL_PHONE": "tgram://x/y", "UPKEEP_HEARTBEAT": "https://beat.example/1"}, []),
        ({"UPKEEP_CHANNEL_PHONE": "tgram://x/y"},
         ["the variable UPKEEP_HEARTBEAT is not set here"]),
        ({"UPKEEP_HEARTBEAT": "https://beat.example/1"},
         ["the variable UPKEEP_CHANNEL_PHONE is not set here"]),
        ({"UPKEEP_HEARTBEAT": "https://beat.example/1", "UPKEEP_CHANNEL_PHONE": ""},
         ["the variable UPKEEP_CHANNEL_PHONE is not set here"]),
        ({"UPKEEP_HEARTBEAT": "https://beat.example/1", "UPKEEP_CHANNEL_PHNOE": "tgram://x/y"},
         ["the variable UPKEEP_CHANNEL_PHONE is not set here; did you mean 'UPKEEP_CHANNEL_PHNOE'?"]),
        ({"UPKEEP_HEARTBEAT": "https://beat.example/1", "UPKEEP_CHANNEL_PHONE": "secret"},
         ["the variable UPKEEP_CHANNEL_PHONE does not hold a URL"]),
        ({"UPKEEP_HEARTBEAT": "https://beat.example/1", "UPKEEP_CHANNEL_PHONE": "file:///secret"},
         ["the variable UPKEEP_CHANNEL_PHONE holds a URL of file, which reaches nobody"]),
    ],
    ids=["all", "no heartbeat", "none", "empty", "another name", "no URL", "a file"],
)  # fmt: skip
def test_channels_without_an_address(environ: dict[str, str], said: list[str]) -> None:
    schedule = Schedule.model_validate(
        {
            "procedures": {"look": {"title": "Look"}},
            "channels": PHONE,
            "alerts": {"heartbeat": {"url_from": "UPKEEP_HEARTBEAT"}},
        }
    )

    found = list(unset(schedule, environ, "site"))

    assert [one.text for one in found] == said
    assert "secret" not in str(found)


# --- the command -----------------------------------------------------------------------------------------------------
def printed(*words: str, status: int = 0) -> str:
    """Return what the command prints into a pipe."""
    done = CliRunner().invoke(cli, ["schedule", *words], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.stdout


@pytest.mark.parametrize("site", ["astral", "bakery", "example"])
@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["next"],
        ["next", "--from", "2026-12-24", "--to", "2026-12-27"],
        ["simulate", "2027"],
        ["lint"],
    ],
    ids=" ".join,
)
def test_json_has_its_schema(site, words):
    done = CliRunner().invoke(
        cli, ["schedule", *words, "-i", str(SITES / site), "--json"], catch_exceptions=False
    )
    assert done.exit_code in (0, 1)
    shape = schema(f"schedule_{words[0]}")
    validator = jsonschema.Draft202012Validator
    validator.check_schema(shape)
    jsonschema.validate(
        json.loads(done.stdout), shape, validator, format_checker=validator.FORMAT_CHECKER
    )


def test_a_review_that_nobody_can_sign_is_an_error_that_programs_can_read(tmp_path):
    (tmp_path / "inventory").mkdir()
    (tmp_path / "schedule.yml").write_text(
        """
        people: {ann: {name: Ann}}
        teams: {ops: {title: Operations, members: [ann]}}
        procedures:
          audit: {title: Audit, owner: ops, reviews: [{id: keys, title: Keys, four_eyes: required}]}
        """
    )
    done = CliRunner().invoke(cli, ["schedule", "lint", "-i", str(tmp_path), "--json"])

    assert done.exit_code == 2
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("schedule_lint"), jsonschema.Draft202012Validator)
    kinds = [(one["kind"], one["level"]) for one in document["remarks"]]
    assert kinds[:2] == [("reviews never open", "warn"), ("nobody to sign", "error")]
    said = CliRunner().invoke(cli, ["schedule", "lint", "-i", str(tmp_path)]).stdout
    assert said.index("review audit keys: error: nobody to sign") < said.index("never open")


def test_procedures_have_their_schema_with_and_without_all_that_can_be_said(tmp_path):
    (tmp_path / "inventory").mkdir()
    (tmp_path / "schedule.yml").write_text(
        """
        procedures:
          least: {title: Least}
          most:
            {title: Most, playbook: astral.upkeep.daily, hosts: web, checks: [disk_space], lacks: [tea],
             covers: [a line], rule: daily 03:00, time_zone: Europe/Berlin, starts: 2026-12-01,
             skip: [2026-12-24, 2026-12-31 03:00], jitter: 5 min, owner: ops, duration: 45 min,
             changes_hosts: true, owed: false, missed: 6 h, overlap: queue, priority: 1}
        """
    )
    done = CliRunner().invoke(
        cli,
        ["schedule", "list", "--settings", "-i", str(tmp_path), "--json"],
        catch_exceptions=False,
    )
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("procedures"), jsonschema.Draft202012Validator)
    least, most = document["procedures"]
    assert (least["missed"], most["missed"]) == ("run", 21600)
    assert (most["jitter"], most["duration"]) == (300, 2700)
    assert most["skip"] == ["2026-12-24T00:00:00", "2026-12-31T03:00:00"]
    assert set(Procedure.model_fields) == set(most) - {"id"}


def test_list_in_a_pipe():
    lines = printed("list", "-i", str(SITES / "bakery")).splitlines()
    assert lines[1] == (
        "opening-azores\tmonday to saturday 05:30, Atlantic/Azores\t2026-11-24 05:30:00 -01:00"
        "\tazores\tbakers"
    )


def test_next_is_one_line_a_procedure_the_soonest_first():
    lines = printed("next", "-i", str(SITES / "bakery"), "-n", "2").splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        "2026-11-23 12:15:00 UTC",
        "2026-11-24 05:30:00 UTC",
    ]


def test_next_between_two_times_counts_what_comes_often_and_says_what_a_blackout_stops():
    words = ["--from", "2026-12-20", "--to", "2026-12-20T04:00"]
    lines = printed("next", *words, "-i", str(SITES / "astral")).splitlines()
    assert [line.split("\t")[0::2] for line in lines] == [
        ["2026-12-20 00:00:00 -05:00", "all-day", "all", "121 times"],
        ["2026-12-20 03:30:00 -05:00", "daily-logs", "all", "▲ in blackout: Year's end"],
        ["2026-12-20 04:00:00 -05:00", "daily-security", "all"],
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "tomorrow"], "--from: found 'tomorrow'; expected a date or a time"),
        (["--from", "2027-01-01", "--to", "2026-01-01"], "--to is not after --from"),
    ],
)
def test_times_that_cannot_be_meant(words, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        printed("next", *words, "-i", str(SITES / "bakery"))


def test_lint_says_that_all_is_well():
    assert printed("lint", "-i", str(SITES / "astral")).startswith("No problems in 17")


# --- the feed --------------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ics")  # that library's own
@pytest.mark.parametrize("site", ["astral", "bakery"])
def test_the_feed_is_a_calendar_to_another_library(site):
    schedule = load_schedule(SITES / site / "schedule.yml")
    made = feed(schedule, site, NOW)
    found = {event.name: event for event in ics.Calendar(made.decode()).events}
    expected = {
        one.title
        for one in schedule.procedures.values()
        if one.rule and "MINUTELY" not in one.rule and "minutes" not in one.rule
    }
    spans = (*schedule.calendar.blackouts, *schedule.calendar.maintenance_windows)
    assert set(found) == expected | {one.title for one in spans}


def test_the_feeds_events_come_when_the_procedures_are_due():
    schedule = load_schedule(SITES / "astral" / "schedule.yml")
    calendar = icalendar.Calendar.from_ical(feed(schedule, "astral", NOW))
    assert [str(one["TZID"]) for one in calendar.walk("VTIMEZONE")] == ["America/New_York"]
    zone = ZoneInfo("America/New_York")
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
    compared = 0
    for event in calendar.walk("VEVENT"):
        kind, name = str(event["UID"]).removesuffix("@astral").split("-", 1)
        if kind != "procedure":
            continue
        timing = timing_of(schedule, name)
        assert timing
        start = event["DTSTART"].dt.replace(tzinfo=None)
        rule = rrulestr(event["RRULE"].to_ical().decode(), dtstart=start)
        walked = [
            local.replace(tzinfo=zone).astimezone(UTC)
            for local in rule.between(datetime(2025, 12, 31), datetime(2029, 1, 1))
        ]
        due = list(due_times(timing, begin, end))
        assert [one for one in walked if begin < one <= end] == due
        compared += 1
    assert compared == 18


def test_what_is_skipped_and_where_it_ends_stand_in_the_feed():
    procedure = {
        "title": "Look",
        "rule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0;UNTIL=20260710",
        "time_zone": "Europe/Berlin",
        "starts": "2026-07-01",
        "skip": ["2026-07-04", "2026-07-06 09:00"],
    }
    schedule = Schedule.model_validate({"procedures": {"look": procedure}})
    text = feed(schedule, "site", NOW).decode()
    assert "DTSTART;TZID=Europe/Berlin:20260701T090000\r\n" in text
    assert "UNTIL=20260710T215959Z" in text
    assert "EXDATE;TZID=Europe/Berlin:20260704T090000\r\n" in text
    assert "EXDATE;TZID=Europe/Berlin:20260706T090000\r\n" in text


def test_uids_stay_the_same_from_feed_to_feed():
    schedule = load_schedule(SITES / "bakery" / "schedule.yml")
    first, later = (
        re.findall(r"UID:(\S+)", feed(schedule, "bakery", at).decode())
        for at in (NOW, NOW + timedelta(days=99))
    )
    assert first == later
    assert len(set(first)) == len(first) == 6


def test_the_feed_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "icalendar", None)
    schedule = load_schedule(SITES / "bakery" / "schedule.yml")
    with pytest.raises(ConfigurationError) as caught:
        feed(schedule, "bakery", NOW)
    assert caught.value.remedy == "pip install 'upkeep[ics]'"


def test_the_feed_is_written(tmp_path):
    out = tmp_path / "maintenance.ics"
    said = printed("ics", "-i", str(SITES / "astral"), "--out", str(out))
    assert said.splitlines() == [
        f"wrote {out}",
        "left out what comes too often for a calendar: all-day",
    ]
    assert out.read_bytes().startswith(b"BEGIN:VCALENDAR\r\n")
    assert printed("ics", "-i", str(SITES / "astral")).startswith("BEGIN:VCALENDAR")


# --- rules that others read otherwise --------------------------------------------------------------------------------
IN_MAY = "2026-05-12, 2026-05-13, 2026-05-14, 2026-05-15, 2026-05-16, 2026-05-17"
READINGS = {
    # rule, start: what is said of it
    "a week": ("FREQ=YEARLY;BYWEEKNO=20", None, ("7 due times", "RFC 5545 1:", "(MO)", IN_MAY)),
    "a week, from a Thursday": (
        "FREQ=YEARLY;BYWEEKNO=20",
        "2026-01-01",
        ("7 due times", "RFC 5545 1:", "(TH)", "2026-05-11, 2026-05-12, 2026-05-13, 2026-05-15"),
    ),
    "two weeks": ("FREQ=YEARLY;BYWEEKNO=20,40", None, ("14 due times", "RFC 5545 2:", IN_MAY)),
    "by weeks": ("FREQ=WEEKLY;BYWEEKNO=20", None, ("7 due times", "RFC 5545 1:", IN_MAY)),
    "by months": ("FREQ=MONTHLY;BYWEEKNO=20", None, ("7 due times", "RFC 5545 1:", IN_MAY)),
    "from the end": ("FREQ=YEARLY;BYWEEKNO=-1", None, ("RFC 5545 1:", "2026-12-29")),
    "a week that few years have": (
        "FREQ=YEARLY;BYWEEKNO=53",
        None,
        ("RFC 5545 1:", "2026-12-29, 2026-12-30, 2026-12-31, 2027-01-01"),
    ),
    "with its day": ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", None, ()),
    "with all days": ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO,TU,WE,TH,FR,SA,SU", None, ()),
    "with days of the month": ("FREQ=YEARLY;BYWEEKNO=20;BYMONTHDAY=13", None, ()),
    "by days": ("FREQ=DAILY;BYWEEKNO=20", None, ()),
    "no weeks": ("FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=12", None, ()),
    "in words": ("every 2 weeks on friday 18:00", None, ()),
}


@pytest.mark.parametrize(("rule", "starts", "said"), READINGS.values(), ids=READINGS)
@pytest.mark.parametrize("kind", ["procedure", "blackout", "maintenance window"])
def test_dates_that_others_do_not_read_out_of_a_rule_are_named(
    kind: str, rule: str, starts: str | None, said: tuple[str, ...]
) -> None:
    if "=" in rule:
        rule += ";BYHOUR=3;BYMINUTE=0;BYSECOND=0"
    span = {"title": "x", "rule": rule, "duration": "1 h"}
    plain = {"title": "X"}
    if kind == "procedure":
        given: dict[str, Any] = {"procedures": {"x": plain | {"rule": rule}}}
        if starts:
            given["procedures"]["x"]["starts"] = f"{starts} 00:00"
    elif starts:
        return  # a span that comes again has no start
    else:
        key = "blackouts" if kind == "blackout" else "maintenance_windows"
        given = {"procedures": {"x": plain}, "calendar": {key: [span]}}

    found = readings(calendars(**given).schedule, datetime(2026, 1, 2, tzinfo=UTC))

    assert [one.about for one in found] == [f"{kind} x"] * bool(said)
    for words in said:
        assert words in found[0].text
    assert all(one.level == "warn" for one in found)


def test_an_account_of_several_people_is_an_error() -> None:
    people = {
        "ann": {"name": "Ann", "accounts": ["ops", "ann", "ann"]},
        "bob": {"name": "Bob", "accounts": ["bob", "ops"]},
    }
    found = [one for one in lint(calendars(people=people), NOW) if one.kind == "shared account"]
    assert [(one.about, one.level, one.key) for one in found] == [
        ("person bob", "error", ("people", "bob", "accounts"))
    ]
    assert found[0].text.startswith("the account ops belongs to ann and bob")
