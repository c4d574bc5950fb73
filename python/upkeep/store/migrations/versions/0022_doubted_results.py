"""Which results come from a check that passes its known-bad input. Nothing is doubted by this revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for table in ("result", "latest_result"):
        op.add_column(
            table, sa.Column("doubted", sa.Boolean(), nullable=False, server_default=sa.false())
        )
