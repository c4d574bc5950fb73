"""Rows of restore ledgers on a terminal, in a pipe or as JSON: what was restored, how fast, and what came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreRunning,
)
from upkeep.model.remedies import command
from upkeep.model.text import ago, duration, exact, size, thousands
from upkeep.store.restores import KeptRestore, RestoreStanding
from upkeep.view.json import plain
from upkeep.view.lists import Column, beside, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen

KINDS = {"restored": "pass", "failed": "fail", "unknown": "unknown", "part": "warn"}
"""Which sign and colour an outcome has."""
COUNTS = 20
PROOFS = {"none": "content not provable"}


def sign_of(outcome: str, signs: Mapping[str, str]) -> str:
    """Return `✓ restored`."""
    return f"{signs[KINDS.get(outcome, 'unknown')]} {outcome}"


def took(one: KeptRestore) -> str:
    """Return how long the restore alone took; empty if that was not measured."""
    return "" if one.restore_seconds is None else duration(one.restore_seconds)


def speed(one: KeptRestore) -> str:
    """Return bytes a second; empty if they were not measured."""
    if not one.restore_seconds or one.restored_bytes is None:
        return ""
    return f"{size(one.restored_bytes / one.restore_seconds)}/s"


def proof(one: KeptRestore) -> str:
    """Return what proves the content; empty if nothing was restored."""
    return PROOFS.get(one.proof, one.proof) if one.outcome == "restored" else ""


def covered(one: KeptRestore) -> str:
    """Return how much was proved; empty if nothing was."""
    return one.covered if one.outcome in ("restored", "part") else ""


def why(one: KeptRestore) -> str:
    """Return at which step it ended and why; empty if all went well."""
    said, step = str(one.document.get("why") or ""), str(one.document.get("step") or "")
    return f"{step}: {said}" if said and step not in ("", "done") else said


def running_words(running: RestoreRunning) -> str:
    """Return `restore of /b/shop.dump, 40 %`."""
    share = "" if running.share is None else f", {100 * running.share:.0f} %"
    return f"{running.step} of {running.backup}{share}"


def restore_document(one: KeptRestore) -> dict[str, Any]:
    """Return a row as JSON types. Host text is as the host gave it: who shows it makes it harmless."""
    known = one.document
    values = {
        "number": one.number,
        "id": one.ledger_id,
        "host": one.host,
        "set": one.set_name,
        "run": one.run_id,
        "seen_at": one.seen_at,
        "began_at": one.began_at,
        "ended_at": one.ended_at,
        "outcome": one.outcome,
        "backup": one.backup,
        "taken_at": one.taken_at,
        "covered": one.covered,
        "proof": one.proof,
        "restore_seconds": one.restore_seconds,
        "restored_bytes": one.restored_bytes,
    }
    for name in ("step", "why", "next_step", "kind", "unproved"):
        values[name] = str(known.get(name, ""))
    for name in ("seconds", "figures", "counts", "programs"):
        values[name] = dict(known.get(name, {}))
    for name in ("assertions", "findings", "notes", "wal_missing"):
        values[name] = list(known.get(name, []))
    values["recovery_point_at"] = known.get("recovery_point_at")
    made: dict[str, Any] = plain(values)
    return made


def standing_document(one: RestoreStanding) -> dict[str, Any]:
    """Return how a set stands, as JSON types."""
    running, cycle = (one.seen.running, one.seen.cycle) if one.seen else (None, None)
    made: dict[str, Any] = plain(
        {
            "host": one.host,
            "set": one.set_name,
            "status": one.status,
            "severity": one.severity,
            "message": one.message,
            "observed_at": one.observed_at,
            "running": dataclasses.asdict(running) if running else None,
            "cycle": dataclasses.asdict(cycle) if cycle else None,
        }
    )
    return made


def print_restores(
    screen: Screen,
    found: Sequence[KeptRestore],
    sets: Sequence[RestoreStanding],
    zone: ZoneInfo,
    now: datetime,
    site: str,
) -> None:
    """Print rows, newest first, after what is running. sets: how those stand that are asked for."""
    told = beside(screen)
    for one in sets:
        if one.seen is not None and one.seen.running is not None:
            said = running_words(one.seen.running)
            line = (
                f"running on {one.host}: {one.set_name}: {said} (seen {ago(one.observed_at, now)})"
            )
            told.line(told.text(line, 500))
    kept = {(one.host, one.set_name) for one in found}
    never = [one for one in sets if (one.host, one.set_name) not in kept and not one.has_nothing]
    told.flush()
    if not found:
        how = command("run", "restore-verification", site=site)
        print_empty(
            screen, "No backup was verified yet", f"first, on a site with a job for it: {how}"
        )
    else:
        print_columns(screen, COLUMNS, [_cells(screen, one, zone, now) for one in found])
    for one in never if screen.live else ():
        screen.line(
            screen.text(f"not in this list: {one.set_name} on {one.host}: {one.message}", 300)
        )
    screen.flush()


COLUMNS = [
    Column("restore"),
    Column("when"),
    Column("host", gives=True),
    Column("set", subject=True),
    Column("outcome"),
    Column("took", right=True),
    Column("speed", right=True),
    Column("covered", gives=True),
    Column("proof", gives=True),
    Column("backup", gives=True),
    Column("why", gives=True),
]


def _cells(screen: Screen, one: KeptRestore, zone: ZoneInfo, now: datetime) -> list[Piece]:
    kind = KINDS.get(one.outcome, "unknown")
    return [
        one.ledger_id,
        ago(one.ended_at, now) if screen.live else exact(one.ended_at, zone),
        one.host,
        one.set_name,
        (sign_of(one.outcome, screen.signs), STYLES[kind]),
        took(one),
        speed(one),
        covered(one),
        proof(one),
        one.backup,
        why(one)[:200],
    ]


def facts(one: KeptRestore, zone: ZoneInfo, now: datetime) -> list[tuple[str, str]]:
    """Return what there is to say of a row, each with its name, in the order in which it is read."""
    known = one.document
    taken = f"{exact(one.taken_at, zone)} ({ago(one.taken_at, now)})" if one.taken_at else ""
    restored = "" if one.restored_bytes is None else size(one.restored_bytes)
    said = [
        ("why", why(one)),
        ("next, as the host says", str(known.get("next_step") or "")),
        ("backup", one.backup),
        ("kind", str(known.get("kind") or "")),
        ("taken", taken),
        ("verified", f"{exact(one.ended_at, zone)} ({ago(one.ended_at, now)})"),
        ("restore", ", ".join(filter(None, (took(one), speed(one), restored)))),
        ("covered", covered(one)),
        ("proof", proof(one)),
        ("not proved", str(known.get("unproved") or "")),
        ("steps", ", ".join(f"{name} {duration(each)}" for name, each in _pairs(one, "seconds"))),
        (
            "figures",
            ", ".join(f"{thousands(each)} {name}" for name, each in _pairs(one, "figures")),
        ),
        ("recovery point", str(known.get("recovery_point_at") or "")),
        ("WAL missing", ", ".join(map(str, known.get("wal_missing", [])))),
        ("programs", ", ".join(f"{name} {each}" for name, each in _pairs(one, "programs"))),
    ]
    said += [("found", str(each)) for each in known.get("findings", [])]
    said += [("note", str(each)) for each in known.get("notes", [])]
    return [(name, text) for name, text in said if text]


def _pairs(one: KeptRestore, name: str) -> list[tuple[str, Any]]:
    return list(one.document.get(name, {}).items())


def print_restore(screen: Screen, one: KeptRestore, zone: ZoneInfo, now: datetime) -> None:
    """Print one row with all that is known of it."""
    sign = sign_of(one.outcome, screen.signs)
    style = STYLES[KINDS.get(one.outcome, "unknown")]
    screen.line((sign, style), screen.text(f" {one.set_name} on {one.host}, {one.ledger_id}", 600))
    for name, text in facts(one, zone, now):
        screen.line(screen.text(f"  {name}: {text}", 1_200))
    assertions = one.document.get("assertions", [])
    if assertions:
        screen.line()
        columns = [Column("assertion", subject=True), Column("state"), Column("found")]
        rows: list[list[Piece]] = [
            [each["name"], each["state"], each.get("found", "")] for each in assertions
        ]
        print_columns(screen, [*columns, Column("expected", gives=True)], [
            [*row, each.get("expected", "")] for row, each in zip(rows, assertions, strict=True)
        ])  # fmt: skip
    counts = sorted(_pairs(one, "counts"), key=lambda each: -each[1])
    if counts:
        screen.line()
        shown = [[name, thousands(number)] for name, number in counts[:COUNTS]]
        print_columns(screen, [Column("restored", subject=True), Column("rows", right=True)], shown)
        if len(counts) > COUNTS:
            screen.line(f"and {len(counts) - COUNTS} more; all with --json")
    screen.flush()
