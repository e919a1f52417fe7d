"""Recordings made on real Kafka, each with the report that it must give, and how they are made."""
