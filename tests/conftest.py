"""What holds for all tests."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import left_behind
import oldest
import pytest
import shared
import skips
import warm
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parent

# Ansible's programs are those beside the Python that runs the tests.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# Programs that tests start import what tests import, wherever the tests were started from.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(
        None,
        [
            str(TESTS),
            str(TESTS / "helpers"),
            str(TESTS.parent / "python"),
            os.environ.get("PYTHONPATH"),
        ],
    )
)


# An example that takes long is no failure: the machine may be busy.
settings.register_profile(
    "patient", deadline=None, max_examples=oldest.examples(settings().max_examples)
)
settings.load_profile("patient")


# Their tests wait more than they compute, and share nothing: each goes to whichever process is free.
APART = (
    "test_children.py",
    "test_serve.py",
    "test_backup_programs.py",
    "test_foreign_input.py",
    "test_walks.py",
)


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests go to one process, for they share what is made for their module; but for those that stand apart."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return nodeid if path.endswith(APART) else path


@pytest.hookimpl(optionalhook=True)  # `make mutate` does without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests out as above where they are shared out by files."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Let one worker load the tests first: the others find them compiled.

    What is loaded stays to the end: to look through it for garbage again and again is a fifth of the loading, and
    something of each test.
    """
    gc.disable()
    with contextlib.ExitStack() as first:
        if hasattr(session.config, "workerinput"):
            done = first.enter_context(shared.alone("collected"))
            if done.exists():
                first.close()
            done.touch()
        found = yield
    gc.freeze()
    gc.enable()
    return found


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not load what `make oldest` would leave out."""
    path = collection_path.relative_to(TESTS.parent).as_posix()
    return True if "oldest" in config.getoption("markexpr") and oldest.ignores(path) else None


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
    items.sort(key=lambda one: (one.get_closest_marker("long") is None, one.path.name not in APART))
