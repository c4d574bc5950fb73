"""A store without its words for people: what the program makes of it must not hang on any of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, inspect, text

WORDS = {
    "act": ("detail",),
    "alert": ("note",),
    "alert_event": ("text",),
    "change": ("task", "text"),
    "channel_health": ("error",),
    "clock_step": ("why",),
    "debt": ("reason",),
    "finding": ("message", "remedy"),
    "finding_event": ("message",),
    "latest_result": ("message",),
    "observation": ("error",),
    "occurrence": ("cause", "lacks"),
    "outbox": ("title", "body", "error"),
    "result": ("message", "remedy"),
    "review": ("title", "gap"),
    "run": ("title", "cause"),
    "run_host": ("message",),
    "run_request": ("message",),
    "silence": ("reason",),
    "waiver": ("reason", "revoked_why"),
}
"""Columns of causes, messages, labels, titles, reasons and control texts, by table."""
ANY = "x"
CONTROLS = {"any": '["x"]', "no": "[]"}


def take_words_away(db: Connection) -> frozenset[str]:
    """Let `x` stand for every word for people; return what stood there. What was empty stays so."""
    _let_everything_change(db)
    taken: set[str] = set()
    for table, columns in WORDS.items():
        for column in columns:
            found = db.execute(
                text(f"SELECT DISTINCT CAST({column} AS TEXT) FROM {table} WHERE {column} <> :no"),
                {"no": ""},
            )
            taken.update(one for (one,) in found if one)
            db.execute(
                text(f"UPDATE {table} SET {column} = :any WHERE {column} <> :no"),
                {"any": ANY, "no": ""},
            )
    db.execute(text("UPDATE result SET controls = :any WHERE controls <> :no"), CONTROLS)
    return frozenset(taken)


def _let_everything_change(db: Connection) -> None:
    """Remove the guards of rows that only grow."""
    if db.dialect.name == "sqlite":
        named = db.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
        for name in list(named):
            db.execute(text(f'DROP TRIGGER "{name}"'))
        return
    for table in inspect(db).get_table_names():
        db.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))


def without(told: Any, taken: frozenset[str]) -> Any:
    """Return what was told, with `x` for each of the words."""
    if isinstance(told, dict):
        return {key: without(one, taken) for key, one in told.items()}
    if isinstance(told, (list, tuple)):
        return [without(one, taken) for one in told]
    return ANY if isinstance(told, str) and told in taken else told
