# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a set of backups is declared."""

from __future__ import annotations


class ModuleDocFragment:
    """The option `sets` of each module that takes them."""

    DOCUMENTATION = r"""
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
        description: How it is verified by restoring it. A set without it is not restored.
        type: dict
        suboptions:
          max_days:
            description: How many days ago it may have been verified last.
            type: float
            default: 31
          rto_minutes:
            description: How long a restore may take, by the site's objective.
            type: float
          provable:
            description: Whether the restored content must be proved, by checksums, assertions or the figures of the
              verification before.
            type: bool
            default: false
          assertions:
            description: What must be true of the restored data. Each has V(sql) or V(files).
            type: list
            elements: dict
            default: []
            suboptions:
              name:
                description: What it is called in messages.
                type: str
              sql:
                description: A statement that returns one value.
                type: str
              database:
                description: The database in which it is asked, where there are several.
                type: str
              equals:
                description: The value that is expected.
                type: str
              files:
                description: A pattern of paths from the top of what was restored. The value is how many there are.
                type: str
              min:
                description: The least number that is expected.
                type: float
              max:
                description: The greatest number that is expected.
                type: float
              fresh_hours:
                description: The value is a time, of files that of the newest; it must not be further before the backup.
                type: float
          compare_since:
            description: A day, such as V(2026-11-27), on which much was removed on purpose. Verifications before it are
              not compared with.
            type: str
          globals:
            description: A dump of roles and grants of PostgreSQL that is restored first.
            type: path
          preload:
            description: Libraries that the restored server of PostgreSQL must load.
            type: list
            elements: str
            default: []
          wal:
            description: The folder that archive_command or pg_receivewal fills, beside base backups of PostgreSQL. A
              restored one is recovered through it, as far as it reaches.
            type: path
          beside_live:
            description: Why it may be restored on a host where a server of the same kind runs.
            type: str
          backup_window:
            description: When backups are made, such as V(01:00-03:30) in the zone of the host. Nothing is verified
              then.
            type: str
          lock_minutes:
            description: How long the lock of a repository is waited for, and held.
            type: float
            default: 15
          parts:
            description: Into how many parts a repository is divided. Each verification reads the next one.
            type: int
            default: 16
          cycle_days:
            description: Within how many days all parts of a repository must be read.
            type: float
          whole_bytes:
            description: Up to which size a snapshot of a repository is restored in whole.
            type: int
            default: 20000000000
          minutes:
            description: How long a verification may take.
            type: float
            default: 120
          memory_bytes:
            description: How much memory the restored server and its programs may use.
            type: int
            default: 2000000000
          jobs:
            description: How many processes restore a dump of PostgreSQL.
            type: int
            default: 2
          identity_file:
            description: File on the host with the key of age.
            type: path
          key_copy:
            description: Where another copy of the key or password is kept.
            type: str
"""
