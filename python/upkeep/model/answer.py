"""What one host gave in one run: requests, observations, verdicts. The `upkeep` key of a task's result."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    from_wire,
    to_wire,
)
from upkeep.model.source import is_source, taken
from upkeep.model.verdicts import Measure, Result, Severity, Status, Unknown

VERSION = 1
OWN_HOST = "controller"
"""Where the product's own troubles are findings: no inventory may have a host of this name."""
SITE_HOST = "(site)"
"""Where results are of no single host, such as that two of them differ: no inventory may have a host of this name."""
OWN_NAMES = frozenset({OWN_HOST, SITE_HOST})
OWN_NAME = (
    f"no host can be named {OWN_HOST!r} or {SITE_HOST!r}:"
    " under those names Upkeep keeps what is of no host; rename it"
)


def why_no_host(host: str) -> str:
    """Return why no host of an inventory can have a name; empty if one can."""
    if host in OWN_NAMES:
        return OWN_NAME
    return taken(host) if is_source(host) else ""


# What the driver takes of one answer. The action's own bounds are narrower and come before Ansible.
DEPTH_LIMIT = 80
SEEN_LIMIT = 100_000
LIST_LIMIT = 10_000
MEASURES_READ = 1_000_000
MEASURES_LIMIT = 50
TEXT_CHARACTERS = 100_000
NUMBER_LIMIT = 1e12
FIRST_YEAR, LAST_YEAR = 1970, 9998
UID_LIMIT = 2**32
T = TypeVar("T")


class Outcome(Enum):
    """The outcome of a host in a run; it says nothing about verdicts."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    NOT_BEGUN = "not_begun"
    SKIPPED = "skipped"


UNSEEN = (Outcome.UNREACHABLE, Outcome.TIMED_OUT, Outcome.FAILED, Outcome.NOT_BEGUN)
"""Those of a host of which nothing is known now."""


@dataclass(frozen=True)
class Request:
    """One gather to be run on a host. params: without secrets."""

    gather: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Due:
    """One check that is due on a host. request: index of what it judges; limits: those that the site set."""

    check: str
    request: int
    limits: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One observation. request: index of the request it answers; sha256: of its raw bytes, empty without any."""

    request: int
    observation: Observation
    sha256: str = ""


@dataclass(frozen=True)
class Isolated:
    """That a host says of itself that it is cut off. id: of its isolation; by: who has isolated it."""

    id: str
    since: datetime
    by: str


@dataclass(frozen=True)
class Observed:
    """What one host gave in one run.

    host: its name in the inventory.
    message: why the outcome is not ok.
    observed_at: by the controller's clock.
    seconds: from the connection's start to the answer.
    python: the host's version; empty if it was not reached.
    clock_offset_seconds: the host's clock minus the controller's, good to about the round trip.
    asked: the checks that were asked for, as the host's groups list them; `*` for all that they list; empty if other
    things were asked than they list: then nothing follows from what is absent.
    uid: as which user the host was observed; None if it did not say.
    whole: the sets of which a request has seen all, each with the index of the request.
    seen_from: the host that looked, where `host` is a source (model/source.py); empty for a host itself.
    isolated: how the host is cut off; None if it is not, or does not say so.
    deferred: the due checks that need more than this answer, such as earlier ones: the driver judges them.
    """

    host: str
    outcome: Outcome
    observed_at: datetime
    message: str = ""
    seconds: float = 0.0
    python: str = ""
    clock_offset_seconds: float | None = None
    requests: tuple[Request, ...] = ()
    due: tuple[Due, ...] = ()
    seen: tuple[Seen, ...] = ()
    results: tuple[Result, ...] = field(default=())
    asked: tuple[str, ...] = ()
    uid: int | None = None
    whole: tuple[tuple[int, str], ...] = ()
    deferred: tuple[str, ...] = ()
    seen_from: str = ""
    isolated: Isolated | None = None

    @property
    def looker(self) -> str:
        """The host of the inventory that was connected to."""
        return self.seen_from or self.host


def to_json(observed: Observed) -> dict[str, Any]:
    """Return JSON types, in the shape of the version that stands in them."""
    return {
        "version": VERSION,
        "host": observed.host,
        "outcome": observed.outcome.value,
        "observed_at": observed.observed_at.isoformat(),
        "message": observed.message,
        "seconds": observed.seconds,
        "python": observed.python,
        "clock_offset_seconds": observed.clock_offset_seconds,
        "requests": [asdict(request) for request in observed.requests],
        "due": [asdict(due) for due in observed.due],
        "seen": [
            {"request": seen.request, "sha256": seen.sha256, **to_wire(seen.observation)}
            for seen in observed.seen
        ],
        "results": [result_to_json(result) for result in observed.results],
        "asked": list(observed.asked),
        "uid": observed.uid,
        "whole": [list(one) for one in observed.whole],
        **({"seen_from": observed.seen_from} if observed.seen_from else {}),
        "deferred": list(observed.deferred),
        **({"isolated": isolated_to_json(observed.isolated)} if observed.isolated else {}),
    }


def isolated_to_json(isolated: Isolated) -> dict[str, str]:
    """Return JSON types."""
    return {"id": isolated.id, "since": isolated.since.isoformat(), "by": isolated.by}


def from_json(data: Mapping[str, Any], host: str, seen_from: str = "") -> Observed:
    """Return what `to_json` made, as this host's, whatever stands in it.

    seen_from: the host that looked, where host is a source.

    What a reader or the database could not take is refused or bounded. Lone surrogates cost their text, not the host.

    Raises: ValueError if it did not.
    """
    try:
        _must_be_flat(data)
        return replace(_observed(data, host), seen_from=seen_from)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as exc:
        raise ValueError(f"{type(exc).__name__}: {exc}"[:300]) from exc


def _observed(data: Mapping[str, Any], host: str) -> Observed:
    if data["version"] != VERSION:
        raise ValueError(
            f"version {data['version']!r} of an observed host; expected {VERSION}"[:300]
        )
    seen = tuple(_seen(one) for one in _list(data["seen"], SEEN_LIMIT))
    results = _list(data["results"], SEEN_LIMIT)
    proofs = {one.sha256 for one in seen}
    return Observed(
        host=host,
        outcome=Outcome(data["outcome"]),
        observed_at=_moment(data["observed_at"]),
        message=_text(data["message"]),
        seconds=_number(data["seconds"]),
        python=_text(data["python"]),
        clock_offset_seconds=_optional(_number, data["clock_offset_seconds"]),
        requests=tuple(
            Request(_text(one["gather"]), _mapping(one["params"]))
            for one in _list(data["requests"])
        ),
        due=tuple(
            Due(_text(one["check"]), _index(one["request"]), _mapping(one["limits"]))
            for one in _list(data["due"])
        ),
        seen=seen,
        results=tuple(_result(one, host, proofs, len(seen)) for one in results),
        asked=tuple(_text(one) for one in _list(data.get("asked", []))),
        uid=_optional(_uid, data.get("uid")),
        whole=tuple(_set(one) for one in _list(data.get("whole", []))),
        deferred=tuple(_text(one) for one in _list(data.get("deferred", []))),
        isolated=_optional(_isolated, data.get("isolated")),
    )


def _isolated(said: Any) -> Isolated:
    data = _mapping(said)
    return Isolated(_text(data["id"]), _moment(data["since"]), _text(data["by"]))


def _uid(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < UID_LIMIT:
        raise ValueError("no number of a user")
    return value


def _set(value: Any) -> tuple[int, str]:
    """Return the index of a request, and the name of a set that it has seen whole."""
    request, of = _list(value, 2)
    return _index(request), _text(of)


def _seen(data: Any) -> Seen:
    """Return an observation; its hash is that of its bytes, for evidence is kept under it."""
    seen = from_wire(_mapping(data))
    _mapping(seen.data)
    try:
        raw = seen.raw.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = seen.raw.encode("utf-8", "backslashreplace")
        seen = replace(seen, raw=raw.decode("utf-8"))
    sha256 = hashlib.sha256(raw).hexdigest() if raw else ""
    return Seen(_index(data["request"]), seen, sha256)


def _result(data: Mapping[str, Any], host: str, proofs: Collection[str], seen: int) -> Result:
    status, severity = Status(data["status"]), _optional(Severity, data["severity"])
    if (status is Status.FAIL) != (severity is not None):
        raise ValueError(
            f"a result with status {status.value} and severity {data['severity']!r}"[:300]
        )
    measures, message = _measures(_list(data["measures"], MEASURES_READ)), _text(data["message"])
    if len(measures) > MEASURES_LIMIT:
        message += f" ({len(measures)} measures, {MEASURES_LIMIT} kept)"
    proof = _text(data["evidence_sha256"])
    observation = _optional(_index, data["observation"])
    return Result(
        host=host,
        check=_text(data["check"]),
        subject=_text(data["subject"]),
        status=status,
        severity=severity,
        message=message,
        remedy=_text(data["remedy"]),
        measures=measures[:MEASURES_LIMIT],
        controls=tuple(_text(one) for one in _list(data["controls"])),
        observed_at=_optional(_moment, data["observed_at"]),
        evidence_sha256=proof if proof in proofs else "",
        observation=observation if observation is not None and observation < seen else None,
        unknown=_unknown(data.get("unknown")) if status is Status.UNKNOWN else None,
        cause=_text(data.get("cause", "")),
    )


def _unknown(said: Any) -> Unknown:
    """Return why a result is unknown; what an older program did not say, or a newer one does, is that of before."""
    try:
        return Unknown(said)
    except ValueError:
        return Unknown.CANNOT_SEE


def _measures(data: Sequence[Mapping[str, Any]]) -> tuple[Measure, ...]:
    """Return the measures that are numbers: what is none, or not finite, belongs into no series and no JSON."""
    found = []
    for one in data:
        name, value, unit = _text(one["name"]), one["value"], _text(one["unit"])
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):
                if math.isfinite(float(value)):
                    found.append(Measure(name, value, unit))
    return tuple(found)


def _must_be_flat(data: object) -> None:
    """Raise ValueError if something is nested deeper than a reader may follow."""
    level: list[Any] = [data]
    for _depth in range(DEPTH_LIMIT):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEPTH_LIMIT}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a text")
    return value if len(value) <= TEXT_CHARACTERS else f"{value[: TEXT_CHARACTERS - 1]}…"


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} instead of a mapping")
    return value


def _list(value: Any, limit: int = LIST_LIMIT) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} instead of a list")
    if len(value) > limit:
        raise ValueError(f"{len(value)} in a list; at most {limit}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{type(value).__name__} instead of a number")
    if not math.isfinite(value) or abs(value) > NUMBER_LIMIT:
        raise ValueError(f"{value!r} instead of a number of seconds"[:100])
    return value


def _index(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= SEEN_LIMIT:
        raise ValueError("no index of a list")
    return value


def _moment(value: Any) -> datetime:
    """Return a time with its zone, in years that any clock and any database can count in."""
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None or not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"{at.isoformat()}: no time with a zone from {FIRST_YEAR} to {LAST_YEAR}")
    return at.astimezone(UTC)


def _optional(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)


def result_to_json(result: Result) -> dict[str, Any]:
    """Return a result as JSON types."""
    return {
        "host": result.host,
        "check": result.check,
        "subject": result.subject,
        "status": result.status.value,
        "severity": result.severity.value if result.severity else None,
        "message": result.message,
        "remedy": result.remedy,
        "measures": [
            {"name": one.name, "value": one.value, "unit": one.unit} for one in result.measures
        ],
        "controls": list(result.controls),
        "observed_at": result.observed_at.isoformat() if result.observed_at else None,
        "evidence_sha256": result.evidence_sha256,
        "observation": result.observation,
        "unknown": result.unknown.value if result.unknown else None,
        **({"cause": result.cause} if result.cause else {}),
    }
