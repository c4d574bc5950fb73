"""Channels: hand messages to apprise in a process of its own, which is killed when its time is up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from upkeep.site.schedule_file import Channel
from upkeep.system import child

FIRST_SECONDS = 20.0
MORE_SECONDS = 5.0
"""What a channel may take: so long for the first message, and so much more for each further one."""


@dataclass(frozen=True)
class Parcel:
    """A message as a channel gets it."""

    title: str
    body: str
    kind: str = "alert"
    severity: int = 2


def time_limit(count: int) -> float:
    """Return how long that many messages may take."""
    return FIRST_SECONDS + MORE_SECONDS * (count - 1)


def send(
    channel: Channel,
    parcels: Sequence[Parcel],
    environ: Mapping[str, str] | None = None,
    *,
    seconds: float | None = None,
) -> list[str]:
    """Send messages over a channel; return for each why it failed, empty if the channel took it.

    The channel's URL is known to this process and its child only: no log, no command line, no environment of the child.
    """
    environ = os.environ if environ is None else environ
    url = environ.get(channel.url_from, "")
    if not url:
        return [f"the variable {channel.url_from} of the environment is not set"] * len(parcels)
    if find_spec("apprise") is None:
        return ["apprise is not installed: pip install 'upkeep[notify]'"] * len(parcels)
    order = {
        "url": url,
        "local": channel.local,
        "messages": [vars(one) for one in parcels],
    }
    limit = time_limit(len(parcels)) if seconds is None else seconds
    command = [*child.python(), "-m", "upkeep.services.alerts.deliver"]
    given = json.dumps(order).encode()
    told = child.told_environment(inherited=environ)
    try:
        done = child.run(command, seconds=limit, given=given, environment=told)
    except OSError as exc:
        return [f"its process cannot be started: {exc}"] * len(parcels)
    missing = f"its process ended with status {done.status}"
    if done.stopped:
        missing = f"no answer within {limit:g} s"
    errors = [str(json.loads(line)["error"]) for line in done.output.splitlines() if line.strip()]
    return (errors + [missing] * len(parcels))[: len(parcels)]
