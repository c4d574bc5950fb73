"""Occurrences, drivers, debts and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the schedule's tables."""
    op.create_table(
        "debt",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("schedule", sa.String(length=100), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "schedule", "host", name=op.f("pk_debt")),
    )
    op.create_table(
        "driver",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Float(), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driver")),
    )
    op.create_table(
        "occurrence",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("schedule", sa.String(length=100), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("lacks", sa.Text(), nullable=False),
        sa.Column("owed", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("driver_id", sa.String(length=40), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_occurrence")),
        sa.UniqueConstraint(
            "site",
            "schedule",
            "due_at",
            "kind",
            "host",
            name=op.f("uq_occurrence_site_schedule_due_at_kind_host"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_occurrence_finished_at"), "occurrence", ["finished_at"], unique=False)
    op.create_index(op.f("ix_occurrence_run_id"), "occurrence", ["run_id"], unique=False)
    op.create_index(
        op.f("ix_occurrence_state_begins_at"), "occurrence", ["state", "begins_at"], unique=False
    )
    op.create_table(
        "site_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_revision")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_site_revision_site_id"), "site_revision", ["site", "id"], unique=False)
    op.create_table(
        "timing",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("schedule", sa.String(length=100), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("looked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "schedule", name=op.f("pk_timing")),
    )
    op.create_table(
        "lease",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_lease_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site", "host", name=op.f("pk_lease")),
    )
    op.create_index(op.f("ix_lease_run_id"), "lease", ["run_id"], unique=False)
