"""Whole backups under the names that backup programs give them: no check fails any of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from judged import judged_all
from made_backups import MYSQL_DUMP, PG_DUMP, noise, packed, sqlite_of, tar_of, zip_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

HOUR, DAY = 3600.0, 86_400.0
TAKEN = datetime(2026, 11, 27, 14, 35, 7, tzinfo=UTC).timestamp()
"""About when the recorded dumps were taken; a Friday."""
NOW = TAKEN + 9 * HOUR
RECORDED = Path(__file__).parents[2] / "recorded" / "backups"
SQLITE = sqlite_of(20)
ROWS = b"id,name\n1,a\n2,b\n"


class TimedHost(Host):
    """This host at another time."""

    def now(self) -> float:
        return NOW


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def tar(at: float) -> bytes:
    return tar_of(("./srv/a.txt", b"a\n"), ("./srv/b.bin", noise(600)), at=at - 60)


def archive(at: float) -> bytes:
    moment = datetime.fromtimestamp(at, UTC)
    members = (("dump.sql", PG_DUMP), ("filestore/a", noise(300)))
    return zip_of(*members, at=(moment.year, moment.month, moment.day, moment.hour, moment.minute, 0))  # fmt: skip


def mysql(at: float) -> bytes:
    said = time.strftime("%Y-%m-%d %k:%M:%S", time.gmtime(at)).encode()
    return MYSQL_DUMP.replace(b"2026-11-25  2:15:00", said)


def text(at: float) -> bytes:
    return ROWS * 20


def opaque(at: float) -> bytes:
    return b"TAPE" + noise(2000)


def recorded(name: str) -> Callable[[float], bytes]:
    return lambda at: (RECORDED / name).read_bytes()


CONTENTS: dict[str, Callable[[float], bytes]] = {
    "tar": tar,
    "zip": archive,
    "pg": lambda at: PG_DUMP,
    "my": mysql,
    "lite": lambda at: SQLITE,
    "text": text,
    "opaque": opaque,
    "custom": recorded("pg15_zlib.dump"),
    "custom lz4": recorded("pg16_lz4.dump"),
    "redis": lambda at: b"REDIS0011" + noise(99) + b"\xff" + bytes(8),
    "age": lambda at: b"age-encryption.org/v1\n-> X25519 abc\nkey\n--- mac\n" + noise(3000),
    "gpg": lambda at: b"\xc3\x0d\x04\x09\x03\x08" + noise(9) + b"\xd2\xbf\x01" + noise(190),
    "mongo": lambda at: b"\x6d\xe2\x99\x81" + noise(2000),
    "7z": lambda at: b"7z\xbc\xaf\x27\x1c" + noise(900),
    "xbstream": lambda at: b"XBSTCK01" + noise(900),
}
"""What lies in a backup, before it is wrapped."""
UNKNOWN_FORMAT = "of an unknown format: nothing shows that it is complete"
NO_DATABASE = "its content begins as no known dump or database"
SEALED = "encrypted: its content cannot be seen without the key"
WHOLE = ""

# program → (name at a time, content and wrapping, why backup_readable is unknown)
NAMES: dict[str, list[tuple[str, str, str]]] = {
    "crontab": [
        ("shop_%Y%m%d_%H%M%S.sql.gz", "pg gz", WHOLE),
        ("shop-%Y%m%d%H%M%S.sql.gz", "my gz", WHOLE),
        ("shop.%Y%m%d.%H%M.sql.bz2", "my bz2", WHOLE),
        ("shop_%Y-%m-%d_%H:%M:%S.sql.xz", "pg xz", WHOLE),
        ("shop-%Y-%m-%d.sql.zst", "pg zst", WHOLE),
        ("shop-%Y%m%d.sql.lz4", "pg lz4", WHOLE),
        ("shop-%Y%m%d.dump", "custom", WHOLE),
        ("shop_%d-%m-%Y.sql", "my", WHOLE),
        ("shop_%d%m%Y.sql.gz", "my gz", WHOLE),
        ("shop_%d-%m-%Y_%H%M.sql.gz", "pg gz", WHOLE),
        ("shop_%d-%m-%Y-%H-%M.sql.gz", "pg gz", WHOLE),
        ("%H%M%S_%d%m%Y.sql.gz", "pg gz", WHOLE),
        ("%Hh%Mm_%Y-%m-%d.sql", "pg", WHOLE),
        ("shop-%d-%b-%Y.sql.gz", "pg gz", WHOLE),
        ("shop-%b%d.tgz", "tar gz", WHOLE),
        ("Sicherung_%d.%b.%Y.tar", "tar", WHOLE),
        ("shop-%G-W%V.tar.gz", "tar gz", WHOLE),
        ("shop-%Y-%j.tar.gz", "tar gz", WHOLE),
        ("shop-{epoch}.sql.gz", "my gz", WHOLE),
        ("{milliseconds}.tar.zst", "tar zst", WHOLE),
        ("shop-%a-%b-%d-%H:%M:%S-UTC-%Y.sql", "my", WHOLE),
        ("shop %a %b %d %H:%M:%S UTC %Y.tar.gz", "tar gz", WHOLE),
        ("pg15_%Y%m%d_%H%M.dump", "custom", WHOLE),
        ("10.20.30.40_%Y%m%d_%H%M.tar.gz", "tar gz", WHOLE),
        ("srv2019-1103-%Y%m%d.sql.gz", "my gz", WHOLE),
        ("app-2024.10.12-%Y%m%d%H%M.sql.gz", "pg gz", WHOLE),
        ("app-v2.11.2026-%Y%m%d_%H%M%S.tar", "tar", WHOLE),
        ("ledger_20260101-20261231_%Y%m%d_%H%M%S.sql.gz", "pg gz", WHOLE),
        ("invoices_1000234_%Y%m%d-%H%M.csv.gz", "text gz", WHOLE),
        ("shop-latest.sql.gz", "pg gz", WHOLE),
        ("shop_%A.sql.gz", "pg gz", WHOLE),
        ("shop-%Y%m%d.tar.gz.age", "age", SEALED),
        ("shop-%Y%m%d.tar.gz.gpg", "gpg", SEALED),
        ("shop-%Y%m%d.7z", "7z", "a format that is not read here: 7z"),
    ],
    "automysqlbackup": [
        ("daily_shop_%Y-%m-%d_%Hh%Mm_%A.sql.gz", "my gz", WHOLE),
        ("weekly_shop_%Y-%m-%d_%Hh%Mm_48.sql.gz", "my gz", WHOLE),
        ("monthly_shop_%Y-%m-%d_%Hh%Mm_November.sql.bz2", "my bz2", WHOLE),
        ("shop_%Y-%m-%d_%Hh%Mm.%A.sql.gz", "my gz", WHOLE),
    ],
    "autopostgresqlbackup": [
        ("shop_week.48.%Y-%m-%d_%Hh%Mm.sql.gz", "pg gz", WHOLE),
        ("postgres_globals_%Y-%m-%d_%Hh%Mm.%A.sql.gz", "pg gz", WHOLE),
    ],
    "pg_back": [
        ("shop_%Y-%m-%d_%H-%M-%S.dump", "custom", WHOLE),
        ("shop_%Y-%m-%dT%H:%M:%SZ.dump", "custom lz4", WHOLE),
        ("shop_%Y-%m-%dT%H:%M:%S+00:00.d", "folder pg15_d", WHOLE),
    ],
    "pg_basebackup": [("base_%Y%m%dT%H%M%SZ", "folder pg15_base", WHOLE)],
    "mydumper": [("export-%Y%m%d-%H%M%S", "folder mydumper", WHOLE)],
    "mariabackup": [
        ("%Y-%m-%d_%H-%M-%S", "folder mariabackup", WHOLE),
        ("shop-%Y-%m-%d.xbstream.gz", "xbstream gz", "a format that is not read here: xbstream"),
    ],
    "GitLab": [
        ("{epoch}_%Y_%m_%d_00.10.4_gitlab_backup.tar", "tar", WHOLE),
        ("{epoch}_%Y_%m_%d_17.10.4-ee_gitlab_backup.tar", "tar", WHOLE),
        ("gitlab_config_{epoch}_%Y_%m_%d.tar", "tar", WHOLE),
    ],
    "Gitea": [("gitea-dump-{epoch}.zip", "zip", WHOLE), ("forgejo-dump-{epoch}.tar.zst", "tar zst", WHOLE)],
    "Jenkins": [("BACKUPSET_%Y-%m-%d_%H-%M_.zip", "zip", WHOLE)],
    "TeamCity": [("TeamCity_Backup_%Y%m%d_%H%M%S.zip", "zip", WHOLE)],
    "Jira": [("%Y-%b-%d--%H%M.zip", "zip", WHOLE), ("backup-%Y_%m_%d.zip", "zip", WHOLE)],
    "Odoo": [
        ("%d_%m_%Y_%H_%M_%S_shop.zip", "zip", WHOLE),
        ("shop_%Y_%m_%d_%H_%M_%S.dump.zip", "zip", WHOLE),
        ("shop_%Y-%m-%d_%H-%M-%S.dump", "custom", WHOLE),
    ],
    "cPanel": [
        ("backup-%m.%d.%Y_%H-%M-%S_user.tar.gz", "tar gz", WHOLE),
        ("cpmove-user-%Y-%m-%d.tar.gz", "tar gz", WHOLE),
    ],
    "CyberPanel": [("backup-example.com-%m.%d.%Y_%H-%M-%S.tar.gz", "tar gz", WHOLE)],
    "Plesk": [("backup_user-data_%y%m%d%H%M.tgz", "tar gz", WHOLE)],
    "ISPConfig": [("web12_%Y-%m-%d_%H-%M.tar.gz", "tar gz", WHOLE), ("db_c1shop_%Y-%m-%d_%H-%M.sql.gz", "my gz", WHOLE)],
    "Proxmox": [
        ("vzdump-lxc-101-%Y_%m_%d-%H_%M_%S.tar.zst", "tar zst", WHOLE),
        ("vzdump-lxc-2019-%Y_%m_%d-%H_%M_%S.tar.gz", "tar gz", WHOLE),
        ("vzdump-qemu-2019-%Y_%m_%d-%H_%M_%S.vma.zst", "opaque zst", WHOLE),
        ("vzdump-qemu-100-%Y_%m_%d-%H_%M_%S.vma", "opaque", UNKNOWN_FORMAT),
    ],
    "Synology": [("Synology_nas_%Y%m%d.dss", "opaque", UNKNOWN_FORMAT)],
    "UniFi": [("autobackup_6.0.45_%Y%m%d_%H%M_{milliseconds}.unf", "opaque", UNKNOWN_FORMAT)],
    "Home Assistant": [("Automatic_backup_2026.11.2_%Y-%m-%d_%H.%M_00123456.tar", "tar", WHOLE)],
    "OPNsense": [("config-fw.example.com-%Y%m%d%H%M%S.xml", "text", UNKNOWN_FORMAT)],
    "MikroTik": [("router-%Y%m%d-%H%M.backup", "opaque", UNKNOWN_FORMAT)],
    "FRITZ!Box": [("FRITZ.Box 7590 154.08.02 %d.%m.%y_%H%M.export", "text", UNKNOWN_FORMAT)],
    "TrueNAS": [("nas-TrueNAS-SCALE-24.10.2-%Y%m%d%H%M%S.db", "lite", WHOLE)],
    "Nextcloud": [
        ("nextcloud-sqlbkp_%Y%m%d.bak", "my", WHOLE),
        ("nextcloud-dirbkp_%Y%m%d_%H%M", "folder tree", WHOLE),
    ],
    "WordPress": [
        ("backup_%Y-%m-%d-%H%M_Shop_a1b2c3d4e5f6-db.gz", "my gz", WHOLE),
        ("%Y%m%d_shop_a1b2c3d4e5f67890_%Y%m%d%H%M%S_archive.zip", "zip", WHOLE),
    ],
    "Joomla": [("site-www.example.com-%Y%m%d-%H%M%Sutc-Gq3xVbYw1c0d.jpa", "opaque", UNKNOWN_FORMAT)],
    "Bitwarden": [
        ("bitwarden_export_%Y%m%d%H%M%S.json", "text", UNKNOWN_FORMAT),
        ("db_%Y%m%d_%H%M%S.sqlite3", "lite", WHOLE),
    ],
    "Mailcow": [("mailcow-%Y-%m-%d-%H-%M-%S", "folder tree", WHOLE)],
    "phpMyAdmin": [("localhost-%Y-%m-%dT%H-%M-%S.sql.zip", "zip", WHOLE)],
    "mongodump": [
        ("mongodump-%Y-%m-%dT%H-%M-%SZ.archive.gz", "mongo gz", "a format that is not read here: archive of mongodump"),
        ("mongodump-%Y-%m-%d.tar.gz", "tar gz", WHOLE),
    ],
    "etcd": [
        ("snapshot-%Y-%m-%dT%H:%M:%SZ.db", "opaque", NO_DATABASE),
        ("etcd-snapshot-node1-{epoch}", "opaque", UNKNOWN_FORMAT),
        ("etcd-snapshot-node1-{epoch}.zip", "zip", WHOLE),
    ],
    "Redis": [("dump-%Y-%m-%d_%H%M.rdb", "redis", WHOLE), ("dump.rdb.gz", "redis gz", WHOLE)],
    "InfluxDB": [("%Y%m%dT%H%M%SZ.1.tar.gz", "tar gz", WHOLE)],
    "Vault": [("vault-raft-%Y%m%d-%H%M.snap", "tar gz", WHOLE)],
    "Consul": [("consul-%Y-%m-%d.snap", "tar gz", WHOLE)],
    "SQL Server": [
        ("shop_backup_%Y_%m_%d_%H%M%S_1234567.bak", "opaque", UNKNOWN_FORMAT),
        ("shop_FULL_%Y%m%d_%H%M%S.bak", "opaque", UNKNOWN_FORMAT),
        ("shop_FULL_%Y%m%d_%H%M%S.bak.gz", "opaque gz", WHOLE),
    ],
    "Oracle": [("full_SHOP_%Y%m%d_0b2k3l4m_1_1.bkp", "opaque", UNKNOWN_FORMAT)],
    "slapcat": [("ldap-%Y%m%d.ldif.gz", "text gz", WHOLE)],
    "Veeam": [
        ("shop%Y-%m-%dT%H%M%S.vbk", "opaque", UNKNOWN_FORMAT),
        ("shopD%Y-%m-%dT%H%M%S_A1B2.vib", "opaque", UNKNOWN_FORMAT),
    ],
    "Acronis": [("shop_full_b1_s1_v1.tib", "opaque", UNKNOWN_FORMAT)],
    "Macrium": [("1A2B3C4D5E6F7890-00-00.mrimg", "opaque", UNKNOWN_FORMAT)],
    "databacker": [
        ("db_backup_%Y-%m-%dT%H:%M:%SZ.tgz", "tar gz", WHOLE),
        ("db_backup_%Y-%m-%dT%H-%M-%S-00-00.sql.gz", "my gz", WHOLE),
    ],
    "tiredofit": [("pgsql_shop_db_%Y%m%d-%H%M%S.sql.zst", "pg zst", WHOLE)],
    "duplicity": [
        ("duplicity-full.%Y%m%dT%H%M%SZ.vol1.difftar.gz", "tar gz", WHOLE),
        ("duplicity-full.%Y%m%dT%H%M%SZ.manifest.gpg", "gpg", SEALED),
    ],
    "Duplicati": [("duplicati-%Y%m%dT%H%M%SZ.dlist.zip", "zip", WHOLE)],
    "rsnapshot": [("daily.0", "folder tree", WHOLE)],
    "dirvish": [("%Y%m%d-%H%M", "folder tree", WHOLE)],
    "Time Machine": [("%Y-%m-%d-%H%M%S.backup", "folder tree", WHOLE)],
    "Seafile": [("seahub-db.sql.%Y-%m-%d-%H-%M-%S", "my", WHOLE)],
    "by hand": [
        ("Backup %Y-%m-%d %H-%M-%S.zip", "zip", WHOLE),
        ("Backup %m-%d-%Y %I-%M-%S %p.zip", "zip", WHOLE),
        ("Shop (%d. November %Y).accdb", "opaque", UNKNOWN_FORMAT),
        ("shop_%Y-%m-%d_%H%%3A%M%%3A%S.sql", "pg", WHOLE),
        ("Backup von Müller %Y-%m-%d.tar.gz", "tar gz", WHOLE),
        ("SHOP.%Y%m%d.SQL.GZ", "my gz", WHOLE),
    ],
}  # fmt: skip
CASES = [(program, *case) for program, cases in NAMES.items() for case in cases]
DAYS = 4


def named(form: str, at: float) -> str:
    said = form.replace("{epoch}", f"{at:.0f}").replace("{milliseconds}", f"{at * 1000 + 123:.0f}")
    return time.strftime(said, time.gmtime(at))


def lay(path: Path, content: str, at: float) -> None:
    """Write a whole backup, taken at this time."""
    what, _space, rest = content.rpartition(" ") if content.split(" ")[0] != "folder" else ("folder", "", content[7:])  # fmt: skip
    if what == "folder" and rest == "tree":
        (path / "srv").mkdir(parents=True)
        (path / "srv" / "a").write_bytes(noise(300))
    elif what == "folder":
        shutil.copytree(RECORDED / "folders" / rest, path)
        if rest == "mariabackup":
            (path / "ibdata1").write_bytes(b"page" * 8192)
            (path / "ib_logfile0").write_bytes(b"log")
    elif rest in ("gz", "bz2", "xz", "zst") or (rest == "lz4" and what != "custom"):
        path.write_bytes(packed(rest, CONTENTS[what](at)))
    else:
        path.write_bytes(CONTENTS[content](at))
    for each in [*path.rglob("*"), path]:
        os.utime(each, (at + 240, at + 240))
    if path.is_file():
        beside = path.with_name(path.name + ".sha256")
        beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")


def test_the_names_are_a_hundred_of_more_than_twenty_programs() -> None:
    assert len({form for _program, form, _content, _why in CASES}) > 100
    assert len(NAMES) > 40


@pytest.mark.parametrize(("program", "form", "content", "why"), CASES)
def test_no_check_fails_a_whole_backup(
    program: str, form: str, content: str, why: str, tmp_path: Path
) -> None:
    days = [TAKEN - day * DAY for day in range(DAYS)]
    names = [named(form, at) for at in days]
    said_inside = content.startswith(("custom", "folder pg", "folder m"))  # the same each day
    several = len(set(names)) == DAYS and not said_inside
    for name, at in list(zip(names, days, strict=True))[: DAYS if several else 1]:
        lay(tmp_path / name, content, at)
    wanted = {"name": "s", "paths": [f"{tmp_path}/*"], "retention": {"daily": 3} if several else {}}

    results = judged_all("backups", {"sets": [wanted], "read_seconds": 60}, TimedHost())

    found = {result.check: result for result in results}
    messages = {name: f"{one.status.value}: {one.message}" for name, one in found.items()}
    assert not [one for one in found.values() if one.status.value == "fail"], messages
    readable = found.pop("backup_readable")
    assert (readable.status.value, why in readable.message) == ("unknown" if why else "pass", True)
    if not several:
        assert "0 earlier backups, 3 to compare" in found.pop("backup_size").message
    assert {one.status.value for one in found.values()} == {"pass"}, messages
    assert f"/{names[0]}" in readable.message, "another one is taken for the newest"
    (age,) = [one.value for one in found["backup_fresh"].measures if one.name == "age"]
    assert 8.5 * HOUR < age <= 9.5 * HOUR
    assert ("backup_manifest" in found) == (not content.startswith("folder"))
