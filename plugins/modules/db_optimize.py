#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep databases in order: statistics, dead rows, bloated indexes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_optimize
short_description: Keep databases in order
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Does what is due in PostgreSQL (C(ANALYZE), C(VACUUM), C(REINDEX INDEX CONCURRENTLY)), MariaDB (C(ANALYZE TABLE))
    and SQLite (C(PRAGMA optimize), a checkpoint that empties the log), within a window of time. What is not due is left
    alone, so a second run changes nothing.
  - In check mode, returns and shows the plan, with each statement, why, the lock that it takes, its size, and its time
    by estimate.
  - No table is rewritten unless O(rewrite) names it. C(VACUUM FULL) is never run.
  - A C(REINDEX CONCURRENTLY) that is cancelled leaves an invalid index. Before each one, the module writes down on the
    host which indexes there are; what was left is dropped, or is the first act of the next run. An invalid index of
    somebody else is never dropped.
  - Standbys and replicas are skipped. PostgreSQL is reached through C(psql), directly and not through a pool.
  - A statement that is skipped does not fail the task. The task fails if the record cannot be used, or if it is ended
    by a signal.
extends_documentation_fragment: [astral.upkeep.databases]
options:
  databases:
    description: The databases to keep in order.
  discover:
    description: Whether to look for servers on this host's usual sockets, for kinds that none is declared of.
    type: bool
    default: false
  timeout_seconds:
    description: How long each question about what is due may take.
    type: int
    default: 60
  run_as:
    description: Account of the host as which C(psql) runs, such as V(postgres), where the server knows accounts of the
      system (C(peer)). Only root can do that.
    type: str
    default: ""
  window:
    description: When all of it ends, as C(HH:MM) of the host's zone, or how many minutes it may take. Nothing begins
      that would not be done by then, by estimate. A time of more than 12 hours ahead counts as passed.
    type: str
    default: "60"
  actions:
    description: What may be done. V(drop) is no action of its own; what a run before has left is always dropped.
    type: list
    elements: str
    choices: [analyze, vacuum, reindex, optimize, checkpoint]
    default: [analyze, vacuum, reindex, optimize, checkpoint]
  rewrite:
    description: Tables of MariaDB, as C(database.table), and files of SQLite that may be rewritten (C(OPTIMIZE TABLE),
      C(VACUUM)). Others wait meanwhile. Twice the size must be free.
    type: list
    elements: str
    default: []
  lock_timeout_seconds:
    description: How long a statement waits for a lock.
    type: float
    default: 5
  retries:
    description: How often a statement that got no lock is tried again.
    type: int
    default: 3
  pause_seconds:
    description: How long to wait between two statements.
    type: float
    default: 1
  throttle_milliseconds:
    description: C(vacuum_cost_delay) of VACUUM and ANALYZE in PostgreSQL. 0 is as fast as the disk is.
    type: float
    default: 2
  patience_seconds:
    description: No REINDEX begins while a transaction is open for longer, as it would wait for it. In MariaDB the same
      holds for each statement.
    type: float
    default: 60
  server_elsewhere:
    description: Whether the servers may run on another host. Then nobody looks at their free space.
    type: bool
    default: false
  thresholds:
    description: From where on something is due.
    type: dict
    suboptions:
      changed_rows:
        description: Rows that have changed since the last ANALYZE, at least.
        type: int
        default: 1000
      changed_share:
        description: Their share of the table, at least.
        type: float
        default: 0.1
      dead_rows:
        description: Dead rows, at least.
        type: int
        default: 1000
      dead_share:
        description: Their share of the table, at least.
        type: float
        default: 0.1
      freeze_share:
        description: Age of a table's oldest transaction, as a share of C(autovacuum_freeze_max_age).
        type: float
        default: 0.9
      bloat_bytes:
        description: What an index wastes by estimate, at least.
        type: int
        default: 104857600
      bloat_share:
        description: Its share of the index, at least.
        type: float
        default: 0.4
      analyzed_days:
        description: Age of the statistics of a table of MariaDB that has changed since.
        type: float
        default: 7
      log_bytes:
        description: Size of the write-ahead log of a file of SQLite.
        type: int
        default: 16777216
      free_share:
        description: Share of what O(rewrite) names that is free space.
        type: float
        default: 0.2
  folder:
    description: Where the record is kept. Only the account that the module runs as may write there.
    type: path
    default: /var/lib/upkeep/optimize
  run:
    description: Number of the run of Upkeep, which is written down with what is left.
    type: str
    default: ""
attributes:
  check_mode:
    description: Returns the plan, and changes nothing.
    support: full
  diff_mode:
    description: Shows the plan in check mode; else sizes, dead rows and bloat before and after, side by side.
    support: full
seealso:
  - module: astral.upkeep.databases_info
"""

EXAMPLES = r"""
- name: Keep all databases of this host's PostgreSQL in order, until four in the morning
  astral.upkeep.db_optimize:
    databases:
      - kind: postgresql
        address: /var/run/postgresql
    run_as: postgres
    window: "04:00"

- name: Analyze the shop's tables, and shrink one file that may be locked for that long
  astral.upkeep.db_optimize:
    databases:
      - {kind: mariadb, address: /run/mysqld/mysqld.sock, name: shop}
      - {kind: sqlite, name: /srv/shop/cache.db}
    actions: [analyze]
    rewrite: [/srv/shop/cache.db]
"""

RETURN = r"""
steps:
  description: Each statement that was due.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The database.
      type: str
    action:
      description: V(analyze), V(vacuum), V(reindex), V(drop), V(optimize), V(checkpoint) or V(rewrite).
      type: str
    object:
      description: The table, index or file.
      type: str
    statement:
      description: What was or would be run.
      type: str
    why:
      description: What makes it due.
      type: str
    lock:
      description: What it locks.
      type: str
    bytes:
      description: Size of the object.
      type: int
    estimated_seconds:
      description: How long it takes, by what was measured on this host before.
      type: float
    outcome:
      description: V(done), V(skipped), V(cancelled) or, in check mode, V(planned).
      type: str
    cause:
      description: Why it was not done, or what is to be said of it.
      type: str
    seconds:
      description: How long it took.
      type: float
    before:
      description: Measures of the object, such as C(bytes), C(dead_rows), C(wasted_share).
      type: dict
    after:
      description: The same afterwards.
      type: dict
notes:
  description: Databases of which nothing was done, with the outcome V(skipped) or V(unknown), and why.
  returned: always
  type: list
  elements: dict
findings:
  description: Invalid indexes that the job has made and could not drop, with the run that made them.
  returned: always
  type: list
  elements: dict
window_ends_at:
  description: When the window ends, in seconds since 1970.
  returned: always
  type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import DATABASES
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import (
    FOLDER,
    Record,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.run import (
    difference,
    has_changed,
    optimize,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.window import Window

ACTIONS = ["analyze", "vacuum", "reindex", "optimize", "checkpoint"]
THRESHOLDS: dict[str, Any] = {
    "changed_rows": {"type": "int", "default": 1000},
    "changed_share": {"type": "float", "default": 0.1},
    "dead_rows": {"type": "int", "default": 1000},
    "dead_share": {"type": "float", "default": 0.1},
    "freeze_share": {"type": "float", "default": 0.9},
    "bloat_bytes": {"type": "int", "default": 104857600},
    "bloat_share": {"type": "float", "default": 0.4},
    "analyzed_days": {"type": "float", "default": 7.0},
    "log_bytes": {"type": "int", "default": 16777216},
    "free_share": {"type": "float", "default": 0.2},
}
LEAST_ZERO = (
    "lock_timeout_seconds",
    "retries",
    "pause_seconds",
    "throttle_milliseconds",
    "patience_seconds",
)


def refuse_mistakes(params: dict[str, Any]) -> None:
    """Refuse numbers that mean nothing.

    Raises: OptimizeError that names the option, what was found and what was expected.
    """
    for name in LEAST_ZERO:
        if params[name] < 0:
            raise OptimizeError(f"{name}: found {params[name]:g}; expected 0 or more")
    if params["lock_timeout_seconds"] < 0.001:
        raise OptimizeError("lock_timeout_seconds: found 0, which waits for ever; expected more")
    if params["throttle_milliseconds"] > 100:
        found = params["throttle_milliseconds"]
        raise OptimizeError(f"throttle_milliseconds: found {found:g}; expected at most 100")
    for name, value in params["thresholds"].items():
        if value < 0 or (name.endswith("_share") and value > 1):
            expected = "0 to 1" if name.endswith("_share") else "0 or more"
            raise OptimizeError(f"thresholds: {name}: found {value:g}; expected {expected}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "databases": DATABASES,
            "discover": {"type": "bool", "default": False},
            "timeout_seconds": {"type": "int", "default": 60},
            "run_as": {"type": "str", "default": ""},
            "window": {"type": "str", "default": "60"},
            "actions": {"type": "list", "elements": "str", "choices": ACTIONS, "default": ACTIONS},
            "rewrite": {"type": "list", "elements": "str", "default": []},
            "lock_timeout_seconds": {"type": "float", "default": 5.0},
            "retries": {"type": "int", "default": 3},
            "pause_seconds": {"type": "float", "default": 1.0},
            "throttle_milliseconds": {"type": "float", "default": 2.0},
            "patience_seconds": {"type": "float", "default": 60.0},
            "server_elsewhere": {"type": "bool", "default": False},
            "thresholds": {"type": "dict", "apply_defaults": True, "options": THRESHOLDS},
            "folder": {"type": "path", "default": FOLDER},
            "run": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params, host = module.params, Host()
    try:
        refuse_mistakes(params)
        window = Window(params["window"], host.now())
        record = Record(params["folder"], make=not module.check_mode)
        job = Job(params, window, record, host, module.check_mode)
        problem = optimize(job)
    except OptimizeError as exc:
        module.fail_json(msg=str(exc))
    result = {
        "changed": has_changed(job),
        "steps": [one.as_row() for one in job.ended],
        "notes": job.notes,
        "findings": job.findings,
        "window_ends_at": window.ends_at,
    }
    if module._diff:
        result["diff"] = difference(job)
    if problem:
        module.fail_json(msg=problem, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
