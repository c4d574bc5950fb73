"""What errors of PostgreSQL, reports of pgBackRest and names of its log say of a backup."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_archive import (
    roles_in,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_asked import (
    asked_by,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_errors import (
    ended_by,
    missing_role,
    reaches_out,
    without_data,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    PostgresPrograms,
    major_of,
    restricts,
    version_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_repository import (
    verdict,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_restored import (
    RestoredPostgres,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    PostgresServer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal import (
    gaps,
    reached,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification


@pytest.mark.parametrize(
    ("state", "text", "said"),
    [
        ("22P02", 'invalid input syntax for type integer: "Maria Muster"', "invalid input syntax for type integer (22P02)"),
        ("42601", 'syntax error at or near "Maria"', "syntax error at or near (42601)"),
        ("P0001", "'Maria' may not be here", "an error (P0001)"),
        ("23505", 'duplicate key value violates unique constraint "a_pkey"', 'duplicate key value violates unique constraint "a_pkey" (23505)'),
        ("22021", 'invalid byte sequence for encoding "UTF8": 0xff', "invalid byte sequence for encoding (22021)"),
        ("42P01", 'relation "a" does not exist\nLINE 1: Maria', 'relation "a" does not exist (42P01)'),
    ],
)  # fmt: skip
def test_no_value_of_a_row_is_passed_on(state: str, text: str, said: str) -> None:
    assert without_data(state, text) == said
    assert "Maria" not in without_data(state, text)


@pytest.mark.parametrize(
    ("errors", "ends"),
    [
        ([], None),
        ([("42P01", 'relation "a" does not exist')], BadBackupError),
        ([("42704", 'type "geometry" does not exist'), ("0A000", 'extension "postgis" is not available')], NotTriedError),
        ([("58P01", 'could not access file "$libdir/timescaledb": No such file or directory')], NotTriedError),
        ([("42809", 'invalid locale name: "de_DE.UTF-8"')], NotTriedError),
        ([("42704", 'collation "pg_catalog.de_DE" for encoding "UTF8" does not exist')], NotTriedError),
        ([("42704", 'unrecognized configuration parameter "transaction_timeout"')], NotTriedError),
        ([("53100", "could not extend file: No space left on device")], NotTriedError),
        ([("57014", "canceling statement due to user request")], NotTriedError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:60],
)  # fmt: skip
def test_what_the_server_lacks_is_not_the_backups_fault(
    errors: list[tuple[str, str]], ends: type | None
) -> None:
    ended = ended_by(errors)

    assert ended is None if ends is None else type(ended) is ends


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("permission denied to COPY to or from an external program", "external program"),
        ("must be superuser or have privileges of the pg_execute_server_program role to COPY to or from an external program", "external program"),
        ("permission denied for function lo_import", "lo_import"),
        ("permission denied for function pg_read_file", "pg_read_file"),
        ("permission denied to create role", ""),
    ],
)  # fmt: skip
def test_what_reads_files_or_starts_programs_is_told(text: str, what: str) -> None:
    assert reaches_out("42501", text) == what


class _Server:
    """A server whose databases are known. saved: with what a table is taken."""

    user = "admin"

    def __init__(self, databases: list[str], folder: str = "") -> None:
        self.databases = databases
        self.programs = PostgresPrograms(f"{folder}/bin", (15, 1))
        self.asked: list[str] = []
        self.saved: list[object] = []

    def forget_settings(self) -> None:
        pass

    def values(self, sql: str, database: str = "") -> list[str]:
        return self.databases if "pg_database" in sql else ["public\x1fguest"]

    def run(self, *_words: str, database: str, **_options: object) -> Finished:
        self.asked.append(database)
        return Finished(0, "1\0", "", 0.1)

    def save(self, _argv: list[str], _target: str, reads: object) -> None:
        self.saved.append(reads)


def restored_in(server: _Server, main: str = "", dumped: str = "") -> RestoredPostgres:
    return RestoredPostgres(
        cast(Verification, server), cast(PostgresServer, server), main, dumped=dumped
    )


@pytest.mark.parametrize(
    ("there", "dumped", "asked", "answers"),
    [
        (["restored"], "shop", "shop", "restored"),
        (["restored"], "shop", "restored", "restored"),
        (["restored"], "shop", "", "restored"),
        (["postgres", "restored"], "shop", "shop", "restored"),
        (["restored"], "shop", "store", "database 'store' is not in it; it has restored, which is asked without `database`"),
        (["restored"], "", "shop", "database 'shop' is not in it; it has restored, which is asked without `database`"),
        (["a", "b"], "", "shop", "database 'shop' is not in it; it has a, b"),
        (["a", "b"], "shop", "shop", "database 'shop' is not in it; it has a, b"),
        (["a", "b"], "", "", "it has 2 databases; say in `database` which is asked"),
    ],
)  # fmt: skip
def test_one_database_is_asked_by_its_own_name_too(
    there: list[str], dumped: str, asked: str, answers: str
) -> None:
    server = _Server(there)
    restored = restored_in(server, "restored" if "restored" in there else "", dumped)

    if " " in answers:
        with pytest.raises(NotTriedError) as said:
            restored.ask("SELECT 1", asked)
        assert str(said.value) == answers
    else:
        assert restored.ask("SELECT 1", asked) == "1"
        assert server.asked == [answers]


def test_a_table_is_taken_by_programs_that_are_shown_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    server = _Server(["restored"], str(tmp_path))

    restored_in(server, "restored", "shop").take_table("shop.public.guest", "/to")

    assert server.saved == [[(f"{tmp_path}/lib", f"{tmp_path}/lib")]]


def test_a_role_that_is_missing_is_named() -> None:
    assert missing_role("42704", 'role "app" does not exist') == "app"
    assert missing_role("42704", 'type "app" does not exist') == ""


@pytest.mark.parametrize(
    ("definition", "roles"),
    [
        ("GRANT SELECT ON TABLE public.a TO report;\nREVOKE ALL ON SCHEMA public FROM PUBLIC;", {"report"}),
        ('GRANT ALL ON TABLE public.a TO "It""s" WITH GRANT OPTION;', {'It"s'}),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO reader;", {"app", "reader"}),
        ("CREATE POLICY p ON public.a TO app, reader USING (true);", {"app", "reader"}),
        ("CREATE USER MAPPING FOR app SERVER far;", {"app"}),
    ],
)  # fmt: skip
def test_grants_and_policies_name_roles(definition: str, roles: set[str]) -> None:
    assert roles_in(definition) == roles


@pytest.mark.parametrize(
    ("definition", "asked"),
    [
        ("COPY public.guest FROM PROGRAM 'id';", "external program"),
        ("CREATE TABLE public.a (b int);\ncopy a(b) from/**/program $$id$$;", "external program"),
        ("/* a /* b */ c */ COPY public.guest FROM PROGRAM 'id';", "external program"),
        ("SELECT E'\\'', pg_read_file ('/etc/passwd')", "pg_read_file"),
        ("SELECT '" + "$a$b /*" * 100_000, ""),
        ("COPY " + "/* $1" * 100_000, ""),
        ("COPY public.guest FROM '/etc/passwd';", "COPY with a file of the server"),
        ("COPY public.guest (id, name) FROM stdin;", ""),
        ("SELECT pg_catalog.lo_import('/etc/passwd');", "lo_import"),
        ('SELECT pg_catalog."lo_import" (\'/etc/passwd\');', "lo_import"),
        ("SELECT pg_catalog.lo_create('16400');", ""),
        ("SELECT 'lo_import(', \"pg_read_file (\";", ""),
        ("CREATE MATERIALIZED VIEW public.m AS\n SELECT pg_read_file('/etc/passwd'::text) AS a\n  WITH NO DATA;", "pg_read_file"),
        ("DO $$BEGIN EXECUTE 'COPY a FROM PROGRAM ''id'' '; END$$;", "external program"),
        ("CREATE FUNCTION public.f() RETURNS oid LANGUAGE sql AS $$SELECT lo_import('/etc/passwd'); COPY a FROM PROGRAM 'id';$$;", ""),
        ("CREATE FUNCTION public.f() RETURNS text LANGUAGE sql RETURN pg_read_file('/etc/passwd');", ""),
        ("CREATE EVENT TRIGGER lo_import ON ddl_command_end\n   EXECUTE FUNCTION public.pg_read_file();", ""),
        ("COMMENT ON TABLE public.a IS 'COPY a FROM PROGRAM ''id''; SELECT lo_import(''a'');';", ""),
        ("GRANT ALL ON FUNCTION pg_catalog.pg_read_file(text) TO report;", ""),
    ],
)  # fmt: skip
def test_what_a_definition_runs_is_told_and_what_it_only_names_is_not(
    definition: str, asked: str
) -> None:
    assert asked_by(definition) == asked


@pytest.mark.parametrize(
    ("text", "restricted"),
    [("15.13", False), ("15.14", True), ("16.9", False), ("17.6 (Debian)", True), ("18beta1", True), ("12.22", False)],
)  # fmt: skip
def test_which_psql_can_be_restricted(text: str, restricted: bool) -> None:
    assert restricts(version_of(text)) is restricted


def test_majors_have_one_number_since_ten() -> None:
    assert [major_of(version_of(one)) for one in ("9.6.24", "10.3", "15.18")] == [
        (9, 6),
        (10,),
        (15,),
    ]


def wal(*numbers: int, timeline: int = 1) -> list[str]:
    return [f"{timeline:08X}{number // 256:08X}{number % 256:08X}" for number in numbers]


@pytest.mark.parametrize(
    ("there", "missing", "last"),
    [
        (wal(254, 255, 256), [], wal(256)[0]),
        (wal(254, 256, 257), wal(255), wal(254)[0]),
        (wal(255, 256), wal(254), ""),
        (wal(200), [*wal(254)], ""),
        (wal(254, 255) + wal(255, 256, timeline=2), [], wal(256, timeline=2)[0]),
    ],
    ids=["whole", "a gap", "no first", "none", "two timelines"],
)
def test_gaps_of_the_log_are_named(there: list[str], missing: list[str], last: str) -> None:
    assert gaps(wal(254)[0], there) == missing
    assert reached(wal(254)[0], there) == last


GOOD = """stanza: demo
status: ok
  archiveId: 15-1, total WAL checked: 11, total valid WAL: 11
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261127-182040F, status: valid, total files checked: 969, total valid files: 969
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD, ""),
        ("", "it reports nothing"),
        (
            "stanza: demo\nstatus: error\n  No usable backup.info file\n  No usable archive.info file\n",
            "backup 20261127-182040F is not looked at: No usable backup.info file",
        ),
        (
            GOOD.replace("status: ok", "status: error").replace("valid, total files", "invalid, total files").replace(
                "F, status: valid", "F, status: invalid"
            )[:-59] + "missing: 0, checksum invalid: 1, size invalid: 0, other: 0\n",
            "backup 20261127-182040F is invalid: missing: 0, checksum invalid: 1, size invalid: 0, other: 0",
        ),
        (
            GOOD.replace("status: ok", "status: error").replace("other: 0", "other: 1", 1),
            "status error: missing: 0, checksum invalid: 0, size invalid: 0, other: 1",
        ),
        (GOOD.replace("20261127", "20261126"), "backup 20261127-182040F is not looked at"),
    ],
    ids=["good", "silent", "not there", "invalid", "log", "another backup"],
)  # fmt: skip
def test_pgbackrest_is_judged_by_what_it_reports(text: str, why: str) -> None:
    assert verdict(text, "20261127-182040F") == why
