# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a set of backups is declared: what it is, where it lies, and what is expected of it."""

from __future__ import annotations

from typing import Any

AUTO = "auto"
PACKERS = ("gz", "bz2", "xz", "zst", "lz4")
# What a site may say of its files.
FILE_KINDS = (
    *("tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "tar.lz4", "gz", "bz2", "xz", "zst", "lz4"),
    *("zip", "sql", "sql.gz", "sql.bz2", "sql.xz", "sql.zst", "sql.lz4", "postgresql", "sqlite"),
    *("encrypted", "other"),
)
PG_DIRECTORY, PG_BASEBACKUP, MYDUMPER, MARIABACKUP, TREE = (
    "pg_directory",
    "pg_basebackup",
    "mydumper",
    "mariabackup",
    "tree",
)
FOLDER_KINDS = (PG_DIRECTORY, PG_BASEBACKUP, MYDUMPER, MARIABACKUP, TREE)
RESTIC, BORG, PGBACKREST, BARMAN = "restic", "borg", "pgbackrest", "barman"
REPOSITORY_KINDS = (RESTIC, BORG, PGBACKREST, BARMAN)
HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY = TIERS = (
    "hourly", "daily", "weekly", "monthly", "yearly",
)  # fmt: skip
COPY_OPTIONS: dict[str, dict[str, Any]] = {
    "second_copy": {
        "type": "dict",
        "options": {
            "paths": {"type": "list", "elements": "path", "default": []},
            "repository": {"type": "str"},
            "kind": {"type": "str", "default": AUTO, "choices": [AUTO, *REPOSITORY_KINDS]},
            "password_file": {"type": "path"},
            "password": {"type": "str", "no_log": True},
            "stanza": {"type": "str"},
            "elsewhere": {"type": "str"},
        },
        "mutually_exclusive": [("paths", "repository")],
        "required_one_of": [("paths", "repository")],
    },
}
RETENTION_OPTIONS: dict[str, dict[str, Any]] = {
    "retention": {
        "type": "dict",
        "options": {**{name: {"type": "int"} for name in TIERS}, "since": {"type": "str"}},
    },
}
VERIFY_OPTIONS: dict[str, dict[str, Any]] = {
    "verify": {
        "type": "dict",
        "options": {
            "max_days": {"type": "float", "default": 31.0},
            "rto_minutes": {"type": "float"},
            "provable": {"type": "bool", "default": False},
            "assertions": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str"},
                    "sql": {"type": "str"},
                    "database": {"type": "str"},
                    "equals": {"type": "str"},
                    "files": {"type": "str"},
                    "min": {"type": "float"},
                    "max": {"type": "float"},
                    "fresh_hours": {"type": "float"},
                },
                "required_one_of": [("sql", "files")],
                "mutually_exclusive": [("sql", "files")],
            },
            "compare_since": {"type": "str"},
            "globals": {"type": "path"},
            "preload": {"type": "list", "elements": "str", "default": []},
            "wal": {"type": "path"},
            "beside_live": {"type": "str"},
            "backup_window": {"type": "str"},
            "lock_minutes": {"type": "float", "default": 15.0},
            "parts": {"type": "int", "default": 16},
            "cycle_days": {"type": "float"},
            "whole_bytes": {"type": "int", "default": 20_000_000_000},
            "minutes": {"type": "float", "default": 120.0},
            "memory_bytes": {"type": "int", "default": 2_000_000_000},
            "jobs": {"type": "int", "default": 2},
            "identity_file": {"type": "path"},
            "key_copy": {"type": "str", "no_log": False},  # says where it is, not what it is
        },
    },
}
"""A set is verified only if it has this part.

max_days: how old the last good verification may be. rto_minutes: how long a restore may take. provable: restored
content must be proved. assertions: on the restored data: `sql` returns one value, or `files` is a glob below the
restored tree, of which the matches are counted; the value is held against equals, min and max, or must be a time that
is at most fresh_hours old (of files: the newest). database: in which it is asked. compare_since: a day; verifications
before it are not compared with. globals: a dump of roles and grants that is restored first (PostgreSQL). preload:
libraries that the restored server must load. wal: the folder of the WAL archive through which a base backup of
PostgreSQL is recovered. beside_live: why it may be restored on a host where such a server runs.
backup_window: `HH:MM-HH:MM` in the host's zone, in which backups are made and nothing is verified. lock_minutes: how
long a repository's lock is waited for and held. parts: into how many a repository is divided; cycle_days: within how
many days all are to be read. whole_bytes: up to which size a snapshot of a repository is restored in whole. minutes,
memory_bytes: bounds of one verification. jobs: of pg_restore. identity_file: key of age. key_copy: where another copy
of the key is kept.
"""
SETS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "paths": {"type": "list", "elements": "path", "default": []},
        "kind": {
            "type": "str",
            "default": AUTO,
            "choices": [AUTO, *FILE_KINDS, *FOLDER_KINDS, *REPOSITORY_KINDS],
        },
        "rpo_hours": {"type": "float"},
        "repository": {"type": "str"},
        "stanza": {"type": "str"},
        "password_file": {"type": "path"},
        "password": {"type": "str", "no_log": True},
        "snapshot_host": {"type": "str"},
        "snapshot_tag": {"type": "str"},
        "members_may_be_old": {"type": "bool", "default": False},
        "read": {"type": "bool", "default": True},
        **COPY_OPTIONS,
        **RETENTION_OPTIONS,
        **VERIFY_OPTIONS,
    },
    "mutually_exclusive": [("paths", "repository")],
}
