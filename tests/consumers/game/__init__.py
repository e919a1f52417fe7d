"""What the game promises: to its players, and to its tables."""
