"""Who looked at a source: what is no host, and takes a host's place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. All that is there was seen of hosts themselves."""
    column = sa.Column("seen_from", sa.String(255), nullable=False, server_default=sa.text("''"))
    op.add_column("run_host", column)
