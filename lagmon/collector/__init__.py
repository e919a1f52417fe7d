"""The only place in lagmon that uses a Kafka client; runs as a child process, one per cluster."""
