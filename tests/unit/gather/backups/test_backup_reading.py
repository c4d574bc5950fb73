"""Backups of each format, whole and damaged: nothing with other content passes as proved."""

from __future__ import annotations

import base64
import io
import itertools
import lzma
import re
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_backups import (
    ERROR,
    MYSQL_DUMP,
    PG_DUMP,
    THREE,
    by_program,
    cuts,
    flips,
    linked_tar,
    linked_zip,
    noise,
    packed,
    sqlite_of,
    tar_of,
    zeroed,
    zip_of,
)

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import _files, _layers
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    Budget,
    Counted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import (
    due_in,
    read_file,
    reading,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

HOST = Host()
ROWS = b"rows\n" * 9
ZST_HEAD = b"\x28\xb5\x2f\xfd"


def wrapped(times: int, data: bytes) -> bytes:
    """Return data in so many layers of gz."""
    return wrapped(times - 1, packed("gz", data)) if times else data


PG_ROLES = (
    b"--\n-- PostgreSQL database cluster dump\n--\n\nSET client_encoding = 'UTF8';\nCREATE ROLE shop;\n\n"
    b"--\n-- PostgreSQL database cluster dump complete\n--\n\n"
)
SMALL = tar_of(("a.txt", noise(300, 1)), ("b.txt", b"rows\n" * 40))
ZIP = zip_of(("a.txt", b"rows\n" * 60), ("b/c.bin", noise(300, 4)))


def read(name: str, data: bytes, folder: Path, kind: str = "auto") -> dict[str, Any]:
    """Return how a file of that name reads."""
    path = folder / name
    path.write_bytes(data)
    content, _found, cut = reading(
        lambda: read_file([str(path)], due_in(name, kind), Budget(60, 10**9), HOST)
    )
    return {**content, "cut": cut}


def quickly(name: str, data: bytes) -> dict[str, Any]:
    """Return how these bytes read, without a file."""
    raw = io.BytesIO(data)
    found = _files.Reading()

    def run() -> _files.Reading:
        counted = Counted(raw.read, Budget(60, 10**9))
        _files.read_stream(counted, due_in(name), found, HOST, raw)
        return found

    return reading(run)[0]


CONTENTS = {
    "a.tar": (THREE, "tar", 3),
    "a.sql": (PG_DUMP, "SQL of pg_dump", None),
    "b.sql": (MYSQL_DUMP, "SQL of mysqldump", None),
    "a.sqlite": (sqlite_of(), "SQLite", None),
}


@pytest.mark.parametrize("packer", ["", "gz", "bz2", "xz", "zst", "lz4"])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_whole_backup_is_read_as_what_it_is(name: str, packer: str, tmp_path: Path) -> None:
    data, what, members = CONTENTS[name]
    wrapped = packed(packer, data) if packer else data

    found = read(f"{name}.{packer}".rstrip("."), wrapped, tmp_path)

    assert (found["state"], found["what"], found["members"], found["bytes"], found["proof"]) == (
        "whole",
        f"{packer}, {what}".removeprefix(", "),
        members,
        len(data),
        "all" if packer else "none",
    )


WRAPPED = {
    **{f"a.tar.{packer}": packed(packer, SMALL) for packer in ("gz", "bz2", "xz")},
    **{f"a.csv.{packer}": packed(packer, noise(400)) for packer in ("gz", "bz2", "xz")},
    "a.zip": ZIP,
}


def content(name: str, data: bytes) -> bytes:
    """Return what is in a wrapping or a zip, by Python's own readers."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return repr([(one.filename, archive.read(one)) for one in archive.infolist()]).encode()
    made = _layers.MAKERS[name.rpartition(".")[2]][1]()
    return bytes(made.decompress(data, 10**6))


def damages(data: bytes, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Give all that may happen to it."""
    return itertools.chain(flips(data, every), cuts(data, every), zeroed(data))


@pytest.mark.parametrize("name", WRAPPED)
def test_nothing_with_other_content_passes_where_checksums_prove_it(name: str) -> None:
    whole = WRAPPED[name]
    # A zip has no checksum over its list.
    assert quickly(name, whole)["proof"] == ("part" if name == "a.zip" else "all")

    for what, data in damages(whole):
        found = quickly(name, data)
        if found["state"] == "whole":
            assert content(name, data) == content(name, whole), (what, found)


@pytest.mark.parametrize("place", [6, 8, 14, 18, 22, 30])
def test_a_zip_whose_member_begins_otherwise_than_its_list_says_is_broken(place: int) -> None:
    # unzip goes by what stands before the member, Python's reader by the list
    damaged = ZIP[:place] + bytes([ZIP[place] ^ 1]) + ZIP[place + 1 :]

    assert quickly("a.zip", damaged)["state"] == "broken"


@pytest.mark.parametrize("packer", ["zst", "lz4"])
def test_nothing_with_other_content_passes_a_program_of_the_host(packer: str) -> None:
    data = packed(packer, SMALL)

    program = {"zst": "zstd", "lz4": "lz4"}[packer]
    for what, damaged in damages(data, every=29):
        found = quickly(f"a.tar.{packer}", damaged)
        if found["state"] == "whole":
            assert by_program(program, "-d", "-c", "-q", data=damaged) == SMALL, (what, found)


def members(data: bytes) -> list[tuple[str, bytes]]:
    """Return a tar's files."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [
            (one.name, file.read() if (file := archive.extractfile(one)) else b"")
            for one in archive
        ]


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_what_still_reads_of_a_tar_is_not_proved_and_loses_no_member(kind: int) -> None:
    name = "b" * 90 if kind == tarfile.USTAR_FORMAT else "b" * 150
    whole = tar_of(("a.txt", noise(600)), (name, noise(900, 2)), ("c", b"end"), kind=kind)

    for what, data in damages(whole, every=7):
        found = quickly("a.tar", data)
        if found["state"] == "whole":
            assert found["proof"] == "none"
            assert len(members(data)) == found["members"], what
            if "zeros" not in what:
                assert found["members"] == 3, what


@pytest.mark.parametrize("packer", ["", "gz"])
def test_a_tar_ends_for_us_where_its_end_mark_is(packer: str, tmp_path: Path) -> None:
    second = THREE.index(b"b/c.txt")
    flipped = bytearray(THREE)
    flipped[second] ^= 1
    zeros = THREE[:second] + bytes(512) + THREE[second + 512 :]
    cases = {
        "no header at byte": bytes(flipped),
        "and more follows": zeros,
        "without its end mark": THREE[: 512 + 1536 + 512 + 1024 + 512 + 2048],
    }

    for why, data in cases.items():
        found = read(
            f"a.tar.{packer}".rstrip("."), packed(packer, data) if packer else data, tmp_path
        )
        assert (found["state"], why in found["why"]) == ("broken", True), found


@pytest.mark.parametrize(
    ("name", "data", "state", "why"),
    [
        ("a.dump.gz", packed("gz", b""), "broken", "gz of nothing"),
        ("a.gz", packed("gz", b""), "broken", "gz of nothing"),
        ("a.sql.gz", packed("gz", ERROR), "broken", "message of mysqldump"),
        ("a.gz", packed("gz", ERROR), "broken", "message of mysqldump"),
        ("a.gz", packed("gz", b"sh: 1: pg_dump: command not found\n"), "broken", "message of sh"),
        ("a.gz", packed("gz", b"<html><body>502 Bad Gateway"), "broken", "message of a program"),
        ("a.dump.gz", packed("gz", b"hello\n"), "broken", "a text, and no dump"),
        ("a.db.gz", packed("gz", sqlite_of()[:8000]), "broken", "header says 24576"),
        ("a.sqlite.gz", packed("gz", noise(5000)), "broken", "unknown, and not sqlite"),
        ("a.db.gz", packed("gz", noise(5000)), "unread", "no known dump or database"),
        ("a.dump.gz", packed("gz", noise(5000)), "unread", "no known dump or database"),
        ("a.gz", packed("gz", tar_of()), "broken", "nothing but zero bytes"),
        ("a.tar.gz", packed("gz", tar_of()), "broken", "and not tar"),
        ("a.gz", packed("gz", zip_of()), "broken", "an empty zip"),
        ("a.zip", zip_of(), "broken", "an empty zip"),
        ("a.sql", b"", "broken", "empty"),
        ("a.sql.gz", b"<html>no space left</html>", "broken", "does not begin as gz"),
        ("a.sql.gz", packed("gz", ERROR + MYSQL_DUMP), "broken", "begins with a message"),
        ("a.sql.gz", packed("gz", MYSQL_DUMP + ERROR), "broken", "message of mysqldump"),
        ("a.sql.gz", packed("gz", MYSQL_DUMP[:150] + b"\n" + MYSQL_DUMP), "broken", "2 beginnings"),
        ("a.sql.gz", packed("gz", MYSQL_DUMP + PG_DUMP), "whole", ""),
        ("a.sql", PG_DUMP.replace(b"stdin;", b"stdin;\n-- PostgreSQL database dump"), "unread", "2 beginnings"),
        ("a.sql", PG_ROLES + PG_DUMP, "whole", ""),
        ("a.sql", PG_ROLES + MYSQL_DUMP, "whole", ""),
        ("a.sql", MYSQL_DUMP + PG_DUMP + PG_ROLES, "whole", ""),
        ("a.sql", PG_ROLES[:90] + PG_DUMP, "broken", "without the last line of pg_dumpall"),
        ("a.sql", PG_ROLES + PG_DUMP[:900], "broken", "without the last line of pg_dump"),
        ("a.sql", PG_DUMP + PG_ROLES[:90], "broken", "without the last line of pg_dumpall"),
        ("a.sql", MYSQL_DUMP + PG_ROLES[:90], "broken", "without the last line of pg_dumpall"),
        ("a.sql", PG_DUMP + MYSQL_DUMP[:140], "broken", "without the last line of mysqldump"),
        ("a.sql", MYSQL_DUMP + PG_DUMP * 9 + MYSQL_DUMP[:140], "broken", "without the last line of mysqldump"),
        ("a.sql", MYSQL_DUMP + PG_DUMP[:900] + MYSQL_DUMP, "unread", "1 beginnings of a dump by pg_dump and 0 ends"),
        ("a.sql", MYSQL_DUMP.replace(b"INSERT", ERROR + b"INSERT"), "broken", "message of mysqldump in the middle"),
        ("a.sql", MYSQL_DUMP + ERROR + MYSQL_DUMP, "broken", "message of mysqldump in the middle"),
        ("a.sql", MYSQL_DUMP.replace(b"INTO", b"INTO\n" + ERROR), "unread", "a text that looks like one"),
        ("a.sql", PG_DUMP.replace(b"\\.\n", b"\\.\npg_dump: error: x\n"), "unread", "a text that looks like one"),
        ("a.sql", PG_DUMP.replace(b"\n7\t", b"\n7\0\t"), "broken", "zero bytes in it, which pg_dump"),
        ("a.sql", MYSQL_DUMP.replace(b"INSERT", bytes(900) + b"INSERT"), "broken", "zero bytes in it"),
        ("a.sql", MYSQL_DUMP.replace(b"(1)", b"('" + bytes(500) + b"')"), "whole", ""),
        ("a.sql", PG_DUMP[:900] + b"a\n--\n-- PostgreSQL database dump complete\n--\n", "unread", "behind no complete"),
        ("a.sql", MYSQL_DUMP.replace(b";\n-- Dump", b",('a\n-- Dump"), "unread", "behind no complete"),
        ("setup.zip", b"MZ" + noise(5000) + ZIP, "whole", ""),
        ("a.sql.gz", packed("gz", b"CREATE TABLE a (x int);\n"), "unread", "nothing marks its end"),
        ("a.sql.gz", packed("gz", b"\xff\xfe" + "-- MySQL dump".encode("utf-16-le")), "unread", "UTF-16"),
        ("a.sql", "-- MySQL dump 10\r\n".encode("utf-16-be"), "unread", "UTF-16"),
        ("a.dump", "PGDMP\1\xe9".encode("utf-16"), "unread", "UTF-16"),
        ("a.sql.gz", packed("gz", ERROR.decode().encode("utf-16")), "broken", "message of mysqldump in UTF-16"),
        ("a.sql", "hello\r\n".encode("utf-16"), "broken", "a text, and no dump"),
        ("a.csv.gz", packed("gz", "1;2\r\n".encode("utf-16")), "whole", ""),
        ("a.dump", b"\xff\xfe" + noise(5000), "unread", "no known dump"),
        ("a.dump", b"pg_dump: warning: x\nPGDMP\1\x0e\0", "broken", "begins with a message of pg_dump"),
        ("a.txt", PG_DUMP, "whole", ""),
        ("a.txt", PG_DUMP[:900], "broken", "without the last line of pg_dump"),
        ("a.txt.gz", packed("gz", b"insert your name\n"), "whole", ""),
        ("a.gz", packed("gz", b" \n\n"), "broken", "nothing but blanks"),
        ("a.gz", packed("gz", b"Killed\n"), "broken", "message of a program"),
        ("a.gz", packed("gz", b'{"error":"unauthorized"}'), "broken", "message of a program"),
        ("a.json.gz", packed("gz", b'{"error":"unauthorized"}'), "whole", ""),
        ("a.age", b"-----BEGIN AGE ENC", "broken", "holds a text, and not anything encrypted"),
        ("a.csv.gz", packed("gz", b"error,count\n1,2\n"), "whole", ""),
        ("a.log.gz", packed("gz", b"error: disk full\n"), "whole", ""),
        ("notes.gz", packed("gz", b"Use this file\n"), "whole", ""),
        ("a.gz", packed("gz", bytes(5000)), "broken", "nothing but zero bytes"),
        ("a.img.gz", packed("gz", bytes(5000) + noise(20)), "whole", ""),
        ("a.tar.gz", packed("gz", packed("gz", THREE)), "whole", ""),
        ("a.gz", packed("gz", packed("bz2", THREE)), "whole", ""),
        ("a.gz", packed("gz", THREE) + bytes(1024), "whole", ""),
        ("a.gz", packed("gz", THREE) + bytes(1024) + b"x", "broken", "follow"),
        ("a.bz2", packed("bz2", THREE) + packed("bz2", b"")[:9] + b"junk" * 9, "broken", "bz2"),
        ("a.xz", packed("xz", THREE) + bytes(4) + packed("xz", b"x"), "broken", "and more follows"),
        ("a.zip", ZIP + b"zip warning: x", "broken", "something follows the end of the zip"),
        ("a.zip", ZIP + bytes(512), "whole", ""),
        ("a.zip", ZIP + ZIP, "broken", "something stands before the zip"),
        ("a.zip", b"zip warning: x\n" + ZIP, "broken", "something stands before"),
        ("a.zip", ZIP[40:], "broken", "zip"),
        ("a.zip", zip_of(("d/", b"")), "broken", "empty: no file with content"),
        ("a.zip", zip_of(("a.sql", b"")), "broken", "empty: no file with content"),
        ("a.zip", zip_of(("a.sql", b""), ("b", b"x")), "whole", ""),
        ("a.tar", tar_of((".keep", b""), ("a.sql", b"")), "broken", "empty: no file with content"),
        ("a.tar.gz", packed("gz", linked_tar(("./", tarfile.DIRTYPE, ""))), "broken", "empty: no file"),
        ("a.tar", tar_of((".keep", b""), ("a.sql", b"x")), "whole", ""),
        ("a.tar", linked_tar(("x", tarfile.SYMTYPE, "y")), "whole", ""),
        ("a.tar", linked_tar(("x", b"M", "")), "unread", "a tar in several volumes"),
        ("a.tar", linked_tar(("shop Volume 2", b"V", ""), ("x", tarfile.REGTYPE, "")), "unread", "several volumes"),
        ("a.tar", linked_tar(("shop", b"V", ""), ("x", tarfile.REGTYPE, "")), "whole", ""),
        ("a.xz", packed("xz", ROWS) + bytes(3), "broken", "3 zero bytes follow the end of the xz"),
        ("a.xz", packed("xz", ROWS) + bytes(3) + packed("xz", b"x"), "broken", "something follows"),
        ("a.xz", packed("xz", ROWS) + bytes(512), "whole", ""),
        ("a.gz", wrapped(6, packed("gz", ROWS)[:-9]), "unread", "packed more than 5 times"),
        ("a.gz", wrapped(5, ROWS), "whole", ""),
        ("a.zst", ZST_HEAD + b"\x23" + noise(4) + bytes(9), "unread", "packed with a dictionary"),
        ("a.zst", ZST_HEAD + b"\x23" + b"\0\0\0\0" + noise(99), "broken", "zstd"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + noise(99), "unread", "not read here: 7z"),
        ("a.tar.enc", noise(900), "unread", "nothing shows that it is complete"),
        ("a.tar.enc", THREE, "broken", "holds tar, and not anything encrypted"),
        ("a.sql.enc", PG_DUMP, "broken", "holds sql, and not anything encrypted"),
        ("a.bin", noise(900), "unread", "nothing shows that it is complete"),
        ("a.rdb", b"REDIS0011" + noise(99) + b"\xff" + bytes(8), "whole", ""),
        ("a.rdb", b"REDIS0011" + noise(99), "broken", "ends too early"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)  # fmt: skip
def test_the_content_is_judged_and_not_its_wrapping(
    name: str, data: bytes, state: str, why: str, tmp_path: Path
) -> None:
    found = read(name, data, tmp_path)

    assert (found["state"], why in found["why"]) == (state, True), found


def test_members_one_after_the_other_are_read_and_their_end_is_not_proved(tmp_path: Path) -> None:
    for packer in ("gz", "bz2", "xz", "zst", "lz4"):
        found = read(f"a.{packer}", packed(packer, b"a" * 99) + packed(packer, b"b" * 99), tmp_path)
        assert (found["state"], found["bytes"], found["proof"]) == ("whole", 198, "none"), packer
        tar = read(
            f"a.tar.{packer}", packed(packer, THREE[:999]) + packed(packer, THREE[999:]), tmp_path
        )
        assert (tar["state"], tar["proof"]) == ("whole", "all"), packer


def test_a_wrapping_without_checksums_proves_nothing(tmp_path: Path) -> None:
    cases = {
        "a.tar.zst": by_program("zstd", "-q", "-c", "--no-check", data=THREE),
        "a.tar.lz4": by_program("lz4", "-q", "-c", "--no-frame-crc", data=THREE),
        "a.tar.xz": lzma.compress(THREE, check=lzma.CHECK_NONE),
    }
    for name, data in cases.items():
        found = read(name, data, tmp_path)
        assert (found["state"], found["proof"]) == ("whole", "none"), (name, found)


SYM, HARD, REG = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.REGTYPE


@pytest.mark.parametrize(
    ("members_", "hostile"),
    [
        ([("x", SYM, "/etc"), ("x/pwn", REG, "")], ["x/pwn"]),
        ([("x", SYM, "../.."), ("x/pwn", REG, "")], ["x/pwn"]),
        ([("a/x", SYM, ".."), ("a/x/ok", REG, "")], []),
        ([("a/x", SYM, "../.."), ("a/x/pwn", REG, "")], ["a/x/pwn"]),
        ([("x", SYM, "y"), ("y", SYM, "/etc"), ("x/pwn", REG, "")], ["x/pwn"]),
        ([("./x", SYM, "/etc"), ("x/./pwn", REG, "")], ["x/./pwn"]),
        ([("x", SYM, "x"), ("x/pwn", REG, "")], []),  # a loop leads nowhere
        # GNU tar removes a link, and follows none, where it writes something else of its name
        ([("x", SYM, "/etc/passwd"), ("y", HARD, "x"), ("y", REG, "")], []),
        ([("x", SYM, "/etc/passwd"), ("x", REG, "")], []),
        ([("x", SYM, "/etc"), ("x", tarfile.DIRTYPE, ""), ("x/ok", REG, "")], []),
        ([("x", SYM, "/etc/passwd"), ("y", HARD, "x"), ("y/pwn", REG, "")], ["y/pwn"]),
        ([("C:/Windows/pwn", REG, "")], ["C:/Windows/pwn"]),
        ([("localtime", SYM, "/usr/share/zoneinfo/UTC"), ("b", REG, "")], []),
        ([("lib", SYM, "usr/lib"), ("usr/lib", tarfile.DIRTYPE, ""), ("lib/a", REG, "")], []),
        ([("y", HARD, "/etc/passwd")], ["y"]),
        ([("../x", SYM, "a")], ["../x"]),
        ([("/etc/passwd", REG, "")], ["/etc/passwd"]),
    ],
)
def test_a_member_that_a_link_leads_out_is_named(
    members_: list[tuple[str, bytes, str]], hostile: list[str], tmp_path: Path
) -> None:
    assert read("a.tar", linked_tar(*members_), tmp_path)["hostile"] == hostile


def test_a_link_in_a_zip_leads_out_too(tmp_path: Path) -> None:
    assert read("a.zip", linked_zip(), tmp_path)["hostile"] == ["x/pwn"]


@pytest.mark.parametrize(
    ("name", "layers", "content_"),
    [
        ("shop-20261125.sql.gz", ("gz",), "sql"),
        ("shop.tgz", ("gz",), "tar"),
        ("shop.tar.zst", ("zst",), "tar"),
        ("shop.dump", (), "dump"),
        ("shop.2026.11.25.gz", ("gz",), ""),
        ("shop.csv.gz", ("gz",), "text"),
        ("shop.tar.gz.gpg", (), "encrypted"),
        ("shop.DB.GZ", ("gz",), "database"),
        ("shop", (), ""),
        (".gz", ("gz",), ""),
    ],
)
def test_a_name_says_what_is_due(name: str, layers: tuple[str, ...], content_: str) -> None:
    assert due_in(name) == _files.DueContent(layers, content_)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the same tar, as encrypted by each program."""
    return encrypted(THREE, tmp_path_factory.mktemp("keys"))


def encrypted(what: bytes, folder: Path) -> dict[str, bytes]:
    """Return the same, as encrypted by each program."""
    missing = [one for one in ("age-keygen", "gpg", "openssl") if shutil.which(one) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not on PATH")
    key = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True)
    to = re.search(r"public key: (\S+)", key.stderr + key.stdout)
    assert to is not None
    made = {
        "age": by_program("age", "-r", to[1], data=what),
        "age-armor": by_program("age", "-a", "-r", to[1], data=what),
        "openssl": by_program("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-k", "x", data=what),
    }
    gpg = ["gpg", "--homedir", str(folder), "--batch", "--passphrase", "x", "--pinentry-mode"]
    made["gpg"] = by_program(*gpg, "loopback", "-c", data=what)
    made["gpg-armor"] = by_program(*gpg, "loopback", "-a", "-c", data=what * 6)
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "gpg-agent"], check=False)
    pair = ["-keyout", str(folder / "key"), "-out", str(folder / "cert"), "-subj", "/CN=b"]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *pair]
    subprocess.run(new, check=True, capture_output=True)
    cms = ["openssl", "smime", "-encrypt", "-binary", "-aes256", "-outform", "DER"]
    made["CMS"] = by_program(*cms, str(folder / "cert"), data=what)
    return made


def test_an_encrypted_file_is_known_by_its_header_and_its_length(
    sealed: dict[str, bytes], tmp_path: Path
) -> None:
    for program, data in sealed.items():
        for name in ("a.tar.gpg", "a.tar", "a.age", "a.enc", "a"):
            found = read(name, data, tmp_path)
            assert found["state"] == "encrypted", (program, name, found)
        packed_too = read("a.tar.gpg.gz", packed("gz", data), tmp_path)
        assert packed_too["state"] == "encrypted", (program, packed_too)


def test_an_encrypted_file_that_was_cut_is_broken(sealed: dict[str, bytes], tmp_path: Path) -> None:
    for program, data in sealed.items():
        if program not in (
            "openssl",
            "age",
        ):  # whose length says nothing, or only of whole chunks of 64 KiB
            found = read("a.tar.gpg", data[: len(data) * 2 // 3], tmp_path)
            assert (found["state"], found["cut"]) == ("broken", True), (program, found)
    for program, size in (("openssl", 16), ("age", 200)):
        assert read("a.enc", sealed[program][:size], tmp_path)["state"] == "broken", program


def test_what_was_encrypted_of_nothing_is_broken(tmp_path: Path) -> None:
    made = encrypted(b"", tmp_path)
    made["openssl-a"] = base64.encodebytes(made["openssl"])
    del made["CMS"]
    for program, data in made.items():
        found = read("a.enc", data, tmp_path)
        assert (found["state"], "encrypted nothing" in found["why"]) == ("broken", True), (
            program,
            found,
        )


def test_the_base64_of_openssl_is_encrypted(sealed: dict[str, bytes], tmp_path: Path) -> None:
    text = base64.encodebytes(sealed["openssl"])

    assert read("a.enc", text, tmp_path)["state"] == "encrypted"
    assert read("a.enc", text[:-3], tmp_path)["state"] == "broken"


def in_wal_mode(*statements: str) -> bytes:
    """Return a database in WAL mode, all of which is in its file."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(f"{folder}/a.db", isolation_level=None)
        for statement in ("pragma journal_mode=wal", *statements):
            database.execute(statement)
        database.close()
        return Path(folder, "a.db").read_bytes()


@pytest.mark.parametrize(
    ("data", "log", "state", "says"),
    [
        (in_wal_mode("create table t (x)"), b"", "whole", "its write-ahead log (-wal), which is not in it"),
        (in_wal_mode("create table t (x)"), b"frames", "unread", "-wal beside it"),
        (in_wal_mode(), b"", "broken", "no table, unless in its write-ahead log"),
        (in_wal_mode("pragma user_version=3", "pragma journal_mode=delete"), b"", "broken", "it has no table"),
        (sqlite_of(), b"", "whole", ""),
    ],
)  # fmt: skip
def test_a_database_has_tables_and_its_log(
    data: bytes, log: bytes, state: str, says: str, tmp_path: Path
) -> None:
    if log:
        (tmp_path / "a.db-wal").write_bytes(log)

    found = read("a.db", data, tmp_path)

    assert (found["state"], says in found["why"] + found.get("unproved", "")) == (state, True), (
        found
    )


def test_what_should_be_encrypted_and_is_not_is_broken(tmp_path: Path) -> None:
    for data in (THREE, packed("gz", THREE), noise(3000), b"\x85\x02" + noise(3000), b"text\n"):
        found = read("a.tar.gz.gpg", data, tmp_path)
        assert found["state"] == "broken", found
        declared = read("a.backup", data, tmp_path, kind="encrypted")
        assert declared["state"] == "broken", declared
