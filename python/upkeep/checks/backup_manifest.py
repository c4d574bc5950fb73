"""The newest backup has the checksum that was written down beside it.

Looks for NAME.sha256, NAME.sha512, NAME.md5 and SHA256SUMS and the like in the same folder. Without any there is no
result, unless the site requires one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.check import DECLARED, Check
from upkeep.verdicts import Severity, Verdict, failed, nothing_to_judge, passed, unknown


@dataclass(frozen=True)
class Params:
    """What there must be.

    required: fail if there is no checksum.
    """

    required: bool = False


def judge(seen: Observation, params: Params, now: datetime) -> Verdict | None:
    """Judge the comparison."""
    data = seen.data
    if not data["count"]:
        return unknown("there is no backup to compare")
    if data["newest"]["bytes"] is None:
        return None  # a repository: it has checksums of its own
    if "manifest" not in data:
        if "content" not in data:
            return nothing_to_judge("not compared: the site says `read: false`")
        return unknown("not compared: the backup could not be read")
    manifest, path = data["manifest"], data["newest"]["path"]
    if manifest is None:
        missing = failed(Severity.MEDIUM, f"no checksum beside {path}")
        return missing if params.required else None
    state = manifest["state"]
    if state == "mismatch":
        text = f"{path} is not what {manifest['path']} says ({manifest['algorithm']})"
        return failed(Severity.CRITICAL, text)
    if state == "not listed":
        return failed(Severity.MEDIUM, f"{path} is not in {manifest['path']}")
    if state == "match":
        return passed(f"{path} is what {manifest['path']} says ({manifest['algorithm']})")
    return unknown(f"{manifest['path']}: {manifest['why']}")


CHECK = Check(
    title="Newest backup matches its checksum",
    gather="backups",
    params=Params(),
    judge=judge,
    source="sha256sum(1); pg_verifybackup(1)",
    remedy="sha256sum --check SHA256SUMS  # in the backup's folder",
    controls=("45 CFR 164.312(c)(1)",),
    absence=DECLARED,
)
