#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify backups by restoring them where they reach nothing that lives."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_verify
short_description: Verify backups by restoring them
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Restores the newest backup of each set that has a part C(verify), judges what comes out, and writes one row for it
    into the ledger on the host. The checks of the family C(restores) read the ledger and judge it.
  - Everything that is restored runs in a sandbox of bubblewrap. It has no network, sees no data of the host, and runs
    as a user that owns nothing. Without the sandbox nothing is restored.
  - A backup that fails does not fail the task. The task fails if the ledger or the scratch place cannot be used.
  - While it works, the action plugin of the same name shows what it does, by a second connection. It shows nothing if
    the connection is not C(local) or C(ssh).
  - Needs root.
extends_documentation_fragment: [astral.upkeep.backup_sets]
options:
  names:
    description: Names of the sets to verify; all of them, if not given.
    type: list
    elements: str
    default: []
  folder:
    description: Where the ledger is.
    type: path
    default: /var/lib/upkeep/restores
  scratch:
    description: Where backups are restored. A folder of root that only root can write to. What is restored is removed.
    type: path
    default: /var/lib/upkeep/scratch
  take:
    description: What to keep of what was restored. One set must be named.
    type: dict
    suboptions:
      to:
        description: Folder on the host into which it is written. It is made if it is missing.
        type: path
        required: true
      table:
        description: A table, which becomes a dump of SQL.
        type: str
      file:
        description: Path of a restored file, from the top of what was restored.
        type: str
  turn:
    description: Which verification of how many this is, where a task is one of a loop. It is shown with the progress.
    type: dict
    suboptions:
      number:
        description: Counted from 1.
        type: int
        required: true
      of:
        description: How many there are.
        type: int
        required: true
attributes:
  check_mode:
    description: Returns what would be restored, and changes nothing.
    support: full
  diff_mode:
    description: Shows each backup that is restored, with its size.
    support: full
seealso:
  - module: astral.upkeep.backups_info
  - module: astral.upkeep.restores_info
"""

EXAMPLES = r"""
- name: Restore the newest dump of the shop, and see that it has orders of the last day
  astral.upkeep.backup_verify:
    sets:
      - name: shop database
        paths: [/backup/shop-*.dump]
        verify:
          rto_minutes: 30
          assertions:
            - sql: SELECT max(placed_at) FROM orders
              fresh_hours: 24
"""

RETURN = r"""
restores:
  description: One for each set that was verified, as it is in the ledger.
  returned: always
  type: list
  elements: dict
  contains:
    set:
      description: Name of the set.
      type: str
    backup:
      description: What was restored.
      type: str
    outcome:
      description: V(restored), V(failed), V(unknown) or V(part).
      type: str
    step:
      description: Where it ended; V(done) at the end.
      type: str
    why:
      description: Why it did not go well.
      type: str
    restore_seconds:
      description: How long the restore alone took.
      type: float
taken:
  description: Paths of what was kept.
  returned: if something was to be kept
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import SETS
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.take import Taker
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.verify import plan, verify


def turn_of(given: dict[str, int] | None, number: int, of: int) -> tuple[int, int]:
    """Return which verification of how many this is. given: by the task's loop; number, of: in this task alone."""
    return (given["number"], given["of"]) if given and of == 1 else (number, of)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "sets": SETS,
            "names": {"type": "list", "elements": "str", "default": []},
            "folder": {"type": "path", "default": "/var/lib/upkeep/restores"},
            "scratch": {"type": "path", "default": "/var/lib/upkeep/scratch"},
            "take": {
                "type": "dict",
                "options": {
                    "to": {"type": "path", "required": True},
                    "table": {"type": "str"},
                    "file": {"type": "str"},
                },
                "mutually_exclusive": [("table", "file")],
                "required_one_of": [("table", "file")],
            },
            "turn": {
                "type": "dict",
                "options": {
                    "number": {"type": "int", "required": True},
                    "of": {"type": "int", "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    params, host = module.params, Host()
    names = params["names"]
    wanted = [
        one for one in params["sets"] if one["verify"] and (not names or one["name"] in names)
    ]
    missing = [name for name in names if name not in [one["name"] for one in wanted]]
    if missing:
        module.fail_json(
            msg=f"set {missing[0]!r}: no set of that name has a part 'verify' on this host"
        )
    called = [one["name"] for one in params["sets"]]
    twice = [name for name in called if called.count(name) > 1]
    if twice:
        module.fail_json(msg=f"set {twice[0]!r}: {called.count(twice[0])} sets have that name")
    if params["take"] and len(names) != 1:
        module.fail_json(msg="take: name the one set from which something is taken")
    if not host.is_root():
        module.fail_json(msg="backup_verify runs as root alone, for only root can make the sandbox")
    rows, lines = [], []
    taker = Taker(params["take"]) if params["take"] else None
    if taker:
        try:
            taker.target()
        except NotTriedError as exc:
            module.fail_json(msg=f"nothing taken: {exc}")
    for number, one in enumerate(wanted, 1):
        try:
            if module.check_mode:
                rows.append(plan(one, host))
                lines.append(f"{one['name']}: {rows[-1]['backup']} ({rows[-1]['kind']})\n")
                continue
            take = taker.take if taker else None
            ledger = Ledger(params["folder"], turn_of(params["turn"], number, len(wanted)))
            rows.append(verify(one, ledger, host, params["scratch"], take))
        except NotTriedError as exc:
            if not module.check_mode:
                module.fail_json(msg=f"set {one['name']!r}: {exc}", restores=rows)
            lines.append(f"{one['name']}: {exc}\n")
        except (RestoreError, HostError) as exc:
            lines.append(f"{one['name']}: {exc}\n")
    result = {"changed": bool(wanted), "restores": rows}
    if taker and not module.check_mode:
        result["taken"] = taker.taken
        lines += [f"{path}: written\n" for path in taker.taken]
        if taker.problem:
            why = f"; {rows[0]['step']}: {rows[0]['why']}" if rows and rows[0]["why"] else ""
            module.fail_json(msg=f"nothing taken: {taker.problem}{why}", **result)
    if module._diff:
        result["diff"] = {
            "before": "",
            "after": "".join(lines),
            "after_header": "restored and removed again",
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
