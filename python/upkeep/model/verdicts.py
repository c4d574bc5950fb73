"""What a check says: status, severity, verdict, result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Status(Enum):
    """Has no order: unknown is neither better nor worse than fail."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Unknown(Enum):
    """Why a verdict is unknown.

    cannot_see: what it is about was not seen, or not understood; the check is blind there. nothing_to_judge: it was
    seen, and there is nothing, or too little, to be judged: no traffic, no history yet, or the site left it out.
    isolated: the host was cut off on purpose, and what it is about needs the network; nobody is called for that.
    """

    CANNOT_SEE = "cannot_see"
    NOTHING_TO_JUDGE = "nothing_to_judge"
    ISOLATED = "isolated"


class Severity(Enum):
    """Ordered by `rank`, never compared as text; critical to low are the schedule's severities 1 to 4."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """1 for the worst, 5 for info."""
        return list(Severity).index(self) + 1


class MeasureKind(Enum):
    """What a measure's number is like over time.

    counter: counts up from some beginning, and begins again at 0. latency: how long something took. share: a part of a
    whole. state: how it stood at the look, or the worst of a time before it.
    """

    COUNTER = "counter"
    LATENCY = "latency"
    SHARE = "share"
    STATE = "state"


@dataclass(frozen=True)
class Measure:
    """A number worth a series. unit: UCUM (`s`, `By`, `%`, `d`, `1`). Source: https://ucum.org/ucum."""

    name: str
    value: float
    unit: str = "1"


@dataclass(frozen=True)
class Verdict:
    """What a check says of one observation.

    severity: given exactly when the status is fail; unknown: exactly when it is unknown.
    remedy: the next step if it is another than the check's own.
    cause: what is wrong, if that is not the subject: only what the site or a register knows, such as a path, a unit, a
    CVE or an account that exists. Whoever is outside could open one alert after the other with names of his own.
    """

    status: Status
    message: str
    severity: Severity | None = None
    measures: tuple[Measure, ...] = ()
    remedy: str = ""
    unknown: Unknown | None = None
    cause: str = ""


def passed(message: str, *measures: Measure) -> Verdict:
    """Return a pass; message states value and limit."""
    return Verdict(Status.PASS, message, None, measures)


def failed(
    severity: Severity, message: str, *measures: Measure, remedy: str = "", cause: str = ""
) -> Verdict:
    """Return a fail; message states value and limit."""
    return Verdict(Status.FAIL, message, severity, measures, remedy, cause=cause)


def unknown(message: str, *measures: Measure, remedy: str = "") -> Verdict:
    """Return an unknown: it could not be seen, or not understood; message says why."""
    return Verdict(Status.UNKNOWN, message, None, measures, remedy, Unknown.CANNOT_SEE)


def nothing_to_judge(message: str, *measures: Measure, remedy: str = "") -> Verdict:
    """Return an unknown for what was seen and can neither pass nor fail: no traffic, no history yet, left out."""
    return Verdict(Status.UNKNOWN, message, None, measures, remedy, Unknown.NOTHING_TO_JUDGE)


@dataclass(frozen=True)
class Result:
    """A verdict with its check, host and subject.

    evidence_sha256: of the raw bytes behind the observation; empty if there were none.
    waiver: number of the waiver that covered it when it was observed; only what comes from the store knows.
    observation: index of the observation it was judged from, in the same report; None if there was none.
    unknown: why it is unknown; None if it is not.
    cause: as the verdict names it.
    doubted: whether its check passed its known-bad input then; only what comes from the store knows.
    """

    host: str
    check: str
    subject: str
    status: Status
    severity: Severity | None
    message: str
    remedy: str = ""
    measures: tuple[Measure, ...] = ()
    controls: tuple[str, ...] = ()
    observed_at: datetime | None = None
    evidence_sha256: str = ""
    observation: int | None = None
    waiver: int | None = None
    unknown: Unknown | None = None
    cause: str = ""
    doubted: bool = False

    @property
    def is_blind(self) -> bool:
        """Whether what it is about could not be seen, or was not understood."""
        return self.status is Status.UNKNOWN and self.unknown in (None, Unknown.CANNOT_SEE)

    @property
    def has_nothing_to_judge(self) -> bool:
        """Whether it was seen, and could neither pass nor fail."""
        return self.unknown is Unknown.NOTHING_TO_JUDGE
