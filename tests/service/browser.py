"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

MILLISECONDS = PATIENCE_SECONDS * 1000


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Yield the browser; skip without it. What it waits for may take long."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not on PATH")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        # As root, Chromium starts without its sandbox only; what it opens here is ours.
        running = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"], timeout=MILLISECONDS
        )
        running.new_context = _patient(running.new_context)
        running.new_page = _patient(running.new_page)
        yield running
        running.close()


def _patient(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same, for a context or page that does not give up after 30 seconds."""

    def made(**options: Any) -> Any:
        one = make(**options)
        one.set_default_timeout(MILLISECONDS)
        one.set_default_navigation_timeout(MILLISECONDS)
        return one

    return made
