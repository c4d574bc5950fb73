"""A register is there, and can be read: YAML or CSV with entries, each under a name of its own.

A register that nobody can read proves nothing: not who has left, nor whose training is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.registers._registers_shape import (
    RegisterState,
)
from upkeep.checks.registers._entries import RegisterError, entries_of
from upkeep.judging.check import DECLARED, Check
from upkeep.model.remedies import quote
from upkeep.model.text import counted
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    passed,
    unknown,
)


@dataclass(frozen=True)
class Limits:
    """What a register must have.

    least_entries: fewer are too few to be all.
    named_by: the field that names an entry; the first one if empty.
    """

    least_entries: int = 1
    named_by: str = ""


def judge(seen: RegisterState, limits: Limits, now: datetime) -> Verdict:
    """Judge whether the text is a register."""
    path = quote(seen.path)
    if not seen.there:
        return failed(Severity.HIGH, f"not there: {seen.path}")
    if seen.raw_truncated or (seen.bytes and not seen.raw):
        return unknown("its text was not stored")
    try:
        entries = entries_of(seen.raw, seen.path, limits.named_by)
    except RegisterError as exc:
        remedy = (
            f"less {path}  # see it; then correct it, or restore a correct copy" if path else ""
        )
        return failed(Severity.MEDIUM, f"cannot be read: {exc}", remedy=remedy)
    measure = Measure("entries", len(entries))
    text = f"{counted(len(entries), 'entry', 'entries')}, at least {limits.least_entries}"
    if len(entries) < limits.least_entries:
        return failed(Severity.MEDIUM, text, measure)
    return passed(text, measure)


CHECK = Check(
    title="Register can be read",
    trouble="Unreadable register",
    gather="registers",
    shape=RegisterState,
    since="0.1.0",
    needs={"source": "register/people", "path": "registers/people.yml"},
    why=(
        "Reviews of access, agreements and training depend on a register. If it is lost or "
        "damaged, that is noticed at the audit, too late to say who had access."
    ),
    cannot_see="Whether its content is true or complete.",
    limits=Limits(),
    judge=judge,
    measures={"entries": MeasureKind.STATE},
    source="NIST SP 800-53 Rev. 5, AC-2; 45 CFR 164.316(b)(1)",
    remedy="decide: restore the file, or correct its path in the inventory",
    controls=("45 CFR 164.316(b)(1)",),
    absence=DECLARED,
)
