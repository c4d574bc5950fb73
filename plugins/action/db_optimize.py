# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module db_optimize, and show what it does meanwhile; documented in plugins/modules/db_optimize.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import (
    FOLDER,
    RUNNING,
)
from ansible_collections.astral.upkeep.plugins.plugin_utils.progress import shown_progress


class ActionModule(NormalAction):  # type: ignore[misc]  # Ansible's own packages carry no types
    """Runs the module as if it had no action plugin."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what the module returns."""
        folder = self._task.args.get("folder") or FOLDER
        with shown_progress(self, task_vars or {}, f"{folder}/{RUNNING}"):
            result: dict[str, Any] = super().run(tmp, task_vars)
        return result
