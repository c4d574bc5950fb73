"""Backups that are folders: recorded ones of pg_dump, mydumper and mariadb-backup, and trees of files."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import time
import tracemalloc
from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_manifest import (
    Crc32c,
    WalRange,
    crc_tables,
    parse_base_manifest,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    OutOfBudgetError,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    folder_written,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folders import (
    folder_kind,
    folder_time,
    read_folder,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import DENIED, Host, HostError

RECORDED = Path(__file__).parents[2] / "recorded" / "backups" / "folders"
PG_FOLDERS = ["pg15_d", "pg15_d0", "pg16_d_zstd", "pg17_d_gzip", "pg17_d_lz4"]
TOC_HAS_NONE = "the table of contents, which has no checksum"
DATA_HAS_NONE = "its data and its table of contents, which have no checksum"
INNODB = "its files, which have no checksum of their own (the pages of InnoDB have, and were not looked at)"


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def copy_of(tmp_path):
    """Give a function that copies a recorded folder."""

    def copied(name: str) -> Path:
        made = tmp_path / name
        shutil.copytree(RECORDED / name, made)
        if name == "mariabackup":
            (made / "ibdata1").write_bytes(b"page" * 8192)
            (made / "ib_logfile0").write_bytes(b"log")
        return made

    return copied


def read(folder: Path, kind: str | None = None, budget: Budget | None = None) -> Reading:
    host = Host()
    kind = folder_kind(str(folder), host) if kind is None else kind
    return read_folder(str(folder), kind, budget or Budget(60, 1 << 30), host)


def minute(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment))


@pytest.mark.parametrize(
    ("name", "kind", "members", "proof", "unproved", "at", "words"),
    [
        ("pg15_d", "pg_directory", 19, "part", TOC_HAS_NONE, "14:24", "header of the dump"),
        ("pg15_d0", "pg_directory", 19, "none", DATA_HAS_NONE, "14:24", "header of the dump"),
        ("pg17_d_gzip", "pg_directory", 17, "part", TOC_HAS_NONE, "14:24", "header of the dump"),
        (
            "mydumper",
            "mydumper",
            6,
            "none",
            "its files, which have no checksum",
            "14:39",
            "end of the dump in metadata",
        ),
        (
            "mydumper_gz",
            "mydumper",
            6,
            "part",
            "which files there must be: a file that is missing may not show",
            "14:39",
            "end of the dump in metadata",
        ),
        (
            "mariabackup",
            "mariabackup",
            6,
            "none",
            f"{INNODB}; not prepared yet",
            "14:39",
            "end_time in xtrabackup_info",
        ),
    ],
)
def test_a_folder_reads_to_its_end(name, kind, members, proof, unproved, at, words, copy_of):
    folder = copy_of(name)
    assert folder_kind(str(folder), Host()) == kind

    found = read(folder)

    assert (found.state, found.members, found.proof, found.unproved) == (
        "whole",
        members,
        proof,
        unproved,
    )
    assert (minute(found.taken), found.taken_words) == (f"2026-11-27 {at}", words)
    assert folder_time(str(folder), kind, Host()) == (found.taken, words)


@pytest.mark.parametrize("name", ["pg16_d_zstd", "pg17_d_lz4"])
def test_a_dump_that_a_program_unpacks_reads_to_its_end(name, copy_of):
    if shutil.which("zstd" if "zstd" in name else "lz4") is None:
        pytest.skip("the program is not here")
    found = read(copy_of(name))

    assert (found.state, found.bytes) == ("whole", 3456)


@pytest.mark.parametrize("name", PG_FOLDERS)
def test_a_dump_with_a_file_missing_is_broken(name, copy_of):
    folder = copy_of(name)
    for path in sorted(folder.iterdir()):
        kept = path.read_bytes()
        path.unlink()
        if path.name == "toc.dat":
            with pytest.raises(BrokenError, match=r"toc\.dat is missing"):
                read(folder, "pg_directory")
        else:
            with pytest.raises(BrokenError, match="is missing") as caught:
                read(folder)
            assert caught.value.cut
        path.write_bytes(kept)


@pytest.mark.parametrize("name", ["pg15_d", "pg15_d0", "pg17_d_gzip"])
def test_a_dump_with_a_file_cut_is_broken(name, copy_of):
    folder = copy_of(name)
    for path in sorted(folder.iterdir()):
        kept = path.read_bytes()
        for size in {0, 1, len(kept) // 2, len(kept) - 4} & set(range(len(kept))):
            if path.name.startswith("blob_") and path.suffix != ".gz":
                continue  # nothing shows where a large object ends that is not packed
            path.write_bytes(kept[:size])
            with pytest.raises(BrokenError):
                read(folder, "pg_directory")
        path.write_bytes(kept)


def test_a_dump_with_a_bit_flipped_in_its_packed_data_is_broken(copy_of):
    folder = copy_of("pg15_d")
    path = folder / "3356.dat.gz"
    kept = path.read_bytes()
    for place in range(20, len(kept), 97):
        path.write_bytes(kept[:place] + bytes([kept[place] ^ 4]) + kept[place + 1 :])
        with pytest.raises(BrokenError, match=r"^3356\.dat\.gz: "):
            read(folder)


@pytest.mark.parametrize(
    ("added", "broken"),
    [
        ("3399.dat.gz", True),
        ("blob_77.dat", True),
        ("blobs_12.toc", True),
        ("SHA256SUMS", False),
        ("globals.sql", False),
    ],
)
def test_a_stranger_among_the_data_files_is_seen(added, broken, copy_of):
    folder = copy_of("pg15_d")
    (folder / added).write_text("x\n")
    if broken:
        with pytest.raises(BrokenError, match="is not in the table of contents"):
            read(folder)
    else:
        assert read(folder).state == "whole"


def test_a_name_in_the_table_of_contents_leads_nowhere_else(copy_of, tmp_path):
    (tmp_path / "a.dat").write_text("\\.\n\n\n")
    folder = copy_of("pg15_d0")
    toc = folder / "toc.dat"
    data = toc.read_bytes()
    assert b"3356.dat" in data
    toc.write_bytes(data.replace(b"3356.dat", b"../a.dat"))
    with pytest.raises(BrokenError, match="leads elsewhere"):
        read(folder)


def test_a_name_among_the_large_objects_leads_nowhere_else(copy_of):
    folder = copy_of("pg15_d0")
    (folder / "blobs.toc").write_text("4001 ../../etc/passwd\n")
    with pytest.raises(BrokenError, match="leads elsewhere"):
        read(folder)


@pytest.mark.parametrize("name", ["3356.dat", "toc.dat", "blobs.toc"])
def test_a_link_in_a_dump_is_not_followed(name, copy_of, tmp_path):
    folder = copy_of("pg15_d0")
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    assert folder_kind(str(folder), Host()) == "pg_directory"
    with pytest.raises(UnreadError, match=name):
        read(folder)


@pytest.mark.parametrize("name", ["3356.dat", "toc.dat", "metadata"])
def test_a_fifo_in_a_folder_stops_nobody(name, copy_of):
    folder = copy_of("pg15_d0")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert folder_kind(str(folder), Host()) in ("", "pg_directory")
    if name != "metadata":
        with pytest.raises(UnreadError, match="not a regular file"):
            read(folder, "pg_directory")


def test_a_table_of_contents_with_a_damaged_head_does_not_make_a_dump_a_tree(copy_of):
    folder = copy_of("pg15_d")
    toc = folder / "toc.dat"
    toc.write_bytes(bytes(512) + toc.read_bytes()[512:])

    assert folder_kind(str(folder), Host()) == "pg_directory"
    with pytest.raises(BrokenError, match=r"toc\.dat: does not begin as a dump"):
        read(folder)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda folder: (folder / "metadata").unlink(), "not finished"),
        (lambda folder: (folder / "metadata").rename(folder / "metadata.partial"), "not finished"),
        (
            lambda folder: (folder / "metadata").write_text(
                "Started dump at: 2026-11-27 14:39:22\n"
            ),
            "not finished",
        ),
        (
            lambda folder: (folder / "shop.guest-schema.sql").unlink(),
            r"shop\.guest-schema\.sql is missing",
        ),
        (lambda folder: (folder / "shop.guest.sql").write_text(""), r"shop\.guest\.sql: empty"),
        (
            lambda folder: os.truncate(folder / "shop.guest.sql", 500),
            r"shop\.guest\.sql: ends without",
        ),
        (
            lambda folder: os.truncate(folder / "shop.guest-schema.sql", 100),
            r"shop\.guest-schema\.sql: ends without",
        ),
    ],
)
def test_what_is_wrong_with_a_dump_of_mydumper_is_said(fault, says, copy_of):
    folder = copy_of("mydumper")
    fault(folder)
    with pytest.raises(BrokenError, match=says) as caught:
        read(folder, "mydumper")
    assert caught.value.cut


def test_a_dump_of_mydumper_without_its_end_has_the_time_of_its_start(copy_of):
    folder = copy_of("mydumper")
    (folder / "metadata").unlink()
    (folder / "metadata.partial").write_text("# Started dump at: 2026-11-27 14:39:22\n")

    assert folder_kind(str(folder), Host()) == "mydumper"
    at, words = folder_time(str(folder), "mydumper", Host())
    assert minute(at) == "2026-11-27 14:39"
    assert words == "start of the dump in metadata, which does not say that it is finished"


@pytest.mark.parametrize("name", ["shop.guest.00001.sql", "shop.guest.00000.00001.sql"])
def test_parts_of_a_table_belong_to_its_definition(name, copy_of):
    folder = copy_of("mydumper")
    (folder / "shop.guest.sql").rename(folder / name)

    assert read(folder).state == "whole"


@pytest.mark.parametrize(
    ("name", "lists", "kind", "says"),
    [
        ("pg15_d", "toc.dat", "pg_directory", r"toc\.dat is missing"),
        ("pg17_d_lz4", "toc.dat", "pg_directory", r"toc\.dat is missing"),
        ("mydumper", "metadata", "mydumper", "not finished"),
        ("mydumper_gz", "metadata", "mydumper", "not finished"),
        ("mariabackup", "xtrabackup_checkpoints", "mariabackup", "does not say what was copied"),
    ],
)
def test_a_dump_without_its_list_of_files_is_no_tree(name, lists, kind, says, copy_of):
    folder = copy_of(name)
    (folder / lists).unlink()

    assert folder_kind(str(folder), Host()) == kind
    with pytest.raises(BrokenError, match=says) as caught:
        read(folder)
    assert caught.value.cut


def test_a_folder_of_numbered_files_and_others_is_a_tree(tmp_path):
    for name in ("1.dat", "3356.dat", "notes"):
        (tmp_path / name).write_text("x")

    assert folder_kind(str(tmp_path), Host()) == ""


def test_a_folder_with_some_file_named_metadata_is_a_tree(tmp_path):
    (tmp_path / "metadata").write_text("title: holidays\n")

    assert folder_kind(str(tmp_path), Host()) == ""


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            lambda folder: (folder / "xtrabackup_checkpoints").write_text(""),
            "does not say what was copied",
        ),
        (lambda folder: (folder / "ibdata1").unlink(), "ibdata1 is missing"),
        (lambda folder: os.truncate(folder / "ibdata1", 20_000), "ibdata1: ends within a page"),
        (lambda folder: (folder / "shop" / "t.ibd").write_bytes(bytes(999)), "shop/t.ibd: ends"),
        (lambda folder: (folder / "undo001").write_bytes(bytes(8192)), "undo001: ends within"),
        (lambda folder: (folder / "ib_logfile0").unlink(), "not prepared, and ib_logfile0"),
    ],
)
def test_what_is_wrong_with_a_copy_of_mariadb_is_said(fault, says, copy_of):
    folder = copy_of("mariabackup")
    fault(folder)
    with pytest.raises(BrokenError, match=says):
        read(folder)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            ["t.frm"],
            f"{INNODB}; the rows of shop/t, which has no file of its own; not prepared yet",
        ),
        (["t.frm", "t.ibd"], f"{INNODB}; not prepared yet"),
        (["t.frm", "t.new"], f"{INNODB}; not prepared yet"),
        (["t.frm", "t#P#p0.ibd"], f"{INNODB}; not prepared yet"),
    ],
)
def test_a_table_of_innodb_without_a_file_of_its_own_is_said(files, says, copy_of):
    folder = copy_of("mariabackup")
    for name in files:
        data = b"\xfe\x01\x0a\x0c" + bytes(96) if name.endswith(".frm") else bytes(65_536)
        (folder / "shop" / name).write_bytes(data)
    assert read(folder).unproved == says


def test_a_prepared_copy_of_mariadb_needs_no_log(copy_of):
    folder = copy_of("mariabackup")
    said = folder / "xtrabackup_checkpoints"
    said.write_text(said.read_text().replace("full-backuped", "full-prepared"))
    (folder / "ib_logfile0").unlink()
    assert read(folder).unproved == INNODB


def test_an_incremental_copy_of_mariadb_needs_another_one(copy_of):
    folder = copy_of("mariabackup")
    said = folder / "xtrabackup_checkpoints"
    said.write_text(
        said.read_text()
        .replace("full-backuped", "incremental")
        .replace("from_lsn = 0", "from_lsn = 44878")
    )

    assert read(folder).unproved == f"{INNODB}; it needs the backup on which it is built"


def test_a_tree_of_files_is_counted(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_bytes(b"x" * 5000)
    (tmp_path / "two").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "fifo")
    os.utime(tmp_path / "a" / "b" / "one", (1_700_000_000, 1_700_000_000))
    os.utime(tmp_path / "two", (1_600_000_000, 1_600_000_000))

    found = read(tmp_path)

    assert (found.what, found.members, found.bytes) == (["tree of files"], 2, 5000)
    assert (found.proof, found.unproved) == ("none", "a tree of files has no checksums")
    assert folder_written(str(tmp_path), Host(), 100) == (5000, 1_700_000_000, 2)
    assert folder_time(str(tmp_path), "", Host()) is None


def test_an_empty_tree_is_broken(tmp_path):
    (tmp_path / "a").mkdir()
    os.utime(tmp_path, (1_700_000_000, 1_700_000_000))
    with pytest.raises(BrokenError, match=r"^empty"):
        read(tmp_path, "tree")
    assert folder_written(str(tmp_path), Host(), 100) == (0, 1_700_000_000, 0)


def test_a_file_of_a_tree_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("x")
    host = Host()

    def denied(path, follow_links=True):
        raise HostError(f"{path}: permission denied", DENIED, path)

    monkeypatch.setattr(host, "open", denied)
    with pytest.raises(UnreadError, match=r"^secret: permission denied$"):
        read_folder(str(tmp_path), "tree", Budget(60, 1 << 30), host)


@pytest.mark.parametrize("kind", ["sql", "tar.gz", "restic"])
def test_a_folder_is_not_read_as_what_no_folder_is(kind, tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(UnreadError, match=f"^it is a folder, and not {kind}$"):
        read(tmp_path, kind)


def test_why_a_list_of_a_folder_cannot_be_read_names_no_path_twice(copy_of, monkeypatch):
    folder = copy_of("mydumper")
    host = Host()

    def denied(path, *_limit, follow_links=True):
        raise HostError(f"{path}: permission denied", DENIED, path)

    monkeypatch.setattr(host, "read", denied)
    with pytest.raises(UnreadError, match=r"^metadata: permission denied$"):
        read_folder(str(folder), "mydumper", Budget(60, 1 << 30), host)


def test_a_folder_that_may_not_be_seen_is_unread_and_its_size_is_what_can_be_seen(
    tmp_path, monkeypatch
):
    (tmp_path / "secret").mkdir()
    (tmp_path / "open").write_text("x")
    host = Host()
    real_names = host.names

    def names(path):
        if path.endswith("secret"):
            raise HostError(f"{path}: permission denied", DENIED, path)
        return real_names(path)

    monkeypatch.setattr(host, "names", names)
    with pytest.raises(UnreadError, match=r"^secret: permission denied$"):
        read_folder(str(tmp_path), "tree", Budget(60, 1 << 30), host)
    assert folder_written(str(tmp_path), host, 100)[0] == 1


def test_a_socket_and_a_link_to_a_folder_are_no_files_of_a_tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "etc").symlink_to("/etc")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("tree/socket")
        with pytest.raises(BrokenError, match=r"^empty"):
            read(tmp_path / "tree", "tree")


def test_a_tree_with_too_many_files_is_not_read_to_its_end(tmp_path):
    for number in range(30):
        (tmp_path / f"{number}").write_text("x")
    with pytest.raises(OutOfBudgetError, match="more than 20 files"):
        folder_written(str(tmp_path), Host(), 20)
    with pytest.raises(OutOfBudgetError, match="time"):
        read(tmp_path, "tree", Budget(-1, 1000))


def test_a_folder_that_becomes_a_link_is_not_entered(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    (tree / "inside").mkdir(parents=True)
    (tree / "inside" / "passwd").write_text("x")
    host = Host()

    def swapped(path, follow_links=True):
        raise AssertionError(f"{path} was opened")

    real_path = host.realpath

    def realpath(path):
        if path.endswith("inside"):
            (tree / "inside").rename(tmp_path / "moved")
            (tree / "inside").symlink_to("/etc")
        return real_path(path)

    monkeypatch.setattr(host, "realpath", realpath)
    monkeypatch.setattr(host, "open", swapped)
    with pytest.raises(UnreadError, match="leads elsewhere"):
        read_folder(str(tree), "tree", Budget(60, 1 << 30), host)


TRAILER = b"-- MariaDB dump 10.19\n--\nSELECT 1;\n-- Dump completed on 2026-09-01  2:15:01\n"


def packed_gz(data):
    return gzip.compress(data, mtime=0)  # the same each time, as the names of tests must be


GOOD = packed_gz(TRAILER)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"shop.sql.gz": GOOD[:-9]}, "shop.sql.gz: the gz ends too early"),
        ({"day/shop.sql.gz": b""}, "day/shop.sql.gz: empty"),
        ({"a.sql.gz": GOOD, "b.sql": b""}, "b.sql: empty"),
        ({"shop.sql.gz": packed_gz(b"pg_dump: error: x\n")}, "holds a message of pg_dump"),
        ({"shop.sql": b"pg_dump: error: x\n"}, "shop.sql: holds a message of pg_dump"),
        ({"shop.sql": TRAILER[:40]}, "shop.sql: ends without the last line"),
        ({"shop": TRAILER[:40]}, "shop: ends without the last line"),
        ({"shop": GOOD[:-9]}, "shop: the gz ends too early"),
        ({"shop.zip": b"PK\x03\x04" + bytes(100)}, "shop.zip: "),
        ({"shop.tar": b"x" * 5000}, "shop.tar: holds a text, and not tar"),
        ({"shop.sql.gpg": b""}, "shop.sql.gpg: empty"),
        ({"s.gz.aa": GOOD[:40], "s.gz.ac": GOOD[40:]}, "the volume s.gz.ab is missing"),
        ({"one": b"", "two": b""}, "empty: no file in it has any content"),
    ],
)
def test_what_is_broken_in_a_tree_makes_it_broken(files, says, tmp_path):
    written(tmp_path, {"README": b"kept by hand", **files} if "one" not in files else files)
    with pytest.raises(BrokenError, match=re.escape(says)):
        read(tmp_path)


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"shop.sql.gz": GOOD}, 1),
        ({"s.gz.aa": GOOD[:40], "s.gz.ab": GOOD[40:]}, 1),
        ({"shop.sql.gz.part": GOOD[:40]}, 0),
        ({"a.8.gz": packed_gz(b"a: permission denied\n")}, 1),
        ({"schema.sql.gz": packed_gz(b"create table a (b int);\n")}, 1),
        ({"xtrans.pdf.db.gz": packed_gz(b"<a><b/></a>\n")}, 1),
        ({"upgrade.sql": b"create table a (b int);\n", "Thumbs.db": b"\x01\x02" * 99}, 0),
        ({"pubring.gpg": b"\x99\x01\x0d\x04" * 99, "empty.db": b""}, 0),
        ({"notes.txt": b"a\n-- MariaDB dump 10.19\nb\n", "initrd.img": b"070701" * 99}, 0),
    ],
)
def test_what_is_whole_in_a_tree_or_no_backup_leaves_it_whole(files, count, tmp_path):
    written(tmp_path, {"README": b"kept by hand", **files})
    found = read(tmp_path)
    assert found.state == "whole"
    assert found.what[1:] == ([f"archives and dumps in it: {count}"] if count else [])


@pytest.mark.parametrize(
    ("name", "data", "state"),
    [
        ("shop.7z", b"7z\xbc\xaf\x27\x1c" + b"x" * 99, "unread"),
        ("shop.sql.gz", packed_gz(b"\x01\x02" * 99), "unread"),
        (
            "shop.sql.gpg",
            b"\x8c\x0d\x04\x09\x03\x08" + b"x" * 8 + b"\xff\xd2" + bytes([162]) + b"x" * 162,
            "encrypted",
        ),
    ],
)
def test_a_tree_with_an_archive_that_is_not_read_here_is_not_whole(name, data, state, tmp_path):
    written(tmp_path, {"a.sql.gz": GOOD, name: data})
    found = read(tmp_path)
    assert (found.state, found.why.split(":")[0]) == (state, name)


def test_a_dump_in_a_folder_of_a_tree_is_read_as_one(tmp_path):
    shutil.copytree(RECORDED / "pg15_d", tmp_path / "monday" / "shop")
    assert read(tmp_path).what[1:] == ["archives and dumps in it: 1"]
    lost = next((tmp_path / "monday" / "shop").glob("*.dat.gz"))
    lost.unlink()
    with pytest.raises(BrokenError, match=f"monday/shop: {lost.name[:-3]} is missing"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({}, "2026-09-01 02:15"),
        ({"SHA256SUMS": b"x"}, "2026-09-01 02:15"),
        ({"picture.jpg": b"\xff\xd8"}, None),
        ({"data.csv.gz": packed_gz(b"1,2\n")}, None),
    ],
)
def test_a_tree_of_nothing_but_dumps_is_as_old_as_the_newest_of_them(more, at, tmp_path):
    written(tmp_path, {"shop.sql.gz": GOOD, "old.sql": TRAILER.replace(b"-09-", b"-08-"), **more})
    taken = read(tmp_path).taken
    assert (taken and minute(taken)) == at


def test_a_tree_for_whose_archives_the_budget_does_not_last_is_not_read_to_its_end(tmp_path):
    written(tmp_path, {f"{number}.sql.gz": GOOD for number in range(30)})
    with pytest.raises(OutOfBudgetError):
        read(tmp_path, "tree", Budget(60, 1000))


def written(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def manifest(
    files: list[dict], ranges: list[dict] | None = None, version: int = 1, **more
) -> bytes:
    lines = [json.dumps(one) for one in files]
    text = f'{{ "PostgreSQL-Backup-Manifest-Version": {version},\n"Files": [\n' + ",\n".join(lines)
    text += '\n],\n"WAL-Ranges": ' + json.dumps(ranges or []) + ",\n"
    return f'{text}"Manifest-Checksum": "{hashlib.sha256(text.encode()).hexdigest()}"}}\n'.encode()


A_FILE = {"Path": "PG_VERSION", "Size": 3, "Checksum-Algorithm": "CRC32C", "Checksum": "64440205"}


def test_a_manifest_is_read():
    wal = {"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100"}
    found = parse_base_manifest(manifest([A_FILE, {"Encoded-Path": "61ff62", "Size": 0}], [wal]))

    assert [(one.path, one.size, one.checksum) for one in found.files.values()] == [
        ("PG_VERSION", 3, "64440205"),
        ("a\udcffb", 0, ""),
    ]
    assert found.wal == [WalRange(1, 0x2000028, 0x2000100)]
    assert found.wal[0].words == "the write-ahead log of timeline 1 from 0/2000028 to 0/2000100"


@pytest.mark.parametrize(
    ("start", "end", "size", "names"),
    [
        (0x2000028, 0x2000100, 1 << 24, ["000000010000000000000002"]),
        (0x2000028, 0x3000000, 1 << 24, ["000000010000000000000002"]),
        (0x2000028, 0x3000001, 1 << 24, ["000000010000000000000002", "000000010000000000000003"]),
        (
            0x1FFFFFFFF,
            0x200000001,
            1 << 24,
            ["0000000100000001000000FF", "000000010000000200000000"],
        ),
        (0x2000028, 0x2000100, 1 << 26, ["000000010000000000000000"]),
    ],
)
def test_the_names_of_the_write_ahead_log_follow_from_its_range(start, end, size, names):
    assert WalRange(1, start, end).segments(size) == names


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", BrokenError, "ends before its own checksum"),
        (manifest([A_FILE])[:-5], BrokenError, "ends before its own checksum"),
        (
            manifest([A_FILE]).replace(b'"Size": 3', b'"Size": 4'),
            BrokenError,
            "differs from its own checksum",
        ),
        (manifest([A_FILE]) + b"x", BrokenError, "ends before its own checksum"),
        (manifest([]), BrokenError, "without its name"),
        (manifest([A_FILE, A_FILE]), BrokenError, "twice"),
        (manifest([{"Path": "x", "Size": -1}]), BrokenError, "without its name or size"),
        (manifest([{"Path": "x", "Size": "1"}]), BrokenError, "without its name or size"),
        (manifest([{"Encoded-Path": "6", "Size": 1}]), BrokenError, "without its name or size"),
        (manifest([{"Path": "../x", "Size": 1}]), BrokenError, "elsewhere"),
        (manifest([{"Path": "/etc/passwd", "Size": 1}]), BrokenError, "elsewhere"),
        (manifest([{"Path": "a//b", "Size": 1}]), BrokenError, "elsewhere"),
        (manifest([{"Path": "a\0b", "Size": 1}]), BrokenError, "elsewhere"),
        (
            manifest([A_FILE], [{"Timeline": 1, "Start-LSN": "x", "End-LSN": "0/1"}]),
            BrokenError,
            "write-ahead log",
        ),
        (
            manifest([A_FILE], [{"Timeline": 1, "Start-LSN": "0/2", "End-LSN": "0/1"}]),
            BrokenError,
            "write-ahead log",
        ),
        (manifest([A_FILE], [{"a": 1}]), BrokenError, "write-ahead log"),
        (manifest([A_FILE], version=3), UnreadError, "version 3 of the manifest"),
    ],
)
def test_a_manifest_that_is_not_as_it_was_written_is_not_believed(data, error, says):
    with pytest.raises(error, match=says):
        parse_base_manifest(data)


def test_a_manifest_as_deep_as_a_well_is_no_manifest():
    text = '{"Files": ' + "[" * 200_000 + "\n"
    own = hashlib.sha256(text.encode()).hexdigest()
    with pytest.raises(BrokenError):
        parse_base_manifest(f'{text}"Manifest-Checksum": "{own}"}}\n'.encode())


def test_a_manifest_of_a_gigabyte_is_not_read_into_memory(tmp_path):
    (tmp_path / "PG_VERSION").write_text("15\n")
    with (tmp_path / "backup_manifest").open("wb") as stream:
        stream.truncate(1 << 30)
    assert folder_kind(str(tmp_path), Host()) == "pg_basebackup"
    tracemalloc.start()
    try:
        with pytest.raises(UnreadError, match="backup_manifest: more than 64 MiB"):
            read(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture
def small_base(tmp_path):
    """A base backup as small as one can be, with a log of three files of 1 MiB, and a tablespace behind a link."""
    base = tmp_path / "base"
    contents = {
        "PG_VERSION": b"15\n",
        "backup_label": b"START TIME: 2026-11-27 14:20:31 UTC\n",
        "global/pg_control": b"x" * 8192,
        "base/1/1259": b"y" * 300_000,
    }
    listed = []
    for name, content in contents.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(content)
        made = hashlib.sha512(content).hexdigest()
        listed.append(
            {"Path": name, "Size": len(content), "Checksum-Algorithm": "SHA512", "Checksum": made}
        )
    (base / "pg_wal").mkdir()
    for number in (2, 3, 4):
        with (base / "pg_wal" / f"00000001000000000000000{number}").open("wb") as stream:
            stream.truncate(1 << 20)
    wal = {"Timeline": 1, "Start-LSN": "0/200028", "End-LSN": "0/400100"}
    (base / "backup_manifest").write_bytes(manifest(listed, [wal]))
    return base


class BareHost(Host):
    """A host without PostgreSQL's programs."""

    def which(self, program):
        return None

    def glob(self, pattern, limit=10_000):
        return []


def read_base(base: Path) -> Reading:
    return read_folder(str(base), "pg_basebackup", Budget(60, 1 << 30), BareHost())


def test_a_small_base_backup_is_whole(small_base):
    found = read_base(small_base)

    assert (found.state, found.proof, found.members, found.bytes) == ("whole", "part", 4, 308_231)
    assert (
        found.unproved
        == "the write-ahead log of timeline 1 from 0/200028 to 0/400100, which was not parsed"
    )


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_part_of_the_log_that_is_missing_is_seen(number, small_base):
    log = small_base / "pg_wal" / f"00000001000000000000000{number}"
    os.truncate(log, 700_000)
    with pytest.raises(BrokenError, match=f"{log.name}: 700000 bytes instead of 1048576"):
        read_base(small_base)
    log.unlink()
    with pytest.raises(BrokenError, match=f"{log.name} is missing") as caught:
        read_base(small_base)
    assert caught.value.cut


def test_a_tablespace_behind_a_link_is_not_read_and_that_is_said(small_base, tmp_path):
    listed = [
        json.loads(line.rstrip(","))
        for line in (small_base / "backup_manifest").read_text().splitlines()[2:6]
    ]
    listed.append({"Path": "pg_tblspc/16385/PG_15/1/2", "Size": 9})
    (small_base / "backup_manifest").write_bytes(manifest(listed))
    with pytest.raises(BrokenError, match="pg_tblspc/16385/PG_15/1/2 is missing"):
        read_base(small_base)

    (small_base / "pg_tblspc").mkdir()
    (small_base / "pg_tblspc" / "16385").symlink_to(tmp_path)
    assert read_base(small_base).unproved.startswith(
        "what lies behind links, which are not followed; 1 files without"
    )


def test_a_fifo_in_a_base_backup_is_no_part_of_one(small_base):
    os.mkfifo(small_base / "base" / "1" / "fifo")
    with pytest.raises(BrokenError, match="base/1/fifo is no file"):
        read_base(small_base)


def test_a_base_backup_with_other_bytes_in_a_file_differs(small_base):
    data = (small_base / "base/1/1259").read_bytes()
    (small_base / "base/1/1259").write_bytes(b"z" + data[1:])
    with pytest.raises(BrokenError, match="base/1/1259 differs from its checksum"):
        read_base(small_base)


@pytest.mark.parametrize("pieces", [[b"123456789"], [b"1234", b"56789"], [b"", b"123456789", b""]])
def test_the_checksum_of_the_well_known_digits_is_right(pieces):
    made = Crc32c()
    for piece in pieces:
        made.update(piece)

    assert made.digest()[::-1].hex() == "e3069283"  # RFC 3720


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 5000, 70_001])
def test_the_checksum_in_lanes_is_that_of_byte_after_byte(size):
    data = hashlib.shake_128(b"seed").digest(size)
    made, slow = Crc32c(), 0xFFFFFFFF
    for begins in range(0, size, 999):
        made.update(data[begins : begins + 999])
    for byte in data:
        slow = crc_tables()[0][(slow ^ byte) & 0xFF] ^ slow >> 8

    assert made.digest() == (slow ^ 0xFFFFFFFF).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("label", "zone", "expected"),
    [
        ("2026-11-27 14:20:31 UTC", "Europe/Berlin", "14:20"),
        ("2026-11-27 14:20:31 GMT", "Europe/Berlin", "14:20"),
        ("2026-11-27 14:20:31 CET", "UTC", "13:20"),
        ("2026-11-27 14:20:31 +0530", "UTC", "08:50"),
        ("2026-11-27 14:20:31 -03", "UTC", "17:20"),
        ("2026-11-27 14:20:31 JST", "Asia/Tokyo", "05:20"),
        ("2026-11-27 14:20:31 XYZ", "Europe/Berlin", "13:20"),
    ],
)
def test_the_start_of_a_base_backup_is_in_the_zone_that_it_names(
    label, zone, expected, tmp_path, monkeypatch
):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    (tmp_path / "PG_VERSION").write_text("15\n")
    (tmp_path / "backup_label").write_text(
        f"START WAL LOCATION: 0/2000028 (file 0)\nSTART TIME: {label}\nLABEL: x\n"
    )

    at, words = folder_time(str(tmp_path), folder_kind(str(tmp_path), Host()), Host())

    assert (minute(at), words) == (f"2026-11-27 {expected}", "start time in backup_label")
