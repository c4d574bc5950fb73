"""Certificates come with all that leads from them to a trusted root, in order.

Served, or in the file that a server is to send: each certificate is signed by the next one, those above the first may
sign and have not expired, and the host trusts where it leads (its own store, or the site's `ca_file`). Clients do not
fetch what is missing, browsers do, so that a gap shows late. The root itself may be left out. Trust is tried on the
host by OpenSSL; where that was not possible, the result is unknown. What is accepted without a trusted root must be
right in all else: names that an authority may not sign for, or a signature that does not fit, are never accepted.
A server's certificate must be for servers. Of a file with several leaves each is judged; authorities alone are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._files import (
    ROOT_UNKNOWN,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._issuers import (
    is_named_issuer,
    is_self_issued,
    is_self_signed,
    issued,
    signed,
)
from upkeep.checks.certificates._parts import BUNDLE, judge_parts, leaves
from upkeep.checks.certificates._x509 import (
    chain,
    extension,
    has_server_usage,
    is_authority,
    is_for_servers,
    title,
    validity,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown

UNORDERED = ("pkcs7", "embedded")
"""Formats whose certificates have no order."""


@dataclass(frozen=True)
class Limits:
    """What is accepted without a trusted root, and what the certificate is for.

    self_signed: a certificate that signed itself is accepted, as in a laboratory.
    private_root: one that leads to a root which came with it but the host does not trust is accepted.
    purpose: `server` or `client`; left empty, endpoints and files that web servers use are a server's.
    """

    self_signed: bool = False
    private_root: bool = False
    purpose: str = ""


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge each leaf."""
    return judge_parts(seen, leaves, lambda part: _judge(part, limits, now))


def _judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the order, what is above, what it is for, then trust. A bundle leads nowhere: it is where others lead."""
    if seen.data.get("part") == BUNDLE:
        return None
    certificates = chain(seen.data)
    problem = _above(certificates, now) or _purpose(certificates, seen, limits)
    if problem is not None:
        return problem
    trust = seen.data.get("trust")
    if isinstance(trust, Mapping) and limits.purpose == "client":
        trust = trust.get("any_purpose", trust)
    trust = trust if isinstance(trust, Mapping) else {}
    if not is_self_signed(certificates[0]) and seen.data.get("chain_seen") is not True:
        return unknown(
            "only the first certificates could be read",
            remedy=INSTALL,
        )
    if not isinstance(trust.get("trusted"), bool):
        why = short(trust.get("unseen", "no reason was given"))
        return unknown(f"trust could not be tested: {why}", remedy=INSTALL)
    ordered = _ordered(certificates)
    if trust["trusted"]:
        return _trusted(seen, ordered, certificates, trust)
    return _not_trusted(ordered, certificates, trust, limits)


def _trusted(
    seen: Observation,
    ordered: Sequence[x509.Certificate],
    certificates: Sequence[x509.Certificate],
    trust: Mapping[str, Any],
) -> Verdict:
    """Judge the order of what is trusted."""
    ahead = seen.data.get("place", 0) and not seen.data.get("beside")
    if seen.data.get("format") not in UNORDERED and (list(ordered) != list(certificates) or ahead):
        extra = len(certificates) - len(ordered)
        what = f"{extra} certificates do not belong to the chain" if extra else "not in order"
        return failed(Severity.LOW, f"trusted, but {what}", remedy=REORDER)
    alone = is_self_signed(certificates[0])
    what = "self-signed, and" if alone else f"{len(ordered)} certificates in order,"
    return passed(f"{what} trusted by {_store(trust)}")


def _not_trusted(
    ordered: Sequence[x509.Certificate],
    certificates: Sequence[x509.Certificate],
    trust: Mapping[str, Any],
    limits: Limits,
) -> Verdict:
    """Return what keeps it from being trusted; only that its root is not known can be accepted."""
    top = ordered[-1]
    named = [one for one in certificates if is_named_issuer(top, one)]
    if named and all(signed(top, one) is False for one in named):
        return failed(Severity.HIGH, _not_by(top), remedy=OTHER_KEY)
    refusal = _refusal(trust)
    if refusal is not None:
        return failed(Severity.HIGH, f"refused: {refusal}", remedy=REFUSED)
    if is_self_signed(top):
        return _own_root(ordered, trust, limits)
    missing = f"the certificate of {_issuer(top)} is missing, and {_store(trust)} does not have it"
    return failed(Severity.HIGH, f"{missing} ({short(trust.get('reason'), 80)})")


def _not_by(certificate: x509.Certificate) -> str:
    """Say of a certificate whose issuer is there by name that no key which is there signed it."""
    if is_self_issued(certificate):
        return (
            f"{title(certificate)} names itself as its issuer, but was not signed with its own key"
        )
    there = (
        f"the certificate of {_issuer(certificate)} is present, but it did not sign "
        f"{title(certificate)}"
    )
    return f"{there}: it has another key, or the signature is damaged"


def _own_root(
    ordered: Sequence[x509.Certificate], trust: Mapping[str, Any], limits: Limits
) -> Verdict:
    """Judge what leads to a root that came with it, or is one: accepted if the site says so and all else is right."""
    top, alone = ordered[-1], len(ordered) == 1
    root = "self-signed" if alone else f"leads to the root {title(top)}"
    tried = trust.get("private")
    tried = tried if isinstance(tried, Mapping) else {}
    if tried.get("trusted") is False and not alone:
        reason = f"openssl cannot build a chain to it: {short(tried.get('reason'), 80)}"
        return failed(Severity.HIGH, f"{root}, and {reason}", remedy=UNFIT)
    if not (limits.self_signed if alone else limits.private_root):
        nobody = ": no client trusts it" if alone else f", which {_store(trust)} does not trust"
        return failed(Severity.HIGH, f"{root}{nobody}", remedy=TRUST)
    if not isinstance(tried.get("trusted"), bool):
        why = short(tried.get("unseen", "no reason was given"))
        return unknown(f"trust in its own root could not be tested: {why}", remedy=INSTALL)
    if alone and signed(top, top) is None:  # openssl does not look at a root's own signature
        return unknown("the type of its signature is not supported")
    return passed(f"{root}, which is accepted")


def _refusal(trust: Mapping[str, Any]) -> str | None:
    """Return why openssl refuses it, apart from a root that is not known; None if there is nothing else.

    A root that is not known hides what else is wrong; `private` is what came of trusting the roots that came with it.
    """
    for one in (trust, trust.get("private")):
        if not isinstance(one, Mapping) or one.get("trusted") is not False:
            continue
        if one.get("code") not in ROOT_UNKNOWN:
            return short(one.get("reason") or f"error {one.get('code')}", 120)
    return None


def _purpose(
    certificates: Sequence[x509.Certificate], seen: Observation, limits: Limits
) -> Verdict | None:
    """Judge whether a server's certificate is for servers, and those above it are; RFC 5280, 4.2.1.3 and 4.2.1.12."""
    if limits.purpose not in ("", "server", "client"):
        return unknown(f"purpose: found {limits.purpose[:40]!r}; expected server or client")
    servers = seen.data.get("kind") == "endpoint" or seen.data.get("server") is True
    if limits.purpose == "client" or not (limits.purpose or servers):
        return None
    if not is_for_servers(certificates[0]):
        what = "not for servers: its extended key usage has no serverAuth"
        return failed(Severity.HIGH, what, remedy=PURPOSE)
    if not has_server_usage(certificates[0]):
        what = "not for servers: its key usage has neither digitalSignature nor keyEncipherment"
        return failed(Severity.HIGH, what, remedy=PURPOSE)
    for above in _ordered(certificates)[1:]:
        if not is_for_servers(above):
            what = f"not for servers: the extended key usage of {title(above)} above it has no serverAuth"
            return failed(Severity.HIGH, what, remedy=PURPOSE)
    return None


def _above(certificates: Sequence[x509.Certificate], now: datetime) -> Verdict | None:
    """Judge the certificates above the first, as far as they belong to it."""
    ordered = _ordered(certificates)
    for below, above in enumerate(ordered[1:]):
        if not is_authority(above):
            return failed(
                Severity.HIGH,
                f"{title(above)} signed a certificate, but is not allowed to",
                remedy=MAY_NOT,
            )
        constraints = extension(above, x509.BasicConstraints)
        # Those that issued themselves, as for a change of keys, do not count; RFC 5280, section 4.2.1.9.
        between = sum(1 for one in ordered[1 : below + 1] if not is_self_issued(one))
        if constraints.path_length is not None and between > constraints.path_length:
            return failed(
                Severity.HIGH,
                f"{title(above)} allows {constraints.path_length} authorities below it, found {between}",
                remedy=MAY_NOT,
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
    while not is_self_signed(ordered[-1]):
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


REORDER = "decide: put the server's certificate first, then the issuer of each; leave out the rest"
REFUSED = "openssl verify -show_chain -untrusted {subject} {subject}  # see what openssl says; get another certificate"
OTHER_KEY = (
    "decide: add the certificate of the authority that signed it; two authorities of this name have "
    "different keys"
)
UNFIT = "decide: compare the key identifiers of the two, and add the one that signed"
INSTALL = "apt-get install openssl  # then check again"
MAY_NOT = "decide: get a certificate from an authority that is allowed to sign it"
PURPOSE = "decide: get a certificate with serverAuth; say `purpose: client` if only clients use it"
TRUST = (
    "decide: get a certificate from an authority that clients trust, or name its root in ca_file"
)

CHECK = Check(
    title="Certificate has its complete chain",
    trouble="Incomplete certificate chain",
    gather="certificates",
    since="0.1.0",
    why=(
        "Browsers download a missing certificate, other clients do not: programs fail while "
        "people see no problem."
    ),
    cannot_see=(
        "Whether a certificate was revoked. Whether clients that trust other roots than this "
        "host or the site's ca_file accept it."
    ),
    limits=Limits(),
    judge=judge,
    parts=leaves,
    source="RFC 5280, section 6.1; RFC 8446, section 4.4.2; testssl.sh, chain of trust",
    remedy="decide: serve the full chain; certbot writes it as fullchain.pem",
    controls=("45 CFR 164.312(e)(1)",),
    absence={"certificates": gone()},
)
