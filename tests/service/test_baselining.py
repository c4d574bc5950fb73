"""Baselines on both databases: proposed from a series, accepted as a signed record, nothing by itself."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from called import called
from service.conftest import on_postgresql
from sqlalchemy import text
from store_samples import NOW, SITE, answer, begun, result

from upkeep.cli import baselines as baseline_commands
from upkeep.model import clock
from upkeep.model.errors import StoreError, UsageError
from upkeep.model.roles import Role
from upkeep.model.verdicts import Measure
from upkeep.rules.baselines import Better, Proposal, compared
from upkeep.services import baselines as baselining
from upkeep.services.acts import Proved
from upkeep.services.baselines import Acceptance
from upkeep.services.signing_key import Installation, load_installation, trusted_keys
from upkeep.services.verification import problems_of
from upkeep.site.settings import Settings
from upkeep.site.site import load_site
from upkeep.store import Store, acts, baselines, records, runs, users
from upkeep.store.answers import add_host

SERIES = baselines.series_of(SITE, "disk_space", "web1", "/", "used")
DAY = 24 * 60


def measured(store: Store, *values: float, until: float = 0, site: str = SITE) -> None:
    """One value a day, the last one so many days after NOW."""
    with store.begin() as db:
        run = runs.start(db, begun(0, site=site))
        for at, value in enumerate(values):
            minutes = (until - (len(values) - 1 - at)) * DAY
            one = result(minutes=minutes, measures=(Measure("used", value, "%"),))
            add_host(db, run, answer(one, minutes=minutes))


def by(store: Store, name: str) -> Proved:
    with store.read() as db:
        found = users.get(db, name)
    assert found is not None
    return Proved(found, authenticated="password, in this test")


def proposal(store: Store, days: float = 0, better: Better | None = None) -> Proposal:
    with store.read() as db:
        return baselines.proposal_for(db, SERIES, better, NOW + timedelta(days=days))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state=tmp_path / "own")


@pytest.fixture
def installation(settings: Settings, store: Store) -> Installation:
    with store.begin() as db:
        users.add(db, "bob", Role.APPROVER, "no password", NOW)
        users.add(db, "ann", Role.OPERATOR, "no password", NOW)
        users.add(db, "desk", Role.ADMIN, "no password", NOW, shared=True)
    return load_installation(settings)


def test_a_better_one_is_proposed_accepted_signed_and_moves_nothing_by_itself(
    store: Store, installation: Installation, settings: Settings
) -> None:
    measured(store, *[80.0] * 20)
    first = proposal(store)
    made = baselining.accept(
        store, installation, Acceptance(SERIES, None, first, "as it is"), by(store, "bob"), NOW
    )
    assert (made.level.median, made.better, made.number) == (80.0, Better.LOWER, 1)

    measured(store, *[60.0] * 20, until=21)
    later = NOW + timedelta(days=21)
    with store.read() as db:
        assert baselines.of_series(db, SERIES) == made
        value = baselines.newest_value(db, SERIES, later)
    assert value == (later, 60.0)
    assert compared(60.0, made).text == "25 % below the baseline of 80, better"

    second = proposal(store, 21)
    assert (second.refused, second.before, second.change) == ("", made, -0.25)
    better = baselining.accept(
        store, installation, Acceptance(SERIES, None, second, "new disk"), by(store, "bob"), later
    )
    with store.read() as db:
        assert baselines.of_site(db, SITE) == [better]
        assert list(problems_of(db, trusted_keys(settings))) == []
        done = [(one.who, one.what, one.outcome) for one in acts.recent(db, 5)]
    assert done == [("bob", "accept baseline", "done")] * 2
    assert proposal(store, 21).refused.startswith("nothing was measured")


@on_postgresql
@pytest.mark.parametrize(
    ("user", "reason", "said"),
    [
        ("ann", "so", "you need the role approver; ann is operator"),
        ("desk", "so", "shared by several people"),
        ("bob", " ", "accepting a baseline needs a reason"),
    ],
)
def test_who_may_not(
    store: Store, installation: Installation, user: str, reason: str, said: str
) -> None:
    measured(store, *[80.0] * 20)
    seen = proposal(store)

    with pytest.raises(UsageError, match=said):
        baselining.accept(
            store, installation, Acceptance(SERIES, None, seen, reason), by(store, user), NOW
        )

    with store.read() as db:
        assert baselines.of_site(db, SITE) == []
        assert [one.outcome for one in acts.recent(db, 1)] == ["refused"]


@on_postgresql
def test_only_what_was_shown_is_accepted(store: Store, installation: Installation) -> None:
    measured(store, *[80.0] * 20)
    seen = proposal(store)
    measured(store, 10.0, until=0.5)

    later = NOW + timedelta(days=0.5)
    with pytest.raises(UsageError, match="the proposal has changed since it was shown"):
        baselining.accept(
            store, installation, Acceptance(SERIES, None, seen, "so"), by(store, "bob"), later
        )


def test_of_two_who_accept_the_same_at_once_one_does(
    store: Store, installation: Installation
) -> None:
    measured(store, *[80.0] * 20)
    seen, bob = proposal(store), by(store, "bob")

    def accept(_number: int) -> str:
        try:
            baselining.accept(store, installation, Acceptance(SERIES, None, seen, "so"), bob, NOW)
        except UsageError as exc:
            return str(exc)
        return "accepted"

    with ThreadPoolExecutor(2) as pool:
        with store.begin() as db:  # both begin while somebody else appends
            records.hold(db)
            said = pool.map(accept, range(2))
            time.sleep(0.5)
        found = sorted(said)

    assert found[0] == "accepted"
    assert found[1].startswith("nothing can be accepted: nothing was measured")


def test_a_record_is_never_changed(
    store: Store, installation: Installation, settings: Settings
) -> None:
    measured(store, *[80.0] * 20)
    baselining.accept(
        store, installation, Acceptance(SERIES, None, proposal(store), "so"), by(store, "bob"), NOW
    )

    with pytest.raises(StoreError, match="signature"), store.begin() as db:
        db.execute(text("UPDATE signature SET text = '{}'"))


@on_postgresql
def test_from_the_command_line(
    tmp_path: Path,
    url: str,
    store: Store,
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    (folder / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}}}\n")
    (folder / "schedule.yml").write_text('{"procedures": {"daily": {"title": "Daily"}}}')
    (folder / "upkeep.toml").write_text(f'state = "{tmp_path}/own"\ndatabase = "{url}"\n')
    site, key = str(folder), load_site(str(folder)).key
    names = ("disk_space", "web1", "/", "used")
    monkeypatch.setattr(clock, "now", lambda: NOW)

    assert called(baseline_commands.propose, *names, inventory=site) == 1
    assert capsys.readouterr().out.startswith("Nothing to propose: nothing was measured")
    measured(store, *[80.0] * 20, site=key)
    assert called(baseline_commands.propose, *names, inventory=site) == 0
    shown = capsys.readouterr().out
    assert "median 80, spread 0 of 20 values from 2030-05-13 06:00:00 UTC" in shown
    assert (
        f"Next: upkeep baseline accept disk_space web1 / used --reason 'why this is normal from now on' -i {site}"
        in shown
    )

    # Without a terminal nobody shows who they are.
    with pytest.raises(UsageError):
        called(baseline_commands.accept, *names, "as it is", inventory=site)
    monkeypatch.setattr(baseline_commands, "by_password", lambda *_asked: by(store, "bob"))
    called(baseline_commands.accept, *names, "as it is", inventory=site)
    assert capsys.readouterr().err.endswith("baseline 80, spread 0; record 1\n")

    called(baseline_commands.list_baselines, site)
    row = capsys.readouterr().out.rstrip("\n").split("\t")
    assert row[4:8] == ["80", "80: as the baseline of 80", "2030-06-01 06:00:00 UTC", "bob"]
    called(baseline_commands.list_baselines, site, as_json=True)
    (one,) = json.loads(capsys.readouterr().out)["baselines"]
    assert (one["level"]["median"], one["record"], one["proposal"]["replaces"]) == (80.0, 1, 1)
