"""The commands as people and programs use them: documents of an agreed shape, judging again, PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema
import pytest
from integration.conftest import Sites, Upkeep, make_site
from lab.fleet import Fleet
from service.postgres import Postgres

from upkeep.view.json import schema

NO_BACKUP = {"check": "backup_fresh", "sets": [{"name": "none", "paths": ["/nowhere/*.gz"]}]}


WANTED = {"web1": ["failed_logins", "disk_space", NO_BACKUP]}


@pytest.fixture
def upkeep(site: Sites) -> Upkeep:
    """A site with one run, for a test that changes it."""
    made = site(WANTED)
    made("run", "daily", status=2)
    return made


@pytest.fixture(scope="module")
def shown(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Upkeep:
    """A site with one run, for tests that ask and change nothing of it."""
    made = make_site(tmp_path_factory.mktemp("shown"), fleet, WANTED)
    made("run", "daily", status=2)
    return made


@pytest.mark.parametrize(
    ("shape", "arguments", "with_site"),
    [
        ("run", ("show", "1"), True),
        ("run", ("run", "judge", "1"), True),
        ("run", ("check", "disk_space"), True),
        ("run", ("check", "disk_space", "-p", "high_percent=50"), True),
        ("runs", ("run", "list"), True),
        ("findings", ("finding", "list", "--all"), True),
        ("procedures", ("schedule", "list", "--settings"), True),
        ("doctor", ("doctor",), True),
        ("checks", ("check", "list"), False),
        ("checks", ("check", "list", "disk_space"), False),
    ],
)
def test_each_document_has_its_shape(
    shown: Upkeep, shape: str, arguments: tuple[str, ...], with_site: bool
) -> None:
    document = json.loads(shown(*arguments, "--json", site=with_site).stdout)

    jsonschema.validate(document, schema(shape), jsonschema.Draft202012Validator)
    assert any(document[key] for key in document if key != "version")


def test_judging_again_uses_todays_limits_and_keeps_the_verdicts_of_then(upkeep: Upkeep) -> None:
    group = upkeep.site / "inventory" / "group_vars" / "only_web1.yml"
    group.write_text(
        group.read_text().replace(
            "- disk_space\n", "- {check: disk_space, medium_percent: 0, medium_gib: 99999}\n"
        )
    )

    again = upkeep.json("run", "judge", "1")
    then = upkeep.json("show", "1")

    def statuses(document: dict[str, list[dict[str, str]]]) -> set[str]:
        return {one["status"] for one in document["results"] if one["check"] == "disk_space"}

    assert statuses(again) == {"fail"}
    assert statuses(then) == {"pass"}


def test_a_finding_is_resolved_when_what_was_wrong_is_right(upkeep: Upkeep) -> None:
    opened = upkeep.json("finding", "list")["findings"]
    group = upkeep.site / "inventory" / "group_vars" / "only_web1.yml"
    group.write_text(group.read_text().replace("/nowhere/*.gz", "/etc/hostname"))

    upkeep("run", "daily")
    left = [one["check_id"] for one in upkeep.json("finding", "list")["findings"]]
    everything = upkeep.json("finding", "list", "--all")["findings"]

    assert [one["check_id"] for one in opened] == ["backup_fresh"]
    assert left == []
    assert [one["status"] for one in everything] == ["resolved"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("run", "dayly"), 64, "there is no procedure 'dayly'; did you mean 'daily'?"),
        (("check", "disk_spac"), 64, "there is no check 'disk_spac'; did you mean 'disk_space'?"),
        (("check", "disk_space", "-p", "hihg_percent=3"), 64, "did you mean 'high_percent'?"),
        (("show", "99"), 64, "there is no run 99"),
        (("show", "1", "--limit", "nobody"), 64, "run 1 has no host 'nobody'"),
        (("run",), 64, "Missing argument"),
        (("frobnicate",), 64, "No such command"),
    ],
)
def test_wrong_usage_is_64_and_says_what_there_is(
    shown: Upkeep, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = shown(*arguments, status=status)

    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) <= 2


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    made = Postgres()
    yield made
    made.close()


def test_everything_on_postgresql(site: Sites, server: Postgres) -> None:
    upkeep = site({"web1": ["failed_logins"], "backup1": [NO_BACKUP]})
    upkeep.environ["UPKEEP_DATABASE"] = str(server.create("site"))

    before = upkeep("run", "daily", status=3)
    upkeep("db", "upgrade", status=0)
    upkeep("run", "daily", status=2)
    upkeep("run", "judge", "1", status=2)

    assert "upkeep db upgrade" in before.stderr
    assert [one["check_id"] for one in upkeep.json("finding", "list")["findings"]] == [
        "backup_fresh"
    ]
    assert upkeep.last_run()["counts"]["hosts"]["ok"] == 2
    upkeep("db", "prune", status=0)
