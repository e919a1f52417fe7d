"""What lagmon is told: the shape of its settings, and where they are read from."""
