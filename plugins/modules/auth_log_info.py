#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe failed and successful logins."""

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_log_info
short_description: Observe failed logins, and successful ones after them
version_added: 0.1.0
description:
  - Counts the failed logins of the last hour by source and account, from what sshd, PAM and some sixty other programs
    write into syslog files, the journal or logs of their own, from Linux's audit log, and from applications' JSON
    lines.
  - The other programs are those of the console (login, su, sudo, doas, polkit), of mail (Postfix, sendmail, Dovecot,
    Cyrus, Courier), of FTP, databases, directories, tunnels and web servers, Dropbear, Webmin and the like.
  - A line that is not understood is a possible failure if its program decides about logins, or is not known and the
    log was declared, and if words of failure stand outside what a client may choose. See C(possible_failures).
  - An attempt that several programs tell of counts once; C(message repeated N times) counts N times.
  - A user name made to look like another message blames no other address. A failure that can be read in more than one
    way counts, and has no source.
  - Names of accounts are observed as the clients gave them. Now and then one is a password typed in the wrong place.
  - Never changes the host; check mode makes no difference.
options:
  paths:
    description:
      - The logs; patterns are expanded. V(journal) is systemd's journal.
      - If empty, C(/var/log/auth.log) and C(/var/log/secure); where neither was written to for three days, the journal.
    type: list
    elements: str
    default: []
  window_seconds:
    description: How far back to look, in seconds.
    type: int
    default: 3600
  burst_seconds:
    description: The time over which a source's or account's largest burst is counted, in seconds.
    type: int
    default: 600
  fields:
    description:
      - For an application's JSON lines, the names of the fields C(time), C(outcome), C(account) and C(source); a dot
        leads into an object.
      - What is not named is looked for under the names of the Elastic Common Schema and some common others.
    type: dict
    default: {}
  failure_values:
    description: Values of C(outcome) that are failed logins, in any case of letters.
    type: list
    elements: str
    default: [failure, failed, fail, denied, login_failed, "false", "401"]
  success_values:
    description: Values of C(outcome) that are successful logins, in any case of letters.
    type: list
    elements: str
    default: [success, succeeded, ok, accepted, login_succeeded, "true", "200"]
  utc_offset:
    description: Zone of times that do not tell it, such as V(+02:00); if empty, the host's own.
    type: str
    default: ""
  limit_bytes:
    description: Most that is read of one log; of a larger window only the newest part counts, and C(truncated) says so.
    type: int
    default: 64000000
author:
  - Upkeep's founders (@astral-core)
seealso:
  - module: astral.upkeep.access_log_info
"""

EXAMPLES = r"""
- name: Look at the logins of the last hour
  astral.upkeep.auth_log_info:
  become: true

- name: Look at the logins of an application and of the journal
  astral.upkeep.auth_log_info:
    paths: [journal, /srv/portal/log/logins.jsonl]
    fields:
      outcome: event
      account: user.email
    failure_values: [login_failed, locked_out]
    success_values: [login]
"""

RETURN = r"""
observations:
  description: One observation per log.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The log's path, or C(journal).
      type: str
      returned: always
      sample: /var/log/auth.log
    data:
      description: Failures in all, by hour, source and account; logins after failures; what could not be read.
      type: dict
      returned: always
      sample: {failures: 14, most_in_an_hour: 14, sources: [{source: 192.0.2.7, failures: 12}], truncated: false}
    raw:
      description: The lines behind the failures and logins, the newest.
      type: str
      returned: when there are any
    error:
      description: Why the log could not be read, and what to do.
      type: str
      returned: when it could not
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins.auth_log import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    seen = gather(module.params, Host())
    module.exit_json(changed=False, observations=[to_wire(observation) for observation in seen])


if __name__ == "__main__":
    main()
