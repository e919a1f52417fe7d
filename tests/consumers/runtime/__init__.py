"""Tests of `consumers.runtime`."""
