"""Consumers: confluent-kafka's, which know their group and options for the spans of their messages.

``poll`` and ``consume`` give the untouched messages: nothing is made current by receiving, and what
is told of it, and of ``commit``, is in `propagation.receiving`. The trace belongs to
`propagation.processing`. Callbacks, those of a rebalance included, run where no trace is current.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol

import confluent_kafka

from propagation import contrib
from propagation.callbacks import outside, outside_all
from propagation.options import Options, in_force
from propagation.receiving import ClientSpans, Receiving
from propagation.spans import ProcessSpans

if TYPE_CHECKING:
    from typing import TypeAlias

    from confluent_kafka import ShareConsumer, aio, cimpl
    from typing_extensions import TypeVar  # for the type checker alone, which brings it

    # What a scope may be handed as its consumer. A real one lends nothing.
    Lender: TypeAlias = "Traced | cimpl.Consumer | ShareConsumer | aio.AIOConsumer"

    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")


class Traced(Protocol):
    """Whatever lends its names and options to the spans of its messages: any consumer here."""

    process_spans: ProcessSpans


class Consumer(Receiving):
    """Consume messages; a drop-in for `confluent_kafka.Consumer`.

    Takes what the real class takes, and *options*. Hand it to ``processing(message, consumer=…)``
    so that the span names the group and the client.
    """

    def __init__(
        self,
        config: Any = None,
        /,
        *,
        options: Options | None = None,
        **more: Any,
    ) -> None:
        if config is None and not more:
            super().__init__()  # raises: empty keyword arguments would count as a configuration
        elif not isinstance(config, dict | None):
            super().__init__(config, **more)  # raises
        settings = {**(config or {}), **more}
        super().__init__(outside_all(settings))
        self.process_spans = spans_of(settings, options)
        self.client_spans = ClientSpans(self.process_spans, is_new=True)
        contrib.settle(self)

    def subscribe(self, topics: list[str], *callbacks: Any, **named: Any) -> None:
        """Subscribe to *topics*; as the real method.

        *callbacks* are ``on_assign``, ``on_revoke`` and ``on_lost``, in this order or by name.
        """
        super().subscribe(
            topics, *map(_rebalanced, callbacks), **{n: _rebalanced(c) for n, c in named.items()}
        )


class DeserializingConsumer(  # type: ignore[misc]  # ours take any arguments, to raise the real errors
    confluent_kafka.DeserializingConsumer[K, V], Consumer, Generic[K, V]
):
    """Consume and deserialize; a drop-in for `confluent_kafka.DeserializingConsumer`.

    What ``poll`` raises where a message could not be deserialized has it as ``kafka_message``:
    its trace can be processed all the same.
    """

    def __init__(self, conf: dict[str, Any], *, options: Options | None = None) -> None:
        super().__init__(conf)
        self.process_spans = spans_of(conf, options)
        self.client_spans = ClientSpans(self.process_spans, is_new=True)


def spans_of(settings: dict[str, Any], options: Options | None) -> ProcessSpans:
    """Give the spans of the consumer that has these *settings*."""
    return ProcessSpans(
        group=str(settings.get("group.id", "")),
        client_id=str(settings.get("client.id", "")),
        servers=str(settings.get("bootstrap.servers", "")),
        options=options or in_force.options,
    )


def _rebalanced(callback: Any) -> Any:
    return outside(callback) if callable(callback) else callback  # the real method refuses it
