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
