"""Incidents: what lists need of them, and which alerts belong to which. What was said of them is in the chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
FIXED = "id, site, kind, drill, opened_at"
"""What an incident is; it closes once, and stays so."""


def upgrade() -> None:
    """Make the tables, and let nobody remove an incident, or change what it is."""
    op.create_table(
        "incident",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("owed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_incident_site_closed_at"), "incident", ["site", "closed_at"])
    op.create_table(
        "incident_alert",
        sa.Column("alert_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_incident_alert_incident_id_incident")
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_incident_alert")),
    )
    op.create_index(op.f("ix_incident_alert_incident_id"), "incident_alert", ["incident_id"])
    op.add_column("run_request", sa.Column("incident_id", sa.Integer(), nullable=True))
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _on_sqlite() if sqlite else _on_postgresql():
        op.execute(sa.text(statement))


def _on_sqlite() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'incident rows are only added'); END"
    return [
        f"CREATE TRIGGER incident_no_delete BEFORE DELETE ON incident {refuse}",
        "CREATE TRIGGER incident_no_replace BEFORE INSERT ON incident"  # noqa: S608 - names of ours
        f" WHEN EXISTS (SELECT 1 FROM incident WHERE id = NEW.id) {refuse}",
        f"CREATE TRIGGER incident_fixed BEFORE UPDATE OF {FIXED} ON incident {refuse}",
        "CREATE TRIGGER incident_closed_once BEFORE UPDATE OF closed_at ON incident"
        f" WHEN OLD.closed_at IS NOT NULL {refuse}",
    ]


def _on_postgresql() -> list[str]:
    refuse = "EXECUTE FUNCTION upkeep_only_added()"  # 0004 made it
    return [
        f"CREATE TRIGGER incident_only_added BEFORE DELETE ON incident FOR EACH ROW {refuse}",
        f"CREATE TRIGGER incident_no_truncate BEFORE TRUNCATE ON incident FOR EACH STATEMENT {refuse}",
        f"CREATE TRIGGER incident_fixed BEFORE UPDATE OF {FIXED} ON incident FOR EACH ROW {refuse}",
        "CREATE TRIGGER incident_closed_once BEFORE UPDATE OF closed_at ON incident"
        f" FOR EACH ROW WHEN (OLD.closed_at IS NOT NULL) {refuse}",
    ]
