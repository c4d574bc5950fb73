"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).parent

# Programs that tests start import what tests import, wherever the tests were started from.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(TESTS), str(TESTS.parent / "python"), os.environ.get("PYTHONPATH")])
)
