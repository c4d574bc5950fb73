"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
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


PHONE = {"width": 390, "height": 844}
_MEASURED = """() => {
  const box = one => one.getBoundingClientRect();
  const forms = [...document.querySelectorAll("main form")].filter(one => one.checkVisibility());
  return {
    ends: Math.max(...[...document.querySelectorAll("main h1, main .fact > *")].map(one => box(one).bottom)),
    form: Math.min(...forms.map(one => box(one).top), 1e6),
  };
}"""


def first_screen(page: Any) -> str:
    """Return the words of a page's fact, which must end on a phone's first screen and before each form."""
    measured = page.evaluate(_MEASURED)
    assert measured["ends"] <= PHONE["height"], measured
    assert measured["ends"] <= measured["form"], measured
    return " ".join(" ".join(page.locator("main h1, main .fact").all_inner_texts()).split())


def printed(page: Any, folder: Path, paper: str = "A4") -> tuple[str, int]:
    """Return the text of a page as it is printed, and on how many sheets of paper."""
    path = folder / f"{paper}.pdf"
    page.pdf(path=str(path), format=paper)
    said = subprocess.run(["pdftotext", "-layout", str(path), "-"], check=True, capture_output=True)
    text = said.stdout.decode("utf-8")
    return " ".join(text.split()), text.count("\f")
