"""Rules of `alerts.owners` when a site is loaded: what they name must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from upkeep.model.errors import ConfigurationError
from upkeep.site.declared_groups import declared_groups
from upkeep.site.site import load_site

SCHEDULE = """\
procedures:
  daily: {title: Daily, owner: ops, checks: [disk_space]}
teams:
  ops: {title: Operations}
  security: {title: Security}
alerts:
  owners:
"""
HOSTS = "all: {children: {europe: {children: {database: {hosts: {db1: {}}}}}, web: {hosts: {web1: {}}}}}\n"


def folder(path: Path, rules: str, hosts: str = HOSTS, name: str = "hosts.yml") -> Path:
    (path / "inventory" / "group_vars").mkdir(parents=True)
    (path / "inventory" / name).write_text(hosts)
    (path / "inventory" / "group_vars" / "web.yml").write_text("children: {kiosks: 1}\n")
    (path / "schedule.yml").write_text(SCHEDULE + rules)
    return path


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{check: failed_login, team: security}", "owners.0.check: there is no check 'failed_login'; did you mean 'failed_logins'?"),
        ("{check: faild_*, team: security}", "owners.0.check: there is no check 'faild_*'; did you mean 'failed_units'?"),
        ("{family: login, team: security}", "owners.0.family: there is no family 'login'; did you mean 'logins'?"),
        ("{group: databas, team: security}", "owners.0.group: there is no group 'databas'; did you mean 'database'?"),
        ("{group: kiosks, team: security}", "owners.0.group: there is no group 'kiosks'"),
        ("{check: failed_logins, team: secrity}", "owners.0.team: there is no team 'secrity'; did you mean 'security'?"),
        ("{team: security}", "owners.0: found {'team': 'security'}; expected a check, a family or a group beside the team"),
        ("{check: failed_logins, family: logins, team: security}", "owners.0: found {'check': 'failed_logins', 'family': 'logins', 'team': 'security'}; expected either a check or a family, not both"),
        ("{checks: failed_logins, team: security}", "owners.0.checks: there is no key 'checks'; did you mean 'check'?"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_with_its_line_and_the_nearest_word(
    tmp_path: Path, rule: str, expected: str
) -> None:
    path = folder(tmp_path, f"    - {rule}\n")

    with pytest.raises(ConfigurationError) as caught:
        load_site(str(path))

    (line,) = str(caught.value).splitlines()
    assert line == f"{path}/schedule.yml:8: alerts.{expected}"


def test_a_rule_that_is_there_twice_is_told_with_the_team_of_the_other(tmp_path: Path) -> None:
    rules = "    - {family: logins, team: security}\n    - {family: logins, team: ops}\n"

    with pytest.raises(ConfigurationError) as caught:
        load_site(str(folder(tmp_path, rules)))

    assert str(caught.value).endswith(
        "schedule.yml:9: alerts.owners.1: entry 1 names the same already, for the team security"
    )


@pytest.mark.parametrize(
    "rule",
    [
        "{check: failed_logins, team: security}",
        "{check: failed_*, team: security}",
        "{check: run_failed, team: security}",
        "{family: logins, team: security}",
        "{family: upkeep, team: security}",
        "{group: database, team: security}",
        "{group: europe, team: security}",
        "{group: all, team: security}",
        "{check: disk_space, group: web, team: security}",
    ],
)
def test_what_is_there_may_be_named(tmp_path: Path, rule: str) -> None:
    site = load_site(str(folder(tmp_path, f"    - {rule}\n")))

    assert site.schedule.alerts.owners[0].team == "security"


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("hosts.ini", "[database]\ndb1\n"),
        ("aws_ec2.yml", "plugin: amazon.aws.aws_ec2\n"),
        ("hosts", "#!/bin/sh\n"),
    ],
)
def test_groups_that_the_files_do_not_say_are_left_to_lint_and_doctor(
    tmp_path: Path, name: str, hosts: str
) -> None:
    path = folder(tmp_path, "    - {group: of_the_cloud, team: security}\n", hosts, name)

    assert declared_groups(path / "inventory") is None
    assert load_site(str(path)).schedule.alerts.owners[0].group == "of_the_cloud"


def test_groups_of_one_file_of_hosts(tmp_path: Path) -> None:
    path = folder(tmp_path, "    - {group: web, team: security}\n")

    found = declared_groups(path / "inventory" / "hosts.yml")

    assert found == {"all", "ungrouped", "europe", "database", "web"}
