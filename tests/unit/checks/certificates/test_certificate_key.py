"""Keys that match, do not, or could not be read."""

from __future__ import annotations

import hashlib

import pytest
from made_certificates import BEGINS, make

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import LEAF
from upkeep.checks.certificates._x509 import public_key_der
from upkeep.checks.certificates.certificate_key import FIRST, Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict, failed, passed, unknown

MADE = make()
OWN = hashlib.sha256(public_key_der(MADE.certificate)).hexdigest()
OTHER = failed(Severity.CRITICAL, "the key in /k belongs to another certificate")


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ({"path": "/k", "spki_sha256": OWN}, passed("the key in /k matches")),
        ({"path": "/k", "spki_sha256": "0" * 64}, OTHER),
        ({"path": "/k", "matches": True}, passed("the key in /k matches")),
        ({"path": "/k", "matches": False}, OTHER),
        (
            {"path": "/k", "unseen": "/k: permission denied"},
            unknown("its key could not be read: /k: permission denied"),
        ),
        ("odd", unknown("the observation has no data about its key")),
        (None, None),
    ],
)
def test_verdicts(key: object, verdict: Verdict | None) -> None:
    seen = Observation("site.pem", {"der": MADE.der, "key": key})

    assert judge(seen, Limits(), BEGINS) == verdict


@pytest.mark.parametrize(
    ("more", "matches", "verdict"),
    [
        ({}, True, passed("the key in /k matches")),
        ({"place": 0}, True, passed("the key in /k matches")),
        (
            {"place": 1},
            True,
            failed(
                Severity.CRITICAL,
                "the key in /k belongs to certificate 2 of the file; servers use the first",
                remedy=FIRST,
            ),
        ),
        ({"place": 1}, False, OTHER),
    ],
)
def test_servers_take_the_first(more: dict[str, int], matches: bool, verdict: Verdict) -> None:
    key = {"path": "/k", "matches": matches}
    seen = Observation("site.pem", {"der": MADE.der, "key": key, "part": LEAF, **more})

    assert judge(seen, Limits(), BEGINS) == verdict


def test_a_certificate_whose_key_cannot_be_read_and_one_of_which_nothing_was_told_are_unknown() -> (
    None
):
    odd = Observation("site.pem", {"der": "MAA=", "key": {"path": "/k", "spki_sha256": OWN}})

    assert judge(odd, Limits(), BEGINS).status is Status.UNKNOWN
    assert judge(Observation("site.pem", {"der": MADE.der}), Limits(), BEGINS) == unknown(
        "the observation has no data about its key"
    )
    empty = Observation("site.pem", {"der": MADE.der, "key": {"path": "/k"}})
    assert judge(empty, Limits(), BEGINS) == unknown(
        "its key could not be read: no reason was given"
    )
