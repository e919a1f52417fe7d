"""Scopes held between polls, over clients that only say what they saw."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, get_current

from propagation.holding import (
    HoldingAIOConsumer,
    HoldingConsumer,
    close_all,
    start_holding,
    stop_holding,
)
from propagation.testing import captured_spans, message
from tests.propagation.builders import SPAN_ID, TRACE_ID, ids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from confluent_kafka import Message
    from opentelemetry.sdk.trace import ReadableSpan

    Spans = list[ReadableSpan]

NOWHERE = (0, 0)
tracer = trace.get_tracer("test")


@pytest.fixture(autouse=True)
def holding() -> Iterator[None]:
    """Hold scopes during every test, which begins and ends without a current span."""
    token = attach(Context())
    start_holding()
    yield
    stop_holding()
    detach(token)


def current() -> tuple[int, int]:
    """Tell which span is current."""
    return ids(trace.get_current_span().get_span_context())


def came(number: int) -> Message:
    """Build message *number*, in a trace of its own."""
    traceparent = f"00-{TRACE_ID + number:032x}-{SPAN_ID:016x}-01"
    return message(topic="plays", offset=number, headers=[("traceparent", traceparent)])


class Client:
    """A consumer that gives messages 0, 1, 2… and keeps what was current in each call."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.given = 0
        self.error: Exception | None = None

    def poll(self, timeout: float = -1) -> Message | None:
        """Give the next message; none if asked not to wait."""
        self.seen.append(current())
        if self.error:
            raise self.error
        return self._next() if timeout else None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """Give several."""
        self.seen.append(current())
        return [self._next() for _ in range(num_messages)] if timeout else []

    def close(self) -> str:
        """End."""
        self.seen.append(current())
        return "closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.seen.append(current())

    def _next(self) -> Message:
        self.given += 1
        return came(self.given - 1)


class Consumer(HoldingConsumer, Client):  # type: ignore[misc]  # any arguments
    """A client that holds."""


class AIOClient(Client):
    """The same for asyncio."""

    async def poll(self, timeout: float = -1) -> Message | None:  # type: ignore[override]  # noqa: ASYNC109  # the client's
        """Give the next message."""
        await asyncio.sleep(0)
        return super().poll(timeout)

    async def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:  # type: ignore[override]  # noqa: ASYNC109  # the client's
        """Give several."""
        await asyncio.sleep(0)
        return super().consume(num_messages, timeout)

    async def close(self) -> str:  # type: ignore[override]
        """End."""
        return super().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.seen.append(current())


class AIOConsumer(HoldingAIOConsumer, AIOClient):  # type: ignore[misc]  # any arguments
    """An asyncio client that holds."""


def test_a_scope_is_closed_before_the_client_is_called(spans: Spans) -> None:
    """In none of its methods is a message current that came before."""
    consumer = Consumer()

    consumer.poll()
    consumer.poll(timeout=1.0)
    assert current()[0] == TRACE_ID + 1
    consumer.consume(2)
    consumer.consume(num_messages=1, timeout=1)
    assert current()[0] == TRACE_ID + 4
    assert consumer.close() == "closed"

    assert consumer.seen == [NOWHERE] * 5
    assert [len(span.links) for span in spans] == [1, 1, 2, 1]
    assert current() == NOWHERE


def test_a_poll_ends_no_other_consumers_scope(spans: Spans) -> None:
    """Another's message stays current, until that one is polled; then nothing of either is."""
    a, b = Consumer(), Consumer()
    b.given = 10

    a.poll()
    b.poll()
    a.poll(0)
    assert current()[0] == TRACE_ID + 10
    b.poll(0)

    assert current() == NOWHERE
    assert len(spans) == 2


def test_a_poll_that_fails_or_gives_nothing_leaves_nothing(spans: Spans) -> None:
    """The message from before has ended all the same."""
    consumer = Consumer()
    consumer.poll()
    consumer.error = LookupError("gone")

    with pytest.raises(LookupError):
        consumer.poll()
    assert current() == NOWHERE
    consumer.error = None
    consumer.poll()
    assert consumer.poll(0) is None
    assert consumer.consume(5, 0) == []

    assert current() == NOWHERE
    assert len(spans) == 2


def test_the_exception_that_leaves_the_block_is_on_the_span(spans: Spans) -> None:
    """And no other."""
    consumer = Consumer()
    consumer.poll()
    consumer.poll()

    with pytest.raises(LookupError), consumer:
        raise LookupError

    assert [span.status.is_ok or span.status.is_unset for span in spans] == [True, False]
    assert consumer.seen == [NOWHERE] * 3


def test_a_consumer_that_was_dropped_or_forgotten_ends_its_span(spans: Spans) -> None:
    """By its destructor, or at the end of the process."""
    dropped, forgotten = Consumer(), Consumer()
    dropped.poll()
    forgotten.poll()

    del dropped
    assert len(spans) == 1
    close_all()
    assert len(spans) == 2
    forgotten.poll()

    assert len(spans) == 2


def test_in_asyncio_it_is_the_same(spans: Spans) -> None:
    """Each task has the message that it awaited, and no other's."""

    async def work(consumer: AIOConsumer) -> None:
        for _ in range(3):
            polled = await consumer.poll()
            assert polled is not None
            await asyncio.sleep(0)
            assert current()[0] == TRACE_ID + (polled.offset() or 0)
        await consumer.consume(2)
        await consumer.consume(1)
        assert current()[0] == TRACE_ID + 5

    async def main() -> None:
        consumers = AIOConsumer(), AIOConsumer()
        await asyncio.gather(*map(work, consumers))
        assert await consumers[0].close() == "closed"
        with pytest.raises(LookupError):
            async with consumers[1]:
                raise LookupError
        assert [one.seen for one in consumers] == [[NOWHERE] * 6] * 2
        assert current() == NOWHERE

    asyncio.run(main())

    assert len(spans) == 10
    assert [span.status.is_unset for span in spans].count(False) == 1


def depth(context: Context) -> int:
    """Count the holds that *context* lies upon."""
    for value in context.values():
        if hasattr(value, "base"):
            return 1 + depth(value.base)
    return 0


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(("poll", "none", "close", "span")))))
def test_no_order_of_calls_leaves_anything_behind(steps: list[tuple[int, str]]) -> None:
    """Consumers by turns, empty polls, closing early, spans of the application in between."""
    consumers = [Consumer() for _ in range(3)]
    with captured_spans() as spans:
        for number, step in steps:
            consumer = consumers[number]
            if step == "span":
                before = get_current()
                with tracer.start_as_current_span("application") as span:
                    consumer.poll(0)
                    assert trace.get_current_span() is span
                assert get_current() is before
            elif step == "close":
                consumer.close()
            elif (polled := consumer.poll(1 if step == "poll" else 0)) is not None:
                assert current()[0] == TRACE_ID + (polled.offset() or 0)
            assert depth(get_current()) <= len(consumers)
        for consumer in consumers:
            consumer.close()

    assert current() == NOWHERE
    processed = sum(consumer.given for consumer in consumers)
    assert [span.name for span in spans].count("process plays") == processed
