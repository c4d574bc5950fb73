"""Commands, on sites that Ansible lists once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from listed_once import listed_once


@pytest.fixture(autouse=True, scope="session")
def _listed_once() -> Iterator[None]:
    with listed_once():
        yield
