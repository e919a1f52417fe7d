"""Serve what the board holds: metrics, health, and a status page. Reads, and never asks Kafka."""
