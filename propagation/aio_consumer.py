"""Async consumers: confluent-kafka's, which know their group and options for the spans.

``poll`` and ``consume`` are the real methods and give the untouched messages. They work in the
threads of an executor, where no trace is current; the scope of a message is entered in the task
that has awaited it, and what is told of receiving and settling (`propagation.receiving`) is told
in that task as well: it lasts from the call until the task goes on. Callbacks are coroutine
functions, as ever, and run where no trace is current.

The cluster's id is asked for in a thread, once a first message has come and before it is given,
and waited for but a moment: the client answers at once unless another task is polling it.

As with the real class, a ``poll`` that is cancelled may lose the message it was about to give:
bound it by its *timeout*, not by cancelling.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Generic

import confluent_kafka.aio

from propagation import contrib
from propagation.callbacks import outside_all, outside_async
from propagation.consumer import spans_of
from propagation.receiving import ClientSpans, subject_of

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Generator
    from typing import Self

    from typing_extensions import TypeVar  # for the type checker alone, which brings it

    from propagation.options import Options

    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

_REBALANCE: Final = ("on_assign", "on_revoke", "on_lost")
_MEETING_SECONDS: Final = 0.1  # how long a message may be kept back for the cluster's id


class AIOConsumer(confluent_kafka.aio.AIOConsumer):
    """Consume messages in asyncio; a drop-in for the real ``AIOConsumer``.

    Takes what the real class takes, and *options*. Hand it to ``processing(message, consumer=…)``
    so that the span names the group and the client.
    """

    def __init__(
        self,
        consumer_conf: dict[str, Any],
        max_workers: int = 100,
        executor: concurrent.futures.Executor | None = None,
        *,
        options: Options | None = None,
    ) -> None:
        own = outside_all(consumer_conf, asynchronous=True)
        super().__init__(own, max_workers, executor)
        self._trace(consumer_conf, options)
        contrib.settle(self._consumer)

    def _trace(self, settings: dict[str, Any], options: Options | None) -> None:
        self.process_spans = spans_of(settings, options)
        self.client_spans = ClientSpans(self.process_spans, is_new=True)
        self._meeting: asyncio.Future[None] | None = None

    async def _meet(self) -> None:
        """Let the spans know the cluster.

        Not in the client's own executor: a thread of it that waits for another task's poll could be
        the one that the callbacks of that poll need.
        """
        if not self.client_spans.is_new:
            return
        if self._meeting is None or self._meeting.done():
            meet = self.client_spans.meet
            self._meeting = asyncio.get_running_loop().run_in_executor(None, meet, self._consumer)
        await asyncio.wait([self._meeting], timeout=_MEETING_SECONDS)

    async def subscribe(self, topics: list[str], *callbacks: Any, **named: Any) -> Any:
        """Subscribe to *topics*; as the real method.

        *callbacks* are ``on_assign``, ``on_revoke`` and ``on_lost``, in this order or by name:
        coroutine functions. (The real class never awaits them where they come by order.)
        """
        named |= dict(zip(_REBALANCE, callbacks, strict=False))
        return await super().subscribe(topics, **{n: outside_async(c) for n, c in named.items()})

    async def poll(self, *args: Any, **kwargs: Any) -> Any:
        """Give the next message or None; as the real method."""
        began_ns = time.time_ns()
        message = await super().poll(*args, **kwargs)
        if message is not None and self.client_spans.are_wanted:
            await self._meet()
            self.client_spans.polled((message,), began_ns, is_batch=False)
        return message

    async def consume(self, *args: Any, **kwargs: Any) -> Any:
        """Give several messages; as the real method."""
        began_ns = time.time_ns()
        messages = await super().consume(*args, **kwargs)
        if messages and self.client_spans.are_wanted:
            await self._meet()
            self.client_spans.polled(messages, began_ns, is_batch=True)
        return messages

    async def commit(self, *args: Any, **kwargs: Any) -> Any:
        """Commit offsets; as the real method. The span ``commit TOPIC`` lasts as long as the call.

        A commit whose task is cancelled ends with that as its error, and may go on in its thread.
        """
        began_ns = time.time_ns()
        subject = subject_of(*args, **kwargs)
        try:
            done = await super().commit(*args, **kwargs)
        except BaseException as error:
            self.client_spans.committed(subject, began_ns, error)
            raise
        self.client_spans.committed(subject, began_ns, None)
        return done


class AsyncDeserializingConsumer(
    confluent_kafka.aio.AsyncDeserializingConsumer[K, V], AIOConsumer, Generic[K, V]
):
    """Consume and deserialize; a drop-in for the real ``AsyncDeserializingConsumer``.

    Made by ``await AsyncDeserializingConsumer(conf)``.
    """

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, None, Self]:
            """Be made: calling the class gives a coroutine, by what the real class does."""

    async def __init__(  # type: ignore[misc]  # awaited, as the real one
        self, conf: dict[str, Any], *, options: Options | None = None, **kwargs: Any
    ) -> None:
        await super().__init__(outside_all(conf, asynchronous=True), **kwargs)
        self._trace(conf, options)
