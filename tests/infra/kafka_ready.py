"""Ask a Kafka broker that comes up whether it serves groups already."""

from __future__ import annotations

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

COMING_UP = {  # what a broker answers about groups until it is ready
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._WAIT_COORD,
}


def coordinates(bootstrap_servers: str) -> bool:
    """Ask for a commit, so that the topic of the offsets exists before a test needs it.

    On a cluster without it the first group calls of an AdminClient can crash the process.
    """
    name = "lagmon-tests-warm-up"
    # It may not listen yet, which a client would complain about on stderr.
    quiet = {"log_level": 0}
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": name, **quiet})
    try:
        answer = consumer.committed([TopicPartition(name, 0)], timeout=5)
    except KafkaException as error:
        unready = error.args[0].code()
        if unready in COMING_UP:
            return False
        raise
    finally:
        consumer.close()
    return all(at.error is None for at in answer)
