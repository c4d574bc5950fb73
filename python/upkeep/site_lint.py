"""What stands in the way of a site's night, as far as it takes more than its files: who is reached, whom patterns mean.

For `upkeep doctor`, which may ask the environment, the store, and Ansible for all hosts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from upkeep import clock, inventory_lint
from upkeep.errors import UpkeepError
from upkeep.inventory import hosts_of
from upkeep.observed import OWN_HOST
from upkeep.parameters import nearest
from upkeep.schedule_file import Schedule
from upkeep.schedule_lint import Remark, reach
from upkeep.settings import URLS
from upkeep.site import SCHEDULE, Site, definitions
from upkeep.store import open_store, silences, waivers
from upkeep.view.text import command
from upkeep.yaml_file import parse

ENVIRONMENT_FILE = "/etc/upkeep/environment"


def examine(site: Site, listing: Mapping[str, Any] | None) -> list[Remark]:
    """Return all remarks on a site; listing: its whole inventory, None if not all of it is known."""
    if (
        not site.text
    ):  # the embedded procedures serve, which tell nobody and look at whatever there is
        return []
    file = parse(site.folder / SCHEDULE, site.text)
    told = [*reach(site.schedule, file), *unset(site.schedule, os.environ, site.name)]
    found = [one.at(file) for one in told]
    if listing is None:
        return found
    path = Path(site.inventory)
    inventory = inventory_lint.inventory_of(path, listing, tuple(definitions(path)))
    found += inventory_lint.lint(site.schedule, inventory, file)
    return [*found, *_scopes(site, {*hosts_of(listing), OWN_HOST})]


def unset(schedule: Schedule, environ: Mapping[str, str], site: str) -> Iterator[Remark]:
    """Yield the channels that have no address, or none that can be one, the heartbeat, and what nothing can be sent by.

    No value is repeated: addresses hold secrets.
    """
    named = {one.url_from for one in schedule.channels.values()}
    spare = [one for one in environ if one.startswith(URLS) and one not in named]
    for name, channel in schedule.channels.items():
        value = environ.get(channel.url_from, "")
        if "://" in value:
            continue
        found = (
            "has a value that is no URL"
            if value
            else f"is not set{nearest(channel.url_from, spare)}"
        )
        text = f"has no address: the variable {channel.url_from} {found} here"
        test = command("alerts", "test", name, site=site)
        remedy = f"{test}  # after {channel.url_from}=URL in {ENVIRONMENT_FILE}, or in this shell"
        yield Remark(
            f"channel {name}", "no address", text, remedy, key=("channels", name, "url_from")
        )
    beat = schedule.alerts.heartbeat
    if beat is not None and "://" not in environ.get(beat.url_from, ""):
        text = f"has no address: the variable {beat.url_from} is not set here{nearest(beat.url_from, spare)}"
        remedy = f"export {beat.url_from}=https://…  # the service's stands in {ENVIRONMENT_FILE}"
        key = ("alerts", "heartbeat", "url_from")
        yield Remark("heartbeat", "no address", text, remedy, key=key)
    if schedule.channels and find_spec("apprise") is None:
        text = "nothing can be sent: the package apprise is not installed"
        yield Remark(
            "channels", "no address", text, "pip install 'upkeep[notify]'", key=("channels",)
        )


def _scopes(site: Site, hosts: Collection[str]) -> list[Remark]:
    """Return the waivers and silences that hold and cover no host; nothing without a store, of which others tell."""
    now = clock.now()
    try:
        store = open_store(site.settings.database_url)
        with contextlib.closing(store), store.read() as db:
            quiet = silences.lasting(db, site.key, now, planned=True)
            waived = waivers.of_site(db, site.key, now)
    except UpkeepError:
        return []
    name = site.name
    globs = [
        (f"silence {one.id}", one.host_pattern, command("silence", "end", str(one.id), site=name))
        for one in quiet
    ]
    for one in waived:
        words = ("revoke", str(one.id), "--reason", "it covers no host")
        globs.append(
            (f"waiver {one.id}", one.scope.host_pattern, command("waive", *words, site=name))
        )
    return list(inventory_lint.host_globs(globs, hosts))
