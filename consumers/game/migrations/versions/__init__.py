"""The migrations in the order of their numbers; `revision` is the name of the file."""
