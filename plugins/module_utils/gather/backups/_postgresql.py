# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in until the reader is there."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    Counted,
    Reading,
)


def read_custom(stream: Counted, found: Reading) -> None:
    stream.drain()
