"""How findings were seen, and their cause; the causes that an alert has had, and which of them people have heard of.

A finding of before has no set, parameters and user: its first look after the upgrade writes them down. Of what is in
an open alert already, people have heard: nothing of it is told by the upgrade.
"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, outside of a batch for others refer to these tables; make the table and fill it."""
    empty = sa.text("''")
    op.add_column("finding", sa.Column("seen_of", sa.String(100)))
    op.add_column(
        "finding", sa.Column("seen_by", sa.String(64), nullable=False, server_default=empty)
    )
    op.add_column("finding", sa.Column("seen_as", NUMBER))
    op.add_column("finding", sa.Column("cause", sa.Text(), nullable=False, server_default=empty))
    op.add_column("alert", sa.Column("news_at", sa.DateTime(timezone=True)))
    op.add_column(
        "alert", sa.Column("news", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.create_table(
        "alert_cause",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alert.id"],
            name=op.f("fk_alert_cause_alert_id_alert"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alert_id", "key", name=op.f("pk_alert_cause")),
    )
    op.create_index(
        "ix_alert_cause_news",
        "alert_cause",
        ["alert_id"],
        sqlite_where=sa.text("told_at IS NULL"),
        postgresql_where=sa.text("told_at IS NULL"),
    )
    _fill()


def _fill() -> None:
    """Record the causes that open incidents have had, as told."""
    connection = op.get_bind()
    moment = sa.DateTime(timezone=True)
    names = ("check_id", "subject", "host")
    finding = sa.table("finding", sa.column("id"), *map(sa.column, names))
    held = sa.table(
        "alert_finding",
        sa.column("alert_id"),
        sa.column("finding_id"),
        sa.column("joined_at", moment),
    )
    alert = sa.table("alert", sa.column("id"), sa.column("kind"), sa.column("closed_at", moment))
    rows = connection.execute(
        sa.select(held.c.alert_id, *[finding.c[one] for one in names], held.c.joined_at)
        .join(finding, finding.c.id == held.c.finding_id)
        .join(alert, alert.c.id == held.c.alert_id)
        .where(alert.c.closed_at.is_(None), alert.c.kind == "incident")
    )
    made = {}
    for row in rows:
        moments = {"since": row.joined_at, "told_at": row.joined_at}
        # Of some checks each host is a cause of its own; which they are is not for a migration to know.
        for named in ([row.check_id, row.subject], [row.check_id, row.subject, row.host]):
            key = hashlib.sha256(json.dumps(named).encode()).hexdigest()
            made[row.alert_id, key] = {"alert_id": row.alert_id, "key": key, **moments}
    if made:
        cause = sa.table(
            "alert_cause",
            sa.column("alert_id"),
            sa.column("key"),
            sa.column("since", moment),
            sa.column("told_at", moment),
        )
        connection.execute(cause.insert(), list(made.values()))
