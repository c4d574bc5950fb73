"""What a client of MariaDB says, and what a backup says of itself: read without rows of patients."""

from __future__ import annotations

from typing import cast

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import RestoreError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_announced import (
    Announced,
    lost_rows,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_backup import (
    complaint,
    ending,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_dump import (
    database_of,
    other_server,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_errors import (
    SqlError,
    forbidden,
    of_a_dump,
    sql_error,
    warned,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_mydumper import (
    delimited,
    in_order,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_server import (
    MariaDbServer,
    quoted,
    settings_of,
    version_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_tables import (
    RestoredMariaDb,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification


class _Refusing:
    """A server that answers with an error. number: of MariaDB."""

    def __init__(self, number: int) -> None:
        self.number = number

    def ask(self, _sql: str, _database: str) -> SqlError:
        return SqlError(self.number, 1, "")

    def gone(self, _error: SqlError) -> None:
        return None


@pytest.mark.parametrize(
    ("number", "outcome", "words"),
    [
        (1049, "unknown", "database 'shop' is not in it; it has "),
        (1146, "failed", "error 1146"),
        (1064, "unknown", "error 1064"),
    ],
    ids=["database", "table", "syntax"],
)
def test_an_assertion_in_a_database_that_is_not_there_says_nothing_of_the_backup(
    number: int, outcome: str, words: str
) -> None:
    server = cast(MariaDbServer, _Refusing(number))
    restored = RestoredMariaDb(cast(Verification, None), server)

    with pytest.raises(RestoreError) as said:
        restored.ask("SELECT 1", "shop")

    assert (said.value.outcome, str(said.value)) == (outcome, words)


@pytest.mark.parametrize(
    ("printed", "error"),
    [
        ("", None),
        ("mariadb: Deprecated program name", None),
        ("ERROR at line 7: Not allowed in the sandbox mode\n", SqlError(0, 7, "")),
        (
            "--------------\ninsert into a values ('Mustermann')\n--------------\n\n"
            "ERROR 1062 (23000) at line 3: Duplicate entry 'Mustermann' for key 'PRIMARY'\n",
            SqlError(1062, 3, "Duplicate entry '…'"),
        ),
        (
            "ERROR 1064 (42000) at line 9: You have an error near 'Muster\nmann' and 'so on' at line 1\n",
            SqlError(1064, 9, "You have an error near '…' at line 1"),
        ),
        ("ERROR 1366 (22007): Incorrect value: 'Mustermann", SqlError(1366, 0, "Incorrect value: '…'")),
        ("ERROR 1644 (45000) at line 2: Mustermann", SqlError(1644, 2, "")),
        (
            "ERROR 1146 (42S02) at line 1: Table 'shop.orders' doesn't exist",
            SqlError(1146, 1, "Table 'shop.orders' doesn't exist"),
        ),
    ],
    ids=["nothing", "no error", "refused", "row", "statement", "cut", "signal", "name"],
)  # fmt: skip
def test_an_error_keeps_its_number_and_no_row(printed: str, error: SqlError | None) -> None:
    assert sql_error(printed) == error


@pytest.mark.parametrize(
    ("number", "other", "outcome"),
    [
        (1062, "", "failed"),
        (1064, "", "failed"),
        (1064, "MySQL", "unknown"),
        (1062, "MySQL", "failed"),
        (1286, "", "unknown"),
        (1273, "", "unknown"),
        (1126, "", "unknown"),
        (1114, "", "unknown"),
    ],
)
def test_what_the_server_here_lacks_is_unknown_and_all_else_is_the_dump_s(
    number: int, other: str, outcome: str
) -> None:
    told = of_a_dump(SqlError(number, 1, "x"), "line 1", other)

    assert told.outcome == outcome
    assert str(told).startswith("line 1: ")


@pytest.mark.parametrize(
    ("number", "wish"),
    [
        (0, "for a command of the client that runs programs or opens files"),
        (1227, "for what only an administrator of the server may do"),
        (2005, "to connect to another server"),
        (1062, ""),
    ],
)
def test_a_wish_that_no_backup_has_is_told_from_an_error(number: int, wish: str) -> None:
    assert forbidden(SqlError(number, 1, "")) == wish


def test_a_warning_that_something_was_not_loaded_as_it_is_is_an_error() -> None:
    out = "1\nWarning (Code 1287): old\nWarning (Code 1286): Unknown storage engine 'ROCKSDB'\nWarning (Code 1266): x"
    cut = "Warning (Code 1366): Incorrect value: 'Mustermann' for column `a`.`b`.`c` at row 3"

    assert warned(out) == SqlError(1286, 0, "Unknown storage engine 'ROCKSDB'")
    assert warned(cut) == SqlError(1366, 0, "Incorrect value: '…' for column `a`.`b`.`c` at row 3")
    assert warned("Warning (Code 1287): deprecated\nNote (Code 1265): x") is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"-- MariaDB dump 10.19\n-- Host: localhost    Database: shop\n-- ---", "shop"),
        (b"-- Host: db one    Database: a b\r\n-- --", "a b"),
        (b"-- Host: localhost    Database: \n-- Current Database: `a`", ""),
        (b"-- Host: localhost    Database: a\n--\n-- Current Database: `a`\n", ""),
        (b"CREATE TABLE t (i INT);", "restored"),
    ],
    ids=["one", "with a blank", "all", "named, and made by the dump", "unnamed"],
)
def test_the_database_of_a_dump(head: bytes, name: str) -> None:
    assert database_of(head) == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.11.19-MariaDB-0+deb12u1", ""),
        ("10.6.18-MariaDB", ""),
        ("5.5.5-10.3.1-MariaDB", ""),
        ("11.4.2-MariaDB-log", "MariaDB 11.4, which is later than 10.11"),
        ("8.0.36", "8.0.36, which is not MariaDB"),
        ("", "an unknown server"),
    ],
)
def test_a_backup_of_another_server_is_known_by_its_version(text: str, said: str) -> None:
    assert other_server(text, (10, 11)) == said


def test_a_version_is_that_of_mariadb_and_no_other() -> None:
    assert version_of("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian") == (10, 11)
    assert version_of("mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server)") is None


def test_of_a_copy_s_settings_only_those_are_taken_that_open_its_files() -> None:
    text = """[mysqld]
innodb_page_size=32768
innodb_data_file_path=ibdata1:12M;ibdata2:1G:autoextend:max:4G
innodb_undo_tablespaces=3
innodb_undo_directory=/var/lib/other
plugin-load-add=/tmp/evil.so
innodb_checksum_algorithm=full_crc32
"""

    assert settings_of(text) == [
        "--innodb-page-size=32768",
        "--innodb-data-file-path=ibdata1:12M;ibdata2:1G:autoextend:max:4G",
        "--innodb-undo-tablespaces=3",
        "--innodb-checksum-algorithm=full_crc32",
    ]
    assert settings_of("innodb_data_file_path=/var/lib/mysql/ibdata1:12M\ninnodb_page_size=x") == []


def test_a_name_is_quoted_so_that_it_stays_one() -> None:
    assert quoted("a`b; DROP TABLE c") == "`a``b; DROP TABLE c`"


def test_files_of_mydumper_are_loaded_in_the_order_in_which_they_need_each_other() -> None:
    names = [
        *("metadata", "shop-schema-post.sql", "shop-schema-create.sql", "shop.orders.sql"),
        *("shop.orders-schema.sql.gz", "shop.orders-schema-triggers.sql", "shop.v-schema-view.sql"),
        *(
            "shop.v-schema.sql",
            "shop.orders.00001.sql.zst",
            "shop.n-schema-sequence.sql",
            "notes.txt",
        ),
    ]

    assert in_order(names) == [
        ("create", "shop", "shop-schema-create.sql"),
        ("sequence", "shop", "shop.n-schema-sequence.sql"),
        ("table", "shop", "shop.orders-schema.sql.gz"),
        ("table", "shop", "shop.v-schema.sql"),
        ("data", "shop", "shop.orders.00001.sql.zst"),
        ("data", "shop", "shop.orders.sql"),
        ("view", "shop", "shop.v-schema-view.sql"),
        ("triggers", "shop", "shop.orders-schema-triggers.sql"),
        ("post", "shop", "shop-schema-post.sql"),
    ]


def test_a_statement_with_semicolons_in_it_stays_one() -> None:
    text = b"SET a=1;\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END;\n"

    assert delimited(text, b"//x").splitlines() == [
        *(b"DELIMITER //x", b"SET a=1", b"//x"),
        *(b"CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END", b"//x"),
        b"DELIMITER ;",
    ]


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("[00] x\n2026-11-27 18:03:06 0 [ERROR] InnoDB: corrupt page\n[00] FATAL ERROR: y", "InnoDB: corrupt page"),
        ("[00] FATAL ERROR: 2026-11-27 18:04:14 nothing there", "2026-11-27 18:04:14 nothing there"),
        ("", "no word of why"),
    ],
    ids=["of the server", "of the program", "none"],
)  # fmt: skip
def test_the_first_complaint_of_a_program_is_passed_on(printed: str, words: str) -> None:
    assert complaint(printed) == words


SHOP = b"""-- MariaDB dump
SET NAMES utf8;
-- Dumping data for table `a``b`
INSERT INTO `a``b` VALUES (1,'x\\nINSERT INTO `a``b`');
INSERT INTO `a``b` VALUES (2);
INSERT INTO `other` VALUES (2);
-- Current Database: `archive`
INSERT INTO `early` VALUES (1);
-- Dumping data for table `a``b`
INSERT INTO `a``b` VALUES (3);
-- Dumping routines for database 'archive'
CREATE PROCEDURE p() BEGIN
INSERT INTO `a``b` VALUES (4);
END
"""


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_statements_that_bring_rows_are_counted_by_table_however_a_dump_is_read(size: int) -> None:
    rest = [SHOP[start : start + size] for start in range(0, len(SHOP), size)]
    text = Announced("shop")
    read = text.reader(lambda _size: rest.pop(0) if rest else b"")

    given = b"".join(iter(lambda: read(size), b""))

    assert given == SHOP
    assert text.inserts == {("shop", "a`b"): 2, ("archive", "a`b"): 1}
    assert text.databases == {"shop", "archive"}
    assert text.pagers == []


def test_a_file_of_one_table_counts_each_statement() -> None:
    text = Announced("", everywhere=True)
    text.at("shop")
    text.look(b"INSERT INTO `a` VALUES (1);\nINSERT INTO `a` VALUES")
    text.look(b"(2);\n")

    assert text.inserts == {("shop", "a"): 2}


@pytest.mark.parametrize(
    ("dump", "lines"),
    [
        (b"SELECT 1;\n\npager cat > /tmp/x\n", [3]),
        (b"pager less\nSELECT 1;\n\\P cat\n", [1, 3]),
        (b"SELECT 1;\nPAGER\tsh -c id", [2]),
        (b"SELECT\npager FROM devices;\n", []),
        (b"SELECT 1;\npager: LOOP\n", []),
        (b"INSERT INTO a VALUES ('pager less');\n", []),
    ],
    ids=["a word", "first, and short", "in capitals", "a column", "a label", "a value"],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_pager_is_seen_where_a_statement_begins(dump: bytes, lines: list[int], size: int) -> None:
    text = Announced("shop")
    for start in range(0, len(dump), size):
        text.look(dump[start : start + size])
    text.look(b"\n")

    assert text.pagers == lines


@pytest.mark.parametrize(
    ("rows", "gone", "said"),
    [
        ({"shop.a": 2}, True, ""),
        ({"shop.a": 100}, True, ""),
        ({"shop.a": 1}, True, "shop.a has 1 rows; the dump has 2 statements that insert some"),
        ({"shop.b": 5}, True, "shop.a is not there; the dump has 2 statements that insert rows into it"),
        ({"shop.b": 5}, False, ""),
    ],
    ids=["as many", "more", "fewer", "no table", "rows elsewhere"],
)  # fmt: skip
def test_a_table_has_no_fewer_rows_than_statements_that_bring_some(
    rows: dict[str, int], gone: bool, said: str
) -> None:
    assert lost_rows({("shop", "a"): 2}, rows, gone) == said


@pytest.mark.parametrize(
    ("name", "end"),
    [("orders.frm", ".frm"), ("orders#P#p0.MYD", ".MYD"), ("aria_log.00000001", "other"), ("x", "other")],
)  # fmt: skip
def test_a_file_is_named_by_its_last_part(name: str, end: str) -> None:
    assert ending(name) == end
