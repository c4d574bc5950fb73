"""A repository that is held is waited for, for so long as the set says; what was left behind is told and stays."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import repository
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.repository import (
    LockHolder,
    wait_until_free,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

LIVING = LockHolder("web", 4711, 1_795_662_900.0, gone=False)
GONE = LockHolder("web", 4712, 1_795_662_900.0, gone=True)


class Waiting:
    """A verification as far as a lock is waited for. Its clock goes on only while it sleeps."""

    def __init__(self, patch: pytest.MonkeyPatch, lock_minutes: float) -> None:
        self.now, self.notes, self.looks = 0.0, cast("list[str]", []), 0
        self.verify = {"lock_minutes": lock_minutes}
        self.sandbox = SimpleNamespace(look=self._look)
        clock = SimpleNamespace(
            monotonic=lambda: self.now,
            sleep=self._sleep,
            strftime=time.strftime,
            gmtime=time.gmtime,
        )
        patch.setattr(repository, "time", clock)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _look(self) -> None:
        self.looks += 1

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, *seen: list[LockHolder]) -> None:
        """Wait with these holders, one list for each look; the last one for all that follow."""
        left = list(seen)
        task: Any = self
        wait_until_free(
            cast(Verification, task),
            lambda: left.pop(0) if len(left) > 1 else left[0],
            "restic unlock",
        )


def test_a_lock_is_waited_for_until_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(monkeypatch, 1)

    waiting.wait([LIVING], [LIVING], [])

    assert (waiting.now, waiting.looks, waiting.notes) == (4.0, 2, [])


def test_a_lock_that_is_held_longer_than_the_set_allows_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = Waiting(monkeypatch, 1)
    words = r"held by process 4711 on web, since 2026-11-26 03:15 UTC; it was waited for 1 min"

    with pytest.raises(NotTriedError, match=words):
        waiting.wait([GONE, LIVING])

    assert waiting.now == 60.0


def test_a_lock_that_was_left_behind_is_told_with_what_removes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = Waiting(monkeypatch, 1)

    waiting.wait([GONE])

    assert waiting.now == 0.0
    assert waiting.notes == [
        "a lock was left behind by process 4712 on web, since 2026-11-26 03:15 UTC, which is gone; "
        "remove it: restic unlock"
    ]
