#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; there is no code for hosts here."""

from __future__ import annotations

DOCUMENTATION = r"""
module: observe
short_description: Observe a host in one round trip, and judge what is seen
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
requirements:
  - The Python package C(upkeep) beside ansible-core on the controller. Hosts need none.
description:
  - Sends one self-contained program with all gathers that are due, runs it once, and judges what comes back with the
    checks of the Python package C(upkeep), which must be installed beside ansible-core.
  - What is due on a host stands in its variables C(upkeep_checks_<name>), each a list of check ids, or of mappings with
    C(check), the gather's parameters and the check's limits. The lists of all groups are put together in the order of
    their names.
  - An entry with C(checks) instead of C(check) names a family, a pattern or a list of checks. A family means the checks
    that it had in the release that the variable C(upkeep_family_version) says, 0.1.0 if it is not there.
  - A host needs Python 3.8 or later and nothing else. It is never changed; check mode observes too.
  - A failing check does not fail the task. See O(fail_on).
  - A host that cannot be reached, or does not answer in time, is unreachable, with one verdict C(unknown) for each
    check that is due.
options:
  procedure:
    description: For which procedure of the schedule this is done; shown, and kept with the results.
    type: str
    default: ''
  checks:
    description:
      - Ids of the checks that are due now. Others that the host's groups ask for are left out.
      - All that the groups ask for, if not given.
    type: list
    elements: str
  entries:
    description: What to check, in the form of C(upkeep_checks_<name>), instead of those variables.
    type: list
    elements: raw
  timeout_seconds:
    description:
      - How long the gathers may take on the host, all together. The controller gives up 15 seconds later.
      - The variable C(upkeep_host_timeout_seconds), or 120, if not given.
    type: int
  fail_on:
    description: Fail the task if a check fails with this severity or a worse one.
    type: str
    choices: [critical, high, medium, low, info]
attributes:
  check_mode:
    description: Observes as always; it changes nothing.
    support: full
  diff_mode:
    description: There is no change to show.
    support: none
seealso:
  - name: The checks
    description: C(upkeep check list) lists them with their limits and sources.
    link: https://github.com/astral-core/upkeep
"""

EXAMPLES = r"""
- name: Look at every host
  hosts: all
  gather_facts: false
  tasks:
    - name: Observe what the groups ask for
      astral.upkeep.observe:

    - name: Stop a deployment if a certificate is about to expire
      astral.upkeep.observe:
        entries:
          - check: certificate_expiry
            endpoints: ["www.example.org:443"]
            renew_days: 14
        fail_on: high
"""

RETURN = r"""
upkeep:
  description: What the host gave, in the shape of version 1.
  returned: always
  type: dict
  contains:
    version:
      description: Of this shape.
      type: int
    outcome:
      description: One of ok, unreachable, timed_out, failed, skipped; says nothing about verdicts.
      type: str
    results:
      description: A verdict for each check and subject, with status, severity, message, remedy and measures.
      type: list
      elements: dict
    seen:
      description: The observations that were judged, with the text behind them.
      type: list
      elements: dict
"""
