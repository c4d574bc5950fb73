from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import sqlite3
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import backups
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._archives import (
    escapes,
    listed_hash,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

NOISE = os.urandom(50_000)
DUMP = (
    b"-- PostgreSQL database dump\n"
    + NOISE.hex().encode()
    + b"\n-- PostgreSQL database dump complete\n"
)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "GROWTH_SECONDS", 0)


def see(paths: list[str], **params: Any) -> Observation:
    wanted = {"name": "shop", "paths": paths}
    arguments = {"sets": [wanted | params.pop("set", {})], **params}
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(arguments)
    assert not valid.error_messages
    (seen,) = backups.gather(valid.validated_parameters, Host())
    return seen


def tar_of(name: str = "a/b.txt") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(NOISE)
        archive.addfile(member, io.BytesIO(NOISE))
    return stream.getvalue()


def zip_of() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", NOISE)
    return stream.getvalue()


WHOLE = {
    "a.tar": tar_of(),
    "a.tar.gz": gzip.compress(tar_of()),
    "a.tgz": gzip.compress(tar_of()),
    "a.tar.bz2": bz2.compress(tar_of()),
    "a.tar.xz": lzma.compress(tar_of()),
    "a.gz": gzip.compress(NOISE),
    "a.bz2": bz2.compress(NOISE),
    "a.xz": lzma.compress(NOISE),
    "a.zip": zip_of(),
    "a.sql": DUMP,
    "a.sql.gz": gzip.compress(DUMP),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_read_to_its_end(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WHOLE[name])

    assert see([f"{tmp_path}/*"]).data["content"]["state"] == "complete"


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("cut", [1 / 2, 0.8, 0], ids=["half", "end", "empty"])
def test_a_file_that_was_cut_off_is_broken(name: str, cut: float, tmp_path: Path) -> None:
    whole = WHOLE[name]
    (tmp_path / name).write_bytes(whole[: int(len(whole) * cut)])

    assert see([f"{tmp_path}/*"]).data["content"]["state"] == "broken"


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.endswith((".tar", ".sql"))])
def test_a_flipped_bit_in_the_middle_is_found(name: str, tmp_path: Path) -> None:
    data = bytearray(WHOLE[name])
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)

    assert see([f"{tmp_path}/*"]).data["content"]["state"] == "broken"


def test_a_file_that_is_not_what_its_name_says_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"<html>no space left</html>")

    content = see([f"{tmp_path}/*"]).data["content"]

    assert (content["state"], content["why"]) == ("broken", "does not begin as gz")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("../../etc/passwd", True),
        ("/etc/passwd", True),
        ("a/../../b", True),
        ("..\\b", True),
        ("C:\\b", True),
        ("a/..b", False),
        ("./a", False),
    ],
)
def test_members_that_would_be_written_elsewhere_are_named_and_never_unpacked(
    name: str, bad: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of(name))

    assert escapes(name) is bad
    assert see([f"{tmp_path}/*"]).data["content"]["hostile"] == ([name] if bad else [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_no_time_and_too_many_bytes_are_partial(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\0" * 10_000_000))

    assert see([f"{tmp_path}/*"], read_bytes=1_000_000).data["content"]["state"] == "partial"
    assert see([f"{tmp_path}/*"], read_seconds=0).data["content"]["state"] == "partial"


def test_sqlite_is_asked_itself(tmp_path: Path) -> None:
    path = tmp_path / "a b?.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("create table t (x)")
        database.executemany("insert into t values (?)", [(os.urandom(500),) for _ in range(500)])
    database.close()
    assert see([f"{tmp_path}/*.sqlite"]).data["content"]["state"] == "complete"
    whole = path.read_bytes()

    path.write_bytes(whole[: len(whole) // 2])

    assert see([f"{tmp_path}/*.sqlite"]).data["content"]["state"] == "broken"


def test_an_encrypted_file_is_looked_at_no_further_than_its_head(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.gpg").write_bytes(b"\x85\x02" + NOISE)

    assert see([f"{tmp_path}/*"]).data["content"]["state"] == "header"


def test_a_touched_old_file_does_not_look_fresh(tmp_path: Path) -> None:
    (tmp_path / "shop-2026-01-05.gz").write_bytes(gzip.compress(b"old"))
    real = tmp_path / "shop-2026-01-20_0315.gz"
    real.write_bytes(gzip.compress(b"new"))

    newest = see([f"{tmp_path}/*"]).data["newest"]

    assert newest["path"] == str(real)
    assert newest["taken_at"] == newest["named_at"]


def test_links_unfinished_files_and_checksums_are_no_backups(tmp_path: Path) -> None:
    outside = tmp_path / "outside.gz"
    outside.write_bytes(gzip.compress(b"x"))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "latest.gz").symlink_to(outside)
    (folder / "a.gz.part").write_bytes(b"x")
    (folder / "SHA256SUMS").write_text("x")

    data = see([f"{folder}/*"]).data

    assert (data["count"], data["newest"]) == (0, None)
    assert data["links"] == [str(folder / "latest.gz")]
    assert data["unfinished"] == [str(folder / "a.gz.part")]


def test_a_folder_that_is_not_there_is_absence_and_not_an_error(tmp_path: Path) -> None:
    seen = see([f"{tmp_path}/none/*.gz"])

    assert (seen.error, seen.data["count"]) == ("", 0)


def test_a_file_dated_in_the_future_is_flagged(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"x"))
    os.utime(path, (time.time() + 86400,) * 2)

    assert see([f"{tmp_path}/*"]).data["newest"]["in_future"] is True


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("{good}  a.gz\n", "match"),
        ("{good} *./a.gz\n", "match"),
        ("SHA256 (a.gz) = {good}\n", "match"),
        ("{bad}  a.gz\n", "mismatch"),
        ("{good}  b.gz\n", "not listed"),
        ("", "not listed"),
    ],
)
def test_the_checksum_beside_it(text: str, state: str, tmp_path: Path) -> None:
    data = gzip.compress(b"x")
    (tmp_path / "a.gz").write_bytes(data)
    good = hashlib.sha256(data).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(text.format(good=good, bad="0" * 64))

    assert see([f"{tmp_path}/*"]).data["manifest"]["state"] == state


def test_a_lone_checksum_counts_only_in_the_files_own() -> None:
    assert listed_hash("a" * 64, "a.gz", bare=True) == "a" * 64
    assert listed_hash("a" * 64, "a.gz", bare=False) is None


def test_nothing_declared_is_nothing_seen() -> None:
    valid = ArgumentSpecValidator(backups.ARGUMENTS).validate({})

    assert backups.gather(valid.validated_parameters, Host()) == []


def test_a_file_that_still_grows_is_not_one_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, growing = tmp_path / "a-1.gz", tmp_path / "a-2.gz"
    for path in (done, growing):
        path.write_bytes(gzip.compress(b"x"))
    os.utime(done, (time.time() - 3600,) * 2)

    def grow(seconds: float) -> None:
        growing.write_bytes(growing.read_bytes() + b"more")

    monkeypatch.setattr(time, "sleep", grow)
    data = see([f"{tmp_path}/*"]).data

    assert data["newest"]["path"] == str(done)
    assert data["growing"] == [str(growing)]
