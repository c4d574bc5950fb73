"""Certificates are renewed well before they expire.

Each certificate of a file is a subject of its own: those of servers and clients, and each authority that one of them
leads through. A file of authorities alone is a bundle: of these the first to end counts, and no more than as a note,
because what nobody uses may end. Of an endpoint it is what the server presents, for each kind of key that it has; those
above it are `certificate_chain`'s. Renewal is due 30 days before the end, or when a third of the lifetime is left if
that is less: 30 days would be most of a short one's life.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import AUTHORITY, BUNDLE, judge_parts, subjects
from upkeep.checks.certificates._x509 import Validity, load, validity
from upkeep.judging.check import Check, gone
from upkeep.model.remedies import look, quote
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Status,
    Verdict,
    failed,
    passed,
    unknown,
)

DAY_SECONDS = 86_400
ENDPOINT = re.compile(r"[A-Za-z0-9._\[\]:-]+:\d+")
"""A server's subject that can be given to openssl as it stands."""


@dataclass(frozen=True)
class Limits:
    """What is soon enough.

    renew_days: days of validity left at which renewal is due; a third of a short lifetime, if that is less.
    bundle: `info` if the end of an authority in a file of authorities alone is a note, `judge` if it is a failure like
    any other.
    """

    renew_days: int = 30
    bundle: str = "info"


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge the validity left of each certificate."""
    return judge_parts(seen, subjects, lambda part: _judge(part, limits, now))


def _judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge one certificate, or a bundle by the first to end."""
    verdict = _left(validity(load(seen.data.get("der"))), limits, now)
    if verdict.status is Status.FAIL and not verdict.remedy:
        verdict = replace(verdict, remedy=_issuer(seen))
    if seen.data.get("part") == AUTHORITY and verdict.status is Status.FAIL:
        return replace(verdict, remedy=ABOVE)
    if seen.data.get("part") == BUNDLE:
        return _of_bundle(seen, verdict, limits)
    return verdict


def _of_bundle(seen: Observation, verdict: Verdict, limits: Limits) -> Verdict:
    """Return the verdict on a file of authorities alone."""
    if limits.bundle not in ("info", "judge"):
        return unknown(f"bundle: found {limits.bundle[:40]!r}; expected info or judge")
    count = seen.data.get("authorities")
    which = (
        "the file's only authority" if count == 1 else f"the first of {count} authorities to expire"
    )
    verdict = replace(verdict, message=f"{verdict.message}; {which}")
    if verdict.status is not Status.FAIL:
        return verdict
    severity = Severity.INFO if limits.bundle == "info" else verdict.severity
    return replace(verdict, severity=severity, remedy=BUNDLED)


def _left(valid: Validity, limits: Limits, now: datetime) -> Verdict:
    """Judge the validity left by the limits."""
    due = min(timedelta(days=limits.renew_days), (valid.ends - valid.begins) / 3)
    left = valid.ends - now
    measure = Measure("left", round(left.total_seconds() / DAY_SECONDS, 2), "d")
    if left < timedelta(0):
        return failed(Severity.CRITICAL, f"expired on {valid.ends:%Y-%m-%d}", measure)
    if valid.begins > now:
        begins = f"not valid before {valid.begins:%Y-%m-%d %H:%M} UTC"
        return failed(
            Severity.CRITICAL,
            begins,
            measure,
            remedy="date -u  # see whether the host's clock is right",
        )
    if left < due:
        expires = f"expires in {left.days} days; renewal is due at {due.days}"
        return failed(Severity.HIGH, expires, measure)
    return passed(f"valid for {left.days} more days", measure)


def _issuer(seen: Observation) -> str:
    """Return how to see who issued it: of what a server presents, or of a file's first certificate; else empty."""
    words = "see who issued it; then renew it there (certbot renew, if that is certbot) and reload the server"
    show = "openssl x509 -noout -subject -issuer -enddate"
    if ENDPOINT.fullmatch(seen.subject):
        ask = f"openssl s_client -connect {quote(seen.subject)} </dev/null 2>/dev/null"
        return look(f"{ask} | {show}", words)
    path = quote(seen.subject)
    if not seen.subject.startswith("/") or seen.data.get("place") or not path:
        return ""
    return look(f"{show} -in {path}", words)


ABOVE = "decide: put the authority's new certificate into the file; a renewal by certbot does it"
BUNDLED = "decide: upgrade the package that has the file (ca-certificates), or take the certificate out of it"

CHECK = Check(
    title="Certificate is renewed in time",
    trouble="Expiring certificate",
    gather="certificates",
    since="0.1.0",
    why="All clients refuse an expired certificate, from a moment that is known in advance.",
    cannot_see=(
        "Certificates that are not named by the site, by a web server's configuration or in "
        "certbot's folder. Whether the next renewal will work."
    ),
    limits=Limits(),
    judge=judge,
    measures={"left": MeasureKind.STATE},
    parts=subjects,
    source="RFC 5280, section 4.1.2.5; Let's Encrypt: renew when a third of the lifetime is left",
    remedy="decide: renew it with what issued it (certbot renew, if that is certbot), then reload the server",
    controls=("45 CFR 164.312(e)(1)",),
    absence={"certificates": gone()},
)
