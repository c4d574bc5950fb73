# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the job, or one database of it, did nothing."""

from __future__ import annotations


class OptimizeError(Exception):
    """Nothing is done of a database, or at all; the text names the thing, what was found and what was expected."""


class StandbyError(OptimizeError):
    """The database is a copy of another one: it is skipped, and that is as it should be."""


class OptimizeCancelledError(OptimizeError):
    """Whoever asked for the job has ended it."""
