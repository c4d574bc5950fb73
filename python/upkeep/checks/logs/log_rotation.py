"""Each log is rotated when its policy says, proved by a new file or a new archive.

Examines every log that logrotate's configuration matches, and at big files in the log folders that it does not. The
proof is the birth of the log's file and its newest archive, never logrotate's state file, which moves on after a
rotation that failed, too. Also seen: a log over its size, a program that still writes into the archive, gaps in the
numbers of the archives, archives that were to be compressed, names that must collide, too little space to rotate.
A file system that keeps no birth times, a log without archives and without dates, an archive of the future: unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._logrotate import (
    PERIOD_SECONDS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, gone, resolves
from upkeep.judging.readings import size_text
from upkeep.model.remedies import look, quote
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

STILL_WRITTEN = timedelta(minutes=15)
# An archive's name has no zone: it may be ahead by less than a day.
AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Limits:
    """When a rotation is late.

    late_periods: periods of its policy (day, week, …) that a log may collect; two, as the first rotation takes two.
    late_size_percent: of its size limit that a log may reach; logrotate looks only when it is run.
    unrotated_medium_bytes: size of a log without any policy from which on that is medium and not low.
    """

    late_periods: float = 2.0
    late_size_percent: float = 200.0
    unrotated_medium_bytes: int = 2_000_000_000


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the worst of what is seen of one log."""
    data = seen.data
    if data["kind"] == "unrotated":
        severity = (
            Severity.MEDIUM if data["bytes"] >= limits.unrotated_medium_bytes else Severity.LOW
        )
        text = f"{size_text(data['bytes'])}, and no logrotate stanza covers it"
        return failed(severity, text, Measure("size", data["bytes"], "By"))
    if data["kind"] == "link":
        return _link(data)
    if data["kind"] != "log":
        return None
    policy = data["policy"]
    if not data["exists"]:
        if policy["missingok"]:
            return passed("does not exist, which its policy allows (missingok)")
        text = "configured, but does not exist (without missingok)"
        return failed(Severity.LOW, text, remedy=_what_it_does(data))
    age = _age(data)
    measures = [Measure("size", data["bytes"], "By"), Measure("archives", data["archives"])]
    if age is not None:
        measures.append(Measure("collecting", age.total_seconds(), "s"))
    faults = [*_late(data, limits, age), *_space(data), *_smaller(data)]
    worst = min(faults, key=lambda one: one.severity.rank if one.severity else 0, default=None)
    verdict = worst or _ahead(data, age)
    if verdict is not None:
        remedy = verdict.remedy or _what_it_does(data)
        return replace(verdict, measures=tuple(measures), remedy=remedy)
    if age is None and data["bytes"] and policy["period"] != "size":
        return unknown(
            "no archive, and the file system does not record when the log was created",
            remedy="decide: wait until it is rotated for the first time, or rotate it now",
        )
    since = f"not rotated for {_days(age)}, " if age is not None and age >= timedelta() else ""
    limit = f"{policy['period']}, " if policy["period"] != "size" else ""
    return passed(f"{since}{limit}{data['archives']} archives", *measures)


def _what_it_does(data: dict[str, Any]) -> str:
    """Return how to see what logrotate makes of the file in which the log's stanza stands."""
    path = quote(str(data["place"]).rpartition(":")[0] or data["place"])
    words = "see what it would do; then look at what starts it, and at its state file"
    return look(f"logrotate --debug {path}", words) if path else ""


def _link(data: dict[str, Any]) -> Verdict:
    """Judge a log that is a symbolic link."""
    if data["rotated"]:
        return passed(f"a symbolic link to {data['target']}, which has a stanza too")
    text = (
        f"a symbolic link to {data['target']}: logrotate skips links, and no stanza covers that "
        "file"
    )
    remedy = f"decide: name {data['target']} in the stanza at {data['place']}"
    return failed(Severity.MEDIUM, text, remedy=remedy)


def _age(data: dict[str, Any]) -> timedelta | None:
    """Return for how long the log has been collecting, by the host's own clock."""
    if not data["proved_at"]:
        return None
    return datetime.fromisoformat(data["at"]) - datetime.fromisoformat(data["proved_at"])


def _late(data: dict[str, Any], limits: Limits, age: timedelta | None) -> list[Verdict]:
    """Return that a rotation should have been."""
    policy = data["policy"]
    size = data["bytes"]
    small = size < policy.get("minsize_bytes", 0) or (not size and not policy["ifempty"])
    period = PERIOD_SECONDS.get(policy["period"])
    if period and age is not None and not small:
        limit = timedelta(seconds=period * limits.late_periods)
        if age > limit:
            claim = _claim(data)
            text = f"not rotated for {_days(age)}, at most {_days(limit)} when {policy['period']}"
            return [failed(Severity.MEDIUM, text + claim)]
    bounds = [policy.get("maxsize_bytes")]
    if policy["period"] == "size":
        bounds.append(policy["size_bytes"])
    most = min((limit for limit in bounds if limit), default=0) * limits.late_size_percent / 100
    if most and size > most:
        return [failed(Severity.MEDIUM, f"{size_text(size)}, at most {size_text(most)}")]
    return []


def _claim(data: dict[str, Any]) -> str:
    """Return what the state file says if nothing on disk bears it out."""
    claimed, proved = data.get("claimed_at") or "", data["proved_at"]
    if claimed[:10] > proved[:10]:
        return f"; the state file lists a rotation on {claimed[:10]}, but there is no archive of it"
    return ""


def _ahead(data: dict[str, Any], age: timedelta | None) -> Verdict | None:
    """Return that nothing can be late beside an archive of the future, as a wrong clock leaves behind."""
    if age is None or age >= -AHEAD or data["policy"]["period"] == "size":
        return None
    what = data["newest"] or "its first line"
    text = f"the last rotation is dated in the future, {data['proved_at'][:10]}: {what}"
    return unknown(
        text,
        remedy="date -u  # see whether the clock is right; then move away what is dated so",
    )


def _space(data: dict[str, Any]) -> list[Verdict]:
    """Return that a rotation would not fit: a copy, or the compressed file beside the old one."""
    policy = data["policy"]
    needs = policy.get("copytruncate") or policy.get("compress")
    if needs and data["bytes"] > data["free_bytes"]:
        text = f"{size_text(data['free_bytes'])} free, a rotation needs up to {size_text(data['bytes'])}"
        return [failed(Severity.HIGH, text)]
    return []


def _smaller(data: dict[str, Any]) -> list[Verdict]:
    """Return what is wrong although the log is rotated."""
    policy = data["policy"]
    found = []
    written, born = data["newest_written_at"], data["born_at"] or data["proved_at"]
    if not data["bytes"] and data["archive_writers"] and written and born:
        late = datetime.fromisoformat(written) - datetime.fromisoformat(born)
        if late > STILL_WRITTEN:
            who = ", ".join(map(str, data["archive_writers"]))
            text = f"empty, but {who} still writes to {data['newest']}"
            remedy = "decide: let the stanza's postrotate make the program reopen its log"
            found.append(failed(Severity.MEDIUM, text, remedy=remedy))
    if policy["period"] == "hourly" and policy.get("dateext"):
        form = data["date_format"]
        if not any(part in form for part in ("%H", "%s")):
            text = (
                f"rotated hourly, but its archives are named by {form}: the second archive of a "
                "day would get the same name"
            )
            found.append(failed(Severity.MEDIUM, text))
    if policy["rotate"] >= 0 and data["archives"] > policy["rotate"] + 1:
        text = (
            f"{data['archives']} archives, at most {policy['rotate']}: some have names of an "
            "earlier scheme"
        )
        found.append(failed(Severity.LOW, text))
    if data["missing_numbers"]:
        numbers = ", ".join(map(str, data["missing_numbers"]))
        found.append(failed(Severity.LOW, f"archives missing from the series: {numbers}"))
    plain = 1 + bool(policy.get("delaycompress"))
    if policy.get("compress") and data["uncompressed"] > plain:
        text = f"{data['uncompressed']} archives are not compressed, at most {plain}"
        found.append(failed(Severity.LOW, text))
    return found


def _days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


CHECK = Check(
    title="Log is rotated on time",
    trouble="Overdue log rotation",
    gather="log_rotation",
    since="0.1.0",
    why="A log that is not rotated fills the disk, and is not kept as the policy says.",
    cannot_see=(
        "Logs that are neither in logrotate's configuration nor in the log folders. Whether "
        "the archives contain everything that was written."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "size": MeasureKind.STATE,
        "archives": MeasureKind.STATE,
        "collecting": MeasureKind.STATE,
    },
    source="logrotate(8); Lynis LOGG-2146, LOGG-2148",
    remedy="decide: write a stanza of logrotate for it, or remove the file",
    controls=("45 CFR 164.312(b)",),
    absence={"logs": gone(), "unrotated files": resolves()},
)
