"""Connections that take their time: the head of a request has some seconds, and of too many the slow ones give way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

LOG = logging.getLogger(__name__)
HEAD_SECONDS = 20.0
MOST = 200


class Connection(H11Protocol):
    """A connection of the page. A request that has arrived is not disturbed; its body is timed where it is read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.since = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_slow(self) -> bool:
        """Whether the client has not sent a whole request, or has none."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with the head of the first request to come; make room if there is none."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > MOST:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for_head()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_is_here()

    def _wait_for_head(self) -> None:
        self.since = time.monotonic()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _head_is_here(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.abort()

    def _make_room(self) -> None:
        """Close the slow connection that is oldest, of the address that has most of them."""
        slow = [one for one in self.connections if isinstance(one, Connection) and one.is_slow]
        of = Counter(one.client[0] if one.client else "" for one in slow if one is not self)
        if not of:
            return
        address = of.most_common(1)[0][0]
        those = (one for one in slow if one is not self and (one.client or ("",))[0] == address)
        oldest = min(those, key=lambda one: one.since)
        LOG.warning("more than %s connections are open; slow ones are closed", MOST)
        self.connections.discard(oldest)
        oldest.transport.abort()
