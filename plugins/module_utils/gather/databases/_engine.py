# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of database has of its own: where it listens, how it is found on a host, and how it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError


class AccessRefusedError(Exception):
    """The database could not be used; the text is its own reason, or the system's."""


@dataclass(frozen=True)
class Engine:
    """A kind of database.

    kind: its name in a site's entries. port: where it listens by default; None if it does not.
    found: returns the databases that listen on a host where their packages put them, and whether those are all;
    nobody's password is tried. ask: returns a declared database's answer within this many seconds; raises
    AccessRefusedError with its reason, HostError without a program to ask with.
    """

    kind: str
    port: int | None
    found: Callable[[Host], tuple[list[dict[str, Any]], bool]]
    ask: Callable[[Host, dict[str, Any], int], dict[str, Any]]


def run_client(host: Host, command: list[str], seconds: int, **how: Any) -> tuple[str, float]:
    """Return what the client printed and how long it took.

    Raises: AccessRefusedError with its reason.
    """
    started = time.monotonic()
    try:
        ran = host.run(command, timeout_seconds=seconds, **how)
    except HostError as exc:
        raise AccessRefusedError(f"no answer within {seconds} s ({exc})") from exc
    if ran.status != 0:
        raise AccessRefusedError(ran.err.strip() or f"{command[0]} ended with {ran.status}")
    return ran.out, time.monotonic() - started
