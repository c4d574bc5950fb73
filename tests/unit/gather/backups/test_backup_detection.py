"""The rows of docs/detection-backups.md: what comes of each input, from a site's entry through gather and judge."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from judged import judged
from made_backups import (
    ERROR,
    MYSQL_DUMP,
    PG_DUMP,
    THREE,
    by_program,
    linked_tar,
    linked_zip,
    noise,
    packed,
    sqlite_of,
    tar_of,
    zip_of,
)

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, Ran
from upkeep.model.verdicts import Result

HOUR = 3600.0
NOW = 1795617476.0
"""2026-11-25 14:37:56 UTC."""
WEEK_LATER = NOW + 9 * 24 * HOUR
RECORDED = Path(__file__).parents[2] / "recorded" / "backups"
SECOND = THREE.index(b"b/c.txt")
END = THREE.index(b"d.txt") + 512 + 2048
"""Of the last member's data in THREE."""
gz = partial(packed, "gz")
bz2 = partial(packed, "bz2")
xz = partial(packed, "xz")


class TimedHost(Host):
    """This host at another time."""

    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        return self._at


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


Made = Callable[[Path], object]


@dataclass(frozen=True)
class Row:
    """What lies in a folder, each file written so many hours ago, and what a check says of it.

    files: a content, or what makes it. change: what else happens to the folder. wanted: more that the site declares.
    """

    files: dict[str, bytes | Callable[[], bytes]]
    says: str
    status: str = "fail"
    check: str = "backup_readable"
    hours: float = 2
    change: Made = bool
    wanted: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    now: float = NOW


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def zeros(data: bytes, place: int) -> bytes:
    return data[:place] + bytes(512) + data[place + 512 :]


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def one(name: str, data: bytes | Callable[[], bytes], says: str, **more: Any) -> Row:
    return Row({name: data}, says, **more)


def whole(name: str, data: bytes | Callable[[], bytes], says: str, **more: Any) -> Row:
    return Row({name: data}, says, "pass", **more)


def of_folder(name: str, change: Made, says: str, status: str = "fail", **more: Any) -> Row:
    """Return the row of a recorded folder that was changed."""

    def made(folder: Path) -> None:
        shutil.copytree(RECORDED / "folders" / name, folder / "shop")
        if name == "mariabackup":
            (folder / "shop" / "ibdata1").write_bytes(b"page" * 8192)
            (folder / "shop" / "ib_logfile0").write_bytes(b"log")
        change(folder / "shop")

    more = {"check": "backup_readable", "now": WEEK_LATER, **more}
    return Row({}, says, status, change=made, **more)


def gone(name: str) -> Made:
    return lambda folder: (folder / name).unlink()


def cut(name: str, size: int) -> Made:
    return lambda folder: os.truncate(folder / name, size)


def bit(name: str, place: int) -> Made:
    return lambda folder: (folder / name).write_bytes(flipped((folder / name).read_bytes(), place))


def added(name: str, text: str = "x\n") -> Made:
    return lambda folder: (folder / name).write_text(text)


def day_of(name: str, data: bytes) -> Made:
    """Return what makes a folder of a day, with a file in it."""

    def made(folder: Path) -> None:
        (folder / "shop").mkdir()
        (folder / "shop" / name).write_bytes(data)

    return made


MAIN = "the tar has no header at byte 2048"
NOT_PROVED = "content not provable"
AN_END = {
    "tar, a bit flipped in the second header": one("shop.tar", flipped(THREE, SECOND), MAIN),
    "the same in .tar.gz": one("shop.tar.gz", gz(flipped(THREE, SECOND)), MAIN),
    "tar, a zeroed block in place of a header": one("shop.tar", zeros(THREE, SECOND), "a block of zeros at byte 2048 ends"),
    "the same in .tar.gz, zeroed": one("shop.tar.gz", gz(zeros(THREE, SECOND)), "and more follows"),
    "tar, cut behind a member": one("shop.tar", THREE[:SECOND], "at byte 2048 without its end mark"),
    "tar without its end mark": one("shop.tar", THREE[:END], "without its end mark"),
    "the same in .tar.gz, without end": one("shop.tar.gz", gz(THREE[:END]), "without its end mark"),
    "tar, half of its end mark": one("shop.tar", THREE[: END + 512], "without its end mark"),
    "tar, cut in a member": one("shop.tar", THREE[: SECOND + 700], "ends in its member 2"),
    "tar, a bit flipped in a member": whole("shop.tar", flipped(THREE, 700), NOT_PROVED),
    "tar, text behind its end": one("shop.tar", THREE + b"text", "and more follows"),
    ".tar.gz, cut": one("shop.tar.gz", gz(THREE)[:-2000], "the gz ends too early"),
    ".tar.gz, a bit flipped": one("shop.tar.gz", flipped(gz(THREE), 2000), "gz: Error -3"),
    ".csv.gz of two parts, one lost": whole("shop.csv.gz", gz(b"1,2\n" * 99) + gz(b"3,4\n" * 99), "a part of the 2 of its gz may be missing"),
    ".tar.gz of three parts, the last lost": one("shop.tar.gz", gz(THREE[:2048]) + gz(THREE[2048:4096]), "ends in its member"),
    "gz, text behind it": one("shop.tar.gz", gz(THREE) + b"text", "something follows the end of the gz"),
    "gz, zero bytes behind it": whole("shop.tar.gz", gz(THREE) + bytes(1024), "its checksums match"),
    "bz2, garbage behind it": one("shop.tar.bz2", bz2(THREE) + b"garbage" * 9, "something follows the end of the bz2"),
    "xz, a second one that is cut": one("shop.tar.xz", xz(THREE) + xz(THREE)[:500], "the xz ends too early"),
    "xz, text behind it": one("shop.tar.xz", xz(THREE) + b"text" * 9, "something follows the end of the xz"),
    "zst, cut": one("shop.tar.zst", lambda: packed("zst", THREE)[:-900], "zst"),
    "lz4, cut": one("shop.tar.lz4", lambda: packed("lz4", THREE)[:-900], "lz4"),
    "zst without checksums": whole("shop.tar.zst", lambda: by_program("zstd", "-q", "-c", "--no-check", data=THREE), NOT_PROVED),
    "zip, cut": one("shop.zip", zip_of(("a", noise(900)))[:-30], "zip: File is not a zip file"),
    "zip, a bit flipped in a member": one("shop.zip", flipped(zip_of(("a", noise(900))), 500), "zip: Bad CRC-32"),
    "zip, a bit flipped in the head of a member": one("shop.zip", flipped(zip_of(("a", noise(900))), 14), "the head of a member of the zip differs"),
    "custom dump, cut": one("shop.dump", recorded("pg15_zlib.dump")[:-900], "ends in", now=WEEK_LATER),
    "custom dump, a bit flipped in the data": one("shop.dump", flipped(recorded("pg15_zlib.dump"), 4300), "cannot be read", now=WEEK_LATER),
    "custom dump, not packed": whole("shop.dump", recorded("pg15_none.dump"), NOT_PROVED, now=WEEK_LATER),
    "custom dump, whole": whole("shop.dump", recorded("pg15_zlib.dump"), "but for the table of contents", now=WEEK_LATER),
    "dump of SQL, cut, in gz": one("shop.sql.gz", gz(PG_DUMP[:900]), "without the last line of pg_dump"),
    "dump of mysqldump, cut, in gz": one("shop.sql.gz", gz(MYSQL_DUMP[:140]), "without the last line of mysqldump"),
    "SQLite, half of it": one("shop.sqlite", sqlite_of()[:8192], "has 8192 bytes, and its header says 24576"),
    "dump of Redis, cut": one("dump.rdb", b"REDIS0011" + noise(99), "the dump of Redis ends too early"),
}  # fmt: skip
A_CONTENT = {
    "gzip of nothing, .sql.gz": one("shop.sql.gz", gz(b""), "gz of nothing"),
    "gzip of nothing, .dump.gz": one("shop.dump.gz", gz(b""), "gz of nothing"),
    "gzip of an error": one("shop.sql.gz", gz(ERROR), "holds a message of mysqldump instead of a backup"),
    "gzip of an HTML error page": one("shop.gz", gz(b"<html><body>502 Bad Gateway"), "holds a message of a program"),
    "gzip of a text, .dump.gz": one("shop.dump.gz", gz(b"hello\n"), "holds a text, and no dump"),
    "gzip of noise, .dump.gz": one("shop.dump.gz", gz(noise(900)), "begins as no known dump or database", status="unknown"),
    "gzip of half an SQLite, .db.gz": one("shop.db.gz", gz(sqlite_of()[:8192]), "its header says 24576"),
    "gzip of noise, .sqlite.gz": one("shop.sqlite.gz", gz(noise(900)), "something unknown, and not sqlite"),
    "gzip of zero bytes": one("shop.gz", gz(bytes(5000)), "nothing but zero bytes"),
    "gzip of an empty tar": one("shop.tar.gz", gz(tar_of()), "holds zero bytes, and not tar"),
    "empty tar": one("shop.tar", tar_of(), "holds zero bytes, and not tar"),
    "custom dump, an error before it": one("shop.dump", b"pg_dump: warning: x\n" + recorded("pg15_zlib.dump"), "begins with a message of pg_dump", now=WEEK_LATER),
    "dump in UTF-16": one("shop.sql", PG_DUMP.decode().encode("utf-16"), "UTF-16", status="unknown"),
    ".txt, a dump, cut": one("shop.txt", PG_DUMP[:900], "without the last line of pg_dump"),
    "Killed": one("shop.gz", gz(b"Killed\n"), "holds a message of a program"),
    "openssl enc of nothing, accepted": one("shop.enc", b"Salted__" + noise(24), "openssl encrypted nothing", limits={"encrypted_header": True}),
    "SQLite without a table": one("shop.db", sqlite_of(rows=-1), "it has no table"),
    "zip, text behind it": one("shop.zip", zip_of(("a", b"x")) + b"zip warning: x", "something follows the end of the zip"),
    "zip, another zip before it": one("shop.zip", zip_of(("a", b"x")) * 2, "something stands before the zip"),
    "zip, whole": whole("shop.zip", zip_of(("a", b"x")), "match, but for the names and kinds of its members"),
    "zip of an empty file": one("shop.zip", zip_of(("a", b"")), "empty: no file with content"),
    "tar of an empty file": one("shop.tar.gz", gz(tar_of(("a", b""))), "empty: no file with content"),
    "tar, a later volume": one("shop.tar", linked_tar(("a", b"M", "")), "several volumes", status="unknown"),
    "empty zip": one("shop.zip", zip_of(), "an empty zip"),
    "empty file": one("shop.sql", b"", "cannot be read: empty"),
    "zip in gz": one("shop.zip.gz", gz(zip_of(("a", b"x"))), "its members were not read", status="unknown"),
    "text, .sql.gz": one("shop.sql.gz", b"<html>no space left</html>", "does not begin as gz"),
    "dump, an error before it": one("shop.sql.gz", gz(ERROR + MYSQL_DUMP), "begins with a message of mysqldump"),
    "dump, an error behind it": one("shop.sql.gz", gz(MYSQL_DUMP + ERROR), "behind the last line of mysqldump follows a message"),
    "two dumps, the first cut": one("shop.sql.gz", gz(MYSQL_DUMP[:150] + b"\n" + MYSQL_DUMP), "has 2 beginnings of a dump by mysqldump and 1 ends"),
    "two dumps, the second cut": one("shop.sql.gz", gz(MYSQL_DUMP + MYSQL_DUMP[:140]), "ends without the last line of mysqldump"),
    "two dumps of different programs": whole("shop.sql.gz", gz(PG_DUMP + MYSQL_DUMP), "its checksums match"),
    "the same, the last one cut": one("shop.sql.gz", gz(PG_DUMP + MYSQL_DUMP[:140]), "without the last line of mysqldump"),
    "dump, an error in the middle": one("shop.sql.gz", gz(MYSQL_DUMP + ERROR + MYSQL_DUMP), "message of mysqldump in the middle"),
    "dump, zero bytes in the middle": one("shop.sql.gz", gz(PG_DUMP.replace(b"\n7\t", b"\n\0")), "has zero bytes in it"),
    "dump, cut in a text": one("shop.sql.gz", gz(PG_DUMP[:900] + PG_DUMP[-45:]), "behind no complete statement", status="unknown"),
    "two whole dumps": whole("shop.sql.gz", gz(MYSQL_DUMP * 2), "its checksums match"),
    "mysqldump --skip-comments": one("shop.sql.gz", gz(b"DROP TABLE IF EXISTS `a`;\n"), "nothing marks its end", status="unknown"),
    "pg_dump with \\restrict": whole("shop.sql.gz", gz(PG_DUMP + b"\\unrestrict AbCdEf0123456789\n\n"), "SQL of pg_dump"),
    "MariaDB's sandbox line": whole("shop.sql.gz", gz(b"/*M!999999\\- enable the sandbox mode */ \n" + MYSQL_DUMP), "SQL of mysqldump"),
    "CSV with a column error": whole("shop.csv.gz", gz(b"error,count\n1,2\n"), "its checksums match"),
    "7z": one("shop.7z", b"7z\xbc\xaf\x27\x1c" + noise(99), "a format that is not read here: 7z", status="unknown"),
    "tar, packed twice": whole("shop.tar.gz", gz(gz(THREE)), "is readable as gz, gz, tar, 3 members"),
    "openssl enc": one("shop.tar.enc", b"Salted__" + noise(900), "encrypted", status="unknown"),
    "openssl enc, accepted": whole("shop.tar.enc", b"Salted__" + noise(900), "its header is in order: openssl", limits={"encrypted_header": True}),
    "tar.gpg that is none, accepted": one("shop.tar.gpg", THREE, "and not anything encrypted", limits={"encrypted_header": True}),
}  # fmt: skip


def old_trailer() -> bytes:
    return MYSQL_DUMP.replace(b"2026-11-25", b"2026-11-20")


FRESH = {"check": "backup_fresh"}
A_TIME = {
    "a copy of an old backup": one("shop-2026-01-05.tar", THREE, "by 2026-01-05 in its name (but the time of writing says 2026-11-25", **FRESH),
    "a copy of an old dump of SQL": one("shop.sql", old_trailer(), "132 h old by the trailer of the dump", **FRESH),
    "a copy of an old custom dump": one("shop.dump", recorded("pg15_zlib.dump"), "by header of the dump", now=WEEK_LATER, **FRESH),
    "a tar of old files": one("shop.tar", tar_of(("a", b"x"), at=NOW - 80 * HOUR), "80 h old by its newest member", **FRESH),
    "the same, members_may_be_old": whole("shop.tar", tar_of(("a", b"x"), at=NOW - 80 * HOUR), "2 h old, at most 24 h", wanted={"members_may_be_old": True}, **FRESH),
    "a time in the future": one("shop.tar", THREE, "in the future", hours=-48, **FRESH),
}  # fmt: skip
X, FILE = tarfile.SYMTYPE, tarfile.REGTYPE
OUT = {
    "tar, x -> /etc, then x/pwn": one("shop.tar", linked_tar(("x", X, "/etc"), ("x/pwn", FILE, "")), "such as x/pwn"),
    "tar, x -> ../.., then x/pwn": one("shop.tar", linked_tar(("x", X, "../.."), ("x/pwn", FILE, "")), "such as x/pwn"),
    "tar, a hard link to /etc/passwd": one("shop.tar", linked_tar(("y", tarfile.LNKTYPE, "/etc/passwd")), "such as y"),
    "tar, ../../etc/passwd": one("shop.tar", tar_of(("../../etc/passwd", b"x")), "such as ../../etc/passwd"),
    "zip, x -> /etc, then x/pwn": one("shop.zip", linked_zip(), "such as x/pwn"),
    "tar, a link that nothing is written through": whole("shop.tar", linked_tar(("localtime", X, "/usr/share/zoneinfo/UTC"), ("b", FILE, "")), "2 members"),
}  # fmt: skip


def yesterdays(then: Made = bool) -> Made:
    """Put a whole backup of yesterday beside it."""

    def made(folder: Path) -> None:
        path = folder / "shop-20261124.sql.gz"
        path.write_bytes(gz(PG_DUMP))
        os.utime(path, (NOW - 25 * HOUR,) * 2)
        then(folder)

    return made


TODAY = "shop-20261125.sql.gz"
MAKING = {
    "cut, written a minute ago": one(TODAY, gz(PG_DUMP)[:500], "shop-20261124.sql.gz is readable", status="pass", hours=0.02, change=yesterdays()),
    "cut, written an hour ago": one(TODAY, gz(PG_DUMP)[:500], "the gz ends too early", hours=1, change=yesterdays()),
    "whole, written a minute ago": whole(TODAY, gz(PG_DUMP), "shop-20261125.sql.gz is readable", hours=0.02, change=yesterdays()),
    ".part": one(TODAY + ".part", b"x", "shop-20261124.sql.gz is readable", status="pass", change=yesterdays()),
    ".part alone": one(TODAY + ".part", b"x", "no backup at", **FRESH),
    ".part since 13 hours": one(TODAY + ".part", b"x", "is not finished, and was last written 13 h ago", hours=13, change=yesterdays(), wanted={"rpo_hours": 30}, **FRESH),
}  # fmt: skip
FOLDERS = {
    "pg_dump -Fd": of_folder("pg15_d", bool, "but for the table of contents", "pass"),
    "pg_dump -Fd, its time": of_folder("pg15_d", bool, "by header of the dump", check="backup_fresh"),
    "pg_dump -Fd, a table's file missing": of_folder("pg15_d", gone("3356.dat.gz"), "3356.dat is missing"),
    "pg_dump -Fd, a bit flipped in it": of_folder("pg15_d", bit("3356.dat.gz", 200), "3356.dat.gz: gz: Error -3"),
    "pg_dump -Fd, it is cut": of_folder("pg15_d", cut("3356.dat.gz", 200), "3356.dat.gz: the gz ends too early"),
    "pg_dump -Fd, one more data file": of_folder("pg15_d", added("3399.dat.gz"), "3399.dat.gz is not in the table of contents"),
    "pg_dump -Fd, toc.dat cut": of_folder("pg15_d", cut("toc.dat", 900), "toc.dat"),
    "pg_dump -Fd, toc.dat missing": of_folder("pg15_d", gone("toc.dat"), "toc.dat is missing"),
    "mydumper": of_folder("mydumper", bool, NOT_PROVED, "pass"),
    "mydumper, metadata missing": of_folder("mydumper", gone("metadata"), "not finished"),
    "mydumper, a definition missing": of_folder("mydumper", gone("shop.guest-schema.sql"), "shop.guest-schema.sql is missing"),
    "mydumper, a table's rows missing": of_folder("mydumper", gone("shop.guest.sql"), NOT_PROVED, "pass"),
    "mydumper, the rows cut": of_folder("mydumper", cut("shop.guest.sql", 500), "shop.guest.sql: ends without"),
    "mariabackup": of_folder("mariabackup", bool, "not prepared yet", "pass"),
    "mariabackup, ibdata1 missing": of_folder("mariabackup", gone("ibdata1"), "ibdata1 is missing"),
    "mariabackup, its checkpoints missing": of_folder("mariabackup", gone("xtrabackup_checkpoints"), "does not say what was copied"),
    "base backup": of_folder("pg15_base", bool, "its checksums match, but for the write-ahead log", "pass"),
    "base backup, a file missing": of_folder("pg15_base", gone("base/1/112"), "112"),
    "base backup, PG_VERSION missing": of_folder("pg15_base", gone("PG_VERSION"), "PG_VERSION"),
    "base backup, a bit flipped": of_folder("pg15_base", bit("base/1/112", 99), "112"),
    "base backup, one file more": of_folder("pg15_base", added("base/1/99999"), "99999"),
    "base backup, the manifest cut": of_folder("pg15_base", cut("backup_manifest", 900), "backup_manifest: ends before its own checksum"),
    "a tree of files": of_folder("../folders", bool, "a tree of files has no checksums", "pass", wanted={"kind": "tree"}),
    "a folder per day, its dump cut": Row({}, "dump.csv.gz: the gz ends too early", change=day_of("dump.csv.gz", gz(b"1,2\n" * 99)[:-9])),
    "a folder per day, its archive of another format": Row({}, "a format that is not read here", "unknown", change=day_of("dump.7z", b"7z\xbc\xaf\x27\x1c" + b"x" * 99)),
    "mariabackup, its log missing": of_folder("mariabackup", gone("ib_logfile0"), "ib_logfile0 is missing"),
    "mariabackup, cut within a page": of_folder("mariabackup", cut("ibdata1", 9000), "ibdata1: ends within a page"),
    "an empty folder": Row({}, "cannot be read: empty", change=lambda folder: (folder / "shop").mkdir()),
}  # fmt: skip


def volumes(lost: int | None, suffix: str = "a{}", letters: str = "abcd") -> dict[str, Any]:
    data = gz(tar_of(("a", noise(300_000))))
    pieces = [data[at : at + 80_000] for at in range(0, len(data), 80_000)]
    names = [f"shop.tar.gz.{suffix.format(letter)}" for letter in letters]
    return {name: data for n, (name, data) in enumerate(zip(names, pieces, strict=True)) if n != lost}  # fmt: skip


SPLIT = {
    "split, all": Row(volumes(None), "is readable as gz, tar", "pass"),
    "split -d, all": Row(volumes(None, "00{}", "0123"), "is readable as gz, tar", "pass"),
    "split -x, all": Row(
        {f"shop.tar.gz.{n:02x}": gz(THREE)[n * 50 :][: 50 if n < 12 else None] for n in range(13)},
        "is readable as gz, tar",
        "pass",
    ),
    "rotated with a nought before the number": Row(
        {"shop.csv.gz.01": gz(b"1\n"), "shop.csv.gz.02": gz(b"2\n")},
        "is readable as gz, text",
        "pass",
    ),
    "split, the first missing": Row(volumes(0), "the volume shop.tar.gz.aa is missing"),
    "split, one in the middle missing": Row(volumes(1), "the volume shop.tar.gz.ab is missing"),
    "split, the last missing": Row(volumes(3), "the gz ends too early"),
}
OTHERS = {
    "SHA256SUMS with another checksum": Row(
        {"shop.csv.gz": gz(b"1,2\n"), "SHA256SUMS": b"0" * 64 + b"  shop.csv.gz\n"},
        "does not match",
        check="backup_manifest",
    ),
    "half as large as the three before": Row(
        {f"shop-202611{day}.csv.gz": gz(noise(400 if day == 25 else 900)) for day in range(22, 26)},
        "of the median of the 3 backups before it",
        check="backup_size",
        hours=1,
    ),
    "a second copy beside it": one(
        "shop.csv.gz", gz(b"1,2\n"), "second copy on the same file system", check="backup_second_copy",
        wanted={"second_copy": {"paths": ["{folder}/*"], "elsewhere": "in the other building"}},
    ),
    "a second copy that is not there": one(
        "shop.csv.gz", gz(b"1,2\n"), "no backup at the second copy", check="backup_second_copy",
        wanted={"second_copy": {"paths": ["{folder}/copy/*"]}},
    ),
    "a day without a backup": Row(
        {f"shop-202611{day}.csv.gz": gz(b"1,2\n") for day in (21, 22, 24, 25)},
        "daily 4 of 5, none of 2026-11-23", check="backup_retention", hours=1,
        wanted={"retention": {"daily": 5}},
    ),
}  # fmt: skip
ROWS = {**AN_END, **A_CONTENT, **A_TIME, **OUT, **MAKING, **FOLDERS, **SPLIT, **OTHERS}


def placed(value: Any, folder: Path) -> Any:
    """Return what a site declares, with the folder of the test in its place."""
    if isinstance(value, str):
        return value.replace("{folder}", str(folder))
    if isinstance(value, list):
        return [placed(each, folder) for each in value]
    return {key: placed(each, folder) for key, each in value.items()} if isinstance(value, dict) else value  # fmt: skip


def laid(row: Row, folder: Path) -> None:
    """Lay a row's files into the folder."""
    for name, made in row.files.items():
        (folder / name).write_bytes(made if isinstance(made, bytes) else made())
        os.utime(folder / name, (row.now - row.hours * HOUR,) * 2)
    row.change(folder)
    if not row.files:
        for path in [*folder.rglob("*"), folder]:
            os.utime(path, (row.now - row.hours * HOUR,) * 2)


def said_of(row: Row, folder: Path) -> Result:
    """Return what the row's check says of the folder."""
    wanted = {"name": "shop", "paths": [f"{folder}/*"], **placed(row.wanted, folder)}
    entry = {"check": row.check, "sets": [wanted], **row.limits}
    (result,) = judged(entry, TimedHost(row.now))
    return result


@pytest.mark.parametrize("name", ROWS)
def test_what_the_page_says_of_an_input_is_so(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    laid(row, tmp_path)

    result = said_of(row, tmp_path)

    assert (result.status.value, row.says in result.message) == (row.status, True), result.message


class ResticHost(TimedHost):
    """A host whose restic says this."""

    def __init__(self, snapshots: Ran, check: Ran) -> None:
        super().__init__(NOW)
        self._snapshots, self._check = snapshots, check

    def run(self, command: Sequence[str], *_more: Any, **_named: Any) -> Ran:
        return self._check if command[-1] == "check" else self._snapshots


def listed(*days: str) -> Ran:
    """Return what restic lists."""
    made = [{"time": f"2026-11-{day}T03:15:00Z", "id": "6825a5d4e6b3"} for day in days]
    return Ran(0, json.dumps(made), "")


WHOLE = Ran(0, "no errors were found", "")
FAULT = Ran(1, "", "pack 8ef75: does not exist\nFatal: repository contains errors\n")
LOCKED = Ran(1, "", "Fatal: wrong password or no key found\n")


@pytest.mark.parametrize(
    ("snapshots", "check", "fresh", "readable"),
    [
        (listed("24", "25"), WHOLE, "pass 11 h old", "pass snapshot 6825a5d4 is readable as restic"),
        (listed("22"), WHOLE, "fail 83 h old", "pass snapshot 6825a5d4 is readable as restic"),
        (listed(), WHOLE, "fail no backup at", "unknown there is no backup"),
        (listed("25"), FAULT, "pass 11 h old", "fail snapshot 6825a5d4 cannot be read: restic check"),
        (LOCKED, LOCKED, "unknown restic: Fatal: wrong password", "unknown restic: Fatal: wrong password"),
    ],
    ids=["whole", "old", "empty", "a pack missing", "wrong password"],
)  # fmt: skip
def test_what_the_page_says_of_a_repository_is_so(
    snapshots: Ran, check: Ran, fresh: str, readable: str
) -> None:
    host = ResticHost(snapshots, check)
    for name, says in (("backup_fresh", fresh), ("backup_readable", readable)):
        entry = {"check": name, "sets": [{"name": "s", "repository": "sftp:host:/b"}]}
        (result,) = judged(entry, host)
        assert f"{result.status.value} {result.message}".startswith(says), result.message
