"""The partner's name for what it has paid, NULL where a play was settled without a partner."""

from __future__ import annotations

from alembic import op

revision = "0002_settlement_id"
down_revision = "0001_plays"


def upgrade() -> None:
    """Add a column; without a default or a check no row is read or written for it."""
    op.execute("ALTER TABLE plays ADD COLUMN settlement_id text")


def downgrade() -> None:
    """Drop it; the partner still knows each play by its id."""
    op.execute("ALTER TABLE plays DROP COLUMN settlement_id")
