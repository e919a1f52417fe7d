"""Every benchmark runs, and says in the agreed form how it went."""
