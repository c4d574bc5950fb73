"""`upkeep alert list`, `ack`, `silence`, `oncall` as real processes, and an alert's way from a run to a receiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import warm
import yaml
from alert_samples import full, run, seen
from patience import eventually
from service.receivers import Posts, http_server
from service.test_serve import serving, stored

from upkeep.model import clock
from upkeep.model.roles import Role
from upkeep.services.actors import account
from upkeep.store import acts, alerts, users

SCHEMAS = Path(__file__).parents[2] / "python" / "upkeep" / "schemas"
ALWAYS = {"medium_percent": 0.1, "medium_gib": 1e9, "high_percent": 0.1, "high_gib": 1e9}
"""Limits that every file system passes: then it fails as high."""
SCHEDULE = {
    "procedures": {
        "look": {"title": "Look at this machine", "checks": ["disk_space"], "owner": "ops"}
    },
    "people": {
        "kim": {"name": "Kim", "channels": ["hook"], "accounts": [account()]},
        "lee": {"name": "Lee"},
    },
    "teams": {
        "ops": {
            "title": "Operations",
            "members": ["kim", "lee"],
            "channels": ["hook"],
            "business_hours": {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
            | {"from": "00:00", "to": "23:59"},
        }
    },
    "channels": {
        "hook": {"url_from": "UPKEEP_CHANNEL_HOOK", "local": True},
        "dead": {"url_from": "UPKEEP_CHANNEL_DEAD", "local": True},
    },
    "alerts": {"team": "ops"},
}


@pytest.fixture
def posts() -> Iterator[tuple[str, Posts]]:
    with http_server() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, sqlite_url: str) -> Path:
    """A site of this machine, with a check that fails, a team and channels."""
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {"upkeep_checks_all": [{"check": "disk_space", **ALWAYS}]}
    tree = {"all": {"hosts": {"here": host}, "vars": variables}}
    (folder / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (folder / "schedule.yml").write_text(yaml.safe_dump(SCHEDULE))
    paths = f'state = "{tmp_path}/state"\nworkspace = "{tmp_path}/work"\n'
    (folder / "upkeep.toml").write_text(paths)
    return folder


def upkeep(site: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return warm.run([*arguments, "-i", str(site)], env=os.environ | environ)


def document(site: Path, *arguments: str) -> Any:
    return json.loads(upkeep(site, *arguments, "--json").stdout)


def open_one(site: Path) -> Any:
    """Open an alert, as the alerter of `upkeep serve` would, without telling anybody."""
    from upkeep.services.alerts.alerter import Alerter
    from upkeep.site.site import load_site

    now = clock.now()
    with closing(stored(site)) as store:
        bad = seen(full(), host="here", at=now)
        run(store, now, bad, site=str(site), procedure="look", title="Look at this machine")
        Alerter(store, load_site(str(site))).step(clock.now())
        with store.read() as db:
            (one,) = alerts.open_alerts(db)
    return one


def test_a_failure_of_a_run_reaches_the_receiver_and_is_acknowledged(
    site: Path, posts: tuple[str, Posts]
) -> None:
    url, got = posts

    with serving(site, UPKEEP_CHANNEL_HOOK=url):
        upkeep(site, "run", "look")
        eventually(lambda: got.got)
        (first,) = [one["title"] for one in got.got]
        listed = document(site, "alert", "list")
        (alert,) = listed["alerts"]
        acknowledged = upkeep(site, "alert", "ack", str(alert["id"]), "--note", "moving files")
        (after,) = document(site, "alert", "list")["alerts"]

    assert first.startswith("[2] New on here: ")
    assert (alert["severity"], alert["status"], alert["hosts"]) == (2, "open", ["here"])
    assert acknowledged.returncode == 0, acknowledged.stderr
    assert (after["status"], after["acknowledged_by"]) == ("acknowledged", account())
    assert after["note"] == "moving files"
    with closing(stored(site)) as store, store.read() as db:
        (act,) = acts.recent(db, 1)
    assert (act.what, act.target, act.way, act.account) == (
        "acknowledge alert",
        str(alert["id"]),
        "cli",
        account(),
    )


def test_a_finding_is_shown_with_its_alert_history_and_evidence(site: Path) -> None:
    upkeep(site, "run", "look")
    listed = document(site, "finding", "list")["findings"]
    number = str(listed[0]["id"])

    shown = document(site, "finding", "show", number)["finding"]
    text = upkeep(site, "finding", "show", number).stdout
    absent = upkeep(site, "finding", "show", str(10**12))

    schema = json.loads((SCHEMAS / "finding.schema.json").read_text())
    jsonschema.validate({"version": 1, "finding": shown}, schema)
    assert {name: shown[name] for name in listed[0]} == listed[0]
    assert [one["kind"] for one in shown["history"]] == ["opened"]
    assert (shown["run"], shown["alerts"]) == (1, [])
    assert listed[0]["subject"] in shown["evidence"]
    assert text.startswith(f"Finding {number}: Low disk space on here: {listed[0]['subject']}\n")
    for words in (
        listed[0]["message"],
        listed[0]["remedy"],
        "No alert: nobody is notified.",
        f"The newest run that saw it: upkeep show 1 -i {site}.",
        "Evidence, as the host reported it",
    ):
        assert words in text
    assert (absent.returncode, absent.stderr) == (
        64,
        f"upkeep: there is no finding {10**12}\n→ upkeep finding list --all -i {site}  # lists them\n",
    )
    number = str(open_one(site).id)
    text = upkeep(site, "finding", "show", "1").stdout
    assert "\nAlert 1, not acknowledged.\n" in text, text


def test_an_edited_schedule_holds_for_alerts_too(site: Path, posts: tuple[str, Posts]) -> None:
    url, got = posts
    other = {**SCHEDULE, "channels": {"pager": {"url_from": "UPKEEP_CHANNEL_PAGER", "local": True}}}
    text = yaml.safe_dump(other).replace("- hook", "- pager").replace("[hook]", "[pager]")

    with serving(site, UPKEEP_CHANNEL_PAGER=url):
        (site / "schedule.yml").write_text(text)
        eventually(lambda: _revisions(site) == 2)
        upkeep(site, "run", "look")
        eventually(lambda: got.got)

    assert got.got[0]["title"].startswith("[2] New on here: ")


def _revisions(site: Path) -> int:
    with closing(stored(site)) as store, store.read() as db:
        return int(db.exec_driver_sql("SELECT count(*) FROM site_revision").scalar_one())


@pytest.mark.parametrize("arguments", [("alert", "list"), ("alert", "list", "--all")])
def test_alerts_have_the_shape_that_is_published(site: Path, arguments: tuple[str, ...]) -> None:
    open_one(site)
    schema = json.loads((SCHEMAS / "alerts.schema.json").read_text())

    listed = document(site, *arguments)

    jsonschema.validate(listed, schema, jsonschema.Draft202012Validator)
    assert len(listed["alerts"]) == 1


def test_open_alerts_say_by_the_exit_status_how_bad_they_are(site: Path) -> None:
    assert upkeep(site, "alert", "list").returncode == 0
    one = open_one(site)

    listed = upkeep(site, "alert", "list")

    assert listed.returncode == 2
    assert f"{one.id}\t" in listed.stdout


def test_one_alert_is_shown_with_its_findings_and_what_happened(site: Path) -> None:
    one = open_one(site)

    shown = upkeep(site, "alert", "show", str(one.id)).stdout

    assert shown.startswith(f"Alert {one.id}, high: New on here: ")
    assert "here: high: Low disk space /: " in shown
    assert "team:ops\thook\twaiting" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("alert", "ack", "77"), "there is no alert 77"),
        (
            ("alert", "ack", "1", "--for", "soon"),
            "--for: found 'soon'; expected a number with a unit",
        ),
        (("alert", "show", "77"), "there is no alert 77"),
        (("alert", "test", "hok"), "there is no channel 'hok'; did you mean 'hook'?"),
        (("silence", "add", "*", "*", "--reason", "x"), "a silence always ends"),
        (
            ("silence", "add", "*", "*", "--reason", " ", "--for", "1 h"),
            "a silence needs a reason",
        ),
        (
            ("silence", "add", "*", "*", "--reason", "x", "--until", "2020-01-01"),
            "a silence must end later than it begins",
        ),
        (("silence", "end", "9"), "there is no active silence 9"),
        (("oncall", "set", "opps", "lee", "--to", "2099-01-01"), "did you mean 'ops'?"),
        (("oncall", "set", "ops", "leo", "--to", "2099-01-01"), "did you mean 'lee'?"),
        (("oncall", "set", "ops", "lee", "--to", "Friday"), "--to: found 'Friday'"),
        (("oncall", "set", "ops", "lee", "--to", "8999-01-01"), "it may last 31 days"),
        (("oncall", "end", "9"), "there is no active override 9"),
    ],
)
def test_what_cannot_be_is_said_with_64(
    site: Path, arguments: tuple[str, ...], message: str
) -> None:
    if arguments[:3] == ("alert", "ack", "1"):
        open_one(site)

    ended = upkeep(site, *arguments)

    assert ended.returncode == 64
    assert message in ended.stderr


def test_a_channel_is_tried_and_says_what_became_of_it(
    site: Path, posts: tuple[str, Posts]
) -> None:
    url, got = posts

    taken = upkeep(site, "alert", "test", "hook", UPKEEP_CHANNEL_HOOK=url)
    got.status = 500
    refused = upkeep(site, "alert", "test", "hook", UPKEEP_CHANNEL_HOOK=url)
    unset = upkeep(site, "alert", "test", "dead")

    assert (taken.returncode, [one["title"] for one in got.got]) == (0, ["test of channel hook"])
    assert refused.returncode == 3
    assert "channel hook: " in refused.stderr
    assert "s3cretpath" not in refused.stderr
    assert "the variable UPKEEP_CHANNEL_DEAD of the environment is not set" in unset.stderr


def test_a_silence_is_added_listed_and_ended(site: Path) -> None:
    added = upkeep(
        site, "silence", "add", "disk_*", "here", "--for", "2 h", "--reason", "moving files"
    )
    (listed,) = document(site, "silence", "list")["silences"]
    ended = upkeep(site, "silence", "end", str(listed["id"]))

    assert "silence 1: disk_* on here is silenced until" in added.stderr
    assert (listed["check_pattern"], listed["severity"]) == ("disk_*", 2)
    assert "people are notified once of what still fails" in ended.stderr
    assert document(site, "silence", "list")["silences"] == []


def test_one_person_does_not_silence_everything_for_good(site: Path) -> None:
    open_one(site)
    with closing(stored(site)) as store, store.begin() as db:
        users.add(db, "kim", Role.OPERATOR, "x", clock.now(), person="kim")

    forever = upkeep(site, "silence", "add", "*", "*", "--until", "8999-01-01", "--reason", "x")
    year = upkeep(site, "silence", "add", "disk_space", "here", "--for", "52 w", "--reason", "x")
    intruders = upkeep(site, "silence", "add", "brute_*", "*", "--for", "1 h", "--reason", "x")
    wide = upkeep(site, "silence", "add", "*", "*", "--for", "7 d", "--reason", "x")
    own = upkeep(site, "silence", "approve", "1")

    for one in (forever, year):
        assert one.returncode == 64
        assert "a silence ends at most 7 days from now" in one.stderr
        assert "upkeep waiver ask" in one.stderr
    assert intruders.returncode == 64
    assert "brute_force: a check that detects intruders" in intruders.stderr
    assert wide.returncode == 0
    assert "silence 1, * on *, waits for a second person" in wide.stderr
    assert f"upkeep silence approve 1 -i {site}" in wide.stderr
    assert own.returncode == 64
    assert "to approve silences you need the role approver; kim is operator" in own.stderr
    assert "waits for approval" in upkeep(site, "silence", "list").stdout
    with closing(stored(site)) as store, store.read() as db:
        assert [one.outcome for one in acts.recent(db, 9) if one.what == "silence"] == [
            "done", "refused", "refused", "refused",
        ]  # fmt: skip


def test_an_account_that_is_nobodys_silences_little(site: Path) -> None:
    open_one(site)

    little = upkeep(
        site, "silence", "add", "disk_space", "here", "--for", "1 h", "--reason", "moving"
    )
    much = upkeep(site, "silence", "add", "*", "*", "--for", "1 h", "--reason", "x")

    assert little.returncode == 0, little.stderr
    assert much.returncode == 64
    assert "needs a second person, and " in much.stderr


def test_the_site_may_allow_longer_silences(site: Path) -> None:
    plan = {**SCHEDULE, "alerts": {"team": "ops", "longest_silence": "30 d"}}
    (site / "schedule.yml").write_text(yaml.safe_dump(plan))

    words = ("silence", "add", "disk_space", "here", "--reason", "moving")
    assert upkeep(site, *words, "--for", "30 d").returncode == 0
    assert "at most 30 days from now" in upkeep(site, *words, "--for", "31 d").stderr


@pytest.mark.parametrize("lasts", ["8 d", "52 w", "9999999999999 w"])
def test_an_acknowledgement_is_no_longer_than_a_silence(site: Path, lasts: str) -> None:
    one = open_one(site)

    taken = upkeep(site, "alert", "ack", str(one.id), "--for", lasts)

    assert taken.returncode == 64
    (still,) = document(site, "alert", "list")["alerts"]
    assert still["status"] == "open"


def test_a_user_becomes_a_person_of_the_schedule(site: Path) -> None:
    with closing(stored(site)) as store, store.begin() as db:
        users.add(db, "lee2", Role.APPROVER, "x", clock.now())
        users.add(db, "kim", Role.ADMIN, "x", clock.now(), person="kim")

    wrong = upkeep(site, "user", "person", "lee2", "leo")
    right = upkeep(site, "user", "person", "lee2", "lee")

    assert "there is no person 'leo' in the schedule; did you mean 'lee'?" in wrong.stderr
    assert (right.returncode, right.stderr) == (
        0,
        "the user lee2 is the person lee of schedule.yml\n",
    )
    with closing(stored(site)) as store, store.read() as db:
        found = users.get(db, "lee2")
    assert found
    assert found.person == "lee"


def test_an_override_takes_a_teams_calls(site: Path) -> None:
    until = (clock.now() + timedelta(days=1)).isoformat()

    before = document(site, "oncall", "list")["teams"]
    upkeep(site, "oncall", "set", "ops", "lee", "--to", until)
    (team,) = document(site, "oncall", "list")["teams"]
    later = document(site, "oncall", "list", "--at", "2099-01-01")["teams"]
    upkeep(site, "oncall", "end", str(team["overrides"][0]["id"]))
    after = document(site, "oncall", "list")["teams"]

    assert before[0]["people"] == ["kim", "lee"]
    assert team["people"] == ["lee", "kim"]
    assert (team["handover"]["at"], team["handover"]["person"]) == (
        team["overrides"][0]["ends"],
        "kim",
    )
    assert later == before == after


def test_a_viewer_may_look_and_not_acknowledge(site: Path) -> None:
    one = open_one(site)
    with closing(stored(site)) as store, store.begin() as db:
        users.add(db, "kim", Role.VIEWER, "x", clock.now(), person="kim")

    looked = upkeep(site, "alert", "list")
    refused = upkeep(site, "alert", "ack", str(one.id))

    assert looked.returncode == 2
    assert refused.returncode == 64
    assert "to acknowledge alerts you need the role operator; kim is viewer" in refused.stderr
    (still,) = document(site, "alert", "list")["alerts"]
    assert still["status"] == "open"
