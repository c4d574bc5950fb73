"""Backups for tests: whole ones of each format, and what can happen to one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROWS = "".join(f"{row}\tname {row * 7919 % 1000}\n" for row in range(300))
PG_DUMP = (
    "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.14\n\nSET statement_timeout = 0;\n"
    f"CREATE TABLE public.a (id integer, name text);\nCOPY public.a (id, name) FROM stdin;\n{ROWS}\\.\n\n"
    "--\n-- PostgreSQL database dump complete\n--\n\n"
).encode()
MYSQL_DUMP = (
    b"-- MariaDB dump 10.19  Distrib 10.11.14-MariaDB, for debian-linux-gnu (x86_64)\n--\n"
    b"CREATE TABLE `a` (`id` int);\nINSERT INTO `a` VALUES (1),(2);\n-- Dump completed on 2026-11-25  2:15:00\n"
)
ERROR = b"mysqldump: Got error: 1045: Access denied for user 'backup'@'localhost' (using password: YES)\n"


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that do not compress, the same ones each time."""
    return random.Random(seed).randbytes(size)


def tar_of(*members: tuple[str, bytes], at: float = 0, kind: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), int(at)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


THREE = tar_of(("a.txt", noise(1500, 1)), ("b/c.txt", noise(700, 2)), ("d.txt", noise(2048, 3)))


BY_DEFAULT = (2026, 11, 25, 2, 15, 0)


def zip_of(
    *members: tuple[str, bytes],
    how: int = zipfile.ZIP_DEFLATED,
    at: tuple[int, int, int, int, int, int] = BY_DEFAULT,
) -> bytes:
    """Return a zip of these files, written at this time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, at), content, how)
    return stream.getvalue()


def sqlite_of(rows: int = 200) -> bytes:
    """Return a database of SQLite; without any table if rows is negative."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.db")
        database = sqlite3.connect(path)
        database.execute("create table t (x, y)")
        database.executemany(
            "insert into t values (?, ?)", [(n, noise(60, n)) for n in range(rows)]
        )
        if rows < 0:
            database.execute("drop table t")
        database.commit()
        database.close()
        return path.read_bytes()


def by_program(*command: str, data: bytes) -> bytes:
    """Return what a program makes of the data."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on PATH")
    return subprocess.run(command, input=data, check=True, stdout=subprocess.PIPE).stdout


def packed(packer: str, data: bytes) -> bytes:
    """Return the data in a wrapping; zst and lz4 by their programs."""
    if packer == "gz":
        return gzip.compress(data, mtime=0)
    if packer == "bz2":
        return bz2.compress(data)
    if packer == "xz":
        return lzma.compress(data)
    program = {"zst": "zstd", "lz4": "lz4"}[packer]
    return by_program(program, "-q", "-c", data=data)


def flips(data: bytes, every: int = 1, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Give the data with one bit flipped, at each place of so many."""
    chance = random.Random(seed)
    for place in range(0, len(data), every):
        bit = chance.randrange(8)
        yield (
            f"bit {bit} of byte {place} flipped",
            data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :],
        )


def cuts(data: bytes, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Give each beginning of the data."""
    for size in range(0, len(data), every):
        yield f"cut after {size}", data[:size]


def zeroed(data: bytes, block: int = 512) -> Iterator[tuple[str, bytes]]:
    """Give the data with one block of zeros, as a disk may leave it."""
    for place in range(0, len(data), block):
        piece = data[place : place + block]
        if piece.strip(b"\0"):
            yield f"zeros at {place}", data[:place] + bytes(len(piece)) + data[place + len(piece) :]


def linked_tar(*members: tuple[str, bytes, str]) -> bytes:
    """Return a tar of (name, type, target)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"root"))
    return stream.getvalue()


def linked_zip() -> bytes:
    """Return a zip with a link that leads out, and a file behind it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("x")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
        archive.writestr("x/pwn", "root")
        archive.writestr("y/ok", "fine")
    return stream.getvalue()
