"""The values that completion offers: sites, procedures, hosts, checks and what is stored. Loaded when asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from upkeep.model import clock, stored_text
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity
from upkeep.site.incident_plans import KINDS
from upkeep.site.site import SCHEDULE, load_site, settings_of
from upkeep.store import (
    Connection,
    Store,
    absent,
    alerts,
    findings,
    incidents,
    restores,
    runs,
    silences,
    users,
    waivers,
)
from upkeep.store import reviews as stored_reviews
from upkeep.store.engine import engines

NEWEST = 20
Candidate = tuple[str, str]


def _sites(current: str, _site: str) -> Iterator[Candidate]:
    """Yield folders with a schedule or an inventory."""
    head, _slash, begins = current.rpartition("/")
    folder = Path(head + "/" if current.startswith("/") else head or ".").expanduser()
    if not current and _is_site(Path()):
        yield ".", "this folder"
    for one in sorted(folder.iterdir()):
        if one.name.startswith(begins) and one.is_dir() and _is_site(one):
            yield (f"{head}/" if head or current.startswith("/") else "") + one.name, "site"


def _is_site(folder: Path) -> bool:
    return (folder / SCHEDULE).is_file() or (folder / "inventory").is_dir()


def _procedures(_current: str, site: str) -> Iterator[Candidate]:
    for name, one in load_site(site).schedule.procedures.items():
        yield name, one.title


def _checks(_current: str, site: str) -> Iterator[Candidate]:
    from upkeep.judging.check import load

    if site:
        load_site(site)  # which may have checks of its own
    for name, one in load().items():
        yield name, one.title


def _hosts(_current: str, site: str) -> Iterator[Candidate]:
    """Yield the hosts that the inventory's own YAML files name."""
    path = Path(load_site(site).inventory)
    files = [path] if path.is_file() else [*path.glob("*.yml"), *path.glob("*.yaml")]
    for file in sorted(files):
        yield from _hosts_of(yaml.safe_load(file.read_text(encoding="utf-8")))


def _hosts_of(tree: Any) -> Iterator[Candidate]:
    if not isinstance(tree, dict):
        return
    for name, group in tree.items():
        if isinstance(group, dict):
            for host in group.get("hosts") or ():
                yield str(host), f"host of {name}"
            yield from _hosts_of(group.get("children"))


def _hosts_and_checks(current: str, site: str) -> Iterator[Candidate]:
    yield from _hosts(current, site)
    yield from _checks(current, site)


@contextlib.contextmanager
def _stored(site: str) -> Iterator[tuple[Connection, str]]:
    """Yield the database, as it is, and the site's key in it.

    Raises: OSError if there is none yet: it is not made here.
    """
    found = load_site(site)
    url = settings_of(site).database_url
    parsed = engines.parse(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise FileNotFoundError(url)
    with contextlib.closing(Store(*engines.connect(url))) as store, store.read() as db:
        yield db, found.key


def _runs(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in runs.recent(db, NEWEST, site=key):
            yield str(one.id), f"{one.procedure}, {one.status}"


def _alerts(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in alerts.open_alerts(db, key)[:NEWEST]:
            yield str(one.id), f"severity {one.severity}, {one.status}"


def _reviews(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in stored_reviews.open_ones(db, key, None)[:NEWEST]:
            yield str(one.id), one.title


def _incidents(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in incidents.of_site(db, key)[:NEWEST]:
            yield str(one.id), f"drill, {one.kind}" if one.drill else one.kind


def _steps(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in incidents.of_site(db, key)[:NEWEST]:
            for step in incidents.load(db, one.id).open_steps():
                yield step.id, step.title


def _waivers(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in waivers.of_site(db, key, clock.now(), everything=False)[:NEWEST]:
            yield str(one.id), f"{one.scope.check_id} on {one.scope.host_pattern}"


def _requested_waivers(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in waivers.of_site(db, key, clock.now(), everything=False):
            if one.approved_at is None:
                yield str(one.id), f"{one.scope.check_id} on {one.scope.host_pattern}"


def _silences(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in silences.lasting(db, stored_text.name(key), clock.now(), planned=True)[:NEWEST]:
            yield str(one.id), f"{one.check_pattern} on {one.host_pattern}"


def _waiting_silences(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in silences.lasting(db, stored_text.name(key), clock.now(), planned=True):
            if one.waits:
                yield str(one.id), f"{one.check_pattern} on {one.host_pattern}"


def _overrides(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in silences.overrides(db, stored_text.name(key), clock.now())[:NEWEST]:
            yield str(one.id), f"{one.person} for {one.team}"


def _findings(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in findings.open_ones(db, site=key)[:NEWEST]:
            yield str(one.id), f"{one.check_id} on {one.host}"


def _restores(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in restores.recent(db, key, NEWEST):
            yield one.ledger_id, f"{one.set_name} on {one.host}, {one.outcome}"


def _restored_sets(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for one in restores.standings(db, key):
            yield one.set_name, f"on {one.host}"


def _absent_hosts(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, key):
        for host in dict.fromkeys(one.host for one in absent.waiting(db, key)):
            yield host, "absent"


def _users(_current: str, site: str) -> Iterator[Candidate]:
    with _stored(site) as (db, _key):
        for one in users.everyone(db):
            yield one.name, one.role.value


def _teams(_current: str, site: str) -> Iterator[Candidate]:
    for name, one in load_site(site).schedule.teams.items():
        yield name, one.title


def _people(_current: str, site: str) -> Iterator[Candidate]:
    for name, one in load_site(site).schedule.people.items():
        yield name, one.name


def _channels(_current: str, site: str) -> Iterator[Candidate]:
    for name in load_site(site).schedule.channels:
        yield name, "channel"


def _words(*words: str) -> Callable[[str, str], Iterator[Candidate]]:
    return lambda _current, _site: ((one, "") for one in words)


ROLES = _words(*(one.value for one in Role))
VALUES: Mapping[str, Callable[[str, str], Iterator[Candidate]]] = {
    "--inventory": _sites,
    "--limit": _hosts,
    "--host": _hosts,
    "--set": _restored_sets,
    "--role": ROLES,
    "--team": _teams,
    "--person": _people,
    "--as": _users,
    "--better": _words("lower", "higher"),
    "--verdict": _words("pass", "fail", "not-applicable"),
    "waiver ask --severity": _words(*(one.value for one in Severity)),
    "PROCEDURE": _procedures,
    "CHECK": _checks,
    "HOST": _hosts,
    "HOST|CHECK": _hosts_and_checks,
    "RUN": _runs,
    "ALERT": _alerts,
    "REVIEW": _reviews,
    "INCIDENT": _incidents,
    "STEP": _steps,
    "incident open KIND": _words(*KINDS),
    "--commander": _people,
    "--scribe": _people,
    "--to": _people,
    "WAIVER": _waivers,
    "waiver approve WAIVER": _requested_waivers,
    "FINDING": _findings,
    "RESTORE": _restores,
    "SET": _restored_sets,
    "SILENCE": _silences,
    "silence approve SILENCE": _waiting_silences,
    "OVERRIDE": _overrides,
    "host accept HOST": _absent_hosts,
    "TEAM": _teams,
    "PERSON": _people,
    "OWNER": _teams,
    "CHANNEL": _channels,
    "ROLE": ROLES,
    "user disable NAME": _users,
    "user enable NAME": _users,
    "user role NAME": _users,
    "user person NAME": _users,
    "user password NAME": _users,
}
"""What gives the values of an option or an argument, by its name; of one command alone, with the command's words."""
