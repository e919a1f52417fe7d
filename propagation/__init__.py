"""Carry W3C trace context through Kafka: clients, scopes and headers for confluent-kafka."""

from __future__ import annotations

from propagation.aio import (
    AIOConsumer,
    AIOProducer,
    AsyncDeserializingConsumer,
    AsyncSerializingProducer,
)
from propagation.carrier import extract, inject
from propagation.consumer import Consumer, DeserializingConsumer
from propagation.forwarding import forwarded
from propagation.handlers import bound, traced_handler
from propagation.instrument import instrument, uninstrument
from propagation.options import Options, TopicPolicy
from propagation.processing import context_of, processing, processing_batch
from propagation.producer import Producer, SerializingProducer

__all__ = [
    "AIOConsumer",
    "AIOProducer",
    "AsyncDeserializingConsumer",
    "AsyncSerializingProducer",
    "Consumer",
    "DeserializingConsumer",
    "Options",
    "Producer",
    "SerializingProducer",
    "TopicPolicy",
    "bound",
    "context_of",
    "extract",
    "forwarded",
    "inject",
    "instrument",
    "processing",
    "processing_batch",
    "traced_handler",
    "uninstrument",
]
