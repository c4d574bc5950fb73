"""A file that is longer than the limit is not read by half."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    READ_LIMIT_BYTES,
    Host,
    HostError,
)


@pytest.mark.parametrize("size", [0, 1, 9, 10])
def test_a_file_up_to_the_limit_is_read_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "some"
    path.write_bytes(b"x" * size)

    assert Host().read_bytes(str(path), 10) == b"x" * size
    assert Host().read(str(path), 10) == "x" * size


@pytest.mark.parametrize(("size", "limit"), [(11, 10), (READ_LIMIT_BYTES + 1, READ_LIMIT_BYTES)])
def test_a_longer_one_is_an_error(tmp_path: Path, size: int, limit: int) -> None:
    path = tmp_path / "some"
    path.write_bytes(b"x" * size)

    with pytest.raises(HostError, match=f"some: more than {limit} bytes"):
        Host().read(str(path), limit)


@pytest.mark.parametrize(("size", "expected"), [(3, 3), (10, 10), (11, 10)])
def test_the_start_of_a_file_may_be_asked_for(tmp_path: Path, size: int, expected: int) -> None:
    path = tmp_path / "some"
    path.write_bytes(b"x" * size)

    assert Host().read_head(str(path), 10) == b"x" * expected
