"""Tests of the SDK set-up."""
