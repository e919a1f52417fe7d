"""The game's tables, as alembic migrations: ``env`` runs them, ``versions`` has one file each."""
