"""Carry W3C trace context through Kafka: clients, scopes and headers for confluent-kafka."""

from __future__ import annotations

from propagation.carrier import extract, inject
from propagation.consumer import Consumer
from propagation.options import Options, TopicPolicy
from propagation.processing import context_of, processing
from propagation.producer import Producer

__all__ = [
    "Consumer",
    "Options",
    "Producer",
    "TopicPolicy",
    "context_of",
    "extract",
    "inject",
    "processing",
]
