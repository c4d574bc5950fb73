#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove archives of logs past their days, below declared folders only."""

from __future__ import annotations

DOCUMENTATION = r"""
module: log_retention
short_description: Remove archives of logs that are past their days
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Removes files below the declared folders whose names match a pattern and that were last written longer ago than
    their days. The newest of each log stay whatever their age.
  - Never follows a symbolic link, not in the path of a folder either; never leaves the folder's file system; leaves
    alone what has a second name (hard link), what is no regular file, and what is not the planned file any more.
  - A removal cannot be undone. Look at the plan first, with C(--check --diff).
options:
  roots:
    description: The folders.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: An absolute path that holds only logs. Folders such as C(/), C(/var) and C(/home) are refused.
        type: path
        required: true
      keep_days:
        description: Days for which an archive is kept after it was last written.
        type: int
        required: true
      patterns:
        description: Shell patterns of the archives' names; a log itself must not match.
        type: list
        elements: str
        default:
          - '*.gz'
          - '*.bz2'
          - '*.xz'
          - '*.zst'
          - '*.[0-9]'
          - '*.[0-9][0-9]'
          - '*.[0-9][0-9][0-9]'
          - '*-[12][0-9][0-9][0-9][01][0-9][0-3][0-9]*'
      keep_newest:
        description: How many archives of each log stay whatever their age.
        type: int
        default: 2
attributes:
  check_mode:
    description: Returns and shows what would be removed, and changes nothing.
    support: full
  diff_mode:
    description: Shows each file that goes, with its size and day.
    support: full
seealso:
  - module: astral.upkeep.log_rotate
"""

EXAMPLES = r"""
- name: Keep the shop's logs for six years
  astral.upkeep.log_retention:
    roots:
      - path: /var/log/shop
        keep_days: 2190
"""

RETURN = r"""
removed:
  description: What has gone, or would go in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Of the archive.
      type: str
    bytes:
      description: Its size.
      type: int
    written_at:
      description: When it was last written.
      type: str
removed_bytes:
  description: The sum of their sizes.
  returned: always
  type: int
refused:
  description: Files that were left alone although their days are over, and folders not looked into, with why.
  returned: always
  type: list
  elements: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._retention import (
    ARGUMENTS,
    RemovalRefusedError,
    carry_out,
    plan,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "roots": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": ARGUMENTS,
            }
        },
        supports_check_mode=True,
    )
    removed, refused, problems = [], [], []
    plans = []
    for root in module.params["roots"]:
        # All are planned before the first is touched: a wrong one stops all.
        try:
            plans.append(plan(root, time.time()))
        except RemovalRefusedError as exc:
            problems.append(str(exc))
        except OSError as exc:
            problems.append(f"{root['path']}: {exc.strerror}")
    if problems:
        module.fail_json(msg="nothing removed: " + "; ".join(problems))
    for one in plans:
        gone = one.doomed
        refused += [f"{path}: {why}" for path, why in one.refused] + one.unread
        if not module.check_mode:
            gone, kept = carry_out(one)
            problems += [f"{path}: {why}" for path, why in kept]
        removed += gone
    lines = [f"{one.path} {one.size} B, written {iso(one.mtime)}\n" for one in removed]
    result: dict[str, Any] = {
        "changed": bool(removed),
        "removed": [
            {"path": one.path, "bytes": one.size, "written_at": iso(one.mtime)} for one in removed
        ],
        "removed_bytes": sum(one.size for one in removed),
        "refused": refused + problems,
    }
    if module._diff:
        result["diff"] = {
            "before_header": "archives past their days",
            "after_header": "archives past their days",
            "before": "".join(lines),
            "after": "",
        }
    if problems:
        module.fail_json(msg="not removed: " + "; ".join(problems[:5]), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
