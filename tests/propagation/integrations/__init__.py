"""Tests of what brings the trace to logs, HTTP and Postgres."""
