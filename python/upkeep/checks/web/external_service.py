"""Services that a host depends on can be reached from it.

TCP: the connection is made. TLS, and protocols that change to it (smtp://, postgres://, …): the handshake ends with a
certificate that the host accepts. HTTP: there is an answer, and its status is not a server's error. DNS: the name has
an answer, through the host's resolver or from the server named. It fails if no try got through, is medium if only some
did, or if it is slow. A host name that cannot be looked up because the resolver is silent is unknown, except where
looking it up is the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web._timings import try_times
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import figure, short
from upkeep.model.remedies import about, quote
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """How bad it is.

    down: the severity of a service that cannot be reached: critical, high, medium, low or info.
    slow_seconds: the mean over the tries must be below it.
    """

    down: str = "high"
    slow_seconds: float = 2.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge the tries."""
    tries = seen.data.get("tries")
    if (
        not isinstance(tries, list)
        or not tries
        or not all(isinstance(one, Mapping) for one in tries)
    ):
        return unknown("the observation has no attempt")
    severity = Severity(limits.down)
    times = try_times(tries)
    bad = [text for text in map(_wrong, tries) if text]
    measures = [Measure("answered", round(100 * (len(tries) - len(bad)) / len(tries), 1), "%")]
    if times is not None:
        measures.append(Measure("mean", round(times.mean, 4), "s"))
    if all(one.get("stage") == "resolver" for one in tries):
        return unknown(f"the host's resolver: {short(tries[-1].get('problem'))}", *measures)
    if len(bad) == len(tries):
        text = f"{bad[-1]}; {len(tries)} of {len(tries)} attempts"
        return failed(severity, text, *measures, remedy=_try(seen.subject))
    if bad:
        worse = min(severity, Severity.MEDIUM, key=lambda one: -one.rank)
        return failed(worse, f"{bad[-1]}; {len(bad)} of {len(tries)} attempts", *measures)
    if times is None:
        return unknown("the observation has no times", *measures)
    limit = f"below {limits.slow_seconds:g} s expected"
    if times.mean >= limits.slow_seconds:
        slow = f"{times.mean:.2f} s on average, {limit}{times.slowest_step}"
        return failed(Severity.MEDIUM, slow, *measures)
    return passed(f"reached in {times.mean:.2f} s on average, {limit}", *measures)


def _wrong(one: Mapping[str, Any]) -> str:
    """Return why a try did not get through, or an empty text."""
    if one.get("problem") or one.get("stage"):
        return short(one.get("problem") or f"no further than {one['stage']}")
    status = figure(one, "status")
    if status is not None and status >= 500:
        return f"status {status:.0f}"
    return ""


def _try(subject: str) -> str:
    """Return the command that tries a service from the host: a URL, or `name:port`."""
    if subject.startswith(("http://", "https://")):
        return about("curl -svo /dev/null {subject}  # see how far it comes", subject)
    name, _colon, port = subject.rpartition(":")
    host = quote(name.rpartition("/")[2].strip("[]"))
    return f"nc -vz -w 5 {host} {port}  # see how far it comes" if host and port.isdigit() else ""


CHECK = Check(
    title="Services that the host depends on answer",
    trouble="Dependency outage",
    gather="services",
    needs_network=True,
    since="0.1.0",
    needs={"services": ["tls://mail.example.org:465", "dns:portal.example.org"]},
    why="If a service that a host depends on fails, it looks like a fault of the host.",
    cannot_see=(
        "Whether an answer is correct, apart from its status. Accounts and quotas at the "
        "service. The connection from other hosts."
    ),
    limits=Limits(),
    judge=judge,
    measures={"answered": MeasureKind.SHARE, "mean": MeasureKind.LATENCY},
    source="RFC 9293; RFC 8446; RFC 1035; blackbox_exporter's probes",
    remedy="decide: find out from the host which part does not answer: the name, the port, or the service",
    controls=("45 CFR 164.308(a)(7)(i)",),
    absence=DECLARED,
)
