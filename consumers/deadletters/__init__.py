"""Records that were given up: kept whole, with where they came from and why."""
