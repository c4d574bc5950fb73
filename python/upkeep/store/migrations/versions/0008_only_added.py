"""Close the ways past 0004, 0006 and 0007: rows that are replaced, emptied tables, and what a review or waiver was for.

SQLite fires no trigger on DELETE for a row that INSERT OR REPLACE removes; PostgreSQL fires none of a row for TRUNCATE.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEYS = {"act": "id", "signature": "number", "kept_file": "sha256", "review": "id", "waiver": "id"}
"""What is only added, with its key."""
FIXED = {
    "review": (
        "id, site, procedure, item, due_of, title, parties, four_eyes, definition, parent, occurrence_id, since,"
        " opened_at, due_at, remind_at"
    ),
    "waiver": (
        "id, site, check_id, host_pattern, subject_glob, severity, reason, requested_by, requested_at, ends_at"
    ),
}
"""What was asked for. The rest moves: a review is handed over and closed, a waiver approved and revoked."""
ONCE = {"approved": "approved_by, approved_at", "revoked": "revoked_by, revoked_at, revoked_why"}
"""What is done to a waiver once, and stays so."""


def upgrade() -> None:
    """Let nobody replace or empty what is kept, nor change what it was asked for."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _on_sqlite() if sqlite else _on_postgresql():
        op.execute(sa.text(statement))


def _on_sqlite() -> list[str]:
    # What comes a second time is left out where the program lets the first one stand, else refused.
    again = {
        "act": "RAISE(ABORT, 'act rows are only added')",
        "signature": "RAISE(ABORT, 'signature rows are only added')",
        "waiver": "RAISE(ABORT, 'waiver rows are only added')",
        "kept_file": "RAISE(IGNORE)",
        "review": "RAISE(IGNORE)",
    }
    same = {table: f"{key} = NEW.{key}" for table, key in KEYS.items()}
    unique = " AND ".join(
        f"{name} = NEW.{name}" for name in ("site", "procedure", "item", "due_of")
    )
    same["review"] += f" OR ({unique})"
    return [
        *(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"  # noqa: S608 - names of ours
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {same[table]})"
            f" BEGIN SELECT {answer}; END"
            for table, answer in again.items()
        ),
        *(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OF {columns} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} rows are only added'); END"
            for table, columns in FIXED.items()
        ),
        *(
            f"CREATE TRIGGER waiver_{what}_once BEFORE UPDATE OF {columns} ON waiver"
            f" WHEN OLD.{what}_at IS NOT NULL"
            " BEGIN SELECT RAISE(ABORT, 'waiver rows are only added'); END"
            for what, columns in ONCE.items()
        ),
    ]


def _on_postgresql() -> list[str]:
    refuse = "EXECUTE FUNCTION upkeep_only_added()"  # 0004 made it
    return [
        *(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}"
            for table in KEYS
        ),
        *(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OF {columns} ON {table} FOR EACH ROW {refuse}"
            for table, columns in FIXED.items()
        ),
        *(
            f"CREATE TRIGGER waiver_{what}_once BEFORE UPDATE OF {columns} ON waiver"
            f" FOR EACH ROW WHEN (OLD.{what}_at IS NOT NULL) {refuse}"
            for what, columns in ONCE.items()
        ),
    ]
