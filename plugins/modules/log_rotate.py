#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate logs with logrotate, and prove it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: log_rotate
short_description: Rotate logs with logrotate, and prove each rotation
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Lets the real C(logrotate) rotate what is due by its configuration, and then looks if each log has become a new file
    or has a new archive. A rotation that is not proved so fails the task, whatever logrotate's exit status was.
  - logrotate writes its state file after a rotation that failed, too, and so leaves the log alone until its next
    period. Here the state of such a log is left as it was, and the log is due again at the next run.
  - Nothing is begun with a state file that cannot be read, with a configuration that has errors, while another
    rotation holds the lock on the state file, or with too little free space.
options:
  config:
    description: Configuration files of logrotate, in the order in which it reads them.
    type: list
    elements: path
    default: [/etc/logrotate.conf]
  state:
    description: State file of logrotate; the one that the program names as its default, if not given.
    type: path
  force:
    description: Rotate all logs of the configuration, due or not. The task is then changed at each run.
    type: bool
    default: false
  free_bytes:
    description: Space that must be left over on each file system that is written to, after the largest log was copied.
    type: int
    default: 67108864
  timeout_seconds:
    description: How long logrotate may run, with the scripts of its configuration.
    type: int
    default: 600
attributes:
  check_mode:
    description: Returns and shows what would be rotated, by C(logrotate --debug), and changes nothing.
    support: full
  diff_mode:
    description: Shows each log that is due, with its size, before; and what is proved, after.
    support: full
seealso:
  - module: astral.upkeep.log_rotation_info
  - module: astral.upkeep.log_retention
"""

EXAMPLES = r"""
- name: Rotate what is due on this host
  astral.upkeep.log_rotate:

- name: Rotate the shop's logs now, with a configuration and a state of their own
  astral.upkeep.log_rotate:
    config: [/etc/shop/logrotate.conf]
    state: /var/lib/shop/logrotate.status
    force: true
"""

RETURN = r"""
planned:
  description: The logs that are due, by logrotate's own word.
  returned: always
  type: list
  elements: str
logs:
  description: What is on disk after the rotation, for each planned log.
  returned: when something was rotated
  type: list
  elements: dict
  contains:
    path:
      description: Of the log.
      type: str
    bytes:
      description: Its size before.
      type: int
    proved:
      description: Whether it was rotated, without an error about it.
      type: bool
    proof:
      description: What shows it.
      type: str
    problem:
      description: What is missing, or what logrotate said.
      type: str
    archives:
      description: New archives.
      type: list
      elements: str
errors:
  description: What logrotate said of errors.
  returned: when something was rotated
  type: list
  elements: str
state:
  description: The state file.
  returned: always
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.rotation import (
    Rotation,
    RotationError,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "list", "elements": "path", "default": ["/etc/logrotate.conf"]},
            "state": {"type": "path"},
            "force": {"type": "bool", "default": False},
            "free_bytes": {"type": "int", "default": 67108864},
            "timeout_seconds": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params, host = module.params, Host()
    result: dict[str, Any] = {"changed": False}
    try:
        rotation = Rotation(
            params["config"], params["state"], params["force"], params["timeout_seconds"], host
        )
        result.update(planned=rotation.planned, state=rotation.state)
        sizes = {path: host.stat(path).st_size for path in rotation.planned}
        before = "".join(f"{path} {size} B\n" for path, size in sizes.items())
        after = "".join(f"{path} rotated\n" for path in sizes)
        result["changed"] = bool(sizes)
        if sizes:
            rotation.refuse_without_space(params["free_bytes"])
        if sizes and not module.check_mode:
            done = rotation.rotate()
            result.update(logs=done.logs, errors=done.errors)
            result["changed"] = any(one["proof"] for one in done.logs)
            after = "".join(
                f"{one['path']} {one['proof'] or 'not rotated: ' + one['problem']}\n"
                for one in done.logs
            )
            unproved = [one for one in done.logs if not one["proved"]]
            if unproved or done.errors:
                texts = [f"{one['path']}: {one['problem']}" for one in unproved] or done.errors
                module.fail_json(msg="rotation not confirmed: " + "; ".join(texts[:5]), **result)
    except (RotationError, HostError) as exc:
        # Refused, not half done: nothing was touched.
        result["changed"] = False
        module.fail_json(msg=str(exc), **result)
    if module._diff:
        result["diff"] = {
            "before_header": "logs due for rotation",
            "after_header": "logs after rotation",
            "before": before,
            "after": after,
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
