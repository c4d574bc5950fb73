"""What stands for the text of a site: two folders, or two drivers, have read the same one if it is equal."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

from upkeep.site.own_checks import FOLDER
from upkeep.site.site import SCHEDULE, Site


def revision_of(site: Site) -> str:
    """Return what stands for the text of a site: its schedule, inventory, holidays, own playbooks and checks."""
    total = hashlib.sha256()
    inventory = Path(site.inventory)
    schedule = site.folder / SCHEDULE
    # By their place within the site: two drivers may have it in different folders.
    places = [(schedule, schedule.parent), (inventory, inventory.parent)]
    places += [(path, inventory.parent) for path in inventory.rglob("*")]
    places += [(path, site.folder) for path in (site.folder / "playbooks").rglob("*")]
    places += [(path, site.folder) for path in (site.folder / FOLDER).rglob("*.py")]
    holidays = [one for one in site.schedule.calendar.holidays if not isinstance(one, date)]
    places += [(site.folder / one, site.folder) for one in holidays]
    for path, base in sorted(places):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(base)}\0{content}\n".encode())
    return total.hexdigest()
