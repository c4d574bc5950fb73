"""Whatever happens to a base backup with a manifest: what passes as proved has the content that was backed up."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_backups import THREE, cuts, flips, packed, zeroed

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    NONE,
    Budget,
    Reading,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import reading
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folders import (
    folder_kind,
    read_folder,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

RECORDED = Path(__file__).parents[2] / "recorded" / "backups" / "folders" / "pg15_base"
FILES = sorted(str(path.relative_to(RECORDED)) for path in RECORDED.rglob("*") if path.is_file())
CHANGED_LATER = "postgresql.auto.conf"
"""pg_basebackup may write it after the manifest, and pg_verifybackup leaves it out."""
PLACES = 30
"""Of a file, that are damaged."""


class BareHost(Host):
    """A host without pg_verifybackup, so that each file is compared here."""

    def which(self, program: str) -> str | None:
        return None

    def glob(self, pattern: str, limit: int = 10_000) -> list[str]:
        return []


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDED, tmp_path / "base"))


def read(folder: Path) -> tuple[str, Reading | None]:
    """Return the state, and what was read of a whole one."""
    host = BareHost()
    kind = folder_kind(str(folder), host) or "tree"
    content, found, _cut = reading(
        lambda: read_folder(str(folder), kind, Budget(60, 1 << 30), host)
    )
    return content["state"], found


def why(folder: Path) -> str:
    """Return why it is not whole; empty if it is."""
    host = BareHost()
    kind = folder_kind(str(folder), host) or "tree"
    content, _found, _cut = reading(
        lambda: read_folder(str(folder), kind, Budget(60, 1 << 30), host)
    )
    return str(content.get("why") or "")


def damages(data: bytes, seed: str) -> Iterator[tuple[str, bytes]]:
    """Give what may happen to a file: some bits, some ends, each block of zeros."""
    every = max(1, len(data) // PLACES)
    yield from flips(data, every, seed=random.Random(seed).randrange(1000))
    yield from cuts(data, every * 3)
    yield from zeroed(data)
    yield "one byte more", data + b"\0"
    yield "a block more", data + bytes(8192)


def test_the_recorded_one_is_proved(base: Path) -> None:
    state, found = read(base)

    assert found is not None
    assert (state, found.proof, found.members) == ("whole", "part", 10)
    assert found.unproved.startswith("the write-ahead log of timeline 1 from 0/700028 to")


@pytest.mark.parametrize("name", FILES)
def test_no_damaged_file_passes_as_proved(name: str, base: Path) -> None:
    path = base / name
    kept = path.read_bytes()
    for what, data in damages(kept, name):
        if data == kept:
            continue
        path.write_bytes(data)
        state, found = read(base)
        if name == CHANGED_LATER and found is not None:
            assert CHANGED_LATER in found.unproved, what
        else:
            assert state in ("broken", "unread"), what
            assert found is None, what


@pytest.mark.parametrize("name", FILES)
def test_no_removed_file_passes_as_proved(name: str, base: Path) -> None:
    (base / name).unlink()

    state, found = read(base)

    if name in ("backup_manifest", CHANGED_LATER):
        assert found is not None
        assert found.proof == NONE or CHANGED_LATER in found.unproved
    else:
        assert (state, found) == ("broken", None)


@pytest.mark.parametrize("left", ["pg_wal.tar", "16385.tar.gz"])
def test_a_base_backup_in_tars_that_lost_the_main_one_is_no_tree(left: str, tmp_path: Path) -> None:
    shutil.copy(RECORDED / "backup_manifest", tmp_path)
    (tmp_path / left).write_bytes(packed("gz", THREE) if left.endswith(".gz") else THREE)

    assert read(tmp_path) == ("broken", None)


@pytest.mark.parametrize("left", [1, 3, 7])
def test_a_base_backup_that_pg_basebackup_did_not_finish_is_no_tree(
    left: int, base: Path, tmp_path: Path
) -> None:
    order = sorted(FILES, key=lambda name: (name != "backup_label", name == "global/pg_control"))
    order.remove("backup_manifest")
    for name in order[:left]:
        (tmp_path / "cut" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(base / name, tmp_path / "cut" / name)

    assert read(tmp_path / "cut") == ("broken", None)


@pytest.mark.parametrize(
    "gone", ["base", "global", "PG_VERSION", "PG_VERSION backup_label", "global/pg_control"]
)
def test_a_base_backup_without_a_manifest_that_lost_what_each_has_is_broken(
    gone: str, base: Path
) -> None:
    (base / "backup_manifest").unlink()
    (base / "pg_wal").mkdir()
    assert read(base)[0] == "whole"
    for name in gone.split():
        shutil.rmtree(base / name) if (base / name).is_dir() else (base / name).unlink()

    assert read(base) == ("broken", None)


@pytest.mark.parametrize("lost", ["", "backup_label"])
def test_a_manifest_that_is_no_file_is_not_no_manifest(lost: str, base: Path) -> None:
    (base / "backup_manifest").unlink()
    os.mkfifo(base / "backup_manifest")
    (base / lost).unlink() if lost else None

    assert read(base) == ("unread", None)


HEAD = struct.pack("=HHIQI4xQII", 0xD110, 2, 1, 0, 0, 7, 16 << 20, 8192)


@pytest.mark.parametrize(
    ("cut", "head", "said"),
    [
        (1 << 20, HEAD, "1048576 bytes instead of 16777216"),
        (16 << 20, HEAD, ""),
        (7, HEAD[:7], "pg_wal/00000001"),
        (1 << 20, bytes(40), "pg_wal/00000001"),
    ],
    ids=["all cut", "whole", "too short to say it", "no head"],
)
def test_a_log_of_which_all_files_are_cut_is_named_with_its_true_size(
    cut: int, head: bytes, said: str, base: Path
) -> None:
    (wal,) = json.loads((base / "backup_manifest").read_text())["WAL-Ranges"]
    high, low = (int(one, 16) for one in wal["Start-LSN"].split("/"))
    name = f"{wal['Timeline']:08X}{high:08X}{low >> 24:08X}"
    (base / "pg_wal").mkdir(exist_ok=True)
    (base / "pg_wal" / name).write_bytes(head + bytes(cut - len(head)))

    assert said in why(base)
    assert bool(said) == bool(why(base))


def test_a_lone_tar_of_a_base_backup_is_read_to_its_end(tmp_path: Path) -> None:
    whole = packed("gz", THREE)
    states = []
    for data in (whole, whole[:-900]):
        (tmp_path / "base.tar.gz").write_bytes(data)
        states.append(read(tmp_path)[0])

    assert states == ["whole", "broken"]


def as_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def as_link(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/etc/hostname")


ADDED = ["notes", "base/1/113", "base/1/1417.1", "global/config_exec_params", "pg_tblspc/1/PG_15/1"]


@pytest.mark.parametrize("made", [as_file, as_link])
@pytest.mark.parametrize("name", ADDED)
def test_no_added_file_passes_as_proved_without_a_word(
    name: str, made: Callable[[Path], None], base: Path
) -> None:
    made(base / name)

    state, found = read(base)

    assert state == "broken" or (found is not None and "links" in found.unproved)
    assert state == "broken" or made is as_link


@pytest.mark.parametrize("name", [one for one in FILES if one != "backup_manifest"])
def test_no_file_that_became_a_link_to_its_content_is_read_through_it(
    name: str, base: Path, tmp_path: Path
) -> None:
    (base / name).rename(tmp_path / "moved")
    (base / name).symlink_to(tmp_path / "moved")

    state, found = read(base)

    assert state != "whole" or (found is not None and "links" in found.unproved)


def test_two_files_with_their_contents_exchanged_are_seen(base: Path) -> None:
    one, two = base / "global/1262", base / "base/1/112"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)

    assert read(base) == ("broken", None)


def test_the_same_bytes_written_anew_pass(base: Path) -> None:
    for name in FILES:
        data = (base / name).read_bytes()
        (base / name).unlink()
        (base / name).write_bytes(data)

    assert read(base)[0] == "whole"
