"""Certificates are renewed well before they expire.

Of the certificate itself, in a file or as served; those above it are `certificate_chain`'s. Renewal is due 30 days
before the end, or when a third of the lifetime is left if that is less: 30 days would be most of a short one's life.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.certificates import CertificateError, load, validity
from upkeep.check import Check
from upkeep.verdicts import Measure, Severity, Verdict, failed, passed, unknown

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Params:
    """renew_days: days of validity left at which renewal is due; a third of a short lifetime, if that is less."""

    renew_days: int = 30


def judge(seen: Observation, params: Params, now: datetime) -> Verdict:
    """Judge the validity left."""
    try:
        valid = validity(load(seen.data.get("der")))
    except CertificateError as exc:
        return unknown(str(exc))
    due = min(timedelta(days=params.renew_days), (valid.ends - valid.begins) / 3)
    left = valid.ends - now
    measure = Measure("left", round(left.total_seconds() / DAY_SECONDS, 2), "d")
    if left < timedelta(0):
        return failed(Severity.CRITICAL, f"expired on {valid.ends:%Y-%m-%d}", measure)
    if valid.begins > now:
        begins = f"not valid before {valid.begins:%Y-%m-%d %H:%M} UTC"
        return failed(Severity.CRITICAL, begins, measure, remedy="compare clocks: timedatectl")
    if left < due:
        expires = f"expires in {left.days} days; renewal is due at {due.days}"
        return failed(Severity.HIGH, expires, measure)
    return passed(f"valid for {left.days} more days", measure)


CHECK = Check(
    title="Certificate is renewed in time",
    gather="certificates",
    params=Params(),
    judge=judge,
    source="RFC 5280, section 4.1.2.5; Let's Encrypt: renew when a third of the lifetime is left",
    remedy="renew it and reload what serves it: certbot renew && systemctl reload nginx",
    controls=("45 CFR 164.312(e)(1)",),
)
