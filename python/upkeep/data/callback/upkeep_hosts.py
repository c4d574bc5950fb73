# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down which hosts a run is for, as each play begins: only Ansible knows what its patterns match.

A run that is stopped must name the hosts that it had not begun, and has no time to ask Ansible for them once more.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Adds a line of JSON for each play to the file `hosts` beside the run's events."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "upkeep_hosts"

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Add the play's hosts, all batches of a `serial` together."""
        folder = os.environ.get("AWX_ISOLATED_DATA_DIR")
        if not folder:
            return
        inventory = play.get_variable_manager()._inventory
        names = [host.name for host in inventory.get_hosts(play.hosts, ignore_restrictions=True)]
        with open(os.path.join(folder, "hosts"), "a", encoding="utf-8") as stream:  # noqa: PTH118, PTH123
            stream.write(json.dumps(names) + "\n")
