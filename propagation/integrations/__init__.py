"""Bring the trace to what surrounds Kafka: the log line, the HTTP edge, the Postgres transaction.

Each module needs its own extra and says which one when it is missing. Nothing is imported here:
a service that only wants log lines does not pay for a database driver.
"""
