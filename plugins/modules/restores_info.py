#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather how each declared set of backups was verified by restoring it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restores_info
short_description: Gather how each declared set of backups was verified by restoring it
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Returns for each set the newest rows of the host's restore ledger, how far the cycle of a repository is, and the
    verification that is going on.
  - Never restores anything and reads no backup; check mode makes no difference. The job C(backup_verify) writes the
    ledger.
  - A ledger that somebody but root may write is not believed.
options:
  sets:
    description: What is backed up.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Of the set; the subject of its results.
        type: str
        required: true
      paths:
        description: Paths and shell patterns of its files or folders. A folder of a known format is one backup; the
          files of a split backup (C(.aa), C(.001)) are one, too.
        type: list
        elements: path
        default: []
      kind:
        description: What the backups are. With V(auto) their first bytes say it, and their names say what is due.
          V(tree) is a folder that holds a copy of files.
        type: str
        default: auto
        choices:
          [auto, tar, tar.gz, tar.bz2, tar.xz, tar.zst, tar.lz4, gz, bz2, xz, zst, lz4, zip, sql, sql.gz, sql.bz2,
           sql.xz, sql.zst, sql.lz4, postgresql, sqlite, encrypted, other, pg_directory, pg_basebackup, mydumper,
           mariabackup, tree, restic, borg, pgbackrest, barman]
      rpo_hours:
        description: How old the newest backup may be (recovery point objective).
        type: float
      members_may_be_old:
        description: Whether the files in an archive may all be older than the backup, because they change seldom. Else
          an archive without a recent file is taken for a copy of an old one.
        type: bool
        default: false
      read:
        description: Whether to read the newest backup of this set to its end.
        type: bool
        default: true
      repository:
        description: A repository of restic, borg, pgBackRest or Barman, instead of paths.
        type: str
      stanza:
        description: The stanza of pgBackRest or the server of Barman, where the repository has several.
        type: str
      password_file:
        description: File on the host with the repository's password.
        type: path
      password:
        description: The repository's password; given to its program in the environment.
        type: str
      snapshot_host:
        description: Count only snapshots of this host.
        type: str
      snapshot_tag:
        description: Count only snapshots with this tag; of borg, archives whose names begin so.
        type: str
      second_copy:
        description: Where the second copy of the set lies.
        type: dict
        suboptions:
          paths:
            description: Paths and shell patterns of its files or folders.
            type: list
            elements: path
            default: []
          repository:
            description: A repository, instead of paths.
            type: str
          kind:
            description: Of the repository.
            type: str
            default: auto
            choices: [auto, restic, borg, pgbackrest, barman]
          stanza:
            description: The stanza of pgBackRest or the server of Barman.
            type: str
          password_file:
            description: File on the host with the repository's password.
            type: path
          password:
            description: The repository's password; given to its program in the environment.
            type: str
          elsewhere:
            description: Why it lies on another machine than the set, where the host cannot tell, such as
              V(the NAS stands in the other building).
            type: str
      retention:
        description: How many periods must have a backup.
        type: dict
        suboptions:
          hourly:
            description: Of how many hours.
            type: int
          daily:
            description: Of how many days.
            type: int
          weekly:
            description: Of how many weeks.
            type: int
          monthly:
            description: Of how many months.
            type: int
          yearly:
            description: Of how many years.
            type: int
          since:
            description: The day since which the set is kept, such as V(2026-11-01). Earlier periods are not expected.
            type: str
      verify:
        description: How it is verified by restoring it. Without this it is not.
        type: dict
        suboptions:
          max_days:
            description: How old the last good verification may be.
            type: float
            default: 31
          rto_minutes:
            description: How long a restore may take (recovery time objective).
            type: float
          provable:
            description: Whether restored content must be proved by checksums, assertions or figures.
            type: bool
            default: false
          assertions:
            description: What must hold for the restored data.
            type: list
            elements: dict
            default: []
            suboptions:
              name:
                description: Of the assertion.
                type: str
              sql:
                description: A query that returns one value.
                type: str
              database:
                description: In which database it is asked.
                type: str
              equals:
                description: The value that is expected.
                type: str
              files:
                description: A shell pattern below the restored tree; the matches are counted.
                type: str
              min:
                description: At least that.
                type: float
              max:
                description: At most that.
                type: float
              fresh_hours:
                description: How old the time may be, or the newest of the files.
                type: float
          globals:
            description: A dump of roles and grants that is restored first.
            type: path
          preload:
            description: Libraries that the restored server must load.
            type: list
            elements: str
            default: []
          beside_live:
            description: Why it may be restored on a host where such a server runs.
            type: str
          backup_window:
            description: When backups are made and nothing is verified, in the host's zone, such as V(01:00-03:30).
            type: str
          lock_minutes:
            description: How long the lock of a repository is waited for, and held.
            type: float
            default: 15
          parts:
            description: Into how many parts a repository is divided.
            type: int
            default: 16
          cycle_days:
            description: Within how many days all parts are to be read.
            type: float
          whole_bytes:
            description: Up to which size a snapshot of a repository is restored in whole.
            type: int
            default: 20000000000
          minutes:
            description: How long one verification may take.
            type: float
            default: 120
          memory_bytes:
            description: How much memory it may take.
            type: int
            default: 2000000000
          jobs:
            description: How many jobs C(pg_restore) may have.
            type: int
            default: 2
          identity_file:
            description: File on the host with the key of C(age).
            type: path
          key_copy:
            description: Where another copy of the key is kept.
            type: str
  folder:
    description: Where the ledger lies on the host.
    type: path
    default: /var/lib/upkeep/restores
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: See how the backups were verified
  astral.upkeep.restores_info:
    sets:
      - name: shop database
        paths: [/backup/shop-*.dump]
        rpo_hours: 24
        verify:
          max_days: 31
          rto_minutes: 60
          assertions:
            - {name: orders of today, sql: SELECT max(placed_at) FROM orders, fresh_hours: 26}
"""

RETURN = r"""
observations:
  description: One for each set.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The set's name.
      type: str
    data:
      description: Rows of the ledger, newest first, and the limits that the site declares.
      type: dict
    raw:
      description: The newest row.
      type: str
    error:
      description: Why the ledger could not be read; data is then empty.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores.restores import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    seen = gather(module.params, Host())
    module.exit_json(changed=False, observations=[to_wire(one) for one in seen])


if __name__ == "__main__":
    main()
