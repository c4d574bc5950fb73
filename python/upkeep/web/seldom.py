"""A log that nobody outside can fill: what is alike is written once a minute, with how often it was."""

from __future__ import annotations

import logging
import threading
import time

EACH_SECONDS = 60.0
MOST_KINDS = 1000
LOGGERS = ("uvicorn.error", "uvicorn.asgi", "upkeep.web.app", "upkeep.web.connections")


class Seldom(logging.Filter):
    """Lets a message through once in a while; the next one says how many like it were not written.

    Alike are messages of one text before anything is put into it, and of one kind of exception.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._kinds: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        kind = (record.name, record.msg, record.exc_info and record.exc_info[0])
        now = time.monotonic()
        with self._lock:
            written, missed = self._kinds.get(kind, (-EACH_SECONDS, 0))
            if now - written < EACH_SECONDS:
                self._kinds[kind] = (written, missed + 1)
                return False
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            self._kinds[kind] = (now, 0)
        if missed:
            record.msg = f"{record.getMessage().rstrip()} (and {missed} more like it before)"
            record.args = ()
        return True


def write_seldom() -> None:
    """Limit how often the page and its server write the same line to the log."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for one in [one for one in logger.filters if isinstance(one, Seldom)]:
            logger.removeFilter(one)
        logger.addFilter(Seldom())
