"""A list that does not hold all says so, on a terminal, in a pipe and in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from command_runner import CliRunner, Result
from store_samples import begun

from upkeep.cli.main import cli
from upkeep.model import clock, occurrence
from upkeep.store import occurrences, open_store, runs

DAYS = 60


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site that is due each day, with as many runs and occurrences in its store."""
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    (folder / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: }}\n")
    (folder / "schedule.yml").write_text(
        "procedures:\n  daily:\n    title: Daily\n    rule: 'FREQ=DAILY;BYHOUR=3;BYMINUTE=0'\n"
    )
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    now = clock.now()
    with closing(open_store(f"sqlite:///{tmp_path}/state/upkeep.db")) as store, store.begin() as db:
        made = []
        for minute in range(DAYS):
            run_id = runs.start(db, begun(minute, site=str(folder)))
            runs.finish(db, run_id, "done", "", begun(minute).started_at)
            due = now.replace(hour=0, minute=minute, second=0, microsecond=0)
            made.append(occurrence.NewOccurrence(
                site=str(folder), schedule="daily", due_at=due, begins_at=due, ends_by=due, next_due_at=None, priority=1,
                state=occurrence.MISSED,
            ))  # fmt: skip
        occurrences.make(db, made)
    return folder


def asked(site: Path, *arguments: str) -> Result:
    done = CliRunner().invoke(cli, [*arguments, "-i", str(site)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done


NEXT = ("schedule", "next", "--from", "2030-01-01", "--to", "2030-03-02")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (NEXT, "10 more left out; all of them: -n 60"),
        (
            (
                "run",
                "list",
            ),
            "there are older ones; more of them with -n",
        ),
        (
            (
                "occurrence",
                "list",
            ),
            "there are older ones; more of them with -n",
        ),
    ],
    ids=["schedule next", "runs", "occurrences"],
)
def test_what_is_left_out_is_said(site: Path, command: Sequence[str], said: str) -> None:
    done = asked(site, *command)
    document = asked(site, *command, "--json")
    whole = asked(site, *command, "-n", str(DAYS))

    assert done.stderr.strip() == said
    assert document.stderr.strip() == said
    assert json.loads(document.stdout)["more"] is True
    assert whole.stderr == ""
    assert json.loads(asked(site, *command, "-n", str(DAYS), "--json").stdout)["more"] is False


@pytest.mark.parametrize("command", [("alerts", "--all"), ("reviews", "--all"), ("findings",)])
def test_a_list_that_holds_all_says_so(site: Path, command: Sequence[str]) -> None:
    assert json.loads(asked(site, *command, "--json").stdout)["more"] is False
