#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe a feed: a file or a URL that others write."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feeds_info
short_description: Observe a feed, a file or a URL that others write
version_added: 0.1.0
description:
  - Reads a file or asks for a URL, and tells its size, its time and its SHA-256. What is in it is not kept.
  - Follows no redirect, and asks no link-local address, no cloud's metadata and no loopback address. See O(local).
  - Asked by M(astral.upkeep.observe), it is asked of the controller alone. See O(source).
  - Never changes anything; check mode makes no difference.
options:
  source:
    description:
      - By which name the feed is known, C(feed/<name>), C(build/<name>) or C(site/<name>). It takes the host's place in
        results and findings.
    type: str
    required: true
  place:
    description: A URL of http or https, or a file. A relative path begins in O(folder).
    type: str
    required: true
  folder:
    description: Where relative paths begin. M(astral.upkeep.observe) takes the site's folder, if not given.
    type: str
    default: ''
  ca_file:
    description: The authorities that are trusted; those of the system, if not given.
    type: path
    default: ''
  local:
    description: The URL may lead to this machine itself.
    type: bool
    default: false
  timeout_seconds:
    description: How long the URL may take.
    type: float
    default: 20.0
  limit_bytes:
    description: A feed of more bytes is not read.
    type: int
    default: 50000000
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See how old the report of the newest build is
  astral.upkeep.feeds_info:
    source: build/portal
    place: https://ci.example.org/portal/report.json
"""

RETURN = r"""
observations:
  description: One, of the feed.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The path as it was given, or the URL without secrets.
      type: str
      returned: always
      sample: https://ci.example.org/portal/report.json
    data:
      description: Whether the feed is there, its size, time and SHA-256. A server may tell no time.
      type: dict
      returned: always
      sample: {there: true, bytes: 120, modified_at: '2026-11-01T04:00:00+00:00'}
    raw:
      description: The same in a line.
      type: str
      returned: when something was seen
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.feeds.feeds import (
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
