"""Why a result is unknown: it could not be seen, or there was nothing to judge.

What older programs wrote counts as it did then: as not seen, for which the empty text stands.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for table in ("result", "latest_result"):
        column = sa.Column("unknown", sa.String(20), nullable=False, server_default=sa.text("''"))
        op.add_column(table, column)
