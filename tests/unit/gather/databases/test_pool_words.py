"""What PgBouncer's console says of a pool that has no connection to give."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines.pgbouncer import full

SIZE = [{"name": "shop", "pool_size": "2"}, {"name": "other", "pool_size": "1"}]


def row(**more: Any) -> dict[str, str]:
    given = {"database": "shop", "user": "app", "cl_waiting": 0, "sv_active": 2, "sv_idle": 0,
             "sv_used": 0, "sv_tested": 0, **more}  # fmt: skip
    return {name: str(value) for name, value in given.items()}


@pytest.mark.parametrize(
    ("pools", "said"),
    [
        ([row(cl_waiting=3)], "3 clients wait, and each of its 2"),
        ([row(cl_waiting=1)], "1 client waits, and each of its 2"),
        ([row()], "0 clients wait, and each of its 2"),
        ([row(sv_active=1)], ""),
        ([row(sv_active=1, cl_waiting=1)], "1 client waits, and each of its 1"),
        ([row(sv_idle=1, cl_waiting=1)], ""),
        ([row(sv_active=0, cl_waiting=5)], ""),
        ([row(database="other", cl_waiting=5)], ""),
        ([row(), row(user="batch", cl_waiting=7)], "7 clients wait"),
        ([row(cl_waiting="many")], "0 clients wait"),
        ([], ""),
    ],
)
def test_it_is_full_if_all_connections_are_in_use(pools: list[dict[str, str]], said: str) -> None:
    found = full("shop", pools, SIZE)

    assert (said in found) if said else (found == "")
