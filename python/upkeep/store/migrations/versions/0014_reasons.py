"""Why an occurrence ended as it did, as reasons of their own; until now it was read out of the words for people.

What older programs wrote is read here, once. What fits nothing that they wrote is `other`, and counts as it did: only
`blackout` and a single `late` change how a due time counts.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LATE = re.compile(r"(?:^|; )late: ended -?\d+ min after its time$")
JOB = re.compile(r"(?:^|; )a job failed on \d+ hosts?$")
WITHOUT_A_RUN = {
    "blackout: ": "blackout",
    "no driver was there": "no_driver",
    "the next one was due before it could begin": "newer",
    "the one due at ": "overlap",
    "waited ": "waited",
    "its procedure was removed": "removed",
    "the host ": "behind",
}


def upgrade() -> None:
    """Add the column, and fill it."""
    with op.batch_alter_table("occurrence") as batch:
        batch.add_column(
            sa.Column("reasons", sa.String(200), nullable=False, server_default=sa.text("''"))
        )
    table = sa.table(
        "occurrence",
        sa.column("state", sa.String),
        sa.column("cause", sa.Text),
        sa.column("lacks", sa.Text),
        sa.column("reasons", sa.String),
    )
    db = op.get_bind()
    columns = (table.c.state, table.c.cause, table.c.lacks)
    ended = sa.select(*columns).where(table.c.state.in_(("partial", "failed", "missed", "skipped")))
    for state, cause, lacks in db.execute(ended.distinct()).all():
        same = [
            column == value for column, value in zip(columns, (state, cause, lacks), strict=True)
        ]
        db.execute(sa.update(table).where(*same).values(reasons=reasons_of(state, cause, lacks)))


def reasons_of(state: str, cause: str, lacks: str) -> str:
    """Return the reasons of what an older program wrote."""
    if state == "failed":
        return "no_end"
    if state in ("missed", "skipped"):
        fitting = (reason for start, reason in WITHOUT_A_RUN.items() if cause.startswith(start))
        return next(fitting, "other")
    found = []
    rest = cause
    late = LATE.search(rest)
    rest = rest[: late.start()] if late else rest
    gap = f"lacks {lacks}" if lacks else ""
    is_gap = bool(gap) and (rest == gap or rest.endswith(f"; {gap}"))
    rest = rest[: -len(gap)].removesuffix("; ") if is_gap else rest
    job = JOB.search(rest)
    rest = rest[: job.start()] if job else rest
    if rest.startswith("not seen: "):
        found.append("unseen")
    elif rest:
        found.append("other")
    found += ["job_failed"] if job else []
    found += ["lacks"] if is_gap else []
    found += ["late"] if late else []
    return ",".join(found) or "other"
