"""Async consumers: confluent-kafka's, which know their group and options for the spans.

``poll`` and ``consume`` are the real methods and give the untouched messages. They work in the
threads of an executor, where no trace is current; the scope of a message is entered in the task
that has awaited it. Callbacks are coroutine functions, as ever, and run where no trace is current.

As with the real class, a ``poll`` that is cancelled may lose the message it was about to give:
bound it by its *timeout*, not by cancelling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import confluent_kafka.aio

from propagation import contrib
from propagation.callbacks import outside_all, outside_async
from propagation.consumer import spans_of

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

_REBALANCE = ("on_assign", "on_revoke", "on_lost")


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
        self.process_spans = spans_of(consumer_conf, options)
        contrib.settle(self._consumer)

    async def subscribe(self, topics: list[str], *callbacks: Any, **named: Any) -> Any:
        """Subscribe to *topics*; as the real method.

        *callbacks* are ``on_assign``, ``on_revoke`` and ``on_lost``, in this order or by name:
        coroutine functions. (The real class never awaits them where they come by order.)
        """
        named |= dict(zip(_REBALANCE, callbacks, strict=False))
        return await super().subscribe(topics, **{n: outside_async(c) for n, c in named.items()})


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
        self.process_spans = spans_of(conf, options)
