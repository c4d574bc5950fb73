"""The clocks of machines, their steps, and how far the schedule was looked at before a clock went back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and the column that an older program leaves empty."""
    op.create_table(
        "machine_clock",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.Column("boottime", sa.Float(), nullable=False),
        sa.Column("line", sa.Float(), nullable=False),
        sa.Column("sure", sa.Float(), nullable=False),
        sa.Column("floor", sa.Boolean(), nullable=False),
        sa.Column("held", sa.Float(), nullable=True),
        sa.Column("back", sa.Float(), nullable=True),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("server", sa.Float(), nullable=True),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_machine_clock")),
    )
    op.create_table(
        "clock_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("from_at", MOMENT, nullable=False),
        sa.Column("until_at", MOMENT, nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_step")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_clock_step_host_id"), "clock_step", ["host", "id"])
    op.add_column("timing", sa.Column("reached_at", MOMENT, nullable=True))
