"""Make many consumer groups on a real broker in little time, and let them move on.

The client library would need a consumer, with its threads, for each member. Here members and
commits are requests by hand (Kafka protocol guide: JoinGroup 2, SyncGroup 1, OffsetCommit 2), sent
over a few connections at once: a member with a session of half an hour sends no heartbeat, and a
broker that waits some milliseconds before it writes a group down does so for all connections at
once. No answer that holds an error is passed over.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.infra.kafka_topics import led
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CONNECTIONS: Final = 64
SESSION_MS: Final = 1_800_000  # the longest that a broker allows by default
ANSWER_SECONDS: Final = 120
JOIN, SYNC, COMMIT = (11, 2), (14, 1), (8, 2)  # key and version of each request
_HEADER: Final = struct.Struct(">hhi")

Commits = Mapping[str, Mapping[int, int]]  # topic -> partition -> offset


class RefusedError(Exception):
    """The broker answered with an error."""


@dataclass(slots=True)
class Group:
    """One group: *topic*'s first *partitions* are its own; *member* once it has joined."""

    name: str
    topic: str
    partitions: int
    member: str = ""
    generation: int = -1
    committed: int = 0

    def commits(self) -> Commits:
        """Give what it commits next: the same offset everywhere."""
        return {self.topic: dict.fromkeys(range(self.partitions), self.committed)}


@dataclass(slots=True)
class World:
    """Topics and the groups that read them; `advance` moves all of *groups* on by one record."""

    servers: str
    topics: dict[str, int] = field(default_factory=dict)  # name -> partitions
    groups: list[Group] = field(default_factory=list)

    def create(self, topics: Mapping[str, int], placed: list[int] | None = None) -> None:
        """Create *topics*, name to partitions, on the brokers *placed* or where Kafka likes."""
        wanted = [
            NewTopic(
                name,
                num_partitions=partitions,
                **(
                    {"replica_assignment": [placed] * partitions}
                    if placed
                    else {"replication_factor": 1}
                ),
            )
            for name, partitions in topics.items()
        ]
        admin = AdminClient({"bootstrap.servers": self.servers})
        for made in admin.create_topics(wanted, request_timeout=ANSWER_SECONDS).values():
            made.result(ANSWER_SECONDS)
        until(lambda: _are_led(admin, topics), timeout=ANSWER_SECONDS, what="the topics")
        self.topics |= topics

    def produce(self, records: int) -> None:
        """Write *records* to each partition of each topic."""
        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        refused: list[object] = []
        for name, partitions in self.topics.items():
            for partition, _ in itertools.product(range(partitions), range(records)):
                producer.produce(
                    name,
                    b"x" * 100,
                    partition=partition,
                    on_delivery=lambda error, _: refused.append(error) if error else None,
                )
            producer.poll(0)
        if producer.flush(ANSWER_SECONDS) or refused:
            raise RefusedError(f"not written: {refused[:1]}")

    def join(self, groups: Iterable[Group]) -> None:
        """Have each of *groups* joined by a member that owns its partitions, and commit."""
        joining = list(groups)
        asyncio.run(_each(self.servers, joining, _join))
        self.groups += joining

    def commit(self, groups: Iterable[Group]) -> None:
        """Have each of *groups* commit; one without a member does as a tool would."""
        asyncio.run(_each(self.servers, list(groups), _commit))

    def advance(self) -> None:
        """Write one record to every partition and let every group commit one more."""
        self.produce(1)
        for group in self.groups:
            group.committed += 1
        self.commit(self.groups)


def _are_led(admin: AdminClient, topics: Mapping[str, int]) -> bool:
    """Tell whether the broker has heard of *topics*, which takes longer than its answer."""
    known = admin.list_topics(timeout=ANSWER_SECONDS).topics
    return all(name in known and led(known[name], count) for name, count in topics.items())


async def _each(
    servers: str, groups: list[Group], do: Callable[[_Connection, Group], Awaitable[None]]
) -> None:
    waiting = iter(groups)

    async def work() -> None:
        connection = await _Connection.open(servers)
        try:
            for group in waiting:  # shared: each connection takes the next one
                await do(connection, group)
        finally:
            connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(CONNECTIONS, len(groups))):
            tasks.create_task(work())


async def _join(connection: _Connection, group: Group) -> None:
    subscription = struct.pack(">h", 0) + _array([_text(group.topic)]) + _bytes(None)
    answer = await connection.ask(
        JOIN,
        _text(group.name)
        + struct.pack(">ii", SESSION_MS, SESSION_MS)
        + _text("")
        + _text("consumer")
        + _array([_text("range") + _bytes(subscription)]),
    )
    answer.number(">i")  # throttled
    answer.refuse(group.name)
    group.generation = answer.number(">i")
    answer.text()
    answer.text()
    group.member = answer.text()
    owned = _array([struct.pack(">i", one) for one in range(group.partitions)])
    assignment = struct.pack(">h", 0) + _array([_text(group.topic) + owned]) + _bytes(None)
    answer = await connection.ask(
        SYNC,
        _text(group.name)
        + struct.pack(">i", group.generation)
        + _text(group.member)
        + _array([_text(group.member) + _bytes(assignment)]),
    )
    answer.number(">i")
    answer.refuse(group.name)
    await _commit(connection, group)


async def _commit(connection: _Connection, group: Group) -> None:
    topics = [
        _text(topic)
        + _array([struct.pack(">iq", at, offset) + _text("") for at, offset in partitions.items()])
        for topic, partitions in group.commits().items()
    ]
    answer = await connection.ask(
        COMMIT,
        _text(group.name)
        + struct.pack(">i", group.generation)
        + _text(group.member)
        + struct.pack(">q", -1)
        + _array(topics),
    )
    for _ in range(answer.number(">i")):
        answer.text()
        for _ in range(answer.number(">i")):
            answer.number(">i")
            answer.refuse(group.name)


class _Connection:
    """One connection to a broker: a question, its answer, the next question."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, servers: str) -> _Connection:
        host, _, port = servers.split(",", maxsplit=1)[0].rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def close(self) -> None:
        self._writer.close()

    async def ask(self, request: tuple[int, int], body: bytes) -> _Answer:
        message = _HEADER.pack(*request, 1) + _text("bench") + body
        self._writer.write(struct.pack(">i", len(message)) + message)
        async with asyncio.timeout(ANSWER_SECONDS):
            [length] = struct.unpack(">i", await self._reader.readexactly(4))
            return _Answer(await self._reader.readexactly(length))


class _Answer:
    """Reads an answer from its front, after the correlation id."""

    def __init__(self, given: bytes) -> None:
        self._given, self._at = given, 4

    def number(self, form: str) -> int:
        [value] = struct.unpack_from(form, self._given, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def text(self) -> str:
        length = self.number(">h")
        self._at += length
        return self._given[self._at - length : self._at].decode()

    def refuse(self, group: str) -> None:
        if code := self.number(">h"):
            raise RefusedError(f"group {group}: error code {code}")


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _bytes(given: bytes | None) -> bytes:
    return struct.pack(">i", -1) if given is None else struct.pack(">i", len(given)) + given


def _array(elements: list[bytes]) -> bytes:
    return struct.pack(">i", len(elements)) + b"".join(elements)
