"""What a run of a procedure would do: checks, hosts, limits, jobs, and how long it usually takes."""

from __future__ import annotations

import json
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from called import called
from jsonschema import Draft202012Validator
from store_samples import NOW, begun

from upkeep.cli.plan import plan
from upkeep.model.errors import UsageError
from upkeep.store import open_store, runs

FILES = {
    "schedule.yml": """\
procedures:
  daily: {title: Daily, playbook: astral.upkeep.daily, duration: 30 min, rule: FREQ=DAILY;BYHOUR=3;BYMINUTE=0}
  some: {title: Some, hosts: "web:db1", checks: [disk_space, http_health]}
  tidy: {title: Tidy, playbook: astral.upkeep.log_rotation}
  own: {title: Own, playbook: own.yml, hosts: web}
  here: {title: Here, hosts: "{{ here }}"}
""",
    "own.yml": "- hosts: all\n  tasks: []\n",
    "inventory/hosts.yml": """\
all:
  children:
    web: {hosts: {web1: {}, web2: {}}}
  hosts:
    db1: {upkeep_jobs: "{{ jobs }}", upkeep_checks_more: "{{ lookup('env', 'MORE') }}"}
    idle1: {upkeep_checks_base: []}
""",
    "inventory/group_vars/all.yml": """\
upkeep_checks_base: [disk_space, swap_used]
jobs: "{{ [lookup('env', 'JOB')] }}"
""",
    "inventory/group_vars/web.yml": """\
upkeep_checks_base:
  - checks: [disk_space, swap_used]
    limits: {disk_space: {high_percent: 85}}
upkeep_jobs: "{{ ['log_rotation'] if inventory_hostname == 'web1' else [] }}"
""",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    state = tmp_path_factory.mktemp("state")
    for name, text in {**FILES, "upkeep.toml": f'state = "{state}"\n'}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def document(capsys: pytest.CaptureFixture[str], procedure: str, site: Path) -> dict[str, Any]:
    """What the command prints with --json, as its schema says."""
    assert called(plan, procedure, str(site), as_json=True) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    text = resources.files("upkeep").joinpath("schemas/plan.schema.json").read_text("utf-8")
    Draft202012Validator(json.loads(text)).validate(found)
    return found


def checks(found: dict[str, Any]) -> list[tuple[str, dict[str, Any], list[str]]]:
    return [(one["check"], one["limits"], one["hosts"]) for one in found["checks"]]


def test_a_plan_has_checks_by_hosts_and_limits(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "daily", site)

    assert checks(found) == [
        ("disk_space", {"high_percent": 85}, ["web1", "web2"]),
        ("disk_space", {}, ["db1"]),
        ("swap_used", {}, ["db1", "web1", "web2"]),
    ]
    assert sorted(found["hosts"]) == ["db1", "idle1", "web1", "web2"]
    assert (found["looks"], found["idle_hosts"]) == (6, ["idle1"])
    assert found["unsure_hosts"] == ["db1"]
    assert found["jobs"] == [
        {"job": "log_rotation", "hosts": ["web1"], "unsure_hosts": ["db1"]},
    ]
    assert (found["changes_hosts"], found["limit_seconds"]) == (True, 1800)
    assert found["usual_length"] is None


def test_a_plan_keeps_to_the_procedures_hosts_and_checks(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "some", site)

    assert [(check, hosts) for check, _limits, hosts in checks(found)] == [
        ("disk_space", ["web1", "web2"]),
        ("disk_space", ["db1"]),
    ]
    assert found["unasked_checks"] == ["http_health"]
    assert not found["changes_hosts"]
    assert found["next_due"] is None


@pytest.mark.parametrize(
    ("procedure", "said"),
    [
        (
            "daily",
            ["daily does 2 checks on 4 hosts, 6 in all; it may change 2 hosts.",
             "disk_space\tweb1, web2\thigh_percent = 85",
             "No check is due on idle1.",
             "Job log_rotation changes web1; only a run knows of db1.",
             "How long it takes is not known: no run of it has ended on all hosts; it is stopped after 30 min."],
        ),
        ("some", ["some does 1 check on 3 hosts, 3 in all; it changes nothing.",
                  "Named by the procedure, and asked for by none of its hosts: http_health.",
                  "It runs by hand only."]),
        ("tidy", ["tidy runs astral.upkeep.log_rotation on 4 hosts, without checks; it may change 2 hosts."]),
        ("own", ["own runs own.yml on 2 hosts, without checks; it may change 2 hosts.",
                 "What own.yml changes is its own."]),
    ],
)  # fmt: skip
def test_a_plan_is_told_in_words(
    site: Path, procedure: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    called(plan, procedure, str(site))
    lines = capsys.readouterr().out.splitlines()

    assert [one for one in said if one not in lines] == []


def test_what_is_usual_comes_from_runs_that_went_to_their_end_on_all_hosts(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (site / "upkeep.toml").read_text()
    url = f"sqlite:///{text.split(chr(34))[1]}/upkeep.db"
    with closing(open_store(url)) as store, store.begin() as db:
        for minutes, status, other in (
            (2, "done", {}),
            (4, "partial", {}),
            (9, "done", {}),
            (100, "failed", {}),
            (200, "done", {"limit": "web1"}),
            (300, "done", {"check_mode": True}),
            (400, "done", {"procedure": "other"}),
            (500, "done", {"site": "/other"}),
        ):
            run = runs.start(db, begun(**{"procedure": "some", "site": str(site), **other}))
            runs.finish(db, run, status, "", begun(minutes).started_at)

    found = document(capsys, "some", site)
    called(plan, "some", str(site))

    assert begun().started_at == NOW
    assert found["usual_length"] == {
        "runs": 3,
        "median_seconds": 240.0,
        "longest_seconds": 540.0,
    }
    assert "Usually it takes 4 min 00 s (median of the last 3 runs, the longest 9 min 00 s)" in (
        capsys.readouterr().out
    )


def test_what_only_a_run_knows_and_what_is_not_there_are_told(site: Path) -> None:
    with pytest.raises(UsageError, match=r"here: only a run can tell which hosts .* means"):
        called(plan, "here", str(site))
    with pytest.raises(UsageError, match=r"there is no procedure 'dayly'; did you mean 'daily'\?"):
        called(plan, "dayly", str(site))
