-- One row a play, and one row a player that adds them up. Money is in cents.

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
);

CREATE TABLE player_totals (
    player_id text PRIMARY KEY,
    plays bigint NOT NULL,
    wagered bigint NOT NULL,
    won bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
