"""Who asked for a run, and the evidence that is kept because a review shows it.

Of older runs it is known only where somebody asked on the page; all others say as before who started them. What the
reviews of before show, and is still there, is kept from now on.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SHA256 = re.compile(r"[0-9a-f]{64}")


def upgrade() -> None:
    """Add the column and the table, and fill them."""
    column = sa.Column("asked_by", sa.String(200), nullable=False, server_default=sa.text("''"))
    op.add_column("run", column)
    op.execute(
        "UPDATE run SET asked_by = (SELECT max(asked.asked_by) FROM run_request AS asked WHERE asked.run_id = run.id)"
        " WHERE id IN (SELECT run_id FROM run_request WHERE run_id IS NOT NULL)"
    )
    op.create_table(
        "named_evidence",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_named_evidence")),
    )
    db = op.get_bind()
    there = sa.text("SELECT 1 FROM evidence WHERE sha256 = :sha256")
    named = {one for content in _shown(db) for one in _named(content)}
    for one in sorted(named):
        if db.execute(there, {"sha256": one}).first():
            db.execute(
                sa.text("INSERT INTO named_evidence (sha256) VALUES (:sha256)"), {"sha256": one}
            )


def _shown(db: sa.Connection) -> Iterator[bytes]:
    """Yield what reviews show, and what their signers were shown."""
    hashes = set(db.execute(sa.text("SELECT evidence_sha256 FROM review")).scalars())
    for text in db.execute(sa.text("SELECT text FROM signature WHERE kind = 'review'")).scalars():
        try:
            hashes.add(json.loads(text)["evidence_sha256"])
        except (ValueError, KeyError, TypeError):
            continue  # `review verify` says so
    query = sa.text("SELECT content FROM kept_file WHERE sha256 = :sha256")
    for one in sorted(str(one) for one in hashes):
        packed = db.execute(query, {"sha256": one}).scalar()
        try:
            yield zlib.decompress(packed or b"")
        except zlib.error:
            continue


def _named(content: bytes) -> Iterator[str]:
    """Yield the hashes of raw evidence that what a review shows names."""
    try:
        rows = json.loads(content)["not_passing"]["rows"]
        found = [str(one.get("evidence_sha256", "")) for one in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    yield from (one for one in found if SHA256.fullmatch(one))
