"""The incidents and drills in the evidence of a review, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from upkeep.model.text import duration, exact
from upkeep.view.screen import Screen


def print_evidence_incidents(
    screen: Screen, shown: Mapping[str, Any] | None, zone: ZoneInfo
) -> None:
    """Print the incidents, or drills, of a review's evidence."""
    if not shown:
        return
    screen.line()
    screen.line((incidents_title(shown), "bold"))
    for one in shown["rows"]:
        screen.line(screen.text(incident_words(one, zone), 600))
        for line in incident_lines(one):
            screen.line(screen.text(f"  {line}", 1_000))
    if not shown["rows"]:
        screen.line("none in this period")
    if shown["left_out"]:
        screen.line(f"and {shown['left_out']} more")


def incidents_title(shown: Mapping[str, Any]) -> str:
    """Return what stands above the incidents of a review's evidence."""
    return "Drills" if shown["shows"] == "drills" else "Incidents and drills"


def incident_words(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    """Return an incident of a review's evidence in one line."""
    name = f"{'drill' if one['drill'] else 'incident'} {one['id']}, {one['kind']}"
    opened = exact(datetime.fromisoformat(one["opened_at"]), zone)
    took = one["response_seconds"]
    response = (
        "nobody has responded" if took is None else f"first act of a person after {duration(took)}"
    )
    closed = one["closed_at"]
    ended = f"closed {exact(datetime.fromisoformat(closed), zone)}" if closed else "open still"
    return f"{name}: {one['title']}; opened {opened}; {response}; {ended}"


def incident_lines(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield an incident's phases, and what of a drill was really done, as lines."""
    phases = []
    for phase in one["phases"]:
        took, within = phase["took_seconds"], duration(phase["within_seconds"])
        ended = "did not end" if took is None else f"ended after {duration(took)}"
        late = ", late" if phase["late"] else ""
        phases.append(f"{phase['title']} {ended} of {within}{late}")
    yield "; ".join(phases)
    for word in ("done", "talked through", "skipped", "left open"):
        named = [
            f"{step['title']} on {', '.join(step['really_on'])}"
            if step["really_on"]
            else step["title"]
            for step in one["steps"]
            if step["counts_as"] == word
        ]
        if named:
            yield f"{'really done' if word == 'done' else word}: {'; '.join(named)}"
