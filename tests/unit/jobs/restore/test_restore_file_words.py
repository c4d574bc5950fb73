"""Lists of checksums, names of what is unpacked, and what programs say of a file that they cannot open."""

from __future__ import annotations

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import sealed, sqlite
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.archive import bare_name
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.assertions import judged
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sums import (
    LIST,
    parse_sums,
)

SHA = "a" * 64
ANY = dict.fromkeys(("sql", "name", "database", "files", "equals", "min", "max", "fresh_hours"))


@pytest.mark.parametrize(
    ("sql", "state", "found"),
    [
        ("-- todo", "unknown", "the statement returned nothing; expected one value"),
        ("/* SELECT 1 */ ;", "unknown", "the statement returned nothing; expected one value"),
        ("SET work_mem = '1MB'", "unknown", "the statement returned nothing; expected one value"),
        ("-- the newest\n(SELECT at FROM canary)", "failed", ""),
        ("with a as (select 1) select 1 from a where false", "failed", ""),
    ],
)  # fmt: skip
def test_a_statement_that_is_no_query_says_nothing_of_the_data_and_a_missing_row_does(
    sql: str, state: str, found: str
) -> None:
    said = judged(
        {**ANY, "sql": sql, "equals": "1"}, lambda _sql, _database: "", lambda _one: [], 0
    )

    assert (said["state"], said["found"]) == (state, found)


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        (f"{SHA}  a/b.txt\n", {"a/b.txt": SHA}),
        (f"{SHA} *./a\r\n", {"a": SHA}),
        (f"{SHA.upper()}  two words", {"two words": SHA}),
        (f"\\{SHA}  new\\nline \\\\ slash", {"new\nline \\ slash": SHA}),
        (f"SHA256 (a (1).txt) = {SHA}", {"a (1).txt": SHA}),
        (f"{'b' * 32}  m\n{'c' * 40}  s\n{'d' * 33}  odd", {"m": "b" * 32, "s": "c" * 40}),
        ("# a comment\n\nnothing here", {}),
    ],
    ids=["plain", "binary", "upper case", "escaped", "BSD", "by length", "none"],
)
def test_a_list_of_checksums(text: str, sums: dict[str, str]) -> None:
    assert parse_sums(text) == sums


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("SHA256SUMS", True),
        ("sha512sum.txt", True),
        ("backup.sha256", True),
        ("checksums.txt", True),
        ("backup.txt", False),
        ("md5sums.html", False),
    ],
)
def test_a_list_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert bool(LIST.match(name)) == is_one


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("table.csv.gz", "table.csv"),
        ("table.csv.gz.age", "table.csv"),
        ("table.csv", "table.csv"),
        (".gz", ".gz"),
        ("../a.xz", "a"),
        ("", "file"),
    ],
)
def test_the_name_of_what_is_unpacked(name: str, bare: str) -> None:
    assert bare_name(name) == bare


@pytest.mark.parametrize(
    ("seal", "printed", "outcome"),
    [
        ("age", "age: error: no identity matched any of the recipients", "failed"),
        ("age", "age: error: failed to decrypt and authenticate payload chunk", "failed"),
        ("age", 'age: error: reading "/key": failed to read "/key": unknown identity type', "unknown"),
        ("age", "age: error: file is passphrase-encrypted but identities were specified", "unknown"),
        ("OpenPGP", "gpg: decryption failed: Bad session key", "failed"),
        ("OpenPGP", "gpg: decryption failed: No secret key", "failed"),
        ("OpenPGP", "gpg: WARNING: encrypted message has been manipulated!", "failed"),
        ("OpenPGP", "gpg: can't connect to the agent: IPC connect call failed", "unknown"),
        ("OpenPGP", "gpg: cipher algorithm 99 not supported", "unknown"),
    ],
    ids=lambda value: value[-30:],
)  # fmt: skip
def test_a_key_that_does_not_open_a_backup_is_the_backup_s_fault(
    seal: str, printed: str, outcome: str
) -> None:
    assert sealed.refused(seal, Finished(1, "", printed, 0.1), True).outcome == outcome


def test_a_password_alone_says_nothing_of_what_was_encrypted_to_a_key() -> None:
    printed = Finished(2, "", "gpg: decryption failed: No secret key", 0.1)

    assert sealed.refused("OpenPGP", printed, False).outcome == "unknown"


@pytest.mark.parametrize(
    ("printed", "outcome", "words"),
    [
        (
            "Runtime error near line 3: UNIQUE constraint failed: t.i (19)",
            "failed",
            "sqlite3: Runtime error near line 3: UNIQUE constraint failed: t.i (19)",
        ),
        (
            "Parse error near line 1: unrecognized token: \"'Mustermann\"\n  insert 'Mustermann",
            "unknown",
            "sqlite3: Parse error near line 1: unrecognized token",
        ),
        ("Error: in prepare, no such table: nix", "failed", "sqlite3: Error: in prepare, no such table: nix"),
        *(
            (printed, "unknown", f"it needs what only its own application has: sqlite3: {line}")
            for printed, line in (
                ("Error: no such module: fts9", "Error: no such module: fts9"),
                (
                    "Error: in prepare, unknown function: mine()\n  PRAGMA integrity_check(5)\n    ^--- error here",
                    "Error: in prepare, unknown function: mine()",
                ),
                (
                    "Error: in prepare, no such collation sequence: german",
                    "Error: in prepare, no such collation sequence: german",
                ),
            )
        ),
        ("Mustermann", "failed", "sqlite3: no word of why"),
    ],
    ids=["constraint", "quoted", "table", "module", "function", "collation", "no message"],
)  # fmt: skip
def test_a_message_of_sqlite_is_passed_on_without_what_it_quotes(
    printed: str, outcome: str, words: str
) -> None:
    told = sqlite.told(printed)

    assert (told.outcome, str(told)) == (outcome, words)
