"""What older programs called otherwise; and which version of the program has looked at what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the columns. Nothing is called otherwise by this revision."""
    op.create_table(
        "alias",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("check_id", sa.String(200), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("now_check", sa.String(200), nullable=False),
        sa.Column("now_subject", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_alias")),
    )
    op.add_column(
        "watched",
        sa.Column("program", sa.String(40), nullable=False, server_default=sa.text("''")),
    )
    op.add_column(
        "finding_event",
        sa.Column("upgraded", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
