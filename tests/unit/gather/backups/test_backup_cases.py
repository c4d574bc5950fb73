"""Backups rebuilt from bug reports of other tools, from a site's entry through gather and judge to what must come.

They are made anew with the times of now, as a backup of yesterday would not be fresh tomorrow.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from judged import judged
from made_backups import ERROR, MYSQL_DUMP, PG_DUMP, noise, packed, tar_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from upkeep.model.verdicts import Result

HOUR = 3600.0


class TimedHost(Host):
    """This host at another time."""

    def now(self) -> float:
        return NOW


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the host's zone be UTC, for names that say none."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = 1795617476.0
"""2026-11-25 14:37:56 UTC."""


def stamp(form: str, hours_ago: float) -> str:
    return time.strftime(form, time.gmtime(NOW - hours_ago * HOUR))


@dataclass(frozen=True)
class Case:
    """A backup of that name and content, written so many hours ago, and how old it must be found to be."""

    name: str
    written: float
    age: float
    data: bytes = b"x"


MORNING = 12 + 22 / 60 + 56 / 3600
"""Hours since 02:15."""
CASES = {
    # Yenthe666/auto_backup#73, QubesOS#768: such names
    "dmy": Case(f"shop_{stamp('%d-%m-%Y_%H%M', MORNING)}.sql.gz", MORNING, 12),
    "dmy2": Case(f"shop_{stamp('%d-%m-%Y-%H-%M', MORNING)}.sql.gz", MORNING, 12),
    "dmy3": Case(f"shop_{stamp('%d%m%Y%H%M', MORNING)}.sql.gz", MORNING, 12),
    "hms-dmy": Case(f"shop_{stamp('%H%M%S_%d%m%Y', MORNING)}.sql.gz", MORNING, 12),
    # databacker/mysql-backup#494
    "offset": Case(f"db_backup_{stamp('%Y-%m-%dT%H:%M:%S', 25)}-05:00.sql.gz", 20, 20),
    # sameersbn/docker-gitlab#1414: the version of GitLab stands behind the date
    "gitlab": Case(f"{int(NOW - 10 * HOUR)}_{stamp('%Y_%m_%d', 10)}_00.10.4_gitlab_backup.tar", 10, 10),
    "gitlab2": Case(f"{int(NOW - 20 * HOUR)}_{stamp('%Y_%m_%d', 20)}_17.10.4_gitlab_backup.tar", 20, 20),
    "gitlab3": Case(f"{int(NOW - 2 * HOUR)}_{stamp('%Y_%m_%d', 2)}_10.10.4_gitlab_backup.tar", 2, 2),
    "automysql": Case(f"shop_{stamp('%Y-%m-%d_%Hh%Mm.%A', 2)}.sql.gz", 2, 2),
    "vzdump": Case(f"vzdump-lxc-101-{stamp('%Y_%m_%d-%H_%M_%S', 2)}.tar.gz", 2, 2),
    "datadate": Case(f"sales-{stamp('%Y-%m-%d', 24)}.csv.gz", 2, 15),
    "product": Case("srv2019-1103-shop.sql.gz", 2, 2),
    "calver": Case(f"app-2024.10.12-{stamp('%Y%m%d%H%M', 2)}.sql.gz", 2, 2),
    "period": Case(f"ledger_20260101-20261231_{stamp('%Y%m%d_%H%M%S', 2)}.sql.gz", 2, 2),
    "copied": Case("shop-2026-01-05.sql.gz", 2, 7767),
    "future": Case(f"shop-{stamp('%Y-%m-%d', -48)}.sql.gz", 2, 2),
}  # fmt: skip


def made(folder: Path, name: str, hours: float, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (NOW - hours * HOUR,) * 2)


def results(check: str, folder: Path, **wanted: Any) -> Result:
    wanted = {"name": "shop", "paths": [f"{folder}/*"], **wanted}
    (result,) = judged({"check": check, "sets": [wanted]}, TimedHost())
    return result


@pytest.mark.parametrize("name", CASES)
def test_the_age_of_a_backup_is_that_of_its_taking(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    made(tmp_path, case.name, case.written, gzip.compress(case.data))

    result = results("backup_fresh", tmp_path, rpo_hours=1e6)

    (age,) = [one.value for one in result.measures if one.name == "age"]
    assert round(age / HOUR) == case.age, result


def test_the_newest_of_a_set_is_the_newest_by_the_same_witnesses(tmp_path: Path) -> None:
    # Yenthe666/auto_backup#59: DD_MM_YYYY_HH_MM_SS
    for day in (23, 24, 25):
        made(tmp_path, f"{day}_11_2026_02_15_30_shop.zip", 2, b"x")

    result = results("backup_fresh", tmp_path)

    assert (result.status.value, "12 h old" in result.message) == ("pass", True)


def test_a_copied_old_backup_is_named_by_both_of_its_times(tmp_path: Path) -> None:
    made(tmp_path, "shop-2026-01-05.tar", 2, tar_of(("a", b"x")))

    message = results("backup_fresh", tmp_path).message

    assert "2026-01-05 in its name" in message
    assert "the time of writing says 2026-11-25 12:37" in message


def old_tar(hours: float) -> bytes:
    return tar_of(("a", b"x"), at=NOW - hours * HOUR)


def test_an_archive_of_old_members_is_an_old_backup_unless_the_site_says_otherwise(
    tmp_path: Path,
) -> None:
    made(tmp_path, "shop.tar", 2, old_tar(80))

    assert results("backup_fresh", tmp_path).severity is not None
    assert results("backup_fresh", tmp_path, members_may_be_old=True).severity is None


def test_what_reading_shows_to_be_older_is_not_the_newest(tmp_path: Path) -> None:
    made(tmp_path, "a.tar", 2, old_tar(80))
    made(tmp_path, "b.tar", 10, old_tar(11))

    result = results("backup_readable", tmp_path)

    assert "/b.tar " in result.message


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        # distillium#39, github/backup-utils#90, LemmyNet/lemmy-docs#262, bcgov/backup-container#137
        ("emptygz/shop-20261125.sql.gz", packed("gz", b""), "fail"),
        ("errortext/shop-20261125.sql.gz", packed("gz", ERROR), "fail"),
        # k0lter/autopostgresqlbackup#2, Security-Onion#15896
        ("mysqlcut/shop-20261125.sql.gz", packed("gz", MYSQL_DUMP[:140]), "fail"),
        ("pgcut/shop-20261125.sql.gz", packed("gz", PG_DUMP[:900]), "fail"),
        (
            "restrict/shop-20261125.sql.gz",
            packed("gz", PG_DUMP + b"\\unrestrict AbCdEf0123456789\n\n"),
            "pass",
        ),
        (
            "mariasandbox/shop.sql.gz",
            packed("gz", b"/*M!999999\\- enable the sandbox mode */ \n" + MYSQL_DUMP),
            "pass",
        ),
        (
            "skipcomments/shop.sql.gz",
            packed("gz", b"/*!40101 SET NAMES utf8mb4 */;\nDROP TABLE IF EXISTS `a`;\n"),
            "unknown",
        ),
        (
            "dumpall/all.sql.gz",
            packed(
                "gz",
                b"--\n-- PostgreSQL database cluster dump\n--\nCREATE ROLE a;\n"
                + PG_DUMP
                + b"--\n-- PostgreSQL database cluster dump complete\n--\n\n",
            ),
            "pass",
        ),
        ("multimember/shop.csv.gz", packed("gz", b"a" * 999) + packed("gz", b"b" * 999), "pass"),
        ("zeropad/shop.tar.gz", packed("gz", tar_of(("a", noise(3000)))) + bytes(1024), "pass"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_the_newest_backup_is_read_to_its_end(
    name: str, data: bytes, status: str, tmp_path: Path
) -> None:
    made(tmp_path, name, 2, data)

    result = results("backup_readable", (tmp_path / name).parent)

    assert result.status.value == status, result.message


@pytest.mark.parametrize("suffix", ["a{}", "00{}", "part{}"])
@pytest.mark.parametrize("lost", [None, 1, 3])
def test_split_volumes_are_one_backup(suffix: str, lost: int | None, tmp_path: Path) -> None:
    whole = packed("gz", tar_of(("a", noise(300_000))))
    letters = "abcd" if suffix == "a{}" else "0123" if suffix == "00{}" else "1234"
    for number, letter in enumerate(letters):
        piece = whole[number * 80_000 : (number + 1) * 80_000]
        if number != lost:
            made(tmp_path, f"shop-20261125.tar.gz.{suffix.format(letter)}", 2, piece)

    result = results("backup_readable", tmp_path)

    assert result.status.value == ("pass" if lost is None else "fail"), result
    assert (len(list(tmp_path.iterdir()))) == (4 if lost is None else 3)


def test_a_backup_that_was_written_a_moment_ago_and_is_cut_is_being_made(tmp_path: Path) -> None:
    # Aletheore/Aletheore#383, bcgov/backup-container#137
    made(tmp_path, "shop-20261124.sql.gz", 25, packed("gz", PG_DUMP))
    made(tmp_path, "shop-20261125.sql.gz", 0.01, packed("gz", PG_DUMP)[:500])

    readable = results("backup_readable", tmp_path)
    fresh = results("backup_fresh", tmp_path, rpo_hours=48)

    assert "shop-20261124" in readable.message
    assert readable.status.value == "pass"
    assert "1 unfinished" in fresh.message


def test_one_that_stays_cut_is_broken(tmp_path: Path) -> None:
    made(tmp_path, "shop-20261124.sql.gz", 25, packed("gz", PG_DUMP))
    made(tmp_path, "shop-20261125.sql.gz", 1, packed("gz", PG_DUMP)[:500])

    assert results("backup_readable", tmp_path).status.value == "fail"


def test_a_backup_that_a_process_holds_open_is_being_made(tmp_path: Path) -> None:
    made(tmp_path, "shop-20261124.sql.gz", 25, packed("gz", PG_DUMP))
    made(tmp_path, "shop-20261125.sql.gz", 5, packed("gz", PG_DUMP)[:500])
    with (tmp_path / "shop-20261125.sql.gz").open("ab"):
        held = results("backup_readable", tmp_path)
    free = results("backup_readable", tmp_path)

    assert (held.status.value, "shop-20261124" in held.message) == ("pass", True)
    assert free.status.value == "fail"


def test_a_hundred_small_sets_do_not_starve_each_other(tmp_path: Path) -> None:
    sets = []
    for number in range(100):
        made(tmp_path, f"{number}/shop.sql.gz", 0.01, packed("gz", PG_DUMP))
        sets.append({"name": f"shop {number}", "paths": [f"{tmp_path}/{number}/*"]})
    made(tmp_path, "large/shop.sql.gz", 0.01, packed("gz", PG_DUMP + b"\n" * 5_000_000 + PG_DUMP))
    sets.insert(0, {"name": "large", "paths": [f"{tmp_path}/large/*"]})

    found = judged({"check": "backup_readable", "sets": sets, "read_seconds": 60}, TimedHost())

    assert {one.status.value for one in found} == {"pass"}
    assert [one.subject for one in found][:2] == ["large", "shop 0"]


def test_of_many_archives_with_old_members_not_all_are_read(tmp_path: Path) -> None:
    for number in range(9):
        made(tmp_path, f"{number}.tar", 2 + number * 24, old_tar(300))

    fresh = results("backup_fresh", tmp_path)

    assert "300 h old by its newest member" in fresh.message
    assert fresh.message.endswith("/0.tar")


def test_members_of_another_zone_make_no_backup_newer_than_its_writing(tmp_path: Path) -> None:
    made(tmp_path, "shop.tar", 10, tar_of(("a", b"x"), at=NOW - 2 * HOUR))

    assert results("backup_fresh", tmp_path).message.startswith("10 h old")


def test_a_dump_with_binary_columns_is_a_dump(tmp_path: Path) -> None:
    binary = MYSQL_DUMP.replace(b"VALUES (1)", b"VALUES (_binary '\x00\x01\x02\xff')")
    made(tmp_path, "shop.sql.gz", 2, packed("gz", binary))

    assert "SQL of mysqldump" in results("backup_readable", tmp_path).message


def test_nothing_of_what_is_in_a_backup_is_said(tmp_path: Path) -> None:
    secret = b"PATIENT-SECRET-123"
    dump = PG_DUMP.replace(b"name 7", b"name " + secret)
    contents = {
        "whole.sql.gz": packed("gz", dump),
        "cut.sql": dump[:-40],
        "error.sql.gz": packed("gz", b"mysqldump: Error: row " + secret + b"\n"),
        "text.sql": secret + b"\n",
        "behind.sql": dump + secret + b"\n",
        "flipped.csv.gz": packed("gz", secret * 99)[:-6] + b"123456",
        "a.tar": tar_of(("a", secret * 50))[:1500],
        "a.db": b"SQLite format 3\0" + secret * 99,
        "a.dump": b"PGDMP" + secret * 99,
        "a.json": secret,
    }
    for name, data in contents.items():
        made(tmp_path / name, name, 2, data)
        for check in ("backup_readable", "backup_fresh", "backup_manifest"):
            wanted = {"name": "shop", "paths": [f"{tmp_path}/{name}/*"]}
            found = judged({"check": check, "sets": [wanted]}, TimedHost())
            assert secret.decode() not in repr(found), (name, check)
