"""Hosts that say that they are isolated: what needs the network there is unknown, and nobody is called for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add which hosts are isolated, and how a host was when it answered; empty of all that was before."""
    op.add_column(
        "run_host",
        sa.Column("isolation", sa.String(40), nullable=False, server_default=sa.text("''")),
    )
    op.add_column(
        "run_host", sa.Column("isolated_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "run_host",
        sa.Column("isolated_by", sa.String(200), nullable=False, server_default=sa.text("''")),
    )
    op.create_table(
        "isolated_host",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("isolation", sa.String(40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("isolated_by", sa.String(200), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "host", name=op.f("pk_isolated_host")),
    )
