"""A site and its store for commands that look at what is stored, or answer to it: a broken site does not stop them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from upkeep.model.errors import ConfigurationError
from upkeep.services.sites import refuse_unknown_name
from upkeep.site.schedule_file import Schedule, readable_parts
from upkeep.site.site import EMBEDDED, SCHEDULE, Site, load_site, settings_of
from upkeep.site.trust import trusted
from upkeep.site.yaml_file import read
from upkeep.store import Store, open_store
from upkeep.view.screen import Screen


@contextmanager
def opened(inventory: str, *, needs: str = "") -> Iterator[tuple[Site, Store]]:
    """Yield the site, as far as it can be read, and its open store; say on standard error what cannot be read.

    needs: the part of the schedule without which the answer would be wrong: then a broken one is an error.
    Raises: UsageError if the store knows the site by another name: it would seem empty.
    """
    site = site_to_read(inventory, needs=needs)
    with closing(open_store(site.settings.database_url)) as store:
        refuse_unknown_name(store, site.identity)
        yield site, store


def site_to_read(inventory: str, *, needs: str = "") -> Site:
    """Return the site, as far as it can be read.

    Raises: ConfigurationError if even its settings cannot be.
    """
    problems: list[str] = []
    try:
        site = load_site(inventory, problems)
    except ConfigurationError as exc:
        settings = settings_of(inventory)  # without these the store cannot be found
        schedule, missing = _schedule(Path(inventory))
        if needs in missing:
            raise
        problems += str(exc).splitlines()
        site = Site(inventory, Path(inventory), str(Path(inventory).absolute()), schedule, settings)
    _tell(problems)
    return site


def zone_of(inventory: str) -> ZoneInfo:
    """Return the time zone of a site, also where the rest of it cannot be read; UTC without a site."""
    return ZoneInfo(_schedule(Path(inventory))[0].time_zone if inventory else "UTC")


def _schedule(folder: Path) -> tuple[Schedule, frozenset[str]]:
    """Return what can be read of a folder's schedule, and the names of the parts that cannot."""
    path = folder / SCHEDULE
    try:
        trusted(path)
        text = read(path)
    except (ConfigurationError, OSError):
        path = EMBEDDED / SCHEDULE if not path.exists() else path
        text = read(path) if path.is_relative_to(EMBEDDED) else ""
    return readable_parts(path, text)


def _tell(problems: list[str]) -> None:
    if not problems:
        return
    screen = Screen(sys.stderr)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    screen.line(("upkeep: ", "bold"), screen.text(f"{problems[0]}{more}", 1_000))
    screen.line("  shown is what is stored, as far as it can be without that")
    screen.flush()
