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

from upkeep.model import clock
from upkeep.model.answer import OWN_NAMES
from upkeep.model.errors import UpkeepError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.services import inventory_lint
from upkeep.services.alerts.deliver import FORBIDDEN
from upkeep.services.schedule_lint import Remark, reach
from upkeep.site.inventory import hosts_of
from upkeep.site.schedule_file import Schedule
from upkeep.site.settings import URLS
from upkeep.site.site import SCHEDULE, Site, definitions
from upkeep.site.yaml_file import Key, parse
from upkeep.store import open_store, silences, waivers

ENVIRONMENT_FILE = "/etc/upkeep/environment"


def examine(site: Site, listing: Mapping[str, Any] | None) -> list[Remark]:
    """Return all remarks on a site; listing: its whole inventory, None if not all of it is known."""
    if not (site.name and site.text):
        # The embedded procedures serve, which tell nobody and look at whatever there is.
        return []
    file = parse(site.folder / SCHEDULE, site.text)
    told = [*reach(site.schedule, file), *unset(site.schedule, os.environ, site.name)]
    found = [one.at(file) for one in told]
    if listing is None:
        return found
    path = Path(site.inventory)
    inventory = inventory_lint.inventory_of(path, listing, tuple(definitions(path)), effective=True)
    found += inventory_lint.lint(site.schedule, inventory, file)
    sources = inventory_lint.asked_sources(inventory)
    return [*found, *_scopes(site, {*hosts_of(listing), *sources, *OWN_NAMES})]


def unset(schedule: Schedule, environ: Mapping[str, str], site: str) -> Iterator[Remark]:
    """Yield the channels that have no address, or none that can be one, the heartbeat, and what nothing can be sent by.

    No value is repeated: addresses hold secrets.
    """
    beat = schedule.alerts.heartbeat
    named = {one.url_from for one in schedule.channels.values()}
    named |= {beat.url_from} if beat else set()
    spare = [one for one in environ if one.startswith(URLS) and one not in named]
    for name, channel in schedule.channels.items():
        if wrong := _wrong_address(channel.url_from, environ, spare):
            test = command("alert", "test", name, site=site)
            remedy = (
                f"{test}  # once {channel.url_from} is set in {ENVIRONMENT_FILE}, or in this shell"
            )
            key: Key = ("channels", name, "url_from")
            yield Remark(f"channel {name}", "no address", wrong, remedy, key=key)
    if beat and (wrong := _wrong_address(beat.url_from, environ, spare)):
        remedy = f"set {beat.url_from} in {ENVIRONMENT_FILE}, or in this shell"
        key = ("alerts", "heartbeat", "url_from")
        yield Remark("heartbeat", "no address", wrong, remedy, key=key)
    if schedule.channels and find_spec("apprise") is None:
        text = "nothing can be sent: the package apprise is not installed"
        remedy = "pip install 'upkeep[notify]'"
        yield Remark("channels", "no address", text, remedy, key=("channels",))


def _wrong_address(variable: str, environ: Mapping[str, str], spare: Collection[str]) -> str:
    """Return why nobody is reached by what a variable holds; empty if nothing speaks against it."""
    value = environ.get(variable, "")
    if not value:
        return f"the variable {variable} is not set here{nearest(variable, spare)}"
    scheme, found, _rest = value.partition("://")
    if not found:
        return f"the variable {variable} does not hold a URL"
    if scheme.strip().lower() in FORBIDDEN:
        return (
            f"the variable {variable} holds a URL of {scheme.strip().lower()}, which reaches nobody"
        )
    return ""


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
            (f"waiver {one.id}", one.scope.host_pattern, command("waiver", *words, site=name))
        )
    return list(inventory_lint.host_globs(globs, hosts))
