"""What psql prints is read as what psycopg returns."""

from __future__ import annotations

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    OK,
    Reply,
    parse_psql,
    statements_of,
)

NONCE = "0123abcd"
SAID = f"""Time: 0.100 ms
[{{"name":"a"}},\x20
 {{"name":"b c"}}]
Time: 2.000 ms
{NONCE} rows {OK}
Time: 1.000 ms
{NONCE} locked 55P03
not json
Time: 3.000 ms
{NONCE} other {OK}
"""


def test_an_array_of_several_lines_is_one_value() -> None:
    replies = parse_psql(SAID, NONCE, dict.fromkeys(("rows", "locked", "other", "late")), 1.0)

    assert replies.by_name == {
        "rows": Reply(OK, [{"name": "a"}, {"name": "b c"}], 0.002),
        "locked": Reply("55P03"),
        "other": Reply("XX000"),
        "late": Reply("57014"),
    }
    assert replies.connect_seconds == pytest.approx(0.994)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(59.984, 59000), (59.0, 59000), (1.0, 1000), (0.999, 900), (0.1, 100), (0.02, 100)],
)
def test_a_timeout_is_one_of_few(seconds: float, milliseconds: int) -> None:
    """pg_stat_statements before version 18 counts each value as a statement of its own."""
    said = statements_of("select 1", seconds)

    assert said[0] == f"SET LOCAL statement_timeout = {milliseconds}"
    assert said[-1] == "select 1"
