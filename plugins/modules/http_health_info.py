#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe health endpoints."""

from __future__ import annotations

DOCUMENTATION = r"""
module: http_health_info
short_description: Observe health endpoints, what they say and how long they take
version_added: 0.1.0
description:
  - Asks each URL a few times, on a new connection each time, and times the look-up of the name, connecting, TLS, the
    first byte and the whole.
  - Of a JSON answer it takes the values asked for and the states of components. Of its body nothing else is kept,
    unless O(keep_body) says so.
  - Never changes the host; check mode makes no difference. With a method other than GET or HEAD the endpoint may
    change something.
options:
  source:
    description:
      - By which name that which is asked from outside is known, C(site/<name>). It takes the host's place in results
        and findings. Without it, what is seen is the host's own.
    type: str
    default: ""
  urls:
    description: The endpoints, C(http://) or C(https://). All other options hold for each of them.
    type: list
    elements: str
    default: []
  method:
    description: The request's method.
    type: str
    default: GET
  headers:
    description: Headers to send, such as C(Authorization). Taken as secrets.
    type: dict
    default: {}
  body:
    description: What to send as the request's body. Taken as a secret.
    type: str
    default: ""
  json:
    description:
      - What the answer's JSON must say, by path; names and indexes with dots, such as C(components.db.status).
      - A list as the value means any of them.
    type: dict
    default: {}
  contains:
    description: A text that the answer must contain.
    type: str
    default: ""
  tries:
    description: How often to ask, at most 20 times.
    type: int
    default: 3
  timeout_seconds:
    description: How long one try may take, redirects and all, in seconds.
    type: float
    default: 10.0
  redirects:
    description:
      - How many redirects to follow. One from https to http is never followed.
      - They lead to the hosts of O(urls) and O(redirect_hosts), and otherwise to public addresses only; never to a
        cloud's metadata or a link-local address that is not itself named there.
      - What counts is the address that is connected to.
    type: int
    default: 0
  redirect_hosts:
    description: Other hosts that redirects may lead to, also at a private address, such as that of the single sign-on.
    type: list
    elements: str
    default: []
  keep_body:
    description: Whether the beginning of the answer's body is kept as evidence, for all who may look at evidence.
    type: bool
    default: false
  verify:
    description: Whether the certificate must be one that the host trusts, and for the name.
    type: bool
    default: true
  ca_file:
    description: A file with the authorities to trust, instead of the host's own.
    type: path
    default: ""
  server_name:
    description: The name to ask for in TLS and in C(Host), instead of the URL's.
    type: str
    default: ""
  connect_to:
    description: Where to connect to, C(host:port), instead of the URL's host; to look at one host behind a common name.
    type: str
    default: ""
  limit_bytes:
    description: Most that is read of an answer's body.
    type: int
    default: 1000000
author:
  - Upkeep's founders (@astral-core)
seealso:
  - module: astral.upkeep.services_info
"""

EXAMPLES = r"""
- name: Ask the portal and its components
  astral.upkeep.http_health_info:
    urls: [https://portal.example.org/api/health]
    json:
      status: ok
      database.status: [up, degraded]

- name: Ask this very host behind the load balancer's name
  astral.upkeep.http_health_info:
    urls: [https://portal.example.org/api/health]
    connect_to: 127.0.0.1:8443
    headers:
      Authorization: "Bearer {{ health_token }}"
"""

RETURN = r"""
observations:
  description: One observation per URL.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The URL, without user, password and the values of its query.
      type: str
      returned: always
      sample: https://portal.example.org/api/health
    data:
      description: Status and times of each try; the last answer's size, values asked for and components.
      type: dict
      returned: always
      sample: {tries: [{status: 200, dns_seconds: 0.001, first_byte_seconds: 0.02, total_seconds: 0.04}]}
    raw:
      description: The last answer's status, headers without secrets, and what was asked for; its body by O(keep_body).
      type: str
      returned: when there was an answer
    error:
      description: Why the endpoint could not be asked.
      type: str
      returned: when it could not
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web.http_health import (
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
