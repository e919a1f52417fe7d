"""Tests of `consumers.serving`."""
