"""No host keeps an old certificate where others have a new one for the same names.

Examines the certificates in files of all hosts that ask for it, and puts together those that are for just the same
names. The one that ends last is the newest; a host whose own newest ends more than `max_days_apart` before it was left
behind when the certificate was renewed: on that host alone, clients are refused on the day the old one expires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import leaves
from upkeep.checks.certificates._x509 import CertificateError, load, names, validity
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Severity, Verdict, failed, passed

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Limits:
    """How far apart the newest certificates of hosts may end.

    max_days_apart: in days; hosts that get certificates each for itself differ by some.
    """

    max_days_apart: float = 7.0


def judge_site(
    seen_by_host: Mapping[str, Sequence[Observation]], limits: Limits, now: datetime
) -> dict[str, Verdict]:
    """Judge for each set of names that several hosts have a certificate for."""
    ends: dict[tuple[str, ...], dict[str, datetime]] = {}
    for host, seen in seen_by_host.items():
        for part in (part for one in seen for part in leaves(one)):
            if part.data.get("kind") == "endpoint":
                continue
            try:
                certificate = load(part.data.get("der"))
                dns_names, addresses = names(certificate)
                key = tuple(sorted({*dns_names, *addresses}))
                end = validity(certificate).ends
            except CertificateError:
                continue  # certificate_expiry tells of it, on its host
            known = ends.setdefault(key, {})
            known[host] = max(end, known.get(host, end))
    return {
        _subject(key): _judge(known, limits)
        for key, known in sorted(ends.items())
        if key and len(known) > 1
    }


def _judge(ends: Mapping[str, datetime], limits: Limits) -> Verdict:
    """Judge the hosts by the end of the newest certificate that each has."""
    newest = max(ends, key=lambda host: ends[host])
    far = timedelta(days=limits.max_days_apart)
    behind = {host: end for host, end in sorted(ends.items()) if ends[newest] - end > far}
    text = (
        f"the newest certificate on {len(ends)} hosts expires on {ends[newest]:%Y-%m-%d} "
        f"({short(newest, 60)})"
    )
    limit = f"at most {limits.max_days_apart:g} days apart"
    if behind:
        told = ", ".join(
            f"{short(host, 60)} on {end:%Y-%m-%d}" for host, end in list(behind.items())[:5]
        )
        more = f" and {len(behind) - 5} more" if len(behind) > 5 else ""
        return failed(Severity.MEDIUM, f"{text}; older: {told}{more}; {limit}")
    return passed(f"{text}; {limit}")


def _subject(names: Sequence[str]) -> str:
    """Return the names that the certificates are for, the first ones in words."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return short(", ".join(names[:NAMES_SHOWN]), 200) + more


CHECK = Check(
    title="No host has an older certificate than the others",
    trouble="Certificate left behind",
    gather="certificates",
    since="0.1.0",
    why=(
        "A renewal that did not reach all hosts is noticed only when the old certificate "
        "expires, and then only by some visitors."
    ),
    cannot_see=(
        "Hosts that do not ask for this check. A certificate that was renewed for other names. "
        "A new file whose server still presents the old certificate: certificate_served finds "
        "that."
    ),
    limits=Limits(),
    judge=judge_site,
    of_site=True,
    source="RFC 5280, section 4.1.2.5; Let's Encrypt, integration guide: many hosts with one certificate",
    remedy=(
        "decide: copy the new certificate and its key to the named hosts, and reload the servers "
        "that present it"
    ),
    absence={"site": gone("is on fewer than two hosts now")},
)
