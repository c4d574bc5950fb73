# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How databases are declared."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of each module that asks databases."""

    DOCUMENTATION = r"""
options:
  databases:
    description: The databases that must be usable.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What it is; V(mariadb) stands for MySQL too. Of V(pgbouncer), the console is asked, by a user of
          its C(stats_users); databases behind it are V(postgresql) at its port.
        type: str
        required: true
        choices: [postgresql, pgbouncer, mariadb, redis, sqlite]
      name:
        description: The database's name; for SQLite the file's path. If objects are asked for, no name means each
          database of the server.
        type: str
        default: ""
      address:
        description: Host name or address; a path for a Unix socket, for PostgreSQL that of the socket's folder.
        type: str
        default: ""
      port:
        description: Port, if it is not the usual one.
        type: int
      user:
        description: User to connect as; if empty, the account's own name, as the client programs do.
        type: str
        default: ""
      password:
        description: The user's password. It goes to a client program by environment or standard input.
        type: str
        default: ""
      tls:
        description: Whether to insist on an encrypted connection.
        type: bool
        default: false
      explain_as:
        description:
          - A second role for what O(databases[].user) should not see in general, such as sequences, statistics of
            columns and plans. Without it, these are asked for as O(databases[].user); what that may not see is
            reported as unknown.
          - It may live on a standby server.
        type: dict
        suboptions:
          user:
            description: The role.
            type: str
            required: true
          password:
            description: Its password.
            type: str
            default: ""
          address:
            description: Of a standby server, if the role is to be used there.
            type: str
            default: ""
          port:
            description: Port of that server.
            type: int
      standbys:
        description:
          - The standby servers of a primary of PostgreSQL. They are asked, as O(databases[].user), which indexes their
            own queries use; an index counts as unused only if no server uses it.
        type: list
        elements: dict
        default: []
        suboptions:
          address:
            description: Host name or address, or the folder of a socket.
            type: str
            required: true
          port:
            description: Port, if it is not that of the primary.
            type: int
  discover:
    description:
      - Whether to look for servers on this host's usual sockets and ports, for kinds that none is declared of.
      - They are asked as the account that the module runs as; no password is tried.
    type: bool
    default: true
  timeout_seconds:
    description: How long each database may take, in seconds.
    type: int
    default: 8
"""
