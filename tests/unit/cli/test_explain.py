"""What a host is looked at for, with file and line; and the page of each check."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from called import called
from jsonschema import Draft202012Validator

from upkeep.cli.explain import explain
from upkeep.judging.check import CONNECTION, every, load
from upkeep.judging.documentation import example
from upkeep.judging.examine import examine
from upkeep.model.errors import ConfigurationError, UsageError

FILES = {
    "schedule.yml": """\
time_zone: Europe/Berlin
procedures:
  daily: {title: Daily, rule: FREQ=DAILY;BYHOUR=3;BYMINUTE=0, checks: [disk_space, disk_inodes]}
  web: {title: Web, hosts: web, checks: [http_health]}
  tidy: {title: Tidy, playbook: astral.upkeep.log_rotation}
  some: {title: Some, hosts: "{{ here }}"}
  own: {title: Own, playbook: own.yml, hosts: "all:!web"}
""",
    "own.yml": "- hosts: all\n  tasks:\n    - astral.upkeep.observe:\n",
    "inventory/hosts.yml": """\
all:
  children:
    web: {hosts: {web1: {high: 85}, web2: {upkeep_checks_own: [swap_used]}}}
  hosts: {db1: {more: "{{ lookup('env', 'MORE') }}"}}
""",
    "inventory/group_vars/all.yml": """\
upkeep_checks_base:
  - checks: [disk_space, disk_inodes]
    limits:
      disk_space:
        medium_percent: 70
  - check: disk_inodes
    high_percent: 91
""",
    "inventory/group_vars/web.yml": """\
urls:
  - https://user:pw12345@a.example/
upkeep_checks_web:
  - check: http_health
    urls: "{{ urls }}"
    headers: {Authorization: Bearer abcdef}
    mean_seconds: "{{ slow }}"
slow: 1.5
""",
    "inventory/host_vars/db1.yml": "upkeep_checks_more: '{{ more }}'\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def document(capsys: pytest.CaptureFixture[str], schema: str, *words: str) -> dict[str, Any]:
    """What the command prints with --json, as its schema says."""
    assert called(explain, *words, as_json=True) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    text = resources.files("upkeep").joinpath(f"schemas/{schema}.schema.json").read_text("utf-8")
    Draft202012Validator(json.loads(text)).validate(found)
    return found


def set_limits(check: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in check["limits"] if one["is_set"]}


def test_a_host_is_explained_with_the_place_of_all_that_the_site_says(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "explain_host", "web1", "", str(site))
    checks = {one["check"]: one for one in found["checks"]}
    base, web = (site / "inventory" / "group_vars" / f"{one}.yml" for one in ("all", "web"))

    assert (found["host"], found["is_all"], found["family_version"]) == ("web1", True, "0.1.0")
    assert found["opaque_procedures"] == ["some"]
    assert list(checks) == ["disk_space", "disk_inodes", "http_health"]
    assert {name: one["place"] for name, one in checks.items()} == {
        "disk_space": f"{base}:2",
        "disk_inodes": f"{base}:2",
        "http_health": f"{web}:4",
    }
    assert set_limits(checks["disk_space"]) == {
        "medium_percent": {
            "name": "medium_percent", "value": 70, "default": 80.0, "is_set": True, "place": f"{base}:5",
        }
    }  # fmt: skip
    assert set_limits(checks["disk_inodes"])["high_percent"]["place"] == f"{base}:7"
    # Through a template that is just a name, to where that is said.
    slow = set_limits(checks["http_health"])["mean_seconds"]
    assert (slow["value"], slow["place"]) == (1.5, f"{web}:8")
    params = {one["name"]: one["place"] for one in checks["http_health"]["parameters"]}
    assert params["urls"] == f"{web}:1"


def test_no_secret_of_a_parameter_is_explained(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(explain, "web1", "http_health", str(site))
    text = capsys.readouterr().out
    shown = json.dumps(document(capsys, "explain_host", "web1", "", str(site)))

    for secret in ("pw12345", "abcdef"):
        assert secret not in text + shown
    assert "a.example" in text


def test_when_each_check_is_due_is_told_by_procedure(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "explain_host", "web1", "", str(site))
    due = {one["check"]: [each["procedure"] for each in one["due"]] for one in found["checks"]}
    daily = found["checks"][0]["due"][0]

    assert due == {"disk_space": ["daily"], "disk_inodes": ["daily"], "http_health": ["web"]}
    assert daily["time_zone"] == "Europe/Berlin"
    assert daily["next_due"]
    assert found["checks"][2]["due"][0]["next_due"] is None


def test_a_host_of_its_own_list_and_a_check_that_no_procedure_asks_for(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(explain, "web2", "", str(site))
    lines = capsys.readouterr().out.splitlines()

    assert "swap_used\t\tinventory/hosts.yml:3\tby no procedure" in lines
    assert any(
        one.startswith("disk_space\tmedium_percent = 70\tinventory/group_vars/all.yml:5\tin ")
        for one in lines
    )
    assert "Whether some means this host is known only when it runs." in lines


def test_what_only_a_run_can_resolve_is_said(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "explain_host", "db1", "", str(site))

    assert not found["is_all"]
    assert {each["procedure"] for each in found["checks"][0]["due"]} == {"daily", "own"}


def test_one_check_of_a_host_is_told_with_all_of_it(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(explain, "web1", "disk_space", str(site))
    text = capsys.readouterr().out

    assert "medium_percent   = 70, default 80  inventory/group_vars/all.yml:5" in text
    assert "critical_gib     = 10  default" in text
    assert "daily: daily 03:00 (Europe/Berlin)" in text


def test_who_is_called_for_a_check_is_told_with_the_line_that_says_so(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "owned"
    shutil.copytree(site, copy)
    text = (
        (copy / "schedule.yml")
        .read_text()
        .replace("  own: {title: Own,", "  own: {title: Own, owner: ops,")
    )
    (copy / "schedule.yml").write_text(
        text + "teams: {ops: {title: Operations}, disks: {title: Disks}, sites: {title: Sites}}\n"
        "alerts:\n  team: disks\n  owners:\n"
        "    - {check: disk_space, team: disks}\n    - {group: web, team: sites}\n"
    )
    file = f"{copy}/schedule.yml"

    def teams(host: str) -> dict[str, list[tuple[str, str, list[str]]]]:
        found = document(capsys, "explain_host", host, "", str(copy))
        return {
            one["check"]: [
                (each["team"], each["place"], each["procedures"]) for each in one["called"]
            ]
            for one in found["checks"]
        }

    web, db = teams("web1"), teams("db1")
    assert web["disk_space"] == db["disk_space"] == [("disks", f"{file}:12", [])]
    assert web["http_health"] == web["disk_inodes"] == [("sites", f"{file}:13", [])]
    # No rule fits: each procedure's owner, and where one has none, the team of alerts.
    assert db["disk_inodes"] == [
        ("disks", f"{file}:10", ["daily"]),
        ("ops", f"{file}:7", ["own"]),
    ]

    called(explain, "db1", "disk_inodes", str(copy))
    text = capsys.readouterr().out
    assert "Called      Disks (schedule.yml:10), in runs of daily\n" in text
    assert "Called      Operations (schedule.yml:7), in runs of own\n" in text


def test_without_teams_nobody_is_called(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called(explain, "web1", "disk_space", str(site))

    assert "Called      nobody\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("wbe1", ""), "there is no host and no check 'wbe1'; did you mean 'web1'?"),
        (
            ("disk_spac", ""),
            "there is no host and no check 'disk_spac'; did you mean 'disk_space'?",
        ),
        (("wbe1", "disk_space"), "there is no host 'wbe1'; did you mean 'web1'?"),
        (("web1", "disk_spac"), "there is no check 'disk_spac'; did you mean 'disk_space'?"),
        (("web1", "swap_used"), "web1 does not ask for swap_used"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(
    site: Path, words: tuple[str, str], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        called(explain, *words, str(site))

    assert str(caught.value) == said


def test_groups_that_disagree_are_told(site: Path, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "inventory" / "group_vars" / "web.yml").write_text(
        "upkeep_checks_web: [{check: disk_space, high_percent: 5}]\n"
    )

    with pytest.raises(
        ConfigurationError, match="check disk_space of the same things, with different"
    ):
        called(explain, "web1", "", str(tmp_path))


# --- pages of checks -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", every())
def test_each_check_has_its_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = document(capsys, "explain_check", name)["check"]
    assert called(explain, name) == 0
    text = capsys.readouterr().out

    for part in ("title", "description", "source", "remedy"):
        assert page[part].strip()
    assert text.startswith(f"{name}: {page['title']}\n")
    if name in load():
        for part in ("why", "cannot_see", "example", "since", "family"):
            assert page[part].strip()
        assert page["cannot_see"].endswith(".")
        for title in (
            "\nWhy\n",
            "\nWhat it cannot see\n",
            "\nExample\n",
            "\nSource ",
            "\nFirst step ",
        ):
            assert title in text
        assert bool(page["limits"]) == ("\nLimits\n" in text)


@pytest.mark.parametrize("name", load())
def test_the_example_of_a_check_is_an_entry_with_all_that_it_needs(name: str) -> None:
    check = load()[name]
    if check.gather == CONNECTION:
        assert example(check).startswith("no site lists it")
        return
    (entry,) = yaml.safe_load(example(check))[f"upkeep_checks_{check.family}"]

    examine(entry, load())
    assert check.needs.keys() <= (entry.keys() if isinstance(entry, dict) else set())


def test_each_page_says_something_of_its_own() -> None:
    for part in ("why", "cannot_see"):
        texts = [getattr(one, part) for one in load().values()]
        assert len(set(texts)) == len(texts)
