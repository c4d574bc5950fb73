"""Writes what tasks of plain ansible-playbook return, a line of JSON each, into the file that TOLD_RESULTS names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: told_results
type: notification
short_description: for tests
description: [for tests]
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "told_results"

    def v2_runner_on_ok(self, result: Any, **_more: Any) -> None:
        self._tell(result)

    v2_runner_on_failed = v2_runner_on_unreachable = v2_runner_on_ok

    def _tell(self, result: Any) -> None:
        said = {
            "host": result.host.get_name(),
            "task": result.task.get_name(),
            "result": result.result,
        }
        with Path(os.environ["TOLD_RESULTS"]).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(said, default=str) + "\n")
