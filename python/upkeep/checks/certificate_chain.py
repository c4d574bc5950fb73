"""Certificates come with all that leads from them to a trusted root, in order.

Served, or in the file that a server is to send: each certificate is signed by the next one, those above the first may
sign and have not expired, and the host trusts where it leads (its own store, or the site's `ca_file`). Clients do not
fetch what is missing, browsers do, so that a gap shows late. The root itself may be left out. Trust is tried on the
host by OpenSSL; where that was not possible, the result is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.certificates import (
    CertificateError,
    chain,
    is_authority,
    is_self_signed,
    issued,
    title,
    validity,
)
from upkeep.check import Check
from upkeep.readings import short
from upkeep.verdicts import Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Params:
    """What is accepted without a trusted root.

    self_signed: a certificate that signed itself is accepted, as in a laboratory.
    private_root: one that leads to a root which came with it but the host does not trust is accepted.
    """

    self_signed: bool = False
    private_root: bool = False


def judge(seen: Observation, params: Params, now: datetime) -> Verdict:
    """Judge the order, what is above, then trust."""
    try:
        certificates = chain(seen.data)
        alone = is_self_signed(certificates[0])
        problem = _above(certificates, now)
    except CertificateError as exc:
        return unknown(str(exc))
    if problem is not None:
        return problem
    if alone and params.self_signed:
        return passed("signed by itself, which is accepted")
    if not alone and seen.data.get("chain_seen") is not True:
        return unknown(
            "only the first certificates could be seen",
            remedy="install openssl on the host, or Python 3.10 or later",
        )
    trust = seen.data.get("trust")
    if not isinstance(trust, Mapping) or not isinstance(trust.get("trusted"), bool):
        why = short(trust.get("unseen")) if isinstance(trust, Mapping) else "nothing was told"
        return unknown(f"trust could not be tried: {why}", remedy="install openssl on the host")
    ordered = _ordered(certificates)
    if trust["trusted"]:
        if ordered != certificates:
            extra = len(certificates) - len(ordered)
            what = f"{extra} certificates do not belong to it" if extra else "not in order"
            return failed(Severity.LOW, f"trusted, but {what}", remedy=REORDER)
        what = "signed by itself, and" if alone else f"{len(certificates)} certificates in order,"
        return passed(f"{what} trusted by {_store(trust)}")
    if alone:
        return failed(Severity.HIGH, "signed by itself: no client trusts it", remedy=TRUST)
    if is_self_signed(ordered[-1]):
        if params.private_root:
            return passed(f"leads to the root {title(ordered[-1])}, which is accepted")
        root = f"leads to the root {title(ordered[-1])}, which {_store(trust)} does not trust"
        return failed(Severity.HIGH, root, remedy=TRUST)
    missing = f"the certificate of {_issuer(ordered[-1])} is missing, and {_store(trust)} does not have it"
    return failed(Severity.HIGH, f"{missing} ({short(trust.get('reason'), 80)})")


def _above(certificates: Sequence[x509.Certificate], now: datetime) -> Verdict | None:
    """Judge the certificates above the first, as far as they belong to it."""
    ordered = _ordered(certificates)
    for below, above in enumerate(ordered[1:]):
        if not is_authority(above):
            return failed(Severity.HIGH, f"{title(above)} signed a certificate, and may not")
        constraints = above.extensions.get_extension_for_class(x509.BasicConstraints).value
        # Those that issued themselves, as for a change of keys, do not count; RFC 5280, section 4.2.1.9.
        between = sum(1 for one in ordered[1 : below + 1] if one.issuer != one.subject)
        if constraints.path_length is not None and between > constraints.path_length:
            return failed(
                Severity.HIGH,
                f"{title(above)} allows {constraints.path_length} authorities below it, found {between}",
            )
        if is_self_signed(above):
            continue  # a root's own dates are the trusting side's business
        valid = validity(above)
        if valid.ends < now:
            return failed(
                Severity.CRITICAL, f"{title(above)} above it expired on {valid.ends:%Y-%m-%d}"
            )
        if valid.begins > now:
            return failed(
                Severity.CRITICAL,
                f"{title(above)} above it is not valid before {valid.begins:%Y-%m-%d}",
            )
    return None


def _ordered(certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return those that lead upwards from the first, each signed by the next."""
    ordered = [certificates[0]]
    left = list(certificates[1:])
    while left and not is_self_signed(ordered[-1]):
        above = next((one for one in left if issued(ordered[-1], one) is not False), None)
        if above is None:
            break
        ordered.append(above)
        left.remove(above)
    return ordered


def _issuer(certificate: x509.Certificate) -> str:
    """Return what people call the issuer."""
    text = short(certificate.issuer.rfc4514_string(), 100)
    return repr(text)


def _store(trust: Mapping[str, object]) -> str:
    return short(trust.get("store", "the host's store"), 80)


REORDER = "write the server's certificate first, then each one's issuer; leave out the rest"
TRUST = "get a certificate of an authority that clients trust, or name its root in ca_file"

CHECK = Check(
    title="Certificate comes with its whole chain",
    gather="certificates",
    params=Params(),
    judge=judge,
    source="RFC 5280, section 6.1; RFC 8446, section 4.4.2; testssl.sh, chain of trust",
    remedy="serve the full chain (certbot: fullchain.pem); what is sent: openssl s_client -showcerts -connect NAME:443",
    controls=("45 CFR 164.312(e)(1)",),
)
