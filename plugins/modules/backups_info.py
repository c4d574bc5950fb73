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
  - Returns for each set the newest finished backup with its times and size, the sizes of those before it, how it reads
    to its end, and how it compares with the checksum beside it.
  - Nothing is unpacked or changed; check mode makes no difference.
  - Reads tar, gzip, bzip2, xz, zip, SQL dumps and SQLite files by itself, zstd with C(zstd), PostgreSQL dumps in custom
    format with C(pg_restore), restic repositories with C(restic).
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
        description: Paths and shell patterns of its files.
        type: list
        elements: path
        default: []
      kind:
        description: Format of the files; by their names, or first bytes, if V(auto).
        type: str
        default: auto
        choices:
          [auto, tar, tar.gz, tar.bz2, tar.xz, tar.zst, gz, bz2, xz, zst, zip, sql, sql.gz, sql.bz2, sql.xz, sql.zst,
           postgresql, sqlite, encrypted, other]
      rpo_hours:
        description: How old the newest backup may be (recovery point objective).
        type: float
      repository:
        description: A restic repository, instead of paths.
        type: str
      password_file:
        description: File on the host with the repository's password.
        type: path
      password:
        description: The repository's password; given to restic in its environment.
        type: str
      snapshot_host:
        description: Count only snapshots of this host.
        type: str
      snapshot_tag:
        description: Count only snapshots with this tag.
        type: str
  read:
    description: Whether to read the newest backup to its end.
    type: bool
    default: true
  read_seconds:
    description: How long reading may take, of all sets together.
    type: int
    default: 60
  read_bytes:
    description: How many bytes of one backup are read, as they are unpacked.
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
