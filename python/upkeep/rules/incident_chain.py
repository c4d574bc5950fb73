"""Whether incidents and the records of them say the same, in both directions. Pure.

Each record leads to a row, each row to the record that opened it; and no entry stands where none can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from upkeep.rules.incidents import Closed, Incident, IncidentEntry, Opened, fold, may_follow_closing


@dataclass(frozen=True)
class IncidentRow:
    """What is stored of an incident beside its records."""

    id: int
    site: str
    kind: str
    drill: bool
    opened_at: datetime
    closed_at: datetime | None
    owed: int


@dataclass
class KnownIncidents:
    """What the records say. sites: of each incident, as its site is called now; last: its newest record."""

    entries: dict[str, list[IncidentEntry]] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def rename(self, record: Mapping[str, Any]) -> None:
        """Apply another name of a site to what the records before said."""
        for about, site in self.sites.items():
            if site == record["was"]:
                self.sites[about] = record["now"]


def follow(known: KnownIncidents, about: str, site: str, entry: IncidentEntry) -> Iterator[str]:
    """Take an entry in; yield what it says that the entries before it do not allow."""
    place = f"record {entry.number}"
    before = known.entries.setdefault(about, [])
    if isinstance(entry.said, Opened) and before:
        yield f"{place}: it opens incident {about} again, after record {known.last[about]}"
    elif not isinstance(entry.said, Opened) and not before:
        yield f"{place}: no record before it opens incident {about}"
    elif about in known.closed and not may_follow_closing(entry.said):
        yield f"{place}: it is entered into incident {about}, which was closed before"
    else:
        before.append(entry)
    if before and known.sites.setdefault(about, site) != site:
        yield f"{place}: it names the site {site!r:.100}; the records before have {known.sites[about]!r:.100}"
    if isinstance(entry.said, Closed):
        known.closed.add(about)
    known.last[about] = entry.number


def against(
    known: KnownIncidents, rows: Iterable[IncidentRow], damaged: Iterable[str] = ()
) -> Iterator[str]:
    """Yield in what incidents are not as the records say. damaged: those of which a record cannot be read."""
    there = set(damaged)
    for row in rows:
        about = str(row.id)
        if about in there:
            continue
        there.add(about)
        if not known.entries.get(about):
            yield f"incident {about}: no record opens it"
            continue
        incident = fold(row.id, known.entries[about])
        for what, (found, expected) in _pairs(row, incident, known.sites[about]).items():
            if found != expected:
                yield f"incident {about}: its {what} is {found}; by its records it is {expected}"
    for about in sorted(known.last.keys() - there):
        yield f"incident {about}: it does not exist any more, but record {known.last[about]} names it"


def _pairs(row: IncidentRow, incident: Incident, site: str) -> Mapping[str, tuple[Any, Any]]:
    """Return what is stored and what the records say, by what it is called."""

    def at(moment: datetime | None) -> str:
        return moment.isoformat() if moment else "not there"

    opened = incident.opened
    return {
        "site": (row.site, site),
        "kind": (row.kind, opened.kind),
        "mark as a drill": (row.drill, opened.drill),
        "opening": (at(row.opened_at), at(incident.opened_at)),
        "closing": (at(row.closed_at), at(incident.closed_at)),
        "number of open follow-ups": (row.owed, incident.owed),
    }
