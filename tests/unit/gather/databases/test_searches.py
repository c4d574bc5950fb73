"""What a statement looks for is one SELECT; what cannot be made one is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.astral.upkeep.plugins.module_utils.databases.searches import (
    CHANGES_WITHIN,
    MAKES_TABLE,
    SEARCHES_FOR_VALUES,
    UNREADABLE,
    NoSearchError,
    search_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import (
    condition_of,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("select a, 'x;y' from t where b = $1 -- why", "SELECT a, 'x;y' from t where b = $1"),
        ("select 1 from t;", "SELECT 1 from t"),
        ("select $x$a;b$x$, E'a\\'b' from t", "SELECT $x$a;b$x$, E'a\\'b' from t"),
        ("(select 1 from a) union (select 2)", "(select 1 from a) union (select 2)"),
        ("with q as (select 1) select * from q", "with q as (select 1) SELECT * from q"),
        ("UPDATE t SET n = n + $1 WHERE id = $2", "SELECT * FROM t WHERE id = $1"),
        (
            "update only s.t as x set a = b is distinct from c, d = $1 from u where u.id = x.id and x.k = $2 returning *",
            "SELECT * FROM only s.t as x, u WHERE u.id = x.id and x.k = $1",
        ),
        (
            "with q as (select $2) update t set a = $1 where id in (select * from q) and b = $2",
            "with q as (select $1) SELECT * FROM t WHERE id in (select * from q) and b = $1",
        ),
        ("delete from a.b using c where c.id = b.id", "SELECT * FROM a.b, c WHERE c.id = b.id"),
        ("delete from t returning a", "SELECT * FROM t"),
        (
            "insert into t (a) select x from y where z = $3 on conflict (a) do update set a = excluded.a returning a",
            "select x from y where z = $1",
        ),
        ("insert into t (select x from y)", "(select x from y)"),
        ("insert into t with q as (select 1) select * from q", "with q as (select 1) select * from q"),
        (
            "merge into t using s on t.id = s.id when matched then delete",
            "SELECT * FROM s LEFT JOIN t ON t.id = s.id",
        ),
        (
            "update job set s = $1 where id = (select id from job where s = $2 for update of job skip locked limit 1)",
            "SELECT * FROM job WHERE id = (select id from job where s = $1 limit 1)",
        ),
        ("select * from a, b for no key update of a, b nowait", "SELECT * from a, b"),
        ("select * from t for share", "SELECT * from t"),
        (
            "select * from t where at > now() - interval $1 and d < date $2",
            "SELECT * from t where at > now() - $1::interval and d < $2::date",
        ),
    ],
)  # fmt: skip
def test_a_statement_becomes_the_search_for_its_rows(text: str, search: str) -> None:
    assert search_of(text) == search


@pytest.mark.parametrize(
    "text",
    [
        "insert into t (a, b) values ($1, $2) on conflict do nothing",
        "insert into t default values",
        "select now() - interval $1",
        "select f($1)",
        "explain analyze delete from t",
        "ANALYZE t",
        "analyze delete from t",
        "(analyze) select 1 from t",
        "(verbose, analyze) delete from t",
        "copy (select 1 from t) to program 'x'",
        "prepare p as select 1 from t",
        "with q as (select 1)",
        "values (1)",
        "",
        "(((",
    ],
)
def test_what_looks_for_nothing_or_is_no_search_is_empty(text: str) -> None:
    assert search_of(text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("select 1 from t; drop table t", UNREADABLE),
        ("select 1 from t;; select 2 from t", UNREADABLE),
        ("select '\\'; drop table t; --' from t", UNREADABLE),
        ("select 'a' 'b", UNREADABLE),
        ("select $x$ from t", UNREADABLE),
        ("select /* from t", UNREADABLE),
        ("select \u2019a\u2019 from t", UNREADABLE),
        ("select 1 from t where a = '" + "x" * 20_000 + "'", UNREADABLE),
        ("with a as (delete from t returning *) select * from a", CHANGES_WITHIN),
        ("with a as (update t set b = 1) select * from t", CHANGES_WITHIN),
        ("select 1 into u from t", MAKES_TABLE),
        ("update t set a = (select max(a) from u) where id = $1", SEARCHES_FOR_VALUES),
        ("insert into t values ((select max(a) from u))", SEARCHES_FOR_VALUES),
    ],
)
def test_what_cannot_be_made_one_is_refused(text: str, why: str) -> None:
    with pytest.raises(NoSearchError, match=why):
        search_of(text)


@given(st.text(alphabet="abE$'\";\\/*-()\n x1", max_size=60))
def test_a_search_has_no_second_statement(text: str) -> None:
    """A semicolon is only within a literal or a name: read again, the search has the same words."""
    try:
        search = search_of(f"select 1 from t where a = {text}")
    except NoSearchError:
        return

    again = words_of(search)
    assert again is not None
    assert all(one.text != ";" for one in again)
    assert search_of(search) == search


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ("(t.id = $1)", "(t.id = $1)"),
        ("((t.state)::text = 'open'::text)", "((t.state)::text = ?::text)"),
        ("(t.state = ANY ('{a,b}'::text[]))", "(t.state = ANY (?::text[]))"),
        ("((t.at > '1987-06-05'::date) OR (t.n < 500))", "((t.at > ?::date) OR (t.n < ?))"),
        ('("Order"."The name" ~~ \'Qzx%\'::text)', "(?.? ~~ ?::text)"),
        ("(t.name = 'it''s'::text) 'torn", "(t.name = ?::text)..."),
        ("(t.n = " + "t.n + " * 100 + "1)", ("(t.n = " + "t.n + " * 100)[:197] + "..."),
    ],
)
def test_a_condition_is_told_without_its_data(condition: str, shown: str) -> None:
    assert condition_of(condition) == shown
