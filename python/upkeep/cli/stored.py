"""The store for commands that show or start runs, and what they read of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from upkeep.cli.output import note
from upkeep.model.errors import UsageError
from upkeep.run import agent
from upkeep.services.kept_files import sweep_workspaces
from upkeep.services.sites import refuse_unknown_name
from upkeep.site.settings import Settings
from upkeep.site.site import identity_of, settings_of
from upkeep.store import Store, open_store, runs
from upkeep.system import machine


@contextmanager
def run_store(settings: Settings) -> Iterator[Store]:
    """Yield the open store. Runs that were left without an end get one before, and what they left behind is removed."""
    with closing(open_store(settings.database_url)) as store:
        for sentence in agent.recover(store):
            note(sentence)
        sweep_workspaces(store, settings.workspace, machine.boot_id())
        yield store


@contextmanager
def site_store(inventory: str) -> Iterator[tuple[Store, str]]:
    """Yield the open store as `run_store` does, and what stands for the site in it, though its schedule be broken.

    Raises: UsageError if the store knows the site by another name: it would seem empty.
    """
    settings = settings_of(inventory)
    identity = identity_of(inventory, settings)
    with run_store(settings) as store:
        refuse_unknown_name(store, identity)
        yield store, identity.key


def stored_run(db: Any, run_id: int) -> runs.Run:
    """Return the run.

    Raises: UsageError if there is none of that number.
    """
    found = runs.get(db, run_id)
    if found is None:
        raise UsageError(f"there is no run {run_id}", remedy="upkeep run list  # lists them")
    return found


def changes_of(db: Any, run_id: int, host: str = "") -> list[dict[str, str]]:
    """Return what the run's jobs did, on all hosts or on one."""
    done = [dataclasses.asdict(one) for one in runs.changes(db, run_id)]
    return [one for one in done if host in ("", one["host"])]
