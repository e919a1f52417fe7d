"""Tests of `consumers.configuration`."""
