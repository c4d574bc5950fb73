"""What is stored can be read, and answered to, while the site's files are broken."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from command_runner import CliRunner
from store_samples import answer, begun, result

from upkeep.cli.main import cli
from upkeep.model import clock
from upkeep.model.errors import UpkeepError
from upkeep.model.verdicts import Severity
from upkeep.site.init import write_site
from upkeep.store import open_store, runs
from upkeep.store.answers import add_host

READS = {
    "runs": ["runs"],
    "show": ["show", "1"],
    "findings": ["findings"],
    "alerts": ["alerts"],
    "all alerts": ["alerts", "--all"],
    "silences": ["silence", "list"],
    "on call": ["oncall"],
    "reviews": ["reviews"],
    "all reviews": ["reviews", "--all"],
    "occurrences": ["occurrences"],
    "waivers": ["waivers"],
    "baselines": ["baselines"],
    "users": ["user", "list"],
}
ACTS = {
    "a silence": ["silence", "add", "disk_space", "web1", "--for", "2 h", "--reason", "known"],
    "verifying": ["review", "verify"],
}
BROKEN = {
    "no YAML": ("schedule.yml", "procedures: [\n"),
    "no procedures": ("schedule.yml", "time_zone: Europe/Berlin\n"),
    "a wrong procedure": ("schedule.yml", "procedures:\n  daily: {titel: x}\n"),
    "a wrong zone": ("schedule.yml", "time_zone: Mars/Base\nprocedures: {daily: {title: x}}\n"),
    "a team that is not there": (
        "schedule.yml",
        "procedures: {daily: {title: x, owner: nobody}}\nteams: {ops: {title: Ops}}\n",
    ),
    "an empty file": ("schedule.yml", ""),
    "the inventory": ("inventory/hosts.yml", "all: {vars: {upkeep_checks_x: [no_such_check]}}\n"),
    "the inventory's YAML": ("inventory/hosts.yml", "all: [\n"),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with a run in its store."""
    folder = tmp_path / "site"
    write_site(folder)
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    store = open_store(f"sqlite:///{tmp_path}/state/upkeep.db")
    with store.begin() as db:
        run_id = runs.start(db, begun(site=str(folder)))
        add_host(db, run_id, answer(result(Severity.HIGH)))
        runs.finish(db, run_id, "done", "", clock.now() + timedelta(minutes=1))
    store.close()
    return folder


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_needs_the_store_alone_works(site: Path, broken: tuple[str, str]) -> None:
    name, text = broken
    (site / name).write_text(text)

    for command in [*READS.values(), *ACTS.values()]:
        done = CliRunner().invoke(cli, [*command, "-i", str(site)])

        assert done.exception is None or isinstance(done.exception, SystemExit), command
        assert done.exit_code in (0, 1, 2), command
        if command[0] in ("alerts", "occurrences", "reviews", "waivers", "baselines", "silence"):
            assert f"{site / name}" in done.stderr, command


def test_what_is_said_of_the_site_stands_on_standard_error_only(site: Path) -> None:
    (site / "schedule.yml").write_text("procedures: [\n")

    for command in READS.values():
        if command[0] != "user":
            done = CliRunner().invoke(cli, [*command, "--json", "-i", str(site)])
            assert json.loads(done.stdout)["version"] == 1, command


def test_completion_does_not_guess_what_was_due(site: Path) -> None:
    (site / "schedule.yml").write_text("procedures:\n  daily: {titel: x}\nteams: 7\n")

    done = CliRunner().invoke(cli, ["schedule", "completion", "-i", str(site)])

    assert isinstance(done.exception, UpkeepError)
    assert done.exception.exit_status == 78


def test_completion_needs_the_procedures_only(site: Path) -> None:
    (site / "schedule.yml").write_text("procedures: {daily: {title: x}}\nteams: 7\n")

    done = CliRunner().invoke(cli, ["schedule", "completion", "-i", str(site)])

    assert done.exit_code == 0
    assert "schedule.yml:2: teams: found 7" in done.stderr


def test_settings_that_cannot_be_read_are_an_error(site: Path) -> None:
    (site / "upkeep.toml").write_text("database = [\n")

    done = CliRunner().invoke(cli, ["occurrence", "list", "-i", str(site)])

    assert isinstance(done.exception, UpkeepError)
    assert done.exception.exit_status == 78
