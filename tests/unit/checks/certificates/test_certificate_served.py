"""Served as on disk, or not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from made_certificates import BEGINS, make

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates.certificate_served import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict, failed, passed, unknown

OLD = make()
NEW = make(begins=BEGINS + timedelta(days=300))
STALE = "the server presents a certificate that expires on 2030-06-01; /c has one that expires on 2031-03-28"


def test_a_renewed_file_that_was_never_loaded_fails_and_is_critical_once_it_shows() -> None:
    seen = Observation("portal:443", {"der": OLD.der, "on_disk": {"path": "/c", "der": NEW.der}})

    soon = judge(seen, Limits(), BEGINS + timedelta(days=310))
    last = judge(seen, Limits(), OLD.ends)
    late = judge(seen, Limits(), OLD.ends + timedelta(seconds=1))

    assert last == soon
    assert soon == failed(Severity.HIGH, STALE)
    assert late == failed(Severity.CRITICAL, STALE)


def test_the_same_passes() -> None:
    seen = Observation("portal:443", {"der": OLD.der, "on_disk": {"path": "/c", "der": OLD.der}})

    assert judge(seen, Limits(), BEGINS) == passed("the same as in /c")


def test_a_file_that_cannot_be_read_is_unknown_and_no_file_is_no_result() -> None:
    disk = {"path": "/c", "unseen": "/c: permission denied"}
    seen = Observation("portal:443", {"der": OLD.der, "on_disk": disk})

    assert judge(seen, Limits(), BEGINS) == unknown(
        "the file could not be read: /c: permission denied"
    )
    assert judge(Observation("portal:443", {"der": OLD.der}), Limits(), BEGINS) is None


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        ({}, unknown("the observation has no certificate")),
        ({"der": OLD.der, "on_disk": "/c"}, unknown("the observation has no data about the file")),
        (
            {"der": OLD.der, "on_disk": {"path": "/c"}},
            unknown("the file could not be read: no reason was given"),
        ),
    ],
)
def test_what_was_not_told_is_unknown(data: dict[str, object], verdict: Verdict) -> None:
    assert judge(Observation("portal:443", data), Limits(), BEGINS) == verdict


def test_another_that_cannot_be_read_is_unknown() -> None:
    disk = {"path": "/c", "der": "MAA="}

    found = judge(Observation("portal:443", {"der": OLD.der, "on_disk": disk}), Limits(), BEGINS)

    assert found.status is Status.UNKNOWN
    assert found.message.startswith("not the same as in /c: ")
