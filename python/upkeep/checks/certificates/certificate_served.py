"""Servers serve the certificate that lies on disk.

A renewed file that the server never reloaded looks well on disk and expires before the clients' eyes. Judged for
endpoints with a known file: declared under `served`, or found in the web server's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import judge_parts, leaves
from upkeep.checks.certificates._x509 import CertificateError, load, validity
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """There is nothing to set."""


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge what is served for each kind of key."""
    return judge_parts(seen, leaves, lambda part: _judge(part, now))


def _judge(seen: Observation, now: datetime) -> Verdict | None:
    """Judge whether both are the same certificate."""
    if "der" not in seen.data:
        return unknown("the observation has no certificate")
    disk = seen.data.get("on_disk")
    if disk is None:
        return None
    if not isinstance(disk, Mapping):
        return unknown("the observation has no data about the file")
    path = short(disk.get("path"), 120)
    if not isinstance(disk.get("der"), str):
        return unknown(
            f"the file could not be read: {short(disk.get('unseen', 'no reason was given'))}"
        )
    if disk["der"] == seen.data["der"]:
        return passed(f"the same as in {path}")
    try:
        served, held = validity(load(seen.data["der"])), validity(load(disk["der"]))
    except CertificateError as exc:
        return unknown(f"not the same as in {path}: {exc}")
    what = (
        f"the server presents a certificate that expires on {served.ends:%Y-%m-%d}; {path} has "
        f"one that expires on {held.ends:%Y-%m-%d}"
    )
    severity = Severity.CRITICAL if served.ends < now else Severity.HIGH
    return failed(severity, what)


CHECK = Check(
    title="Server presents the certificate on disk",
    trouble="Outdated certificate served",
    gather="certificates",
    since="0.1.0",
    why=(
        "If the server has not loaded a renewed file, the file is valid while clients still "
        "get the old certificate."
    ),
    cannot_see=(
        "Endpoints whose file is not known. Other machines behind the same address: only one "
        "of them answers."
    ),
    limits=Limits(),
    judge=judge,
    parts=leaves,
    source="certbot's documentation, deploy hooks; nginx -s reload",
    remedy="nginx -t && nginx -s reload  # let nginx load it, or reload the server that you have; then add "
    "a deploy hook to the renewal",
    controls=("45 CFR 164.312(e)(1)",),
    absence={"certificates": gone()},
)
