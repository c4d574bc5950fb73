"""Users, sessions, acts, runs asked for on the page; what lists of runs and findings lean on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
NOT_PASSED = sa.text("status <> 'pass' AND judgement = 0")


def upgrade() -> None:
    """Make the tables and indexes, and let nobody change an act."""
    op.add_column("run", sa.Column("counted", sa.Text(), nullable=True))
    op.create_index(op.f("ix_run_procedure_id"), "run", ["procedure", "id"])
    op.create_index(
        "ix_result_not_passed",
        "result",
        ["run_id", "severity_rank"],
        sqlite_where=NOT_PASSED,
        postgresql_where=NOT_PASSED,
    )
    op.drop_index(op.f("ix_finding_status_severity_rank"), table_name="finding")
    op.create_index(
        op.f("ix_finding_status_severity_rank_opened_at_id"),
        "finding",
        ["status", "severity_rank", "opened_at", "id"],
    )
    op.create_index(op.f("ix_occurrence_site_due_at_id"), "occurrence", ["site", "due_at", "id"])
    _users()
    _acts()


def _users() -> None:
    op.create_table(
        "app_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
        sa.UniqueConstraint("name", name=op.f("uq_app_user_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "session",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["app_user.id"],
            name=op.f("fk_session_user_id_app_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_user_id"), "session", ["user_id"])
    op.create_index(op.f("ix_session_seen_at"), "session", ["seen_at"])
    op.create_table(
        "sign_in_attempt",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_attempt")),
    )
    op.create_index(op.f("ix_sign_in_attempt_last_at"), "sign_in_attempt", ["last_at"])


def _acts() -> None:
    op.create_table(
        "act",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.String(length=100), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("way", sa.String(length=10), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=100), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_act")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_act_at"), "act", ["at"])
    op.create_table(
        "run_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("procedure", sa.String(length=200), nullable=False),
        sa.Column("host_limit", sa.Text(), nullable=False),
        sa.Column("restart_of", sa.Integer(), nullable=True),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("taken_at", MOMENT, nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_request")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_run_request_taken_at"), "run_request", ["taken_at"])
    for statement in _append_only(op.get_bind().dialect.name):
        op.execute(statement)


def _append_only(dialect: str) -> list[str]:
    """Return what makes the database refuse to change or remove an act."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER act_no_{what.lower()} BEFORE {what} ON act"
            " BEGIN SELECT RAISE(ABORT, 'acts are only added'); END"
            for what in ("UPDATE", "DELETE")
        ]
    return [
        "CREATE FUNCTION upkeep_only_added() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% rows are only added', TG_TABLE_NAME; END $$",
        "CREATE TRIGGER act_only_added BEFORE UPDATE OR DELETE ON act"
        " FOR EACH ROW EXECUTE FUNCTION upkeep_only_added()",
    ]
