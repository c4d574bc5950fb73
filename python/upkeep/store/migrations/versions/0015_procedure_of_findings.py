"""The procedure that a trouble of the product's own is about: it was read out of the subject, `daily on web1`.

What older programs wrote is read here, once. Of all other checks the subject is no procedure.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

HOST = "controller"
ON = " on "
OF_PROCEDURES = (
    "occurrence_missed",
    "run_failed",
    "forged_event",
    "one_machine",
    "hosts_absent",
    "review_overdue",
)


def upgrade() -> None:
    """Add the column, and fill it."""
    # Not in a batch: SQLite would make the table anew, and what hangs on its rows would go with the old ones.
    column = sa.Column("procedure", sa.Text, nullable=False, server_default=sa.text("''"))
    op.add_column("finding", column)
    table = sa.table(
        "finding",
        sa.column("host", sa.String),
        sa.column("check_id", sa.String),
        sa.column("subject", sa.Text),
        sa.column("procedure", sa.Text),
    )
    db = op.get_bind()
    own = (table.c.host == HOST, table.c.check_id.in_(OF_PROCEDURES))
    for (subject,) in db.execute(sa.select(table.c.subject).where(*own).distinct()).all():
        mine = sa.update(table).where(*own, table.c.subject == subject)
        db.execute(mine.values(procedure=procedure_of(subject)))


def procedure_of(subject: str) -> str:
    """Return the procedure of a subject that an older program wrote: `daily`, or `daily on web1`."""
    return subject.partition(ON)[0]
