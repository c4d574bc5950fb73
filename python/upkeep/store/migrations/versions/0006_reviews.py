"""Reviews, the chain of signatures, and the files that signatures name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
REFUSED = {
    "signature": ("UPDATE", "DELETE"),
    "kept_file": ("UPDATE", "DELETE"),
    "review": ("DELETE",),
}
"""What the database refuses. A review itself moves: it is handed over, its evidence comes late, it is closed."""


def upgrade() -> None:
    """Make the tables, and let nobody change a signature or what it names."""
    op.create_table(
        "signature",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("about", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_signature")),
    )
    op.create_index(op.f("ix_signature_kind_about"), "signature", ["kind", "about"])
    op.create_table(
        "kept_file",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_kept_file")),
    )
    _reviews()
    for statement in _refusals(op.get_bind().dialect.name):
        op.execute(statement)


def _reviews() -> None:
    op.create_table(
        "review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("procedure", sa.String(length=100), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("due_of", MOMENT, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("parties", sa.Text(), nullable=False),
        sa.Column("four_eyes", sa.String(length=20), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("occurrence_id", NUMBER, nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("remind_at", MOMENT, nullable=False),
        sa.Column("gap", sa.Text(), nullable=False),
        sa.Column("evidence_sha256", sa.String(length=64), nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint(
            "site", "procedure", "item", "due_of", name=op.f("uq_review_site_procedure_item_due_of")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_review_site_due_of"), "review", ["site", "due_of"])
    op.create_index(
        op.f("ix_review_site_closed_at_due_at"), "review", ["site", "closed_at", "due_at"]
    )
    op.create_index(op.f("ix_review_occurrence_id"), "review", ["occurrence_id"])
    op.create_table(
        "review_item",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("procedure", sa.String(length=100), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("site", "procedure", "item", name=op.f("pk_review_item")),
    )


def _refusals(dialect: str) -> list[str]:
    """Return what makes the database refuse to change or remove what was signed; 0004 made the function."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} rows are only added'); END"
            for table, refused in REFUSED.items()
            for what in refused
        ]
    return [
        f"CREATE TRIGGER {table}_only_added BEFORE {' OR '.join(refused)} ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION upkeep_only_added()"
        for table, refused in REFUSED.items()
    ]
