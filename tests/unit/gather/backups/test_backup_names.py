from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._names import named_at

MINUTE, HOUR, DAY = 60, 3600, 86_400


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def clock(zone: str) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setenv("TZ", zone)
    time.tzset()
    return patch


@pytest.fixture(scope="module", autouse=True)
def in_utc() -> Iterator[None]:
    patch = clock("UTC")
    yield
    patch.undo()
    time.tzset()


@pytest.fixture
def in_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    patch = clock(request.param)
    yield
    patch.undo()
    time.tzset()


TAKEN = at(2026, 11, 25, 2, 15)  # a Wednesday in ISO week 48; in seconds since 1970: 1795572900
WRITTEN = TAKEN + 4 * MINUTE
NOW = WRITTEN + 9 * HOUR
S, M, H = (
    TAKEN,
    TAKEN + 59,
    TAKEN - 15 * MINUTE + 3599,
)  # the last second that seconds, minutes and hours allow

WRITTEN_BY_PROGRAMS = [
    # mysqldump, pg_dump and tar in a crontab
    ("shop_20261125_021500.sql.gz", S),
    ("shop-20261125021500.sql.gz", S),
    ("shop.20261125.0215.sql.gz", M),
    ("shop_2026-11-25_02:15:00.sql.gz", S),
    ("shop_2026-11-25_02-15.sql.gz", M),
    ("shop-2026-11-25.sql.gz", WRITTEN),
    ("shop-20261125.dump", WRITTEN),
    ("shop_25-11-2026.sql", WRITTEN),
    ("shop_25112026.sql.bz2", WRITTEN),
    ("shop_11252026.sql.bz2", WRITTEN),
    ("shop_251120260215.sql.gz", M),
    ("shop_25-11-2026_0215.sql.gz", M),
    ("shop_25-11-2026-02-15.sql.gz", M),
    ("021500_25112026.sql.gz", S),
    ("02-15-00_25-11-2026_shop.sql.gz", S),
    ("0215_2026-11-25_shop.sql", M),
    ("02h15m_2026-11-25.sql", M),
    ("shop.261125.sql.gz", WRITTEN),
    ("shop-251126.sql.gz", WRITTEN),
    ("shop_112526_0215.sql.gz", M),
    ("shop-26-11-25.sql.gz", WRITTEN),
    ("shop-25.11.26.sql.gz", WRITTEN),
    ("shop-25-Nov-2026.sql.gz", WRITTEN),
    ("shop_25Nov2026_0215.sql.gz", M),
    ("shop-Nov-25-2026.tgz", WRITTEN),
    ("shop-Nov25.tgz", WRITTEN),
    ("shop-25nov.tgz", WRITTEN),
    ("Sicherung_25.Nov.2026.tar", WRITTEN),
    ("shop-2026-W48.tar.gz", WRITTEN),
    ("shop-2026W48-3.tar.gz", WRITTEN),
    ("shop-2026-329.tar.gz", WRITTEN),
    ("shop-1795572900.sql.gz", S),
    ("1795572900123.tar.zst", S),
    ("shop-Wed-Nov-25-02:15:00-UTC-2026.sql", S),
    ("shop Wed Nov 25 02:15:00 CET 2026.sql", S - HOUR),
    ("shop_2026-11-25T02:15:00+0000.sql", S),
    ("shop_2026-11-25T11:15:00+0900.sql", S),
    ("shop_2026-11-24T21:15:00-0500.sql", S),
    ("shop-2026-11-25_03-15-00-CET.tar", S),
    ("shop_2026-11-25_02-15-00.pg15.dump", S),
    ("pg15_20261125_0215.dump", M),
    ("shop-5432-20261125-0215.dump", M),
    ("10.20.30.40_20261125_0215.tar.gz", M),
    ("backup-192.168.11.25-2026-11-25.tgz", WRITTEN),
    ("6f1b2c34-20261125-4abc-8def-0123456789ab_2026-11-25_02-15-00.sql", S),
    ("shop-550e8400-e29b-41d4-a716-446655440000-20261125T0215.sql", M),
    ("9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab-2026-11-25.tar", WRITTEN),
    ("uid1001-home-20261125.tar", WRITTEN),
    ("invoices_1000234_20261125-0215.csv.gz", M),
    ("app-2024.10.12-202611250215.sql.gz", M),
    ("app-v2.11.2026-20261125_021500.tar", S),
    ("srv2019-1103-20261125.sql.gz", WRITTEN),
    ("win2025-dc01_2026-11-25_0215.bak", M),
    ("ledger_20260101-20261231_20261125_021500.sql.gz", S),
    ("ledger_2026-01-01_to_2026-06-30_2026-11-25.sql.gz", WRITTEN),
    # automysqlbackup, autopostgresqlbackup
    ("daily_shop_2026-11-25_02h15m_Wednesday.sql.gz", M),
    ("weekly_shop_2026-11-25_02h15m_48.sql.gz", M),
    ("monthly_shop_2026-11-25_02h15m_November.sql.gz", M),
    ("shop_2026-11-25_02h15m.Wednesday.sql.gz", M),
    ("shop_week.48.2026-11-25_02h15m.sql.gz", M),
    ("postgres_globals_2026-11-25_02h15m.Wednesday.sql.gz", M),
    # pg_back, pgBackRest, Barman, WAL-G, pg_basebackup
    ("shop_2026-11-25_02-15-00.dump", S),
    ("pg_globals_2026-11-25T02:15:00Z.sql", S),
    ("shop_2026-11-25T03:15:00+01:00.d", S),
    ("20261125-021500F", S),
    ("20261122-021500F_20261125-021500D", S),
    ("20261122-021500F_20261125-021500I", S),
    ("20261125T021500", S),
    ("base_20261125T021500Z", S),
    ("base_000000010000000000000004", None),
    ("000000010000000A000000FE.lz4", None),
    # GitLab, Gitea, Forgejo, Jenkins ThinBackup, TeamCity, Jira, Confluence
    ("1795572900_2026_11_25_00.10.4_gitlab_backup.tar", S),
    ("1795572900_2026_11_25_17.10.4-ee_gitlab_backup.tar", S),
    ("1795572900_2026_11_25_01.10.14_gitlab_backup.tar", S),
    ("1795572900_gitlab_config_1795572900_2026_11_25.tar", S),
    ("gitea-dump-1795572900.zip", S),
    ("forgejo-dump-1795572900.tar.zst", S),
    ("FULL-2026-11-25_02-15", M),
    ("BACKUPSET_2026-11-24_02-15_.zip", TAKEN - DAY + 59),
    ("TeamCity_Backup_20261125_021500.zip", S),
    ("2026-Nov-25--0215.zip", M),
    ("backup-2026_11_25.zip", WRITTEN),
    # Odoo auto_backup, cPanel, Plesk, DirectAdmin, CyberPanel, ISPConfig
    ("25_11_2026_02_15_00_shop.zip", S),
    ("shop_2026_11_25_02_15_00.dump.zip", S),
    ("backup-11.25.2026_02-15-00_user.tar.gz", S),
    ("cpmove-user-2026-11-25.tar.gz", WRITTEN),
    ("backup_info_2611250215.xml", M),
    ("backup_user-data_2611250215.tgz", M),
    ("backup-example.com-11.25.2026_02-15-00.tar.gz", S),
    ("web12_2026-11-25_02-15.tar.gz", M),
    ("db_c1shop_2026-11-25_02-15.sql.gz", M),
    # Proxmox, Synology, UniFi, Home Assistant, OPNsense, MikroTik, FRITZ!Box, TrueNAS
    ("vzdump-lxc-101-2026_11_25-02_15_00.tar.zst", S),
    ("vzdump-qemu-2019-2026_11_25-02_15_00.vma.zst", S),
    ("Synology_nas_20261125.dss", WRITTEN),
    ("autobackup_6.0.45_20261125_0215_1795572900123.unf", S),
    ("network_backup_25.11.2026_02-15_v8.6.9.unf", M),
    ("Automatic_backup_2026.11.2_2026-11-25_02.15_00123456.tar", M),
    ("config-fw.example.com-20261125021500.xml", S),
    ("router-20261125-0215.backup", M),
    ("FRITZ.Box 7590 154.08.02 25.11.26_0215.export", M),
    ("nas-TrueNAS-SCALE-24.10.2-20261125021500.db", S),
    # Nextcloud, WordPress, Joomla, Bitwarden, Mailcow, Zimbra, phpMyAdmin
    ("nextcloud-sqlbkp_20261125.bak", WRITTEN),
    ("nextcloud-dirbkp_20261125_0215.tar.gz", M),
    ("backup_2026-11-25-0215_Shop_a1b2c3d4e5f6-db.gz", M),
    ("20261125_shop_a1b2c3d4e5f67890_20261125021500_archive.zip", S),
    ("site-www.example.com-20261125-021500utc-Gq3xVbYw1c0d.jpa", S),
    ("bitwarden_export_20261125021500.json", S),
    ("db_20261125_021500.sqlite3", S),
    ("mailcow-2026-11-25-02-15-00", S),
    ("full-20261125.021500.123", S),
    ("localhost-2026-11-25T02-15-00.sql.zip", S),
    # MongoDB, etcd, k3s, Redis, Elasticsearch, InfluxDB, Vault, Consul, SQL Server, Oracle, slapcat
    ("mongodump-2026-11-25T02-15-00Z.archive.gz", S),
    ("snapshot-2026-11-25T02:15:00Z.db", S),
    ("snapshot_2026-11-25_021500.db", S),
    ("static_kuberesources_2026-11-25_021500.tar.gz", S),
    ("etcd-snapshot-node1-1795572900", S),
    ("dump-2026-11-25_0215.rdb", M),
    ("nightly-snap-2026.11.25-abcdefg0123", WRITTEN),
    ("20261125T021500Z.manifest", S),
    ("vault-raft-20261125-0215.snap", M),
    ("shop_backup_2026_11_25_021500_1234567.bak", S),
    ("shop_FULL_20261125_021500.bak", S),
    ("c-1234567890-20261125-00", WRITTEN),
    ("df_1214567890_12_1.bkp", None),
    ("full_SHOP_20261125_0b2k3l4m_1_1.bkp", WRITTEN),
    ("ldap-20261125.ldif.gz", WRITTEN),
    # borg, borgmatic, duplicity, dirvish, rsnapshot, Bacula, Veeam, databacker, tiredofit, AWS
    ("web1-2026-11-25T02:15:00.123456", S),
    ("web1-2026-11-25T02:15:00", S),
    ("duplicity-full.20261125T021500Z.vol1.difftar.gz", S),
    ("duplicity-inc.20261122T021500Z.to.20261125T021500Z.manifest.gpg", S),
    ("20261125-0215", M),
    ("daily.0", None),
    ("Full-2026-11-25_02.15.00_03", S),
    ("Vol-0042", None),
    ("shop2026-11-25T021500.vbk", S),
    ("shopD2026-11-25T021500_A1B2.vib", S),
    ("db_backup_2026-11-25T02:15:00Z.tgz", S),
    ("db_backup_2026-11-24T21:15:00-05:00.sql.gz", S),
    ("db_backup_2026-11-24T21-15-00-05-00.sql.gz", S),
    ("pgsql_shop_db_20261125-021500.sql.zst", S),
    ("mysql_shop_mariadb_20261125-021500.sql.gz.sha1", S),
    ("rds:shop-2026-11-25-02-15", M),
    # Duplicati, rdiff-backup, sanoid, zfs-auto-snapshot, Timeshift, Time Machine, mydumper, xtrabackup, Velero
    ("duplicati-20261125T021500Z.dlist.zip.aes", S),
    ("current_mirror.2026-11-25T03:15:00+01:00.data", S),
    ("autosnap_2026-11-25_02:15:00_daily", S),
    ("zfs-auto-snap_daily-2026-11-25-0215", M),
    ("2026-11-25_02-15-00", S),
    ("2026-11-25-021500.backup", S),
    ("export-20261125-021500", S),
    ("nightly-20261125021500", S),
    ("seahub-db.sql.2026-11-25-02-15-00", S),
    ("2026-11-25T02:15:00Z.pbm.json", S),
    # Db2, SAP HANA, Cassandra, Macrium, Acronis, MinIO, AWS Backup
    ("SHOP.0.db2inst1.DBPART000.20261125021500.001", S),
    ("log_backup_0_0_0_0.1795572900123", S),
    ("COMPLETE_DATA_BACKUP_databackup_0_1", None),
    ("shop-1795572900123-snapshot.tar.gz", S),
    ("1A2B3C4D5E6F7890-00-00.mrimg", None),
    ("shop_full_b1_s1_v1.tib", None),
    ("shop-2026-11-25T021500.123456789Z.tar.zst", S),
    # Windows, by hand
    ("Backup 2026-11-25 02-15-00.zip", S),
    ("Backup 11-25-2026 2-15-00 AM.zip", S),
    ("Shop 2026-11-25 at 02.15.00.bak", S),
    ("Shop (25. November 2026).accdb", WRITTEN),
    ("Copy of shop 11-25-2026 02.15 am.mdb", M),
    ("shop_2026-11-25_02%3A15%3A00.sql", S),
    ("shop-latest.sql.gz", None),
    ("shop_Wednesday.sql.gz", None),
    ("shop-v15.4.sql", None),
    ("x86_64-linux-6.1.0-27.img", None),
]


@pytest.mark.parametrize(("name", "expected"), WRITTEN_BY_PROGRAMS)
def test_a_name_as_programs_write_it_says_when(name: str, expected: float | None) -> None:
    found = named_at(name, WRITTEN, NOW)

    assert (None if found is None else found.at) == expected
    if found:
        assert found.words.endswith(" in its name")


@pytest.mark.parametrize(("name", "expected"), WRITTEN_BY_PROGRAMS)
def test_no_name_written_now_is_old_or_of_the_future(name: str, expected: float | None) -> None:
    found = named_at(name, WRITTEN, WRITTEN)

    assert found is None or WRITTEN - 27 * HOUR < found.at <= WRITTEN


def end_of(*day: int) -> float:
    return at(*day) + DAY - 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop-2026-01-05.gz", end_of(2026, 1, 5)),
        ("shop_20251103.dump", end_of(2025, 11, 3)),
        ("13.01.2026_shop.zip", end_of(2026, 1, 13)),
        (
            "05.01.2026_shop.zip",
            end_of(2026, 5, 1),
        ),  # or the fifth of January: the later of the two
        ("shop_20260105_0215.sql", at(2026, 1, 5, 2, 15, 59)),
        ("01-02-2026-11-20-30.sql", at(2026, 2, 1, 11, 20, 30)),
        ("2025-11-05-2026.sql", at(2025, 11, 5, 20, 26, 59)),
        ("25_01_2026_02_15_30_shop.zip", at(2026, 1, 25, 2, 15, 30)),
        ("shop-5-Jan-2026.tar", end_of(2026, 1, 5)),
        ("shop-2026-W02.tar", end_of(2026, 1, 18)),  # as date's %W counts; ISO's ends a week before
        ("gitea-dump-1767579300.zip", at(2026, 1, 5, 2, 15)),
        ("1767579300_2026_01_05_17.10.14_gitlab_backup.tar", at(2026, 1, 5, 2, 15)),
        ("20260104-021500F_20260105-021500I", at(2026, 1, 5, 2, 15)),
        # These may be something else, and the time of writing does not say that they are dates.
        ("srv2019-1103-shop.sql.gz", None),
        ("app-2024.10.12.tar", None),
        ("dump20260105.sql", None),
        ("shop-260105.sql", None),
        ("ledger_20250101-20251231.sql.gz", None),
        ("ledger_01.01.2025-31.12.2025.sql.gz", None),
        ("ledger_2025-01-01_2025-12-31.sql.gz", None),
        ("orders-0171234567.csv", None),
        ("orders-1234567890.csv", None),
        ("shop-20291231.sql", None),  # a year to come
    ],
)
def test_a_copied_old_backup_keeps_its_date(name: str, expected: float | None) -> None:
    found = named_at(name, WRITTEN, NOW)

    assert (None if found is None else found.at) == expected


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("shop-20261126.sql", at(2026, 11, 25, 11), at(2026, 11, 25, 11)),  # begun in Auckland
        ("shop-20261126.sql", at(2026, 11, 25, 9), None),
        ("shop-20261127.sql", WRITTEN, None),
        (
            "shop-20261125_0224.sql",
            WRITTEN,
            at(2026, 11, 25, 2, 24),
        ),  # its clock is 5 minutes ahead
        ("shop-20261125_0230.sql", WRITTEN, WRITTEN),  # no time that has been: the day alone counts
        ("shop-20261125_1433.sql", at(2026, 11, 25, 20), at(2026, 11, 25, 20)),  # a port
        ("shop-20261125_1103.sql", at(2026, 11, 25, 20), at(2026, 11, 25, 11, 3, 59)),
        ("shop-20261125-07.sql", at(2026, 11, 25, 20), at(2026, 11, 25, 20)),  # the seventh one
        ("shop-20261124.sql", WRITTEN, end_of(2026, 11, 24)),
        ("shop-20261125.sql", None, NOW + HOUR),
        ("shop-20261124.sql", None, end_of(2026, 11, 24)),
        ("shop20261120.sql", None, end_of(2026, 11, 20)),
        ("shop-20261120-20261126.sql", None, NOW + HOUR),
        ("app-2024.10.12-20261120.sql", None, end_of(2026, 11, 20)),
        ("shop-261124.sql", None, end_of(2026, 11, 24)),
        ("shop-261012.sql", None, None),
    ],
)
def test_a_time_counts_if_it_had_come(
    name: str, written: float | None, expected: float | None
) -> None:
    found = named_at(name, written, max(NOW, written or 0) + HOUR)

    assert (None if found is None else found.at) == expected


def test_a_day_without_a_year_is_of_the_year_before_in_january() -> None:
    written = at(2027, 1, 1, 0, 20)

    found = named_at("shop-Dec31.sql", written, written + HOUR)

    assert found is not None
    assert found.at == end_of(2026, 12, 31)


@pytest.mark.parametrize("in_zone", ["Europe/Berlin"], indirect=True)
@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("shop-20261125_0315.sql", WRITTEN, M),
        ("shop-20261125_0215Z.sql", WRITTEN, M),
        ("shop-20261124.sql", WRITTEN, at(2026, 11, 24, 22, 59, 59)),
        # Where daylight saving repeats the hour, it is the one before the writing.
        ("shop-20261025_0215.sql", at(2026, 10, 25, 0, 20), at(2026, 10, 25, 0, 15, 59)),
        ("shop-20261025_0215.sql", at(2026, 10, 25, 1, 20), at(2026, 10, 25, 1, 15, 59)),
    ],
)
@pytest.mark.usefixtures("in_zone")
def test_a_time_without_an_offset_is_of_the_zone_of_the_host(
    name: str, written: float, expected: float
) -> None:
    found = named_at(name, written, NOW)

    assert found is not None
    assert found.at == expected


@pytest.mark.parametrize("in_zone", ["America/New_York"], indirect=True)
@pytest.mark.usefixtures("in_zone")
def test_a_time_that_would_be_later_than_the_writing_is_utc() -> None:
    found = named_at("shop-20261125_0215.sql", WRITTEN, NOW)

    assert found is not None
    assert found.at == M


@pytest.mark.parametrize("hour", [3, 9, 14, 20, 23])
@pytest.mark.parametrize(
    ("pattern", "hours_ago", "precision"),
    [
        ("shop_%d-%m-%Y_%H%M.sql.gz", 2, MINUTE),
        ("shop_%d-%m-%Y-%H-%M.sql.gz", 2, MINUTE),
        ("shop_%d%m%Y%H%M.sql.gz", 2, MINUTE),
        ("shop_%H%M%S_%d%m%Y.sql.gz", 2, 1),
        ("%d_%m_%Y_%H_%M_%S_shop.zip", 2, 1),
        ("db_backup_%Y-%m-%dT%H:%M:%S-00:00.sql.gz", 20, 1),
        ("{epoch}_%Y_%m_%d_00.10.4_gitlab_backup.tar", 10, 1),
        ("{epoch}_%Y_%m_%d_17.10.4_gitlab_backup.tar", 20, 1),
        ("{epoch}_%Y_%m_%d_10.10.4_gitlab_backup.tar", 2, 1),
        ("shop_%Y-%m-%d_%Hh%Mm.%A.sql.gz", 2, MINUTE),
        ("vzdump-lxc-101-%Y_%m_%d-%H_%M_%S.tar.gz", 2, 1),
        ("srv2019-1103-shop-%Y%m%d.sql.gz", 2, DAY),
        ("app-2024.10.12-%Y%m%d%H%M.sql.gz", 2, MINUTE),
        ("ledger_20260101-20261231_%Y%m%d_%H%M%S.sql.gz", 2, 1),
        ("shop-%Y%m%d-%H%M", 2, MINUTE),
        ("shop-%Y%m%d.tar.gz", 2, DAY),
    ],
)
def test_names_that_were_misread_are_right_at_each_hour(
    pattern: str, hours_ago: int, precision: int, hour: int
) -> None:
    now = at(2026, 11, 25, hour, 20, 30)
    taken = now - hours_ago * HOUR
    name = datetime.fromtimestamp(taken, UTC).strftime(pattern).format(epoch=int(taken))

    found = named_at(name, taken, now)

    assert found is not None
    assert found.at == taken


@pytest.mark.parametrize(
    ("name", "believed"),
    [
        ("shop2026-09-27T143507.vbk", True),  # Veeam
        ("shop20260927_143507.sql", True),
        ("srv2019-1103-shop.sql.gz", False),
        ("shop2026-09-27.sql", False),
        ("shop2026-09-27-1435.sql", False),
    ],
)
def test_of_a_copy_a_date_behind_letters_is_believed_only_with_its_time(
    name: str, believed: bool
) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()

    named = named_at(name, now, now)

    assert (named is not None and named.at < now - 30 * DAY) is believed, named
