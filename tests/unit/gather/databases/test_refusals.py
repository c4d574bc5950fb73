"""Why a database let nobody in: known texts are told, of all others at most their code."""

from __future__ import annotations

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.databases import refusals
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import (
    UNKNOWN,
    Refusal,
    told,
)

AT = 'connection to server at "127.0.0.1", port 5432 failed: '
CLOSED = "the connection was closed without an answer"
TEXTS: list[tuple[str, str, str]] = [
    (f"connection failed: {AT}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", "Connection refused", "refused"),
    (f'psql: error: {AT}FATAL:  password authentication failed for user "shop"', 'FATAL: password authentication failed for user "shop"', "denied"),
    (f'{AT}Connection refused\n{AT}FATAL:  role "root" does not exist', 'FATAL: role "root" does not exist', "denied"),
    (f'{AT}FATAL:  database "nowhere" does not exist', 'FATAL: database "nowhere" does not exist', "no database"),
    (f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "a", database "b", no encryption', 'FATAL: no pg_hba.conf entry for host "10.0.0.7", user "a", database "b", no encryption', "denied"),
    (f"{AT}FATAL:  sorry, too many clients already", "FATAL: sorry, too many clients already", "full"),
    (f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute", "full"),
    (f"{AT}FATAL:  the database system is starting up", "FATAL: the database system is starting up", "starting"),
    (f"{AT}server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.", CLOSED, "closed"),
    ("permission denied (SQLSTATE 42501)", "permission denied (SQLSTATE 42501)", "denied"),
    ("SQLSTATE 57P01", "SQLSTATE 57P01", "other"),
    ('could not translate host name "db9" to address: Name or service not known', "the name of its host is not known", "no name"),
    ("connection timeout expired", "no answer in time", "late"),
    ("no answer within 8 s", "no answer within 8 s", "late"),
    ("query_wait_timeout", "the pool gave no connection to the server on time", "late"),
    ("psql:<stdin>:2: FATAL:  query_wait_timeout\npsql:<stdin>:2: server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.\npsql:<stdin>:2: error: connection to server was lost", "the pool gave no connection to the server on time", "late"),
    ("psql:<stdin>:2: FATAL:  terminating connection due to administrator command\npsql:<stdin>:2: server closed the connection unexpectedly", CLOSED, "closed"),
    ("ERROR 1045 (28000): Access denied for user 'clerk'@'localhost' (using password: YES)", "ERROR 1045 (28000): Access denied for user 'clerk'@'localhost' (using password: YES)", "denied"),
    ("ERROR 1049 (42000): Unknown database 'x'", "ERROR 1049 (42000): Unknown database 'x'", "no database"),
    ("ERROR 2002 (HY000): Can't connect to local server through socket '/x.sock' (2)", "ERROR 2002 (HY000): Can't connect to local server through socket '/x.sock' (2)", "refused"),
    ("ERROR 1040 (08004): Too many connections", "ERROR 1040 (08004): Too many connections", "full"),
    ("ERROR 1064 (42000): near 'ssn 123-45-6789'", f"{UNKNOWN} (error 1064)", "other"),
    ("NOAUTH Authentication required.", "NOAUTH Authentication required.", "denied"),
    ("WRONGPASS geheim", f"{UNKNOWN} (WRONGPASS)", "denied"),
    ("ERR wrong password=hunter2", UNKNOWN, "other"),
    ("127.0.0.1:6379: connection refused", "127.0.0.1:6379: connection refused", "refused"),
    ("[Errno 104] Connection reset by peer", CLOSED, "closed"),
    (f"{AT}\x06@", UNKNOWN, "other"),
    (f'{AT}FATAL:  role "a\x1b[31m" does not exist', UNKNOWN, "other"),
    (f'{AT}FATAL:  Key (ssn)=(123-45-6789) already exists', UNKNOWN, "other"),
    ("", "no reason given", "other"),
    ("x" * 20_001, "an answer of more than 20000 bytes, which was not read", "other"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason", "cause"), TEXTS, ids=[one[1][:50] for one in TEXTS])
def test_a_text_is_told_if_it_is_known(text: str, reason: str, cause: str) -> None:
    assert told(text) == Refusal(reason, cause)


def test_a_timeout_is_told_with_what_was_waited() -> None:
    assert told("connection timeout expired", 5) == Refusal("no answer within 5 s", "late")
    assert told("127.0.0.1:1: no answer in time", 5) == Refusal("no answer within 5 s", "late")
    assert told("no answer within 8 s (x)", 5) == Refusal("no answer within 8 s", "late")


def test_each_reason_is_one_line_that_is_cut() -> None:
    reasons = [told(text).reason for text, _reason, _cause in TEXTS]

    assert all(one.isprintable() and len(one) <= refusals.REASON_CHARACTERS for one in reasons)
