"""Take in what a host says of its isolation, as the module returns it (plugins/modules/isolation.py, RETURN). Pure.

It is data: it may be anything. What has another shape is refused as a whole; what is long is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, TypeVar

import msgspec

from upkeep.model.isolation import IsolationSaid, ObstacleSaid
from upkeep.model.stored_text import told

MOST_ROWS = 20
"""At most this many rows of each list are kept; the numbers beside them are whole."""
TEXT_CHARACTERS = 300
T = TypeVar("T")
Rows = Annotated[list[T], msgspec.Meta(max_length=10_000)]
Number = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


@dataclass(frozen=True)
class _KeptSaid:
    to: str
    port: Number
    protocol: str
    why: str = ""


@dataclass(frozen=True)
class _ConnectionSaid:
    protocol: str
    local: str
    peer: str
    processes: Rows[str] = field(default_factory=list)


@dataclass(frozen=True)
class _CutSaid:
    sockets: Number = 0
    entries: Number | None = None
    left: Rows[_ConnectionSaid] = field(default_factory=list)


@dataclass(frozen=True)
class _SnapshotSaid:
    sha256: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _ProofSaid:
    what: str
    found: str
    ok: bool | None


@dataclass(frozen=True)
class _RefusalSaid:
    # People paste it: nothing else of what a host says becomes a part of a command.
    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}\Z")]
    said: str
    remedy: str = ""
    firm: bool = False
    overridden: bool = False


@dataclass(frozen=True)
class _Said:
    state: Literal["none", "armed", "loaded", "confirmed", "released"]
    id: str = ""
    since: str = ""
    until: str = ""
    unless_confirmed_at: str = ""
    by: str = ""
    kept: Rows[_KeptSaid] = field(default_factory=list)
    cut: _CutSaid = field(default_factory=_CutSaid)
    obstacles: Rows[_RefusalSaid] = field(default_factory=list)
    snapshot: _SnapshotSaid = field(default_factory=_SnapshotSaid)
    proofs: Rows[_ProofSaid] = field(default_factory=list)
    others_changed: Rows[str] = field(default_factory=list)
    released_at: str = ""
    released_by: str = ""
    warnings: Rows[str] = field(default_factory=list)


def isolation_said(said: object) -> IsolationSaid:
    """Return what a host says, from the module's `isolation`.

    Raises: ValueError with what was found in the place of what.
    """
    given = msgspec.convert(said, _Said)
    left = given.cut.left
    return IsolationSaid(
        state=given.state,
        id=_line(given.id),
        since=_time("since", given.since),
        until=_time("until", given.until),
        unless_confirmed_at=_time("unless_confirmed_at", given.unless_confirmed_at),
        by=_line(given.by),
        kept=_lines(_kept(one) for one in given.kept[:MOST_ROWS]),
        cut_sockets=given.cut.sockets,
        cut_entries=given.cut.entries or 0,
        left_number=len(left),
        left=_lines(_connection(one) for one in left[:MOST_ROWS]),
        obstacles=tuple(map(_obstacle, given.obstacles[:MOST_ROWS])),
        snapshot_sha256=_line(given.snapshot.sha256 or ""),
        snapshot_problem=_line(given.snapshot.problem or ""),
        proofs_held=sum(one.ok is True for one in given.proofs),
        proofs_unsure=sum(one.ok is None for one in given.proofs),
        leaks=_lines(f"{one.what}: {one.found}" for one in given.proofs if one.ok is False),
        others_changed=_lines(given.others_changed),
        released_at=_time("released_at", given.released_at),
        released_by=_line(given.released_by),
        warnings=_lines(given.warnings),
    )


def _lines(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(_line(one) for one, _number in zip(texts, range(MOST_ROWS), strict=False))


def _line(text: str) -> str:
    return told(" ".join(text[: 2 * TEXT_CHARACTERS].split()), TEXT_CHARACTERS)


def _time(name: str, text: str) -> datetime | None:
    """Return a time; None if there is none, as of an isolation that has not come so far."""
    if not text:
        return None
    expected = f"{name}: found {text[:80]!r}; expected a time with its zone"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(expected) from None
    if found.tzinfo is None or not 1970 <= found.year <= 9998:
        raise ValueError(expected)
    return found


def _kept(one: _KeptSaid) -> str:
    return f"{one.to} {one.protocol} {one.port}" + (f" ({one.why})" if one.why else "")


def _connection(one: _ConnectionSaid) -> str:
    held = f" ({', '.join(one.processes[:3])})" if one.processes else ""
    return f"{one.protocol} {one.local} with {one.peer}{held}"


def _obstacle(one: _RefusalSaid) -> ObstacleSaid:
    return ObstacleSaid(one.id, _line(one.said), _line(one.remedy), one.firm, one.overridden)
