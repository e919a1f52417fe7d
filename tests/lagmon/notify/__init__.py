"""Tests of what lagmon tells to whom."""
