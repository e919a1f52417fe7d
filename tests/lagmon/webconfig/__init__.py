"""The web configuration file: what it may say, and what becomes of it."""
