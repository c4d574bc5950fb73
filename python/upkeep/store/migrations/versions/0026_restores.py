"""Restore ledgers of hosts: each verification of a backup that was seen, once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table. What was observed before is not in it: the next look at a ledger brings its newest rows."""
    op.create_table(
        "restore",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("set_name", sa.String(255), nullable=False),
        sa.Column("ledger_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("backup", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restore_seconds", sa.Float(), nullable=True),
        sa.Column("restored_bytes", sa.Float(), nullable=True),
        sa.Column("covered", sa.Text(), nullable=False),
        sa.Column("proof", sa.String(20), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_restore_run_id_run"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restore")),
        sa.UniqueConstraint(
            "site",
            "host",
            "set_name",
            "ledger_id",
            name=op.f("uq_restore_site_host_set_name_ledger_id"),
        ),
    )
    op.create_index(op.f("ix_restore_site_id"), "restore", ["site", "id"])
    op.create_index(op.f("ix_restore_run_id"), "restore", ["run_id"])
