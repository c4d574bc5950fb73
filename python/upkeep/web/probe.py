"""Whether the database can be written, asked of it when somebody wants to know, and never more often than it bears."""

from __future__ import annotations

import time

import anyio
from anyio import CapacityLimiter, to_thread

from upkeep.model import clock
from upkeep.model.errors import StoreError
from upkeep.store import Store
from upkeep.store.engine.probe import prove_writable

EACH_SECONDS = 1.0
WAIT_SECONDS = 15.0
"""A write may wait for another writer; one that waits longer than this is not possible now."""


class Probe:
    """Tries a write for all who ask at the same time. writable: what came of the last one."""

    def __init__(self, store: Store) -> None:
        self.writable = False
        self._store = store
        self._lock = anyio.Lock()
        self._threads = CapacityLimiter(1)
        self._began = 0.0

    async def ask(self) -> None:
        """Let `writable` be what came of a write that began after this was asked for."""
        asked = time.monotonic()
        async with self._lock:
            if self._began >= asked:
                return
            await anyio.sleep(max(0.0, self._began + EACH_SECONDS - time.monotonic()))
            self._began = time.monotonic()
            writable = False
            with anyio.move_on_after(WAIT_SECONDS):
                writable = await to_thread.run_sync(
                    self._write, limiter=self._threads, abandon_on_cancel=True
                )
            self.writable = writable

    def _write(self) -> bool:
        try:
            prove_writable(self._store, clock.now())
        except StoreError:
            return False
        return True
