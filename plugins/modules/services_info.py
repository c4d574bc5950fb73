#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe services that a host depends on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: services_info
short_description: Observe whether services can be reached from a host
version_added: 0.1.0
description:
  - Tries each service a few times over TCP, TLS, HTTP or DNS, and times each step.
  - Never changes the host; check mode makes no difference.
options:
  source:
    description:
      - By which name that which is asked from outside is known, C(site/<name>). It takes the host's place in results
        and findings. Without it, what is seen is the host's own.
    type: str
    default: ""
  services:
    description:
      - C(tcp://host:port), a connection; C(tls://host:port), up to the end of the handshake.
      - C(smtp://), C(imap://), C(pop3://), C(ftp://), C(ldap://), C(postgres://) and C(mysql://) with C(host:port), the
        change to TLS.
      - C(http://…) and C(https://…), an answer.
      - C(dns:name), through the host's resolver; C(dns://server/name?type=MX), at a server (RFC 4501).
    type: list
    elements: str
    default: []
  tries:
    description: How often to try, at most 10 times.
    type: int
    default: 2
  timeout_seconds:
    description: How long one try may take, in seconds.
    type: float
    default: 5.0
  verify:
    description: Whether the certificate must be one that the host trusts, and for the name.
    type: bool
    default: true
  ca_file:
    description: A file with the authorities to trust, instead of the host's own.
    type: path
    default: ""
author:
  - Upkeep's founders (@astral-core)
seealso:
  - module: astral.upkeep.http_health_info
"""

EXAMPLES = r"""
- name: Try what the portal depends on
  astral.upkeep.services_info:
    services:
      - tcp://queue.example.org:5672
      - smtp://mail.example.org:25
      - https://payments.example.com/status
      - dns:portal.example.org
      - dns://192.0.2.53/example.org?type=MX
"""

RETURN = r"""
observations:
  description: One observation per service.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The service as it was written; of a URL without what may be secret.
      type: str
      returned: always
      sample: tcp://queue.example.org:5672
    data:
      description: Outcome and times of each try.
      type: dict
      returned: always
      sample: {kind: tcp, tries: [{dns_seconds: 0.001, tcp_seconds: 0.0004, total_seconds: 0.0015}]}
    error:
      description: Why it could not be tried.
      type: str
      returned: when it could not
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web.services import (
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
