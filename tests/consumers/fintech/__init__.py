"""The partner's stand-in."""
