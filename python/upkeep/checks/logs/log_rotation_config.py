"""logrotate is installed, its configuration is valid, names each log once, and its state file can be read.

A state file that was cut off makes logrotate forget the logs named after the cut, or stop before the first; old
versions end with status 0 then, so that nobody hears of it. A pattern such as `/var/log/app/*` takes the archives, too,
and makes archives of them. Judged from `logrotate -d` and from the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.model.remedies import about, look, quote
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """There is nothing to set."""


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the configuration as a whole."""
    data = seen.data
    if data["kind"] != "configuration":
        return None
    state = data["state"]
    if state["problem"]:
        text = f"state file {state['path']} cannot be read, {state['problem']}"
        path = quote(state["path"])
        remedy = (
            f"mv {path} {path}.broken  # take it away; logrotate begins a new one" if path else ""
        )
        return failed(Severity.HIGH, text, remedy=remedy)
    # A log that is not there is the log's own verdict.
    errors = [line for line in data["errors"] if not re.search(r"stat of .* failed", line)]
    hidden = [
        line for line in (*errors, *data["problems"]) if "permission denied" in str(line).lower()
    ]
    errors = [line for line in errors if line not in hidden]
    if data["twice"]:
        path, places = next(iter(data["twice"].items()))
        text = f"{len(data['twice'])} logs in more than one stanza, such as {path} in {', '.join(places)}"
        return failed(Severity.MEDIUM, text, remedy=_see(data))
    if own := data.get("own_archives"):
        first = own[0]
        text = (
            f"a pattern matches its own archives: the next archive of {first['log']} is "
            f"{first['archive']}, and {first['place']} treats it as a log"
        )
        remedy = (
            "decide: make the pattern end like the logs, such as *.log, or move the archives away with "
            "olddir"
        )
        return failed(Severity.MEDIUM, text, remedy=remedy)
    if links := data.get("hard_links"):
        text = (
            f"{len(links)} logs with a second name (hard link), which logrotate skips, such as "
            f"{links[0]}"
        )
        return failed(
            Severity.MEDIUM, text, remedy=about("ls -li {subject}  # see the links", links[0])
        )
    if errors:
        text = f"{len(errors)} errors, such as: {errors[0]}"
        return failed(Severity.MEDIUM, text, remedy=_see(data))
    if "no such program" in data["unseen"]:
        text = "logrotate is configured, but not installed"
        return failed(Severity.MEDIUM, text, remedy="apt-get install logrotate  # install it")
    # What our own reading did not understand hides logs, of which nothing is said then.
    for unseen in (data["unseen"], state["unseen"], *hidden, *data["problems"]):
        if unseen:
            return unknown(str(unseen))
    if data["left_out"]:
        return unknown(f"{data['left_out']} of {data['logs']} logs were not checked")
    if data["status"]:
        text = f"logrotate -d ended with status {data['status']}"
        return failed(Severity.MEDIUM, text, remedy=_see(data))
    if not data["stanzas"]:
        files = ", ".join(map(str, data["files"]))
        text = f"no stanza in {files}, so no log is rotated"
        return failed(Severity.MEDIUM, text, remedy=_see(data))
    measures = (Measure("logs", data["logs"]), Measure("stanzas", data["stanzas"]))
    return passed(f"{data['stanzas']} stanzas for {data['logs']} logs", *measures)


def _see(data: Mapping[str, Any]) -> str:
    """Return how to see what logrotate says of the files that it is given here."""
    files = [quote(one) for one in data["files"][:5]]
    words = "see what is wrong; then correct it"
    return look(f"logrotate --debug {' '.join(files)}", words) if files and all(files) else ""


CHECK = Check(
    title="Configuration of logrotate is valid",
    trouble="Invalid logrotate configuration",
    gather="log_rotation",
    since="0.1.0",
    why=(
        "logrotate skips what it does not understand, and old versions still exit with status "
        "0, so nobody notices."
    ),
    cannot_see=(
        "Whether logrotate is started at all: log_rotation checks what it did. What the "
        "scripts in a stanza do."
    ),
    limits=Limits(),
    judge=judge,
    measures={"logs": MeasureKind.STATE, "stanzas": MeasureKind.STATE},
    source="logrotate(8); Lynis LOGG-2148",
    remedy="logrotate --debug /etc/logrotate.conf  # see what is wrong; then correct it",
    controls=("45 CFR 164.312(b)",),
    absence=DECLARED,
)
