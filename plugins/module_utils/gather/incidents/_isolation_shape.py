# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what isolation observes. Only the controller needs it: it is not sent to hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Dict, List, Optional


@dataclass(frozen=True)
class HostIsolation:
    """How the isolation of a host stands.

    state: none, armed, loaded, confirmed or released. tables: by family, how each is: as loaded, changed or gone.
    put_back: what was changed in them and put back by the host. changed_again: it was changed once more. timers: what
    is wrong with what would end it. tight: whether forbidden traffic failed; None if no try said so. leaks: what did
    not fail. left: families that have a table of ours although the host is not isolated. before_boot: by whom it was
    isolated until its boot, and what the reboot should have done. booted: a reboot has isolated it again, and nobody
    has come since. ports: those that the controller reached before the isolation; the action adds which of them it has
    tried now, and which of them it reaches.
    """

    VERSION: ClassVar[int] = 1

    state: str
    subject: str = ""
    id: str = ""
    by: str = ""
    why: str = ""
    since: Optional[datetime] = None
    until: Optional[datetime] = None
    released_at: Optional[datetime] = None
    released_by: str = ""
    reboot: str = ""
    tables: Dict[str, str] = field(default_factory=dict)
    put_back: List[str] = field(default_factory=list)
    changed_again: bool = False
    watched: bool = True
    timers: List[str] = field(default_factory=list)
    tight: Optional[bool] = None
    leaks: List[str] = field(default_factory=list)
    left: List[str] = field(default_factory=list)
    booted: bool = False
    before_boot: Dict[str, str] = field(default_factory=dict)
    ports: List[int] = field(default_factory=list)
    tried_ports: List[int] = field(default_factory=list)
    open_ports: List[int] = field(default_factory=list)
