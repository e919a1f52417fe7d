"""One row a play, and one row a player that adds them up. Money is in cents."""

from __future__ import annotations

from alembic import op

revision = "0001_plays"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.execute("""
        CREATE TABLE plays (
            play_id text PRIMARY KEY,
            player_id text NOT NULL,
            game text NOT NULL,
            bet bigint NOT NULL CHECK (bet > 0),
            symbols text[] NOT NULL,
            payout bigint NOT NULL CHECK (payout >= 0),
            trace_id text CHECK (trace_id ~ '^[0-9a-f]{32}$'),
            accepted_at timestamptz NOT NULL,
            settled_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE player_totals (
            player_id text PRIMARY KEY,
            plays bigint NOT NULL,
            wagered bigint NOT NULL,
            won bigint NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)


def downgrade() -> None:
    """Drop them, with every play."""
    op.execute("DROP TABLE player_totals")
    op.execute("DROP TABLE plays")
