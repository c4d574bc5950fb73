from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.registers.registers import (
    TEXT_LIMIT_BYTES,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation


class HostAt(Host):
    def now(self) -> float:
        return 1_800_000_000.0


def look(folder: Path | str, path: str = "people.yml", accepted: str = "") -> Observation:
    params = {"source": "register/people", "path": path, "accepted": accepted}
    (seen,) = gather({**params, "folder": str(folder)}, HostAt())
    return seen


def test_the_text_of_the_register_is_evidence_and_that_of_the_accepted_copy_is_beside_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "people.yml").write_bytes(b"- anna\n- \xff\n")
    (tmp_path / "people.yml.accepted").write_text("- anna\n")
    os.utime(tmp_path / "people.yml", (0, 86_400))
    os.utime(tmp_path / "people.yml.accepted", (0, 0))

    seen = look(tmp_path)

    def of(path: str, data: bytes, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        known = {"path": str(tmp_path / path), "there": True, "bytes": len(data), "sha256": digest}
        return {**known, **more}

    assert seen.raw == "- anna\n- \udcff\n"
    assert seen.data == of(
        "people.yml",
        b"- anna\n- \xff\n",
        modified_at="1970-01-02T00:00:00+00:00",
        at="2027-01-15T08:00:00+00:00",
        accepted=of(
            "people.yml.accepted",
            b"- anna\n",
            modified_at="1970-01-01T00:00:00+00:00",
            text="- anna\n",
        ),
    )
    assert (seen.subject, seen.error) == ("people.yml", "")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    seen = look(tmp_path, accepted="/elsewhere/people.yml")

    assert seen.error == ""
    assert seen.raw == ""
    assert seen.data["there"] is False
    assert seen.data["accepted"] == {"path": "/elsewhere/people.yml", "there": False}


@pytest.mark.parametrize(
    ("folder", "path", "why"),
    [
        ("", "people.yml", "'people.yml': a relative path, without a folder to start from"),
        ("here", "people.yml", "'people.yml': a relative path, without a folder to start from"),
        ("/", "", "'': a relative path, without a folder to start from"),
        ("/", "etc", "/etc: not a regular file"),
        ("/", "dev/zero", "/dev/zero: not a regular file"),
    ],
)
def test_what_cannot_be_read_is_an_error(folder: str, path: str, why: str) -> None:
    assert look(folder, path).error == why


def test_a_register_that_is_too_large_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "people.yml").write_bytes(b"x" * (TEXT_LIMIT_BYTES + 1))

    assert look(tmp_path).error == f"{tmp_path}/people.yml: more than {TEXT_LIMIT_BYTES} bytes"
