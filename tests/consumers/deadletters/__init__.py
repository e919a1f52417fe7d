"""Tests of `consumers.deadletters`."""
