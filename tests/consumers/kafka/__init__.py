"""Tests of `consumers.kafka`."""
