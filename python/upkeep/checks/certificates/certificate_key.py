"""A certificate file's key is the one that its certificate is for.

A server with a pair that does not match does not start again: the fault waits for the next reload. The host tells a
hash of the key's public half (OpenSSL derives it), never the key. A file without a known key is not judged. A server
takes the first certificate of a file: if that is an authority's, the server's own certificate does not help.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import judge_parts, leaves
from upkeep.checks.certificates._x509 import load, public_key_der
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """There is nothing to set."""


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge whether the key is that of the first certificate."""
    return judge_parts(seen, leaves, lambda part: _judge(part))


def _judge(seen: Observation) -> Verdict | None:
    """Judge whether the hashes of the public keys are the same."""
    if "key" not in seen.data:
        return unknown("the observation has no data about its key")
    key = seen.data["key"]
    if key is None:
        return None
    if not isinstance(key, Mapping):
        return unknown("the observation has no data about its key")
    path = short(key.get("path"), 120)
    place = seen.data.get("place", 0)
    if isinstance(key.get("matches"), bool):
        same = key["matches"]
    elif isinstance(key.get("spki_sha256"), str):
        public = public_key_der(load(seen.data.get("der")))
        same = hashlib.sha256(public).hexdigest() == key["spki_sha256"]
    else:
        return unknown(
            f"its key could not be read: {short(key.get('unseen', 'no reason was given'))}"
        )
    if same and place:
        where = f"the key in {path} belongs to certificate {place + 1} of the file"
        return failed(Severity.CRITICAL, f"{where}; servers use the first", remedy=FIRST)
    if not same:
        return failed(Severity.CRITICAL, f"the key in {path} belongs to another certificate")
    return passed(f"the key in {path} matches")


FIRST = "decide: put the certificate of this key first, then its authorities"

CHECK = Check(
    title="Certificate and key match",
    trouble="Certificate and key mismatch",
    gather="certificates",
    since="0.1.0",
    why=("A server whose certificate and key do not match fails at its next restart or reload."),
    cannot_see=(
        "Files whose key is not known. The certificate that a running server has loaded: "
        "certificate_served compares it."
    ),
    limits=Limits(),
    judge=judge,
    parts=leaves,
    source="RFC 5280, section 4.1.2.7; openssl-pkey(1)",
    remedy="decide: restore the matching pair: the key that the certificate was issued for",
    controls=("45 CFR 164.312(e)(1)",),
    absence={"certificates": gone()},
)
