"""What holds for all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import left_behind
import oldest
import pytest
import shared
import skips
import warm
from hypothesis import settings

TESTS = Path(__file__).parent

# Ansible's programs are those beside the Python that runs the tests.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# Programs that tests start import what tests import, wherever the tests were started from.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(TESTS), str(TESTS.parent / "python"), os.environ.get("PYTHONPATH")])
)


# An example that takes long is no failure: the machine may be busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    left_behind.guard()
    shared.begin()
    skips.watch(config)


def pytest_unconfigure() -> None:
    warm.end()
    left_behind.relieve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on the oldest Python; let the longest begin first, so that no worker waits for one in the end."""
    for one in items:
        if oldest.runs(one.nodeid):
            one.add_marker(pytest.mark.oldest)
    items.sort(key=lambda one: one.get_closest_marker("long") is None)
