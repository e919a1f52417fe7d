"""``lagmon top``: what it makes of answers, and what it does in a real terminal."""
