"""Tests of the pages that lagmon serves."""
