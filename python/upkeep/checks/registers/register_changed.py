"""A register is as it was accepted: nobody was added, removed or changed since somebody looked.

The copy that was accepted is a file beside the register. Whoever has reviewed the change copies the register over it,
best in the same commit; until then the change is a finding, which can be waived like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.registers._registers_shape import (
    RegisterState,
)
from upkeep.checks.registers._entries import NAME_CHARACTERS, Entries, RegisterError, entries_of
from upkeep.judging.check import DECLARED, Check
from upkeep.model.remedies import after, quote
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

NAMED = 5
MASK = "*"


@dataclass(frozen=True)
class Limits:
    """How a register is read.

    named_by: the field that names an entry; the first one if empty.
    """

    named_by: str = ""


def judge(seen: RegisterState, limits: Limits, now: datetime) -> Verdict:
    """Judge what differs from the copy that was accepted."""
    accepted = seen.accepted
    if not seen.there:
        return unknown("it is not there", remedy=after("register_readable"))
    if seen.raw_truncated or (seen.bytes and not seen.raw):
        return unknown("its text was not stored")
    try:
        entries = entries_of(seen.raw, seen.path, limits.named_by)
    except RegisterError as exc:
        return unknown(f"cannot be read: {exc}", remedy=after("register_readable"))
    if not entries:
        return unknown("it has no entry", remedy=after("register_readable"))
    if not accepted.there:
        number = counted(len(entries), "entry", "entries")
        text = f"not accepted yet: {number}, and there is no {accepted.path}"
        return failed(Severity.MEDIUM, text, Measure("entries", len(entries)), remedy=_accept(seen))
    try:
        before = entries_of(accepted.text, accepted.path, limits.named_by)
    except RegisterError as exc:
        return unknown(f"the accepted copy cannot be read: {accepted.path}: {exc}")
    added = [one for one in entries if one not in before]
    removed = [one for one in before if one not in entries]
    changed = [one for one in entries if one in before and entries[one] != before[one]]
    measures = (
        Measure("entries", len(entries)),
        Measure("added", len(added)),
        Measure("removed", len(removed)),
        Measure("changed", len(changed)),
    )
    if not added and not removed and not changed:
        return _alike(seen, len(entries), measures)
    said = [
        *_said("added", added),
        *_said("removed", removed),
        *_said("changed", [f"{one}: {_fields(entries, before, one)}" for one in changed]),
    ]
    text = f"{', '.join(said)}; {len(before)} accepted"
    return failed(Severity.MEDIUM, text, *measures, remedy=_accept(seen))


def _alike(seen: RegisterState, number: int, measures: Sequence[Measure]) -> Verdict:
    """Return the verdict on entries that read alike.

    Secrets in URLs, and what looks like one, are masked before anything is judged: where a text has such a mask, only
    the files' hashes show that it is the same.
    """
    text = f"{counted(number, 'entry', 'entries')}, as accepted"
    if seen.sha256 == seen.accepted.sha256:
        return passed(text, *measures)
    if MASK in seen.raw or MASK in seen.accepted.text:
        why = (
            "the files differ, but their readable entries do not: the difference is masked, or "
            "is not in an entry"
        )
        return failed(Severity.MEDIUM, why, *measures, remedy=_accept(seen))
    return passed(f"{text}, although the text differs", *measures)


def _said(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        some = ", ".join(one[:NAME_CHARACTERS] for one in names[:NAMED])
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"{len(names)} {what} ({some}{more})"


def _fields(entries: Entries, before: Entries, name: str) -> str:
    """Return the names of an entry's fields that differ; what they say stays in the register."""
    now, then = entries[name], before[name]
    differ = [one for one in {**now, **then} if now.get(one) != then.get(one)]
    return ", ".join(differ)


def _accept(seen: RegisterState) -> str:
    """Return how to look at the change, and how to accept it."""
    path, accepted = quote(seen.path), quote(seen.accepted.path)
    if not path or not accepted:
        return ""
    words = (
        "see what changed; decide: if all lines are correct, copy the second file over the first"
    )
    return f"diff -N {accepted} {path}  # {words}"


CHECK = Check(
    title="Register matches its accepted copy",
    trouble="Unaccepted change of a register",
    gather="registers",
    shape=RegisterState,
    since="0.1.0",
    needs={"source": "register/people", "path": "registers/people.yml"},
    why=(
        "A name that is added to or removed from a register of people can give access, or hide "
        "that access was given. A person must read every change."
    ),
    cannot_see=(
        "Whether the right person accepted the copy: anybody who can write both files can "
        "accept. A change of a secret in a URL, because secrets are masked."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "entries": MeasureKind.STATE,
        "added": MeasureKind.STATE,
        "removed": MeasureKind.STATE,
        "changed": MeasureKind.STATE,
    },
    source="NIST SP 800-53 Rev. 5, AC-2(4); 45 CFR 164.308(a)(4)(ii)(C)",
    remedy="decide: compare the register with its accepted copy, and accept what is correct",
    controls=("45 CFR 164.308(a)(4)(ii)(C)",),
    absence=DECLARED,
)
