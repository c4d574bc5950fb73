"""`upkeep doctor --accept-clock`: a person says that this machine's clock is right."""

from __future__ import annotations

import socket
import sys

from upkeep.model import clock
from upkeep.rules.actions import Action
from upkeep.services import actors
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.site import load_site
from upkeep.store import open_store
from upkeep.view.screen import Screen


def accept_clock(inventory: str) -> None:
    """Believe this machine's clock as it stands, and write down who says so."""
    site = load_site(inventory)
    store = open_store(site.settings.database_url)
    host = socket.gethostname()
    actors.record(store, site.schedule, Action.ACCEPT_CLOCK, host)
    step = Timekeeper(store, site.key, site.name).accept()
    said = f"its step of {step:+,.0f} s is believed" if step else "it had made no step"
    screen = Screen(sys.stdout)
    screen.line(screen.text(f"{host}: the clock says {clock.now():%Y-%m-%d %H:%M:%S} UTC; {said}"))
    screen.flush()
    store.close()
