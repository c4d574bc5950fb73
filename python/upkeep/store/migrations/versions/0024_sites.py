"""Which ids sites have, from which folders they act, and what they were called before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. No site gets an id by this revision: `upkeep db sites rename` gives it one."""
    op.create_table(
        "site",
        sa.Column("id", sa.String(63), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
    )
    op.create_table(
        "site_folder",
        sa.Column("site_id", sa.String(63), nullable=False),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "machine", name=op.f("pk_site_folder")),
    )
    op.create_table(
        "site_name",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("now_name", sa.Text(), nullable=False),
        sa.Column("renamed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_name")),
    )
    op.create_index(op.f("ix_site_name_now_name"), "site_name", ["now_name"])
