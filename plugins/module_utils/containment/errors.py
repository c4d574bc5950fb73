# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the isolation of a host raises."""

from __future__ import annotations


class IsolationError(Exception):
    """The host cannot be isolated or released; the text names the thing, what was found and what to do."""
