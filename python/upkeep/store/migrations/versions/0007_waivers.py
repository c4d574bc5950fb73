"""Waivers, and which of them covers a finding."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
WAIVED = sa.text("waiver_id IS NOT NULL")


def upgrade() -> None:
    """Make the table, and let nobody remove a waiver; it moves itself, from asked for to approved to revoked."""
    op.create_table(
        "waiver",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("check_id", sa.String(length=200), nullable=False),
        sa.Column("host_pattern", sa.String(length=255), nullable=False),
        sa.Column("subject_glob", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("approved_by", sa.String(length=100), nullable=False),
        sa.Column("approved_at", MOMENT, nullable=True),
        sa.Column("revoked_by", sa.String(length=100), nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_why", sa.Text(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiver")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_waiver_site_ends_at"), "waiver", ["site", "ends_at"])
    op.add_column("finding", sa.Column("waiver_id", sa.Integer(), nullable=True))
    op.create_index(
        "ix_finding_waived",
        "finding",
        ["waiver_id"],
        sqlite_where=WAIVED,
        postgresql_where=WAIVED,
    )
    # 0004 made the function.
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER waiver_no_delete BEFORE DELETE ON waiver"
            " BEGIN SELECT RAISE(ABORT, 'waivers are kept'); END"
        )
    else:
        op.execute(
            "CREATE TRIGGER waiver_only_added BEFORE DELETE ON waiver"
            " FOR EACH ROW EXECUTE FUNCTION upkeep_only_added()"
        )
