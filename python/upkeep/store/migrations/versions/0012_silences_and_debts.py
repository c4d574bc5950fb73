"""Wide silences take a second person; a try to pay debts has several hosts. What is there holds as it was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns, which an older program leaves empty."""
    columns: list[sa.Column[object]] = [
        sa.Column("needs_approval", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("approved_by", sa.String(200), nullable=False, server_default=sa.text("''")),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
    ]
    for one in columns:
        op.add_column("silence", one)
    hosts = sa.Column("hosts", sa.Text(), nullable=False, server_default=sa.text("''"))
    op.add_column("occurrence", hosts)
