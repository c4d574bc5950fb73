#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather the newest backup of each declared set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backups_info
short_description: Gather the newest backup of each declared set
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Returns for each set the newest finished backup with the times that its content, its name and its files say, its
    size, the sizes of those before it, how it reads to its end, and how it compares with the checksum beside it.
  - Also returns how far away the second copy is, and how many days, weeks, months and years have a backup, where the
    site declares them.
  - Nothing is written, unpacked on the disk or locked; check mode makes no difference. What is being written is not
    taken for a backup.
  - Reads tar, zip, gzip, bzip2, xz, dumps of SQL, of pg_dump in custom and directory format, SQLite, base backups of
    PostgreSQL with their manifest, and folders of mydumper and mariabackup by itself; zstd and lz4 with the programs
    C(zstd) and C(lz4); restic and borg with C(restic) and C(borg); what pgBackRest and Barman write about their backups
    by itself.
extends_documentation_fragment: [astral.upkeep.backup_sets]
options:
  read:
    description: Whether to read the newest backups to their end.
    type: bool
    default: true
  read_seconds:
    description: How long reading may take, of all sets together.
    type: int
    default: 60
  read_bytes:
    description: How many bytes of one set are read, as they are stored and as they are unpacked.
    type: int
    default: 100000000000
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: See how the backups stand
  astral.upkeep.backups_info:
    sets:
      - name: shop database
        paths: [/backup/shop-*.sql.gz]
        rpo_hours: 24
        second_copy:
          paths: [/mnt/nas/backup/shop-*.sql.gz]
          elsewhere: the NAS stands in the other building
        retention: {daily: 7, weekly: 4, monthly: 12, since: 2026-11-01}
      - name: files
        repository: /backup/restic
        password_file: /etc/restic.password
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
      description: Parsed values.
      type: dict
    raw:
      description: The backups that were found.
      type: str
    error:
      description: Why nothing could be read; data is then empty.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups.backups import (
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
