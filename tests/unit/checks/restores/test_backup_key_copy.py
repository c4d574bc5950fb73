"""Where the key of a backup lies."""

from __future__ import annotations

import pytest
from restore_rows import NOW, ledger_seen

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreSeen,
)
from upkeep.checks.restores.backup_key_copy import Limits, judge
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown

KEY = "/etc/restic.password"


@pytest.mark.parametrize(
    ("key", "copy", "verdict"),
    [
        (KEY, "the safe", passed(f"{KEY} has a copy, as declared: the safe")),
        (
            KEY,
            " ",
            failed(Severity.MEDIUM, f"the key lies on this host, and no copy is declared: {KEY}"),
        ),
        (
            KEY,
            KEY,
            failed(Severity.MEDIUM, f"the declared copy of the key is the key itself: {KEY}"),
        ),
        ("", "", None),
        ("", "the safe", None),
    ],
    ids=["declared", "blank", "itself", "no key", "no key here"],
)
def test_a_key_has_a_copy(key: str, copy: str, verdict: Verdict | None) -> None:
    assert judge(ledger_seen(key_file=key, key_copy=copy), Limits(), NOW) == verdict


def test_a_key_that_cannot_be_seen_is_unknown() -> None:
    seen = ledger_seen(key_copy="the safe", unread={"key": "/root/key: permission denied"})

    assert judge(seen, Limits(), NOW) == unknown(
        "the key cannot be seen: /root/key: permission denied"
    )


def test_a_set_that_is_not_verified_is_not_judged() -> None:
    assert judge(RestoreSeen(NOW, key_file=KEY), Limits(), NOW) is None
