from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import Budget
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import (
    due_in,
    read_file,
    reading,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._volumes import (
    MISSING_LIMIT,
    VolumeSet,
    grouped,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host


def named(stem: str, *ends: str) -> list[str]:
    return [f"/b/{stem}{end}" for end in ends]


@pytest.mark.parametrize(
    ("paths", "name", "missing"),
    [
        (named("s-20261125.tar.gz", ".aa", ".ab", ".ac"), "/b/s-20261125.tar.gz", []),
        (named("s.tar.gz", "aa", "ab"), "/b/s.tar.gz", []),
        (named("s.tar.gz", "-aa", "-ab"), "/b/s.tar.gz", []),
        (named("s.tar.gz", "_aa", "_ab"), "/b/s.tar.gz", []),
        (named("s", ".aa", ".ab"), "/b/s", []),
        (named("s.tar.gz", ".aaa", ".aab"), "/b/s.tar.gz", []),
        (named("s.tar.gz", ".part-aa", ".part-ab"), "/b/s.tar.gz", []),
        (named("s.tar.gz", ".partaa", ".partab"), "/b/s.tar.gz", []),
        (named("s.tar.gz", "-part-aa", "-part-ab"), "/b/s.tar.gz", []),
        (named("s.tar.gz", ".00", ".01"), "/b/s.tar.gz", []),
        (named("s.tar.gz", ".000", ".001"), "/b/s.tar.gz", []),
        (named("s.tar.gz", "00", "01"), "/b/s.tar.gz", []),
        (named("s.tar.bz2", "00", "01"), "/b/s.tar.bz2", []),
        (named("s.7z", ".001", ".002"), "/b/s.7z", []),
        (named("s-20261125", ".001", ".002"), "/b/s-20261125", []),
        (named("s.tar", *(f".{one:02}" for one in range(1, 13))), "/b/s.tar", []),
        (named("s.zip", ".part1", ".part2"), "/b/s.zip", []),
        (named("s.zip", *(f".part{one}" for one in range(1, 13))), "/b/s.zip", []),
        (named("s.zip", *(f".part{one:02}" for one in range(1, 13))), "/b/s.zip", []),
        (named("s", ".part1", ".part2"), "/b/s", []),
        (named("s", ".part1.rar", ".part2.rar"), "/b/s.rar", []),
        (named("s", ".z01", ".z02", ".zip"), "/b/s.zip", []),
        (named("s", ".rar", ".r00", ".r01"), "/b/s.rar", []),
        (named("s.gz", ".1of3", ".2of3", ".3of3"), "/b/s.gz", []),
        (named("s", "_1_of_2", "_2_of_2"), "/b/s", []),
        # One that is alone, behind an ending of an archive.
        (named("s.tar.gz", ".aa"), "/b/s.tar.gz", []),
        (named("s.7z", ".001"), "/b/s.7z", []),
        (named("s.sql", ".part1"), "/b/s.sql", []),
        (named("s", ".partaa"), "/b/s", []),
        # Some are missing: before, between, or where the name says how many there are.
        (named("s.tar.gz", ".aa", ".ad"), "/b/s.tar.gz", ["s.tar.gz.ab", "s.tar.gz.ac"]),
        (named("s.tar.gz", ".ab"), "/b/s.tar.gz", ["s.tar.gz.aa"]),
        (named("s", ".aa", ".ac"), "/b/s", ["s.ab"]),
        (named("s.tar.gz", ".00", ".02"), "/b/s.tar.gz", ["s.tar.gz.01"]),
        (named("s.7z", ".003", ".004"), "/b/s.7z", ["s.7z.001", "s.7z.002"]),
        (named("s.zip", ".part01", ".part03"), "/b/s.zip", ["s.zip.part02"]),
        (named("s", ".part1.rar", ".part3.rar"), "/b/s.rar", ["s.part2.rar"]),
        (named("s", ".z02", ".zip"), "/b/s.zip", ["s.z01"]),
        (named("s", ".z01", ".z02"), "/b/s.zip", ["s.zip"]),
        (named("s", ".r00", ".r02"), "/b/s.rar", ["s.r01", "s.rar"]),
        (named("s.gz", ".2of3"), "/b/s.gz", ["s.gz.1of3", "s.gz.3of3"]),
    ],
)
def test_volumes_are_one_backup_in_their_order(
    paths: list[str], name: str, missing: list[str]
) -> None:
    assert grouped(paths[::-1]) == [VolumeSet(name, paths, missing)]


@pytest.mark.parametrize(
    "paths",
    [
        named("dump.sql.gz", "", ".1", ".2", ".3"),
        named("dump.sql.gz", *(f".{one}" for one in range(1, 13))),
        named("dump.sql", ".1.gz", ".2.gz"),
        named("shop", ".0", ".1", ".2"),
        named("dump.sql.gz", ".10", ".11"),
        named("dump.sql.gz", "-20261124", "-20261125"),
        named("dump.sql.gz", ".20261124", ".20261125"),
        named("shop.2026.11", ".01", ".02"),
        named("shop-202611", ".01", ".02"),
        named("shop-2026-11", "-01", "-02"),
        named("shop-2026-11-25_02", ".00", ".15", ".30"),
        named("shop-20261125", ".00", ".06", ".12"),
        named("shop-20261125", ".00", ".01"),
        named("shop", ".0124", ".0125"),
        named("shop", ".db", ".io", ".ab"),
        named("shop.tar", ".gz", ".xz"),
        named("shop.sql.gz", "", ".asc", ".md5", ".age", ".gpg"),
        named("shop", ".ab"),
        named("shop", ".001"),
        named("shop", ".005", ".007"),
        named("shop", ".aa", ".db"),
        named("shop", "-part1"),
        named("shop.sql", ".part"),
        named("shop", ".partial", ".party"),
        named("shop", ".zip", ".rar", ".7z"),
        named("shop", ".z05"),
        named("shop", ".t12"),
        named("shop", ".5of3"),
        named("shop", ".AA", ".AB"),
        ["/b/x.tar.gz", "/c/x.tar.gz"],
        # Db2's number of a path, duplicity's volumes (each is an archive), and WAL.
        [f"/b/SHOP.0.db2inst1.DBPART000.202611{day}021500.001" for day in (24, 25)],
        [f"/b/duplicity-full.20261125T021500Z.vol{one}.difftar.gz" for one in (1, 2)],
        [f"/b/0000000100000000000000{one}" for one in (10, 11)],
    ],
)
def test_rotations_days_and_endings_are_backups_of_their_own(paths: list[str]) -> None:
    assert grouped(paths) == [VolumeSet(path, [path]) for path in paths]


def test_sets_of_different_days_and_folders_stay_apart() -> None:
    first = named("s-20261124.tar.gz", ".aa", ".ab")
    second = named("s-20261125.tar.gz", ".aa", ".ab")
    other = ["/c/s-20261125.tar.gz.aa"]

    found = grouped([first[0], second[0], "/b/alone.gz", *other, first[1], second[1]])

    assert found == [
        VolumeSet("/b/s-20261124.tar.gz", first),
        VolumeSet("/b/s-20261125.tar.gz", second),
        VolumeSet("/b/alone.gz", ["/b/alone.gz"]),
        VolumeSet("/c/s-20261125.tar.gz", other),
    ]


def test_a_checksum_beside_volumes_is_none_of_them() -> None:
    volumes = named("s.tar.gz", ".aaa", ".aab")

    assert grouped([*volumes, "/b/s.tar.gz.asc"]) == [
        VolumeSet("/b/s.tar.gz", volumes),
        VolumeSet("/b/s.tar.gz.asc", ["/b/s.tar.gz.asc"]),
    ]


def test_no_more_missing_names_are_listed_than_help() -> None:
    (found,) = grouped(named("s.7z", ".001", ".999"))

    assert found.missing[:2] == ["s.7z.002", "s.7z.003"]
    assert len(found.missing) == MISSING_LIMIT


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["-b", "1"], 3),
        (["-b", "1"], 702),
        (["-d", "-b", "1"], 120),
        (["-a", "3", "-b", "1"], 30),
        (["-d", "-a", "3", "-b", "1"], 120),
        (["--numeric-suffixes=1", "-a", "3", "-b", "1"], 12),
    ],
)
@pytest.mark.parametrize("prefix", ["s.tar.gz.", "s.tar.gz", "s.tar.gz.part-"])
def test_what_split_makes_is_read_as_it_was(
    tmp_path: Path, prefix: str, options: list[str], count: int
) -> None:
    content = os.urandom(count)
    command = ["split", *options, "-", prefix]
    subprocess.run(command, cwd=tmp_path, input=content, check=True)
    made = [str(path) for path in tmp_path.iterdir()]

    (whole,) = grouped(made)
    (holed,) = grouped([path for path in made if path != whole.paths[1]])

    assert whole.missing == []
    assert whole.name == str(tmp_path / "s.tar.gz")
    assert b"".join(Path(path).read_bytes() for path in whole.paths) == content
    assert holed.missing == [Path(whole.paths[1]).name]


@pytest.mark.parametrize(
    ("options", "prefix", "name"),
    [
        (["-x"], "s.tar.gz.", "s.tar.gz"),
        (["-x"], "s.", "s"),
        (["-d", "--additional-suffix=.part"], "s.tar.gz.", "s.tar.gz"),
        (["--additional-suffix=.part"], "s.tar.gz.", "s.tar.gz"),
        (["--additional-suffix=.tar.gz"], "s-", "s.tar.gz"),
        (["-d", "--additional-suffix=.tar.gz"], "s", "s.tar.gz"),
        (["-d", "--additional-suffix=.sql.gz"], "s-2026-11-27-", None),
        ([], "x", "x"),
        (["-d"], "x", "x"),
    ],
)
@pytest.mark.parametrize("count", [12, 300])
def test_what_split_names_in_other_ways_is_read_as_it_was(
    tmp_path: Path, options: list[str], prefix: str, name: str | None, count: int
) -> None:
    content = b"\x1f\x8b\x08" + os.urandom(count - 3)
    command = ["split", *options, "-n", str(count) if count < 99 else "60", "-", prefix]
    (tmp_path / "whole").write_bytes(content)
    subprocess.run([*command[:-2], "whole", prefix], cwd=tmp_path, check=True)
    made = [str(path) for path in tmp_path.iterdir() if path.name != "whole"]
    first = min(made, key=lambda path: (len(path), path))

    found = grouped(made, lambda path: path == first)

    if name is None:  # nobody knows that ending
        assert len(found) == len(made)
        return
    assert [one.name for one in found] == [str(tmp_path / name)]
    assert b"".join(Path(path).read_bytes() for path in found[0].paths) == content


@pytest.mark.parametrize(
    "paths",
    [
        named("s.tar.gz", ".01", ".02", ".03"),
        named("s.csv.gz", ".001", ".002"),
        named("s.sql", ".02", ".03"),
        named("s.sql", ".part1", ".part2"),
        named("s", "-00.tar.gz", "-01.tar.gz"),
        named("s", "-aa.tar.gz", "-ab.tar.gz"),
    ],
)
def test_files_of_which_each_begins_as_a_backup_are_no_volumes(paths: list[str]) -> None:
    assert grouped(paths, lambda _path: True) == [VolumeSet(path, [path]) for path in paths]


@pytest.mark.parametrize(
    "paths", [named("s", "-01.tar.gz", "-02.tar.gz"), named("s", "-00.tar.gz", "-02.tar.gz")]
)
def test_numbers_before_an_ending_are_those_of_split_only_if_they_count_from_nought(
    paths: list[str],
) -> None:
    assert len(grouped(paths, lambda path: path == paths[0])) == 2


def test_what_zip_makes_is_one_backup(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(200_000))
    subprocess.run(["zip", "-q", "-s", "64k", "s.zip", "noise"], cwd=tmp_path, check=True)

    (found,) = grouped([str(path) for path in tmp_path.iterdir() if path.name != "noise"])

    assert [Path(path).name for path in found.paths] == [
        "s.z01",
        "s.z02",
        "s.z03",
        "s.zip",
    ]


def test_what_zip_makes_in_volumes_is_read_member_by_member(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(os.urandom(90_000))
    subprocess.run(["zip", "-q", "-s", "64k", "s.zip", "a", "b", "c"], cwd=tmp_path, check=True)
    paths = [str(tmp_path / f"s.{end}") for end in ("z01", "z02", "z03", "z04", "zip")]

    def state(*these: str) -> tuple[str, str]:
        due = due_in("s.zip")
        said = reading(lambda: read_file(list(these), due, Budget(60, 10**9), Host()))[0]
        return said["state"], said.get("proof", said["why"])

    assert state(*paths) == ("whole", "part")
    assert state(*paths[:2], paths[-1])[0] == "unread"
    assert state(paths[-1])[0] == state(*paths[1:])[0] == "unread"  # not all here
    third = Path(paths[2])
    data = third.read_bytes()
    third.write_bytes(data[:9000] + bytes([data[9000] ^ 1]) + data[9001:])
    assert state(*paths) == ("broken", "zip: Bad CRC-32")


@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.from_regex(
                r"/b/(s|s\.gz|s-20261125)(\.|-|\.part|\.z|\.r)?([0-9]{1,6}|[a-z]{1,6}|zip|rar|[12]of2)",
                fullmatch=True,
            ),
        ),
        max_size=30,
    )
)
def test_each_file_is_of_one_backup(paths: list[str]) -> None:
    found = [path for backup in grouped(paths) for path in backup.paths]

    assert sorted(found) == sorted(set(paths))
