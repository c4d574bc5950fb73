"""What can go wrong, by who can fix it."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked

INTERRUPTED = 130
"""The exit status of what Ctrl-C or SIGTERM has ended."""


class UpkeepError(Exception):
    """Something that the reader can fix; the text names the thing, what was found and what was expected.

    remedy: what to do next, shown on a line of its own. URLs in both are masked, whatever they quote.
    """

    exit_status = 3

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(masked(message))
        self.remedy = masked(remedy)


class UsageError(UpkeepError):
    """A name or option that does not exist (sysexits.h: EX_USAGE)."""

    exit_status = 64


class ConfigurationError(UpkeepError):
    """A site file that is not valid (sysexits.h: EX_CONFIG)."""

    exit_status = 78


class StoreError(UpkeepError):
    """The database could not be opened, read or written."""


class RunError(UpkeepError):
    """A run ended without having looked at its hosts."""


class PrintError(UpkeepError):
    """Standard output could not be written.

    exit_status: what was found, if it is worse than that nobody could have it.
    """

    def __init__(self, why: OSError, exit_status: int, *, remedy: str) -> None:
        super().__init__(f"what was found could not be printed: {why.strerror}", remedy=remedy)
        self.exit_status = exit_status if exit_status > 1 else UpkeepError.exit_status
