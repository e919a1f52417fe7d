"""The slots game: a play is accepted over HTTP, travels through Kafka, is settled into Postgres.

``api`` takes it and ``publisher`` writes it to Kafka; ``handler`` settles it in the worker through
``service``, which decides, and ``store``, which writes. ``events`` is what the two ends agree on.
"""
