"""Served as on disk, or not."""

from __future__ import annotations

from datetime import timedelta

from made_certificates import BEGINS, make

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.checks.certificate_served import Params, judge
from upkeep.verdicts import Severity, failed, passed, unknown

OLD = make()
NEW = make(begins=BEGINS + timedelta(days=300))
STALE = "serves one that ends on 2030-06-01, while /c has one that ends on 2031-03-28"


def test_a_renewed_file_that_was_never_loaded_fails_and_is_critical_once_it_shows() -> None:
    seen = Observation("portal:443", {"der": OLD.der, "on_disk": {"path": "/c", "der": NEW.der}})

    soon = judge(seen, Params(), BEGINS + timedelta(days=310))
    late = judge(seen, Params(), BEGINS + timedelta(days=366))

    assert soon == failed(Severity.HIGH, STALE)
    assert late == failed(Severity.CRITICAL, STALE)


def test_the_same_passes() -> None:
    seen = Observation("portal:443", {"der": OLD.der, "on_disk": {"path": "/c", "der": OLD.der}})

    assert judge(seen, Params(), BEGINS) == passed("the same as in /c")


def test_a_file_that_cannot_be_read_is_unknown_and_no_file_is_no_result() -> None:
    disk = {"path": "/c", "unseen": "/c: permission denied"}
    seen = Observation("portal:443", {"der": OLD.der, "on_disk": disk})

    assert judge(seen, Params(), BEGINS) == unknown(
        "the file could not be read: /c: permission denied"
    )
    assert judge(Observation("portal:443", {"der": OLD.der}), Params(), BEGINS) is None
