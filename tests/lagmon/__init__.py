"""Tests of lagmon, module by module."""
