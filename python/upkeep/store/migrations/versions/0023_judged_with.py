"""With which earlier answers an answer was judged, and an index to find those of a host."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the index."""
    op.add_column("report", sa.Column("judged_with", sa.Text()))
    op.create_index("ix_report_host_observed_at", "report", ["host", "observed_at"])
