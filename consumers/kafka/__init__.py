"""The runtime's source on a real broker, and what a client of librdkafka is told and tells."""
