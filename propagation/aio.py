"""The clients for asyncio, drop-ins for those in ``confluent_kafka.aio``; this is their address."""

from __future__ import annotations

from propagation.aio_consumer import AIOConsumer, AsyncDeserializingConsumer
from propagation.aio_producer import AIOProducer, AsyncSerializingProducer

__all__ = ["AIOConsumer", "AIOProducer", "AsyncDeserializingConsumer", "AsyncSerializingProducer"]
