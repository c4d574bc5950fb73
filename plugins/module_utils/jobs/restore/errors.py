# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a verification of a backup ended otherwise than well."""

from __future__ import annotations


class RestoreError(Exception):
    """A verification that ended. why: the thing, what was found, what was expected. next_step: what to do about it.

    step: where it ended, if not at the step that is going on.
    """

    outcome = "unknown"

    def __init__(self, why: str, next_step: str = "", step: str = "") -> None:
        super().__init__(why)
        self.next_step, self.step = next_step, step


class BadBackupError(RestoreError):
    """The backup itself is bad: it cannot be restored, or holds other things than it should."""

    outcome = "failed"


class NotTriedError(RestoreError):
    """It could not be tried or judged: locked, no space, no permission, no program, a version that is not here."""


class CancelledError(NotTriedError):
    """Whoever asked for it is gone, or its time is over."""
