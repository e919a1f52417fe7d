"""Snapshots as lines of JSON: written down, read, and judged again."""
