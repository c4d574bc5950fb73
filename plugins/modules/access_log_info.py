#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe a web server's access logs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_log_info
short_description: Observe the last minutes of web servers' access logs
version_added: 0.1.0
description:
  - Counts the statuses, request times and errors of the last minutes in access logs of nginx, Apache, Caddy, Traefik
    and others, in combined format (with or without virtual host and request time) or as JSON lines.
  - Reads from the end of the log, so that the cost goes with the window and not with the file; goes on in rotated and
    compressed predecessors if the window reaches into them.
  - Never changes the host; check mode makes no difference.
options:
  paths:
    description:
      - The logs; patterns such as C(/srv/*/access.log) are expanded.
      - If empty, the logs in the usual folders of nginx, Apache, Caddy and Traefik below C(/var/log).
    type: list
    elements: str
    default: []
  window_seconds:
    description: How far back to look, in seconds.
    type: int
    default: 300
  time_unit:
    description:
      - Unit of a request time that does not tell it.
      - V(auto) takes a number with a decimal point as seconds (nginx's C($request_time)) and no others. For Apache's
        C(%D) say V(us), for its C(%T) V(s). A unit that a field's name tells counts first.
    type: str
    choices: [auto, s, ms, us, ns]
    default: auto
  time_place:
    description:
      - Which word of a line in combined format is the request time, where more than one number may be it.
      - V(1) is the first word behind the size, V(-1) the last of the line; what stands in quotes is one word.
      - V(0) looks for it; if that finds several, the largest and the least of them are observed.
    type: int
    default: 0
  fields:
    description:
      - For JSON lines, the names of the fields C(time), C(status), C(request), C(method), C(client), C(bytes) and
        C(request_time); a dot leads into an object.
      - What is not named is looked for under the names that nginx's examples, Caddy, Traefik and Envoy use.
      - The name of C(request_time) also counts in combined format, as in C(rt=0.120).
    type: dict
    default: {}
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
  - module: astral.upkeep.auth_log_info
"""

EXAMPLES = r"""
- name: Look at the last five minutes of this host's access logs
  astral.upkeep.access_log_info:

- name: Look at a quarter of an hour of an Apache log that ends in %D
  astral.upkeep.access_log_info:
    paths: [/var/log/apache2/shop_access.log]
    window_seconds: 900
    time_unit: us
"""

RETURN = r"""
observations:
  description: One observation per log.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The log's path.
      type: str
      returned: always
      sample: /var/log/nginx/access.log
    data:
      description: Counts, request times in seconds, routes and clients with most errors, what could not be read.
      type: dict
      returned: always
      sample: {requests: 812, server_errors: 1, request_time: {count: 812, mean: 0.051, p95: 0.2}, truncated: false}
    raw:
      description: The last lines with a server error and the slowest, queries cut out.
      type: str
      returned: when there are any
    error:
      description: Why the log could not be read.
      type: str
      returned: when it could not
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web.access_log import (
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
