"""The story of `make demo`: one trace from request to row, one page for a stopped worker."""
