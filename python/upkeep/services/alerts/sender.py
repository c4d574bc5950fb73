"""The sender: what is due in the outbox → channels. At least once, and never stuck behind a channel that hangs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from upkeep.checks.upkeep.channel import ID as CHANNEL
from upkeep.model.remedies import command, first
from upkeep.model.stored_text import name
from upkeep.model.verdicts import Severity
from upkeep.services.alerts import channels
from upkeep.services.alerts.channels import Parcel
from upkeep.site.site import Site
from upkeep.store import Store, outbox, own_troubles
from upkeep.store.outbox import DueMessage

AT_ONCE = 16
AT_ONCE_PER_CHANNEL = 4
CHANNELS_AT_ONCE = 4
LEASE_MARGIN_SECONDS = 30.0
IDLE_SECONDS = 5.0


class Sender:
    """Sends what is due; `upkeep serve` calls its step again and again, and several may run at once.

    seconds: how long a channel may take, if not as long as channels say; environ: where the channels' URLs are.
    """

    name = "sender"

    def __init__(
        self,
        store: Store,
        site: Site,
        environ: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.store = store
        self.environ = environ
        self.seconds = seconds
        self._now, self._began = datetime.min.replace(tzinfo=UTC), 0.0
        self.use(site)

    def use(self, site: Site) -> None:
        """Use this site, or another revision of its schedule, from now on."""
        self.site = site
        self.key = name(site.key)

    def step(self, now: datetime) -> float:
        """Send what is due; return in how many seconds to look again."""
        limit = self.seconds or channels.time_limit(AT_ONCE_PER_CHANNEL)
        self._now, self._began = now, time.monotonic()
        with self.store.begin() as db:
            claimed = outbox.claim(db, self.key, now, limit + LEASE_MARGIN_SECONDS, AT_ONCE)
            dead = {
                one.channel: one.error
                for one in outbox.channels(db, self.key)
                if one.retry_at is not None and now < one.retry_at <= now + outbox.FAR
            }
            rest = [
                one
                for one in claimed
                if one.channel not in dead or not outbox.passed_over(db, one, now)
            ]
            batches: dict[str, list[DueMessage]] = {}
            for one in rest:
                batch = batches.setdefault(one.channel, [])
                if len(batch) < AT_ONCE_PER_CHANNEL:
                    batch.append(one)
                else:
                    outbox.release(db, one)  # its lease would not last until its turn came
        with ThreadPoolExecutor(CHANNELS_AT_ONCE, thread_name_prefix="channel") as pool:
            # Each marks its own as soon as it knows: a channel that hangs keeps no other's marks waiting.
            list(pool.map(lambda batch: self._deliver(*batch), batches.items()))
        return 0.0 if claimed else self._idle(now)

    def _idle(self, now: datetime) -> float:
        with self.store.read() as db:
            following = outbox.next_due(db, self.key)
        if following is None:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max(0.2, (following - now).total_seconds()))

    def _deliver(self, channel: str, batch: list[DueMessage]) -> None:
        """Send a channel's messages in one process, and mark what became of each."""
        self._mark(channel, batch, self._send(channel, batch))

    def _send(self, channel: str, some: list[DueMessage]) -> list[str]:
        known = self.site.schedule.channels.get(channel)
        if known is None:
            return ["the schedule has no such channel any more"] * len(some)
        parcels = [Parcel(one.title, one.body, one.kind, one.severity) for one in some]
        return channels.send(known, parcels, self.environ, seconds=self.seconds)

    def _mark(self, channel: str, some: list[DueMessage], errors: list[str]) -> None:
        """Record what became of the messages: sent, or on to the next channel."""
        # By the time of the step, which stands still while a clock is not believed.
        now = self._now + timedelta(seconds=time.monotonic() - self._began)
        with self.store.begin() as db:
            failing = {one.channel for one in outbox.channels(db, self.key) if one.failing_since}
            for one, error in zip(some, errors, strict=True):
                if error:
                    outbox.failed(db, one, error, now)
                else:
                    outbox.sent(db, one, now)
            wrong = [error for error in errors if error]
            if wrong:
                outbox.channel_failed(db, self.key, channel, wrong[-1], now)
                message = f"cannot send: {wrong[-1]}"
                test = command("alert", "test", channel, site=self.site.name)
                remedy = first(test, "try it again when it is fixed")
                own_troubles.tell(
                    db,
                    self.key,
                    own_troubles.OwnTrouble(CHANNEL, channel),
                    now,
                    Severity.HIGH,
                    message,
                    remedy,
                )
            elif channel in failing:
                own_troubles.tell(db, self.key, own_troubles.OwnTrouble(CHANNEL, channel), now)
