"""The key or password of an encrypted backup does not lie on its host alone.

Who loses the host loses the key with it, and then no copy of the backup can be read. Where another copy of the key is
kept only the site can say (`key_copy`); that is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreSeen,
)
from upkeep.checks.restores._ledger_words import is_verified
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """There is nothing to set."""


def judge(seen: RestoreSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge whether the site says where another copy of the key is."""
    if not is_verified(seen):
        return None
    if "key" in seen.unread:
        return unknown(f"the key cannot be seen: {short(seen.unread['key'], 160)}")
    if not seen.key_file:
        return None
    key, copy = short(seen.key_file, 160), seen.key_copy.strip()
    if not copy:
        return failed(Severity.MEDIUM, f"the key lies on this host, and no copy is declared: {key}")
    if copy == seen.key_file.strip():
        return failed(Severity.MEDIUM, f"the declared copy of the key is the key itself: {key}")
    return passed(f"{key} has a copy, as declared: {short(copy, 160)}")


CHECK = Check(
    title="The key of a backup does not lie on its host alone",
    trouble="Only copy of a backup's key",
    gather="restores",
    shape=RestoreSeen,
    since="0.1.0",
    needs={
        "sets": [
            {
                "name": "files",
                "repository": "/backup/restic",
                "password_file": "/etc/restic.password",
                "verify": {"key_copy": "safe in the office, envelope 4"},
            }
        ]
    },
    why=(
        "An encrypted backup without its key is noise. The key is often found only on the "
        "host whose loss the backup was made for."
    ),
    cannot_see=(
        "Whether the declared copy is really there, and is the same key. Keys that lie "
        "elsewhere on the host than in the declared file."
    ),
    limits=Limits(),
    judge=judge,
    source="restic documentation, Encryption keys; borg documentation, borg key export",
    remedy="decide: keep a copy of the key in another place, and declare where as key_copy in the set's verify",
    controls=("45 CFR 164.308(a)(7)(ii)(A)", "45 CFR 164.312(a)(2)(iv)"),
    absence=DECLARED,
)
