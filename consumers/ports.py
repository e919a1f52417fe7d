"""What the runtime needs from outside, as protocols: handlers, a source, lanes, dead letters.

The real ones are in kafka/, runtime/executor.py and deadletters/. Nothing here knows a Kafka
client, so that the loop can be run in memory and on any clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    from consumers.types import Record, Run, TopicPartition


class Handler(Protocol):
    """Do what a record asks for, once, however often it is called with it.

    Returning means done: the offset may be committed. What is raised decides otherwise, see
    `consumers.errors`. Called from one thread a lane, never the one that polls.
    """

    def __call__(self, record: Record, /) -> None:
        """Handle *record*."""


class AsyncHandler(Protocol):
    """A `Handler` that is awaited. All lanes run in one event loop, in a thread of its own."""

    def __call__(self, record: Record, /) -> Awaitable[None]:
        """Handle *record*."""


class BatchHandler(Protocol):
    """Do what several records ask for, all or nothing, such as in one transaction.

    Returning means that all are done. An exception means that none is: unless it says that the
    fault is not the records', each half is handled by itself, down to the record that fails alone.
    """

    def __call__(self, records: Sequence[Record], /) -> None:
        """Handle *records*: at least one, those of a partition in order."""


class AsyncBatchHandler(Protocol):
    """A `BatchHandler` that is awaited, as an `AsyncHandler` is."""

    def __call__(self, records: Sequence[Record], /) -> Awaitable[None]:
        """Handle *records*."""


AnyHandler: TypeAlias = Handler | AsyncHandler | BatchHandler | AsyncBatchHandler


class Processing(Protocol):
    """Make the trace of a record current while it is worked on."""

    def __call__(self, record: Record, /) -> AbstractContextManager[object]:
        """Open the scope of *record*; an exception that leaves it marks its span as failed."""


class BatchProcessing(Protocol):
    """Make one span current while several records are worked on together."""

    def __call__(self, records: Sequence[Record], /) -> AbstractContextManager[object]:
        """Open the scope of *records*; an exception that leaves it marks its span as failed."""


class DeadLetterLimit(Protocol):
    """Say when so many records were given up that the fault is not theirs. Any thread may ask."""

    def refuses(self) -> str | None:
        """Say why no further record may be given up, or ``None``: then the worker stops."""

    def settled(self, *, dead: bool) -> None:
        """Hear that a record was finished: handled, or, with *dead*, given up."""


class DeadLetters(Protocol):
    """Keep records that were given up."""

    def send(self, record: Record, error: BaseException, *, attempts: int) -> None:
        """Write *record* and return once the broker has acknowledged it.

        Raises `DeadLetterFailed` when it has not in time: the record must then stay unfinished.
        """

    def serve(self) -> None:
        """Serve the client's callbacks without waiting; called often, from the thread that polls.

        A client that nobody polls keeps every line of its log in memory.
        """


class Executor(Protocol):
    """Lanes that each make one run of attempts at a time, away from the thread that polls."""

    @property
    def free(self) -> int:
        """Count the lanes that have no run, or one whose end was taken by `wait`."""

    def start(self, run: Run) -> None:
        """Let a free lane begin with *run*."""

    def wait(self, timeout_seconds: float) -> Run | None:
        """Give a run that has ended, or ``None`` if none has when the time is up.

        It has ended when `Run.todo` is empty or the last of `Run.ended` is not final.
        """

    def close(self) -> None:
        """Start nothing more. What is still in work is left to itself."""


class Listener(Protocol):
    """Hear about what happens to a consumer's partitions. Called from inside `Source.fetch`."""

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Take note that *partitions* are ours from now on."""

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish with *partitions*: they are ours until this returns, commits still count."""

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Forget *partitions*: somebody else may have them already, so nothing is committed."""

    def committed(self, offsets: Mapping[TopicPartition, int], error: str | None) -> None:
        """Take note that *offsets* are committed, or, with *error*, that they are not."""


class Source(Protocol):
    """A member of a consumer group. Belongs to one thread."""

    def subscribe(self, listener: Listener) -> None:
        """Join the group; *listener* hears of everything from now on."""

    def fetch(self, most: int, timeout_seconds: float) -> Sequence[Record]:
        """Serve callbacks and give the next records, at *most* so many, as soon as there is one.

        None if none came in time; those of a partition in order. Raises `Fatal` when the client can
        never go on.
        """

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch nothing more from *partitions* until they are resumed."""

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch from *partitions* again, after the last record that `fetch` gave."""

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Send *offsets* (each the next one to read) on their way; `Listener.committed` hears.

        May be called from inside `Listener.revoked`: the partitions are not given up before the
        commit has been answered.
        """

    def close(self, timeout_seconds: float) -> bool:
        """Leave the group. Says whether that was done in time."""
