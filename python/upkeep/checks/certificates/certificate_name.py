"""Certificates are for the names that clients ask for.

Of an endpoint, the name that was asked for, and what the site declares under `names`; of a file, the names declared or
those of the web server's site that uses it. Only the subject alternative name counts: no client uses the common
name any more. A `*` stands for one whole label. A file without declared names is not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import judge_parts, leaves
from upkeep.checks.certificates._x509 import is_for, load, names
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """There is nothing to set; names stand in the gather's `names`."""


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge whether each name that is asked for is one of each certificate's."""
    return judge_parts(seen, leaves, lambda part: _judge(part))


def _judge(seen: Observation) -> Verdict | None:
    """Judge one certificate."""
    wanted = seen.data.get("names")
    if not isinstance(wanted, list):
        return unknown("the observation has no names")
    if not wanted:
        return None
    dns_names, addresses = names(load(seen.data.get("der")))
    missing = [str(name) for name in wanted if not is_for(str(name), dns_names, addresses)]
    if missing:
        others = [*dns_names, *addresses]
        held = ", ".join(short(repr(name), 60) for name in others[:5]) or "no name at all"
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        asked = ", ".join(short(name, 60) for name in missing[:5])
        return failed(Severity.HIGH, f"not for {asked}; it is for {held}{more}")
    return passed(f"for {', '.join(short(name, 60) for name in wanted[:5])}")


CHECK = Check(
    title="Certificate is valid for the requested name",
    trouble="Certificate name mismatch",
    gather="certificates",
    since="0.1.0",
    why="A client refuses a certificate that does not have the name it asked for.",
    cannot_see=(
        "Names that clients use but that neither the site nor the web server's configuration "
        "mentions. Files without declared names."
    ),
    limits=Limits(),
    judge=judge,
    parts=leaves,
    source="RFC 9525, section 6; RFC 5280, section 4.2.1.6",
    remedy="decide: get a certificate that has all names of the site",
    controls=("45 CFR 164.312(d)",),
    absence={"certificates": gone()},
)
