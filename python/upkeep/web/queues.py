"""Who is served when many ask for what takes long: some at once, some in their turn; the others are sent away."""

from __future__ import annotations

import bisect
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

T = TypeVar("T")
LATELY_SECONDS = 600.0
MOST_ADDRESSES = 10_000


class BusyError(Exception):
    """As many wait already as may, so that one more is not let in."""


@dataclass(order=True)
class _Waiting:
    rank: int
    number: int
    network: str = field(compare=False)
    told: anyio.Event = field(compare=False, default_factory=anyio.Event)
    sent_away: bool = field(compare=False, default=False)


class Queue:
    """Calls `at_once` functions at once, each in a thread, and lets `most` others wait, `each` of one address.

    The lowest rank goes first, and the highest is sent away where too many wait. Whoever has asked often lately ranks
    higher for it, let in or not. All of it happens in one event loop.
    """

    def __init__(self, at_once: int, most: int, each: int) -> None:
        self._free = at_once
        self._most = most
        self._each = each
        self._threads = CapacityLimiter(at_once)
        self._numbers = itertools.count()
        self._waiting: list[_Waiting] = []
        self._asked: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def run(self, call: Callable[[], T], network: str, rank: int = 0) -> T:
        """Return what the function returns.

        rank: how much there is against who asks.

        Raises: BusyError.
        """
        await self._turn(network, rank + self._times_asked(network))
        try:
            return await to_thread.run_sync(call, limiter=self._threads)
        finally:
            self._next()

    async def _turn(self, network: str, rank: int) -> None:
        if self._free:
            self._free -= 1
            return
        if sum(one.network == network for one in self._waiting) >= self._each:
            raise BusyError
        mine = _Waiting(rank, next(self._numbers), network)
        bisect.insort(self._waiting, mine)
        if len(self._waiting) > self._most:
            last = self._waiting.pop()
            last.sent_away = True
            last.told.set()
        try:
            await mine.told.wait()
        except BaseException:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.sent_away:
                self._next()  # it was this one's turn
            raise
        if mine.sent_away:
            raise BusyError

    def _times_asked(self, network: str) -> int:
        """Return how often an address has asked before, lately; count this time."""
        now = time.monotonic()
        times, last = self._asked.pop(network, (0, now))
        if now - last > LATELY_SECONDS:
            times = 0
        self._asked[network] = (times + 1, now)
        if len(self._asked) > MOST_ADDRESSES:
            self._asked.popitem(last=False)
        return times

    def _next(self) -> None:
        if self._waiting:
            self._waiting.pop(0).told.set()
        else:
            self._free += 1
